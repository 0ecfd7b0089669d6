"""Regimes: how near the records that taught a property stand to the record that is asked about.

A missing value is seldom missing at random: a museum that never recorded a property lacks it everywhere, and
a shelf that nobody catalogued lacks it as a whole. Calibration and thresholds learnt on records drawn at random
promise nothing there. So each regime has its own: out-of-fold predictions with whole groups, or whole blocks of
accession numbers, left out, by a model that does not see what says nothing there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Self, get_args

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.folds import fold_of
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.numerals import sources_of
from enrich.classifiers.stored import Stored

Regime = Literal["seen", "unseen block", "unseen group"]
REGIMES: tuple[Regime, ...] = get_args(Regime)
LEAST = 20
"""Labelled values of a property with which its group counts as seen."""
NEAR = 5
"""Labelled values near a record in its group that are enough, whatever their share."""
_NEAR_SHARE = 0.2
"""Share of the records near it that are enough when they state a value, in a small group."""
_BINS, _WINDOW, _BLOCKS, _KNOTS = 100, 1, 20, 201
_LOCAL = 0.05
"""Share of records whose value of a context recurs in another group; below it, the context tells of groups."""


def group_of(record: Record, groups: Sequence[str]) -> str:
    """The record's group: its first value of each of these contexts, empty where it has none."""
    return " ".join(next(iter(record.context.get(name, ())), "") for name in groups)


def number_of(record: Record) -> float:
    """The accession number of a record, as its address or its first picture's says; NaN for none."""
    sources = sources_of(record)
    return next((numbers[0] for name in ("record", "picture") if (numbers := sources.get(name))), np.nan)


@dataclass(frozen=True, slots=True)
class Places:
    """Where records (n,) stand: the group of each, and its position among the group's accession numbers, from 0
    to 1; NaN where unknown."""

    groups: NDArray[np.object_]
    positions: FloatArray

    def by_group(self) -> Rows:
        """The group of each record, by number."""
        return _numbered(self.groups)

    def by_block(self) -> Rows:
        """The block of accession numbers of each record, by number; a record without a number is its own."""
        named = [
            f"{group} {int(min(at, 0.9999) * _BLOCKS)}" if np.isfinite(at) else f" {row}"
            for row, (group, at) in enumerate(zip(self.groups, self.positions, strict=True))
        ]
        return _numbered(named)


class Placed(NamedTuple):
    """The regime of each record (n,), and that whose model gives its candidates (n,), as indices into REGIMES."""

    regimes: NDArray[np.int8]
    models: NDArray[np.int8]


class Experience(Stored):
    """What a training knew of where its records come from.

    `groups` are the contexts whose values, taken together, say which group a record belongs to. `labelled` counts
    by property and group the records that state a value; `near` those in each hundredth of the group's accession
    numbers, of which `knots` are the quantiles, and `records` all that stand there; a group without numbers is not
    in them.
    """

    groups: tuple[str, ...]
    labelled: Mapping[str, Mapping[str, int]]
    knots: Mapping[str, tuple[float, ...]] = {}
    near: Mapping[str, Mapping[str, tuple[int, ...]]] = {}
    records: Mapping[str, tuple[int, ...]] = {}

    @classmethod
    def learn(cls, dataset: Dataset, contexts: Sequence[str]) -> Self:
        """From the training records; without contexts all records are one group."""
        numbers = np.array([number_of(r) for r in dataset.records])
        groups = _groups(dataset.records, contexts)
        names = sorted(set(groups))
        knots = {}
        for name in names:
            own = numbers[(groups == name) & np.isfinite(numbers)]
            if len(np.unique(own)) >= _BLOCKS and len(own) > 0.5 * (groups == name).sum():
                cuts = np.quantile(own, np.linspace(0, 1, _KNOTS))
                knots[name] = tuple(float(v) for v in np.unique(cuts))
        made = cls(groups=tuple(contexts), labelled={}, knots=knots)
        positions = made.places(dataset.records).positions
        labelled: dict[str, dict[str, int]] = {}
        near: dict[str, dict[str, tuple[int, ...]]] = {}
        for prop in dataset.properties:
            stated = dataset.stated(prop)
            labelled[prop.name] = {g: int((stated & (groups == g)).sum()) for g in names}
            near[prop.name] = {g: _counted(positions[stated & (groups == g)]) for g in knots}
        every = {g: _counted(positions[groups == g]) for g in knots}
        return made.model_copy(update={"labelled": labelled, "near": near, "records": every})

    def places(self, records: Sequence[Record]) -> Places:
        """Where each record stands."""
        groups, positions = _groups(records, self.groups), np.full(len(records), np.nan)
        for row, (record, group) in enumerate(zip(records, groups, strict=True)):
            knots = self.knots.get(group)
            if knots is not None and np.isfinite(number := number_of(record)):
                positions[row] = np.interp(number, knots, np.linspace(0.0, 1.0, len(knots)))
        return Places(groups, positions)

    def regimes(self, name: str, places: Places) -> NDArray[np.int8]:
        """The regime of each record (n,) that stands there when asked for a property, as an index into REGIMES."""
        labelled, near = self.labelled.get(name, {}), self.near.get(name, {})
        found = np.full(len(places.groups), REGIMES.index("seen"), dtype=np.int8)
        for group in set(places.groups):
            own = places.groups == group
            if labelled.get(group, 0) < LEAST:
                found[own] = REGIMES.index("unseen group")
            elif group in near:
                rows = np.flatnonzero(own & np.isfinite(places.positions))
                thin = _thin(near[group], self.records[group])[_bins(places.positions[rows])]
                found[rows[thin]] = REGIMES.index("unseen block")
        return found

    def taught(self, name: str, places: Places) -> Flags:
        """Which of the records (n,) are of a group that stated the property in training, however seldom."""
        labelled = self.labelled.get(name, {})
        return np.array([labelled.get(group, 0) > 0 for group in places.groups], dtype=bool)


