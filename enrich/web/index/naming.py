"""Records and values found by what they are called, and the answers about some records."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

import numpy as np

from enrich.web.index.asked import RECORD, Named, Row
from enrich.web.index.facets import Counting
from enrich.web.index.rows import rows_of
from enrich.web.index.words import LONGEST, asked_words

_LOOKED_AT = 200
"""Names that are compared with a text, of records and of values each."""


def named(counting: Counting, text: str, kinds: Sequence[str], limit: int) -> list[Named]:
    """Records and values whose names have a text's words, those most like it first: by the share of pairs of neighbouring
    letters that both have (Dice). `kinds` are properties whose values are wanted, or RECORD; none for all."""
    words = " ".join(asked_words(text))
    if not words:
        return []
    said = _pairs(text)
    found = [*_records(counting, words, kinds), *_values(counting, words, kinds)]
    alike = [replace(one, likeness=_alike(said, _pairs(one.name))) for one in found]
    return sorted(alike, key=lambda one: (-one.likeness, one.name, one.value, one.kind))[:limit]


def _pairs(text: str) -> Counter[tuple[str, str]]:
    """How often which two letters stand beside each other in the beginning of a text, the ends counted as spaces."""
    begins = text[:LONGEST].strip().casefold()
    return Counter(zip(f" {begins}", f"{begins} ", strict=True))


def _alike(one: Counter[tuple[str, str]], other: Counter[tuple[str, str]]) -> float:
    return 2 * (one & other).total() / (one.total() + other.total())


def _records(counting: Counting, words: str, kinds: Sequence[str]) -> Iterator[Named]:
    if kinds and RECORD not in kinds:
        return
    query = (
        "SELECT iri, name FROM record WHERE id IN "
        "(SELECT rowid FROM record_words WHERE record_words MATCH ? ORDER BY rank LIMIT ?)"
    )
    for iri, name in counting.connection.execute(query, (words, _LOOKED_AT)):
        yield Named(iri, name, RECORD, 0.0)


def _values(counting: Counting, words: str, kinds: Sequence[str]) -> Iterator[Named]:
    """Values that some answer gives, each under every property that it is given for."""
    cells = counting.cells
    query = (
        "SELECT term, text FROM name WHERE id IN "
        "(SELECT rowid FROM name_words WHERE name_words MATCH ? ORDER BY rank LIMIT ?)"
    )
    best: dict[int, str] = {}
    for term, name in counting.connection.execute(query, (words, _LOOKED_AT)):
        best.setdefault(term, name)
    values, properties = cells.column("value"), cells.column("property")
    for term, name in best.items():
        for number in np.unique(properties[(values == term) & cells.current]):
            kind = cells.terms[number]
            if not kinds or kind in kinds:
                yield Named(cells.terms[term], name, kind, 0.0)


def about(counting: Counting, records: Collection[str]) -> list[Row]:
    """The current answers about some records, in the order in which they were given."""
    query = (
        "SELECT id FROM answer WHERE record IN "
        "(SELECT id FROM record WHERE iri IN (SELECT value FROM json_each(?))) ORDER BY id"
    )
    rows = counting.connection.execute(query, (json.dumps(list(records)),))
    return rows_of(counting, [row for (row,) in rows], counting.cells.current)
