"""How far a figure may be off: bootstrap intervals over records, paired between what is compared.

Percentile bootstrap (Efron and Tibshirani 1993, chapter 13). Only the records measured on are drawn
again; what another training run would give is not in these intervals.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np

from enrich.classifiers.kinds import Flags, FloatArray, Indices, Rows
from enrich.classifiers.model.metrics import class_f1, resolve_truth

ROUNDS = 400


def resamples(n: int, rounds: int = ROUNDS, seed: int = 0) -> FloatArray:
    """How often each of n records is drawn (rounds, n); the first row is the sample itself."""
    rng = np.random.default_rng(seed)
    drawn = np.ones((rounds + 1, n))
    if n:
        drawn[1:] = rng.multinomial(n, np.full(n, 1.0 / n), size=rounds)
    return drawn


@dataclass(frozen=True)
class Scored:
    """First candidates of one property: `rows` (m,) of the records measured, their truth and answer (m,)."""

    rows: Rows
    truth: Indices
    first: Indices
    classes: int

    @classmethod
    def of(cls, target: FloatArray, named: Flags, first: Indices) -> Scored:
        """From the target (n, K), the records to count (n,) and the first candidates of all records (n,)."""
        rows = np.flatnonzero(named)
        truth = resolve_truth(target[rows], first[rows], target[rows].sum(axis=0))
        return cls(rows, truth, first[rows], target.shape[1])

    def f1(self, drawn: FloatArray) -> FloatArray:
        """F1 of each class in each resample (rounds, K); NaN for a class neither named nor answered."""
        weights = drawn[:, self.rows]
        names = np.eye(self.classes + 1)[:, : self.classes]  # the last for values outside the classes
        named, answered = names[self.truth], names[self.first]
        return class_f1(weights @ (named * answered), weights @ (named + answered))

    def macro_f1(self, drawn: FloatArray) -> FloatArray:
        """Macro-F1 in each resample (rounds,)."""
        return mean_of_named(self.f1(drawn))

    def figures(self, drawn: FloatArray) -> dict[str, FloatArray]:
        """Both in each resample (rounds,), by name."""
        return {"macro_f1": self.macro_f1(drawn), "accuracy": self.correct(drawn)}

    def correct(self, drawn: FloatArray) -> FloatArray:
        """Accuracy in each resample (rounds,)."""
        weights = drawn[:, self.rows]
        total = weights.sum(axis=1)
        right = weights @ (self.truth == self.first).astype(float)
        return np.where(total > 0, right / np.maximum(total, 1.0), np.nan)


def mean_of_named(values: FloatArray) -> FloatArray:
    """Mean over the last axis without NaN; NaN where there is nothing else."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)
        return np.asarray(np.nanmean(values, axis=-1))


def mean_over(values: Sequence[FloatArray]) -> FloatArray:
    """The mean of several figures, resample by resample."""
    return mean_of_named(np.stack(values, axis=-1))


@dataclass(frozen=True)
class Interval:
    """A figure and its 95 % interval."""

    value: float
    low: float
    high: float

    @classmethod
    def of(cls, values: FloatArray) -> Self:
        """From a figure in each resample, the sample itself first."""
        rest = values[1:][np.isfinite(values[1:])]
        low, high = np.percentile(rest, [2.5, 97.5]) if len(rest) else (np.nan, np.nan)
        return cls(float(values[0]), float(low), float(high))

    @property
    def clear(self) -> bool:
        """Whether zero lies outside, for a difference."""
        return bool(self.low > 0 or self.high < 0)

    def __str__(self) -> str:
        return f"{self.value:+.3f} [{self.low:+.3f}, {self.high:+.3f}]"

    def to_json(self) -> dict[str, float | None]:
        """value, low and high; None for what is no number."""
        found = {"value": self.value, "low": self.low, "high": self.high}
        return {k: v if np.isfinite(v) else None for k, v in found.items()}


def intervals(target: FloatArray, first: Indices) -> dict[str, Interval]:
    """Macro-F1 and accuracy of first candidates (n,) against targets (n, K), in the same resamples."""
    scored = Scored.of(target, np.ones(len(first), dtype=bool), first)
    return {name: Interval.of(found) for name, found in scored.figures(resamples(len(first))).items()}
