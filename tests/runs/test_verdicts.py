"""How values stand follows from the reviews, in whatever order they are written, read, or taken back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.answering import run as pipeline
from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import CRM, ENR
from enrich.runs import verdicts as verdict_graphs
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.runs.reviews import Review, unsound_reviews, verdicts
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.runs.judging import PLACE, accepted, answered, judged, now, predictions, state


def test_nothing_of_what_was_taken_back_is_left_in_what_is_accepted(store: Store, tmp_path: Path) -> None:
    """Given accepted values, when they are all taken back, also after all was made anew, then nothing is stated."""
    workspace = answered(store, tmp_path)
    rows = [predictions(workspace, name)[0] for name in (PLACE, "time")]
    done = judged(workspace, *(Judgement(NamedNode(r["prediction"]), "Accepted") for r in rows))
    assert accepted(workspace)
    reviewer = Reviewer(workspace, "Ana Ruiz")
    reviewer.graphs.rebuild()
    reviewer.withdraw(done.written[0], now())
    reviewer.withdraw(done.batch, now())
    assert accepted(workspace) == set()


PAIRS = """
record_class = "m:Jug"
[prefixes]
m = "https://jugs.example/"
[properties.glaze]
node = ["m:firing"]
predicate = "m:glaze"
minimum = 1
[texts.title]
path = ["rdfs:label"]
"""


@pytest.mark.parametrize("at_once", [500, 1])
def test_what_two_objects_of_one_production_state_stands_until_both_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Given two jugs of one firing, whose glaze was accepted for both, when one review is taken back, and all is made
    anew, then the statement stands; when the other is, it is gone."""
    said = [
        f'm:j{n} a m:Jug ; rdfs:label "jug {n}" ; m:firing m:f{n} . m:f{n} m:glaze m:g{n % 2} .'
        for n in range(9)
    ]
    said += [f'm:j{n} a m:Jug ; rdfs:label "jug {n}" ; m:firing m:both .' for n in (10, 11)]
    head = "PREFIX m: <https://jugs.example/> PREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n"
    (tmp_path / "jugs.toml").write_text(PAIRS, encoding="utf-8")
    store, graph = open_store(), NamedNode("https://jugs.example/graph")
    store.insert(Quad(*q.triple, graph) for q in parse(head + "\n".join(said), RdfFormat.TURTLE))
    settings = {"profile": str(tmp_path / "jugs.toml"), "decision": {"thresholds": {"glaze": 0.0}}}
    workspace = Workspace(Settings(**settings), store)  # type: ignore[arg-type]
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    monkeypatch.setattr(verdict_graphs, "AT_ONCE", at_once)
    rows = predictions(workspace, "glaze")
    done = judged(workspace, *(Judgement(NamedNode(r["prediction"]), "Accepted") for r in rows))
    reviewer, stated = Reviewer(workspace, "Ana Ruiz"), accepted(workspace)
    assert (len(done.written), len(stated)) == (2, 1)

    for review, left in zip(done.written, (stated, set()), strict=True):
        reviewer.withdraw(review, now())
        assert accepted(workspace) == left
        reviewer.graphs.rebuild()
        assert accepted(workspace) == left


@pytest.mark.parametrize("wrong", [
    {ENR.about: Literal("a jug")},
    {CRM.P140_assigned_attribute_to: Literal("jug 7")},
    {ENR.states: Literal("<https://jugs.example/7> is blue")},
    {ENR.states: Literal("_:b <https://jugs.example/p> _:b .")},
])  # fmt: skip
def test_a_review_of_another_tool_that_states_nothing_sound_costs_itself_alone(
    tmp_path: Path, wrong: dict[NamedNode, Literal]
) -> None:
    store = open_store()
    workspace = answered(store, tmp_path)
    row, other = predictions(workspace)[:2]
    judged(workspace, Judgement(NamedNode(row["prediction"]), "Accepted"))
    before, iri = accepted(workspace), workspace.names.mint("review", "of another tool")
    said: dict[NamedNode, NamedNode | Literal] = {
        ENR.about: NamedNode(other["record"]), ENR.propertyName: Literal(PLACE), ENR.decision: ENR.Accepted,
        ENR.answers: NamedNode(other["value"]), CRM.P140_assigned_attribute_to: NamedNode(other["node"]),
        CRM.P177_assigned_property_of_type: NamedNode(other["predicate"]), CRM.P141_assigned: NamedNode(other["value"]),
    }  # fmt: skip
    store.insert(Quad(iri, p, o, workspace.names.reviews) for p, o in (said | wrong).items())

    Reviewer(workspace, "Ana Ruiz").graphs.rebuild()

    assert (accepted(workspace), state(workspace, row), state(workspace, other)) == (
        before,
        ["Accepted"],
        ["Pending"],
    )
    assert unsound_reviews(store, workspace.names) == [iri.value]


