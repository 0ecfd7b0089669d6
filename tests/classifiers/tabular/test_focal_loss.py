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
@pytest.mark.parametrize("several", [False, True])
def test_softmax_derivatives_are_exact_but_where_they_are_bounded(several: bool, gamma: float) -> None:
    """Given one class that may be true, or several, then the gradient is that of the loss of their sum."""
    rng = np.random.default_rng(1)
    scores, truth, weight = rng.normal(0, 2, (200, 4)), rng.integers(0, 4, 200), rng.uniform(0.1, 3, (200, 1))
    allowed = np.maximum(np.eye(4)[truth], rng.uniform(size=(200, 4)) < 0.5 * several)
    gradient, hessian = focal_loss.focal_softmax(scores, allowed, gamma, weight)

    def of_truth(z: np.ndarray) -> np.ndarray:
        return np.minimum((softmax(z) * allowed).sum(axis=1), 1.0)

    def loss(z: np.ndarray) -> np.ndarray:
        return -weight[:, 0] * (1 - of_truth(z)) ** gamma * np.log(of_truth(z))

    own = softmax(scores) * (1 - softmax(scores))
    least = focal_loss.GAUSS_NEWTON_SHARE * (1 - of_truth(scores)[:, None]) ** gamma * own * weight
    g, h = numeric(loss, scores)
    assert np.allclose(gradient, g, atol=1e-5)
    assert np.allclose(hessian, np.maximum(h, least), atol=1e-5)
    assert (hessian > 0).all()


@pytest.mark.parametrize("gamma", GAMMAS)
def test_sigmoid_derivatives_are_exact_but_where_they_are_bounded(gamma: float) -> None:
    rng = np.random.default_rng(2)
    scores, target = rng.normal(0, 2, (200, 3)), (rng.uniform(size=(200, 3)) < 0.4).astype(float)

    def of_truth(z: np.ndarray) -> np.ndarray:
        return np.where(target > 0, sigmoid(z), 1 - sigmoid(z))

    def loss(z: np.ndarray) -> np.ndarray:
        return -((1 - of_truth(z)) ** gamma) * np.log(of_truth(z))

    gradient, hessian = focal_loss.focal_sigmoid(scores, target, gamma)
    own = sigmoid(scores) * (1 - sigmoid(scores))
    least = focal_loss.GAUSS_NEWTON_SHARE * (1 - of_truth(scores)) ** gamma * own
    g, h = numeric(loss, scores)
    assert np.allclose(gradient, g, atol=1e-6)
    assert np.allclose(hessian, np.maximum(h, least), atol=1e-5)


@given(st.integers(0, 1000), st.floats(0, 6), st.floats(0.1, 300))
@settings(max_examples=60)
def test_the_hessian_is_positive_and_finite_however_wrong_the_scores(
    seed: int, gamma: float, size: float
) -> None:
    rng = np.random.default_rng(seed)
    scores = rng.normal(0, size, (30, 5))
    for gradient, hessian in (
        focal_loss.focal_softmax(scores, np.eye(5)[rng.integers(0, 5, 30)], gamma),
        focal_loss.focal_sigmoid(scores, rng.integers(0, 2, (30, 5)).astype(float), gamma),
    ):
        assert np.isfinite(gradient).all()
        assert np.isfinite(hessian).all()
        assert (hessian >= focal_loss.HESSIAN_MINIMUM).all()


def test_the_exact_hessian_does_turn_negative_so_the_bound_is_needed() -> None:
    scores = np.array([[-5.0, 0.0, 0.0]])
    _, exact = numeric(lambda z: -((1 - softmax(z)[:, 0]) ** 2) * np.log(softmax(z)[:, 0]), scores)
    _, bounded = focal_loss.focal_softmax(scores, np.eye(3)[[0]], 2.0)
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
    ours = xgb.train(settings_, data, 25, obj=focal_loss.objective(np.eye(classes)[y], many=False))
    assert np.abs(own.predict(data) - ours.predict(data)).max() < 1e-6


def test_gamma_zero_with_weights_grows_xgboosts_weighted_softmax() -> None:
    rng = np.random.default_rng(5)
    # few distinct values: XGBoost weighs its histogram bins by the records' weights, and ours are in the loss
    x, y = rng.normal(size=(500, 4)).round(1).astype(np.float32), rng.integers(0, 3, 500)
    weight = rng.choice([0.5, 1.0, 2.0], 500)
    params = {"objective": "multi:softprob", "num_class": 3, "tree_method": "hist", "base_score": 0.5}
    own = xgb.train(params, xgb.DMatrix(x, y, weight=weight), 15)
    ours = xgb.train(
        params, xgb.DMatrix(x, y), 15, obj=focal_loss.objective(np.eye(3)[y], False, 0.0, weight[:, None])
    )
    assert np.abs(own.predict(xgb.DMatrix(x)) - ours.predict(xgb.DMatrix(x))).max() < 1e-5


def test_gamma_zero_sigmoid_grows_xgboosts_own_logistic() -> None:
    rng = np.random.default_rng(6)
    x, y = rng.normal(size=(500, 4)).astype(np.float32), (rng.uniform(size=(500, 3)) < 0.3).astype(float)
    params = {"objective": "binary:logistic", "tree_method": "hist", "base_score": 0.5}
    own = xgb.train(params, xgb.DMatrix(x, y), 15)
    ours = xgb.train(params, xgb.DMatrix(x, y), 15, obj=focal_loss.objective(y, many=True))
    assert np.abs(own.predict(xgb.DMatrix(x)) - ours.predict(xgb.DMatrix(x))).max() < 1e-6


def test_focus_takes_weight_from_the_easy_records() -> None:
    easy, hard = np.array([[3.0, 0.0]]), np.array([[-3.0, 0.0]])
    truth = np.eye(2)[[0]]
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
