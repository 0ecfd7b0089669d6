"""The interface of what fuses several modalities, and the pass-through for when there is one."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from enrich.classifiers.base import ClassifierError, Configured, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.explain.explanation import Contribution
from enrich.classifiers.kinds import Rows
from enrich.classifiers.probability import log_odds

ByModality = Mapping[str, Mapping[str, Distribution]]
"""Modality → property's name → calibrated distribution, rows in the order of the records."""


class Fuser(Configured, ABC):
    """Learns from out-of-fold, calibrated distributions of the members; answers from calibrated ones.

    `Model` cross-fits a fuser on the folds' complement to get the fused out-of-fold predictions that
    calibration and thresholds are taken from, and then fits it once on all of them. A record in which
    every modality is absent must come out absent.
    """

    @abstractmethod
    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Learn from the records and what each modality predicts of them; returns the history."""

    def cross_fit(
        self, dataset: Dataset, by: ByModality, fold: Rows, *, seed: int = 0, progress: Progress = no_progress
    ) -> dict[str, Distribution] | None:
        """Fused answers by fusers that did not see the record, when there is a quicker way than one fit a fold.

        None (the default) says that there is not. What is prepared here may be used by the `fit` that
        follows on the same dataset.
        """
        del dataset, by, fold, seed, progress
        return None

    @abstractmethod
    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """One distribution per property. The known value of a property must not decide its own answer."""

    def explain(self, record: Record, by: ByModality, prop: str, k: int) -> list[Contribution]:
        """What each modality adds to the log-odds of class k, unordered: how far they fall without it."""
        if len(by) < 2:
            return []
        whole = self._log_odds(record, by, prop, k)
        found = []
        absent = {p.name: Distribution.absent(p, 1) for p in self.properties}
        for modality in by:
            found.append((modality, whole - self._log_odds(record, {**by, modality: absent}, prop, k)))
        return [Contribution(modality, gain) for modality, gain in found if np.isfinite(gain)]

    def _log_odds(self, record: Record, by: ByModality, prop: str, k: int) -> float:
        return float(log_odds(self.predict([record], by)[prop].probabilities, True)[0, k])

    @abstractmethod
    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write the weights into `folder` and return the settings for config.json (JSON values only)."""


class PassThrough(Fuser):
    """With a single member there is nothing to fuse: its calibrated answer is the answer."""

    name = "pass-through"
    fork_safe = True

    @staticmethod
    def expect(members: int) -> None:
        """Raise ClassifierError for another number of members than one."""
        if members != 1:
            raise ClassifierError(f"pass-through takes one member, this model has {members}; name a fusion")

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Takes note of the properties; refuses more than one member."""
        del seed, progress
        self.expect(len(by))
        self.properties = dataset.properties
        return {"note": f"one member ({next(iter(by))}), so its answer passes through unchanged"}

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """The member's distributions."""
        del records
        return dict(next(iter(by.values())))

    def write(self, folder: Path) -> Mapping[str, Any]:
        del folder
        return {}
