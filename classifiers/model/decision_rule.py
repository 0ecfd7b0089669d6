"""The order of the candidates: by probability, or by a rule tuned so that rare classes are found as well.

The most probable class maximises accuracy, not macro-F1: the plug-in rule for F-measures shifts each
class's log-probability (Koyejo et al. 2014, Consistent Binary Classification with Generalized
Performance Metrics; here by coordinate ascent, one offset per class). The probabilities are not touched.
"""

from __future__ import annotations

import numpy as np

from enrich.classifiers.kinds import FloatArray, Indices, Rows
from enrich.classifiers.model.metrics import class_f1, macro_f1, most_frequent_class

GRID = np.linspace(-2.0, 2.0, 33)
_TINY = 1e-12


def order_candidates(probabilities: FloatArray, offsets: FloatArray | None = None) -> Rows:
    """Candidate order (n, K), the best first; rows of NaN (absent) keep the class order."""
    scores = np.log(np.clip(probabilities, _TINY, None))
    if offsets is not None:
        scores = scores + offsets
    order: Indices = np.argsort(-scores, axis=1, kind="stable")
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
            since = np.searchsorted(GRID, others[rows, rival] - scores[:, k], side="right")
            own, others_own = target[:, k] > 0, target[rows, rival] > 0
            scored = _scored(
                since, k, np.where(own, k, missed), rival, np.where(others_own, rival, missed), classes
            )
            for value, score in zip(GRID, scored, strict=True):
                if score > best + 1e-9:
                    best, offsets[k] = float(score), value
        if best - before < 1e-4:
            break
    return offsets


def _scored(
    since: Indices, k: int, truth_k: Indices, rival: Indices, truth_rival: Indices, classes: int
) -> FloatArray:
    """Mean F1 at each value of GRID, where record i answers k from the value `since[i]` on, and its rival before.

    What is true of a record depends on the answer: the class answered, where it is one of the record's.
    """
    shape = (len(GRID) + 1, classes + 1)

    def counted(of: Indices, at: Indices) -> Rows:
        return np.bincount(at * shape[1] + of, minlength=shape[0] * shape[1]).reshape(shape)

    start, k_of = np.zeros_like(since), np.full_like(rival, k)
    right_k, right_rival = truth_k == k, truth_rival == rival
    right = counted(rival[right_rival], start[right_rival])
    right += counted(k_of[right_k], since[right_k]) - counted(rival[right_rival], since[right_rival])
    total = (
        counted(rival, start) + counted(truth_rival, start) + counted(k_of, since) + counted(truth_k, since)
    )
    total -= counted(rival, since) + counted(truth_rival, since)
    right, total = (counts.cumsum(axis=0)[:-1, :-1] for counts in (right, total))
    return np.asarray(np.nanmean(class_f1(right, total), axis=1))
