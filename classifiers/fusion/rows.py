"""Which records the modalities spoke of, and how a fuser passes that on."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from classifiers.base import Distribution, FloatArray
from classifiers.data import Property, Record
from classifiers.fusion.base import ByModality


def present_rows(by: ByModality, prop: Property, n: int) -> NDArray[np.bool_]:
    """The records (n,) that any modality had something to say of."""
    found = np.zeros(n, dtype=bool)
    for said in by.values():
        found |= said[prop.name].present
    return found


def heard_rows(by: ByModality, modality: str, prop: Property, rows: NDArray[np.intp]) -> NDArray[np.bool_]:
    """Which of the rows a modality spoke of; none when it is not a member."""
    if modality not in by:
        return np.zeros(len(rows), dtype=bool)
    heard: NDArray[np.bool_] = by[modality][prop.name].present[rows]
    return heard


def some_rows(by: ByModality, prop: Property, rows: NDArray[np.intp]) -> dict[str, Distribution]:
    """What each modality said of some of the records."""
    return {modality: said[prop.name].take(rows) for modality, said in by.items()}


def distribution(prop: Property, said: FloatArray, present: NDArray[np.bool_]) -> Distribution:
    """Probabilities (n, K) as a distribution, NaN where nothing was said."""
    return Distribution(prop.classes, np.where(present[:, None], said, np.nan), present, prop.many)


def thinned(record: Record, rng: np.random.Generator) -> Record:
    """The record with each property's known values hidden half of the time."""
    return record.without(*[name for name in sorted(record.known) if rng.random() < 0.5])
