"""Fits a model: its members, their calibration, the fusion, the thresholds and the order of candidates.

Everything that must not see its own training data comes from out-of-fold predictions on the training
records; figures and thresholds are taken after cross-fitted calibration.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property
from classifiers.folds import fold_count, fold_of, out_of_fold
from classifiers.fusion.base import Fuser, PassThrough
from classifiers.fusion.rows import take
from classifiers.model.calibration import fit_calibrator
from classifiers.model.calibrator import Calibrator
from classifiers.model.config import FUSION, Threshold
from classifiers.model.conformal import ConformalSets
from classifiers.model.decision_rule import order_candidates, tune_offsets
from classifiers.model.metrics import hits, score, threshold_for_precision
from classifiers.model.model import Member, Model, sane
from classifiers.model.out_of_fold import MemberSpec, train_member
from classifiers.registry import build_fuser

By = dict[str, dict[str, Distribution]]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is made of.

    `fusion` None takes the late fusion for several members and the pass-through for one. `order` says how
    candidates are ranked: by 'macro_f1' (offsets tuned out of fold) or by 'probability'. `coverage` is
    the promise of the conformal candidate sets, None for no sets.
    """

    members: tuple[MemberSpec, ...]
    fusion: str | None = None
    fusion_settings: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 5
    target_precision: float = 0.9
    order: Literal["macro_f1", "probability"] = "macro_f1"
    coverage: float | None = 0.9


def fit_model(
    dataset: Dataset,
    spec: ModelSpec,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
    resume: Path | None = None,
) -> Model:
    """Train every member and all that stands on them. Raises ClassifierError for a dataset that cannot teach."""
    _check(dataset, spec)
    members: dict[str, Member] = {}
    by: By = {}
    for member in spec.members:
        fold = fold_of(len(dataset), member.folds or spec.folds, seed)
        trained = train_member(dataset, member, fold, seed=seed, progress=progress, resume=resume)
        modality = trained.classifier.modality
        if modality in members:
            raise ClassifierError(f"two members of the modality {modality}; a model has one of each")
        calibrators, by[modality] = _calibrate(dataset, trained.predictions, fold, modality, seed, progress)
        alone = _decide(dataset, spec, by[modality], seed)
        members[modality] = Member(trained.classifier, "", calibrators, trained.history, *alone)
    fold = fold_of(len(dataset), spec.folds, seed)
    fuser, fused, fusion_calibrators, history = _fuse(dataset, spec, by, fold, seed, progress)
    if fuser.name == PassThrough.name:
        only = next(iter(members.values()))
        thresholds, offsets = dict(only.thresholds), dict(only.offsets)
    else:
        thresholds, offsets = _decide(dataset, spec, fused, seed)
    sets = _candidate_sets(dataset, spec, fused)
    progress("thresholds", 1, 1)
    figures = {
        prop.name: {
            m: _figures(dataset, prop, by[m][prop.name], member.thresholds, member.offsets)
            for m, member in members.items()
        }
        | {FUSION: _figures(dataset, prop, fused[prop.name], thresholds, offsets)}
        for prop in dataset.properties
    }
    return Model(
        dataset.properties,
        members,
        fuser,
        fusion_calibrators,
        thresholds,
        offsets,
        spec.target_precision,
        sets,
        history,
        metrics={"out_of_fold": figures},
    )


def _check(dataset: Dataset, spec: ModelSpec) -> None:
    if not spec.members:
        raise ClassifierError("a model needs at least one member: say which modalities to learn from")
    if len(dataset) < 2 * spec.folds:
        raise ClassifierError(f"{len(dataset)} training records are too few for {spec.folds} folds")
    if not any(p.classes for p in dataset.properties):
        raise ClassifierError("no property has a class with enough training values")
    for prop in dataset.properties:
        if not prop.classes:
            raise ClassifierError(f"the property {prop.name} has no classes; leave it out of the dataset")


def _calibrate(
    dataset: Dataset,
    predictions: Mapping[str, Distribution],
    fold: NDArray[np.intp],
    modality: str,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, Calibrator], dict[str, Distribution]]:
    """A calibrator per property, and the predictions calibrated by those of the other folds."""
    calibrators, found = {}, {}
    for i, prop in enumerate(dataset.properties):
        raw, _ = sane(predictions[prop.name], modality)
        target, named = dataset.targets(prop)
        use = named & raw.present
        chosen = fit_calibrator(raw.probabilities[use], target[use], prop.many, seed=seed)
        probabilities = chosen.apply(raw.probabilities)
        for k in range(fold_count(fold)):
            learn, apply = use & (fold != k), fold == k
            part = fit_calibrator(
                raw.probabilities[learn], target[learn], prop.many, methods=(chosen.method,), seed=seed
            )
            probabilities[apply] = part.apply(raw.probabilities[apply])
        calibrators[prop.name] = chosen
        found[prop.name] = replace(raw, probabilities=probabilities)
        progress(f"calibration of {modality}", i + 1, len(dataset.properties))
    return calibrators, found


