"""The order of the candidates: by probability, or by a rule tuned so that rare classes are found as well.

The most probable class maximises accuracy, not macro-F1: the plug-in rule for F-measures shifts each
class's log-probability (Koyejo et al. 2014, Consistent Binary Classification with Generalized
Performance Metrics; here by coordinate ascent, one offset per class). The probabilities are not touched.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import FloatArray
from enrich.classifiers.model.metrics import macro_f1, mean_f1, most_frequent_class

GRID = np.linspace(-2.0, 2.0, 33)
_TINY = 1e-12


def order_candidates(probabilities: FloatArray, offsets: FloatArray | None = None) -> NDArray[np.intp]:
    """Candidate order (n, K), the best first; rows of NaN (absent) keep the class order."""
    scores = np.log(np.clip(probabilities, _TINY, None))
    if offsets is not None:
        scores = scores + offsets
    order: NDArray[np.intp] = np.argsort(-scores, axis=1, kind="stable")
    return order


def tune_offsets(
    probabilities: FloatArray, target: FloatArray, *, bags: int = 10, seed: int = 0, limit: int = 20_000
) -> FloatArray:
    """Offsets (K,) for the log-probabilities that raise macro-F1 of the first candidate.

    Tuned on `bags` bootstrap samples and averaged, so that no single record decides; each sample's
    out-of-bag records judge whether the rule pays. Zeros when it does not. Rows must be out-of-fold
    predictions; at most `limit` of them are used.
    """
    n, classes = probabilities.shape
    zeros = np.zeros(classes)
    if n < 50 or classes < 2:
        return zeros
    rng = np.random.default_rng(seed)
    rows = rng.choice(n, min(n, limit), replace=False)
    scores, target = np.log(np.clip(probabilities[rows], _TINY, None)), target[rows]
    frequency = target.sum(axis=0)
    found, gains = [], []
    for _ in range(bags):
        bag = rng.integers(0, len(rows), len(rows))
        offsets = _ascend(scores[bag], target[bag], frequency)
        out = np.setdiff1d(np.arange(len(rows)), bag)
        if len(out):
            tuned = macro_f1(target[out], (scores[out] + offsets).argmax(axis=1), frequency)
            gains.append(tuned - macro_f1(target[out], scores[out].argmax(axis=1), frequency))
        found.append(offsets)
    offsets = np.asarray(np.mean(found, axis=0))
    return offsets - offsets.mean() if gains and float(np.mean(gains)) > 0 else zeros


def _ascend(scores: FloatArray, target: FloatArray, frequency: FloatArray, rounds: int = 2) -> FloatArray:
    """Coordinate ascent over GRID for one sample."""
    n, classes = scores.shape
    rows = np.arange(n)
    offsets = np.zeros(classes)
    best = macro_f1(target, scores.argmax(axis=1), frequency)
    missed = most_frequent_class(target, frequency)
    for _ in range(rounds):
        before = best
        for k in range(classes):
            others = scores + offsets
            others[:, k] = -np.inf
            rival = others.argmax(axis=1)
            height = others[rows, rival]
            truth_k = np.where(target[:, k] > 0, k, missed)
            truth_rival = np.where(target[rows, rival] > 0, rival, missed)
            for value in GRID:
                chosen = scores[:, k] + value > height
                truth, first = np.where(chosen, truth_k, truth_rival), np.where(chosen, k, rival)
                score = mean_f1(truth, first, classes)
                if score > best + 1e-9:
                    best, offsets[k] = score, value
        if best - before < 1e-4:
            break
    return offsets
