"""What a night costs: what is open, not what was ever missing, and no more on the hundredth night than on the first."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.graph.stores import open_store
from enrich.ontology.terms import RDFS
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

REQUESTS = frozenset(
    {"select", "select_by_key", "ask", "update", "construct", "write_graph", "fingerprint", "graphs"}
)


class Counting:
    """A store that counts the requests made of it, and keeps the queries."""

    def __init__(self, store: Any) -> None:
        self.store = store
        self.asked: Counter[str] = Counter()
        self.queries: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.store, name)
        if name not in REQUESTS:
            return found

        def counted(*said: Any, **named: Any) -> Any:
            self.asked[name] += 1
            self.queries += [text for text in said if isinstance(text, str)]
            return found(*said, **named)

        return counted


def night(workspace: Workspace, model: Path) -> tuple[pipeline.RunSummary, Counting]:
    """One run, and what it asked of the store."""
    counting = Counting(workspace.store)
    return pipeline.run(Workspace(workspace.settings, counting), model), counting  # type: ignore[arg-type]


def test_where_nothing_has_changed_no_record_is_read(tmp_path: Path) -> None:
    requests = []
    for size in (20, 200):
        workspace = museum(size, open_store(path=tmp_path / f"store{size}"))
        model = dummy_model(workspace, tmp_path / f"m{size}")
        first, _ = night(workspace, model)
        assert first.records > 0
        second, counting = night(workspace, model)
        assert second.run is None
        assert not [query for query in counting.queries if "VALUES (?record)" in query]
        requests.append(counting.asked.total())
        workspace.store.close()
    assert requests[0] == requests[1], "what a night asks must not grow with what is answered"


def test_a_record_added_costs_one_record(tmp_path: Path) -> None:
    workspace = museum(60, open_store(path=tmp_path / "store"))
    model = dummy_model(workspace, tmp_path / "m")
    night(workspace, model)
    subject = next(s for s in workspace.reader.read_all() if s.missing)
    graph = NamedNode(workspace.reader.graphs[0].value)
    workspace.store.insert([Quad(subject.iri, RDFS.label, Literal("a new title"), graph)])
    again, _ = night(workspace, model)
    third, counting = night(workspace, model)
    assert (again.records, third.run) == (1, None)
    assert not [query for query in counting.queries if "VALUES (?record)" in query]
    workspace.store.close()


def test_the_thirtieth_night_asks_what_the_second_did(tmp_path: Path) -> None:
    workspace = museum(30, open_store(path=tmp_path / "store"))
    model = dummy_model(workspace, tmp_path / "m")
    night(workspace, model)
    graph = NamedNode(workspace.reader.graphs[0].value)
    subject = next(s for s in workspace.reader.read_all() if s.missing)
    asked = []
    for number in range(30):
        workspace.store.insert([Quad(subject.iri, RDFS.label, Literal(f"title {number}"), graph)])
        done, counting = night(workspace, model)
        assert done.records == 1
        asked.append(counting.asked.total())
    assert max(asked[-5:]) <= max(asked[:5]), asked
    workspace.store.close()


def test_of_an_edit_only_what_it_reaches_is_read(tmp_path: Path) -> None:
    workspace = museum(60, open_store(path=tmp_path / "store"))
    model = dummy_model(workspace, tmp_path / "m")
    first, _ = night(workspace, model)
    graph = NamedNode(workspace.reader.graphs[0].value)
    edited, other = [s.iri for s in workspace.reader.read_all() if s.missing][:2]
    workspace.store.insert([Quad(edited, RDFS.label, Literal("a new title"), graph)])

    again, counting = night(workspace, model)

    assert (first.records > 1, again.records) == (True, 1)
    read = [query for query in counting.queries if "VALUES (?record)" in query]
    assert read
    assert all(str(edited) in query and str(other) not in query for query in read)

    workspace.store.insert([Quad(other, RDFS.label, Literal("a new title"), graph)])
    shutil.rmtree(workspace.settings.locate(workspace.settings.run.kept_facts))
    third, counting = night(workspace, model)
    assert third.records == 1
    assert any(str(edited) in query for query in counting.queries), "all are compared"
    workspace.store.close()
