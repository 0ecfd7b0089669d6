"""Hybrid fusion: the network of the early fusion is one more modality of the late fusion.

Its predictions are out of fold in training, like every other member's.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from enrich.classifiers.base import Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.folds import fold_of, out_of_fold
from enrich.classifiers.fusion.base import ByModality, Fuser
from enrich.classifiers.fusion.early import EarlyFusion, EarlyFusionSettings
from enrich.classifiers.fusion.late import LateFusion, LateFusionSettings
from enrich.classifiers.fusion.rows import take
from enrich.classifiers.kinds import Rows

EARLY = "early"


class HybridFusionSettings(LateFusionSettings):
    """Late fusion with the network of the early fusion as one more modality."""

    early: EarlyFusionSettings = EarlyFusionSettings()
    """The network."""


class HybridFusion(Fuser):
    """See the module."""

    name = "hybrid"
    settings_class = HybridFusionSettings
    settings: HybridFusionSettings

    def prepare(self) -> None:
        self.early = EarlyFusion(self.settings.early)
        late = {name: getattr(self.settings, name) for name in LateFusionSettings.model_fields}
        self.late = LateFusion(**late)
        self._kept: tuple[Dataset, dict[str, Distribution]] | None = None

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """Early fusion out of fold, then late fusion with it, then early fusion on everything."""
        self.properties = dataset.properties
        fold = fold_of(len(dataset), self.late.settings.folds, seed)
        with_early = self._with_early(dataset, by, fold, seed, progress)
        self._kept = None
        history = dict(self.late.fit(dataset, with_early, seed=seed, progress=progress))
        self.early.fit(dataset, by, seed=seed, progress=progress)
        return history

    def cross_fit(
        self, dataset: Dataset, by: ByModality, fold: Rows, *, seed: int = 0, progress: Progress = no_progress
    ) -> dict[str, Distribution]:
        self.properties, self._kept = dataset.properties, None
        with_early = self._with_early(dataset, by, fold, seed, progress)
        return self.late.cross_fit(dataset, with_early, fold, seed=seed, progress=progress)

    def _with_early(
        self, dataset: Dataset, by: ByModality, fold: Rows, seed: int, progress: Progress
    ) -> ByModality:
        """The modalities and the network's predictions out of fold, kept for the `fit` that follows."""

        def predictor(k: int, inside: Rows, outside: Rows) -> dict[str, Distribution]:
            network = EarlyFusion(self.early.settings)
            network.fit(dataset.subset(outside), take(by, outside), seed=seed + k + 1, progress=progress)
            return network.predict(dataset.subset(inside).records, take(by, inside))

        if self._kept is None or self._kept[0] is not dataset:
            self._kept = (dataset, out_of_fold(dataset, fold, predictor))
        return {**by, EARLY: self._kept[1]}

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """The late fusion's prediction from the modalities and the network."""
        return self.late.predict(records, {**by, EARLY: self.early.predict(records, by)})

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The late fusion's files, and the network's in a folder of its own."""
        (folder / EARLY).mkdir()
        return {"late": dict(self.late.write(folder)), EARLY: dict(self.early.write(folder / EARLY))}

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.late = LateFusion.read(folder, config["late"], self.properties)
        self.early = EarlyFusion.read(folder / EARLY, config[EARLY], self.properties)
