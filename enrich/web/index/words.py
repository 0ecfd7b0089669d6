"""Full text: words in the names of records and values, without regard to accents and case."""

from __future__ import annotations

import json
import sqlite3
import unicodedata

import numpy as np

from enrich.web.index.cells import Cells, Mask, Numbers

MOST_WORDS, LONGEST = 8, 200
"""Of a text so many words count, and so many characters."""


def asked_words(text: str) -> list[str]:
    """The words of a text, each as FTS5 takes it: a phrase that begins a word, whatever stands in it."""
    cleaned = unicodedata.normalize("NFC", text[:LONGEST].encode("utf-8", "replace").decode()).replace(
        "\0", " "
    )
    words = [word for word in cleaned.split() if any(c.isalnum() for c in word)]
    return ['"{}"*'.format(word.replace('"', '""')) for word in words[:MOST_WORDS]]


def with_text(connection: sqlite3.Connection, cells: Cells, text: str) -> tuple[str, list[str]]:
    """A condition on `answer` that holds where each word is in the name of the record or of the value, and what it is
    given."""
    words = asked_words(text)
    if not words:
        return "0", []
    conditions, given = [], []
    for word in words:
        some = np.flatnonzero(_named(connection, cells, word) & cells.current) + 1
        conditions.append(
            "(answer.record IN (SELECT rowid FROM record_words WHERE record_words MATCH ?) "
            "OR answer.cell IN (SELECT value FROM json_each(?)))"
        )
        given += [word, json.dumps(some.tolist())]
    return " AND ".join(conditions), given


def cells_with_text(connection: sqlite3.Connection, cells: Cells, text: str) -> Numbers:
    """How many answers of each cell have the text: all of them where the value's name has every word; else those about
    records whose name has the words that the value's lacks."""
    words = asked_words(text)
    found = np.zeros(len(cells.n), np.int64)
    lacking = np.zeros(len(cells.n), np.int64)
    for place, word in enumerate(words):
        lacking += np.where(_named(connection, cells, word), 0, 1 << place)
    for pattern in np.unique(lacking[cells.current]) if words else ():
        own = lacking == pattern
        if not pattern:
            found[own] = cells.n[own]
            continue
        match = " AND ".join(word for place, word in enumerate(words) if int(pattern) >> place & 1)
        query = (
            "SELECT cell, count(*) FROM answer WHERE record IN "
            "(SELECT rowid FROM record_words WHERE record_words MATCH ?) GROUP BY cell"
        )
        for cell, n in connection.execute(query, (match,)):
            if own[cell - 1]:
                found[cell - 1] = n
    return found


def _named(connection: sqlite3.Connection, cells: Cells, word: str) -> Mask:
    """The cells whose value has a name with the word."""
    rows = connection.execute(
        "SELECT term FROM name WHERE id IN (SELECT rowid FROM name_words WHERE name_words MATCH ?)", (word,)
    )
    found: Mask = np.isin(cells.column("value"), [term for (term,) in rows])
    return found
