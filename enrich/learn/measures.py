"""The figures of a model on records in memory, by property and by what answered."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from enrich.answering.decision import in_force
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.model import metrics
from enrich.classifiers.model.config import FUSION
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.metrics import NEVER
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction, joined
from enrich.classifiers.model.regimes import REGIMES
from enrich.classifiers.tables import Table
from enrich.learn.comparison import BATCH, ablation, same_records
from enrich.learn.intervals import intervals
from enrich.settings.models import DecisionSettings

OTHER_SPLITS = "the model was not trained with these splits: some of the records may have taught it"
WRONG = 10
"""Wrong answers of a property that a report lists."""


def hidden(record: Record, hide_known: bool, without: Sequence[str]) -> Record:
    """The record without what an evaluation hides."""
    return replace(
        record.without_contexts(without),
        known={} if hide_known else record.known,
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
    compare: int | None = None,
    decision: DecisionSettings | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """The figures of a model on records in memory, by property and modality, the fusion last.

    Of each property, the records that state a value are counted; where that lies outside the classes whatever is
    answered is wrong, and `outside` says how many those are. A modality is measured on the records it could look
    at (`records`). `compare` adds `same`, all of them on the same records; where it is more than none, so many rounds
    of drawing give intervals, the fusion with each withheld is added, and `detail` lists wrong answers. With `decision`
    its thresholds and floors are in force as in a run; nothing is promised by a threshold of the museum's own.
    """
    shown = [hidden(r, hide_known, without) for r in records]
    decision = decision or DecisionSettings()
    said = _predict(model, shown, decision, progress)
    truth = Dataset(records, model.properties)
    result: dict[str, Any] = {}
    for prop in model.properties:
        target, _ = truth.targets(prop)
        stated = truth.stated(prop)
        by = {}
        for modality, made in said[prop.name].items():
            use = np.flatnonzero(stated & made.fused.present)
            by[modality] = _figures(prop, target[use], made.take(use), detail)
        result[prop.name] = {
            "records": int(stated.sum()),
            "outside": int((stated & ~target.any(axis=1)).sum()),
            "by": by,
            "regimes": _by_regime(model, prop, target, stated, said[prop.name][FUSION], decision),
        }
        if detail and compare:
            result[prop.name]["wrong"] = _wrong(prop, records, target, stated, said[prop.name][FUSION])
    found = {"properties": result, "mean_macro_f1": _means(result)}
    if compare is not None:
        found["same"] = same_records(truth, said, compare)
    if compare:
        found["ablation"] = ablation(model, shown, truth, said)
    return found


def _predict(
    model: Model, records: Sequence[Record], decision: DecisionSettings, progress: Progress
) -> dict[str, dict[str, Prediction]]:
    """For each property and modality the predictions for all records, with what each is decided by alone."""
    parts: dict[str, dict[str, list[tuple[Rows, Prediction]]]] = {p.name: {} for p in model.properties}
    for start in range(0, max(len(records), 1), BATCH):
        rows = np.arange(start, min(start + BATCH, len(records)))
        for name, answer in model.predict(records[start : start + BATCH]).items():
            reach = in_force(answer.thresholds, decision.thresholds.get(name), decision.floors.get(name))
            answer = replace(answer, thresholds=reach)
            for modality, made in _by_modality(model, answer).items():
                if len(model.members) == 1:  # its fusion is that modality
                    made = replace(made, thresholds=reach)
                parts[name].setdefault(modality, []).append((rows, made))
        progress("predicting", min(start + BATCH, len(records)), len(records))
    return {name: {by: joined(found) for by, found in said.items()} for name, said in parts.items()}


def _by_modality(model: Model, answer: Prediction) -> dict[str, Prediction]:
    """By modality what it would answer alone, regime by regime, the fusion last; sets and promises stay the fusion's."""
    name = answer.property.name
    found = {}
    for modality, alone in answer.by.items():
        order, reach = np.zeros_like(answer.order), np.full_like(answer.thresholds, NEVER)
        for regime, part in model.parts().items():
            number = REGIMES.index(regime)
            rows, member = np.flatnonzero(answer.models == number), part.members[modality]
            order[rows] = order_candidates(alone.probabilities[rows], member.offsets[name])
            reach[rows[answer.regimes[rows] == number]] = np.asarray(member.thresholds[name])
        found[modality] = replace(answer, fused=alone, by={}, order=order, thresholds=reach, reasons={})
    return found | {FUSION: replace(answer, by={}, reasons={})}


