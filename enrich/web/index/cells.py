"""Cells: answers that no facet tells apart, counted together. A museum's million answers are some ten thousand cells,
which are held in memory, so that every count is a sum over a few arrays.

Whether a cell counts follows from the states of runs: its own must be active, and none of those that answered the same
gaps later. So taking a run back changes one row, whatever it answered.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Hashable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from enrich.runs.register import ACTIVE
from enrich.web.index.asked import FACETS, OF_IRI, UNKNOWN, Filters
from enrich.web.index.database import meta

DIMENSIONS = (
    "property",
    "value",
    "band",
    "state",
    "outcome",
    "reason",
    "regime",
    "museum",
    "agreement",
    "run",
    "later",
    "filled",
)
"""The columns of a cell, all numbers: of terms, of runs, of sets of later runs, and 1 where the facts fill the gap."""
T = TypeVar("T")
_KEPT = 200
"""What is asked again and again is counted once a version: so many answers are kept."""
Numbers = NDArray[np.int64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class IndexedRun:
    """A run as the index has it; `shown` once all its answers were read, which have ids from `first` to `last`."""

    id: int
    iri: str
    state: str
    ended: str
    model: int
    title: str
    shown: bool
    first: int
    last: int

    @property
    def counts(self) -> bool:
        """Whether its answers are among the current ones."""
        return self.shown and self.state == ACTIVE


@dataclass(frozen=True)
class Cells:
    """All cells as one version of the index has them; they are never changed, but followed by others."""

    made: str = ""
    """Which index: one that is built anew numbers its terms anew."""
    version: int = -1
    words: int = -1
    """The version of names and hierarchy."""
    columns: Numbers = field(default_factory=lambda: np.zeros((len(DIMENSIONS), 0), np.int64))
    n: Numbers = field(default_factory=lambda: np.zeros(0, np.int64))
    terms: tuple[str, ...] = ()
    runs: Mapping[int, IndexedRun] = field(default_factory=dict)
    later: tuple[tuple[int, ...], ...] = ()
    above: Mapping[int, tuple[int, ...]] = field(default_factory=dict)
    _names: dict[str, dict[int, str]] = field(default_factory=dict)
    _found: dict[Hashable, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, connection: sqlite3.Connection, before: Cells) -> Cells:
        """The cells as this transaction sees them; of `before` all is taken that has not changed."""
        made = meta(connection, "made") or ""
        version, words = (int(meta(connection, key) or 0) for key in ("version", "words"))
        if made != before.made or version < before.version:
            before = cls()
        elif version == before.version:
            return before
        columns, n = _cells(connection, before)
        terms = connection.execute("SELECT text FROM term WHERE id >= ? ORDER BY id", (len(before.terms),))
        later = connection.execute("SELECT runs FROM later WHERE id >= ? ORDER BY id", (len(before.later),))
        ends = ("coalesce(min(first), 0)", "coalesce(max(last), -1)")
        fields = ", ".join(
            [
                "id, iri, state, ended, model, title, shown",
                *(f"(SELECT {e} FROM shard WHERE shard.run = run.id)" for e in ends),
            ]
        )
        runs = (IndexedRun(*row) for row in connection.execute(f"SELECT {fields} FROM run"))
        same = words == before.words
        return cls(
            made,
            version,
            words,
            columns,
            n,
            (*before.terms, *(text for (text,) in terms)),
            {run.id: run for run in runs},
            (*before.later, *(tuple(json.loads(text)) for (text,) in later)),
            before.above if same else _above(connection),
            before._names if same else {},
        )

    def once(self, key: Hashable, find: Callable[[], T]) -> T:
        """What was found before in this version, or is found now."""
        if key in (known := self._found):
            with suppress(KeyError):  # another thread has cleared it
                told: T = known[key]
                return told
        if len(known) >= _KEPT:
            known.clear()
        known[key] = found = find()
        return found

    def column(self, name: str) -> Numbers:
        """A facet of every cell, as numbers of terms; `model` is that of the run, `run` its IRI's."""
        of_runs: Numbers | None = None
        if name == "model":
            name, of_runs = "run", self._models
        found: Numbers = self.columns[DIMENSIONS.index(name)]
        return found if of_runs is None else of_runs[found]

    @cached_property
    def _models(self) -> Numbers:
        return self._of_runs({run.id: run.model for run in self.runs.values()})

    def _of_runs(self, values: Mapping[int, int]) -> Numbers:
        found = np.zeros(max(self.runs, default=0) + 1, np.int64)
        for run, value in values.items():
            found[run] = value
        return found

    @cached_property
    def current(self) -> Mask:
        """The cells that count."""
        counts = self._of_runs({run.id: int(run.counts) for run in self.runs.values()}).astype(bool)
        hidden = np.array(
            [any(run in self.runs and counts[run] for run in runs) for runs in self.later], bool
        )
        column = dict(zip(DIMENSIONS, self.columns, strict=True))
        found: Mask = (
            (self.n > 0) & counts[column["run"]] & ~hidden[column["later"]] & (column["filled"] == 0)
        )
        return found

    @cached_property
    def weights(self) -> Numbers:
        """How many answers each cell has that counts, 0 for the others."""
        return np.where(self.current, self.n, 0)

    @cached_property
    def term_ids(self) -> dict[str, int]:
        """The number of each term."""
        return {text: number for number, text in enumerate(self.terms)}

    @cached_property
    def run_ids(self) -> dict[str, int]:
        """The number of each run, by its IRI."""
        return {run.iri: run.id for run in self.runs.values()}

    @cached_property
    def below(self) -> dict[int, set[int]]:
        """The narrower values of each concept, however far below."""
        found: dict[int, set[int]] = {}
        for value, concepts in self.above.items():
            for concept in concepts:
                found.setdefault(concept, set()).add(value)
        return found

    def chosen(self, facet: str, values: Iterable[str], *, exact: bool = False) -> Mask:
        """The cells that have one of these values; narrower ones count too, unless `exact`."""
        ids = self.run_ids if facet == "run" else self.term_ids
        wanted = {ids[value] for value in values if value in ids}
        if facet == "value" and not exact:
            wanted |= {below for value in wanted for below in self.below.get(value, ())}
        found: Mask = np.isin(self.column(facet), sorted(wanted))
        return found

    def matching(self, filters: Filters) -> Mask:
        """The current cells that fit what was chosen, whatever the text."""
        found = self.current
        for facet, values in filters.chosen.items():
            found = found & self.chosen(facet, values, exact=filters.exact)
        return found

    def text_of(self, facet: str, number: int) -> str:
        """A value of a facet: an IRI, a literal or a word."""
        if facet == "run":
            return self.runs[number].iri if number in self.runs else UNKNOWN
        return self.terms[number]

    def names(self, connection: sqlite3.Connection, language: str) -> Mapping[int, str]:
        """What terms are called in a language, in English where they have no name in it, else in any."""
        if language not in self._names:
            found: dict[int, tuple[int, str]] = {}
            rank = {"en": 1, "": 1, language: 0, **({"": 0} if language == "en" else {})}
            for term, tag, text in connection.execute(
                "SELECT term, language, text FROM name WHERE language <> ?", (OF_IRI,)
            ):
                candidate = (rank.get(tag, 2), text)
                found[term] = min(found.get(term, candidate), candidate)
            self._names[language] = {term: text for term, (_, text) in found.items()}
        return self._names[language]


def _cells(connection: sqlite3.Connection, before: Cells) -> tuple[Numbers, Numbers]:
    """The columns and counts of all cells: those of before, and what has come or changed since. A cell's place is its id
    less one."""
    query = f"SELECT id, n, {', '.join(DIMENSIONS)} FROM cell WHERE version > ? ORDER BY id"
    rows = np.array(connection.execute(query, (before.version,)).fetchall(), np.int64)
    if not rows.size:
        return before.columns, before.n
    places, known = rows[:, 0] - 1, len(before.n)
    fresh = rows[places >= known]
    n = np.concatenate([before.n, fresh[:, 1]])
    n[places] = rows[:, 1]
    columns = np.concatenate([before.columns, fresh[:, 2:].T], axis=1) if len(fresh) else before.columns
    return columns, n


def _above(connection: sqlite3.Connection) -> dict[int, tuple[int, ...]]:
    found: dict[int, list[int]] = {}
    for term, broader in connection.execute("SELECT term, broader FROM above ORDER BY term, place"):
        found.setdefault(term, []).append(broader)
    return {term: tuple(concepts) for term, concepts in found.items()}


assert set(FACETS) <= {*DIMENSIONS, "model"}
