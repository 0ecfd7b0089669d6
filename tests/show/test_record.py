"""What is shown of a record: every answer with its candidates, evidence, models, run and reviews."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal, NamedNode, Quad
from rich.console import Console

from enrich.answering.run import run
from enrich.errors import InputError
from enrich.graph.labels import labels
from enrich.graph.stores import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.terms import ENR
from enrich.settings.loading import Settings
from enrich.show.record import show_record
from enrich.show.tree import record_tree
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

MUSEUM = "https://museum.example.org/"
PATTERN = Path(__file__).parents[1] / "ontology" / "pattern.trig"


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """The pattern's museum: four runs and three reviews."""
    with EmbeddedStore(None) as store, PATTERN.open("rb") as file:
        store.insert(ox.parse(file, ox.RdfFormat.TRIG))
        yield Workspace(Settings(profile="linked-art", base=MUSEUM + "enrich/"), store)


def shown(workspace: Workspace, number: int) -> dict[str, Any]:
    """What is shown of one of the three objects; it is JSON."""
    data = show_record(workspace, NamedNode(f"{MUSEUM}object/{number}"))
    return json.loads(json.dumps(data))  # type: ignore[no-any-return]


def drawn(data: dict[str, Any]) -> str:
    """The tree as text, wide enough that nothing is folded."""
    out = io.StringIO()
    Console(file=out, width=400).print(record_tree(data))
    return out.getvalue()


def test_the_facts_come_first(workspace: Workspace) -> None:
    data = shown(workspace, 1)
    assert data["texts"] == [{"value": 'Chasuble "de la Reina"', "language": "es"}]
    assert "technique" in data["missing"]
    assert shown(workspace, 2)["facts"] == {"place": [f"{MUSEUM}vocab/lyon"]}


def test_answers_of_every_run_are_told_with_their_state(workspace: Workspace) -> None:
    for number in (1, 2, 3):
        for answer in shown(workspace, number)["predictions"]:
            assert answer["run"]["state"] in ("Active", "Retracted", "Open")
            assert not (answer["current"] and answer["run"]["state"] != "Active")


def test_what_was_superseded_is_not_current(workspace: Workspace) -> None:
    answers = [a for number in (1, 2, 3) for a in shown(workspace, number)["predictions"]]
    by_iri = {a["prediction"]: a for a in answers}
    newer = [a for a in answers if a["supersedes"] and a["run"]["state"] == "Active"]
    assert newer
    for answer in newer:
        assert not any(by_iri[old]["current"] for old in answer["supersedes"] if old in by_iri)


def test_current_answers_come_first_within_a_property(workspace: Workspace) -> None:
    for number in (1, 2, 3):
        order = [(a["property"], not a["current"]) for a in shown(workspace, number)["predictions"]]
        assert order == sorted(order)


def test_an_answer_tells_its_whole_provenance(workspace: Workspace) -> None:
    answers = [a for number in (1, 2, 3) for a in shown(workspace, number)["predictions"]]
    answer = next(a for a in answers if a["outcome"] == "Predicted" and len(a["candidates"]) > 1)
    assert [c["rank"] for c in answer["candidates"]] == list(range(1, len(answer["candidates"]) + 1))
    assert answer["value"] in {c["value"] for c in answer["candidates"]}
    assert [e["modality"] for e in answer["evidence"]] == ["image"]
    for evidence in answer["evidence"]:
        assert evidence["sha256"]
        assert len(evidence["model"]["sha256"]) == 64
        assert evidence["sources"]
    assert answer["run"]["started"] < answer["run"]["ended"]


def test_reviews_are_told_in_order(workspace: Workspace) -> None:
    reviews = [
        a["reviews"] for number in (1, 2, 3) for a in shown(workspace, number)["predictions"] if a["reviews"]
    ]
    assert sum(map(len, reviews)) == 3
    for said in reviews:
        assert [r["time"] for r in said] == sorted(r["time"] for r in said)
        assert all(r["actor"] and r["decision"] in ("Accepted", "Rejected", "Corrected") for r in said)


def test_the_tree_shows_what_the_data_says(workspace: Workspace) -> None:
    for number in (1, 2, 3):
        data = shown(workspace, number)
        text = drawn(data)
        for answer in data["predictions"]:
            assert answer["prediction"] in text
            assert answer["run"]["run"] in text
            assert all(review["decision"] in text for review in answer["reviews"])
            assert len(answer["candidates"]) <= text.count(". ")


