"""The index stays what the store says: after any history of runs, when it is killed, deleted or damaged, and while many
ask it."""

from __future__ import annotations

import gc
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from contextlib import closing, suppress
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import StoreUnavailable
from enrich.graph.stores import open_store
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, SKOS
from enrich.runs.register import Register
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.runs.shards import exchange_shard
from enrich.settings.loading import Settings
from enrich.show.named import run_named
from enrich.web.index.asked import Filters
from enrich.web.index.index import Index
from enrich.workspace import Workspace
from tests.museums import PROFILE
from tests.runs.made_runs import NAMES, add_run
from tests.web.indexed import WORDS, agrees, answered, current, facets_of, index_of, listed

GAPS = st.tuples(st.integers(0, 2), st.sampled_from(["place", "time"]))
ANSWERS = st.dictionaries(GAPS, st.lists(st.sampled_from("abc"), max_size=2, unique=True), max_size=4)
STATES = st.sampled_from(["Active", "Active", "Open", "Retracted"])
RUNS = st.lists(st.tuples(ANSWERS, st.none() | st.integers(0, 3), STATES), max_size=5)
CHANGES = st.lists(st.tuples(st.integers(0, 4), st.sampled_from(["Active", "Retracted", "less"])), max_size=4)


def said(workspace: Workspace) -> list[tuple[str, ...]]:
    """The current answers, by the query of that name."""
    answer = run_named(workspace, "current")
    columns = [answer.variables.index(name) for name in ("prediction", "record", "property", "value", "run")]
    return sorted(tuple("" if (t := row[c]) is None else t.value for c in columns) for row in answer.rows)


def indexed(index: Index) -> list[tuple[str, ...]]:
    rows = index.rows(Filters(), "record")
    return sorted((r.prediction, r.record, r.property, r.value or "", r.run) for r in rows)


def becomes(store: Store, number: int, state: str) -> None:
    """A run becomes active (if it is open), is taken back, or loses its first shard, as part of a run is taken back."""
    run = NAMES.run(f"r{number}")
    rows = list(
        store.select(f"SELECT ?state WHERE {{ GRAPH {NAMES.runs} {{ {run} {ENR.runState} ?state }} }}")
    )
    if not rows or rows[0][0] == ENR.Retracted:
        return
    if state == "less":
        shards = list(
            store.select(f"SELECT ?g WHERE {{ GRAPH {NAMES.runs} {{ {run} {ENR.graph} ?g }} }} ORDER BY ?g")
        )
        for (shard,) in shards[:1]:
            assert isinstance(shard, NamedNode)
            exchange_shard(store, NAMES, run, shard, None, {})
            store.drop(shard)
        return
    store.update(
        f"DELETE {{ GRAPH {NAMES.runs} {{ {run} {ENR.runState} ?s }} }} INSERT {{ GRAPH {NAMES.runs} {{ {run} "
        f"{ENR.runState} {ENR[state]} }} }} WHERE {{ GRAPH {NAMES.runs} {{ {run} {ENR.runState} ?s }} }}"
    )


@pytest.mark.slow
@settings(max_examples=30)
@given(RUNS, CHANGES)
def test_after_any_history_of_runs_it_holds_what_is_current(
    tmp_path_factory: pytest.TempPathFactory,
    runs: Sequence[tuple[dict[tuple[int, str], list[str]], int | None, str]],
    changes: Sequence[tuple[int, str]],
) -> None:
    """Given runs that come, become active, are taken back whole or in part, then after each the index is as `current`."""
    with open_store() as store:
        workspace = Workspace(Settings(base=NAMES.base, profile=str(PROFILE)), store)
        index = index_of(workspace, tmp_path_factory.mktemp("index") / "i.sqlite")
        for number, (answers, order, state) in enumerate(runs):
            add_run(store, f"r{number}", answers, order=order, state=state, per_shard=1)
            index.refresh()
            assert indexed(index) == said(workspace)
        for number, state in changes:
            becomes(store, number, state)
            index.refresh()
            assert indexed(index) == said(workspace)
            assert index.held().answers == len(said(workspace))
        anew = index_of(workspace, tmp_path_factory.mktemp("index") / "i.sqlite")
        assert facets_of(anew, Filters()) == facets_of(index, Filters())
        anew.close()
        index.close()


def test_a_run_that_the_register_has_no_more_changes_nothing_any_more(tmp_path: Path) -> None:
    """Given an open run that was seen, when it is withdrawn, then that is one change, and what is counted is kept."""
    workspace = Workspace(Settings(base=NAMES.base, profile=str(PROFILE)), open_store())
    index = index_of(workspace, tmp_path / "index.sqlite")
    add_run(workspace.store, "done", {(1, "place"): ["a"]}, order=0)
    run = add_run(workspace.store, "begun", {}, order=1, state="Open")
    index.refresh()
    Register(workspace.store, workspace.names).withdraw(run)
    assert index.refresh()
    page = index.page(Filters())
    assert not index.refresh()
    assert index.page(Filters()) is page


