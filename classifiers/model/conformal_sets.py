"""The seam for conformal candidate sets: what a model needs of them, and how they are found by name."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, FloatArray

_MODULE = "classifiers.model.conformal"


class CandidateSets(Protocol):
    """Fitted sets of one property; `classifiers.model.conformal` provides them."""

    coverage: float

    def apply(self, probabilities: FloatArray) -> NDArray[np.bool_]:
        """The set of each record (n, K) from its calibrated probabilities (n, K)."""

    def to_json(self) -> dict[str, Any]:
        """JSON values that `read_candidate_sets` reads back."""


def fit_candidate_sets(
    probabilities: FloatArray, target: FloatArray, coverage: float, many: bool
) -> CandidateSets | None:
    """Sets fitted on held-out, calibrated probabilities; None where the module is not there."""
    if find_spec(_MODULE) is None:
        return None
    fitted: CandidateSets = import_module(_MODULE).ConformalSets.fit(
        probabilities, target, coverage=coverage, many=many
    )
    return fitted


def read_candidate_sets(data: Mapping[str, Any]) -> CandidateSets:
    """Raises ClassifierError when they cannot be read."""
    if find_spec(_MODULE) is None:
        raise ClassifierError("this model has conformal candidate sets, which this installation cannot read")
    made: CandidateSets = import_module(_MODULE).ConformalSets.from_json(data)
    return made
