"""The study of reviews: a simulated curator judges by what was hidden, in the order asked for."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Property, Record
from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.studies.curator import ALIKE, DOZEN, ORDERS, Cards, Curator, in_groups, with_diversity
from enrich.studies.reviews import hide, reviews_study
from tests.studies.material import material
from tests.two_modalities import FAST

PLACE = Property("place", ("fr", "it", "jp"))


def cards(margins: list[float], kinds: list[str], confidence: float = 0.99) -> Cards:
    n = len(margins)
    alike = np.empty(n, dtype=object)
    alike[:] = kinds
    places = [(i, "place") for i in range(n)]
    return Cards(places, np.zeros(n, dtype=np.intp), np.full(n, confidence), np.array(margins), alike)


def looked(name: str, shown: Cards, count: int) -> list[int]:
    return ORDERS[name](shown, count, np.random.default_rng(0), lambda _: True)[0]


def test_by_margin_the_least_decided_come_first() -> None:
    assert looked("margin", cards([0.3, 0.1, 0.2], ["a"] * 3), 2) == [1, 2]


def test_with_diversity_a_few_alike_make_room_for_others() -> None:
    shown = cards([0.01 * i for i in range(10)], ["a"] * 6 + ["b"] * 4)
    chosen, unseen = with_diversity(shown, 5, np.random.default_rng(0), lambda _: True)
    assert chosen == [*range(ALIKE), 6, 7]
    assert unseen == []


def test_at_random_every_card_has_its_chance() -> None:
    shown = cards([0.5] * 20, ["a"] * 20)
    assert sorted(looked("random", shown, 20)) == list(range(20))
    assert looked("random", shown, 5) != list(range(5))


def test_the_rest_of_a_group_is_accepted_unseen_only_where_its_dozen_was_right() -> None:
    shown = cards([0.5] * 50, ["good"] * 30 + ["bad"] * 20)
    chosen, unseen = in_groups(shown, 2 * DOZEN, np.random.default_rng(0), lambda i: i != 30 and i < 31)
    assert len(chosen) == 2 * DOZEN
    assert len(unseen) == 30 - DOZEN
    assert set(unseen) < set(range(30))
    few, none = in_groups(shown, DOZEN - 1, np.random.default_rng(0), lambda _: True)
    assert (len(few), none) == (DOZEN - 1, []), "fewer than a dozen say too little"


class Says(DummyClassifier):
    """Proposes fr, then it, then jp for every record."""

    def predict(self, records: object) -> dict[str, Distribution]:
        n = len(list(records))  # type: ignore[call-overload]
        p = np.tile([0.6, 0.3, 0.1], (n, 1))
        return {"place": Distribution.of(PLACE, p, np.ones(n, dtype=bool))}


def curator(corrects: float) -> Curator:
    records = [Record(f"r{i}") for i in range(4)]
    truth = {(0, "place"): ("fr",), (1, "place"): ("it",), (2, "place"): ("jp",)}
    return Curator(records, (PLACE,), truth, corrects, np.random.default_rng(0))


def test_the_curator_accepts_what_is_true_and_puts_right_or_turns_down_what_is_not() -> None:
    who = curator(corrects=1.0)
    who.review(Says(), ORDERS["random"], 3)
    assert who.taught == {(0, "place"): ("fr",), (1, "place"): ("it",), (2, "place"): ("jp",)}
    assert who.refused == {(1, "place"): ("fr",), (2, "place"): ("fr",)}
    data = who.dataset().records
    assert data[1].taught == {"place": ("it",)}
    assert data[1].known == data[3].taught == {}, "a review is no fact, and nobody judged the last record"


def test_what_was_turned_down_is_asked_again_with_the_next_candidate() -> None:
    who = curator(corrects=0.0)
    for _ in range(3):
        who.review(Says(), ORDERS["margin"], 3)
    assert who.taught == {(0, "place"): ("fr",), (1, "place"): ("it",), (2, "place"): ("jp",)}
    assert who.refused[2, "place"] == ("fr", "it")
    assert who.reviews == 6
    assert len(who.cards(Says())) == 0


def test_accepting_unseen_counts_what_is_wrong() -> None:
    records = [Record(f"r{i}") for i in range(40)]
    truth = {(i, "place"): ("fr",) if i else ("jp",) for i in range(40)}
    who = Curator(records, (PLACE,), truth, 1.0, np.random.default_rng(0))
    who.review(Says(), ORDERS["groups"], DOZEN)
    assert (who.reviews, who.unseen) == (DOZEN, 40 - DOZEN)
    assert who.wrong == 1
    assert who.taught[0, "place"] == ("fr",)


def test_what_is_hidden_is_no_feature_either_and_known_again_as_truth() -> None:
    train = material().train
    known, truth = hide(train, 0.5, np.random.default_rng(0))
    for (row, name), values in truth.items():
        assert name not in known[row].known
        assert values == train.records[row].known[name]
    total = sum(len(r.known) for r in train.records)
    assert sum(len(r.known) for r in known) + len(truth) == total
    assert 0.4 < len(truth) / total < 0.6


def test_there_is_a_row_per_order_and_count_and_all_begin_alike() -> None:
    study = reviews_study(material(), MemberSpec("tabular", FAST), counts=(20, 60), seeds=2)
    named = [(name, count) for name in (*ORDERS, "labels alone") for count in (20, 60)]
    assert {row[:2] for row in study.rows} == {("none", None), ("every value", None), *named}
    assert len(study.rows) == 2 + len(named)
    by = {row[:2]: row for row in study.rows}
    assert by["random", 20][6] is None
    assert by["margin", 60][6] is not None
    labels, refused = by["random", 60][7:9]
    assert isinstance(labels, int)
    assert isinstance(refused, int)
    assert 0 < labels <= 60
    assert by["labels alone", 60][7:9] == (labels, 0), "the same reviews, and nothing turned down"
    assert study.conclusion.startswith("After 60 reviews in random order macro-F1 changes by")
    assert "groups is" in study.conclusion
    assert study.to_json()["figures"]["macro-F1 by seed"]["margin, 60"]


def test_more_reviews_than_there_are_gaps_are_refused() -> None:
    with pytest.raises(
        InputError, match=r"values can be hidden and reviewed, and 5,000 reviews are asked for"
    ):
        reviews_study(material(60, 30), MemberSpec("tabular", FAST), counts=(5000,), seeds=1)


def test_the_surest_group_is_looked_at_first_and_of_the_sure_the_largest() -> None:
    """Given groups of 20 and 30 that are sure, one of 40 that is not, and one of five, then they come in this order."""
    shown = cards([0.5] * 95, ["b"] * 20 + ["a"] * 30 + ["unsure"] * 40 + ["few"] * 5)
    sure = np.array([0.99] * 50 + [0.4] * 40 + [0.99] * 5)
    shown = Cards(shown.places, shown.values, sure, shown.margin, shown.alike)
    chosen, _ = in_groups(shown, 3 * DOZEN + 5, np.random.default_rng(0), lambda _: False)
    kinds = [str(shown.alike[i]) for i in chosen]
    assert kinds == ["a"] * DOZEN + ["b"] * DOZEN + ["unsure"] * DOZEN + ["few"] * 5
