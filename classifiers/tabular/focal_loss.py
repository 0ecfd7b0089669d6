"""Focal loss with exact gradient and diagonal Hessian, for gradient boosting.

Lin et al. 2017, Focal Loss for Dense Object Detection, equations 4 and 5: FL(p) = −w·(1−p)^γ·log p, where
p is the probability given to the truth. γ = 0 without weights is cross-entropy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.kinds import FloatArray
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
    scores: NDArray[Any], allowed: FloatArray, gamma: float = 0.0, weight: FloatArray | float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Gradient and diagonal Hessian (n, K) of the softmax focal loss with respect to the logits.

    `allowed` (n, K) of 0 and 1 are the classes that may be the truth, mostly one; p_t is the sum of their probabilities.
    With q the probabilities among them, ∂/∂z_j = g(p_t)(q_j − p_j), and
    ∂²/∂z_j² = p_t·g'(p_t)(q_j − p_j)² + g(p_t)·(q_j(1−q_j) − p_j(1−p_j)), kept positive. `weight`, (n, 1) or (n, K),
    multiplies both.
    """
    p = softmax(scores)
    inside = np.maximum(p, 1e-300) * allowed
    p_truth = np.minimum(inside.sum(axis=1, keepdims=True), 1.0)
    q = inside / p_truth
    g, curve = _slopes(p_truth, gamma)
    away, own = q - p, p * (1.0 - p)
    hessian = curve * away**2 + g * (q * (1.0 - q) - own)
    return _bounded(g * away, hessian, GAUSS_NEWTON_SHARE * (1.0 - p_truth) ** gamma * own, weight)


def focal_sigmoid(
    scores: NDArray[Any], target: FloatArray, gamma: float = 0.0, weight: FloatArray | float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """The same for independent classes: the target (n, K) is 0 or 1, and each class has a p_t of its own."""
    p = sigmoid(scores)
    sign = np.where(target > 0, 1.0, -1.0)
    p_truth = np.where(target > 0, p, 1.0 - p)
    g, curve = _slopes(p_truth, gamma)
    rest = 1.0 - p_truth
    hessian = rest * (rest * curve - p_truth * g)
    return _bounded(sign * rest * g, hessian, GAUSS_NEWTON_SHARE * rest**gamma * (p * (1.0 - p)), weight)


def _bounded(
    gradient: FloatArray, hessian: FloatArray, least: FloatArray, weight: FloatArray | float
) -> tuple[FloatArray, FloatArray]:
    """Both times the weight, the Hessian no smaller than `least`."""
    return gradient * weight, np.maximum(np.maximum(hessian, least) * weight, HESSIAN_MINIMUM)


def objective(
    target: FloatArray, many: bool, gamma: float = 0.0, weight: FloatArray | float = 1.0
) -> Objective:
    """The focal loss of a target (n, K) as a custom objective of XGBoost: the sigmoid one of many values, else the softmax.

    XGBoost doubles the Hessian of its own softmax (as Friedman's multi-class bound does); so does this
    one, and with γ = 0 and no weights it grows the same trees.
    """

    def slopes(scores: NDArray[Any], _data: Any) -> tuple[FloatArray, FloatArray]:
        z = scores.reshape(target.shape)
        if many:
            return focal_sigmoid(z, target, gamma, weight)
        gradient, hessian = focal_softmax(z, target, gamma, weight)
        return gradient, 2.0 * hessian

    return slopes


def class_weights(counts: FloatArray, power: float) -> FloatArray:
    """Weights (K,) ∝ count^−power, scaled so that the labelled values weigh one on average.

    power 0 gives ones, 1 the 'balanced' weights, 0.5 their square root. A class without values gets 1.
    """
    used = np.maximum(counts, 1.0)
    weights = used**-power
    scale = (counts * weights).sum()
    return np.where(counts > 0, weights * (counts.sum() / scale if scale > 0 else 1.0), 1.0)
