"""Full text: words in the names of records and values, without regard to accents and case."""

from __future__ import annotations

import json
import sqlite3
import unicodedata

import numpy as np

from enrich.web.index.cells import Cells, Numbers

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
    values = cells.column("value")
    conditions, given = [], []
    for word in words:
        rows = connection.execute(
            "SELECT term FROM name WHERE id IN (SELECT rowid FROM name_words WHERE name_words MATCH ?)",
            (word,),
        )
        some = np.flatnonzero(np.isin(values, [term for (term,) in rows]) & cells.current) + 1
        conditions.append(
            "(answer.record IN (SELECT rowid FROM record_words WHERE record_words MATCH ?) "
            "OR answer.cell IN (SELECT value FROM json_each(?)))"
        )
        given += [word, json.dumps(some.tolist())]
    return " AND ".join(conditions), given


def cells_with_text(connection: sqlite3.Connection, cells: Cells, text: str) -> Numbers:
    """How many answers of each cell have the text."""
    condition, given = with_text(connection, cells, text)
    found = np.zeros(len(cells.n), np.int64)
    for cell, n in connection.execute(
        f"SELECT cell, count(*) FROM answer WHERE {condition} GROUP BY cell", given
    ):
        found[cell - 1] = n
    return found
