"""Class priors: the floor that any classifier must beat, and the stand-in for tests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np

from classifiers.base import Classifier, ClassifierError, Distribution, Progress, no_progress
from classifiers.data import Dataset, Property, Record


class DummyClassifier(Classifier):
    """Answers every record with the share of each class among the training values."""

    name = "dummy"
    modality = "tabular"

    def __init__(self) -> None:
        self.priors: dict[str, tuple[float, ...]] = {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        """Counts; one half is added to each class so that none is impossible."""
        del seed, resume
        self.properties = train.properties
        full = Dataset([*train.records, *held_out.records], train.properties)
        for i, prop in enumerate(self.properties):
            target, named = full.targets(prop)
            counts = target.sum(axis=0) + 0.5
            total = named.sum() + 1.0 if prop.many else counts.sum()
            self.priors[prop.name] = tuple(float(c / total) for c in counts)
            progress("dummy", i + 1, len(self.properties))
        return {}

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """The same row for every record."""
        n = len(records)
        return {
            p.name: Distribution(
                p.classes,
                np.tile(np.asarray(self.priors[p.name]), (n, 1)),
                np.full(n, len(p.classes) > 0),
                p.many,
            )
            for p in self.properties
        }

    def write(self, folder: Path) -> Mapping[str, Any]:
        """The priors go into config.json."""
        del folder
        return {"priors": self.priors}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when the priors do not fit the labels."""
        made = cls()
        made.properties = properties
        for prop in properties:
            try:
                prior = tuple(map(float, config["priors"][prop.name]))
            except (KeyError, TypeError, ValueError) as error:
                raise ClassifierError(f"{folder}: the priors of {prop.name} cannot be read") from error
            if len(prior) != len(prop.classes) or not np.isfinite(prior).all():
                raise ClassifierError(
                    f"{folder}: labels.json names {len(prop.classes)} classes of {prop.name}, "
                    f"the model has {len(prior)}"
                )
            made.priors[prop.name] = prior
        return made
