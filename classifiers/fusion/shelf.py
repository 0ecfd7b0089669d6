"""The votes of a record's neighbours on the shelf: records of its museum with the nearest accession numbers.

What was acquired together has numbers side by side, and was often made in one place and time. A number means something
within its museum only, and says nothing of a block of numbers that was never seen: there the fusion does without.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.data import Record
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.numerals import museum_of, numerals

NOWHERE = -1.0
"""The position of a record without museum or number."""
EACH_SIDE = 8
"""Neighbours that vote, on each side."""
_ROWS_AT_ONCE = 4_000
_HALF = 1e4


def positions(records: Sequence[Record], context: str | None, museums: Sequence[str]) -> FloatArray:
    """Where each record stands, (n, 2): the number of its museum and its accession number; NOWHERE where either lacks.

    A second numeral orders the records of one lot.
    """
    found = np.full((len(records), 2), NOWHERE)
    place = {name: float(i) for i, name in enumerate(museums)}
    for row, record in enumerate(records if museums else ()):
        museum = place.get(museum_of(record, context) or "")
        numbers = numerals(record.id)
        if museum is not None and numbers:
            within = numbers[1] / (numbers[1] + _HALF) if len(numbers) > 1 else 0.0
            found[row] = museum, numbers[0] + within
    return found


def votes(asked: FloatArray, voters: FloatArray, targets: NDArray[np.float32]) -> FloatArray:
    """Votes (n, K) for positions (n, 2) by voters (m, 2) with targets (m, K); NaN where nobody stands near.

    The nearer in the row and in number, the more a vote weighs.
    """
    found = np.full((len(asked), targets.shape[1]), np.nan)
    for museum in np.unique(voters[voters[:, 0] != NOWHERE, 0]):
        who = np.flatnonzero(voters[:, 0] == museum)
        who = who[np.argsort(voters[who, 1], kind="stable")]
        rows = np.flatnonzero(asked[:, 0] == museum)
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            some = rows[start : start + _ROWS_AT_ONCE]
            found[some] = _votes_of(asked[some, 1], voters[who, 1], targets[who])
    return found


def _votes_of(asked: FloatArray, shelf: FloatArray, targets: NDArray[np.float32]) -> FloatArray:
    """Votes (n, K) for numbers (n,) by a sorted shelf (m,) of one museum."""
    steps = np.arange(-EACH_SIDE, EACH_SIDE)
    places = np.searchsorted(shelf, asked)[:, None] + steps
    there = (places >= 0) & (places < len(shelf))
    places = np.clip(places, 0, len(shelf) - 1)
    apart = np.log1p(np.abs(shelf[places] - asked[:, None]))
    weight = there / (1.0 + np.abs(steps + 0.5)) / (1.0 + apart)
    total = weight.sum(axis=1, keepdims=True)
    summed = np.einsum("ns,nsk->nk", weight, targets[places].astype(np.float64))
    voted: FloatArray = summed / np.where(total > 0, total, np.nan)
    return voted
