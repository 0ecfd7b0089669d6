"""Counts: the values of every facet, two facets against each other, and groups of answers that are alike."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from enrich.errors import InputError
from enrich.graph.labels import told_apart
from enrich.web.index.asked import FACETS, PENDING, UNKNOWN, Cross, FacetValue, Filters, Group, Together
from enrich.web.index.cells import Cells, Mask, Numbers
from enrich.web.index.words import cells_with_text, with_text

NAMED = ("value", "museum", "model", "run")
"""Facets whose values are things with names; those of the others are words."""
_OF_GROUPS = ("property", "value", "band", "museum")


class Counting:
    """Counts the cells of one version of the index, for one reader's language."""

    def __init__(
        self, connection: sqlite3.Connection, cells: Cells, language: str, prefixes: Mapping[str, str]
    ) -> None:
        self.connection, self.cells, self.prefixes = connection, cells, prefixes
        self.names = cells.names(connection, language)

    def facets(self, filters: Filters, limit: int) -> dict[str, list[FacetValue]]:
        """The values of every facet, the most frequent first; each facet leaves out its own choice."""
        fits = {
            name: self.cells.chosen(name, values, exact=filters.exact) for name, values in _checked(filters)
        }
        misses = np.zeros(len(self.cells.n), np.int64)
        for fit in fits.values():
            misses += ~fit
        weights = self.weights(filters)
        found = {}
        for facet in FACETS:
            own = misses - ~fits[facet] if facet in fits else misses
            found[facet] = self._values(
                facet, np.where(own == 0, weights, 0), filters.chosen.get(facet, ()), limit
            )
        return found

    def weights(self, filters: Filters) -> Numbers:
        """How many current answers of each cell have the text."""
        text = filters.text
        if not text.strip():
            return self.cells.weights
        with_text = self.cells.once(
            ("text", text), lambda: cells_with_text(self.connection, self.cells, text)
        )
        return np.where(self.cells.current, with_text, 0)

    def matching(self, filters: Filters) -> Mask:
        """The cells that fit."""
        _checked(filters)
        return self.cells.matching(filters)

    def total(self, filters: Filters) -> int:
        """How many answers fit."""
        return int(self.weights(filters)[self.matching(filters)].sum())

    def _values(self, facet: str, weights: Numbers, chosen: Sequence[str], limit: int) -> list[FacetValue]:
        sums = np.bincount(self.cells.column(facet), weights=weights).astype(np.int64)
        counts = {int(number): int(sums[number]) for number in np.flatnonzero(sums)}
        if facet == "value":
            counts = self._with_broader(counts)
        ids = self.cells.run_ids if facet == "run" else self.cells.term_ids
        counts |= {ids[value]: 0 for value in chosen if value in ids and ids[value] not in counts}
        texts = {number: self.cells.text_of(facet, number) for number in counts}
        ordered = sorted(counts, key=lambda number: (-counts[number], texts[number]))
        kept = ordered[:limit] + [n for n in ordered[limit:] if texts[n] in chosen]
        names = self.called(facet, kept)
        return [
            FacetValue(texts[n], names[n], counts[n], self._broader(n) if facet == "value" else None)
            for n in kept
        ]

    def _with_broader(self, counts: Mapping[int, int]) -> dict[int, int]:
        """A broader concept has what is counted under it, once."""
        found = dict(counts)
        for value, count in counts.items():
            for concept in self.cells.above.get(value, ()):
                found[concept] = found.get(concept, 0) + count
        return found

    def _broader(self, number: int) -> str | None:
        above = self.cells.above.get(number, ())
        return self.cells.terms[above[0]] if above else None

    def called(self, facet: str, numbers: Iterable[int]) -> dict[int, str]:
        """Names for a reader; no two things are called alike."""
        texts = {number: self.cells.text_of(facet, number) for number in numbers}
        if facet not in NAMED:
            return texts
        if facet == "run":
            labels = {iri: self.cells.runs[n].title for n, iri in texts.items() if n in self.cells.runs}
        else:
            labels = {text: self.names[n] for n, text in texts.items() if n in self.names}
        known = [text for text in texts.values() if text != UNKNOWN]
        told = {UNKNOWN: UNKNOWN, **told_apart(known, labels, self.prefixes)}
        return {number: told[text] for number, text in texts.items()}

    def cross(self, filters: Filters, a: str, b: str) -> list[Cross]:
        """How many answers have each two values of two facets together, the most frequent first."""
        for facet in (a, b):
            _known(facet)
        sums, keys = self._summed(filters, (a, b))
        found = [
            Cross(self.cells.text_of(a, int(left)), self.cells.text_of(b, int(right)), int(n))
            for (left, right), n in zip(keys, sums, strict=True)
        ]
        return sorted(found, key=lambda cross: (-cross.count, cross.a, cross.b))

    def together(self, filters: Filters, a: str, b: str) -> list[Together]:
        """How many records have each two values of two properties, at least one of them a suggestion that fits. One that a
        curator turned down is a suggestion no more, unless states were chosen."""
        wanted = filters.standing.without("property").without("value")
        fits = self.matching(wanted) & (self.cells.column("value") != 0)
        condition, more = (
            with_text(self.connection, self.cells, filters.text) if filters.text.strip() else ("1", [])
        )
        sides, given = [], list[str | int]()
        for side, name in (("a", a), ("b", b)):
            number = self.cells.term_ids.get(name, -1)
            some = np.flatnonzero(fits & (self.cells.column("property") == number)) + 1
            sides.append(
                f"{side} AS MATERIALIZED (SELECT record, cell.value AS value, 1 AS suggested FROM answer JOIN cell ON "
                f"cell.id = answer.cell WHERE answer.cell IN (SELECT value FROM json_each(?)) AND {condition} "
                "UNION ALL SELECT record, value, 0 FROM known WHERE property = ?)"
            )
            given += [json.dumps(some.tolist()), *more, number]
        query = (
            f"WITH {', '.join(sides)} SELECT a.value, b.value, count(DISTINCT a.record) FROM a JOIN b USING (record) "
            "WHERE a.suggested OR b.suggested GROUP BY a.value, b.value"
        )
        rows = self.connection.execute(query, given).fetchall()
        lefts = self.called("value", dict.fromkeys(left for left, _, _ in rows))
        rights = self.called("value", dict.fromkeys(right for _, right, _ in rows))
        terms = self.cells.terms
        found = [Together(terms[x], lefts[x], terms[y], rights[y], n) for x, y, n in rows]
        return sorted(found, key=lambda pair: (-pair.count, pair.a, pair.b))

    def grouped(self, filters: Filters, limit: int) -> list[Group]:
        """The pending predictions that fit, by property, value, band and museum; the largest groups first."""
        own = {"state": (PENDING,), "outcome": ("Predicted",)}
        sums, keys = self._summed(Filters({**filters.chosen, **own}, filters.text, filters.exact), _OF_GROUPS)
        largest = sorted(range(len(sums)), key=lambda at: (-int(sums[at]), tuple(keys[at])))[:limit]
        values = self.called("value", dict.fromkeys(int(keys[at][1]) for at in largest))
        museums = self.called("museum", dict.fromkeys(int(keys[at][3]) for at in largest))
        text = self.cells.terms
        return [
            Group(text[p], text[v], values[v], text[band], text[m], museums[m], int(sums[at]))
            for at in largest
            for p, v, band, m in [map(int, keys[at])]
        ]

    def _summed(self, filters: Filters, facets: Sequence[str]) -> tuple[Numbers, NDArray[np.int64]]:
        """The sums of the cells that fit, by their values of some facets."""
        weights = np.where(self.matching(filters), self.weights(filters), 0)
        some = np.flatnonzero(weights)
        places = np.zeros(len(some), np.int64)
        for column in (self.cells.column(facet)[some] for facet in facets):
            _, codes = np.unique(column, return_inverse=True)
            _, places = np.unique(places * (len(some) + 1) + codes, return_inverse=True)
        _, firsts = np.unique(places, return_index=True)
        keys = np.stack([self.cells.column(facet)[some[firsts]] for facet in facets], axis=1)
        sums = np.bincount(places, weights=weights[some], minlength=len(keys)).astype(np.int64)
        return sums, keys


def _checked(filters: Filters) -> Iterable[tuple[str, tuple[str, ...]]]:
    """What was chosen, by facets that there are."""
    for facet in filters.chosen:
        _known(facet)
    return filters.chosen.items()


def _known(facet: str) -> None:
    if facet not in FACETS:
        raise InputError(f"no facet is called {facet!r}; there are: {', '.join(FACETS)}")
