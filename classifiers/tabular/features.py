"""A record's known values and context as a sparse matrix: nominal values one-hot, numbers as they are.

Nominal values are never numbered: each is a column of its own, and a record with several has several
ones. Numbers are counts (pictures, texts) and the numerals of the record's identifier and of its first
picture's file name, which in most museums are accession numbers: objects acquired together stand side by
side. They mean something only within their museum, so they are read only when the record's museum is
known and was seen in training.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Self

import numpy as np
from pydantic import model_validator
from scipy.sparse import csr_matrix, hstack

from enrich.classifiers.data import Record
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.numerals import NUMERALS, museum_of, museums_of, sources_of
from enrich.classifiers.one_hot import KNOWN, Token, one_hot, values_of
from enrich.classifiers.stored import Stored

_COUNTS = ("pictures", "texts")
_KNOTS, _MOST_COLUMNS = 2048, 20_000


class FeatureMap(Stored):
    """Columns learnt from the training records; the same columns for every property.

    `columns` are (kind, name, value) of the one-hot columns. `museum` is the context that numerals
    belong to (None: numerals are not used), `knots` the quantiles of the first numeral by (source,
    museum), in `museums` order.
    """

    columns: tuple[Token, ...] = ()
    museum: str | None = None
    museums: tuple[str, ...] = ()
    knots: Mapping[str, tuple[tuple[float, ...], ...]] = {}
    lowest: Mapping[str, float] = {}
    """The contexts that are numbers, with the lowest of each in training, from which they are counted."""

    @classmethod
    def learn(cls, records: Sequence[Record], museum: str | None = None, minimum: int = 2) -> Self:
        """Columns for the values that at least `minimum` records have, the most frequent of them."""
        seen: Counter[Token] = Counter()
        for record in records:
            seen.update(set(values_of(record)))
        kept = sorted(c for c, n in seen.most_common(_MOST_COLUMNS) if n >= minimum)
        measured: dict[str, list[float]] = {}
        for record in records:
            for name, number in record.numbers.items():
                measured.setdefault(name, []).append(number)
        lowest = {name: min(found) for name, found in sorted(measured.items()) if min(found) < max(found)}
        museums = museums_of(records, museum)
        knots = _learn_knots(records, museum, museums)
        return cls(columns=tuple(kept), museum=museum, museums=museums, knots=knots, lowest=lowest)

    @property
    def numeric(self) -> tuple[str, ...]:
        """Names of the numeric columns, which follow the one-hot columns."""
        names = [f"number of {what}" for what in _COUNTS]
        for source in sorted(self.knots):
            names += [f"{source} numeral {i + 1}" for i in range(NUMERALS)] + [f"{source} position"]
        return (*names, *self.measured)

    @property
    def measured(self) -> tuple[str, ...]:
        """Names of the columns of contexts that are numbers, which are the last."""
        return tuple(sorted(self.lowest))

    def stated(self) -> Rows:
        """The columns of what is stated of a record: values and measured contexts."""
        width = len(self.columns) + len(self.numeric)
        measured = np.arange(width - len(self.measured), width)
        return np.concatenate([np.arange(len(self.columns)), measured])

    def names(self) -> tuple[str, ...]:
        """A readable name of every column."""
        return (*(f"{name} = {value}" for _, name, value in self.columns), *self.numeric)

    def keep(self, hidden: str) -> Rows:
        """The columns that may be looked at when `hidden` is the property asked for."""
        own = (KNOWN, hidden)
        width = len(self.columns) + len(self.numeric)
        return np.array(
            [i for i in range(width) if i >= len(self.columns) or self.columns[i][:2] != own], np.intp
        )

    def matrix(self, records: Sequence[Record]) -> Any:
        """CSR float32 (n, columns)."""
        index = {column: i for i, column in enumerate(self.columns)}
        found = ({index[c] for c in values_of(record) if c in index} for record in records)
        nominal = one_hot(found, [1.0] * len(self.columns))
        numbers = csr_matrix(np.nan_to_num(self._numbers(records)).astype(np.float32))
        return hstack([nominal, numbers], format="csr", dtype=np.float32)

    def _numbers(self, records: Sequence[Record]) -> FloatArray:
        """The numeric columns (n, numeric), NaN where a record has none; all above zero."""
        table = np.full((len(records), len(self.numeric)), np.nan)
        place = {name: i for i, name in enumerate(self.museums)}
        wanted = sorted(self.knots)
        for row, record in enumerate(records):
            table[row, 0] = len(record.pictures) + 1.0
            table[row, 1] = len(record.texts) + 1.0
            for i, name in enumerate(self.measured, table.shape[1] - len(self.measured)):
                if name in record.numbers:
                    table[row, i] = max(record.numbers[name] - self.lowest[name], 0.0) + 1.0
            museum = museum_of(record, self.museum)
            if museum not in place:
                continue
            sources = sources_of(record)
            for s, source in enumerate(wanted):
                found = sources.get(source, ())
                start = len(_COUNTS) + s * (NUMERALS + 1)
                for i, value in enumerate(found):
                    table[row, start + i] = value + 1.0
                knots = self.knots[source][place[museum]]
                if found and knots:
                    share = float(np.interp(found[0], knots, np.linspace(0.0, 1.0, len(knots))))
                    table[row, start + NUMERALS] = 1.2 * place[museum] + 1.0 + share
        return table

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if any(len(rows) != len(self.museums) for rows in self.knots.values()):
            raise ValueError("the knots are not those of the museums")
        if len(set(self.columns)) != len(self.columns):
            raise ValueError("columns are repeated")
        return self


def _learn_knots(
    records: Sequence[Record], context: str | None, museums: tuple[str, ...]
) -> dict[str, tuple[tuple[float, ...], ...]]:
    """Quantiles of the first numeral per source and museum; sources that no record has are left out."""
    found: dict[str, dict[str, list[float]]] = {}
    for record in records:
        if (museum := museum_of(record, context)) is None:
            continue
        for source, numbers in sources_of(record).items():
            if numbers:
                found.setdefault(source, {}).setdefault(museum, []).append(numbers[0])
    knots = {}
    for source, by_museum in found.items():
        rows = []
        for name in museums:
            distinct = np.unique(by_museum.get(name, []))
            if len(distinct) > _KNOTS:
                distinct = np.unique(np.quantile(distinct, np.linspace(0.0, 1.0, _KNOTS)))
            rows.append(tuple(float(v) for v in distinct) if len(distinct) > 1 else ())
        knots[source] = tuple(rows)
    return knots
