"""Which records the modalities have a prediction for, and the predictions of some records."""

import numpy as np

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Property
from enrich.classifiers.fusion.base import ByModality
from enrich.classifiers.kinds import Flags, Rows


def present_rows(by: ByModality, prop: Property, n: int) -> Flags:
    """The records (n,) that any modality has a prediction for."""
    found = np.zeros(n, dtype=bool)
    for predictions in by.values():
        found |= predictions[prop.name].present
    return found


def present_in(by: ByModality, modality: str, prop: Property, rows: Rows) -> Flags:
    """Which of the rows one modality has a prediction for; none when it is not a member."""
    if modality not in by:
        return np.zeros(len(rows), dtype=bool)
    present: Flags = by[modality][prop.name].present[rows]
    return present


def take(by: ByModality, rows: Rows) -> dict[str, dict[str, Distribution]]:
    """The predictions of some of the records."""
    return {m: {name: d.take(rows) for name, d in predictions.items()} for m, predictions in by.items()}


def take_property(by: ByModality, prop: Property, rows: Rows) -> dict[str, Distribution]:
    """What each modality predicts of one property for some of the records."""
    return {modality: predictions[prop.name].take(rows) for modality, predictions in by.items()}
