"""Which threshold a property is answered by in a regime, what is promised there, and how each group kept it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset
from enrich.classifiers.kinds import FloatArray, Indices, Rows
from enrich.classifiers.model.config import Threshold
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.metrics import NEVER, asserted_classes, hits
from enrich.classifiers.model.thresholds import Promise, Unit, bounded_threshold, promise_of


def decide_by(
    p: FloatArray, y: FloatArray, first: Indices, many: bool, target: float, units: Rows | None, unit: Unit
) -> tuple[Threshold, Promise]:
    """The threshold for probabilities (n, K) of records that state a value, and what it promises.

    A property with one value has one threshold, on the first candidate. One with many has one per class; the
    classes that keep no promise by themselves, for too few of their answers or too many wrong, share one.
    """
    if not many:
        confidence, correct = p[np.arange(len(first)), first], hits(y, first)
        reached = bounded_threshold(confidence, correct, target, units, unit)
        return reached, promise_of(confidence >= reached, correct, reached, target, units, unit)
    reach = np.array(
        [bounded_threshold(p[:, k], y[:, k] > 0, target, units, unit) for k in range(p.shape[1])]
    )
    rare = np.flatnonzero(reach > 1.0)
    if len(rare) > 1:
        spread = None if units is None else np.repeat(units, len(rare))
        reach[rare] = bounded_threshold(p[:, rare].ravel(), y[:, rare].ravel() > 0, target, spread, unit)
    return tuple(float(t) for t in reach), _promise_of_many(p, y, reach, target, units, unit)


def _promise_of_many(
    p: FloatArray, y: FloatArray, reach: FloatArray, target: float, units: Rows | None, unit: Unit
) -> Promise:
    """What is promised for each value that is asserted; coverage is the share of records with any."""
    given = p >= reach
    spread = None if units is None else np.repeat(units, p.shape[1])
    lowest = float(reach.min()) if len(reach) else NEVER
    found = promise_of(given.ravel(), y.ravel() > 0, lowest, target, spread, unit, records=len(p))
    return found.model_copy(update={"coverage": float(given.any(axis=1).mean()) if len(p) else 0.0})


def promise_table(
    dataset: Dataset,
    groups: Sequence[str],
    fused: Mapping[str, Distribution],
    thresholds: Mapping[str, Threshold],
    offsets: Mapping[str, FloatArray],
    promises: Mapping[str, Promise],
    units: Rows | None,
    unit: Unit,
) -> dict[str, Any]:
    """By property: the promise, and by group the labelled records, the gaps, and what held-out answers say.

    Of the regime "unseen group" each group is judged by the threshold that the others alone would have given:
    what the group would get if it had never recorded the property.
    """
    names = np.array(groups, dtype=object)
    table: dict[str, Any] = {}
    for prop in dataset.properties:
        target, _ = dataset.targets(prop)
        stated = dataset.stated(prop)
        use = stated & fused[prop.name].present
        p = np.nan_to_num(fused[prop.name].probabilities)
        first = order_candidates(p, offsets[prop.name])[:, 0]
        by_group = {}
        for name in sorted(set(names)):
            own = names == name
            threshold = thresholds[prop.name]
            if unit == "group" and units is not None:
                rest = np.flatnonzero(use & ~own)
                threshold, _ = decide_by(
                    p[rest], target[rest], first[rest], prop.many,
                    promises[prop.name].target, units[rest], unit,
                )  # fmt: skip
            rows = np.flatnonzero(use & own)
            asserted = asserted_classes(p[rows], first[rows], threshold, prop.many)
            by_group[str(name)] = {
                "labelled": int((stated & own).sum()),
                "gaps": int((own & ~stated).sum()),
                "first_right": float(hits(target[rows], first[rows]).mean()) if len(rows) else None,
                "answered": int(asserted.any(axis=1).sum()),
                "asserted": int(asserted.sum()),
                "right": int((asserted & (target[rows] > 0)).sum()),
            }
        table[prop.name] = {"promise": promises[prop.name].to_json(), "groups": by_group}
    return table
