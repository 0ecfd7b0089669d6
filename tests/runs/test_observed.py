"""What reviews say of a promise: right on average whatever was judged first, with an interval that holds, and in words."""

from __future__ import annotations

import random
from collections import Counter
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.runs.observed import Estimate, Judged, Stratum, band, estimate, wilson
from enrich.runs.promise_table import (
    LEVELS,
    AnswerGroup,
    JudgedAnswer,
    Measured,
    first_judgements,
    table,
    to_take_back,
)
from enrich.runs.reviews import Review

PLACE: Stratum = ("place", 0.9)
LOW: Stratum = ("place", 0.5)
Made = list[tuple[Stratum, float, bool]]


def made(chance: random.Random, count: int) -> Made:
    """Answers that are right less often than they are sure."""
    found: Made = []
    for _ in range(count):
        sure = 0.5 + chance.betavariate(5, 1.3) / 2
        found.append(((chance.choice("pt"), band(sure)), sure, chance.random() < sure - 0.06))
    return found


def judged(answers: Made, cards: int, chance: random.Random, share: float = 0.2) -> list[Judged]:
    """A share at random within a stratum, the others the least sure of what is left."""
    order, left = sorted(range(len(answers)), key=lambda i: answers[i][1]), dict.fromkeys(range(len(answers)))
    found, at = [], 0
    while len(found) < cards and left:
        if draw := chance.random() < share:
            strata = sorted({answers[i][0] for i in left})
            stratum = chance.choice(strata)
            own = [i for i in left if answers[i][0] == stratum]
            number, probability = chance.choice(own), 1 / len(own)
        else:
            while order[at] not in left:
                at += 1
            number, probability = order[at], None
        del left[number]
        found.append(Judged(answers[number][0], answers[number][2], draw, probability))
    return found


def sizes(answers: Made) -> Counter[Stratum]:
    return Counter(stratum for stratum, _, _ in answers)


def share(answers: Made) -> float:
    return sum(right for _, _, right in answers) / len(answers)


def test_the_interval_holds_the_truth_where_the_uncertain_come_first_and_the_plain_mean_does_not() -> None:
    """Given 100 museums' answers, when a curator judges 250 of 1,200, the least sure first and a fifth at random, then the
    interval holds the true share in at least 93, and the mean of all judgements in hardly any."""
    holds = naive = 0
    bias = 0.0
    for seed in range(100):
        chance = random.Random(seed)
        answers = made(chance, 1200)
        truth, found = share(answers), judged(answers, 250, chance)
        group = estimate(sizes(answers), found)
        low, high = wilson(sum(j.right for j in found) / len(found), len(found))
        holds += group.low <= truth <= group.high
        naive += low <= truth <= high
        bias += ((group.right or 0.0) - truth) / 100
    assert holds >= 93
    assert naive <= 20
    assert abs(bias) < 0.02


@settings(max_examples=60)
@given(st.integers(0, 10_000), st.integers(1, 60), st.sampled_from([0.0, 0.2, 0.6, 1.0]))
def test_when_all_are_judged_the_truth_is_known(seed: int, count: int, drawn: float) -> None:
    chance = random.Random(seed)
    answers = made(chance, count)

    group = estimate(sizes(answers), judged(answers, count, chance, drawn))

    assert group.right == pytest.approx(share(answers))
    assert (group.low, group.high) == (pytest.approx(group.right), pytest.approx(group.right))
    assert group.covered == 1.0
    assert group.enough


@settings(max_examples=80)
@given(st.integers(0, 10_000), st.integers(0, 80))
def test_what_is_known_for_certain_bounds_the_estimate(seed: int, cards: int) -> None:
    chance = random.Random(seed)
    answers = made(chance, 80)
    found = judged(answers, cards, chance)
    group = estimate(sizes(answers), found)

    assert group.judged == len(found)
    assert group.draws == sum(each.random for each in found)
    if group.right is not None:
        assert 0 <= group.low <= group.right <= group.high <= 1
        assert 0 <= group.effective <= group.draws + 1e-9
        assert 0 < group.covered <= 1


def test_without_a_draw_nothing_is_observed() -> None:
    group = estimate({PLACE: 10}, [Judged(PLACE, False, random=False)])

    assert (group.right, group.draws, group.judged, group.covered) == (None, 0, 1, 0.0)
    assert group.verdict(0.9) == "not enough yet"


def test_draws_stand_for_the_answers_of_their_stratum() -> None:
    """Nine answers in ten are sure ones, though as many uncertain ones were drawn."""
    drawn = [Judged(h, right, random=True) for _ in range(40) for h, right in ((PLACE, True), (LOW, False))]

    group = estimate({PLACE: 9000, LOW: 1000}, drawn)

    assert group.right == pytest.approx(0.9, abs=0.005)
    assert group.effective < 80
    assert group.low < 0.9 < group.high


def test_those_that_were_more_likely_to_be_drawn_stand_for_fewer() -> None:
    drawn = [
        Judged(PLACE, False, random=True, probability=0.01),
        Judged(PLACE, True, random=True, probability=0.001),
    ]

    group = estimate({PLACE: 100_000}, drawn * 20)

    assert group.right == pytest.approx(10 / 11, abs=0.01)


