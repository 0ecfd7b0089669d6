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
from pathlib import Path
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from enrich.classifiers.base import Classifier, ClassifierError, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.explain.explanation import Contribution, MemberExplanation
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.one_hot import KNOWN
from enrich.classifiers.priors import class_priors, read_priors
from enrich.classifiers.tabular import boosting
from enrich.classifiers.tabular.boosting import TrainingTable, boost, boosted_probabilities, read_booster
from enrich.classifiers.tabular.features import FeatureMap
from enrich.classifiers.tabular.settings import TabularSettings

FEATURES = "features.json"


class TabularClassifier(Classifier):
    """See the module. `boosters` holds one booster per property, None where only the prior is known."""

    name = "tabular"
    modality = "tabular"
    settings_class = TabularSettings
    fork_safe = True
    takes_refusals = True
    fold_settings = {"refit": False}  # noqa: RUF012
    shared = {"hide_known": "hide_known", "museum": "museum"}  # noqa: RUF012
    settings: TabularSettings

    def prepare(self) -> None:
        self.features = FeatureMap()
        self.boosters: dict[str, Any] = {}
        self.priors: dict[str, FloatArray] = {}

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
        full = train.joined(held_out)
        self.features = FeatureMap.learn(
            full.records, self.settings.museum if self.settings.numerals else None
        )
        matrix = self.features.matrix(full.records)
        history: dict[str, Any] = {}
        for prop in self.properties:
            target, known = full.judged(prop)
            named = np.asarray(known.all(axis=1) & target.any(axis=1))
            self.priors[prop.name] = class_priors(target[named], named, prop.many)
            if len(prop.classes) < 2 or not named.any():
                self.boosters[prop.name] = None
                history[prop.name] = {"rounds": 0, "note": "fewer than two classes: the prior answers"}
                continue
            columns = matrix[:, self.features.keep(prop.name)]
            table = TrainingTable(columns, target, prop.many, self._kinds(prop), known)
            check = named & (np.arange(len(full)) >= len(train))
            parts = np.flatnonzero(known.any(axis=1) & ~check), np.flatnonzero(check)
            history[prop.name] = self._fit_one(prop, table, *parts, rng, seed, progress)
        return history

    def _kinds(self, prop: Property) -> NDArray[np.int8]:
        """What each kept column is: a known value, context, a numeral, or a count."""
        nominal = [boosting.KNOWN if c[0] == KNOWN else boosting.CONTEXT for c in self.features.columns]
        read = len(self.features.numeric) - len(self.features.measured)
        numeric = [
            boosting.COUNT if n.startswith("number of") else boosting.NUMERAL
            for n in self.features.numeric[:read]
        ] + [boosting.CONTEXT] * len(self.features.measured)
        return np.array(nominal + numeric, dtype=np.int8)[self.features.keep(prop.name)]

    def _fit_one(
        self,
        prop: Property,
        table: TrainingTable,
        learn: Rows,
        check: Rows,
        rng: np.random.Generator,
        seed: int,
        progress: Progress,
    ) -> dict[str, Any]:
        rounds, stage = self.settings.rounds, f"tabular {prop.name}"
        result: dict[str, Any] = {
            "rounds": rounds,
            "note": "nothing held out, so all rounds were grown",
        }
        booster = None

        def grow(learn: Rows, check: Rows, most: int) -> tuple[Any, list[float]]:
            return boost(
                table, learn, check, most, self.settings, rng, seed, lambda done: progress(stage, done, most)
            )

        if len(check):
            booster, losses = grow(learn, check, rounds)
            best = int(np.argmin(losses)) + 1
            result = {"rounds": best, "held_out_log_loss": float(losses[best - 1])}
        if booster is None or self.settings.refit:
            booster, _ = grow(np.concatenate([learn, check]), check[:0], result["rounds"])
        else:
            booster = booster[: result["rounds"]]
        progress(stage, rounds, rounds)
        self.boosters[prop.name] = booster
        return result

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """Batched; a record without any value that was seen in training is absent."""
        table = self.features.matrix(records)
        stated = self.features.stated()
        found = {}
        for prop in self.properties:
            kept = self.features.keep(prop.name)
            present = np.asarray(table[:, np.intersect1d(kept, stated)].getnnz(axis=1) > 0)
            booster = self.boosters[prop.name]
            if booster is None:
                probabilities = np.tile(self.priors[prop.name], (len(records), 1))
            else:
                probabilities = boosted_probabilities(booster, table[:, kept], len(prop.classes), prop.many)
            found[prop.name] = Distribution.of(prop, probabilities, present)
        return found

    def explain(self, record: Record, prop: str, value: str) -> MemberExplanation:
        """What each value added to the log-odds of the class (SHAP, Lundberg 2018), the largest first."""
        booster, kept, index = self.boosters[prop], self.features.keep(prop), self.index_of(prop, value)
        if booster is None:
            return MemberExplanation(self.modality, self.name)
        table = self.features.matrix([record])
        shares = booster.predict(xgb.DMatrix(table[:, kept]), pred_contribs=True, strict_shape=True)
        weights = np.asarray(shares)[0, index, :-1]
        names = np.asarray(self.features.names(), dtype=object)[kept]
        found = [
            _contribution(record, str(names[i]), float(weights[i]))
            for i in np.argsort(-np.abs(weights))
            if abs(weights[i]) > 1e-6
        ]
        return MemberExplanation(self.modality, self.name, contributions=tuple(found))

    def write(self, folder: Path) -> Mapping[str, Any]:
        """features.json and one UBJSON booster per property."""
        (folder / FEATURES).write_text(json.dumps(self.features.to_json()), encoding="utf-8")
        boosted = [(i, p) for i, p in enumerate(self.properties) if self.boosters[p.name] is not None]
        for i, prop in boosted:
            self.boosters[prop.name].save_model(folder / _file(i, prop))
        return {
            "settings": self.settings.to_json(),
            "priors": {name: prior.tolist() for name, prior in self.priors.items()},
            "boosted": [prop.name for _, prop in boosted],
        }

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        """Raises ClassifierError when a booster is damaged, not finite, or of another size than its labels."""
        self.features = FeatureMap.read(json.loads((folder / FEATURES).read_text("utf-8")), FEATURES)
        for i, prop in enumerate(self.properties):
            self.priors[prop.name] = read_priors(config["priors"], prop, folder)
            self.boosters[prop.name] = None
            if prop.name in config["boosted"]:
                self.boosters[prop.name] = read_booster(folder / _file(i, prop), prop)
                self._check(self.boosters[prop.name], prop, folder)

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


def _contribution(record: Record, feature: str, weight: float) -> Contribution:
    """`museum = IRI` as its name, its value, and whether the record has it."""
    name, equals, value = feature.partition(" = ")
    if not equals:
        return Contribution(feature, weight)
    has = value in (*record.known.get(name, ()), *record.context.get(name, ()))
    return Contribution(name, weight, value, has)


def _file(position: int, prop: Property) -> str:
    return f"{position}-{re.sub(r'[^A-Za-z0-9_-]', '_', prop.name)[:40]}.ubj"
