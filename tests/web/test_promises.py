"""What the index and the reviews say of promises: every current answer once, and every judgement that measures."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode

from enrich.answering.run import run as answer_gaps
from enrich.runs import prune as pruning
from enrich.runs.part import Part, part_of, take_back
from enrich.runs.promise_table import Measured, table
from enrich.runs.register import Register, retract
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.web.index.index import Index
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.web.indexed import Fact, current, index_of

START = datetime.now(UTC)


class Judging:
    """A museum with answers of one model, its index, and a curator."""

    def __init__(self, folder: Path) -> None:
        self.workspace: Workspace = museum(60, run={"shard": 30})
        self.model = dummy_model(self.workspace, folder / "model")
        answer_gaps(self.workspace, self.model)
        self.index: Index = index_of(self.workspace, folder / "index.sqlite")
        self.minutes = 0

    def facts(self, name: str = "time") -> list[Fact]:
        return [
            f
            for f in current(self.workspace)
            if f.facets["outcome"] == "Predicted" and f.facets["property"] == name
        ]

    def judge(self, facts: Sequence[Fact], decision: str, by: str = "Ana", **said: Any) -> None:
        self.minutes += 1
        now = START + timedelta(minutes=self.minutes)
        judgements = [
            Judgement(NamedNode(f.prediction), decision, **{"drawn": "Random", **said}) for f in facts
        ]
        done = Reviewer(self.workspace, by).write(judgements, now)
        assert not done.refused

    def measured(self) -> Measured:
        self.index.refresh(facts=True)
        return self.index.promises()


@pytest.fixture
def judging(tmp_path: Path) -> Judging:
    return Judging(tmp_path)


def test_every_current_answer_is_counted_by_what_tells_it_apart(judging: Judging) -> None:
    found = judging.measured()

    told = Counter(
        tuple(f.facets[name] for name in ("model", "property", "regime", "band", "museum"))
        for f in current(judging.workspace)
        if f.facets["outcome"] == "Predicted"
    )
    assert {
        (t.model, t.property, t.regime, str(t.band), t.museum): s.answers for t, s in found.sizes.items()
    } == told
    sure = sum(f.confidence for f in current(judging.workspace) if f.facets["outcome"] == "Predicted")
    assert sum(s.confidence for s in found.sizes.values()) == pytest.approx(sure)
    assert (found.judged, found.left_out) == ([], Counter())


def test_it_is_measured_once_until_something_changes(
    judging: Judging, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given judgements that were measured, when promises are asked for again, then the store is not asked; after another
    judgement it is."""
    judging.judge(judging.facts()[:2], "Accepted")
    before = judging.measured()

    with monkeypatch.context() as nothing:
        nothing.setattr(judging.index, "workspaces", lambda: pytest.fail("the store was asked"))
        again = judging.index.promises()
    judging.judge(judging.facts()[2:3], "Rejected")

    assert again == before
    assert [a.right for a in judging.measured().judged] == [True, True, False]


def test_what_was_judged_still_measures_when_it_was_answered_anew_and_pruned(judging: Judging) -> None:
    """A value turned down is followed by the next candidate; were it forgotten with its run, only what was right would stay."""
    facts = judging.facts()
    judging.judge(facts[:6], "Accepted")
    judging.judge(facts[6:10], "Rejected")
    before = judging.measured()
    assert [a.right for a in before.judged] == [True] * 6 + [False] * 4

    assert answer_gaps(judging.workspace, judging.model).run is not None
    again = judging.measured()
    pruning.prune(judging.workspace, START + timedelta(days=400), 90)
    gone = judging.measured()

    assert before.judged == again.judged == gone.judged
    for found in (again, gone):
        size = sum(s.answers for t, s in found.sizes.items() if t.property == "time")
        assert size >= len(facts)
    (row,) = table(gone, name="time")
    assert (row.observed.judged, row.observed.draws) == (10, 10)


def test_what_was_not_drawn_at_random_is_known_and_measures_no_rest(judging: Judging) -> None:
    facts = judging.facts()
    judging.judge(facts[:3], "Rejected", drawn="Uncertain")
    judging.judge(facts[3:5], "Accepted", drawn="Chosen")
    judging.judge(facts[5:7], "Accepted", drawn="Group", shown=False)
    judging.judge(facts[7:8], "Undecided")
    judging.judge(facts[8:9], "Accepted", probability=0.25)
    judging.judge(facts[8:9], "Rejected", by="Ben")

    found = judging.measured()

    assert [(a.right, a.random, a.probability) for a in found.judged] == [
        *[(False, False, None)] * 3, *[(True, False, None)] * 2, (True, True, 0.25),
    ]  # fmt: skip
    assert found.left_out == Counter({"Uncertain": 3, "Chosen": 2, "not shown": 2, "Undecided": 1})
    assert sum(s.answers for t, s in found.sizes.items() if t.property == "time") == len(facts) - 3


def test_what_was_taken_back_promises_nothing(judging: Judging) -> None:
    facts = judging.facts()
    judging.judge(facts[:4], "Rejected")
    register = Register(judging.workspace.store, judging.workspace.names)
    run = NamedNode(register.runs()[0].run)

    take_back(
        judging.workspace, part_of(judging.workspace, run, Part("time", below=facts[0].confidence + 0.01))
    )
    part = judging.measured()
    judging.judge(judging.facts("material")[:1], "Rejected")
    retract(judging.workspace, run.value)
    whole = judging.measured()

    assert (part.judged, part.left_out) == ([], Counter({"taken back": 4}))
    assert {t.property for t, s in part.sizes.items() if s.answers} == {"material"}
    assert (whole.judged, whole.left_out) == ([], Counter({"retracted": 5}))


def test_a_judgement_of_what_nobody_kept_anything_of_is_said(judging: Judging) -> None:
    judging.judge(judging.facts()[:2], "Rejected")
    store, names = judging.workspace.store, judging.workspace.names
    store.update(
        f"DELETE WHERE {{ GRAPH {names.reviews} {{ ?p <https://w3id.org/enrich/ns#confidence> ?c }} }}"
    )
    (run,) = Register(store, names).runs()
    for shard in Register(store, names).shards(NamedNode(run.run)):
        store.drop(NamedNode(shard))
        store.update(f"DELETE WHERE {{ GRAPH {names.runs} {{ ?run ?graph <{shard}> }} }}")

    assert judging.measured().left_out == Counter({"gone": 2})
