"""From scores to probabilities and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.kinds import FloatArray


def softmax(scores: NDArray[Any]) -> FloatArray:
    """Row-wise softmax (n, K)."""
    shifted = np.exp(scores.astype(np.float64) - scores.max(axis=1, keepdims=True))
    result: FloatArray = shifted / shifted.sum(axis=1, keepdims=True)
    return result


def sigmoid(scores: NDArray[Any]) -> FloatArray:
    """Logistic function, without overflow."""
    result: FloatArray = 0.5 * (1.0 + np.tanh(0.5 * scores.astype(np.float64)))
    return result


def probabilities_of(scores: NDArray[Any], many: bool) -> FloatArray:
    """Probabilities (n, K) of logits: a softmax for one value, a sigmoid per class for many."""
    return sigmoid(scores) if many else softmax(scores)


def log_odds(probabilities: FloatArray, many: bool, floor: float = 1e-5) -> FloatArray:
    """log p for classes that exclude each other, log p/(1−p) for independent ones; NaN stays NaN.

    Neither p nor 1−p is taken for smaller than `floor`.
    """
    found: FloatArray = np.log(np.clip(probabilities, floor, 1.0))
    return found - np.log(np.clip(1.0 - probabilities, floor, 1.0)) if many else found
