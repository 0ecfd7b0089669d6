"""Decides what to say of a gap: a value when sure enough, else an abstention that keeps its candidates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from pyoxigraph import NamedNode

from classifiers.model.model import Prediction
from ontology.terms import ENR


@dataclass(frozen=True, slots=True)
class Candidate:
    """A class with its rank, from 1, and its calibrated probability."""

    rank: int
    value: str
    probability: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of one gap.

    `asserted` are the candidates that are asserted: one, or several where a property has many values;
    none when it abstained or failed, and then `reason` (a term of the ontology) says why, with `detail`
    for a failure. `threshold` is the probability that had to be reached, None where there is none.
    """

    outcome: NamedNode
    confidence: float
    candidates: tuple[Candidate, ...] = ()
    asserted: tuple[Candidate, ...] = ()
    threshold: float | None = None
    reason: NamedNode | None = None
    detail: str | None = None
    coverage: float | None = None

    @classmethod
    def failed(cls, reason: NamedNode, detail: str) -> Decision:
        """A record that cost itself: read or predicted in vain."""
        return cls(ENR.Failed, 0.0, reason=reason, detail=" ".join(detail.split())[:500])


def decide(
    answer: Prediction,
    row: int,
    thresholds: Sequence[float] | float,
    *,
    rejected: frozenset[str] = frozenset(),
    most: int = 5,
) -> Decision:
    """Decide about one record of a batch.

    `thresholds` is the probability to reach, one for all or one per class; above 1 it is never reached.
    Values in `rejected` are not proposed again: they are left out of the candidates too.
    At most `most` candidates are kept, but never fewer than the conformal set or the values asserted.
    """
    if not answer.fused.present[row]:
        return Decision(ENR.Abstained, 0.0, reason=ENR.NoEvidence)
    probabilities = answer.fused.probabilities[row]
    if not np.isfinite(probabilities).all():
        return Decision.failed(ENR.ClassifierFailure, "the classifiers gave no finite probability")
    classes = answer.fused.classes
    order = [int(k) for k in answer.order[row] if classes[int(k)] not in rejected]
    if not order:
        return Decision(ENR.Abstained, 0.0, reason=ENR.RejectedBefore)

    def needed(k: int) -> float:
        return float(thresholds if isinstance(thresholds, int | float) else thresholds[k])

    ranked = [Candidate(r, classes[k], _share(probabilities[k])) for r, k in enumerate(order, 1)]
    sure = [c for c, k in zip(ranked, order, strict=True) if probabilities[k] >= needed(k)]
    asserted = tuple(sure) if answer.property.many else tuple(c for c in sure if c.rank == 1)
    in_set = 0 if answer.sets is None else int(sum(bool(answer.sets[row, k]) for k in order))
    kept = max(most, in_set, max((c.rank for c in asserted), default=0))
    first = needed(order[0])
    best_was_rejected = classes[int(answer.order[row][0])] in rejected
    reason = ENR.RejectedBefore if best_was_rejected else ENR.BelowThreshold
    return Decision(
        outcome=ENR.Predicted if asserted else ENR.Abstained,
        confidence=(asserted or ranked)[0].probability,
        candidates=tuple(ranked[:kept]),
        asserted=asserted,
        threshold=_share(first) if first <= 1 else None,
        reason=None if asserted else reason,
        coverage=answer.coverage if answer.sets is not None else None,
    )


def _share(probability: float) -> float:
    """Six decimals, from 0 to 1: what is written is the same on every machine."""
    return round(min(1.0, max(0.0, float(probability))), 6)
