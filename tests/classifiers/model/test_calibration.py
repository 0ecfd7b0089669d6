"""Calibration undoes what it should, chooses by held-out log loss, and survives JSON and strange input."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.model.calibration import METHODS, fit_calibrator
from enrich.classifiers.model.calibrator import read_calibrator
from enrich.classifiers.model.metrics import ece, hits, log_loss
from enrich.classifiers.probability import sigmoid, softmax


def sample(n: int = 4000, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """True probabilities and single-valued targets drawn from them."""
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(0, 1.5, (n, classes)) + np.array([2.0, 0, 0, -1])[:classes])
    y = (p.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)
    return p, np.eye(classes)[y]


def first_ece(p: np.ndarray, y: np.ndarray) -> float:
    first = p.argmax(axis=1)
    return ece(p.max(axis=1), hits(y, first))


def test_temperature_undoes_a_boast() -> None:
    p, y = sample()
    boast = softmax(3.0 * np.log(p))
    fitted = fit_calibrator(boast, y, methods=("none", "temperature"))
    assert fitted.method == "temperature"
    assert fitted.slopes[0] == pytest.approx(1 / 3, abs=0.03)
    assert first_ece(boast, y) > 0.1 > 0.03 > first_ece(fitted.apply(boast), y)


def test_class_weighting_needs_more_than_temperature() -> None:
    p, y = sample()
    weighted = p / y.mean(axis=0)
    weighted /= weighted.sum(axis=1, keepdims=True)
    fitted = fit_calibrator(weighted, y)
    assert fitted.method == "vector"
    assert fitted.losses["vector"] < fitted.losses["temperature"] - 0.02
    fresh, truth = sample(seed=1)
    skewed = fresh / y.mean(axis=0)
    skewed /= skewed.sum(axis=1, keepdims=True)
    assert first_ece(fitted.apply(skewed), truth) < 0.03


def test_an_odd_monotone_distortion_is_undone_by_isotonic() -> None:
    p, y = sample(classes=2)
    odd = np.where(p > 0.5, 0.5 + 0.49 * (p > 0.8) * p, 0.02 + 0.1 * p)
    odd /= odd.sum(axis=1, keepdims=True)
    fitted = fit_calibrator(odd, y)
    assert fitted.losses["isotonic"] == min(fitted.losses.values())


def test_true_probabilities_are_left_nearly_alone() -> None:
    p, y = sample(n=8000)
    fitted = fit_calibrator(p, y)
    assert np.abs(fitted.apply(p) - p).mean() < 0.02


def test_several_values_are_calibrated_class_by_class() -> None:
    rng = np.random.default_rng(3)
    p = sigmoid(rng.normal(-1, 1.5, (4000, 3)))
    y = (rng.uniform(size=p.shape) < p).astype(float)
    biased = sigmoid(np.log(p / (1 - p)) + np.array([2.0, 0.0, -2.0]))
    fitted = fit_calibrator(biased, y, many=True)
    assert log_loss(fitted.apply(biased), y, True) < log_loss(biased, y, True) - 0.05
    assert fitted.apply(biased).mean(axis=0) == pytest.approx(y.mean(axis=0), abs=0.02)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("many", [False, True])
def test_json_brings_back_the_same_answers(method: str, many: bool) -> None:
    p, y = sample(n=500)
    fitted = fit_calibrator(p, y, many, methods=(method,))
    again = read_calibrator(json.loads(json.dumps(fitted.to_json())), classes=4)
    assert np.array_equal(again.apply(p), fitted.apply(p))


@given(st.integers(0, 1000), st.booleans(), st.sampled_from(METHODS))
@settings(max_examples=40)
def test_answers_are_probabilities_with_a_finite_log_loss(seed: int, many: bool, method: str) -> None:
    p, y = sample(n=120, seed=seed)
    fitted = fit_calibrator(p, y, many, methods=(method,))
    extremes = np.vstack([np.eye(4), np.full((1, 4), 0.25), np.full((1, 4), 1e-300)])
    answered = fitted.apply(extremes)
    assert np.isfinite(answered).all()
    assert (answered >= 0).all()
    assert (answered <= 1).all()
    if not many and method != "none":
        assert answered.sum(axis=1) == pytest.approx(1)
        assert (answered > 0).all()


def test_absent_rows_stay_absent() -> None:
    p, y = sample(n=500)
    for method in METHODS:
        fitted = fit_calibrator(p, y, methods=(method,))
        row = fitted.apply(np.array([[np.nan] * 4, [0.7, 0.1, 0.1, 0.1]]))
        assert np.isnan(row[0]).all()
        assert np.isfinite(row[1]).all()


def test_too_few_records_teach_nothing_and_nan_is_refused() -> None:
    p, y = sample(n=30)
    assert fit_calibrator(p, y).method == "none"
    with pytest.raises(ClassifierError, match="finite"):
        fit_calibrator(np.full((100, 4), np.nan), np.tile(np.eye(4), (25, 1)))


def test_a_damaged_calibration_is_refused() -> None:
    p, y = sample(n=500)
    good = fit_calibrator(p, y, methods=("vector",)).to_json()
    for damage in (
        {"method": "magic"},
        {"slopes": [float("nan")] * 4},
        {"biases": None},
        {"biases": [0.0]},
        {"steps": [[[0.0], []]]},
    ):
        with pytest.raises(ClassifierError):
            read_calibrator({**good, **damage}, classes=4)
    with pytest.raises(ClassifierError, match="4 classes where the property has 5"):
        read_calibrator(good, classes=5)


def test_a_single_method_is_fitted_as_it_is_among_several_and_compared_with_nothing() -> None:
    p, y = sample()
    several = fit_calibrator(p / p.max(axis=1, keepdims=True).clip(0.5), y, methods=("none", "vector"))
    alone = fit_calibrator(p / p.max(axis=1, keepdims=True).clip(0.5), y, methods=(several.method,))
    assert (alone.method, alone.slopes, alone.biases) == (several.method, several.slopes, several.biases)
    assert several.losses
    assert not alone.losses
