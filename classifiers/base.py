"""The interface every classifier has: fit, predict, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.data import Dataset, Property, Record

FloatArray = NDArray[np.float64]
Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total); total 0 when it is not known."""


class ClassifierError(Exception):
    """What was wrong with a dataset, a setting or a model, in one line for a person."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """The progress of someone who does not look."""


@dataclass(frozen=True)
class Distribution:
    """Class probabilities of one property for a batch of records.

    `probabilities` is (n, K) float64. Rows sum to 1 for a property with one value; each entry is its own
    probability for a property with many. `present` is (n,) bool: False where the modality had nothing to
    look at, and then the row is meaningless (NaN) and must not be read.
    """

    classes: tuple[str, ...]
    probabilities: FloatArray
    present: NDArray[np.bool_]
    many: bool = False

    def __post_init__(self) -> None:
        n = len(self.present)
        if self.probabilities.shape != (n, len(self.classes)):
            raise ValueError(
                f"probabilities are {self.probabilities.shape}, expected {(n, len(self.classes))}"
            )

    def __len__(self) -> int:
        return len(self.present)

    @classmethod
    def absent(cls, prop: Property, n: int) -> Distribution:
        """A distribution in which no record had anything to look at."""
        return cls(prop.classes, np.full((n, len(prop.classes)), np.nan), np.zeros(n, dtype=bool), prop.many)

    def take(self, rows: Sequence[int] | NDArray[np.intp] | NDArray[np.bool_]) -> Distribution:
        """The same distribution for some of the records."""
        index = np.asarray(rows)
        return Distribution(self.classes, self.probabilities[index], self.present[index], self.many)


class Classifier(ABC):
    """One modality (or a fusion) that learns several properties of a record at once.

    A back end implements `fit`, `predict`, `write` and `read`. `predict` never looks at the known value
    of the property it predicts: it hides it itself, so that training and answering see the same thing.
    """

    name: ClassVar[str]
    """How the registry and settings call it, such as 'tabular' or 'tfidf'."""
    modality: ClassVar[str]
    """One of classifiers.data.MODALITIES, or 'fusion'."""

    properties: tuple[Property, ...] = ()

    @abstractmethod
    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        """Learn from `train`, stop early on `held_out`; returns the training history for metrics.json.

        `resume` is a folder for checkpoints: when it holds some, training goes on from them.
        """

    @abstractmethod
    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """One distribution per property, rows in the order of `records`."""

    @abstractmethod
    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write the weights into `folder` and return the settings for config.json (JSON values only)."""

    @classmethod
    @abstractmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Build the classifier from a verified model folder; ClassifierError when anything does not fit."""
