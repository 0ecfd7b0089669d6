"""Modalities compared fairly: on the same records, and the fusion with each modality withheld."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from classifiers.base import Distribution, FloatArray
from classifiers.data import Dataset, Property, Record
from classifiers.model.config import FUSION, Threshold
from classifiers.model.decision_rule import order_candidates
from classifiers.model.model import Model, calibrated, sane
from enrich.learn.intervals import Interval, Scored, mean_over, resamples

MemberPrediction = tuple[Distribution, Threshold, FloatArray]
"""A distribution over all records, with the thresholds and offsets that its holder decides by."""
BATCH = 2000


def same_records(truth: Dataset, said: Mapping[str, Mapping[str, MemberPrediction]]) -> dict[str, Any]:
    """Macro-F1 and accuracy by property, only on records that every modality could look at.

    Returns {"properties": {name: {"records", "by": {modality: figures}}}, "mean_macro_f1"}.
    """
    rows = {name: np.logical_and.reduce([d.present for d, _, _ in by.values()]) for name, by in said.items()}
    firsts = {
        name: {m: order_candidates(d.probabilities, offsets)[:, 0] for m, (d, _, offsets) in by.items()}
        for name, by in said.items()
    }
    return _compared(truth, firsts, rows)


def ablation(
    model: Model,
    records: Sequence[Record],
    truth: Dataset,
    said: Mapping[str, Mapping[str, MemberPrediction]],
) -> dict[str, Any]:
    """The fusion with each modality withheld in turn, on records that leave it an answer every time.

    The same shape as `same_records`, by "all" and "without MODALITY"; empty with a single modality.
    """
    if len(model.members) < 2:
        return {}
    firsts: dict[str, dict[str, Any]] = {p.name: {} for p in model.properties}
    rows: dict[str, NDArray[np.bool_]] = {}
    for prop in model.properties:
        whole, _, offsets = said[prop.name][FUSION]
        rows[prop.name] = whole.present.copy()
        firsts[prop.name]["all"] = order_candidates(whole.probabilities, offsets)[:, 0]
    for silent in model.members:
        fused = _without(model, records, said, silent)
        for prop in model.properties:
            clean, _ = sane(fused[prop.name], FUSION)
            answer = calibrated(clean, model.fusion_calibrators.get(prop.name))
            rows[prop.name] &= answer.present
            order = order_candidates(answer.probabilities, said[prop.name][FUSION][2])
            firsts[prop.name][f"without {silent}"] = order[:, 0]
    return _compared(truth, firsts, rows)


def _without(
    model: Model, records: Sequence[Record], said: Mapping[str, Mapping[str, MemberPrediction]], silent: str
) -> dict[str, Distribution]:
    """What the fusion says when one modality is absent from every record."""
    parts: dict[str, list[Distribution]] = {p.name: [] for p in model.properties}
    for start in range(0, max(len(records), 1), BATCH):
        rows = np.arange(start, min(start + BATCH, len(records)))
        by = {
            m: {p.name: _part(said, p, m, rows, m == silent) for p in model.properties} for m in model.members
        }
        for name, found in model.fuser.predict([records[int(i)] for i in rows], by).items():
            parts[name].append(found)
    return {
        p.name: Distribution(
            p.classes,
            np.concatenate([d.probabilities for d in parts[p.name]]),
            np.concatenate([d.present for d in parts[p.name]]),
            p.many,
        )
        for p in model.properties
    }


def _part(
    said: Mapping[str, Mapping[str, MemberPrediction]],
    prop: Property,
    modality: str,
    rows: NDArray[np.intp],
    silent: bool,
) -> Distribution:
    if silent:
        return Distribution.absent(prop, len(rows))
    return said[prop.name][modality][0].take(rows)


def _compared(
    truth: Dataset, firsts: Mapping[str, Mapping[str, Any]], rows: Mapping[str, NDArray[np.bool_]]
) -> dict[str, Any]:
    """Figures with intervals; the last key's or "all"'s answers are what differences are taken from."""
    drawn = resamples(len(truth))
    properties: dict[str, Any] = {}
    macros: dict[str, list[FloatArray]] = {}
    for prop in truth.properties:
        target, named = truth.targets(prop)
        use = named & rows[prop.name]
        by: dict[str, dict[str, Any]] = {}
        for name, first in firsts[prop.name].items():
            if not use.any():
                by[name] = {"macro_f1": None, "accuracy": None}
                continue
            scored = Scored.of(target, use, first)
            macro = scored.macro_f1(drawn)
            macros.setdefault(name, []).append(macro)
            by[name] = {
                "macro_f1": float(macro[0]),
                "accuracy": float(scored.correct(drawn)[0]),
                "interval": Interval.of(macro).to_json(),
            }
        properties[prop.name] = {"records": int(use.sum()), "by": by}
    means = {name: mean_over(found) for name, found in macros.items()}
    base = means.get("all", means.get("fusion"))
    return {
        "properties": properties,
        "mean_macro_f1": {name: float(found[0]) for name, found in means.items()},
        "difference": {}
        if base is None
        else {
            name: Interval.of(found - base).to_json() for name, found in means.items() if found is not base
        },
    }
