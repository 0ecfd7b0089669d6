"""What every method of the benchmark of peers is given: the same records, the same split of them, the same features.

A fifth of the training records of a property is held out, to choose calibration and threshold by; dev is only asked.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from _records import TABULAR, TEXT, Sets, collections, silk

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.model.fitting import ModelSpec
from enrich.classifiers.tabular.features import FeatureMap

HELD_OUT = 5
"""One training record in so many is held out."""


@dataclass(frozen=True)
class Source:
    """Where a problem's records are, how they are read, and whether their accession numbers are given."""

    folder: str
    read: Callable[[Path, int | None], Sets]
    numerals: bool = True
    texts: bool = False


SOURCES = {
    "silk": Source("silknow", silk),
    "silk-unnumbered": Source("silknow", silk, numerals=False),
    "collections": Source("collections", collections, texts=True),
}


@dataclass(frozen=True)
class Task:
    """One property: training records that state a value (n,) with their target (n, K), and those of dev.

    `held` are the rows held out, `learn` the others that name a class.
    """

    prop: Property
    names: Sequence[str]
    train: Sequence[Record]
    target: FloatArray
    held: Rows
    asked: Sequence[Record]
    rows: Rows
    truth: FloatArray

    @cached_property
    def learn(self) -> Rows:
        return np.setdiff1d(self.all, self.held)

    @cached_property
    def all(self) -> Rows:
        """All rows that name a class."""
        return np.flatnonzero(self.target.any(axis=1))

    def pairs(self, rows: Rows) -> tuple[Rows, Rows]:
        """Row and class of every value that these rows name: each teaches."""
        at, labels = np.nonzero(self.target[rows])
        return rows[at], labels


@dataclass(frozen=True)
class Problem:
    """Train as a dataset, dev, and what our model is made of."""

    name: str
    source: Source
    train: Dataset
    dev: Dataset
    spec: ModelSpec

    @classmethod
    def read(cls, name: str, data: Path, most: int | None) -> Problem:
        source = SOURCES[name]
        sets = source.read(data / source.folder, most)
        if not source.numerals:
            sets = replace(
                sets, train=[unnumbered(r) for r in sets.train], dev=[unnumbered(r) for r in sets.dev]
            )
        train = sets.taught().dataset
        members = (TABULAR, TEXT) if source.texts else (TABULAR,)
        spec = ModelSpec(members, groups=sets.profile.grouped_by)
        return cls(name, source, train, Dataset(sets.dev, train.properties), spec)

    @cached_property
    def key(self) -> str:
        """The name, and which records: answers for others are kept elsewhere."""
        return f"{self.name}-{self.train.digest[:6]}{self.dev.digest[:6]}"

    def task(self, prop: Property) -> Task:
        stated, rows = np.flatnonzero(self.train.stated(prop)), np.flatnonzero(self.dev.stated(prop))
        train, asked = self.train.subset(stated), self.dev.subset(rows)
        return Task(
            prop,
            [p.name for p in self.train.properties],
            list(train.records),
            train.targets(prop)[0],
            held_out(len(train)),
            list(asked.records),
            rows,
            asked.targets(prop)[0],
        )


def held_out(n: int) -> Rows:
    """The rows of n training records that are held out, drawn at random."""
    return np.random.default_rng(0).permutation(n)[: n // HELD_OUT]


def unnumbered(record: Record) -> Record:
    """The record with digests for its identifier and its pictures' addresses, in which no number is read."""

    def hidden(address: str) -> str:
        return "https://data.example.org/" + hashlib.sha256(address.encode()).hexdigest()

    pictures = tuple(replace(p, url=hidden(p.url)) for p in record.pictures)
    return replace(record, id=hidden(record.id), pictures=pictures)


def columns(problem: Problem, task: Task) -> dict[str, dict[str, Any]]:
    """What our members look at, as columns of a table of the task's training records and then those of dev.

    Contexts and the other properties' values are categories (several values of one record are one category, and
    each a column of 0 and 1 beside it), counts and numerals are numbers, texts are texts.
    """
    records = [*task.train, *task.asked]
    found: dict[str, dict[str, Any]] = {}
    for name in sorted({name for r in problem.train.records for name in r.context}):
        found[f"context {name}"] = _category([r.context.get(name, ()) for r in records])
    for prop in problem.train.properties:
        if prop.name == task.prop.name:
            continue
        values = [r.known.get(prop.name, ()) for r in records]
        found[f"known {prop.name}"] = _category(values)
        for value in prop.classes if prop.many else ():
            found[f"known {prop.name} {value}"] = _numbers([float(value in said) for said in values])
    found |= dict(_numerals(problem.train.records, records))
    if problem.source.texts:
        found["heading"] = _texts([r.texts[0].value if r.texts else "" for r in records])
        found["text"] = _texts([" . ".join(t.value for t in r.texts) for r in records])
    return found


def _numerals(train: Sequence[Record], records: Sequence[Record]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Counts of pictures and texts, numerals, and where the accession number stands within its museum."""
    features = FeatureMap.learn(train, "museum")
    table = features.matrix(records)[:, len(features.columns) :].toarray()
    for name, column in zip(features.numeric, table.T, strict=True):
        yield name, _numbers([float(v) if v else None for v in column])


def _category(values: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {"kind": "category", "values": [" ".join(sorted(said)) for said in values]}


def _numbers(values: Sequence[float | None]) -> dict[str, Any]:
    return {"kind": "number", "values": list(values)}


def _texts(values: Sequence[str]) -> dict[str, Any]:
    return {"kind": "text", "values": list(values)}
