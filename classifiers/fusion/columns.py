"""Everything a record says in words and known values, as sparse columns: texts, tokens and pairs of tokens.

A token is a known value or a context value; a pair of tokens stands for both together, because what a
value tells of a place often depends on the kind of object.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from scipy.sparse import diags, hstack

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Record
from enrich.classifiers.fusion.shelf import NOWHERE, positions
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.numerals import museums_of
from enrich.classifiers.one_hot import KNOWN, Token, one_hot, values_of
from enrich.classifiers.tfidf.features import TextFeatures, TextFeatureSettings

TOKENS = "tokens.json"
_PAIR_WEIGHT = 0.8
_MOST_COLUMNS = 50_000
_MOST_VALUES = 12
"""Values read per property and context: a record with hundreds must not make pairs by the thousand."""


def tokens(record: Record) -> list[Token]:
    """The record's known and context values, in a fixed order."""
    return sorted(values_of(record, _MOST_VALUES))


def pairs(found: Sequence[Token]) -> Iterator[tuple[Token, Token]]:
    """Known values with each other value of another property or context."""
    for i, one in enumerate(found):
        for other in found[i + 1 :]:
            if KNOWN in (one[0], other[0]) and one[:2] != other[:2]:
                yield one, other


@dataclass(frozen=True)
class Columns:
    """The matrices of some records: `text` (n, F) and `token` (n, T), CSR float32; `shelf` (n, 2), their positions."""

    text: Any
    token: Any
    shelf: FloatArray

    def take(self, rows: Rows) -> Columns:
        """The same for some of the records."""
        return Columns(self.text[rows], self.token[rows], self.shelf[rows])

    def both(self, visible: Flags, weight: float) -> Any:
        """CSR (n, F + T): texts, and the visible tokens times `weight`; the others are zero."""
        scaled = self.token @ diags(np.where(visible, weight, 0.0).astype(np.float32))
        return hstack([self.text, scaled], format="csr", dtype=np.float32)


class RecordColumns:
    """Learnt columns; `vocabulary` holds each token column as one token or a pair.

    `museum` is the context that accession numbers belong to (None: they are not looked at), `museums` those known.
    """

    def __init__(
        self,
        text: TextFeatures,
        vocabulary: Sequence[tuple[Token, ...]],
        museum: str | None = None,
        museums: Sequence[str] = (),
    ) -> None:
        self.text = text
        self.vocabulary = tuple(vocabulary)
        self.museum, self.museums = museum, tuple(museums)
        self._index = {column: i for i, column in enumerate(self.vocabulary)}

    @classmethod
    def learn(
        cls, records: Sequence[Record], settings: TextFeatureSettings | None = None, museum: str | None = None
    ) -> tuple[Self, Columns]:
        """Columns for what more than one record has, the most frequent; and the records' own."""
        seen: Counter[tuple[Token, ...]] = Counter()
        for record in records:
            found = tokens(record)
            seen.update((token,) for token in found)
            seen.update(pairs(found))
        kept = sorted(column for column, n in seen.most_common(_MOST_COLUMNS) if n > 1)
        text, matrix = TextFeatures.learn(records, settings)
        made = cls(text, kept, museum, museums_of(records, museum))
        return made, Columns(matrix, made.token_matrix(records), made.positions(records))

    def __len__(self) -> int:
        return len(self.text) + len(self.vocabulary)

    def matrices(self, records: Sequence[Record]) -> Columns:
        """The columns of some records; pairs count a little less than single tokens."""
        return Columns(self.text.matrix(records), self.token_matrix(records), self.positions(records))

    def positions(self, records: Sequence[Record]) -> FloatArray:
        """Where the records stand on the shelf of their museum, (n, 2)."""
        return positions(records, self.museum, self.museums)

    def token_matrix(self, records: Sequence[Record]) -> Any:
        """CSR float32 (n, T)."""
        weights = [1.0 if len(column) == 1 else _PAIR_WEIGHT for column in self.vocabulary]
        return one_hot(map(self._columns_of, records), weights)

    def _columns_of(self, record: Record) -> set[int]:
        found = tokens(record)
        own = (*((token,) for token in found), *pairs(found))
        return {self._index[column] for column in own if column in self._index}

    def visible(self, prop: str) -> Flags:
        """The token columns (T,) that may be looked at when `prop` is asked for."""
        return np.array([all(t[:2] != (KNOWN, prop) for t in c) for c in self.vocabulary], dtype=bool)

    def sources(self) -> dict[tuple[str, str], Rows]:
        """The columns of single tokens, by the property or context they belong to."""
        found: dict[tuple[str, str], list[int]] = {}
        for i, column in enumerate(self.vocabulary):
            if len(column) == 1:
                found.setdefault(column[0][:2], []).append(i)
        return {source: np.asarray(rows, dtype=np.intp) for source, rows in sorted(found.items())}

    def singles(self) -> Flags:
        """Which token columns (T,) are single tokens."""
        return np.array([len(column) == 1 for column in self.vocabulary], dtype=bool)

    def words(self) -> Flags:
        """Which text columns (F,) are words rather than letters."""
        return np.array([name != "letters" for name, _ in self.text.names()], dtype=bool)

    def write(self, folder: Path) -> None:
        """tokens.json beside what the text features write."""
        self.text.write(folder)
        (folder / TOKENS).write_text(json.dumps(self.vocabulary), encoding="utf-8")

    @classmethod
    def read(
        cls,
        folder: Path,
        settings: TextFeatureSettings,
        museum: str | None = None,
        museums: Sequence[str] = (),
    ) -> Self:
        """Raises ClassifierError for anything that is not what `write` left."""
        try:
            listed = json.loads((folder / TOKENS).read_text(encoding="utf-8"))
            vocabulary = [tuple(_token(t) for t in column) for column in listed]
        except (OSError, ValueError, TypeError) as error:
            raise ClassifierError(f"{folder}: {TOKENS} cannot be read: {error}") from error
        if len(set(vocabulary)) != len(vocabulary) or not all(1 <= len(c) <= 2 for c in vocabulary):
            raise ClassifierError(f"{folder}: {TOKENS} repeats itself or has columns of more than two tokens")
        return cls(TextFeatures.read(folder, settings), vocabulary, museum, museums)


def _token(parts: Any) -> Token:
    kind, name, value = map(str, parts)
    return kind, name, value


def gated(columns: Columns, text: Flags, token: Flags) -> Columns:
    """The columns with the texts or tokens of some records (n,) made empty."""
    return Columns(
        columns.text if text.all() else diags(text.astype(np.float32), format="csr") @ columns.text,
        columns.token if token.all() else diags(token.astype(np.float32), format="csr") @ columns.token,
        np.where(token[:, None], columns.shelf, NOWHERE),
    )
