"""What a profile finds in the facts, to be compared with what it found before: records, values and gaps."""

from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import BlankNode

from enrich.classifiers.digest import short_digest
from enrich.graph.gaps import scan
from enrich.graph.patterns import values_pattern
from enrich.graph.reading import Reader
from enrich.graph.stores.base import PAGE_TOKEN
from enrich.ontology.profiles import PropertyProfile

Marks = NDArray[np.uint64]
"""Things of one kind, eight bytes each (see `short_digest`)."""


@dataclass(frozen=True, slots=True)
class Content:
    """The records, and by property the values (of a record, but for blank nodes) and the gaps."""

    records: Marks = field(default_factory=lambda: _marks([]))
    values: dict[str, Marks] = field(default_factory=dict)
    gaps: dict[str, Marks] = field(default_factory=dict)

    @classmethod
    def of(cls, reader: Reader) -> "Content":
        """Read it from the facts, in a few passes."""
        records = _marks(record.value for record in reader.iris())
        if not len(records):
            return cls()
        properties = reader.profile.properties
        lacking: dict[str, array[int]] = {prop.name: array("Q") for prop in properties}
        for row in scan(reader):
            for name in row.missing:
                lacking[name].append(short_digest(row.record.value))
        gaps = {name: _unique(found) for name, found in lacking.items()}
        return cls(records, {prop.name: _values(reader, prop) for prop in properties}, gaps)


@dataclass(frozen=True, slots=True)
class Counts:
    """How many there were and are, and how many came and went."""

    before: int
    after: int
    come: int
    gone: int

    @classmethod
    def of(cls, before: Marks, after: Marks) -> "Counts":
        """The counts of two sets."""
        come, gone = np.setdiff1d(after, before, True), np.setdiff1d(before, after, True)
        return cls(len(before), len(after), len(come), len(gone))


@dataclass(frozen=True, slots=True)
class Changes:
    """What changed between two contents: records, and by property values and gaps (come: opened, gone: closed)."""

    records: Counts
    values: dict[str, Counts]
    gaps: dict[str, Counts]

    @classmethod
    def between(cls, before: Content, after: Content) -> "Changes":
        """Compare."""
        names = list(dict.fromkeys([*before.gaps, *after.gaps]))
        empty = _marks([])
        return cls(
            Counts.of(before.records, after.records),
            {n: Counts.of(before.values.get(n, empty), after.values.get(n, empty)) for n in names},
            {n: Counts.of(before.gaps.get(n, empty), after.gaps.get(n, empty)) for n in names},
        )

    def rows(self) -> list[tuple[Any, ...]]:
        """What, before, after, come and gone: a row for the records, two for each property."""
        named = [("records", self.records)]
        for name in self.values:
            named += [(f"{name}: values", self.values[name]), (f"{name}: gaps", self.gaps[name])]
        return [(what, c.before, c.after, c.come, c.gone) for what, c in named]


def _values(reader: Reader, prop: PropertyProfile) -> Marks:
    query = (
        f"SELECT ?record ?v {reader.dataset} WHERE {{ {reader.is_record} "
        f"{values_pattern(prop, '?v')} {PAGE_TOKEN}\n}}"
    )
    rows = reader.store.select_by_key(query, "record")
    return _marks(
        f"{record} {value}"
        for record, value in rows
        if not isinstance(value, BlankNode) and value is not None
    )


def _marks(texts: Iterable[str]) -> Marks:
    return _unique(array("Q", map(short_digest, texts)))


def _unique(found: "array[int]") -> Marks:
    marks: Marks = np.unique(np.frombuffer(found, np.uint64)) if found else np.empty(0, np.uint64)
    return marks
