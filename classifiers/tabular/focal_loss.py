"""Focal loss with exact gradient and diagonal Hessian, for gradient boosting.

Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5: FL(p) = −w·(1−p)^γ·log p, where
p is the probability given to the truth. γ = 0 without weights is cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import FloatArray
from enrich.classifiers.probability import sigmoid, softmax

Objective = Callable[[NDArray[Any], Any], tuple[FloatArray, FloatArray]]

GAUSS_NEWTON_SHARE = 0.1
"""The Hessian is kept above this share of the (always positive) Gauss–Newton term (1−p_t)^γ·p·(1−p).

The exact diagonal turns negative for γ > 0 where the truth is given little probability (below
exp(−(1+2γ)/γ), 0.08 for γ = 2); a step divided by it would point or jump the wrong way.
"""
HESSIAN_MINIMUM = 1e-16
"""XGBoost's own lower bound (multiclass_obj.cu, kRtEps)."""


def _slopes(p: FloatArray, gamma: float) -> tuple[FloatArray, FloatArray]:
    """g = p·dFL/dp and p·dg/dp of the unweighted loss, for the truth's probability p."""
    p = np.clip(p, 1e-15, 1.0 - 1e-15)
    rest, log = 1.0 - p, np.log(p)
    focus = rest**gamma
    g = gamma * p * focus / rest * log - focus
    curve = gamma * focus / rest * (log + 2.0) - gamma * (gamma - 1.0) * p * focus / rest**2 * log
    return g, p * curve


def focal_softmax(
    scores: NDArray[Any],
    truth: NDArray[np.intp],
    gamma: float = 0.0,
    weight: FloatArray | None = None,
    bounded: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """Gradient and diagonal Hessian (n, K) of the softmax focal loss with respect to the logits.

    With t the truth: ∂/∂z_j = g(p_t)(δ_tj − p_j), and ∂²/∂z_j² = p_t·g'(p_t)(δ_tj − p_j)² − g(p_t)·p_j(1−p_j).
    `weight` (n,) multiplies both. Unless `bounded` is off, the Hessian is kept positive.
    """
    p = softmax(scores)
    rows = np.arange(len(truth))
    p_truth = p[rows, truth]
    g, curve = _slopes(p_truth, gamma)
    away = -p
    away[rows, truth] += 1.0
    own = p * (1.0 - p)
    gradient = g[:, None] * away
    hessian = curve[:, None] * away**2 - g[:, None] * own
    if bounded:
        hessian = np.maximum(hessian, GAUSS_NEWTON_SHARE * ((1.0 - p_truth) ** gamma)[:, None] * own)
    if weight is not None:
        gradient, hessian = gradient * weight[:, None], hessian * weight[:, None]
    return gradient, np.maximum(hessian, HESSIAN_MINIMUM) if bounded else hessian


def focal_allowed(
    scores: NDArray[Any], allowed: FloatArray, gamma: float = 0.0, weight: FloatArray | None = None
) -> tuple[FloatArray, FloatArray]:
    """The same where the truth is one of several classes: `allowed` is (n, K) of 0 and 1, and p_t the sum of their
    probabilities. One class allowed is `focal_softmax`.

    With q the probabilities among the allowed, ∂/∂z_j = g(p_t)(q_j − p_j), and
    ∂²/∂z_j² = p_t·g'(p_t)(q_j − p_j)² + g(p_t)·(q_j(1−q_j) − p_j(1−p_j)), kept positive.
    """
    p = softmax(scores)
    inside = p * allowed
    p_truth = np.minimum(inside.sum(axis=1), 1.0)
    q = inside / np.maximum(p_truth, 1e-300)[:, None]
    g, curve = _slopes(p_truth, gamma)
    away, own = q - p, p * (1.0 - p)
    gradient = g[:, None] * away
    hessian = curve[:, None] * away**2 + g[:, None] * (q * (1.0 - q) - own)
    hessian = np.maximum(hessian, GAUSS_NEWTON_SHARE * ((1.0 - p_truth) ** gamma)[:, None] * own)
    if weight is not None:
        gradient, hessian = gradient * weight[:, None], hessian * weight[:, None]
    return gradient, np.maximum(hessian, HESSIAN_MINIMUM)


def focal_sigmoid(
    scores: NDArray[Any],
    target: FloatArray,
    gamma: float = 0.0,
    weight: FloatArray | None = None,
    bounded: bool = True,
) -> tuple[FloatArray, FloatArray]:
    """The same for independent classes: scores and target are (n, K), target 0 or 1, `weight` (n, K)."""
    p = sigmoid(scores)
    sign = np.where(target > 0, 1.0, -1.0)
    p_truth = np.where(target > 0, p, 1.0 - p)
    g, curve = _slopes(p_truth, gamma)
    rest = 1.0 - p_truth
    own = p * (1.0 - p)
    gradient = sign * rest * g
    hessian = rest * (rest * curve - p_truth * g)
    if bounded:
        hessian = np.maximum(hessian, GAUSS_NEWTON_SHARE * rest**gamma * own)
    if weight is not None:
        gradient, hessian = gradient * weight, hessian * weight
    return gradient, np.maximum(hessian, HESSIAN_MINIMUM) if bounded else hessian


def softmax_objective(
    truth: NDArray[np.intp],
    gamma: float = 0.0,
    weight: FloatArray | None = None,
    allowed: FloatArray | None = None,
) -> Objective:
    """The softmax focal loss as a custom objective of XGBoost. `allowed` (n, K) takes the place of `truth` where of some
    records several classes may be true.

    XGBoost doubles the Hessian of its own softmax (as Friedman's multi-class bound does); so does this
    one, and with γ = 0 and no weights it grows the same trees.
    """

    def objective(scores: NDArray[Any], _data: Any) -> tuple[FloatArray, FloatArray]:
        z = scores.reshape(len(truth), -1)
        if allowed is None:
            gradient, hessian = focal_softmax(z, truth, gamma, weight)
        else:
            gradient, hessian = focal_allowed(z, allowed, gamma, weight)
        return gradient, np.maximum(2.0 * hessian, HESSIAN_MINIMUM)

    return objective


def sigmoid_objective(target: FloatArray, gamma: float = 0.0, weight: FloatArray | None = None) -> Objective:
    """The sigmoid focal loss as a custom objective of XGBoost, one output per class (Hessian as it is)."""

    def objective(scores: NDArray[Any], _data: Any) -> tuple[FloatArray, FloatArray]:
        return focal_sigmoid(scores.reshape(target.shape), target, gamma, weight)

    return objective


def class_weights(counts: FloatArray, power: float) -> FloatArray:
    """Weights (K,) ∝ count^−power, scaled so that the labelled values weigh one on average.

    power 0 gives ones, 1 the 'balanced' weights, 0.5 their square root. A class without values gets 1.
    """
    used = np.maximum(counts, 1.0)
    weights = used**-power
    scale = (counts * weights).sum()
    return np.where(counts > 0, weights * (counts.sum() / scale if scale > 0 else 1.0), 1.0)
