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
from typing import Self

import numpy as np
from pydantic import Field

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.kinds import Flags, FloatArray
from enrich.classifiers.stored import Stored


class ConformalSets(Stored):
    """Fitted sets of one property. `threshold` is the lowest probability that is in; 0 takes every class.

    `records` were calibrated on; `size` is the mean number of classes in their sets.
    """

    coverage: float = Field(gt=0, lt=1)
    threshold: float = Field(ge=0, le=1)
    records: int
    size: float

    @classmethod
    def fit(cls, probabilities: FloatArray, target: FloatArray, *, coverage: float = 0.9) -> Self | None:
        """From held-out calibrated probabilities (n, K) and targets (n, K); a row of zeros has its value outside
        the classes, and no set covers it. None when those alone are more than the promise lets be missed.

        With fewer records than the promise needs (9 for 90 %), every class is in. The rule is the same for
        properties with one value, for a record may name two of those as well.
        """
        if not 0.0 < coverage < 1.0:
            raise ClassifierError(f"coverage is {coverage}, expected a share between 0 and 1")
        if probabilities.shape != target.shape:
            raise ClassifierError(f"probabilities are {probabilities.shape}, targets {target.shape}")
        if not np.isfinite(probabilities).all():
            raise ClassifierError("conformal sets need finite probabilities; leave absent records out")
        named = target.any(axis=1)
        lowest = np.sort(np.where(named, np.where(target > 0, probabilities, np.inf).min(axis=1), -1.0))
        n = len(lowest)
        rank = math.ceil((n + 1) * coverage - 1e-9)
        threshold = min(float(lowest[n - rank]), 1.0) if rank <= n else 0.0
        if threshold < 0:
            return None
        fitted = cls(coverage=coverage, threshold=threshold, records=n, size=0.0)
        size = float(fitted.apply(probabilities).sum(axis=1).mean()) if n else 0.0
        return fitted.model_copy(update={"size": size})

    def apply(self, probabilities: FloatArray) -> Flags:
        """The set of each record (n, K). Never empty: the most probable class is always in.

        Where the first candidate alone is right more often than promised, the sets cover more than
        promised. Rows of NaN (absent) get an empty set.
        """
        absent = np.asarray(np.isnan(probabilities).any(axis=1))
        filled = np.where(absent[:, None], -1.0, probabilities)
        inside: Flags = np.asarray(filled >= self.threshold)
        if filled.shape[1]:
            inside[np.arange(len(filled)), filled.argmax(axis=1)] = True
        inside[absent] = False
        return inside


def covered(sets: Flags, target: FloatArray) -> float:
    """Share of the records whose every named class is in the set, a value outside never; NaN for no records."""
    inside = np.asarray((sets | (target <= 0)).all(axis=1) & target.any(axis=1))
    return float(inside.mean()) if len(inside) else float("nan")
