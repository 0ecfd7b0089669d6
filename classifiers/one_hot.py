"""Nominal values as sparse columns: each value has a column of its own, and a record with several has several."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix

from enrich.classifiers.data import Record

KNOWN, CONTEXT = "known", "context"
Token = tuple[str, str, str]
"""Whether it is known or context, the name of the property or context, and the value."""


def values_of(record: Record, most: int | None = None) -> Iterator[Token]:
    """The record's known and context values, of each property and context at most so many."""
    for kind, by_name in ((KNOWN, record.known), (CONTEXT, record.context)):
        for name, values in by_name.items():
            for value in values[:most]:
                yield kind, name, value


def one_hot(records: Iterable[set[int]], weights: Sequence[float]) -> Any:
    """CSR float32 (n, columns) of the columns that each record has; a column's entries are its weight."""
    pointers: list[int] = [0]
    columns: list[int] = []
    for found in records:
        columns += sorted(found)
        pointers.append(len(columns))
    index = np.asarray(columns, dtype=np.int32)
    data = np.asarray([*weights, 0.0], dtype=np.float32)[index]
    return csr_matrix((data, index, pointers), shape=(len(pointers) - 1, len(weights)))
