"""Regimes: how near the records that taught a property stand to the record that is asked about.

A missing value is seldom missing at random: a museum that never recorded a property lacks it everywhere, and
a shelf that nobody catalogued lacks it as a whole. Calibration and thresholds learnt on records drawn at random
promise nothing there. So each regime has its own: out-of-fold predictions with whole groups, or whole blocks of
accession numbers, left out, by a model that does not see what says nothing there.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Self, get_args

import numpy as np
from numpy.typing import NDArray

from classifiers.base import FloatArray
from classifiers.data import Dataset, Record
from classifiers.folds import Rows, fold_of
from classifiers.numerals import sources_of
from classifiers.stored import Stored

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

Numbers = tuple[float, ...]


def group_of(record: Record, groups: Sequence[str]) -> str:
    """The record's group: its first value of each of these contexts, empty where it has none."""
    return " ".join(next(iter(record.context.get(name, ())), "") for name in groups)


def number_of(record: Record) -> float:
    """The accession number of a record, as its address or its first picture's says; NaN for none."""
    sources = sources_of(record)
    return next((numbers[0] for name in ("record", "picture") if (numbers := sources.get(name))), np.nan)


class Experience(Stored):
    """What a training knew of where its records come from.

    `groups` are the contexts whose values, taken together, say which group a record belongs to. `labelled` counts by property and group the
    records that state a value; `near` those in each hundredth of the group's accession numbers, of which `knots`
    are the quantiles, and `records` all that stand there; a group without numbers is not in them.
    """

    groups: tuple[str, ...]
    labelled: Mapping[str, Mapping[str, int]]
    knots: Mapping[str, Numbers] = {}
    near: Mapping[str, Mapping[str, tuple[int, ...]]] = {}
    records: Mapping[str, tuple[int, ...]] = {}

    @classmethod
    def learn(cls, dataset: Dataset, contexts: Sequence[str]) -> Self:
        """From the training records; without contexts all records are one group."""
        groups = np.array([group_of(r, contexts) for r in dataset.records], dtype=object)
        numbers = np.array([number_of(r) for r in dataset.records])
        knots = {}
        for name in sorted(set(groups)):
            own = numbers[groups == name]
            distinct = np.unique(own[np.isfinite(own)])
            if len(distinct) >= _BLOCKS and np.isfinite(own).mean() > 0.5:
                cuts = np.quantile(own[np.isfinite(own)], np.linspace(0, 1, _KNOTS))
                knots[str(name)] = tuple(float(v) for v in np.unique(cuts))
        made = cls(groups=tuple(contexts), labelled={}, knots=knots)
        positions = made.positions(dataset.records)
        labelled: dict[str, dict[str, int]] = {}
        near: dict[str, dict[str, tuple[int, ...]]] = {}
        for prop in dataset.properties:
            stated = dataset.stated(prop)
            labelled[prop.name] = {str(g): int((stated & (groups == g)).sum()) for g in sorted(set(groups))}
            near[prop.name] = {g: _counted(positions[stated & (groups == g)]) for g in knots}
        every = {g: _counted(positions[groups == g]) for g in knots}
        return made.model_copy(update={"labelled": labelled, "near": near, "records": every})

    def positions(self, records: Sequence[Record]) -> FloatArray:
        """Where each record (n,) stands among its group's accession numbers, 0 to 1; NaN where unknown."""
        found = np.full(len(records), np.nan)
        for row, record in enumerate(records):
            knots = self.knots.get(group_of(record, self.groups))
            if knots is not None and np.isfinite(number := number_of(record)):
                found[row] = np.interp(number, knots, np.linspace(0.0, 1.0, len(knots)))
        return found

    def regimes(self, name: str, records: Sequence[Record]) -> NDArray[np.int8]:
        """The regime of each record (n,) when asked for a property, as an index into REGIMES."""
        labelled, near = self.labelled.get(name, {}), self.near.get(name, {})
        positions = self.positions(records)
        found = np.zeros(len(records), dtype=np.int8)
        for row, record in enumerate(records):
            group = group_of(record, self.groups)
            if labelled.get(group, 0) < LEAST:
                found[row] = REGIMES.index("unseen group")
            elif group in near and np.isfinite(positions[row]):
                at = int(_bins(positions[row : row + 1])[0])
                window = slice(max(0, at - _WINDOW), at + _WINDOW + 1)
                enough = min(NEAR, _NEAR_SHARE * sum(self.records[group][window]))
                found[row] = REGIMES.index("unseen block") if sum(near[group][window]) < enough else 0
        return found

    def group_units(self, records: Sequence[Record]) -> Rows:
        """The group of each record (n,), by number."""
        return _numbered([group_of(r, self.groups) for r in records])

    def block_units(self, records: Sequence[Record]) -> Rows:
        """The block of accession numbers of each record (n,), by number; a record without one is its own."""
        positions = self.positions(records)
        return _numbered(
            [
                f"{group_of(r, self.groups)} {int(min(p, 0.9999) * _BLOCKS)}" if np.isfinite(p) else f" {row}"
                for row, (r, p) in enumerate(zip(records, positions, strict=True))
            ]
        )


def _bins(positions: FloatArray) -> Rows:
    known = positions[np.isfinite(positions)]
    return np.minimum((known * _BINS).astype(np.intp), _BINS - 1)


def _counted(positions: FloatArray) -> tuple[int, ...]:
    return tuple(np.bincount(_bins(positions), minlength=_BINS).tolist())


def _numbered(names: Sequence[str]) -> Rows:
    numbers: Rows = np.unique(np.asarray(names, dtype=object).astype(str), return_inverse=True)[1].astype(
        np.intp
    )
    return numbers


def unit_folds(units: Rows) -> Callable[[int, int], Rows]:
    """A maker of folds that keep units together, as even in records as can be: (folds, seed) → (n,)."""

    def made(folds: int, seed: int) -> Rows:
        sizes = np.bincount(units)
        ties = fold_of(len(sizes), max(len(sizes), 1), seed)
        load, place = np.zeros(min(folds, len(sizes))), np.zeros(len(sizes), dtype=np.intp)
        for unit in np.lexsort((ties, -sizes)):
            place[unit] = int(load.argmin())
            load[place[unit]] += sizes[unit]
        folded: Rows = place[units]
        return folded

    return made


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
