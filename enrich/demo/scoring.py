"""How the demo's answers compare with the truth that only the demo knows."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enrich.classifiers.model.metrics import accuracy, macro_f1
from enrich.demo.museum import Truth


@dataclass(frozen=True)
class Score:
    """How the answers to a property's gaps compare with the truth.

    `coverage` is the share of gaps that were answered rather than abstained from; `accuracy` and `macro_f1`
    are of the first candidate for every gap, abstentions too; `precision` is of what was answered.
    """

    property: str
    gaps: int
    coverage: float
    precision: float
    accuracy: float
    macro_f1: float


def score(
    name: str, truth: Truth, predicted: Sequence[Mapping[str, str]], candidates: Sequence[Mapping[str, str]]
) -> Score:
    """Compare rows of the named queries `predictions` and `candidates` with the truth of one property.

    A hit is a value among the true ones; of a property with many values each predicted one counts.
    """
    gaps = {record: set(values) for (record, of), values in truth.values.items() if of == name}
    said = [row for row in predicted if row["property"] == name and row["record"] in gaps]
    hits = sum(row["value"] in gaps[row["record"]] for row in said)
    first = {r["record"]: r["value"] for r in candidates if r["property"] == name and r["rank"] == "1"}
    asked = [record for record in gaps if record in first]
    classes = sorted({*(value for values in gaps.values() for value in values), *first.values()})
    target = np.array([[c in gaps[record] for c in classes] for record in asked], dtype=float)
    chosen = np.array([classes.index(first[record]) for record in asked], dtype=np.intp)
    answered = len({row["record"] for row in said})
    return Score(
        property=name,
        gaps=len(gaps),
        coverage=answered / len(gaps) if gaps else math.nan,
        precision=hits / len(said) if said else math.nan,
        accuracy=accuracy(target, chosen) if asked else math.nan,
        macro_f1=macro_f1(target, chosen) if asked else math.nan,
    )
