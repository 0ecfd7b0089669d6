"""How good answers are: accuracy, F1, calibration error, Brier score, selective precision.

A record may name several classes of a property, so truth is a target matrix (n, K) of 0 and 1. A first
candidate is a hit when it is among the record's classes. A record whose value lies outside the classes has a row
of zeros: whatever is answered there is an error, of precision for the class that was answered.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.kinds import Flags, FloatArray, Indices

NEVER = 2.0
"""A threshold no confidence reaches: every record is abstained from."""


def hits(target: FloatArray, first: Indices) -> Flags:
    """Whether each first candidate (n,) is among the record's classes (n, K)."""
    found: Flags = target[np.arange(len(first)), first] > 0
    return found


def resolve_truth(target: FloatArray, first: Indices, frequency: FloatArray | None = None) -> Indices:
    """One true class per record (n,): the first candidate on a hit, else the record's most frequent class, K for
    a value outside the classes.

    `frequency` (K,) ranks the classes; without it, how often the target names them.
    """
    truth: Indices = np.where(hits(target, first), first, most_frequent_class(target, frequency))
    return truth


def most_frequent_class(target: FloatArray, frequency: FloatArray | None = None) -> Indices:
    """The most frequent of each record's classes (n,): what a miss counts against; K where it has none."""
    ranks = target.sum(axis=0) if frequency is None else frequency
    found: Indices = np.where(target > 0, ranks + 1.0, 0.0).argmax(axis=1)
    return np.where(target.any(axis=1), found, target.shape[1])


def accuracy(target: FloatArray, first: Indices) -> float:
    """Share of first candidates that hit; NaN for no records."""
    return float(hits(target, first).mean()) if len(first) else float("nan")


def _counts(truth: Indices, first: Indices, classes: int) -> tuple[Indices, Indices, Indices]:
    """How often each class (K,) is right, answered and true."""
    right = np.bincount(first[first == truth], minlength=classes)
    return right, np.bincount(first, minlength=classes), np.bincount(truth, minlength=classes)[:classes]


def class_f1(right: NDArray[Any], total: NDArray[Any]) -> FloatArray:
    """F1 of each class (…, K) that was right and, in total, answered or true so often; NaN for one that was neither."""
    return np.where(total > 0, 2.0 * right / np.maximum(total, 1), np.nan)


def _mean_f1(right: NDArray[Any], total: NDArray[Any]) -> float:
    f1 = class_f1(right, total)[total > 0]
    return float(f1.mean()) if len(f1) else float("nan")


def macro_f1(target: FloatArray, first: Indices, frequency: FloatArray | None = None) -> float:
    """Mean F1 over the classes that are named or answered; NaN for no records."""
    right, answered, support = _counts(resolve_truth(target, first, frequency), first, target.shape[1])
    return _mean_f1(right, answered + support)


def per_class(
    target: FloatArray, first: Indices, frequency: FloatArray | None = None
) -> list[dict[str, float | int]]:
    """Precision, recall, F1 and support of each class, in class order."""
    right, answered, support = _counts(resolve_truth(target, first, frequency), first, target.shape[1])
    precision, recall = right / np.maximum(answered, 1), right / np.maximum(support, 1)
    f1 = np.nan_to_num(class_f1(right, answered + support))
    return [
        {"precision": float(p), "recall": float(r), "f1": float(f), "support": int(s)}
        for p, r, f, s in zip(precision, recall, f1, support, strict=True)
    ]


def confusion(target: FloatArray, first: Indices) -> NDArray[np.int64]:
    """Confusion matrix (K, K), rows true, columns answered, of the records with a class."""
    classes = target.shape[1]
    truth = resolve_truth(target, first)
    flat = (truth * classes + first)[truth < classes]
    return np.bincount(flat, minlength=classes * classes).reshape(classes, classes).astype(np.int64)


def set_f1(target: FloatArray, answered: Flags) -> float:
    """Macro-F1 of answer sets (n, K) against target sets: mean over the classes named or answered."""
    right = (answered & (target > 0)).sum(axis=0)
    return _mean_f1(right, answered.sum(axis=0) + (target > 0).sum(axis=0))


def ece(confidence: FloatArray, correct: Flags, bins: int = 15) -> float:
    """Expected calibration error of the confidences (n,) over equal-mass bins.

    Σ_b |b|/n · |mean correct − mean confidence| (Guo et al. 2017, section 2), with as many records in
    each bin rather than bins of equal width, so that no bin is left nearly empty. NaN for no records.
    """
    parts = reliability(confidence, correct, bins)
    gaps = [part["records"] * abs(part["correct"] - part["confidence"]) for part in parts]
    return float(sum(gaps) / len(confidence)) if parts else float("nan")


