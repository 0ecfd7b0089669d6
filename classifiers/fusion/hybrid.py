"""Hybrid fusion: the network of the early fusion has a voice in the late fusion, as one more modality.

It is heard out of fold in training, like every other member.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.fusion.base import ByModality, Fuser
from classifiers.fusion.early import EARLY, EarlyFusion
from classifiers.fusion.late import LateFusion
from classifiers.fusion.rows import distribution, present_rows
from classifiers.settings import to_json


class HybridFusion(Fuser):
    """Late fusion in which the network of the early fusion has a say of its own."""

    name = "hybrid"

    def __init__(self, **settings: Any) -> None:
        early = settings.pop(EARLY, {})
        self.early = EarlyFusion(**early)
        self.late = LateFusion(**settings)
        self._kept: tuple[Dataset, dict[str, Distribution]] | None = None

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Early fusion out of fold, then late fusion with it, then early fusion on everything."""
        self.properties = dataset.properties
        if self._kept is None or self._kept[0] is not dataset:
            folds = self.late.settings.folds
            fold = np.random.default_rng(seed).permutation(len(dataset)) % folds
            self._kept = (dataset, self._out_of_fold(dataset, by, fold, seed, progress))
        heard = {**by, EARLY: self._kept[1]}
        self._kept = None
        history = dict(self.late.fit(dataset, heard, seed=seed, progress=progress))
        self.early.fit(dataset, by, seed=seed, progress=progress)
        return history

    def cross_fit(
        self,
        dataset: Dataset,
        by: ByModality,
        fold: NDArray[np.intp],
        *,
        seed: int = 0,
        progress: Progress = no_progress,
    ) -> dict[str, Distribution]:
        """See Fuser.cross_fit."""
        self._kept = (dataset, self._out_of_fold(dataset, by, fold, seed, progress))
        heard = {**by, EARLY: self._kept[1]}
        self.properties = dataset.properties
        return self.late.cross_fit(dataset, heard, fold, seed=seed, progress=progress)

    def _out_of_fold(
        self, dataset: Dataset, by: ByModality, fold: NDArray[np.intp], seed: int, progress: Progress
    ) -> dict[str, Distribution]:
        said: dict[str, FloatArray] = {
            p.name: np.full((len(dataset), len(p.classes)), np.nan) for p in dataset.properties
        }
        settings = to_json(self.early.settings)
        for k in range(int(fold.max()) + 1):
            inside, outside = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
            network = EarlyFusion(**settings)
            network.fit(dataset.subset(outside), _take(by, outside), seed=seed + k + 1, progress=progress)
            answers = network.predict(dataset.subset(inside).records, _take(by, inside))
            for name, found in answers.items():
                said[name][inside] = found.probabilities
        n = len(dataset)
        return {p.name: distribution(p, said[p.name], present_rows(by, p, n)) for p in dataset.properties}

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """The late fusion's answer, after hearing the network."""
        return self.late.predict(records, {**by, EARLY: self.early.predict(records, by)})

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The late fusion's files, and the network's in a folder of its own."""
        (folder / EARLY).mkdir()
        return {"late": dict(self.late.write(folder)), EARLY: dict(self.early.write(folder / EARLY))}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when either part cannot be read."""
        made = cls()
        try:
            late, early = config["late"], config[EARLY]
        except (KeyError, TypeError) as error:
            raise ClassifierError(f"{folder}: the hybrid fusion cannot be read: {error!r}") from error
        made.late = LateFusion.read(folder, late, properties)
        made.early = EarlyFusion.read(folder / EARLY, early, properties)
        made.properties = properties
        return made


def _take(by: ByModality, rows: NDArray[np.intp]) -> dict[str, dict[str, Distribution]]:
    return {m: {p: d.take(rows) for p, d in said.items()} for m, said in by.items()}
