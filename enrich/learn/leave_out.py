"""Leave-one-museum-out: how a model fares on a museum that taught it nothing."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.kinds import Flags
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.registry import classifier_class
from enrich.errors import ModelError
from enrich.learn.measures import measure

LEAST = 50
"""Records of the split that a museum needs to be measured."""
FOLDS = 2


def spec_of(model: Model) -> ModelSpec:
    """What the model was made of, with two folds and no candidate sets, to be quicker. Raises ModelError."""
    try:
        members = tuple(
            MemberSpec(
                str(m["classifier"]),
                dict(m["settings"]),
                fold_settings=classifier_class(str(m["classifier"])).fold_settings,
            )
            for m in model.training["members"]
        )
    except (KeyError, TypeError) as error:
        raise ModelError("the model does not say what it was made of, so it cannot be made again") from error
    return ModelSpec(
        members,
        fusion=model.fuser.name,
        fusion_settings=model.fuser.settings.to_json(),
        folds=FOLDS,
        target_precision=model.target_precision,
        coverage=None,
        regimes=(),
        go_without=True,
    )


def values_of(records: Sequence[Record], context: str, least: int = 1) -> list[str]:
    """The values of the context that at least `least` records have, the most frequent first."""
    counts = Counter(v for r in records for v in set(r.context.get(context, ())))
    return [value for value, n in counts.most_common() if n >= least]


def having(records: Sequence[Record], context: str, value: str) -> Flags:
    """Which records (n,) have the value."""
    return np.array([value in r.context.get(context, ()) for r in records], dtype=bool)


def leave_one_out(
    model: Model,
    train: Sequence[Record],
    held_out: Sequence[Record],
    context: str,
    *,
    hide_known: bool = False,
    without: Sequence[str] = (),
    least: int = LEAST,
    progress: Progress = no_progress,
) -> list[dict[str, Any]]:
    """Train again without each value of the context, and measure on its held-out records.

    Returns, most records first, {"value", "records", "trained_with", "trained_without"}: the mean macro-F1
    and accuracy of the fused answers of this model and of one that never saw the value. Where a member has
    nothing to learn from without it, the others answer; where none has, there are no figures.
    """
    spec = spec_of(model)
    known = set(values_of(train, context))
    values = [v for v in values_of(held_out, context, least) if v in known]
    data = Dataset(train, model.properties)
    found: list[dict[str, Any]] = []
    for i, value in enumerate(values):
        progress(f"leaving out each {context}", i, len(values))
        rest = data.subset(np.flatnonzero(~having(train, context, value)))
        inside = [held_out[int(k)] for k in np.flatnonzero(having(held_out, context, value))]
        if len(rest) < 2 * FOLDS:
            continue
        row: dict[str, Any] = {"value": value, "records": len(inside)}
        row["trained_with"] = _figures(measure(model, inside, hide_known=hide_known, without=without))
        try:
            again = fit_model(rest, spec, seed=int(model.training.get("seed", 0)))
            row["trained_without"] = _figures(measure(again, inside, hide_known=hide_known, without=without))
        except NothingToLearn:
            row["trained_without"] = dict.fromkeys(row["trained_with"])
        found.append(row)
    progress(f"leaving out each {context}", len(values), len(values))
    return found


def _figures(result: dict[str, Any]) -> dict[str, float | None]:
    """Mean macro-F1 and accuracy of the fused answers over the properties that have records."""
    said = [p["by"]["fusion"] for p in result["properties"].values() if p["by"]["fusion"]["records"]]
    return {key: sum(s[key] for s in said) / len(said) if said else None for key in ("macro_f1", "accuracy")}