def reliability(confidence: FloatArray, correct: Flags, bins: int = 15) -> list[dict[str, float | int]]:
    """The bins behind `ece`: mean confidence, share correct and number of records."""
    order = np.argsort(confidence, kind="stable")
    parts = np.array_split(order, min(bins, len(order))) if len(order) else []
    return [
        {"confidence": float(confidence[p].mean()), "correct": float(correct[p].mean()), "records": len(p)}
        for p in parts
    ]


def target_shares(target: FloatArray) -> FloatArray:
    """The target as a distribution: a record's classes share one."""
    shares: FloatArray = target / np.maximum(target.sum(axis=1, keepdims=True), 1.0)
    return shares


def with_rest(probabilities: FloatArray, target: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Probabilities and shares (n, K + 1): the last column for values outside the classes."""
    rest = np.clip(1.0 - probabilities.sum(axis=1, keepdims=True), 0.0, 1.0)
    none = (~target.any(axis=1, keepdims=True)).astype(float)
    return np.hstack([probabilities, rest]), np.hstack([target_shares(target), none])


def brier(probabilities: FloatArray, target: FloatArray, many: bool = False) -> float:
    """Mean over records of Σ_k (p_k − y_k)² (Brier 1950); for many values the mean over classes as well."""
    if not len(target):
        return float("nan")
    shown, truth = (probabilities, target) if many else with_rest(probabilities, target)
    squares = (shown - truth) ** 2
    return float(squares.mean() if many else squares.sum(axis=1).mean())


def log_loss(probabilities: FloatArray, target: FloatArray, many: bool = False) -> float:
    """Mean negative log-likelihood, in nats; binary and averaged over classes for many values."""
    if not len(target):
        return float("nan")
    if not many:
        shown, truth = with_rest(probabilities, target)
        return float(-(truth * np.log(np.clip(shown, 1e-15, 1.0))).sum(axis=1).mean())
    p = np.clip(probabilities, 1e-15, 1.0)
    q = np.clip(1.0 - probabilities, 1e-15, 1.0)
    return float(-(target * np.log(p) + (1.0 - target) * np.log(q)).mean())


def selective_curve(confidence: FloatArray, correct: Flags) -> tuple[FloatArray, FloatArray, FloatArray]:
    """(threshold, coverage, precision) at each distinct confidence, from the highest down.

    Coverage is the share of records whose confidence is at least the threshold; precision is the share
    of those that are correct (the risk–coverage curve of Geifman and El-Yaniv 2017, as precision).
    """
    order = np.argsort(-confidence, kind="stable")
    ordered = confidence[order]
    last = np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else np.zeros(0, int)
    counted = last + 1.0
    right = np.cumsum(correct[order])[last] if len(order) else np.zeros(0)
    return ordered[last], counted / max(len(order), 1), right / counted


def asserted_classes(
    probabilities: FloatArray, first: Indices, threshold: float | FloatArray | tuple[float, ...], many: bool
) -> Flags:
    """Which classes (n, K) reach the threshold: one number, one per class (K,), or one per record and class (n, K).
    Without `many` the first candidate alone may."""
    found = np.asarray(probabilities >= np.broadcast_to(np.asarray(threshold, float), probabilities.shape))
    if not many:
        only = np.zeros_like(found)
        only[np.arange(len(first)), first] = True
        found &= only
    return found


def score(
    target: FloatArray,
    probabilities: FloatArray,
    first: Indices,
    threshold: float | FloatArray,
    many: bool = False,
) -> dict[str, Any]:
    """The figures of one property and modality: every number of the model card's table.

    A record is covered when a class is asserted (see `asserted_classes`, also for `threshold`); `precision` is the
    share of the asserted values that are right, None where there are none.
    """
    confidence = probabilities[np.arange(len(first)), first]
    correct = hits(target, first)
    given = asserted_classes(probabilities, first, threshold, many)
    figures: dict[str, Any] = {
        "records": len(first),
        "outside": int((~target.any(axis=1)).sum()),
        "accuracy": accuracy(target, first),
        "macro_f1": macro_f1(target, first),
        "ece": ece(confidence, correct),
        "brier": brier(probabilities, target, many),
        "log_loss": log_loss(probabilities, target, many),
        "coverage": float(given.any(axis=1).mean()) if len(first) else float("nan"),
        "precision": float((target[given] > 0).mean()) if given.any() else None,
    }
    if many:
        figures["set_f1"] = set_f1(target, given)
        figures["set_f1_half"] = set_f1(target, probabilities >= 0.5)
    return figures
