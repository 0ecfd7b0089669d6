"""Whether learning from reviews pays, and in which order it is best to look.

Of the values known in train a share is hidden at random; the rest teaches. A simulated curator, who knows what was
hidden, judges what the model proposes there; the model is trained again with the judgements, and so on. Every order
begins at the same model. Measured on records that were neither hidden nor learnt from.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np

from enrich.classifiers.base import Classifier, Progress, no_progress
from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.learn.intervals import Interval
from enrich.learn.plots import Panel
from enrich.studies.curator import ORDERS, Curator, Place
from enrich.studies.study import Cell, Material, Study, first_candidates, fit, line, where_clear

COUNTS = (100, 250, 500)
SEEDS = 3
HIDDEN = 0.75
CORRECTS = 0.5
COLUMNS = (
    "order",
    "reviews",
    "macro-F1",
    "95 %",
    "accuracy",
    "against no reviews",
    "against random",
    "labels",
    "turned down",
    "wrong labels",
)
_BASE = "random"
ALONE = "labels alone"
"""The same reviews as at random, without what was turned down."""


class _Measured(NamedTuple):
    """One order after so many reviews and with one seed: figures in each resample, and what was taught."""

    macro: FloatArray
    accuracy: FloatArray
    counts: tuple[int, ...]


Points = dict[tuple[str, int], list[_Measured]]
"""By order and number of reviews, what was measured with each seed."""


@dataclass(frozen=True)
class Gain(Interval):
    """A difference with its interval, and whether it has the same sign with every seed."""

    alike: bool = True

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out zero and no seed says otherwise."""
        return super().clear and self.alike


def _macro(point: Sequence[_Measured]) -> FloatArray:
    """macro-F1 over the seeds, in each resample."""
    return np.asarray(np.mean([seed.macro for seed in point], axis=0))


def _gain(ours: Sequence[_Measured], other: Sequence[_Measured]) -> Gain:
    each = [float(a.macro[0] - b.macro[0]) for a, b in zip(ours, other, strict=True)]
    return replace(Gain.of(_macro(ours) - _macro(other)), alike=len({np.sign(d) for d in each}) == 1)


def reviews_study(
    material: Material,
    member: MemberSpec,
    *,
    counts: Sequence[int] = COUNTS,
    seeds: int = SEEDS,
    hidden: float = HIDDEN,
    corrects: float = CORRECTS,
    progress: Progress = no_progress,
) -> Study:
    """Measure the four orders after so many reviews. Raises InputError where there are fewer gaps to review."""
    steps = sorted({count for count in counts if count > 0})
    points: Points = {}
    total = seeds * (2 + (len(ORDERS) + 1) * len(steps))
    gaps, done = [], 0
    for seed in range(seeds):

        def learn(dataset: Dataset, seed: int = seed) -> Classifier:
            nonlocal done
            progress("reviews", done, total)
            done += 1
            return fit(member, dataset, seed)

        known, truth = hide(material.train, hidden, np.random.default_rng([material.seed, seed]))
        if len(truth) < steps[-1]:
            raise InputError(
                f"{len(truth):,} values can be hidden and reviewed, and {steps[-1]:,} reviews are asked for: "
                "learn from more records (--sample), or hide a larger share (--hide)"
            )
        gaps.append(len(truth))
        start = learn(Dataset(known, material.train.properties))
        _measure(points, ("none", 0), material, start, known)
        _measure(points, ("every value", 0), material, learn(material.train), known)
        for number, name in enumerate(ORDERS):
            rng = np.random.default_rng([material.seed, seed, number])
            curator = Curator(known, material.train.properties, truth, corrects, rng, material.museum)
            _one_order(points, material, name, steps, curator, start, learn)
    progress("reviews", total, total)
    setting = material.setting(
        member=member.classifier, seeds=seeds, hidden=hidden, corrects=corrects, gaps=int(np.mean(gaps))
    )
    return _study(points, steps, setting)


def _one_order(
    points: Points,
    material: Material,
    name: str,
    steps: Sequence[int],
    curator: Curator,
    start: Classifier,
    learn: Callable[[Dataset], Classifier],
) -> None:
    """Review in one order and learn, step by step; of the reviews at random also from the right values alone."""
    classifier = start
    for count in steps:
        curator.review(classifier, ORDERS[name], count - curator.reviews)
        data = curator.dataset()
        classifier = learn(data)
        _measure(points, (name, count), material, classifier, curator.records, curator)
        if name == _BASE:
            right = Dataset([replace(r, refused={}) for r in data.records], data.properties)
            _measure(points, (ALONE, count), material, learn(right), curator.records, curator)


