"""Measures a model on records it was not trained on, each property hidden in turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from classifiers.base import ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.model import metrics
from classifiers.model.decision_rule import order_candidates
from enrich.errors import InputError, ModelError
from enrich.graph.record_files import read_splits
from enrich.learn.comparison import Said, ablation, same_records
from enrich.learn.intervals import accuracy_interval, macro_f1_interval

if TYPE_CHECKING:
    from classifiers.model.config import Threshold
    from classifiers.model.model import Model
    from enrich.workspace import Workspace

BATCH = 2000
_INPUTS = ("pictures", "texts")


def evaluate(
    workspace: Workspace,
    model: Path,
    splits: Path,
    split: str = "dev",
    *,
    hide_known: bool = False,
    without: Sequence[str] = (),
    report: Path | None = None,
    leave_out: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """Measure a model folder on one split.

    The property asked for is hidden from the classifiers, the others stay as they are in the graph;
    `hide_known` hides those as well, `without` hides contexts by name (or pictures, or texts). With
    `report`, report.json and report.html there also hold classes, confusions, reliability, curves, the
    modalities on the same records and the fusion without each; with `leave_out` also what becomes of each
    museum when the model is trained again without it.

    Returns {"split", "properties": {name: {"records", "by": {modality: figures}}}, "mean_macro_f1"}.
    Raises InputError for a split or context that there is not, ModelError for a model that does not load.
    """
    from enrich.learn.training import read_records_of

    known = read_splits(splits)
    if not known.get(split):
        raise InputError(
            f"{splits} has no record in the split {split!r}; it has: {', '.join(known) or 'none'}"
        )
    if leave_out and (report is None or not known.get("train")):
        raise InputError(
            "--leave-out trains anew and writes into the report: it needs --report and train records"
        )
    names = [c.name for c in workspace.profile.contexts]
    for name in without:
        if name not in (*names, *_INPUTS):
            raise InputError(f"--without {name}: there is {', '.join((*names, *_INPUTS))}")
    loaded = load_model(model)
    records, skipped = read_records_of(workspace, known[split], progress, "image" in loaded.members)
    figures = measure(
        loaded,
        records,
        hide_known=hide_known,
        without=without,
        detail=report is not None,
        compare=report is not None,
        progress=progress,
    )
    result = {"split": split, "model": loaded.digest, "skipped": skipped, **figures}
    if report is None:
        return result
    from enrich.learn.report.page import account, write_report

    result |= account(loaded, workspace.profile, records, hide_known, without)
    if leave_out:
        from enrich.learn.leave_out import leave_one_out

        train, _ = read_records_of(workspace, known["train"], progress, "image" in loaded.members)
        result["left_out"] = leave_one_out(
            loaded, train, records, workspace.profile.museum, hide_known=hide_known, progress=progress
        )
    write_report(report, result, workspace)
    return result


def load_model(folder: Path) -> Model:
    """A verified model. Raises ModelError."""
    from classifiers.model.model import Model

    try:
        return Model.load(folder)
    except ClassifierError as error:
        raise ModelError(str(error)) from error


def hidden(record: Record, hide_known: bool, without: Sequence[str]) -> Record:
    """The record without what an evaluation hides."""
    return replace(
        record,
        known={} if hide_known else record.known,
        context={k: v for k, v in record.context.items() if k not in without},
        pictures=() if "pictures" in without else record.pictures,
        texts=() if "texts" in without else record.texts,
    )


def measure(
    model: Model,
    records: Sequence[Record],
    *,
    hide_known: bool = False,
    without: Sequence[str] = (),
    detail: bool = False,
    compare: bool = False,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """The figures of a model on records in memory, by property and modality, the fusion last.

    Of each property, the records that name a class the model knows are counted; those that name only
    classes it does not know are in `outside`. A modality is measured on the records it could look at;
    `compare` adds all of them on the same records, and the fusion with each withheld.
    """
    shown = [hidden(r, hide_known, without) for r in records]
    said = _predict(model, shown, progress)
    truth = Dataset(records, model.properties)
    result: dict[str, Any] = {}
    for prop in model.properties:
        target, named = truth.targets(prop)
        outside = sum(bool(r.known.get(prop.name)) for r in records) - int(named.sum())
        by = {}
        for modality, (distribution, thresholds, offsets) in said[prop.name].items():
            use = named & distribution.present
            by[modality] = _figures(
                prop, target[use], distribution.probabilities[use], thresholds, offsets, detail
            )
        result[prop.name] = {"records": int(named.sum()), "outside": outside, "by": by}
    found = {"properties": result, "mean_macro_f1": _means(result)}
    if compare:
        found["same"] = same_records(truth, said)
        found["ablation"] = ablation(model, shown, truth, said)
    return found


def _predict(model: Model, records: Sequence[Record], progress: Progress) -> dict[str, dict[str, Said]]:
    """For each property and modality the distribution over all records, with what it decides by alone."""
    from classifiers.model.config import FUSION

    parts: dict[str, dict[str, list[Distribution]]] = {p.name: {} for p in model.properties}
    for start in range(0, max(len(records), 1), BATCH):
        for name, answer in model.predict(records[start : start + BATCH]).items():
            for modality, distribution in [*answer.by.items(), (FUSION, answer.fused)]:
                parts[name].setdefault(modality, []).append(distribution)
        progress("predicting", min(start + BATCH, len(records)), len(records))
    said: dict[str, dict[str, Said]] = {}
    for prop in model.properties:
        said[prop.name] = {}
        for modality, found in parts[prop.name].items():
            holder = model if modality == FUSION else model.members[modality]
            joined = Distribution(
                prop.classes,
                np.concatenate([d.probabilities for d in found]),
                np.concatenate([d.present for d in found]),
                prop.many,
            )
            said[prop.name][modality] = (joined, holder.thresholds[prop.name], holder.offsets[prop.name])
    return said


def _figures(
    prop: Property,
    target: FloatArray,
    probabilities: FloatArray,
    thresholds: Threshold,
    offsets: FloatArray,
    detail: bool,
) -> dict[str, Any]:
    first = order_candidates(probabilities, offsets)[:, 0]
    threshold = np.asarray(thresholds, dtype=np.float64)
    figures = metrics.score(target, probabilities, first, threshold, prop.many)
    figures = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()}
    if not detail or not len(first):
        return figures
    confidence = probabilities[np.arange(len(first)), first]
    correct = metrics.hits(target, first)
    rows = metrics.per_class(target, first)
    figures["intervals"] = {
        "macro_f1": macro_f1_interval(target, first).to_json(),
        "accuracy": accuracy_interval(target, first).to_json(),
    }
    figures["classes"] = dict(zip(prop.classes, rows, strict=True))
    figures["confusion"] = metrics.confusion(target, first).tolist()
    figures["reliability"] = metrics.reliability(confidence, correct)
    figures["curve"] = _curve(confidence, correct)
    return figures


def _curve(confidence: FloatArray, correct: Any, points: int = 20) -> list[dict[str, float]]:
    """Coverage, precision and threshold at some evenly spread coverages."""
    thresholds, coverage, precision = metrics.selective_curve(confidence, correct)
    at = np.unique(np.searchsorted(coverage, np.linspace(1 / points, 1.0, points)).clip(0, len(coverage) - 1))
    return [
        {"coverage": float(coverage[i]), "precision": float(precision[i]), "threshold": float(thresholds[i])}
        for i in at
    ]


def _means(properties: dict[str, Any]) -> dict[str, float | None]:
    """Mean macro-F1 over the properties in which a modality has a figure; None where it has none."""
    modalities = {m: None for said in properties.values() for m in said["by"]}
    means: dict[str, float | None] = {}
    for modality in modalities:
        values = [said["by"][modality]["macro_f1"] for said in properties.values() if modality in said["by"]]
        values = [v for v in values if v is not None]
        means[modality] = float(np.mean(values)) if values else None
    return means
