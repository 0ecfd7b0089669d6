"""Predictions for the training records by classifiers that did not see them; they can be taken up again.

Calibration, thresholds and fusion are learnt from these, so nothing held out has to be wasted on them
and no one learns from predictions on its own training data (Wolpert 1992, Stacked Generalization).
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import Classifier, Distribution, Progress, renamed
from enrich.classifiers.data import Dataset
from enrich.classifiers.digest import json_digest
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.extras import versions
from enrich.classifiers.folds import fold_count, out_of_fold
from enrich.classifiers.kinds import Rows
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.model.manifest import ModelFolderError
from enrich.classifiers.registry import classifier_class

HELD_OUT_SHARE = 0.1
"""Share of a fold's training records on which early stopping looks."""


@dataclass(frozen=True)
class MemberSpec:
    """A classifier by its registry name, its settings, and its own number of folds (None: the model's).

    `fold_settings` replace settings in the folds alone, where a cheaper fit will do.
    """

    classifier: str
    settings: Mapping[str, Any] = field(default_factory=dict)
    folds: int | None = None
    fold_settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A classifier fitted on all records, its history, and the out-of-fold distributions by property."""

    classifier: Classifier
    history: Mapping[str, Any]
    predictions: Mapping[str, Distribution]


def train_member(
    dataset: Dataset,
    spec: MemberSpec,
    fold: Rows,
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
    whole: Trained | None = None,
) -> Trained:
    """Fit once per fold on the others and predict it, then once on everything, unless that is given as `whole`.

    With `resume`, a finished fold is read from that folder instead of being fitted again; what was kept
    for other records, settings or seeds is not used.
    """
    predictions = held_out_predictions(dataset, spec, fold, seed=seed, progress=progress, resume=resume)
    if whole is not None:
        return replace(whole, predictions=predictions)
    kept = None if resume is None else resume / _key(dataset, spec, fold, seed)
    classifier, history = _whole(dataset, spec, seed, renamed(progress, "{} · all records"), kept)
    return Trained(classifier, lasting(history), predictions)


def lasting(history: Any) -> Any:
    """A history without what differs from one training to another of the same (times, where it was taken up), its keys
    in the order in which they are read back."""
    if isinstance(history, Mapping):
        return {k: lasting(history[k]) for k in sorted(history) if k not in ("seconds", "resumed_from")}
    return [lasting(v) for v in history] if isinstance(history, list | tuple) else history


def held_out_predictions(
    dataset: Dataset,
    spec: MemberSpec,
    fold: Rows,
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
) -> dict[str, Distribution]:
    """The folds' part of `train_member`, which finds them again when both are given the same `resume`.

    Absent for a fold of which the others teach nothing, such as the one museum with pictures.
    """
    kept = None if resume is None else resume / _key(dataset, spec, fold, seed)
    cheaper = replace(spec, settings={**spec.settings, **spec.fold_settings})

    def predictor(k: int, inside: Rows, outside: Rows) -> Mapping[str, Distribution]:
        found = _kept_fold(kept, k, dataset, len(inside))
        if found is None:
            named = renamed(progress, f"{{}} · fold {k + 1}/{fold_count(fold)}")
            checkpoints = None if kept is None else kept / f"fold-{k}"
            try:
                classifier, _ = fit_classifier(
                    dataset.subset(outside), cheaper, seed + k + 1, named, checkpoints
                )
            except NothingToLearn:  # all that it looks at is in this fold
                return {p.name: Distribution.absent(p, len(inside)) for p in dataset.properties}
            found = classifier.predict(dataset.subset(inside).records)
            _keep_fold(kept, k, dataset, found)
        return found

    return out_of_fold(dataset, fold, predictor)


def _key(dataset: Dataset, spec: MemberSpec, fold: Rows, seed: int) -> str:
    """Names a training by all that decides its result."""
    settings = [spec.classifier, dict(spec.settings), dict(spec.fold_settings), seed, fold.tolist()]
    named = dict(classifier_class(spec.classifier).decided_by(spec.settings))
    ids = [record.id for record in dataset.records]
    return f"{spec.classifier}-{json_digest([dataset.digest, settings, named, ids, versions()])[:16]}"


def fit_classifier(
    dataset: Dataset, spec: MemberSpec, seed: int, progress: Progress, resume: Path | None = None
) -> tuple[Classifier, Mapping[str, Any]]:
    """A new classifier and its history, a tenth of the records held out for early stopping."""
    classifier = classifier_class(spec.classifier)(**spec.settings)
    rows = np.random.default_rng(seed).permutation(len(dataset))
    check = int(len(rows) * HELD_OUT_SHARE)
    if resume is not None:
        resume.mkdir(parents=True, exist_ok=True)
    history = classifier.fit(
        dataset.subset(np.sort(rows[check:])),
        dataset.subset(np.sort(rows[:check])),
        seed=seed,
        progress=progress,
        resume=resume,
    )
    return classifier, history


def _keep_fold(kept: Path | None, k: int, dataset: Dataset, found: Mapping[str, Distribution]) -> None:
    if kept is None:
        return
    arrays: dict[str, NDArray[Any]] = {}
    for i, prop in enumerate(dataset.properties):
        arrays[f"{i}-probabilities"] = found[prop.name].probabilities
        arrays[f"{i}-present"] = found[prop.name].present
    unfinished = kept / f"fold-{k}.part.npz"
    np.savez(unfinished, **arrays)  # type: ignore[arg-type]
    unfinished.rename(kept / f"fold-{k}.npz")


def _kept_fold(kept: Path | None, k: int, dataset: Dataset, n: int) -> dict[str, Distribution] | None:
    """The finished fold of an earlier training; None where there is none, or it was cut and has to be fitted again."""
    found = {}
    try:
        if kept is None:
            return None
        with (kept / f"fold-{k}.npz").open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            for i, prop in enumerate(dataset.properties):
                probabilities, present = arrays[f"{i}-probabilities"], arrays[f"{i}-present"]
                if probabilities.shape != (n, len(prop.classes)) or present.shape != (n,):
                    return None
                found[prop.name] = Distribution.of(prop, probabilities, present)
    except (OSError, ValueError, KeyError, EOFError, BadZipFile, zlib.error):
        return None
    return found


def _whole(
    dataset: Dataset, spec: MemberSpec, seed: int, progress: Progress, kept: Path | None
) -> tuple[Classifier, Mapping[str, Any]]:
    """The classifier of all records; where it is kept, always as it is read back, so that a training which was stopped
    after it answers by the same runtime as one that was not."""
    if kept is None:
        return fit_classifier(dataset, spec, seed, progress)
    try:
        loaded = read_model(kept / "whole")
    except ModelFolderError:  # not there, or left half-altered by whoever touched it
        classifier, history = fit_classifier(dataset, spec, seed, progress, kept / "whole-checkpoints")
        write_model(kept / "whole", classifier, metrics=history, training={})
        loaded = read_model(kept / "whole")
    return loaded.classifier, loaded.metrics