def hide(
    dataset: Dataset, share: float, rng: np.random.Generator
) -> tuple[list[Record], dict[Place, tuple[str, ...]]]:
    """The records without a share of what is known of each, at random, and what that was: the classes, by place."""
    records, truth = [], {}
    for row, record in enumerate(dataset.records):
        gone = []
        for prop in dataset.properties:
            index = prop.index()
            found = dict.fromkeys(
                prop.classes[index[v]] for v in record.known.get(prop.name, ()) if v in index
            )
            if found and rng.random() < share:
                gone.append(prop.name)
                truth[row, prop.name] = tuple(found)
        records.append(record.without(*gone))
    return records, truth


def _measure(
    points: Points,
    which: tuple[str, int],
    material: Material,
    classifier: Classifier,
    known: Sequence[Record],
    curator: Curator | None = None,
) -> None:
    taught = Dataset(known, material.train.properties)
    figures = material.means(first_candidates(classifier, material.held_out, taught))
    counts: tuple[int, ...] = ()
    if curator is not None:
        refused = sum(len(values) for values in curator.refused.values())
        counts = (curator.reviews, len(curator.taught), refused if which[0] != ALONE else 0, curator.wrong)
    points.setdefault(which, []).append(_Measured(*figures, counts))


def _study(points: Points, steps: Sequence[int], setting: Mapping[str, object]) -> Study:
    none = points["none", 0]
    gains: dict[tuple[str, int], tuple[Gain, Gain | None]] = {}
    rows: list[tuple[Cell, ...]] = []
    order = ["none", "every value", _BASE, ALONE, *ORDERS]
    for name, count in sorted(points, key=lambda at: (order.index(at[0]), at[1])):
        point = points[name, count]
        against = _gain(point, none)
        random = _gain(point, points[_BASE, count]) if count and name != _BASE else None
        gains[name, count] = against, random
        i = Interval.of(_macro(point))
        counts: list[Cell] = [round(float(n)) for n in np.mean([s.counts for s in point], axis=0)]
        made, *taught = counts or [None] * 4
        accuracy = float(np.mean([s.accuracy[0] for s in point]))
        gained = (None if point is none else str(against), None if random is None else str(random))
        rows.append((name, made, i.value, f"{i.low:.3f} to {i.high:.3f}", accuracy, *gained, *taught))
    series = {
        name: line(
            (float(count), _macro(points[at, count]))
            for at, count in (("none", 0), *((name, c) for c in steps))
        )
        for name in ORDERS
    }
    return Study(
        "reviews",
        "Does learning from reviews pay, and in which order?",
        COLUMNS,
        rows,
        _conclusion(gains, steps),
        setting,
        [Panel("Learning from reviews", "reviews", "mean macro-F1", series)],
        {
            "against no reviews": {f"{n}, {c}": g.to_json() for (n, c), (g, _) in gains.items()},
            "against random": {f"{n}, {c}": r.to_json() for (n, c), (_, r) in gains.items() if r},
            "macro-F1 by seed": {f"{n}, {c}": [float(s.macro[0]) for s in p] for (n, c), p in points.items()},
        },
    )


def _conclusion(gains: Mapping[tuple[str, int], tuple[Gain, Gain | None]], steps: Sequence[int]) -> str:
    """What the intervals and the seeds allow to be said."""
    most = steps[-1]
    made = gains[_BASE, most][0]
    said = f"After {most:,} reviews in random order macro-F1 changes by {made}"
    said += ", which is clear." if made.clear else ", which is not clear."
    for name in (ALONE, *(name for name in ORDERS if name != _BASE)):
        against = {f"{count:,}": gain for count in steps if (gain := gains[name, count][1]) is not None}
        clear = where_clear(against, "clearly better after {}", "clearly worse after {}")
        verdict = clear or "never clearly different"
        said += f" Against random order, {name} is {verdict} ({against[f'{most:,}']} after {most:,})."
    return f"{said} All hidden values as facts would give {gains['every value', 0][0]}."
