"""Grows the trees of one property with the focal loss, follows them on held-out records, and asks them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray
from scipy.sparse import vstack

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.model.metrics import log_loss
from enrich.classifiers.probability import probabilities_of
from enrich.classifiers.tabular.focal_loss import class_weights, objective
from enrich.classifiers.tabular.settings import TabularSettings

KNOWN, CONTEXT, NUMERAL, COUNT = range(4)
"""Kinds of columns."""
_PREDICT_BATCH = 20_000
_WORTH_THREADS = 1_000_000
"""Below this many values several threads wait for each other longer than they work."""


@dataclass(frozen=True)
class TrainingTable:
    """Features (CSR), targets (n, K), the kind of each column, and which of the targets are known (n, K), of one property."""

    features: Any
    target: FloatArray
    many: bool
    kinds: NDArray[np.int8]
    known: Flags

    def weighted(self, rows: Rows, power: float) -> tuple[Any, FloatArray, FloatArray]:
        """Features, targets and weights (n', K) of some rows.

        Of a single-valued property a record with m classes becomes m rows of weight 1/m, and one of which is known only
        what it is not a row whose target is every other class.
        """
        target, known = self.target[rows], self.known[rows]
        if self.many:
            positive = class_weights(target.sum(axis=0), power)
            return self.features[rows], target, np.where(target > 0, positive, 1.0) * known
        which, named = np.nonzero(target)
        weight = 1.0 / target.sum(axis=1)[which] * class_weights(target.sum(axis=0), power)[named]
        allowed = np.eye(target.shape[1])[named]
        partly = np.flatnonzero(~target.any(axis=1) & known.any(axis=1) & ~known.all(axis=1))
        allowed = np.vstack([allowed, ~known[partly]])
        weight = np.concatenate([weight, np.ones(len(partly))])
        features = self.features[rows[np.concatenate([which, partly])]]
        return features, allowed, np.repeat(weight[:, None], target.shape[1], axis=1)

    def training(
        self, rows: Rows, hide: float, power: float, rng: np.random.Generator
    ) -> tuple[Any, FloatArray, FloatArray]:
        """The same of the rows, then of the rows with a share of what is known hidden.

        Hidden are single known values, all numerals of a record, and all its context with its numerals.
        """
        features, target, weight = self.weighted(rows, power)
        if hide <= 0.0:
            return features, target, weight
        ablated = features.copy()
        row = np.repeat(np.arange(ablated.shape[0]), np.diff(ablated.indptr))
        kind, drawn = self.kinds[ablated.indices], rng.uniform(size=(2, ablated.shape[0])) < hide / 3
        lost = (kind == KNOWN) & (rng.uniform(size=len(row)) < hide)
        lost |= (kind == CONTEXT) & drawn[0][row]
        lost |= (kind == NUMERAL) & (drawn[0] | drawn[1])[row]
        ablated.data[lost] = 0.0
        ablated.eliminate_zeros()
        both = vstack([features, ablated], format="csr")
        return both, np.vstack([target, target]), np.vstack([weight, weight]) / 2.0


def boost(
    table: TrainingTable,
    learn: Rows,
    check: Rows,
    rounds: int,
    settings: TabularSettings,
    rng: np.random.Generator,
    seed: int,
    progress: Callable[[int], None],
) -> tuple[Any, list[float]]:
    """Grow trees on the rows `learn`; returns the booster and its log loss on `check` per round."""
    s = settings
    features, target, weight = table.training(learn, s.hide_known, s.weight_power, rng)
    matrix = xgb.DMatrix(features)
    matrix.set_label(target if table.many else target.argmax(axis=1))
    parameters = {
        "objective": "binary:logistic" if table.many else "multi:softprob",
        **({} if table.many else {"num_class": target.shape[1]}),
        "base_score": 0.5, "disable_default_eval_metric": 1, "tree_method": "hist", "seed": seed,
        "eta": s.eta, "max_depth": s.depth, "min_child_weight": s.min_child_weight, "lambda": s.l2,
        "subsample": s.subsample, "colsample_bytree": s.columns, "max_bin": s.bins,
        "nthread": _threads(features.nnz),
    }  # fmt: skip
    watch = _Watch(table, check, s.patience, progress)
    slopes = objective(target, table.many, s.gamma, weight)
    booster = xgb.train(parameters, matrix, rounds, obj=slopes, callbacks=[watch], verbose_eval=False)
    return booster, watch.losses


class _Watch(xgb.callback.TrainingCallback):  # type: ignore[misc]
    """Follows the log loss on the rows `check`, and stops when it no longer falls."""

    def __init__(
        self, table: TrainingTable, check: Rows, patience: int, progress: Callable[[int], None]
    ) -> None:
        super().__init__()
        self.matrix = xgb.DMatrix(table.features[check]) if len(check) else None
        self.target, self.many = table.target[check], table.many
        self.patience, self.progress = patience, progress
        self.losses: list[float] = []
        self.margin = np.zeros(self.target.shape)

    def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
        """See XGBoost: True stops."""
        del evals_log
        if epoch % 10 == 0:
            self.progress(epoch)
        if self.matrix is None:
            return False
        latest = model[epoch : epoch + 1].predict(self.matrix, output_margin=True, strict_shape=True)
        self.margin = self.margin + np.asarray(latest, dtype=np.float64).reshape(self.target.shape)
        self.losses.append(log_loss(probabilities_of(self.margin, self.many), self.target, self.many))
        return len(self.losses) - 1 - int(np.argmin(self.losses)) >= self.patience


def _threads(values: int) -> int:
    """Threads for a table of so many values: one for a small one, else 0, as many as there are."""
    return 1 if values < _WORTH_THREADS else 0


def boosted_probabilities(booster: Any, features: Any, classes: int, many: bool) -> FloatArray:
    """Probabilities (n, K) of a booster, in batches, renormalised in double precision."""
    threads = _threads(features.nnz)
    booster.set_param({"nthread": threads})
    parts = [np.zeros((0, classes))]
    for start in range(0, features.shape[0], _PREDICT_BATCH):
        table = xgb.DMatrix(features[start : start + _PREDICT_BATCH], nthread=threads)
        margin = booster.predict(table, output_margin=True, strict_shape=True)
        parts.append(probabilities_of(np.asarray(margin, dtype=np.float64).reshape(-1, classes), many))
    return np.concatenate(parts)


def read_booster(path: Path, prop: Property) -> Any:
    """A booster from its file. Raises ClassifierError when XGBoost cannot read it."""
    booster = xgb.Booster()
    try:
        booster.load_model(path)
    except (xgb.core.XGBoostError, OSError) as error:
        raise ClassifierError(f"{path}: the booster of {prop.name} is damaged") from error
    return booster
