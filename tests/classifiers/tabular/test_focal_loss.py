"""The focal loss: exact derivatives, the bound on the Hessian, and XGBoost's own softmax as a special case."""

from __future__ import annotations

import numpy as np
import pytest
import xgboost as xgb
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.probability import sigmoid, softmax
from enrich.classifiers.tabular import focal_loss

GAMMAS = [0.0, 0.5, 1.0, 2.0, 5.0]


def numeric(loss, scores: np.ndarray, step: float = 1e-4) -> tuple[np.ndarray, np.ndarray]:
    """Gradient and diagonal Hessian by central differences; loss maps (n, K) to (n,) or (n, K)."""
    gradient, hessian = np.zeros_like(scores), np.zeros_like(scores)
    for k in range(scores.shape[1]):
        up, down = scores.copy(), scores.copy()
        up[:, k] += step
        down[:, k] -= step
        a, b, c = (x if x.ndim == 1 else x[:, k] for x in (loss(up), loss(scores), loss(down)))
        gradient[:, k] = (a - c) / (2 * step)
        hessian[:, k] = (a - 2 * b + c) / step**2
    return gradient, hessian


@pytest.mark.parametrize("gamma", GAMMAS)
def test_softmax_derivatives_are_exact(gamma: float) -> None:
    rng = np.random.default_rng(1)
    scores, truth, weight = rng.normal(0, 2, (200, 4)), rng.integers(0, 4, 200), rng.uniform(0.1, 3, 200)
    gradient, hessian = focal_loss.focal_softmax(scores, truth, gamma, weight, bounded=False)

    def loss(z: np.ndarray) -> np.ndarray:
        p = softmax(z)[np.arange(len(truth)), truth]
        return -weight * (1 - p) ** gamma * np.log(p)

    g, h = numeric(loss, scores)
    assert np.allclose(gradient, g, atol=1e-6)
    assert np.allclose(hessian, h, atol=1e-5)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_where_several_classes_may_be_true_the_gradient_is_that_of_their_sum(gamma: float) -> None:
    rng = np.random.default_rng(4)
    scores, allowed = rng.normal(0, 2, (200, 4)), (rng.uniform(size=(200, 4)) < 0.6).astype(float)
    allowed[~allowed.any(axis=1), 0] = 1.0
    gradient, hessian = focal_loss.focal_allowed(scores, allowed, gamma)

    def loss(z: np.ndarray) -> np.ndarray:
        p = np.minimum((softmax(z) * allowed).sum(axis=1), 1.0)
        return -((1 - p) ** gamma) * np.log(p)

    g, h = numeric(loss, scores)
    assert np.allclose(gradient, g, atol=1e-5)
    assert (hessian >= h - 1e-4).all(), "exact, or raised where it was negative"
    assert (hessian > 0).all()


@pytest.mark.parametrize("gamma", GAMMAS)
def test_with_one_class_that_may_be_true_it_is_the_softmax_loss(gamma: float) -> None:
    rng = np.random.default_rng(5)
    scores, truth = rng.normal(0, 2, (100, 4)), rng.integers(0, 4, 100)
    for one, several in zip(
        focal_loss.focal_softmax(scores, truth, gamma),
        focal_loss.focal_allowed(scores, np.eye(4)[truth], gamma),
        strict=True,
    ):
        assert np.array_equal(one, several)


@pytest.mark.parametrize("gamma", GAMMAS)
def test_sigmoid_derivatives_are_exact(gamma: float) -> None:
    rng = np.random.default_rng(2)
    scores, target = rng.normal(0, 2, (200, 3)), (rng.uniform(size=(200, 3)) < 0.4).astype(float)

    def loss(z: np.ndarray) -> np.ndarray:
        p = sigmoid(z)
        p = np.where(target > 0, p, 1 - p)
        return -((1 - p) ** gamma) * np.log(p)

    gradient, hessian = focal_loss.focal_sigmoid(scores, target, gamma, bounded=False)
    g, h = numeric(loss, scores)
    assert np.allclose(gradient, g, atol=1e-6)
    assert np.allclose(hessian, h, atol=1e-5)


