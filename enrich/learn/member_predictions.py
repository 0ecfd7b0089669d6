"""What each modality, and the fusion, predicts of one property, with what it is decided by, regime by regime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import Distribution, FloatArray
from enrich.classifiers.model.config import FUSION
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.metrics import NEVER
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.classifiers.model.regimes import REGIMES


@dataclass(frozen=True)
class MemberPrediction:
    """Predictions (n,) of one property, the order of the candidates (n, K), the thresholds (n, K), the regime (n,),
    and that whose model was asked (n,)."""

    distribution: Distribution
    order: NDArray[np.intp]
    thresholds: FloatArray
    regimes: NDArray[np.int8]
    models: NDArray[np.int8]

    def take(self, rows: NDArray[np.intp]) -> MemberPrediction:
        """The same for some of the records."""
        return MemberPrediction(
            self.distribution.take(rows),
            self.order[rows],
            self.thresholds[rows],
            self.regimes[rows],
            self.models[rows],
        )

    @classmethod
    def joined(cls, parts: Sequence[Self]) -> Self:
        """Predictions for some records after those for others."""
        return cls(
            Distribution.joined([p.distribution for p in parts]),
            np.concatenate([p.order for p in parts]),
            np.concatenate([p.thresholds for p in parts]),
            np.concatenate([p.regimes for p in parts]),
            np.concatenate([p.models for p in parts]),
        )


def member_predictions(model: Model, answer: Prediction) -> dict[str, MemberPrediction]:
    """By modality what it would decide by alone; the fusion last."""
    name = answer.property.name
    found = {}
    for modality, alone in answer.by.items():
        order = np.zeros(alone.probabilities.shape, dtype=np.intp)
        reach = np.full(alone.probabilities.shape, NEVER)
        for regime, part in model.parts().items():
            number = REGIMES.index(regime)
            rows, member = np.flatnonzero(answer.models == number), part.members[modality]
            order[rows] = order_candidates(alone.probabilities[rows], member.offsets[name])
            reach[rows[answer.regimes[rows] == number]] = np.asarray(member.thresholds[name])
        found[modality] = MemberPrediction(alone, order, reach, answer.regimes, answer.models)
    found[FUSION] = MemberPrediction(
        answer.fused, answer.order, answer.thresholds, answer.regimes, answer.models
    )
    return found