def test_of_two_who_write_at_once_neither_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a curator whose review comes between another's look and write, then the verdicts know of both."""
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    times = {r["record"]: r for r in predictions(workspace, "time")}
    place = next(r for r in predictions(workspace) if r["record"] in times)
    time = times[place["record"]]
    ben, waiting = Reviewer(workspace, "Ben"), [time]
    update = workspace.store.update

    def meanwhile(text: str, *, idempotent: bool = False) -> None:
        if waiting:
            ben.write([Judgement(NamedNode(waiting.pop()["prediction"]), "Accepted")], now())
        update(text, idempotent=idempotent)

    monkeypatch.setattr(workspace.store, "update", meanwhile)
    judged(workspace, Judgement(NamedNode(place["prediction"]), "Accepted"))
    assert (state(workspace, place), state(workspace, time)) == (["Accepted"], ["Accepted"])


def test_whoever_writes_while_all_is_made_anew_is_not_lost(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a curator who judges values while the verdicts are made anew, one of a record that has reviews and one of
    another, then they stand."""
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    times = {r["record"]: r for r in predictions(workspace, "time")}
    first = next(r for r in predictions(workspace) if r["record"] in times)
    second = next(r for r in predictions(workspace) if r["record"] != first["record"])
    time = times[first["record"]]
    judged(workspace, Judgement(NamedNode(first["prediction"]), "Accepted"))
    ben, waiting = Reviewer(workspace, "Ben"), {"drop": [second], "update": [time]}

    def meanwhile(name: str) -> None:
        did = getattr(workspace.store, name)

        def do(*arguments: object, **named: object) -> None:
            if waiting[name] and (name == "drop" or not waiting["drop"]):
                row = waiting[name].pop()
                with monkeypatch.context() as patch:
                    patch.setattr(workspace.store, "update", update)
                    ben.write([Judgement(NamedNode(row["prediction"]), "Accepted")], now())
            did(*arguments, **named)

        monkeypatch.setattr(workspace.store, name, do)

    update = workspace.store.update
    meanwhile("drop")
    meanwhile("update")
    ben.graphs.rebuild()

    assert waiting == {"drop": [], "update": []}
    assert [state(workspace, row) for row in (first, second, time)] == [["Accepted"]] * 3


def test_a_right_value_that_is_turned_down_in_its_turn_leaves_none() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    said = [
        Review("r1", "x", PLACE, "Corrected", day, "b", "a"),
        Review("r2", "x", PLACE, "Rejected", day + timedelta(days=1), "b"),
    ]
    (found,) = verdicts(said, ()).values()
    assert {value: v.decision for value, v in found.items()} == {"a": "Rejected", "b": "Rejected"}
    again = [*said, Review("r3", "x", PLACE, "Corrected", day + timedelta(days=2), "c", "b")]
    (found,) = verdicts(again, ()).values()
    assert {value: (v.decision, v.put_in) for value, v in found.items()} == {
        "a": ("Corrected", "c"), "b": ("Corrected", "c"), "c": ("Accepted", None),
    }  # fmt: skip


MADE = st.lists(
    st.tuples(st.sampled_from(["Accepted", "Rejected", "Corrected", "Undecided"]), st.sampled_from("abc"),
              st.sampled_from("abc"), st.integers(0, 5)),
    max_size=6,
)  # fmt: skip


def made(said: list[tuple[str, str, str, int]]) -> list[Review]:
    return [
        Review(f"r{n}", "x", PLACE, decision, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at), value,
               instead if decision == "Corrected" else None)
        for n, (decision, value, instead, at) in enumerate(said)
    ]  # fmt: skip


@given(MADE, st.randoms(use_true_random=False))
def test_how_values_stand_follows_from_the_reviews_in_whatever_order_they_are_read(
    said: list[tuple[str, str, str, int]], chance: object
) -> None:
    reviews = made(said)
    mixed = list(reviews)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert verdicts(mixed, ()) == verdicts(reviews, ())
    assert (
        sum(v.decision == "Accepted" for found in verdicts(reviews, ()).values() for v in found.values()) <= 1
    )


@given(MADE, MADE)
def test_reviews_taken_back_are_as_if_never_made(
    kept: list[tuple[str, str, str, int]], taken: list[tuple[str, str, str, int]]
) -> None:
    reviews = made([*kept, *taken])
    late = datetime(2027, 1, 1, tzinfo=UTC)
    gone = [Review(f"w{r.iri}", "x", PLACE, "Withdrawn", late, withdraws=r.iri) for r in reviews[len(kept) :]]
    assert verdicts([*reviews, *gone], ()) == verdicts(reviews[: len(kept)], ())
