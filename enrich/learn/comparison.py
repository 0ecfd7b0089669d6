"""Modalities compared fairly: on the same records, and the fusion with each modality withheld."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.model.calibrator import calibrated, sane
from enrich.classifiers.model.config import FUSION
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.classifiers.model.regimes import REGIMES
from enrich.learn.intervals import ROUNDS, Interval, Scored, mean_over, resamples

BATCH = 2000
Predictions = Mapping[str, Mapping[str, Prediction]]
"""What is predicted of the records, by property and by modality or fusion."""


def same_records(truth: Dataset, said: Predictions, rounds: int = ROUNDS) -> dict[str, Any]:
    """Macro-F1 and accuracy by property, only on records that every modality could look at; intervals from so many
    rounds of drawing.

    Returns {"properties": {name: {"records", "by": {modality: figures}}}, "mean_macro_f1"}.
    """
    rows = {
        name: np.logical_and.reduce([made.fused.present for made in by.values()]) for name, by in said.items()
    }
    firsts = {name: {m: made.first() for m, made in by.items()} for name, by in said.items()}
    return _compared(truth, firsts, rows, rounds)


def ablation(model: Model, records: Sequence[Record], truth: Dataset, said: Predictions) -> dict[str, Any]:
    """The fusion with each modality withheld in turn, on records that leave it an answer every time.

    The same shape as `same_records`, by "all" and "without MODALITY"; empty with a single modality.
    """
    if len(model.members) < 2:
        return {}
    firsts: dict[str, dict[str, Any]] = {p.name: {} for p in model.properties}
    rows: dict[str, Flags] = {}
    for prop in model.properties:
        whole = said[prop.name][FUSION]
        rows[prop.name] = whole.fused.present.copy()
        firsts[prop.name]["all"] = whole.first()
    for silent in model.members:
        fused = _without(model, records, said, silent)
        for prop in model.properties:
            answer, first = fused[prop.name]
            rows[prop.name] &= answer.present
            firsts[prop.name][f"without {silent}"] = first
    return _compared(truth, firsts, rows)


def _without(
    model: Model, records: Sequence[Record], said: Predictions, silent: str
) -> dict[str, tuple[Distribution, Rows]]:
    """The fused predictions and first candidates when one modality is absent from every record."""
    n = len(records)
    found = {p.name: (Distribution.absent(p, n), np.zeros(n, dtype=np.intp)) for p in model.properties}
    for regime, part in model.parts().items():
        for start in range(0, n, BATCH):
            rows = np.arange(start, min(start + BATCH, n))
            by = {
                m: {
                    p.name: Distribution.absent(p, len(rows))
                    if m == silent
                    else said[p.name][m].fused.take(rows)
                    for p in model.properties
                }
                for m in model.members
            }
            shown = [records[int(i)].without_contexts(part.hides) for i in rows]
            for name, raw in part.fuser.predict(shown, by).items():
                clean = calibrated(sane(raw, FUSION)[0], part.fusion_calibrators.get(name))
                own = np.flatnonzero(said[name][FUSION].models[rows] == REGIMES.index(regime))
                whole, first = found[name]
                whole.probabilities[rows[own]] = clean.probabilities[own]
                whole.present[rows[own]] = clean.present[own]
                first[rows[own]] = order_candidates(clean.probabilities[own], part.offsets[name])[:, 0]
    return found


def _compared(
    truth: Dataset, firsts: Mapping[str, Mapping[str, Any]], rows: Mapping[str, Flags], rounds: int = ROUNDS
) -> dict[str, Any]:
    """Figures with intervals; the last key's or "all"'s answers are what differences are taken from."""
    drawn = resamples(len(truth), rounds)
    properties: dict[str, Any] = {}
    macros: dict[str, list[FloatArray]] = {}
    for prop in truth.properties:
        target, _ = truth.targets(prop)
        use = truth.stated(prop) & rows[prop.name]
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
    gains = {n: found - base for n, found in means.items() if base is not None and found is not base}
    return {
        "properties": properties,
        "mean_macro_f1": {name: float(found[0]) for name, found in means.items()},
        "difference": {name: Interval.of(gain).to_json() for name, gain in gains.items()},
    }
