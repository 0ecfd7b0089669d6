"""Decides what to say of a gap: a value when sure enough, else an abstention that keeps its candidates."""

from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import NamedNode

from enrich.classifiers.model.prediction import Prediction
from enrich.ontology.terms import ENR
from enrich.runs.expectation import TERMS


@dataclass(frozen=True, slots=True)
class Candidate:
    """A class with its rank, from 1, its calibrated probability, and the `threshold` that it had to reach to be
    asserted; None where no probability is enough.

    `broader` where it is a broader concept that stands for values with too few records.
    """

    rank: int
    value: str
    probability: float
    threshold: float | None = None
    broader: bool = False


@dataclass(frozen=True, slots=True)
class Decision:
    """What is said of one gap.

    `asserted` are the candidates that are asserted: one, or several where a property has many values;
    none when it abstained or failed, and then `reason` (a term of the ontology) says why, with `detail`
    for a failure. `threshold` is what the first candidate had to reach, None where there is none. `regime` (a
    term of the ontology) says how near the records stood that taught the property, `promised` which precision is
    promised for the answer there.
    """

    outcome: NamedNode
    confidence: float
    candidates: tuple[Candidate, ...] = ()
    asserted: tuple[Candidate, ...] = ()
    threshold: float | None = None
    reason: NamedNode | None = None
    detail: str | None = None
    coverage: float | None = None
    regime: NamedNode | None = None
    promised: float | None = None

    @classmethod
    def failed(cls, reason: NamedNode, detail: str) -> Self:
        """A record that cost itself: read or predicted in vain."""
        return cls(ENR.Failed, 0.0, reason=reason, detail=" ".join(detail.split())[:500])


def decide(
    answer: Prediction,
    row: int,
    threshold: float | None = None,
    *,
    floor: float = 0.0,
    rejected: frozenset[str] = frozenset(),
    most: int = 5,
) -> Decision:
    """Decide about one record of a batch.

    `threshold` is the probability to reach instead of the model's; nothing is promised then. `floor` is to be reached
    whatever the threshold: the surer answers of those that a promise is made for keep it. Values in `rejected`
    are not proposed again: they are left out of the candidates too. At most `most` candidates are kept, but never
    fewer than the conformal set or the values asserted.
    """
    regime = TERMS[answer.regimes[row]]
    if not answer.fused.present[row]:
        return Decision(ENR.Abstained, 0.0, reason=ENR.NoEvidence, regime=regime)
    probabilities = answer.fused.probabilities[row]
    if not np.isfinite(probabilities).all():
        return Decision.failed(ENR.ClassifierFailure, "the classifiers gave no finite probability")
    classes, prop = answer.fused.classes, answer.property
    order = [int(k) for k in answer.order[row] if classes[int(k)] not in rejected]
    if not order:
        return Decision(ENR.Abstained, 0.0, reason=ENR.RejectedBefore, regime=regime)
    needed = in_force(answer.thresholds[row], threshold, floor)
    broad = set(prop.broader.values())
    ranked = [
        Candidate(
            r,
            classes[k],
            _share(probabilities[k]),
            _share(needed[k]) if needed[k] <= 1 else None,
            classes[k] in broad,
        )
        for r, k in enumerate(order, 1)
    ]
    sure = [c for c, k in zip(ranked, order, strict=True) if probabilities[k] >= needed[k]]
    asserted = tuple(sure) if prop.many else tuple(c for c in sure if c.rank == 1)
    in_set = int(answer.sets[row, order].sum())
    kept = max(most, in_set, max((c.rank for c in asserted), default=0))
    coverage, promised = answer.coverage[row], answer.promised[row]
    return Decision(
        outcome=ENR.Predicted if asserted else ENR.Abstained,
        confidence=(asserted or ranked)[0].probability,
        candidates=tuple(ranked[:kept]),
        asserted=asserted,
        threshold=ranked[0].threshold,
        reason=None if asserted else _why_not(answer, row, needed, rejected),
        coverage=None if np.isnan(coverage) else float(coverage),
        regime=regime,
        promised=None if np.isnan(promised) or threshold is not None or not asserted else float(promised),
    )


def in_force(
    learnt: NDArray[np.float64], threshold: float | None, floor: float | None
) -> NDArray[np.float64]:
    """The probabilities to reach: those learnt, or the museum's own `threshold` instead, and never less than `floor`."""
    own = learnt if threshold is None else np.full_like(learnt, threshold)
    return np.maximum(own, floor or 0.0)


def _why_not(
    answer: Prediction, row: int, needed: NDArray[np.float64], rejected: frozenset[str]
) -> NamedNode:
    """The reason of an abstention."""
    if answer.fused.classes[int(answer.order[row][0])] in rejected:
        return ENR.RejectedBefore
    return ENR.OutsideExperience if (needed > 1).all() else ENR.BelowThreshold


def _share(probability: float) -> float:
    """Six decimals, from 0 to 1: what is written is the same on every machine."""
    return round(min(1.0, max(0.0, float(probability))), 6)