@pytest.mark.parametrize(
    "harm", ["deleted", "cut", "garbage", "zeros within", "another schema", "another base"]
)
def test_what_is_lost_or_damaged_builds_itself_again(tmp_path: Path, harm: str) -> None:
    """Given an index whose file is harmed while it is in use, when it is asked again, then it says what the store says."""
    workspace = answered(tmp_path, 24)
    path = tmp_path / "folder" / "index.sqlite"
    index = index_of(workspace, path)
    agrees(index, workspace)
    if harm == "deleted":
        path.unlink()
    elif harm.startswith("another"):
        with sqlite3.connect(path) as connection:
            key = '["x", "y", "z"]' if harm == "another base" else ""
            connection.execute("UPDATE meta SET value = ? WHERE key = 'identity'", (key,))
    else:
        index.close()
        whole = path.read_bytes()
        middle = len(whole) // 2
        harmed = {
            "cut": whole[: middle // 4096 * 4096],
            "garbage": b"no index" * 1000,
            "zeros within": whole[:4096] + bytes(len(whole) - 4096),
        }
        path.write_bytes(harmed[harm])
        index = index_of(workspace, path)
    index.refresh()
    agrees(index, workspace)


def test_an_index_of_another_profile_is_made_anew(tmp_path: Path) -> None:
    workspace = answered(tmp_path, 24)
    index_of(workspace, tmp_path / "index.sqlite").refresh()
    other = workspace.settings.model_copy(update={"profile": "linked-art"})
    index = index_of(Workspace(other, workspace.store), tmp_path / "index.sqlite")
    assert index.refresh()
    assert not index.refresh()


BUILD = """
import sys
from pathlib import Path
from contextlib import contextmanager
from enrich.workspace import Workspace
from enrich.web.index.index import Index

with Workspace.open(Path(sys.argv[1]), reading=True) as workspace:
    @contextmanager
    def workspaces():
        yield workspace
    Index(Path(sys.argv[2]), workspaces).refresh()
"""


def rows_in(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection, suppress(sqlite3.OperationalError):
        return int(connection.execute("SELECT count(*) FROM answer").fetchone()[0])
    return 0


def test_killed_while_it_is_built_it_goes_on(tmp_path: Path) -> None:
    """Given a museum with many shards, when the process that builds the index is killed again and again, then the next
    one ends with the same counts."""
    folder = tmp_path / "museum"
    folder.mkdir()
    (folder / "enrich.toml").write_text(f'base = "{NAMES.base}"\nprofile = "{PROFILE}"\n', encoding="utf-8")
    gaps = {(n, name): [value] for n in range(300) for name, value in (("place", "a"), ("time", "b"))}
    with Workspace.open(folder / "enrich.toml") as museum:
        store = museum.store
        add_run(store, "r1", gaps, order=1, per_shard=20)
        add_run(store, "r2", dict(list(gaps.items())[:200]), order=2, per_shard=20)
    path, rows = tmp_path / "index.sqlite", 0
    for _ in range(3):
        command = [sys.executable, "-c", BUILD, str(folder / "enrich.toml"), str(path)]
        with subprocess.Popen(command) as building:
            while building.poll() is None and rows_in(path) <= rows:
                time.sleep(0.005)
            building.send_signal(signal.SIGKILL)
        assert building.returncode == -signal.SIGKILL, "it was done before it was killed"
        assert rows_in(path) > rows, "what one process read, the next need not read again"
        rows = rows_in(path)
    with Workspace.open(folder / "enrich.toml") as workspace:
        index = index_of(workspace, path)
        index.refresh()
        fresh = index_of(workspace, tmp_path / "fresh.sqlite")
        assert facets_of(index, Filters()) == facets_of(fresh, Filters())
        assert indexed(index) == said(workspace)
        index.close()
        fresh.close()


def test_many_ask_while_it_is_brought_up_to_date(tmp_path: Path) -> None:
    """Given six threads that count and list, when runs come and go, then each sees one state: its pages hold as many
    rows as are counted."""
    store = open_store()
    workspace = Workspace(Settings(base=NAMES.base, profile=str(PROFILE)), store)
    index = index_of(workspace, tmp_path / "index.sqlite")
    gaps = {(n, "place"): ["a"] for n in range(40)}
    add_run(store, "r0", gaps, order=0)
    index.refresh()
    stop, wrong = threading.Event(), list[str]()

    def ask() -> None:
        while not stop.is_set():
            try:
                counts = facets_of(index, Filters())
                page = index.page(Filters({"property": ("place",)}), limit=100)
                if sum(counts["state"].values()) != 40:
                    wrong.append(f"counts {counts['state']}")
                if not len(page.rows) == page.total == 40:
                    wrong.append(f"{len(page.rows)} rows of {page.total}")
            except Exception as error:  # noqa: BLE001
                wrong.append(repr(error))

    threads = [threading.Thread(target=ask) for _ in range(6)]
    for thread in threads:
        thread.start()
    for number in range(1, 8):
        add_run(store, f"r{number}", gaps, order=number, state="Open", per_shard=5)
        becomes(store, number, "Active")
        index.refresh()
        if number % 2:
            becomes(store, number, "Retracted")
            index.refresh()
    stop.set()
    for thread in threads:
        thread.join()
    assert not wrong, wrong[:3]
    assert indexed(index) == said(workspace)


HOSTILE = [
    "<script>alert(1)</script>",
    "'; DROP TABLE answer; --",
    '"quoted" AND "more"*',
    "\u202eright to left",
    "line\nbreak\ttab",
    "null\0byte",
    "🧵" * 50,
    "x" * 20_000,
    "",
    " ",
    "%s {} $1 ?",
    "é́́",
]


def test_hostile_literals_are_text(tmp_path: Path) -> None:
    """Given values and a name of a museum that hold anything, then they are counted, chosen and listed as they are."""
    workspace = answered(tmp_path, 24)
    store = workspace.store
    facts = [fact for fact in current(workspace) if fact.facets["value"]][: len(HOSTILE)]
    for fact, text in zip(facts, HOSTILE, strict=True):
        value, prediction = Literal(text, language="en"), NamedNode(fact.prediction)
        store.update(
            f"DELETE {{ GRAPH ?g {{ ?p {ENR.answers} ?v }} }} INSERT {{ GRAPH ?g {{ ?p {ENR.answers} {value} }} }} "
            f"WHERE {{ BIND({prediction} AS ?p) GRAPH ?g {{ ?p {ENR.answers} ?v }} }}"
        )
        store.insert([Quad(NamedNode(fact.facets["museum"]), SKOS.prefLabel, value, WORDS)])
    index = index_of(workspace, tmp_path / "index.sqlite")
    values = {v.value for v in index.facets(Filters())["value"]}
    for fact, text in zip(facts, HOSTILE, strict=True):
        value = Literal(text, language="en")
        (row,) = index.page(Filters({"value": (str(value),)})).rows
        assert (row.value, row.prediction) == (str(value), fact.prediction)
        assert str(value) in values
        index.total(Filters({"museum": (text,), "run": (text,)}, text))
        assert text == "" or listed(index, Filters({"value": (text,)})) == []


def test_a_judgement_does_not_wait_for_a_refresh(tmp_path: Path) -> None:
    """Given a refresh that reads a long run, when a curator judges, then it is seen long before the refresh ends."""
    workspace = answered(tmp_path, 24)
    index = index_of(workspace, tmp_path / "index.sqlite")
    index.refresh()
    fact = next(f for f in current(workspace) if f.facets["value"])
    Reviewer(workspace, "Ana").write([Judgement(NamedNode(fact.prediction), "Accepted")], datetime.now(UTC))
    with index._refreshing:
        done = threading.Event()

        def judged() -> None:
            index.judged([(fact.record, fact.facets["property"])])
            done.set()

        threading.Thread(target=judged).start()
        assert done.wait(5)
    (row,) = index.page(Filters({"state": ("Accepted",)})).rows
    assert row.prediction == fact.prediction


def test_a_connection_goes_with_its_thread(tmp_path: Path) -> None:
    """Given many threads that ask once each, as downloads do, when they have ended, then none of their connections is left."""
    workspace = answered(tmp_path, 12)
    index = index_of(workspace, tmp_path / "index.sqlite")
    index.refresh()
    for _ in range(20):
        thread = threading.Thread(target=index.total, args=(Filters(),))
        thread.start()
        thread.join()
    gc.collect()
    assert len(index._database._all) == 1


def test_a_place_that_cannot_be_written_is_an_outage(tmp_path: Path) -> None:
    """Given a file where the index's folder should be, when a page is asked for, then it is said, and nothing is empty."""
    workspace = answered(tmp_path, 12)
    (tmp_path / "file").write_text("")
    with pytest.raises(StoreUnavailable, match="cannot be written"):
        index_of(workspace, tmp_path / "file" / "index.sqlite").page(Filters())