def test_a_band_in_which_nothing_was_drawn_is_taken_to_be_like_the_one_below() -> None:
    drawn = [Judged(LOW, n % 2 == 0, random=True) for n in range(40)]

    group = estimate({LOW: 1000, PLACE: 1000, ("time", 0.9): 2000}, drawn)

    assert group.right == pytest.approx(0.5, abs=0.02)
    assert group.covered == 0.5
    assert group.verdict(0.9) == "not enough yet"


@pytest.mark.parametrize(
    ("low", "high", "draws", "promised", "said"),
    [
        (0.7, 0.85, 50, 0.9, "not kept"),
        (0.85, 0.95, 50, 0.9, "kept"),
        (0.92, 0.99, 50, 0.9, "better"),
        (0.1, 0.2, 29, 0.9, "not enough yet"),
        (0.1, 0.2, 50, None, "nothing promised"),
    ],
)
def test_the_verdict_is_said_in_words(
    low: float, high: float, draws: int, promised: float | None, said: str
) -> None:
    assert Estimate(1000, draws, draws, draws, (low + high) / 2, low, high, 1.0).verdict(promised) == said


def test_a_band_holds_from_its_lower_end_to_the_next() -> None:
    assert [band(c) for c in (1.0, 0.9999, 0.95, 0.8, 0.79, 0.3)] == [1.0, 0.95, 0.95, 0.8, 0.7, 0.0]


def measured(*group: tuple[AnswerGroup, int, int, int]) -> Measured:
    """Of each kind so many answers, draws, and right ones among them; nine in ten are promised."""
    found = Measured()
    for kind, answers, draws, right in group:
        found.size(kind).add(answers, answers * (kind.band + 0.04), answers * 0.9, answers)
        found.judged += [JudgedAnswer(kind, n < right, random=True) for n in range(draws)]
    return found


def test_a_table_says_where_the_promise_is_not_kept_and_from_which_confidence_it_is() -> None:
    one, two = "https://m.example/1", "https://m.example/2"
    found = measured(
        (AnswerGroup("m", "place", "Seen", 0.9, one), 500, 60, 59),
        (AnswerGroup("m", "place", "Seen", 0.8, one), 500, 60, 59),
        (AnswerGroup("m", "place", "Seen", 0.5, one), 900, 60, 10),
        (AnswerGroup("m", "place", "Seen", 0.9, two), 500, 10, 10),
    )

    (row,) = table(found)
    assert (row.model, row.property, row.regime, row.band, row.museum) == ("m", "place", None, None, None)
    assert (row.promised, row.verdict, row.holds_from) == (pytest.approx(0.9), "not kept", 0.8)
    by_museum = {row.museum: row for row in table(found, "museum")}
    assert {museum: row.verdict for museum, row in by_museum.items()} == {
        one: "not kept",
        two: "not enough yet",
    }
    by_band = {row.band: row for row in table(found, "band")}
    assert (by_band[0.8].claimed, by_band[0.8].verdict) == (pytest.approx(0.84), "better")
    assert by_band[0.8].promised == pytest.approx(0.9)
    assert by_band[0.5].verdict == "not kept"
    assert [row.museum for row in table(found, museum=two)] == [two]
    assert table(found, name="time") == []
    assert {by: len(to_take_back(table(found, by))) for by in LEVELS} == {
        "model": 0,
        "property": 1,
        "regime": 0,
        "band": 0,
        "museum": 1,
    }


def test_a_few_answers_are_not_said_to_be_all() -> None:
    """Given a band of which both answers were judged and many in another that nobody saw, then no share is said of all of
    them, and none from which the promise would hold; of the band that is known it is."""
    found = measured(
        (AnswerGroup("m", "place", "Seen", 0.95, "k"), 2, 2, 2),
        (AnswerGroup("m", "time", "Seen", 0.8, "k"), 60, 0, 0),
    )

    (whole,) = table(found, "model")
    assert (whole.observed.right, whole.observed.low, whole.observed.high) == (None, 0.0, 1.0)
    assert (whole.observed.draws, whole.verdict) == (2, "not enough yet")
    assert [(r.property, r.observed.right) for r in table(found)] == [("place", 1.0), ("time", None)]


NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)


def review(minute: int, decision: str, by: str, value: str = "a", instead: str | None = None) -> Review:
    at = NOON + timedelta(minutes=minute)
    return Review(f"r{minute}", "o", "place", decision, at, value, instead, None, by, prediction="p")


def test_of_several_judgements_of_a_value_the_first_curators_last_word_measures() -> None:
    found = first_judgements(
        [
            review(0, "Accepted", "Ana"),
            review(1, "Rejected", "Ben"),
            review(2, "Corrected", "Ana", "b", "a"),
            review(3, "Accepted", "Ben", "c"),
        ]
    )

    assert [(f.review.iri, f.final.decision) for f in found] == [("r0", "Corrected"), ("r3", "Accepted")]


def test_what_is_put_in_where_nothing_was_predicted_judges_nothing() -> None:
    assert first_judgements([review(0, "Corrected", "Ana", "b")]) == []


def test_each_row_is_told_as_it_is_measured() -> None:
    """Rows of many museums take a while: whoever waits is told how many there are."""
    museums = (AnswerGroup("m", "place", "Seen", 0.9, museum) for museum in "abc")
    told: list[tuple[int, int]] = []
    table(
        measured(*((group, 9, 2, 1) for group in museums)),
        "museum",
        progress=lambda _, done, total: told.append((done, total)),
    )
    assert told == [(0, 3), (1, 3), (2, 3)]