def _fuse(
    dataset: Dataset, spec: ModelSpec, by: By, fold: NDArray[np.intp], seed: int, progress: Progress
) -> tuple[Fuser, dict[str, Distribution], dict[str, Calibrator], Mapping[str, Any]]:
    """The fuser of all records, and calibrated answers of fusers that did not see the record."""
    name = spec.fusion or ("late" if len(by) > 1 else PassThrough.name)
    fuser = build_fuser(name, spec.fusion_settings)
    if name == PassThrough.name:
        history = fuser.fit(dataset, by, seed=seed, progress=progress)
        return fuser, fuser.predict(dataset.records, by), {}, history

    def predictor(k: int, inside: NDArray[np.intp], outside: NDArray[np.intp]) -> dict[str, Distribution]:
        part = build_fuser(name, spec.fusion_settings)
        part.fit(dataset.subset(outside), take(by, outside), seed=seed + k + 1)
        progress("fusion", k + 1, fold_count(fold))
        return part.predict(dataset.subset(inside).records, take(by, inside))

    predictions = fuser.cross_fit(dataset, by, fold, seed=seed, progress=progress)
    if predictions is None:
        predictions = out_of_fold(dataset, fold, predictor)
    calibrators, fused = _calibrate(dataset, predictions, fold, FUSION, seed, progress)
    history = fuser.fit(dataset, by, seed=seed, progress=progress)
    return fuser, fused, calibrators, history


def _decide(
    dataset: Dataset, spec: ModelSpec, predictions: Mapping[str, Distribution], seed: int
) -> tuple[dict[str, Threshold], dict[str, FloatArray]]:
    """Thresholds and the offsets of the order, from calibrated out-of-fold answers."""
    thresholds: dict[str, Threshold] = {}
    offsets: dict[str, FloatArray] = {}
    for prop in dataset.properties:
        p, y = _usable(dataset, prop, predictions[prop.name])
        offsets[prop.name] = np.zeros(len(prop.classes))
        if spec.order == "macro_f1":
            offsets[prop.name] = tune_offsets(p, y, seed=seed)
        first = order_candidates(p, offsets[prop.name])[:, 0]
        thresholds[prop.name] = _threshold(p, y, first, prop, spec.target_precision)
    return thresholds, offsets


def _candidate_sets(
    dataset: Dataset, spec: ModelSpec, fused: Mapping[str, Distribution]
) -> dict[str, ConformalSets]:
    """Conformal sets per property; none without a coverage to promise or records to learn it from."""
    sets = {}
    for prop in dataset.properties:
        p, y = _usable(dataset, prop, fused[prop.name])
        if spec.coverage is not None and len(p):
            sets[prop.name] = ConformalSets.fit(p, y, coverage=spec.coverage)
    return sets


def _usable(dataset: Dataset, prop: Property, prediction: Distribution) -> tuple[FloatArray, FloatArray]:
    """Probabilities and targets of the records that name a class and have a prediction."""
    target, named = dataset.targets(prop)
    use = named & prediction.present
    return prediction.probabilities[use], target[use]


def _threshold(
    p: FloatArray, y: FloatArray, first: NDArray[np.intp], prop: Property, precision: float
) -> Threshold:
    """One threshold on the first candidate; for many values one per class, on that class's own answers."""
    if prop.many:
        return tuple(
            threshold_for_precision(p[:, k], y[:, k] > 0, precision) for k in range(len(prop.classes))
        )
    confidence = p[np.arange(len(first)), first]
    return threshold_for_precision(confidence, hits(y, first), precision)


def _figures(
    dataset: Dataset,
    prop: Property,
    prediction: Distribution,
    thresholds: Mapping[str, Threshold],
    offsets: Mapping[str, FloatArray],
) -> dict[str, Any]:
    """Out-of-fold figures of one property."""
    p, y = _usable(dataset, prop, prediction)
    first = order_candidates(p, offsets[prop.name])[:, 0]
    return score(y, p, first, np.asarray(thresholds[prop.name]), prop.many)
