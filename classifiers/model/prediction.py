"""What a model predicts of one property for a batch of records, whatever their regimes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Property
from enrich.classifiers.kinds import Flags, FloatArray, Indices, Rows
from enrich.classifiers.model.metrics import NEVER, asserted_classes

_ROWS = ("order", "sets", "coverage", "thresholds", "promised", "regimes", "models")
"""Fields of a prediction with a row for each record."""


@dataclass(frozen=True)
class Prediction:
    """What a model predicts of one property for a batch of n records; every probability is calibrated.

    `by` holds the prediction of each modality alone; `order` (n, K) the candidates, best first; `sets` (n, K)
    the conformal candidate set that covers the truth `coverage` (n,) of the time; NaN where there is none.
    `regimes` (n,) is an index into REGIMES, and `models` (n,) that of the regime whose model gave the candidates;
    `thresholds` (n, K) is what a class must reach to be answered, and `promised` (n,) the precision of the answers
    that do; NaN where none is promised. `reasons` says, by modality and row, why a member's prediction was left out
    although it had given one.
    """

    property: Property
    fused: Distribution
    by: Mapping[str, Distribution]
    order: Indices
    sets: Flags
    coverage: FloatArray
    thresholds: FloatArray
    promised: FloatArray
    regimes: NDArray[np.int8]
    models: NDArray[np.int8]
    reasons: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def first(self) -> Rows:
        """The first candidate of each record (n,)."""
        found: Rows = self.order[:, 0]
        return found

    def asserted(self) -> Flags:
        """The classes (n, K) that it answers; none of a record that is absent."""
        return asserted_classes(self.fused.probabilities, self.first(), self.thresholds, self.property.many)

    def take(self, rows: Rows) -> Prediction:
        """The same for some of the records."""
        at = {int(row): i for i, row in enumerate(rows)}
        return replace(
            self,
            fused=self.fused.take(rows),
            by={modality: alone.take(rows) for modality, alone in self.by.items()},
            **{name: getattr(self, name)[rows] for name in _ROWS},
            reasons={m: {at[i]: w for i, w in why.items() if i in at} for m, why in self.reasons.items()},
        )

    def of(self, regimes: NDArray[np.int8], model: int) -> Prediction:
        """The same for records of these regimes (n,), by the model of one of them: where a record's regime is another,
        it is not answered, and nothing is promised."""
        own = regimes == model
        return replace(
            self,
            sets=self.sets & own[:, None],
            coverage=np.where(own, self.coverage, np.nan),
            thresholds=np.where(own[:, None], self.thresholds, NEVER),
            promised=np.where(own, self.promised, np.nan),
            regimes=regimes,
            models=np.full(len(regimes), model, dtype=np.int8),
        )


def joined(parts: Sequence[tuple[Rows, Prediction]]) -> Prediction:
    """Predictions for some rows each as one for all."""
    if len(parts) == 1:
        return parts[0][1]
    back = np.argsort(np.concatenate([rows for rows, _ in parts]), kind="stable")
    found = [part for _, part in parts]
    reasons: dict[str, dict[int, str]] = {}
    for rows, part in parts:
        for modality, why in part.reasons.items():
            reasons.setdefault(modality, {}).update({int(rows[i]): w for i, w in why.items()})
    by_row: dict[str, Any] = {name: np.concatenate([getattr(p, name) for p in found])[back] for name in _ROWS}
    return replace(
        found[0],
        fused=Distribution.joined([p.fused for p in found]).take(back),
        by={m: Distribution.joined([p.by[m] for p in found]).take(back) for m in found[0].by},
        **by_row,
        reasons=reasons,
    )
