"""Linear support vector machines over sparse columns, one class against the rest, several at a time.

Fan et al. 2008 (LIBLINEAR), L2-regularised squared hinge. Classes are balanced; what that does to the
probabilities, calibration undoes. Weights are rounded to half precision at once, so that what is written
is exactly what was measured. One after the other: LIBLINEAR's threads share one source of random numbers,
and the same seed would no longer give the same machine.
"""

import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.svm import LinearSVC

from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.probability import probabilities_of

SCALE = 3.0
"""What a score is multiplied by to be a logit, before calibration."""
ABSENT = -2.0
"""The score of a class that had no training value: further out than a clear no."""
_TOLERANCE = 0.1
"""LIBLINEAR's own default; scikit-learn's 1e-4 takes three times as long and changes nothing that counts."""


@dataclass(frozen=True)
class Linear:
    """Scores of the classes of one property: columns @ weights + bias. `weights` is (columns, K) float16."""

    weights: NDArray[np.float16]
    bias: NDArray[np.float32]

    def scores(self, columns: Any) -> FloatArray:
        """Signed distances (n, K) from CSR columns."""
        return np.asarray(columns @ self.weights.astype(np.float32), dtype=np.float64) + self.bias


def linear_probabilities(scores: FloatArray, many: bool) -> FloatArray:
    """Probabilities (n, K) of a machine's scores, still to be calibrated."""
    return probabilities_of(SCALE * scores, many)


def fit_linear(
    columns: Any,
    target: FloatArray,
    many: bool,
    *,
    known: Flags | None = None,
    cost: float = 1.0,
    seed: int = 0,
) -> Linear:
    """Fit on CSR columns (n, F) and a target (n, K), of which the entries `known` (n, K) are learnt from, or all.

    Of a property with one value, a record that names several teaches each with its share; with many
    values each class is asked for on its own, and every named value is a yes. What is known of a record that names no
    class is a no to those classes alone.
    """
    features, classes = columns.shape[1], target.shape[1]
    weights = np.zeros((features, classes), dtype=np.float16)
    bias = np.full(classes, ABSENT, dtype=np.float32)
    wide = columns.astype(np.float64)
    if many:
        for k in range(classes):
            use = slice(None) if known is None else np.flatnonzero(known[:, k])
            yes = target[use, k] > 0
            if not yes.any():
                continue
            if yes.all():
                bias[k] = -ABSENT
            else:
                found = _fitted(cost, seed, wide[use], yes)
                weights[:, k], bias[k] = found.coef_[0], found.intercept_[0]
        return Linear(weights, bias)
    rows, labels = np.nonzero(target)
    if len(np.unique(labels)) < 2:
        bias[labels[:1]] = -ABSENT
        return Linear(weights, bias)
    share = 1.0 / target.sum(axis=1)[rows]
    found = _fitted(cost, seed, wide[rows], labels, share)
    if len(found.classes_) == 2:
        no, yes_class = found.classes_
        for k, sign in ((no, -1.0), (yes_class, 1.0)):
            weights[:, k], bias[k] = sign * found.coef_[0], sign * found.intercept_[0]
    else:
        weights[:, found.classes_], bias[found.classes_] = found.coef_.T, found.intercept_
    if known is not None:
        refused = known & (target.sum(axis=1, keepdims=True) == 0)
        for k in map(int, np.flatnonzero(refused.any(axis=0) & target.any(axis=0))):
            no = np.flatnonzero(refused[:, k])
            found = _again(wide, rows, labels, share, no, k, cost, seed)
            weights[:, k], bias[k] = found.coef_[0], found.intercept_[0]
    return Linear(weights, bias)


def _again(
    columns: Any, rows: Rows, labels: Rows, share: FloatArray, no: Rows, k: int, cost: float, seed: int
) -> Any:
    """The machine of class k with more records that are a no, weighted as LIBLINEAR balances all classes together: the
    yes alone, but of two classes both."""
    yes, classes = labels == k, len(np.unique(labels))
    other = 1.0 if classes > 2 else len(labels) / (2 * (~yes).sum())
    weight = share * np.where(yes, len(labels) / (classes * yes.sum()), other)
    every, says = np.concatenate([rows, no]), np.concatenate([yes, np.zeros(len(no), dtype=bool)])
    return _fitted(cost, seed, columns[every], says, np.concatenate([weight, np.full(len(no), other)]), None)


def _fitted(
    cost: float,
    seed: int,
    columns: Any,
    labels: NDArray[Any],
    weight: FloatArray | None = None,
    classes: str | None = "balanced",
) -> Any:
    machine = LinearSVC(C=cost, class_weight=classes, tol=_TOLERANCE, random_state=seed)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Liblinear failed to converge")
        return machine.fit(columns, labels, sample_weight=weight)
