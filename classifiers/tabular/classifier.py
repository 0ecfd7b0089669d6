"""The tabular classifier: gradient-boosted trees over known values and context, one booster per property.

XGBoost (Chen and Guestrin 2016) with the focal loss as objective. Known values of the other properties
are hidden at random in half of the training, because at night the neighbours are missing too. A property
with one value has a softmax over its classes and a record that names several teaches each with its
share; a property with many values has one sigmoid per class, so that every named value teaches.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import Classifier, ClassifierError, Distribution, FloatArray, Progress, no_progress
from classifiers.data import Dataset, Property, Record
from classifiers.model.metrics import log_loss
from classifiers.tabular.features import KNOWN, FeatureMap
from classifiers.tabular.losses import class_weights, sigmoid, sigmoid_objective, softmax, softmax_objective

_KNOWN, _CONTEXT, _NUMERAL, _COUNT = range(4)
_PREDICT_BATCH = 20_000
_WORTH_THREADS = 1_000_000
"""Below this many values several threads wait for each other longer than they work."""


@dataclass(frozen=True)
class TabularSettings:
    """What can be set.

    `gamma` is the focal loss's; `weight_power` makes class weights of count^−power (1 is 'balanced').
    `hide_known` is the share of the other properties' values hidden in the second copy of the training
    records, a third of it the share of records that lose their numerals there, and their context. `museum` is the context that numerals belong to; without
    one, or with `numerals` off, they are not read.
    """

    rounds: int = 400
    patience: int = 25
    eta: float = 0.15
    depth: int = 8
    min_child_weight: float = 1.0
    l2: float = 1.0
    subsample: float = 0.8
    columns: float = 0.8
    bins: int = 2048
    gamma: float = 0.0
    weight_power: float = 0.0
    hide_known: float = 0.3
    museum: str | None = "museum"
    numerals: bool = True
    refit: bool = True

    def __post_init__(self) -> None:
        if not (
            0.0 <= self.hide_known < 1.0 and self.gamma >= 0.0 and self.rounds >= 1 and self.patience >= 1
        ):
            raise ClassifierError("tabular: hide_known is in [0, 1), gamma ≥ 0, rounds and patience ≥ 1")


class TabularClassifier(Classifier):
    """See the module. `boosters` holds one booster per property, None where only the prior is known."""

    name = "tabular"
    modality = "tabular"

    def __init__(self, **settings: Any) -> None:
        unknown = sorted(set(settings) - {f.name for f in fields(TabularSettings)})
        if unknown:
            known = ", ".join(f.name for f in fields(TabularSettings))
            raise ClassifierError(f"tabular has no setting {unknown[0]!r}; it has: {known}")
        self.settings = TabularSettings(**settings)
        self.features = FeatureMap((), None, (), {})
        self.boosters: dict[str, Any] = {}
        self.priors: dict[str, tuple[float, ...]] = {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        """Fits in seconds, so `resume` is not used. History: rounds and held-out log loss per property."""
        del resume
        self.properties = train.properties
        rng = np.random.default_rng(seed)
        everyone = [*train.records, *held_out.records]
        self.features = FeatureMap.learn(everyone, self.settings.museum if self.settings.numerals else None)
        table, _ = self.features.matrix(everyone)
        full = Dataset(everyone, train.properties)
        split = len(train.records)
        history: dict[str, Any] = {}
        for prop in self.properties:
            target, named = full.targets(prop)
            counts = target[named].sum(axis=0)
            self.priors[prop.name] = _prior(counts, int(named.sum()), prop.many)
            rows = np.flatnonzero(named)
            if len(prop.classes) < 2 or not len(rows):
                self.boosters[prop.name] = None
                history[prop.name] = {"rounds": 0, "note": "fewer than two classes: the prior answers"}
                continue
            features = table[:, self.features.keep(prop.name)]
            data = _Rows(features, target, prop.many, self._kinds(prop))
            learn, check = rows[rows < split], rows[rows >= split]
            history[prop.name] = self._fit_one(prop, data, learn, check, rng, seed, progress)
        return history

    def _kinds(self, prop: Property) -> NDArray[np.int8]:
        """What each kept column is: a known value, context, a numeral, or a count."""
        nominal = [_KNOWN if c[0] == KNOWN else _CONTEXT for c in self.features.columns]
        numeric = [_COUNT if n.startswith("number of") else _NUMERAL for n in self.features.numeric]
        return np.array(nominal + numeric, dtype=np.int8)[self.features.keep(prop.name)]

    def _fit_one(
        self,
        prop: Property,
        data: _Rows,
        learn: np.ndarray[Any, Any],
        check: np.ndarray[Any, Any],
        rng: np.random.Generator,
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        rounds = self.settings.rounds
        stage = f"tabular {prop.name}"
        if len(check):
            booster, losses = self._boost(data, learn, check, rounds, rng, seed, stage, progress)
            best = int(np.argmin(losses)) + 1
            result: dict[str, Any] = {"rounds": best, "held_out_log_loss": float(losses[best - 1])}
        else:
            best, booster = rounds, None
            result = {"rounds": best, "note": "nothing held out, so all rounds were grown"}
        if booster is None or self.settings.refit:
            everything = np.concatenate([learn, check])
            booster, _ = self._boost(data, everything, check[:0], best, rng, seed, stage, progress)
        else:
            booster = booster[:best]
        progress(stage, rounds, rounds)
        self.boosters[prop.name] = booster
        return result

    def _boost(
        self,
        data: _Rows,
        learn: np.ndarray[Any, Any],
        check: np.ndarray[Any, Any],
        rounds: int,
        rng: np.random.Generator,
        seed: int,
        stage: str,
        progress: Progress,
    ) -> tuple[Any, list[float]]:
        """Grow trees on the rows `learn`; returns the booster and its log loss on `check` per round."""
        import xgboost as xgb

        s = self.settings
        features, target, weight = data.training(learn, s.hide_known, s.weight_power, rng)
        matrix = xgb.DMatrix(features)
        if data.many:
            objective = sigmoid_objective(target, s.gamma, weight)
            matrix.set_label(target)
        else:
            truth = target.argmax(axis=1)
            objective = softmax_objective(truth, s.gamma, weight[:, 0])
            matrix.set_label(truth)
        parameters = {
            "objective": "binary:logistic" if data.many else "multi:softprob",
            **({} if data.many else {"num_class": target.shape[1]}),
            "base_score": 0.5, "disable_default_eval_metric": 1, "tree_method": "hist", "seed": seed,
            "eta": s.eta, "max_depth": s.depth, "min_child_weight": s.min_child_weight, "lambda": s.l2,
            "subsample": s.subsample, "colsample_bytree": s.columns, "max_bin": s.bins,
            "nthread": _threads(features.nnz),
        }  # fmt: skip
        watch = _Watch(data, check, s.patience, stage, rounds, progress)
        booster = xgb.train(
            parameters, matrix, rounds, obj=objective, callbacks=[watch.callback(xgb)], verbose_eval=False
        )
        return booster, watch.losses

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """Batched; a record without any value that was seen in training is absent."""
        table, _ = self.features.matrix(records)
        answers = {}
        nominal = np.arange(len(self.features.columns))
        for prop in self.properties:
            kept = self.features.keep(prop.name)
            present = np.asarray(table[:, np.intersect1d(kept, nominal)].getnnz(axis=1) > 0)
            booster = self.boosters[prop.name]
            if booster is None:
                probabilities = np.tile(np.asarray(self.priors[prop.name]), (len(records), 1))
            else:
                probabilities = _answer(booster, table[:, kept], len(prop.classes), prop.many)
            probabilities = np.where(present[:, None], probabilities, np.nan)
            answers[prop.name] = Distribution(prop.classes, probabilities, present, prop.many)
        return answers

    def contributions(self, record: Record, prop: str, class_index: int) -> list[tuple[str, float]]:
        """What each feature added to the log-odds of a class, the largest first (SHAP, Lundberg 2018)."""
        import xgboost as xgb

        booster, kept = self.boosters[prop], self.features.keep(prop)
        if booster is None:
            return []
        table, _ = self.features.matrix([record])
        values = booster.predict(xgb.DMatrix(table[:, kept]), pred_contribs=True, strict_shape=True)
        said = np.asarray(values)[0, class_index, :-1]
        names = np.asarray(self.features.names(), dtype=object)[kept]
        order = np.argsort(-np.abs(said))
        return [(str(names[i]), float(said[i])) for i in order if abs(said[i]) > 1e-6]

    def write(self, folder: Path) -> Mapping[str, Any]:
        """features.json and one UBJSON booster per property."""
        (folder / "features.json").write_text(json.dumps(self.features.to_json()), encoding="utf-8")
        for i, prop in enumerate(self.properties):
            if (booster := self.boosters[prop.name]) is not None:
                booster.save_model(folder / _file(i, prop))
        boosted = [p.name for p in self.properties if self.boosters[p.name] is not None]
        return {"settings": asdict(self.settings), "priors": self.priors, "boosted": boosted}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Self:
        """Raises ClassifierError when a booster is damaged, not finite, or of another size than its labels."""
        import xgboost as xgb

        try:
            made = cls(**config["settings"])
            boosted, priors = set(config["boosted"]), config["priors"]
            made.features = FeatureMap.from_json(json.loads((folder / "features.json").read_text("utf-8")))
        except (KeyError, TypeError, OSError, json.JSONDecodeError, UnicodeDecodeError) as error:
            raise ClassifierError(f"{folder}: the tabular classifier cannot be read: {error!r}") from error
        made.properties = properties
        for i, prop in enumerate(properties):
            prior = priors.get(prop.name, ())
            if len(prior) != len(prop.classes):
                raise ClassifierError(
                    f"{folder}: labels.json names {len(prop.classes)} classes of {prop.name}, the model has {len(prior)}"
                )
            made.priors[prop.name] = tuple(map(float, prior))
            made.boosters[prop.name] = None
            if prop.name in boosted:
                booster = xgb.Booster()
                try:
                    booster.load_model(folder / _file(i, prop))
                except (xgb.core.XGBoostError, OSError) as error:
                    raise ClassifierError(f"{folder}: the booster of {prop.name} is damaged") from error
                made._check(booster, prop, folder)
                made.boosters[prop.name] = booster
        return made

    def _check(self, booster: Any, prop: Property, folder: Path) -> None:
        width, classes = len(self.features.keep(prop.name)), len(prop.classes)
        try:
            learner = json.loads(booster.save_raw("json"))["learner"]
            shape = learner["learner_model_param"]
            heads = max(int(shape["num_class"]), int(shape["num_target"]))
            trees = learner["gradient_booster"]["model"]["trees"]
            numbers = [v for t in trees for v in (*t["base_weights"], *t["split_conditions"])]
        except (ValueError, KeyError, TypeError) as error:
            raise ClassifierError(f"{folder}: the booster of {prop.name} is damaged: {error!r}") from error
        if heads != classes or int(booster.num_features()) != width:
            raise ClassifierError(
                f"{folder}: the booster of {prop.name} has {heads} outputs over {booster.num_features()} columns, "
                f"labels and features say {classes} over {width}"
            )
        if not np.isfinite(np.asarray(numbers, dtype=np.float64)).all():
            raise ClassifierError(f"{folder}: the booster of {prop.name} has weights that are not numbers")


@dataclass(frozen=True)
class _Rows:
    """Features (CSR), targets (n, K) and the kind of each column, of one property."""

    features: Any
    target: FloatArray
    many: bool
    kinds: NDArray[np.int8]

    def training(
        self, rows: np.ndarray[Any, Any], hide: float, power: float, rng: np.random.Generator
    ) -> tuple[Any, FloatArray, FloatArray]:
        """Features, targets and weights (n', K): the rows, then the same with a share of it hidden.

        Hidden are single known values, all numerals of a record, and all its context with its numerals.

        Of a single-valued property a record with m classes becomes m rows of weight 1/m.
        """
        from scipy.sparse import vstack

        target = self.target[rows]
        if self.many:
            which, target = np.arange(len(rows)), target
            weight = np.ones_like(target)
            positive = class_weights(target.sum(axis=0), power)
            weight = np.where(target > 0, positive, 1.0)
        else:
            which, named = np.nonzero(target)
            share = 1.0 / target.sum(axis=1)[which]
            balance = class_weights(target.sum(axis=0), power)[named]
            target = np.eye(target.shape[1])[named]
            weight = np.repeat((share * balance)[:, None], target.shape[1], axis=1)
        features = self.features[rows[which]]
        if hide <= 0.0:
            return features, target, weight
        thinned = features.copy()
        row = np.repeat(np.arange(thinned.shape[0]), np.diff(thinned.indptr))
        kind, drawn = self.kinds[thinned.indices], rng.uniform(size=(2, thinned.shape[0])) < hide / 3
        lost = (kind == _KNOWN) & (rng.uniform(size=len(row)) < hide)
        lost |= (kind == _CONTEXT) & drawn[0][row]
        lost |= (kind == _NUMERAL) & (drawn[0] | drawn[1])[row]
        thinned.data[lost] = 0.0
        thinned.eliminate_zeros()
        both = vstack([features, thinned], format="csr")
        return both, np.vstack([target, target]), np.vstack([weight, weight]) / 2.0


class _Watch:
    """Follows the held-out log loss, stops when it no longer falls, and reports progress."""

    def __init__(
        self,
        data: _Rows,
        check: np.ndarray[Any, Any],
        patience: int,
        stage: str,
        rounds: int,
        progress: Progress,
    ) -> None:
        self.data, self.check, self.patience = data, check, patience
        self.stage, self.rounds, self.progress = stage, rounds, progress
        self.losses: list[float] = []
        self.margin: Any = None

    def callback(self, xgb: Any) -> Any:
        """The XGBoost callback; made here so that importing this module does not import XGBoost."""
        watch = self
        matrix = xgb.DMatrix(self.data.features[self.check]) if len(self.check) else None
        target = self.data.target[self.check]

        class Follow(xgb.callback.TrainingCallback):  # type: ignore[misc]
            def after_iteration(self, model: Any, epoch: int, evals_log: Any) -> bool:
                del evals_log
                if epoch % 10 == 0:
                    watch.progress(watch.stage, epoch, watch.rounds)
                if matrix is None:
                    return False
                latest = model[epoch : epoch + 1].predict(matrix, output_margin=True, strict_shape=True)
                start = 0.0 if watch.margin is None else watch.margin
                watch.margin = start + np.asarray(latest, dtype=np.float64).reshape(target.shape)
                p = sigmoid(watch.margin) if watch.data.many else softmax(watch.margin)
                watch.losses.append(log_loss(p, target, watch.data.many))
                return len(watch.losses) - 1 - int(np.argmin(watch.losses)) >= watch.patience

        return Follow()


def _threads(values: int) -> int:
    """Threads for a table of so many values: one for a small one, else 0, as many as there are."""
    return 1 if values < _WORTH_THREADS else 0


def _answer(booster: Any, features: Any, classes: int, many: bool) -> FloatArray:
    """Probabilities (n, K) of a booster, in batches, renormalised in double precision."""
    import xgboost as xgb

    threads = _threads(features.nnz)
    booster.set_param({"nthread": threads})
    parts = [np.zeros((0, classes))]
    for start in range(0, features.shape[0], _PREDICT_BATCH):
        table = xgb.DMatrix(features[start : start + _PREDICT_BATCH], nthread=threads)
        margin = booster.predict(table, output_margin=True, strict_shape=True)
        scores = np.asarray(margin, dtype=np.float64).reshape(-1, classes)
        parts.append(sigmoid(scores) if many else softmax(scores))
    return np.concatenate(parts)


def _prior(counts: FloatArray, records: int, many: bool) -> tuple[float, ...]:
    """Class shares with one half added to each count, so that none is impossible."""
    total = records + 1.0 if many else counts.sum() + 0.5 * len(counts)
    return tuple(float(v) for v in (counts + 0.5) / max(total, 1.0)) if len(counts) else ()


def _file(position: int, prop: Property) -> str:
    return f"{position}-{re.sub(r'[^A-Za-z0-9_-]', '_', prop.name)[:40]}.ubj"
