"""What a classifier knows of a museum (or collection) it has never seen.

Each value of a context is left out of training in turn. On its held-out records four are compared: trained
on everything, on all the others, on it alone, and always the most frequent class of the others. Classes
that only it has cannot be found by a classifier that never saw it, and are counted against it.
"""

from collections.abc import Mapping

import numpy as np

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Dataset
from enrich.classifiers.kinds import FloatArray, Indices
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.learn.intervals import Interval, mean_over
from enrich.learn.leave_out import having, values_of
from enrich.learn.plots import Panel
from enrich.studies.study import Cell, Material, Study, first_candidates, fit, line, most_frequent

WAYS = ("with it", "without it", "on it alone", "most frequent")
LEAST = 100
"""Held-out records that a group needs to be measured."""
VALUES = 20
"""Values that those records need to state of a property for it to be measured, where so many records are asked for."""
COLUMNS = (
    "left out",
    "records",
    *(f"macro-F1 {w}" for w in WAYS),
    "without − with",
    "values of unseen classes",
)


def transfer_study(
    material: Material,
    member: MemberSpec,
    *,
    context: str | None = None,
    least: int = LEAST,
    progress: Progress = no_progress,
) -> Study:
    """Leave each group out in turn. Raises InputError for a context with fewer than two groups, or none to measure."""
    context = context or material.museum
    train, values = material.train, min(VALUES, least)
    known = set(values_of(train.records, context))
    groups = [
        g
        for g in values_of(material.held_out, context, least)
        if g in known and _measurable(material, context, g, values)
    ]
    if not groups or len(known) < 2:
        raise InputError(
            f"context {context!r}: there is no value with {least} records in the split that state {values} values of a "
            "property, or only one in training; name another with --over, or lower --least"
        )
    called = material.names(groups)
    whole = first_candidates(fit(member, train, material.seed), material.held_out, train)
    results: dict[str, dict[str, FloatArray]] = {}
    sizes, unseen = {}, {}
    for i, group in enumerate(groups):
        progress(f"{context} left out", i, len(groups))
        inside, rows = having(train.records, context, group), having(material.held_out, context, group)
        others, own = train.subset(np.flatnonzero(~inside)), train.subset(np.flatnonzero(inside))
        answers = {
            WAYS[0]: whole,
            WAYS[1]: first_candidates(fit(member, others, material.seed), material.held_out, others),
            WAYS[2]: first_candidates(fit(member, own, material.seed), material.held_out, own),
            WAYS[3]: {p: np.full(len(rows), k) for p, k in most_frequent(others).items()},
        }
        results[called[group]] = {
            way: _macro(material, first, rows, values) for way, first in answers.items()
        }
        sizes[called[group]] = int(rows.sum())
        unseen[called[group]] = _unseen(others, material, rows)
    progress(f"{context} left out", len(groups), len(groups))
    there = len(values_of(material.held_out, context))
    measured = f"{len(groups)} of {there}: those with {least} records of {material.split}, and {values} values of a property"
    return _study(material, context, member, results, sizes, unseen, measured)


def _measurable(material: Material, context: str, group: str, least: int) -> bool:
    """Whether the held-out records of a group state so many values of a property."""
    held_out = Dataset(material.held_out, material.train.properties)
    rows = having(material.held_out, context, group)
    return any((held_out.targets(p)[1] & rows).sum() >= least for p in held_out.properties)


def _macro(material: Material, first: Mapping[str, Indices], rows: np.ndarray, least: int) -> FloatArray:
    drawn = material.drawn()
    return mean_over(
        [s.macro_f1(drawn) for s in material.scored(first, rows).values() if len(s.rows) >= least]
    )


def _unseen(others: Dataset, material: Material, rows: np.ndarray) -> float:
    """The share of the group's held-out values whose class no other group has in training."""
    total = lost = 0.0
    for prop in others.properties:
        target = Dataset(material.held_out, others.properties).targets(prop)[0][rows]
        absent = others.targets(prop)[0].sum(axis=0) == 0
        total, lost = total + float(target.sum()), lost + float(target[:, absent].sum())
    return lost / total if total else 0.0


def _study(
    material: Material,
    context: str,
    member: MemberSpec,
    results: Mapping[str, Mapping[str, FloatArray]],
    sizes: Mapping[str, int],
    unseen: Mapping[str, float],
    measured: str,
) -> Study:
    gaps = {g: Interval.of(r[WAYS[1]] - r[WAYS[0]]) for g, r in results.items()}
    rows: list[tuple[Cell, ...]] = [
        (g, sizes[g], *(float(r[w][0]) for w in WAYS), str(gaps[g]), f"{unseen[g]:.0%}")
        for g, r in results.items()
    ]
    means = {w: mean_over([r[w] for r in results.values()]) for w in WAYS}
    gap = Interval.of(means[WAYS[1]] - means[WAYS[0]])
    rows.append(("mean", sum(sizes.values()), *(float(means[w][0]) for w in WAYS), str(gap), None))
    series = {way: line((g, r[way]) for g, r in results.items()) for way in WAYS}
    over = Interval.of(means[WAYS[1]] - means[WAYS[3]])
    return Study(
        "transfer",
        f"What does a classifier know of a {context} it has never seen?",
        COLUMNS,
        rows,
        _conclusion(context, gaps, gap, over, means),
        material.setting(classifier=member.classifier, context=context, measured=measured),
        [Panel(f"Trained with and without the {context}", "mean macro-F1", "", series)],
        {
            "without − with": {g: i.to_json() for g, i in gaps.items()},
            "mean, without − with": gap.to_json(),
            "mean, without − most frequent": over.to_json(),
        },
    )


def _conclusion(
    context: str, gaps: Mapping[str, Interval], gap: Interval, over: Interval, means: Mapping[str, FloatArray]
) -> str:
    """What the intervals allow to be said."""
    worse = [g for g, i in gaps.items() if i.clear and i.value < 0]
    better = [g for g, i in gaps.items() if i.clear and i.value > 0]
    verdict = "is still better than" if over.clear and over.value > 0 else "is not clearly better than"
    alone = float(means[WAYS[2]][0] - means[WAYS[0]][0])
    return (
        f"Leaving the {context} out of training changes the mean macro-F1 on it by {gap}; clearly for the "
        f"worse in {len(worse)} of {len(gaps)}"
        + (f", for the better in {', '.join(better)}" if better else "")
        + f". What was learnt elsewhere {verdict} always answering the most frequent class ({over})."
        f" Training on it alone differs from training on everything by {alone:+.3f}: "
        + ("the others add something." if alone < -0.005 else "the others add next to nothing.")
    )
