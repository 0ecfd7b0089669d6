"""Calibrations that were fitted (see `classifiers.model.calibration`), applied to probabilities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Literal, Self

import numpy as np
from pydantic import model_validator

from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.probability import log_odds, probabilities_of, sigmoid
from enrich.classifiers.stored import Stored

Method = Literal["none", "temperature", "vector", "isotonic"]
FLOOR = 1e-4
"""No class is ever impossible: isotonic steps of 0 would make the log loss infinite."""
TINY = 1e-9
"""Probabilities are taken for no smaller than this when their logits are scaled."""
Numbers = tuple[float, ...]


class Calibrator(Stored):
    """One fitted calibration of one property and modality; JSON in and out.

    `slopes` and `biases` (K,) for temperature (one slope, no bias) and vector scaling; `steps` per class
    the (x, y) knots of the isotonic maps. `losses` is the cross-validated log loss of each method tried.
    `inside`, where training records had values outside the classes, is the slope and bias on the log-odds of the
    first candidate that give the probability that the value is one of the classes; a row sums to that.
    """

    method: Method = "none"
    many: bool = False
    slopes: Numbers = ()
    biases: Numbers = ()
    steps: tuple[tuple[Numbers, Numbers], ...] = ()
    losses: Mapping[str, float] = {}
    inside: tuple[float, float] | None = None

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if len(self.slopes) != len(self.biases) or any(len(x) != len(y) for x, y in self.steps):
            raise ValueError("slopes and biases, or the knots of a step, differ in number")
        return self

    @property
    def classes(self) -> int | None:
        """How many classes it was fitted on; None when any number will do."""
        if self.method == "none":
            return None
        return len(self.steps if self.method == "isotonic" else self.biases)

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, K); rows of NaN (absent) stay NaN."""
        scaled = self._scaled(probabilities)
        if self.inside is None or not scaled.size:
            return scaled
        slope, bias = self.inside
        chance: FloatArray = sigmoid(slope * confidence_odds(scaled) + bias)
        return scaled * chance[:, None]

    def _scaled(self, probabilities: FloatArray) -> FloatArray:
        if self.classes is None:
            return probabilities.copy()
        if self.classes != probabilities.shape[1]:
            raise ClassifierError(
                f"the calibration has {self.classes} classes, the probabilities {probabilities.shape[1]}"
            )
        if self.method == "isotonic":
            return self._apply_isotonic(probabilities)
        scores = log_odds(probabilities, self.many, TINY) * np.asarray(self.slopes) + np.asarray(self.biases)
        return probabilities_of(scores, self.many)

    def _apply_isotonic(self, probabilities: FloatArray) -> FloatArray:
        mapped = np.column_stack(
            [np.interp(probabilities[:, k], xs, ys) for k, (xs, ys) in enumerate(self.steps)]
        )
        mapped = np.clip(mapped, FLOOR, 1.0 - FLOOR)
        mapped[np.isnan(probabilities).any(axis=1)] = np.nan
        return mapped if self.many else mapped / mapped.sum(axis=1, keepdims=True)


def confidence_odds(probabilities: FloatArray) -> FloatArray:
    """The log-odds (n,) of the first candidates; NaN for absent rows."""
    odds: FloatArray = log_odds(probabilities.max(axis=1), True, TINY)
    return odds


def read_calibrator(data: Any, classes: int) -> Calibrator:
    """From JSON values. Raises ClassifierError when they do not make a calibration of that many classes."""
    read = Calibrator.read(data, "calibration")
    if read.classes not in (None, classes):
        raise ClassifierError(f"a calibration of {read.classes} classes where the property has {classes}")
    return read


def sane(raw: Distribution, modality: str) -> tuple[Distribution, dict[int, str]]:
    """The distribution with rows that are not finite made absent, and the reason by row."""
    bad = raw.present & ~np.isfinite(raw.probabilities).all(axis=1)
    present = raw.present & ~bad
    probabilities = np.where(present[:, None], raw.probabilities, np.nan)
    reason = f"the {modality} classifier gave values that are not numbers"
    return Distribution(raw.classes, probabilities, present, raw.many), {
        int(i): reason for i in np.flatnonzero(bad)
    }


def calibrated(raw: Distribution, calibrator: Calibrator | None) -> Distribution:
    """The distribution after calibration; as it is without one."""
    if calibrator is None:
        return raw
    return replace(raw, probabilities=calibrator.apply(raw.probabilities))