def test_a_record_nobody_knows_is_an_error(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="object/99"):
        show_record(workspace, NamedNode(MUSEUM + "object/99"))


def test_hostile_texts_are_shown_as_they_are(workspace: Workspace) -> None:
    data = shown(workspace, 1)
    data["texts"] = [{"value": "[bold]not markup[/bold] [/red] \x1b[31m" + "x" * 500, "language": None}]
    text = drawn(data)
    assert "[bold]not markup[/bold] [/red]" in text
    assert "x" * 300 not in text
    assert "\x1b" not in text


def test_a_failure_says_why(workspace: Workspace) -> None:
    (answer,) = (a for a in shown(workspace, 3)["predictions"] if a["outcome"] == "Failed")
    assert (answer["reason"], answer["detail"]) == ("UnreadableRecord", "two productions")
    assert "two productions" in drawn(shown(workspace, 3))


def test_a_record_is_called_what_the_profiles_labels_say(workspace: Workspace, tmp_path: Path) -> None:
    record = NamedNode(f"{MUSEUM}object/1")
    graph = next(g for g in workspace.store.graphs() if g.value.startswith(f"{MUSEUM}graph/"))
    number = NamedNode("https://schema.example.org/number")
    workspace.store.insert([Quad(record, number, Literal("T.17"), graph)])
    profile = tmp_path / "own.toml"
    profile.write_text(
        'extends = "linked-art"\nlabels = [["crm:P1_is_identified_by"], ["<' + number.value + '>"]]\n'
    )
    own = Workspace(Settings(profile=str(profile), base=workspace.settings.base), workspace.store)

    assert show_record(workspace, record)["labels"][record.value] == 'Chasuble "de la Reina"'
    data = show_record(own, record)
    assert data["labels"][record.value] == "T.17"
    assert drawn(data).startswith(f"T.17 <{record.value}>")


def test_labels_prefer_english(workspace: Workspace) -> None:
    graph, name = f"<{MUSEUM}graph/vocabulary>", f"<{MUSEUM}vocab/lyon>"
    label = "<http://www.w3.org/2004/02/skos/core#prefLabel>"
    workspace.store.update(
        f"INSERT DATA {{ GRAPH {graph} {{ {name} {label} 'Aaa'@fr, 'Lyon'@en, 'Lió'@ca }} }}"
    )
    assert labels(workspace.store, [f"{MUSEUM}vocab/lyon", f"{MUSEUM}vocab/none"]) == {
        f"{MUSEUM}vocab/lyon": "Lyon"
    }
    assert labels(workspace.store, []) == {}


def test_an_answer_that_awaits_pictures_says_so(workspace: Workspace) -> None:
    note = "pictures may come later"
    assert note not in drawn(shown(workspace, 1))
    workspace.store.update(
        f"INSERT {{ GRAPH ?g {{ ?p {ENR.seenDigest} 'sha256:0' }} }} WHERE {{ GRAPH ?g {{ ?p a {ENR.Prediction} }} }}"
    )
    data = shown(workspace, 1)
    assert all(answer["awaits_pictures"] for answer in data["predictions"])
    current = [answer for answer in data["predictions"] if answer["current"]]
    assert drawn(data).count(note) == len(current) > 0


def test_a_record_costs_at_most_eight_questions(store: Store, tmp_path: Path) -> None:
    """Given a museum in any store, three runs by two models and a review; when a record is shown, whatever is held about
    it, then the store is asked at most eight questions, and each answer has the models of its members."""
    museum_of = museum(20, store)
    for seed in (0, 1, 2):
        run(museum_of, dummy_model(museum_of, tmp_path / f"model-{seed % 2}", seed=seed))
    show_record(museum_of, next(museum_of.reader.iris()))  # vocabularies are read once
    for record in museum_of.reader.iris():
        counting = Counting(store)
        museum_of.reader.store = museum_of.__dict__["store"] = counting
        data = show_record(museum_of, record)
        museum_of.reader.store = museum_of.__dict__["store"] = store
        assert counting.asked <= 8
        for answer in data["predictions"]:
            assert all(len(e["model"]["sha256"]) == 64 for e in answer["evidence"])
            assert answer["state"] == (None if answer["value"] is None else "Pending")


class Counting:
    """A store that counts what it is asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked = 0

    def __getattr__(self, name: str) -> Any:
        self.asked += name in ("select", "select_by_key", "ask", "construct", "graphs", "count")
        return getattr(self._store, name)
