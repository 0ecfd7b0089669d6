"""Folds are even and drawn by the seed; every record is predicted by what did not see it."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.data import Property, Record
from enrich.classifiers.digest import file_digest, json_digest, text_digest
from enrich.classifiers.folds import fold_count, fold_of, out_of_fold
from enrich.classifiers.priors import class_priors, read_priors
from enrich.classifiers.probability import log_odds, probabilities_of, sigmoid, softmax
from tests.classifiers.museum import PLACES, PROPERTIES, dataset


def test_folds_are_as_even_as_can_be_and_follow_the_seed() -> None:
    fold = fold_of(23, 5, seed=3)
    assert sorted(np.bincount(fold)) == [4, 4, 5, 5, 5]
    assert np.array_equal(fold, fold_of(23, 5, seed=3))
    assert not np.array_equal(fold, fold_of(23, 5, seed=4))
    assert (fold_count(fold), fold_count(fold[:0])) == (5, 1)


def test_each_record_is_predicted_by_its_own_fold_alone() -> None:
    data, fold = dataset(30), fold_of(30, 3, 0)
    asked = []

    def predictor(k: int, inside: np.ndarray, outside: np.ndarray) -> dict[str, Distribution]:
        asked.append(k)
        assert not set(inside) & set(outside)
        assert len(inside) + len(outside) == len(data)
        return {p.name: Distribution.of(p, np.full((len(inside), len(p.classes)), k), inside % 2 == 0)
                for p in PROPERTIES}  # fmt: skip

    found = out_of_fold(data, fold, predictor)
    assert asked == [0, 1, 2]
    for prop in PROPERTIES:
        seen = found[prop.name]
        assert seen.many == prop.many
        assert seen.present.tolist() == [i % 2 == 0 for i in range(30)]
        assert (seen.probabilities[seen.present] == fold[seen.present][:, None]).all()
        assert np.isnan(seen.probabilities[~seen.present]).all()


def test_a_property_that_a_fold_leaves_out_stays_absent() -> None:
    found = out_of_fold(dataset(10), fold_of(10, 2, 0), lambda *_: {})
    assert not any(d.present.any() for d in found.values())


def test_scores_become_probabilities_and_log_odds_lead_back() -> None:
    scores = np.random.default_rng(0).normal(size=(50, 4))
    one, many = probabilities_of(scores, False), probabilities_of(scores, True)
    assert one.sum(axis=1) == pytest.approx(1.0)
    assert log_odds(many, True) == pytest.approx(scores)
    back = log_odds(one, False)
    assert back - back[:, :1] == pytest.approx(scores - scores[:, :1])


def test_extremes_stay_finite_and_absence_stays_absent() -> None:
    huge = np.array([[1e4, -1e4, 0.0]])
    assert np.isfinite(softmax(huge)).all()
    assert np.isfinite(sigmoid(huge)).all()
    assert log_odds(np.array([[0.0, 1.0]]), True, 1e-3) == pytest.approx(np.log([[1e-3, 1e3]]), abs=2e-3)
    assert np.isnan(log_odds(np.array([[np.nan]]), True)).all()


def test_no_class_is_impossible_by_its_share() -> None:
    target = np.array([[1.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    named = target.sum(axis=1) > 0
    assert class_priors(target, named, many=False) == pytest.approx(np.array([2.5, 1.5, 0.5]) / 4.5)
    assert class_priors(target, named, many=True) == pytest.approx(np.array([2.5, 1.5, 0.5]) / 3)
    assert (class_priors(np.zeros((0, 2)), np.zeros(0, bool), many=True) > 0).all()


@pytest.mark.parametrize("data", [None, {}, {"place": 3}, {"place": [0.1, 0.9]}, {"place": [0.1, 0.9, "x"]}])
def test_shares_that_do_not_fit_the_labels_are_refused(tmp_path, data: object) -> None:
    with pytest.raises(ClassifierError, match="place"):
        read_priors(data, Property("place", PLACES), tmp_path)


def test_digests_are_those_of_sha256sum(tmp_path) -> None:
    (tmp_path / "f").write_bytes(b"abc")
    known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert file_digest(tmp_path / "f") == text_digest("abc") == known
    assert json_digest({"b": 1, "a": [None, "é"]}) == text_digest('{"a":[null,"é"],"b":1}')
    assert len(text_digest("\ud800")) == 64


def test_a_distribution_hides_what_is_absent() -> None:
    prop = Property("place", PLACES)
    seen = Distribution.of(prop, np.full((2, 3), 1 / 3), np.array([True, False]))
    assert np.isnan(seen.probabilities[1]).all()
    assert np.isfinite(seen.take([0]).probabilities).all()
    assert not Distribution.absent(prop, 2).present.any()
    with pytest.raises(ValueError, match="expected"):
        Distribution(prop.classes, np.zeros((2, 2)), np.zeros(2, bool))


def test_a_record_without_a_property_keeps_the_others() -> None:
    record = Record("urn:r", {"place": PLACES[:1], "time": ("urn:t",)})
    assert record.without("place").known == {"time": ("urn:t",)}
    assert record.without("smell") == record
