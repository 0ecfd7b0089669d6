"""Predictions for the training records by classifiers that did not see them; they can be taken up again.

Calibration, thresholds and fusion are learnt from these, so nothing held out has to be wasted on them
and no one learns from answers given on its own training data (Wolpert 1992, Stacked Generalization).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.base import Classifier, Distribution, Progress
from classifiers.data import Dataset
from classifiers.model.folder import read_model, write_model
from classifiers.model.manifest import ModelFolderError
from classifiers.registry import build_classifier

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


def dataset_digest(dataset: Dataset) -> str:
    """SHA-256 of everything that classifiers may look at, independent of the order of the records.

    Of a picture that was fetched its own digest counts, so that another picture at the same address tells."""
    lines = []
    for record in dataset.records:
        said = [
            record.id,
            {k: sorted(v) for k, v in record.known.items() if v},
            {k: sorted(v) for k, v in record.context.items() if v},
            [[t.value, t.language] for t in record.texts],
            sorted([p.url, p.sha256 or ""] for p in record.pictures),
        ]
        lines.append(json.dumps(said, sort_keys=True, ensure_ascii=False))
    classes = [[p.name, list(p.classes), p.many] for p in dataset.properties]
    digest = hashlib.sha256(json.dumps(classes).encode())
    for line in sorted(lines):
        digest.update(line.encode("utf-8", "surrogatepass"))
    return digest.hexdigest()


def fold_of(n: int, folds: int, seed: int) -> NDArray[np.intp]:
    """Which fold each of n records belongs to, as even as can be."""
    parts: NDArray[np.intp] = np.random.default_rng(seed).permutation(n) % folds
    return parts


def train_member(
    dataset: Dataset,
    spec: MemberSpec,
    fold: NDArray[np.intp],
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
) -> Trained:
    """Fit once per fold on the others and predict it, then once on everything.

    With `resume`, a finished fold is read from that folder instead of being fitted again; what was kept
    for other records, settings or seeds is not used.
    """
    predictions = held_out_predictions(dataset, spec, fold, seed=seed, progress=progress, resume=resume)
    place = None if resume is None else resume / _key(dataset, spec, fold, seed)
    classifier, history = _whole(dataset, spec, seed, _named(progress, "all records"), place)
    return Trained(classifier, history, predictions)


def held_out_predictions(
    dataset: Dataset,
    spec: MemberSpec,
    fold: NDArray[np.intp],
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
) -> dict[str, Distribution]:
    """The folds' part of `train_member`, which finds them again when both are given the same `resume`."""
    place = None if resume is None else resume / _key(dataset, spec, fold, seed)
    folds = int(fold.max()) + 1 if len(fold) else 1
    gathered = {
        p.name: (np.full((len(dataset), len(p.classes)), np.nan), np.zeros(len(dataset), dtype=bool))
        for p in dataset.properties
    }
    for k in range(folds):
        inside = np.flatnonzero(fold == k)
        said = _kept(place, k, dataset, len(inside))
        if said is None:
            said = _one_fold(dataset, spec, fold, k, seed, _named(progress, f"fold {k + 1}/{folds}"), place)
        for name, distribution in said.items():
            gathered[name][0][inside] = distribution.probabilities
            gathered[name][1][inside] = distribution.present
    return {
        p.name: Distribution(p.classes, gathered[p.name][0], gathered[p.name][1], p.many)
        for p in dataset.properties
    }


def _named(progress: Progress, part: str) -> Progress:
    return lambda stage, done, total: progress(f"{stage} · {part}", done, total)


def _key(dataset: Dataset, spec: MemberSpec, fold: NDArray[np.intp], seed: int) -> str:
    said = [
        dataset_digest(dataset),
        spec.classifier,
        dict(spec.settings),
        dict(spec.fold_settings),
        seed,
        fold.tolist(),
    ]
    ids = [record.id for record in dataset.records]
    digest = hashlib.sha256(
        json.dumps([said, ids], sort_keys=True, default=str).encode("utf-8", "surrogatepass")
    )
    return f"{spec.classifier}-{digest.hexdigest()[:16]}"


def _fit(
    dataset: Dataset, spec: MemberSpec, seed: int, progress: Progress, resume: Path | None
) -> tuple[Classifier, Mapping[str, Any]]:
    """Fit a new classifier, with a tenth of the records held out for early stopping."""
    classifier = build_classifier(spec.classifier, spec.settings)
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


def _one_fold(
    dataset: Dataset,
    spec: MemberSpec,
    fold: NDArray[np.intp],
    k: int,
    seed: int,
    progress: Progress,
    place: Path | None,
) -> dict[str, Distribution]:
    inside = np.flatnonzero(fold == k)
    outside = np.flatnonzero(fold != k)
    resume = None if place is None else place / f"fold-{k}"
    spec = replace(spec, settings={**spec.settings, **spec.fold_settings})
    classifier, _ = _fit(dataset.subset(outside), spec, seed + k + 1, progress, resume)
    said = classifier.predict(dataset.subset(inside).records)
    if place is not None:
        arrays: dict[str, NDArray[Any]] = {}
        for i, prop in enumerate(dataset.properties):
            arrays[f"{i}-probabilities"] = said[prop.name].probabilities
            arrays[f"{i}-present"] = said[prop.name].present
        unfinished = place / f"fold-{k}.part.npz"
        np.savez(unfinished, **arrays)  # type: ignore[arg-type]
        unfinished.rename(place / f"fold-{k}.npz")
    return said


def _kept(place: Path | None, k: int, dataset: Dataset, n: int) -> dict[str, Distribution] | None:
    """The finished fold of an earlier training, or None."""
    if place is None or not (place / f"fold-{k}.npz").is_file():
        return None
    said = {}
    with np.load(place / f"fold-{k}.npz", allow_pickle=False) as arrays:
        for i, prop in enumerate(dataset.properties):
            probabilities, present = arrays[f"{i}-probabilities"], arrays[f"{i}-present"]
            if probabilities.shape != (n, len(prop.classes)):
                return None
            said[prop.name] = Distribution(prop.classes, probabilities, present, prop.many)
    return said


def _whole(
    dataset: Dataset, spec: MemberSpec, seed: int, progress: Progress, place: Path | None
) -> tuple[Classifier, Mapping[str, Any]]:
    """The classifier of all records, read back when an earlier training finished it."""
    if place is not None and (place / "whole").is_dir():
        try:
            loaded = read_model(place / "whole")
            return loaded.classifier, loaded.metrics
        except ModelFolderError:
            pass  # left half-altered by whoever touched it; fitted again below
    resume = None if place is None else place / "whole-checkpoints"
    classifier, history = _fit(dataset, spec, seed, progress, resume)
    if place is not None:
        write_model(place / "whole", classifier, metrics=history, training={})
    return classifier, history
