"""Conformal sets keep their promise, whatever the probabilities are worth."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.model.conformal import ConformalSets, covered
from enrich.classifiers.probability import softmax


def world(n: int, seed: int, noise: float = 1.0, many: bool = False) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, 6)) * 1.5
    truth = np.array([rng.choice(6, p=p) for p in softmax(scores)])
    target = np.eye(6)[truth]
    if many:
        target[rng.random((n, 6)) < 0.15] = 1.0
    return softmax(scores * noise), target


@pytest.mark.parametrize("coverage", [0.8, 0.9, 0.95])
@pytest.mark.parametrize("noise", [0.3, 1.0, 3.0])
@pytest.mark.parametrize("many", [False, True])
def test_new_records_are_covered_as_promised(coverage: float, noise: float, many: bool) -> None:
    """The promise needs no calibration: over- and underconfident probabilities keep it too."""
    sets = ConformalSets.fit(*world(4000, 1, noise, many), coverage=coverage)
    probabilities, target = world(4000, 2, noise, many)
    assert covered(sets.apply(probabilities), target) == pytest.approx(coverage, abs=0.02)


def test_all_values_of_a_record_must_be_inside() -> None:
    sets = np.array([[True, True, False], [True, False, False]])
    assert covered(sets, np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0]])) == 0.5
    assert covered(sets, np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 0.0]])) == 0.5  # a value outside is never in
    assert np.isnan(covered(sets[:0], np.zeros((0, 3))))


def test_a_sharper_model_has_smaller_sets() -> None:
    sharp, target = world(2000, 1)
    blunt = sharp * 0.2 + np.random.default_rng(0).dirichlet(np.ones(6), len(sharp)) * 0.8
    assert ConformalSets.fit(sharp, target).size < ConformalSets.fit(blunt, target).size


def test_sets_are_never_empty_but_for_absent_records() -> None:
    sets = ConformalSets(coverage=0.9, threshold=0.99, records=100, size=1.0)
    found = sets.apply(np.array([[0.4, 0.3, 0.3], [np.nan] * 3]))
    assert found.tolist() == [[True, False, False], [False, False, False]]


def test_too_few_records_promise_by_taking_every_class() -> None:
    probabilities, target = world(5, 0)
    assert ConformalSets.fit(probabilities, target).apply(probabilities).all()
    assert ConformalSets.fit(np.zeros((0, 6)), np.zeros((0, 6))).threshold == 0.0


def test_values_outside_the_classes_are_never_covered_and_too_many_promise_nothing() -> None:
    probabilities, target = world(200, 0)
    few, many = np.zeros_like(target[:5]), np.zeros_like(target[:50])
    wider = ConformalSets.fit(np.vstack([probabilities, probabilities[:5]]), np.vstack([target, few]))
    assert wider.threshold < ConformalSets.fit(probabilities, target).threshold
    assert (
        ConformalSets.fit(np.vstack([probabilities, probabilities[:50]]), np.vstack([target, many])) is None
    )


def test_json_and_back() -> None:
    sets = ConformalSets.fit(*world(300, 0))
    assert ConformalSets.read(json.loads(json.dumps(sets.to_json()))) == sets
    for wrong in ({}, {**sets.to_json(), "coverage": 2}, {**sets.to_json(), "threshold": float("nan")}):
        with pytest.raises(ClassifierError):
            ConformalSets.read(wrong)


def test_what_cannot_be_fitted_is_refused() -> None:
    probabilities, target = world(20, 0)
    with pytest.raises(ClassifierError, match="coverage"):
        ConformalSets.fit(probabilities, target, coverage=1.0)
    with pytest.raises(ClassifierError, match="targets"):
        ConformalSets.fit(probabilities, target[:, :2])
    with pytest.raises(ClassifierError, match="finite"):
        ConformalSets.fit(probabilities * np.nan, target)


@settings(max_examples=30)
@given(st.integers(10, 120), st.integers(0, 999), st.floats(0.5, 0.95))
def test_the_records_it_was_fitted_on_are_covered(n: int, seed: int, coverage: float) -> None:
    probabilities, target = world(n, seed)
    sets = ConformalSets.fit(probabilities, target, coverage=coverage)
    assert covered(sets.apply(probabilities), target) >= coverage - 1e-9
