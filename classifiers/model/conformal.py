"""Conformal candidate sets: the classes to store so that the truth is among them as often as promised.

Least ambiguous sets (Sadinle, Lei and Wasserman 2019, section 2): a class is in when its probability
reaches one threshold, the quantile of what held-out records gave their truth. Of a record with several
values the least probable counts, so that *all* its values are in the set as often as promised (Cauchois,
Gupta and Duchi 2021, outer sets). The held-out probabilities are out-of-fold, as in cross-conformal
prediction (Vovk 2015): the promise holds on average over records like the training records, for values
that have a class; not for every museum or class on its own.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, FloatArray


@dataclass(frozen=True)
class ConformalSets:
    """Fitted sets of one property. `threshold` is the lowest probability that is in; 0 takes every class.

    `records` were calibrated on; `size` is the mean number of classes in their sets.
    """

    coverage: float
    threshold: float
    records: int
    size: float

    @classmethod
    def fit(
        cls, probabilities: FloatArray, target: FloatArray, *, coverage: float = 0.9, many: bool = False
    ) -> Self:
        """From held-out calibrated probabilities (n, K) and targets (n, K) with at least one value a row.

        With fewer records than the promise needs (9 for 90 %), every class is in. `many` changes nothing
        in the rule: a record of a single-valued property may name two values as well.
        """
        del many
        if not 0.0 < coverage < 1.0:
            raise ClassifierError(f"coverage is {coverage}, expected a share between 0 and 1")
        if probabilities.shape != target.shape:
            raise ClassifierError(f"probabilities are {probabilities.shape}, targets {target.shape}")
        if not np.isfinite(probabilities).all():
            raise ClassifierError("conformal sets need finite probabilities; leave absent records out")
        named = target.sum(axis=1) > 0
        lowest = np.sort(np.where(target > 0, probabilities, np.inf).min(axis=1)[named])
        n = len(lowest)
        rank = math.ceil((n + 1) * coverage - 1e-9)
        threshold = float(lowest[n - rank]) if rank <= n else 0.0
        fitted = cls(coverage, threshold, n, 0.0)
        size = float(fitted.apply(probabilities[named]).sum(axis=1).mean()) if n else 0.0
        return cls(coverage, threshold, n, size)

    def apply(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """The set of each record (n, K). Never empty: the most probable class is always in.

        Where the first candidate alone is right more often than promised, the sets cover more than
        promised. Rows of NaN (absent) get an empty set.
        """
        absent = np.asarray(np.isnan(probabilities).any(axis=1))
        filled = np.where(absent[:, None], -1.0, probabilities)
        inside: NDArray[np.bool_] = np.asarray(filled >= self.threshold)
        if filled.shape[1]:
            inside[np.arange(len(filled)), filled.argmax(axis=1)] = True
        inside[absent] = False
        return inside

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` reads back."""
        return {
            "coverage": self.coverage,
            "threshold": self.threshold,
            "records": self.records,
            "size": self.size,
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Self:
        """Raises ClassifierError when the values do not make a set."""
        try:
            made = cls(
                float(data["coverage"]), float(data["threshold"]), int(data["records"]), float(data["size"])
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"conformal sets that cannot be read: {error!r}") from error
        if not (0.0 < made.coverage < 1.0 and 0.0 <= made.threshold <= 1.0):
            raise ClassifierError(
                f"conformal sets of coverage {made.coverage} and threshold {made.threshold} cannot be"
            )
        return made


def covered(sets: NDArray[np.bool_], target: FloatArray) -> float:
    """Share of the records that name a class whose every named class is in the set; NaN for no records."""
    named = np.asarray(target.sum(axis=1) > 0)
    inside = np.asarray((sets | (target <= 0)).all(axis=1))
    return float(inside[named].mean()) if named.any() else float("nan")
