from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.model.fitting import ModelSpec
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.learn.hiding import Hidden, Trained, check, hidden_blocks, hidden_groups, train_without, without
from enrich.learn.promise_check import summary

BASE = "https://museum.example.org/"
PLACE = Property("place", (f"{BASE}place/0", f"{BASE}place/1"))
SPEC = ModelSpec(
    (MemberSpec("tabular", {"rounds": 10, "museum": "museum"}, fold_settings={"refit": False}),),
    folds=3,
    groups=("museum",),
)


def museums(rule: Sequence[int], each: int = 120) -> list[Record]:
    """Museums in which the kind of object says the place; where `rule` is 1, the other way round."""
    return [
        Record(
            f"{BASE}{museum}/{number:05d}",
            {"place": (PLACE.classes[(number + turned) % 2],)},
            {"museum": (f"{BASE}{museum}",), "kind": (f"{BASE}kind/{number % 2}",)},
        )
        for museum, turned in enumerate(rule)
        for number in range(each)
    ]


def learn(records: Sequence[Record]) -> Dataset:
    return Dataset(list(records), (PLACE,))


def shown_without(records: list[Record], museum: int) -> tuple[Trained, Hidden]:
    """A training in which one museum never recorded the place, and what was hidden."""
    groups = hidden_groups(records, ["place"], ["museum"])
    hidden = next(h for h in groups if h.group == f"{BASE}{museum}")
    trained = train_without(records, hidden, learn, SPEC)
    assert trained is not None
    return trained, hidden


def test_a_property_is_hidden_from_one_group_and_nothing_else() -> None:
    records = museums((0, 0))
    records[0] = replace(records[0], known={}, outside=("place",))
    first, second = hidden_groups(records, ["place"], ["museum"])
    assert (first.group, int(first.rows.sum())) == (f"{BASE}0", 120)
    assert (second.group, int(second.rows.sum())) == (f"{BASE}1", 120)
    shown = without(records, first)
    assert [not (r.known or r.outside) for r in shown] == first.rows.tolist()
    assert [r.context for r in shown] == [r.context for r in records]
    assert list(hidden_groups(records, ["place"], ["museum"], least=121)) == []


def test_every_other_tenth_of_the_accession_numbers_is_hidden() -> None:
    records = museums((0,), each=200)
    (hidden,) = hidden_blocks(records, ["place"], ["museum"])
    assert hidden.rows[:20].all()
    assert not hidden.rows[21:39].any()
    assert abs(hidden.rows.mean() - 0.5) < 0.02


def test_what_travels_is_answered_and_the_promise_kept() -> None:
    trained, hidden = shown_without(museums((0, 0, 0, 0, 0)), 2)
    kept = check(trained, hidden)
    assert kept.regimes == {"seen": 0, "unseen block": 0, "unseen group": 120}
    assert (kept.asked, kept.answered, kept.right) == (120, 120, 120)
    assert kept.promised == 0.9
    assert (kept.first_right, kept.macro_f1) == (1.0, 1.0)
    assert kept.ece < 0.1
    assert (kept.with_sets, kept.covered) == (0, None)  # a set promises nothing to a museum never seen


def test_a_museum_of_other_habits_is_not_answered() -> None:
    """The fifth museum does the opposite of the others, and one of these does too: none can speak for it."""
    trained, hidden = shown_without(museums((0, 1, 0, 0, 1)), 4)
    kept = check(trained, hidden)
    assert kept.first_right <= 0.5
    assert (kept.answered, kept.promised) == (0, None)
    seen = trained.fit("seen")
    assert seen is not None
    answer = seen.model.answer(trained.asked)["place"]
    wrong = (answer.fused.probabilities.max(axis=1) >= answer.thresholds.max(axis=1)).sum()
    assert wrong > 0  # as records drawn at random would have it, it is answered, wrongly


def test_hidden_blocks_are_asked_as_unseen_blocks() -> None:
    records = museums((0, 0), each=400)
    (hidden,) = hidden_blocks(records, ["place"], ["museum"])
    trained = train_without(records, hidden, learn, SPEC)
    assert trained is not None
    assert (trained.regimes == 1).mean() > 0.75
    kept = check(trained, hidden)
    assert kept.right == kept.asserted > 0.9 * kept.asked
    assert kept.with_sets == kept.asked
    assert kept.covered == 1.0


def test_a_value_outside_the_classes_is_in_no_set_and_no_first_candidate() -> None:
    records = museums((0, 0), each=400)
    for row in range(0, 800, 20):
        records[row] = replace(records[row], known={}, outside=("place",))
    (hidden,) = hidden_blocks(records, ["place"], ["museum"])
    trained = train_without(records, hidden, learn, SPEC)
    assert trained is not None
    kept = check(trained, hidden)
    outside = float((~trained.truth.any(axis=1)).mean())
    assert outside > 0
    assert kept.first_right == pytest.approx(1 - outside)
    assert kept.covered == pytest.approx(1 - outside)


def test_a_summary_pools_the_answers_of_each_kind() -> None:
    records = museums((0, 0, 0, 0, 0))
    kept = [check(*shown_without(records, museum)) for museum in range(5)]
    found = summary(kept)["group"]
    assert (found["hidden"], found["still_answered"], found["asked"], found["answered"]) == (5, 5, 600, 600)
    assert found["precision"] == pytest.approx(1.0)
    assert found["low"] > 0.99
    assert np.isclose(found["high"], 1.0)
