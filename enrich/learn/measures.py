"""The figures of a model on records in memory, by property and by what answered."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from classifiers.base import Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.model import metrics
from classifiers.model.config import FUSION, Threshold
from classifiers.model.decision_rule import order_candidates
from classifiers.model.model import Model
from enrich.learn.comparison import MemberPrediction, ablation, same_records
from enrich.learn.intervals import accuracy_interval, macro_f1_interval

BATCH = 2000


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


def _predict(
    model: Model, records: Sequence[Record], progress: Progress
) -> dict[str, dict[str, MemberPrediction]]:
    """For each property and modality the distribution over all records, with what it decides by alone."""
    parts: dict[str, dict[str, list[Distribution]]] = {p.name: {} for p in model.properties}
    for start in range(0, max(len(records), 1), BATCH):
        for name, answer in model.predict(records[start : start + BATCH]).items():
            for modality, distribution in [*answer.by.items(), (FUSION, answer.fused)]:
                parts[name].setdefault(modality, []).append(distribution)
        progress("predicting", min(start + BATCH, len(records)), len(records))
    said: dict[str, dict[str, MemberPrediction]] = {}
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
