"""Whatever two curators decide, in whatever order and time zone: what follows is what the reviews say, what was turned down
is never answered again, and the facts stay as they are."""

from __future__ import annotations

import random
from datetime import timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.graph.stores import open_store
from enrich.ontology.terms import ENR
from enrich.runs.register import retract
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.runs.reviews import Reviews, read_reviews, verdicts
from enrich.runs.verdicts import VerdictGraphs
from enrich.show.named import run_named
from enrich.workspace import Workspace
from tests.museums import THRESHOLDS, dummy_model, museum
from tests.runs.judging import now

ZONES = {"Ana": timezone(timedelta(hours=13)), "Ben": timezone(timedelta(hours=-11))}
DECISIONS = ("Accepted", "Rejected", "Rejected", "Corrected", "Undecided")
Rows = list[dict[str, str]]


def answering(count: int) -> Workspace:
    """A museum in which whatever a model thinks is asserted."""
    return museum(count, decision={"thresholds": dict.fromkeys(THRESHOLDS, 0.0)})


def current(workspace: Workspace) -> Rows:
    """The current values with how they stand, by SPARQL."""
    found = run_named(workspace, "predictions")
    rows = [
        {k: v.value for k, v in zip(found.variables, row, strict=True) if v is not None} for row in found.rows
    ]
    return sorted(rows, key=lambda row: (row["record"], row["property"], row["value"]))


def facts(workspace: Workspace) -> list[str]:
    """All that is not ours."""
    found = workspace.store.select(
        "SELECT ?g ?s ?p ?o WHERE { { ?s ?p ?o } UNION { GRAPH ?g { ?s ?p ?o } } }"
    )
    ours = workspace.names.graph_prefix
    return sorted(
        " ".join(map(str, row)) for row in found if row[0] is None or not row[0].value.startswith(ours)
    )


def graph(workspace: Workspace, name: NamedNode) -> set[tuple[Any, ...]]:
    """What a graph says."""
    return set(workspace.store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {name} {{ ?s ?p ?o }} }}"))


def rebuilt(workspace: Workspace) -> list[set[tuple[Any, ...]]]:
    """The verdicts and what is accepted, as they follow from the reviews alone in a store of their own."""
    names = workspace.names
    other = Workspace(workspace.settings, open_store())
    other.store.insert(Quad(s, p, o, names.reviews) for s, p, o in graph(workspace, names.reviews))
    VerdictGraphs(other.store, names, workspace.profile.many_valued).rebuild()
    return [graph(other, name) for name in (names.verdicts, names.accepted)]


def decide(workspace: Workspace, rows: Rows, dice: random.Random) -> None:
    """One of two curators judges a value, or takes back a review that one of them made, also one that was taken back before."""
    name = dice.choice(sorted(ZONES))
    curator, at = Reviewer(workspace, name), now().astimezone(ZONES[name])
    made = [r for r in read_reviews(workspace.store, workspace.names) if not r.withdraws]
    if made and dice.random() < 0.2:
        curator.withdraw(NamedNode(dice.choice(sorted(made, key=lambda r: r.at)).iri), at)
        return
    row, decision = dice.choice(rows), dice.choice(DECISIONS)
    others = [NamedNode(r["value"]) for r in rows if r["property"] == row["property"]]
    value = dice.choice(others) if decision == "Corrected" else None
    curator.write([Judgement(NamedNode(row["prediction"]), decision, value)], at)


def test_after_each_of_eighty_decisions_what_follows_is_what_the_reviews_say(tmp_path: Path) -> None:
    """Given 80 decisions of two curators whose clocks are a day apart, withdrawals of one another's among them, then
    after each the verdicts and what is accepted are as if made anew, and code and SPARQL agree on how a value stands."""
    workspace, dice = answering(12), random.Random(7)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    names, many, before = workspace.names, workspace.profile.many_valued, facts(workspace)
    rows, seen = current(workspace), set()
    for _ in range(80):
        decide(workspace, rows, dice)
        assert [graph(workspace, name) for name in (names.verdicts, names.accepted)] == rebuilt(workspace)
        standing = verdicts(read_reviews(workspace.store, names), many)
        for row in current(workspace):
            verdict = standing.get((row["record"], row["property"]), {}).get(row["value"])
            assert row["state"] == ENR[verdict.decision if verdict else "Pending"].value
            seen.add(row["state"].rpartition("#")[2])
    assert seen == {"Pending", "Accepted", "Rejected", "Corrected", "Undecided"}
    assert facts(workspace) == before


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Two models of the same museum."""
    folder = tmp_path_factory.mktemp("models")
    return [dummy_model(answering(10), folder / str(seed), seed=seed) for seed in (0, 1)]


def turned_down(workspace: Workspace, rows: Rows, *, also_settled: bool) -> Rows:
    """Of these values those that stand as turned down, in gaps that a curator has closed as well or in open ones alone."""
    reviews = Reviews.read(workspace.store, workspace.names, workspace.profile.many_valued)
    return [
        row
        for row in rows
        if row["value"] in reviews.rejected(row["record"], row["property"])
        and (also_settled or not reviews.settled(row["record"], row["property"]))
    ]


@pytest.mark.parametrize("seed", range(30))
def test_what_was_turned_down_is_not_answered_again(models: list[Path], seed: int) -> None:
    """Given decisions between and during the runs of two models, and runs taken back, when a run ends, then it answers
    with no value that stands as turned down, and after a last run of each model no such value is current but where a
    curator has put in the right one."""
    workspace, dice = answering(10), random.Random(seed)
    before = facts(workspace)
    pipeline.run(workspace, models[0])
    for step in range(4):
        rows = current(workspace)
        for _ in range(3):
            decide(workspace, rows, dice)
        if dice.random() < 0.3:
            retract(workspace, dice.choice(rows)["run"])
        asked, during = dice.choice(models), current(workspace) or rows

        def meanwhile(_: str, done: int, *__: object, rows: Rows = during) -> None:
            if done:
                decide(workspace, rows, dice)

        made = pipeline.run(workspace, asked, progress=meanwhile).run
        if made is not None:
            own = [row for row in current(workspace) if row["run"] == made]
            assert not turned_down(workspace, own, also_settled=True), step
    for model in models:
        pipeline.run(workspace, model)
    assert not turned_down(workspace, current(workspace), also_settled=False)
    assert facts(workspace) == before