def models_of(regimes: NDArray[np.int8], taught: Flags, promising: Mapping[Regime, bool]) -> NDArray[np.int8]:
    """The regime (n,) whose model gives each record's candidates, as an index into REGIMES.

    It is the record's own; "seen" where that has no model. `promising` says of each regime with a model whether it
    promises anything: where that of "unseen group" does not, nothing is lost by asking the model that knows the
    record's group a little.
    """
    found = regimes.copy()
    for number, regime in enumerate(REGIMES):
        own = regimes == number
        if regime not in promising:
            found[own] = REGIMES.index("seen")
        elif regime == "unseen group" and not promising[regime]:
            found[own & taught] = REGIMES.index("seen")
    return found


def _groups(records: Sequence[Record], contexts: Sequence[str]) -> NDArray[np.object_]:
    return np.array([group_of(r, contexts) for r in records], dtype=object)


def _bins(positions: FloatArray) -> Rows:
    """The hundredth of each position that is known."""
    return np.minimum((positions * _BINS).astype(np.intp), _BINS - 1)


def _counted(positions: FloatArray) -> tuple[int, ...]:
    return tuple(np.bincount(_bins(positions[np.isfinite(positions)]), minlength=_BINS).tolist())


def _thin(near: Sequence[int], records: Sequence[int]) -> Flags:
    """The hundredths of a group's numbers (_BINS,) around which too few records state a value."""
    around = np.ones(2 * _WINDOW + 1)
    enough = np.minimum(NEAR, _NEAR_SHARE * np.convolve(records, around, "same"))
    return np.asarray(np.convolve(near, around, "same") < enough)


def _numbered(names: Sequence[str] | NDArray[np.object_]) -> Rows:
    numbers = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1]
    return np.asarray(numbers, dtype=np.intp)


def unit_folds(units: Rows, folds: int, seed: int) -> Rows:
    """The fold of each record (n,): units stay together, and folds are as even in records as can be."""
    sizes = np.bincount(units)
    ties = fold_of(len(sizes), max(len(sizes), 1), seed)
    load, place = np.zeros(min(folds, len(sizes))), np.zeros(len(sizes), dtype=np.intp)
    for unit in np.lexsort((ties, -sizes)):
        place[unit] = int(load.argmin())
        load[place[unit]] += sizes[unit]
    return np.asarray(place[units])


def local_contexts(dataset: Dataset, groups: Sequence[str]) -> tuple[str, ...]:
    """The contexts that only tell of groups: those that name it, and those whose values do not recur in another."""
    values: dict[str, dict[str, set[str]]] = {}
    for record in dataset.records:
        for name, found in record.context.items():
            for value in found:
                values.setdefault(name, {}).setdefault(value, set()).add(group_of(record, groups))
    local = []
    for name, by_value in sorted(values.items()):
        having = [r for r in dataset.records if name in r.context]
        shared = sum(any(len(by_value[v]) > 1 for v in r.context[name]) for r in having)
        if name in groups or shared < _LOCAL * len(having):
            local.append(name)
    return tuple(local)
