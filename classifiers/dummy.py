"""Class priors: the floor that any classifier must beat, and the stand-in for tests."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from enrich.classifiers.base import Classifier, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.priors import class_priors, read_priors


class DummyClassifier(Classifier):
    """Answers every record with the share of each class among the training values."""

    name = "dummy"
    modality = "tabular"
    fork_safe = True

    def prepare(self) -> None:
        self.priors: dict[str, FloatArray] = {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        del seed, resume
        self.properties = train.properties
        full = train.joined(held_out)
        for i, prop in enumerate(self.properties):
            self.priors[prop.name] = class_priors(*full.targets(prop), prop.many)
            progress("dummy", i + 1, len(self.properties))
        return {}

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        n = len(records)
        return {
            p.name: Distribution.of(p, np.tile(self.priors[p.name], (n, 1)), np.full(n, len(p.classes) > 0))
            for p in self.properties
        }

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The priors go into config.json."""
        del folder
        return {"priors": {name: prior.tolist() for name, prior in self.priors.items()}}

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.priors = {p.name: read_priors(config["priors"], p, folder) for p in self.properties}