def _by_regime(
    model: Model,
    prop: Property,
    target: FloatArray,
    stated: Flags,
    made: Prediction,
    decision: DecisionSettings,
) -> dict[str, dict[str, Any]]:
    """What was promised beside what was kept; regimes without a record are left out."""
    found: dict[str, dict[str, Any]] = {}
    for number, regime in enumerate(REGIMES):
        rows = np.flatnonzero(stated & made.fused.present & (made.regimes == number))
        if not len(rows):
            continue
        own, part = made.take(rows), model.parts().get(regime)
        asserted = own.asserted()
        right = int((asserted & (target[rows] > 0)).sum())
        learnt = prop.name not in decision.thresholds
        kept = learnt and part is not None and part.promises_anything(prop.name)
        found[regime] = {
            "records": len(rows),
            "answered": int(asserted.any(axis=1).sum()),
            "asserted": int(asserted.sum()),
            "right": right,
            "precision": right / int(asserted.sum()) if asserted.any() else None,
            "promised": model.target_precision if kept else None,
        }
    return found


def _wrong(
    prop: Property, records: Sequence[Record], target: FloatArray, stated: Flags, made: Prediction
) -> list[dict[str, Any]]:
    """The wrong values that it would assert and is surest of; `stated` is empty for a value outside the classes."""
    rows = np.flatnonzero(stated & made.fused.present)
    own = made.take(rows)
    p = own.fused.probabilities
    at = np.argwhere(own.asserted() & (target[rows] == 0))
    surest = sorted(at.tolist(), key=lambda ik: (-p[ik[0], ik[1]], records[rows[ik[0]]].id))[:WRONG]
    return [
        {
            "record": records[rows[i]].id,
            "answered": prop.classes[k],
            "confidence": float(p[i, k]),
            "stated": [prop.classes[int(c)] for c in np.flatnonzero(target[rows[i]])],
        }
        for i, k in surest
    ]


def _figures(prop: Property, target: FloatArray, made: Prediction, detail: bool) -> dict[str, Any]:
    first, probabilities = made.first(), made.fused.probabilities
    figures = metrics.score(target, probabilities, first, made.thresholds, prop.many)
    figures = {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in figures.items()}
    if not detail or not len(first):
        return figures
    confidence = probabilities[np.arange(len(first)), first]
    correct = metrics.hits(target, first)
    rows = metrics.per_class(target, first)
    figures["intervals"] = {name: found.to_json() for name, found in intervals(target, first).items()}
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
    values: dict[str, list[float]] = {}
    for said in properties.values():
        for modality, figures in said["by"].items():
            found = values.setdefault(modality, [])
            found += [] if figures["macro_f1"] is None else [figures["macro_f1"]]
    return {modality: float(np.mean(found)) if found else None for modality, found in values.items()}


def mean_line(result: Mapping[str, Any]) -> str:
    """The mean macro-F1 by modality on the records that all could look at, how many those are, and how far the fusion of
    several is from the best of them."""
    same = result["same"]
    known = same["mean_macro_f1"]
    alone = {by: value for by, value in known.items() if by != FUSION}
    shown = alone if len(alone) < 2 else known
    line = ", ".join(f"{by} {value:.3f}" for by, value in shown.items()) or "no record to measure on"
    if len(alone) < 2:
        return line
    counts = [found["records"] for found in same["properties"].values()]
    best = max(alone, key=lambda by: alone[by])
    ahead = known[FUSION] - alone[best]
    return (
        f"{line}, on the {min(counts):,} to {max(counts):,} records of a property that all of them can look at; "
        f"the fusion is {abs(ahead):.3f} {'above' if ahead >= 0 else 'below'} the best single one, {best}"
    )


def evaluation_table(result: Mapping[str, Any]) -> Table:
    """The figures by property and modality; the fusion of one modality is that modality, and told once."""
    figures = ("records", "outside", "accuracy", "macro_f1", "ece", "coverage", "precision")
    rows = [
        (name, by, *(measured.get(figure) for figure in figures))
        for name, found in result["properties"].items()
        for by, measured in found["by"].items()
        if by != FUSION or len(found["by"]) > 2
    ]
    heads = ("property", "by", "records", "outside", "accuracy", "macro-F1", "ECE", "coverage", "precision")
    return Table(heads, rows, f"split {result['split']}", range(2, 9), 2, spare=(3, 6, 5))
