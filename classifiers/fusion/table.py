"""The table that the late fusion learns from: one row per record and class, the same columns for every class.

Because the rows of all classes are learnt together, what is learnt of frequent classes ("when the text is
sure and the neighbours agree, believe them") holds for rare ones too, and the answer is a softmax (or a
sigmoid) over the rows of a record: a boosted conditional logit.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from enrich.classifiers.base import Distribution
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.probability import log_odds, probabilities_of
from enrich.classifiers.settings import ClassifierSettings, Count, Gamma, Positive
from enrich.classifiers.tabular.focal_loss import focal_sigmoid, focal_softmax

_ROWS_AT_ONCE = 500_000


def gap(values: FloatArray) -> FloatArray:
    """How far each class is ahead of the best other one; below zero for all but the first."""
    if values.shape[1] < 2:
        return np.zeros_like(values)
    ordered = np.sort(values, axis=1)
    best, second = ordered[:, -1:], ordered[:, -2:-1]
    return np.where(values == best, values - second, values - best)


@dataclass(frozen=True)
class MetaFeatures:
    """`values` (n, K, columns) float32, NaN where nothing is known; `base` (n, K) what trees start from."""

    names: tuple[str, ...]
    values: NDArray[np.float32]
    base: FloatArray

    @classmethod
    def build(
        cls,
        modalities: Sequence[str],
        predictions: Mapping[str, Distribution],
        evidence: Mapping[str, FloatArray],
        base: FloatArray,
        prior: FloatArray,
        many: bool,
    ) -> MetaFeatures:
        """Each modality's log-odds, its gap and whether it is present; the evidence; the class's frequency.

        A modality that is not among `predictions` is absent from every record. `evidence` is (n, K) by name;
        all but the gains (names with a colon) get a gap as well.
        """
        n, classes = base.shape
        columns: list[tuple[str, FloatArray]] = []
        for modality in modalities:
            distribution = predictions.get(modality)
            odds, present = np.full((n, classes), np.nan), np.zeros((n, classes))
            if distribution is not None:
                odds = log_odds(distribution.probabilities, many)
                odds[~distribution.present] = np.nan
                present = np.repeat(distribution.present[:, None], classes, axis=1).astype(float)
            columns += [
                (f"{modality}", odds),
                (f"{modality} gap", gap(odds)),
                (f"{modality} present", present),
            ]
        for name, values in evidence.items():
            columns.append((name, values))
            if ":" not in name:
                columns.append((f"{name} gap", gap(values)))
        columns.append(("frequency", np.tile(np.log(np.maximum(prior, 1e-9)), (n, 1))))
        columns.append(("class", np.tile(np.arange(classes, dtype=float), (n, 1))))
        stacked = np.empty((n, classes, len(columns)), dtype=np.float32)
        for i, (_, values) in enumerate(columns):
            stacked[:, :, i] = values
        return cls(tuple(name for name, _ in columns), stacked, base)

    def join(self, other: MetaFeatures) -> MetaFeatures:
        """The records of both."""
        values = np.concatenate([self.values, other.values])
        return MetaFeatures(self.names, values, np.concatenate([self.base, other.base]))


class Boosting(ClassifierSettings):
    """The trees."""

    rounds: Count = 150
    """Trees."""
    depth: Count = 4
    """Depth of a tree, at most."""
    eta: Positive = 0.1
    """Learning rate of the trees."""
    gamma: Gamma = 1.0
    """Focusing parameter of the focal loss; 0 is cross-entropy. `train.gamma` does not reach it."""


def boost(
    table: MetaFeatures, target: FloatArray, weight: FloatArray, many: bool, settings: Boosting, seed: int
) -> Any:
    """Grow the trees with the focal loss; `weight` (n,) of the records. Returns an XGBoost booster."""
    n, classes, width = table.values.shape
    matrix = xgb.DMatrix(table.values.reshape(n * classes, width), base_margin=table.base.reshape(-1))
    focal, truth = (
        (focal_sigmoid, target) if many else (focal_softmax, np.eye(classes)[target.argmax(axis=1)])
    )

    def objective(scores: NDArray[Any], _data: Any) -> tuple[FloatArray, FloatArray]:
        gradient, hessian = focal(scores.reshape(n, classes), truth, settings.gamma, weight[:, None])
        return gradient.reshape(-1, 1), hessian.reshape(-1, 1)

    parameters = {
        "tree_method": "hist", "max_depth": settings.depth, "eta": settings.eta, "min_child_weight": 5.0,
        "lambda": 5.0, "subsample": 0.8, "colsample_bytree": 0.7, "max_bin": 64, "base_score": 0.0,
        "seed": seed, "disable_default_eval_metric": 1, "objective": "reg:squarederror",
    }  # fmt: skip
    return xgb.train(parameters, matrix, settings.rounds, obj=objective, verbose_eval=False)


def boosted_probabilities(booster: Any, table: MetaFeatures, many: bool) -> FloatArray:
    """Probabilities (n, K), in batches."""
    n, classes, width = table.values.shape
    parts = [np.zeros((0, classes))]
    step = max(1, _ROWS_AT_ONCE // max(classes, 1))
    for start in range(0, n, step):
        values, base = table.values[start : start + step], table.base[start : start + step]
        matrix = xgb.DMatrix(values.reshape(-1, width), base_margin=base.reshape(-1))
        scores = np.asarray(booster.predict(matrix, output_margin=True), dtype=np.float64)
        parts.append(probabilities_of(scores.reshape(-1, classes), many))
    return np.concatenate(parts)


def contributions(booster: Any, table: MetaFeatures, k: int) -> dict[str, float]:
    """What each column added to the log-odds of class k of the first record (SHAP, Lundberg et al. 2018).

    `base` is where the trees started from.
    """
    found = booster.predict(xgb.DMatrix(table.values[:1, k]), pred_contribs=True)[0]
    named = {name: float(value) for name, value in zip(table.names, found, strict=False)}
    return named | {"base": float(table.base[0, k])}
