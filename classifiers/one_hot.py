"""Nominal values as sparse columns: each value has a column of its own, and a record with several has several."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix


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