@given(st.integers(0, 1000), st.floats(0, 6), st.floats(0.1, 300))
@settings(max_examples=60)
def test_the_hessian_is_positive_and_finite_however_wrong_the_scores(
    seed: int, gamma: float, size: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, size, (30, 5))
    for gradient, hessian in (
        focal_loss.focal_softmax(scores, rng.integers(0, 5, 30), gamma),
        focal_loss.focal_sigmoid(scores, rng.integers(0, 2, (30, 5)).astype(float), gamma),
    ):
        assert np.isfinite(gradient).all()
        assert np.isfinite(hessian).all()
        assert (hessian >= focal_loss.HESSIAN_MINIMUM).all()


def test_the_exact_hessian_does_turn_negative_so_the_bound_is_needed() -> None:
    scores = np.array([[-5.0, 0.0, 0.0]])
    _, exact = focal_loss.focal_softmax(scores, np.array([0]), 2.0, bounded=False)
    _, bounded = focal_loss.focal_softmax(scores, np.array([0]), 2.0)
    assert exact.min() < 0 < bounded.min()


@pytest.mark.parametrize("classes", [2, 3, 9])
def test_gamma_zero_grows_xgboosts_own_softmax(classes: int) -> None:
    rng = np.random.default_rng(classes)
    x = rng.normal(size=(600, 6)).astype(np.float32)
    y = (x[:, 0] * 2 + rng.normal(size=600)).round().astype(int) % classes
    data = xgb.DMatrix(x, y)
    settings_ = {"objective": "multi:softprob", "num_class": classes, "max_depth": 4, "eta": 0.3, "seed": 3,
                 "min_child_weight": 1, "subsample": 0.8, "tree_method": "hist", "base_score": 0.5}  # fmt: skip
    own = xgb.train(settings_, data, 25)
    ours = xgb.train(settings_, data, 25, obj=focal_loss.softmax_objective(y, 0.0))
    assert np.abs(own.predict(data) - ours.predict(data)).max() < 1e-6


def test_gamma_zero_with_weights_grows_xgboosts_weighted_softmax() -> None:
    rng = np.random.default_rng(5)
    # few distinct values: XGBoost weighs its histogram bins by the records' weights, and ours are in the loss
    x, y = rng.normal(size=(500, 4)).round(1).astype(np.float32), rng.integers(0, 3, 500)
    weight = rng.choice([0.5, 1.0, 2.0], 500)
    params = {"objective": "multi:softprob", "num_class": 3, "tree_method": "hist", "base_score": 0.5}
    own = xgb.train(params, xgb.DMatrix(x, y, weight=weight), 15)
    ours = xgb.train(params, xgb.DMatrix(x, y), 15, obj=focal_loss.softmax_objective(y, 0.0, weight))
    assert np.abs(own.predict(xgb.DMatrix(x)) - ours.predict(xgb.DMatrix(x))).max() < 1e-5


def test_gamma_zero_sigmoid_grows_xgboosts_own_logistic() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(500, 4)).astype(np.float32), (rng.uniform(size=(500, 3)) < 0.3).astype(float)
    params = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.5}
    own = xgb.train(params, xgb.DMatrix(x, y), 15)
    ours = xgb.train(params, xgb.DMatrix(x, y), 15, obj=focal_loss.sigmoid_objective(y, 0.0))
    assert np.abs(own.predict(xgb.DMatrix(x)) - ours.predict(xgb.DMatrix(x))).max() < 1e-6


def test_focus_takes_weight_from_the_easy_records() -> None:
    easy, hard = np.array([[3.0, 0.0]]), np.array([[-3.0, 0.0]])
    truth = np.array([0])
    ratio = [
        np.abs(focal_loss.focal_softmax(easy, truth, g)[0]).sum()
        / np.abs(focal_loss.focal_softmax(hard, truth, g)[0]).sum()
        for g in (0.0, 2.0)
    ]
    assert ratio[1] < ratio[0] / 50


def test_class_weights_balance_and_keep_the_total() -> None:
    counts = np.array([90.0, 9.0, 1.0, 0.0])
    assert focal_loss.class_weights(counts, 0.0).tolist() == [1.0] * 4
    balanced = focal_loss.class_weights(counts, 1.0)
    assert np.allclose((counts * balanced)[:3], 100 / 3)
    assert (counts * focal_loss.class_weights(counts, 0.5)).sum() == pytest.approx(100)
    assert balanced[3] == 1.0
