"""The museum's own test set: how a model does on gaps that curators were given at random.

What nobody judged is counted as wrong, so the figures are what is right at least; `at_most` says what it would be were
all of it right. Each gap weighs as many as it was drawn for.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.kinds import Flags, FloatArray
from enrich.classifiers.model.model import Model
from enrich.classifiers.stored import json_values
from enrich.learn.intervals import Interval, Scored, mean_over, resamples
from enrich.runs.reviews import Gap

FIGURES = ("macro_f1", "accuracy")


def truth_of(data: Dataset, prop: Property) -> tuple[FloatArray, Flags]:
    """The target (n, K) as facts and curators have it, and which entries are known (n, K): all of a record whose value is
    known, also where that is none of the classes."""
    target, known = data.judged(prop)
    whole = data.stated(prop)
    if not prop.many:
        whole |= np.array([bool(r.taught.get(prop.name)) for r in data.records], dtype=bool)
    return target, known | whole[:, None]


def measure_reviews(
    models: Mapping[str, Model], records: Sequence[Record], drawn: Mapping[Gap, float]
) -> dict[str, Any]:
    """The figures of models, by name, on the gaps drawn at random, and how the first differs from each other, in the
    same resamples. Records come with what curators said of them; all models have the same properties."""
    rounds = resamples(len(records))
    first = next(iter(models.values()))
    found: dict[str, Any] = {
        "records": len(records),
        "gaps": 0,
        "properties": {p.name: {} for p in first.properties},
    }
    means: dict[str, dict[str, FloatArray]] = {}
    for name, model in models.items():
        measured = _by_property(model, records, drawn, rounds)
        for prop, (said, _) in measured.items():
            found["properties"][prop][name] = said
        found["gaps"] = sum(said["gaps"] for said, _ in measured.values())
        if measured:
            means[name] = {
                f: mean_over([resampled[f] for _, resampled in measured.values()]) for f in FIGURES
            }
    found["mean"] = {n: {f: Interval.of(v).to_json() for f, v in by.items()} for n, by in means.items()}
    if means:
        ours, *others = means
        found["difference"] = {
            other: {f: Interval.of(means[ours][f] - means[other][f]).to_json() for f in FIGURES}
            for other in others
        }
    return dict(json_values(found))


def _by_property(
    model: Model, records: Sequence[Record], drawn: Mapping[Gap, float], rounds: FloatArray
) -> dict[str, tuple[dict[str, Any], dict[str, FloatArray]]]:
    """The figures of each property with a gap to measure on, and those in each resample."""
    data = Dataset(records, model.properties)
    said = model.predict(records) if records else {}
    found = {}
    for prop in model.properties:
        weight = np.array([drawn.get((r.id, prop.name), 0.0) for r in records])
        target, known = truth_of(data, prop)
        use = (weight > 0) & known.any(axis=1)
        if not use.any():
            continue
        made = said[prop.name]
        first, asserted = made.first(), made.asserted()
        resampled = Scored.of(target, use, first).figures(rounds * weight)
        open_ = ~known[np.arange(len(first)), first] & use
        share_open = weight[open_].sum() / weight[use].sum()
        figures = {
            "gaps": int(use.sum()),
            **{figure: Interval.of(values).to_json() for figure, values in resampled.items()},
            "accuracy_at_most": float(resampled["accuracy"][0] + share_open),
            **_precision(asserted[use], target[use], known[use], weight[use]),
        }
        found[prop.name] = figures, resampled
    return found


def _precision(asserted: Flags, target: FloatArray, known: Flags, weight: FloatArray) -> dict[str, Any]:
    """Of what is asserted at the threshold, the share that is right, and that would be were all that nobody judged."""
    heavy = weight[:, None] * asserted
    total, right = float(heavy.sum()), float((heavy * (target > 0)).sum())
    unjudged = float((heavy * ~known).sum())
    return {
        "answered": int(asserted.any(axis=1).sum()),
        "precision": right / total if total else None,
        "precision_at_most": (right + unjudged) / total if total else None,
    }
