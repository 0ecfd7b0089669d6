"""The interface of everything that learns: fit, predict, explain, save, load."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.errors import ClassifierError as ClassifierError
from enrich.classifiers.errors import WrongSetting as WrongSetting
from enrich.classifiers.explain.explanation import MemberExplanation
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.settings import ClassifierSettings, NoSettings, merged

Progress = Callable[[str, int, int], None]
"""Called as progress(stage, done, total); total 0 when it is not known."""


def no_progress(_stage: str, _done: int, _total: int) -> None:
    """The progress of someone who does not look."""


def renamed(progress: Progress, form: str) -> Progress:
    """The same, each stage called as the form says, such as "{} · all records"."""
    return lambda stage, done, total: progress(form.format(stage), done, total)


@dataclass(frozen=True)
class Distribution:
    """Class probabilities of one property for a batch of records.

    `probabilities` is (n, K) float64. Rows sum to 1 for a property with one value; each entry is its own
    probability for a property with many. `present` is (n,) bool: False where the modality had nothing to
    look at, and then the row is meaningless (NaN) and must not be read.
    """

    classes: tuple[str, ...]
    probabilities: FloatArray
    present: Flags
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

    @classmethod
    def of(cls, prop: Property, probabilities: FloatArray, present: Flags) -> Distribution:
        """A distribution of a property from (n, K); rows that are not present become NaN."""
        shown = np.where(present[:, None], probabilities, np.nan)
        return cls(prop.classes, shown, np.asarray(present), prop.many)

    @classmethod
    def joined(cls, parts: Sequence[Distribution]) -> Distribution:
        """One distribution of a property for the records of several, in this order."""
        return cls(
            parts[0].classes,
            np.concatenate([part.probabilities for part in parts]),
            np.concatenate([part.present for part in parts]),
            parts[0].many,
        )

    def take(self, rows: Sequence[int] | Rows | Flags) -> Distribution:
        """The same distribution for some of the records."""
        index = np.asarray(rows)
        return Distribution(self.classes, self.probabilities[index], self.present[index], self.many)


class Configured:
    """What classifiers and fusers share: a name and settings in the registry, and a place in a model folder."""

    name: ClassVar[str]
    """What the registry and settings call it, such as 'tabular' or 'late'."""
    settings_class: ClassVar[type[ClassifierSettings]] = NoSettings
    fork_safe: ClassVar[bool] = False
    """Whether it may be loaded before a process forks and be used by the children, so long as nothing has
    used a second thread until then. Torch and ONNX Runtime start threads at once, which no fork survives."""

    settings: Any
    properties: tuple[Property, ...] = ()

    def __init__(self, settings: ClassifierSettings | None = None, /, **values: Any) -> None:
        """From settings, or from JSON values by name; ClassifierError names a wrong one."""
        self.settings = self.settings_class.read(values, self.name) if settings is None else settings
        self.prepare()

    def prepare(self) -> None:
        """Set what it holds before it has learned anything."""

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Build it from a verified model folder; ClassifierError when anything does not fit."""
        try:
            made = cls(**config.get("settings", {}))
            made.properties = properties
            made.restore(folder, config)
        except (AttributeError, KeyError, OSError, TypeError, ValueError) as error:
            raise ClassifierError(f"{folder}: {cls.name} cannot be read: {error!r}") from error
        return made

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Take what `write` left, with the settings and the properties known."""


class Classifier(Configured, ABC):
    """One modality that learns several properties of a record at once.

    A subclass implements `fit`, `predict`, `write` and `restore`, and may `explain`. `predict` never
    looks at the known value of the property it predicts: it hides it itself, so that training and answering
    see the same thing. The registry holds one line for each.
    """

    modality: ClassVar[str]
    """What it looks at: one of classifiers.data.MODALITIES."""
    costly: ClassVar[bool] = False
    """Whether a fit takes so long that the regimes "seen" and "unseen block" share its out-of-fold predictions."""
    fold_settings: ClassVar[Mapping[str, Any]] = {}
    """Settings for the folds of a training alone, where a cheaper fit will do."""
    takes_refusals: ClassVar[bool] = False
    """Whether it learns from values that were turned down where no value is known (`Dataset.judged`)."""
    shared: ClassVar[Mapping[str, str]] = {}
    """Settings of a whole training that it takes, by the name of its own: {"gamma": "loss.gamma"}."""
    option_names: ClassVar[tuple[str, ...] | None] = None
    """Its settings that a training may name; None for all."""

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

        `resume` is a folder for checkpoints: when it holds some, training goes on from them. Raises NothingToLearn
        where no record has what it looks at and a value.
        """

    @abstractmethod
    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """One distribution per property, rows in the order of `records`."""

    @property
    def decode_size(self) -> int:
        """Shorter side that pictures are decoded to, in pixels; 0 where it looks at none."""
        return 0

    @abstractmethod
    def write(self, folder: Path) -> Mapping[str, Any]:
        """Write the weights into `folder` and return the settings for config.json (JSON values only)."""

    @classmethod
    def training_settings(
        cls, options: Mapping[str, Any], shared: Mapping[str, Any], folder: Path, where: str
    ) -> dict[str, Any]:
        """The settings to train with: `options` over the `shared` ones that this class takes.

        Relative paths start from `folder`. Raises ClassifierError, which names a wrong option after `where`.
        """
        del folder
        settings: dict[str, Any] = {}
        for key, own in cls.shared.items():
            settings = merged(settings, _nested(own, shared[key]) if key in shared else {})
        settings = merged(settings, options)
        cls.settings_class.read(settings, where)
        return settings

    @classmethod
    def affordable(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Settings that this machine can train with, where they leave it open.

        Raises ClassifierError when something that they name, such as an encoder, cannot be had.
        """
        return settings

    @classmethod
    def decided_by(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """Digests of what `settings` name by its place alone, such as a file of weights: a training that was stopped
        goes on only where they are the same."""
        del settings
        return {}

    def explain(self, record: Record, prop: str, value: str) -> MemberExplanation:
        """What it went by when it spoke for a class; nothing for a classifier that does not explain itself."""
        del record, prop, value
        return MemberExplanation(self.modality, self.name)

    def why_absent(self, record: Record) -> str:
        """Why it gave no answer about a record."""
        del record
        return "no value that it knows"

    def index_of(self, prop: str, value: str) -> int:
        """The column of a class. Raises ClassifierError for one that it does not know."""
        for known in self.properties:
            if known.name == prop and value in known.classes:
                return known.classes.index(value)
        raise ClassifierError(f"the {self.name} classifier has no class {value!r} of {prop!r}")


def _nested(path: str, value: Any) -> dict[str, Any]:
    first, dot, rest = path.partition(".")
    return {first: _nested(rest, value) if dot else value}
