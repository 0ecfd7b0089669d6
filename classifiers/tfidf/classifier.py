"""The text classifier that needs no weights: TF-IDF columns and a linear machine per property.

Fits in seconds, answers thousands of records a second, and is hard to beat on catalogue texts. Its
scores become probabilities by the logistic function or softmax; the model that holds it calibrates them
on out-of-fold predictions (Platt 1999), which undoes the balancing of the classes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import numpy as np

from classifiers.base import Classifier, ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.settings import from_json, require, to_json
from classifiers.tabular.losses import sigmoid, softmax
from classifiers.tfidf.features import TextFeatures, TextFeatureSettings
from classifiers.tfidf.linear import ABSENT, Linear, fit_linear

WEIGHTS = "linear.safetensors"
SCALE = 3.0
"""What a score is multiplied by to be a logit, before calibration."""
_BATCH = 4096


@dataclass(frozen=True)
class TfidfSettings:
    """`features` as in text_features; `cost` is the machine's C, larger fits closer."""

    cost: float = 1.0
    features: TextFeatureSettings = field(default_factory=TextFeatureSettings)

    def __post_init__(self) -> None:
        require(self.cost > 0.0, "cost is above zero")


class TfidfClassifier(Classifier):
    """See the module."""

    name = "tfidf"
    modality = "text"

    def __init__(self, **settings: Any) -> None:
        own = {f.name for f in fields(TfidfSettings)}
        inner = {k: v for k, v in settings.items() if k not in own}
        outer = {k: v for k, v in settings.items() if k in own}
        if inner:  # n-grams and limits can be set without naming the group they belong to
            outer["features"] = {**_plain(outer.get("features", {})), **inner}
        self.settings = from_json(TfidfSettings, outer, "tfidf")
        self.features = TextFeatures(self.settings.features, {})
        self.linear: dict[str, Linear] = {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        """Fits both parts in seconds and stops by itself, so neither `held_out` nor `resume` is needed."""
        del resume
        self.properties = train.properties
        everyone = Dataset([*train.records, *held_out.records], train.properties)
        self.features, columns = TextFeatures.learn(everyone.records, self.settings.features)
        progress("tfidf", 0, len(self.properties))
        learnable = np.asarray(columns.getnnz(axis=1) > 0)

        self.linear = {}
        for i, prop in enumerate(self.properties):
            target, named = everyone.targets(prop)
            rows = np.flatnonzero(named & learnable)
            self.linear[prop.name] = (
                fit_linear(columns[rows], target[rows], prop.many, cost=self.settings.cost, seed=seed)
                if len(rows)
                else _empty(len(self.features), len(prop.classes))
            )
            progress("tfidf", i + 1, len(self.properties))
        return {"texts": {"records": int(learnable.sum()), "columns": len(self.features)}}

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """Batched; a record whose texts hold no term that was learnt is absent."""
        found: dict[str, list[FloatArray]] = {p.name: [] for p in self.properties}
        present = np.zeros(len(records), dtype=bool)
        for start in range(0, len(records), _BATCH):
            columns = self.features.matrix(records[start : start + _BATCH])
            present[start : start + _BATCH] = columns.getnnz(axis=1) > 0
            for prop in self.properties:
                raw = _probabilities(self.linear[prop.name].scores(columns), prop.many)
                found[prop.name].append(raw)
        answers = {}
        for prop in self.properties:
            said = np.concatenate([np.zeros((0, len(prop.classes))), *found[prop.name]])
            said[~present] = np.nan
            answers[prop.name] = Distribution(prop.classes, said, present, prop.many)
        return answers

    def contributions(self, record: Record, prop: str, class_index: int) -> list[tuple[str, float]]:
        """What each word or group of letters added to the score of a class, the largest first."""
        columns = self.features.matrix([record])
        names = self.features.names()
        weights = self.linear[prop].weights[columns.indices, class_index].astype(np.float64)
        said = columns.data.astype(np.float64) * weights
        order = np.argsort(-np.abs(said), kind="stable")
        return [(": ".join(names[columns.indices[i]]), float(said[i])) for i in order if said[i] != 0.0]

    def write(self, folder: Path) -> Mapping[str, Any]:
        """vocabulary.json, idf.safetensors and linear.safetensors (float16 weights, float32 biases)."""
        from safetensors.numpy import save_file

        self.features.write(folder)
        arrays: dict[str, Any] = {}
        for i, prop in enumerate(self.properties):
            arrays[f"{i}.weights"] = np.ascontiguousarray(self.linear[prop.name].weights)
            arrays[f"{i}.bias"] = self.linear[prop.name].bias
        save_file(arrays, folder / WEIGHTS)
        return {
            "settings": {"cost": self.settings.cost, "features": to_json(self.settings.features)},
            "columns": len(self.features),
        }

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when the weights do not fit the vocabulary or the labels."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            made = cls(**config["settings"])
            arrays = load_file(folder / WEIGHTS)
        except (KeyError, TypeError, AttributeError, OSError, SafetensorError) as error:
            raise ClassifierError(f"{folder}: the tfidf classifier cannot be read: {error!r}") from error
        made.properties = properties
        made.features = TextFeatures.read(folder, made.settings.features)
        for i, prop in enumerate(properties):
            made.linear[prop.name] = read_linear(arrays, str(i), len(made.features), prop, folder)
        return made


def read_linear(arrays: Mapping[str, Any], key: str, columns: int, prop: Property, folder: Path) -> Linear:
    """A machine from the arrays of a folder. Raises ClassifierError when it has another size or NaN."""
    weights, bias = arrays.get(f"{key}.weights"), arrays.get(f"{key}.bias")
    size = len(prop.classes)
    if weights is None or bias is None or weights.shape != (columns, size) or bias.shape != (size,):
        raise ClassifierError(
            f"{folder}: the weights of {prop.name} are not {columns} columns by {size} classes"
        )
    if not (np.isfinite(weights).all() and np.isfinite(bias).all()):
        raise ClassifierError(f"{folder}: {prop.name} has weights that are not numbers")
    return Linear(weights.astype(np.float16), bias.astype(np.float32))


def _probabilities(scores: FloatArray, many: bool) -> FloatArray:
    return sigmoid(SCALE * scores) if many else softmax(SCALE * scores)


def _empty(columns: int, classes: int) -> Linear:
    return Linear(np.zeros((columns, classes), np.float16), np.full(classes, ABSENT, np.float32))


def _plain(features: Any) -> dict[str, Any]:
    return to_json(features) if isinstance(features, TextFeatureSettings) else dict(features)
