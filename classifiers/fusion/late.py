"""Late fusion: gradient-boosted trees over what each modality predicts and what a joint model predicts.

Rei et al. 2022 (section 4.5) boost trees over the modalities' class probabilities. Here the trees also
see presence masks, the known values of the other properties (hidden at random in training, because at
night the neighbours are missing too), a linear machine over words, context and values together, and the
votes of the most similar records and of those with neighbouring accession numbers. All that is learnt
from is out-of-fold (Wolpert 1992).
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from safetensors.numpy import save_file

from enrich.classifiers.arrays import read_arrays
from enrich.classifiers.base import Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.explain.explanation import Contribution
from enrich.classifiers.folds import fold_of, out_of_fold
from enrich.classifiers.fusion.base import ByModality, Fuser
from enrich.classifiers.fusion.columns import RecordColumns
from enrich.classifiers.fusion.evidence import (
    Evidence,
    JointModels,
    fit_joint_models,
    joint_evidence,
    pool_evidence,
)
from enrich.classifiers.fusion.joint import LINEAR, JointModel
from enrich.classifiers.fusion.rows import present_rows, take_property
from enrich.classifiers.fusion.table import (
    Boosting,
    MetaFeatures,
    boost,
    boosted_probabilities,
    contributions,
)
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.model.calibration import fit_calibrator
from enrich.classifiers.model.calibrator import Calibrator, read_calibrator
from enrich.classifiers.priors import read_priors
from enrich.classifiers.probability import log_odds
from enrich.classifiers.settings import Count, Positive
from enrich.classifiers.tabular.boosting import read_booster
from enrich.classifiers.tfidf.features import TextFeatureSettings
from enrich.classifiers.tfidf.linear import linear_probabilities

JOINT = "whole.safetensors"
SHELF_CONTEXT = "museum"
"""The setting that lets a fusion look at accession numbers."""


class LateFusionSettings(Boosting):
    """Trees over the members' predictions and over a joint model of the record."""

    hide_known: float = Field(default=0.3, ge=0, le=1)
    """Share of training records seen a second time with known values hidden."""
    whole_record: bool = True
    """Whether the joint model takes part: a linear machine, neighbours and gains over the whole record."""
    cost: Positive = 1.0
    """C of the joint model's linear machine."""
    museum: str | None = None
    """The context that accession numbers belong to, for the votes of records with neighbouring ones; not given,
    that of the tabular classifier, where it reads them."""
    folds: int = Field(default=5, ge=2)
    """How many times the joint model is fitted for its out-of-fold scores."""
    records: Count = 60_000
    """Records that trees are grown on, at most."""
    features: TextFeatureSettings = TextFeatureSettings(letters=(4, 4))
    """Columns of the joint model's texts: with words and values beside them, letters by fours serve as well as
    three to five and take half the time."""


class LateFusion(Fuser):
    """See the module. Modalities that it was not trained with, or that are absent, are not used."""

    name = "late"
    settings_class = LateFusionSettings
    fork_safe = True
    settings: LateFusionSettings

    def prepare(self) -> None:
        self.modalities: tuple[str, ...] = ()
        self.layout: RecordColumns | None = None
        self.joint: JointModels = {}
        self.starts: dict[str, Calibrator] = {}
        self.priors: dict[str, FloatArray] = {}
        self.boosters: dict[str, Any] = {}
        self._pooled: tuple[Dataset, Evidence] | None = None

    def fit(
        self, dataset: Dataset, by: ByModality, *, seed: int = 0, progress: Progress = no_progress
    ) -> Mapping[str, Any]:
        """See Fuser.fit. Evidence pooled by `cross_fit` on the same dataset is used again."""
        if self._pooled is not None and self._pooled[0] is dataset:
            evidence = self._pooled[1]
        else:
            evidence = self._pool(
                dataset, by, fold_of(len(dataset), self.settings.folds, seed), seed, progress
            )
        self._pooled = None
        everyone = np.arange(len(dataset))
        if self.layout is not None and evidence.columns is not None:
            self.joint = fit_joint_models(
                dataset, self.layout, evidence.columns, everyone, self.settings.cost, seed
            )
        for i, prop in enumerate(self.properties):
            self.starts[prop.name], self.boosters[prop.name] = self._boost(
                dataset, by, evidence, prop, everyone, seed
            )
            progress("late fusion", i + 1, len(self.properties))
        return {"note": self._note()}

    def cross_fit(
        self, dataset: Dataset, by: ByModality, fold: Rows, *, seed: int = 0, progress: Progress = no_progress
    ) -> dict[str, Distribution]:
        """Fused predictions of trees that did not see the record; the evidence is pooled once for all folds."""
        evidence = self._pool(dataset, by, fold, seed, progress)

        def predictor(k: int, inside: Rows, outside: Rows) -> dict[str, Distribution]:
            found = {}
            for prop in self.properties:
                start, booster = self._boost(dataset, by, evidence, prop, outside, seed + k + 1)
                table = self._table(prop, by, inside, evidence.of(prop, inside), start)
                present = present_rows(by, prop, len(dataset))[inside]
                found[prop.name] = self._predict_one(prop, booster, table, present)
            return found

        return out_of_fold(dataset, fold, predictor)

    def _pool(self, dataset: Dataset, by: ByModality, fold: Rows, seed: int, progress: Progress) -> Evidence:
        """Learn the priors and columns, and pool the evidence on every record of models that did not see it."""
        self.properties, self.modalities = dataset.properties, tuple(sorted(by))
        for prop in self.properties:
            target, named = dataset.targets(prop)
            self.priors[prop.name] = (target[named].sum(axis=0) + 0.5) / (named.sum() + 1.0)
        s = self.settings
        joint = s.whole_record and bool({"text", "tabular"} & set(by))
        features = s.features if joint else None
        self.layout, evidence = pool_evidence(
            dataset, by, fold, features, s.museum, s.hide_known, s.cost, seed, progress
        )
        self._pooled = (dataset, evidence)
        return evidence

    def _boost(
        self, dataset: Dataset, by: ByModality, evidence: Evidence, prop: Property, rows: Rows, seed: int
    ) -> tuple[Calibrator, Any]:
        """The calibration of the start and the trees, learnt from `rows` that name a class; None for no trees."""
        s = self.settings
        target, named = dataset.targets(prop)
        named &= present_rows(by, prop, len(dataset))
        learn = rows[named[rows]]
        if len(learn) > s.records:
            learn = np.sort(np.random.default_rng(seed).choice(learn, s.records, replace=False))
        seen = evidence.of(prop, learn)
        start = Calibrator(many=prop.many)
        if LINEAR in seen:
            raw = linear_probabilities(seen[LINEAR], prop.many)
            start = fit_calibrator(
                raw, target[learn], prop.many, methods=("temperature", "vector"), seed=seed
            )
        if len(prop.classes) < 2 or not len(learn):
            return start, None
        table = self._table(prop, by, learn, seen, start)
        targets, weight = target[learn], np.ones(len(learn))
        again = np.flatnonzero(np.isin(evidence.rows, learn))
        if len(again) and evidence.ablated[prop.name]:
            who = evidence.rows[again]
            hidden = {name: v[again] for name, v in evidence.ablated[prop.name].items()}
            table = table.join(self._table(prop, by, who, hidden, start))
            targets = np.vstack([targets, target[who]])
            weight = np.concatenate([weight, np.full(len(who), 0.5)])
        return start, boost(table, targets, weight, prop.many, s, seed)

    def _table(
        self,
        prop: Property,
        by: ByModality,
        rows: Rows,
        evidence: Mapping[str, FloatArray],
        start: Calibrator,
    ) -> MetaFeatures:
        prior, predictions = self.priors[prop.name], take_property(by, prop, rows)
        common = log_odds(np.tile(prior, (len(rows), 1)), prop.many)
        if LINEAR in evidence:
            base = log_odds(start.apply(linear_probabilities(evidence[LINEAR], prop.many)), prop.many)
        else:
            odds = [
                log_odds(d.probabilities, prop.many) for m, d in predictions.items() if m in self.modalities
            ]
            used = np.stack([common, *odds])
            count = np.isfinite(used[1:]).sum(axis=0)
            base = np.where(count > 0, np.nansum(used[1:], axis=0) / np.maximum(count, 1), common)
        base = np.where(np.isfinite(base), base, common)
        return MetaFeatures.build(self.modalities, predictions, evidence, base, prior, prop.many)

    def predict(self, records: Sequence[Record], by: ByModality) -> dict[str, Distribution]:
        """One distribution per property; absent where every modality is."""
        tables = self._tables(records, by)
        return {
            p.name: self._predict_one(
                p, self.boosters[p.name], tables[p.name], present_rows(by, p, len(records))
            )
            for p in self.properties
        }

    def _predict_one(self, prop: Property, booster: Any, table: MetaFeatures, present: Flags) -> Distribution:
        if booster is not None:
            return Distribution.of(prop, boosted_probabilities(booster, table, prop.many), present)
        prior = self.priors[prop.name]
        shown = np.tile(prior if prop.many else prior / prior.sum(), (len(present), 1))
        return Distribution.of(prop, shown, present)

    def _tables(self, records: Sequence[Record], by: ByModality) -> dict[str, MetaFeatures]:
        rows = np.arange(len(records))
        columns = None if self.layout is None else self.layout.matrices(records)
        tables = {}
        for prop in self.properties:
            evidence: dict[str, FloatArray] = {}
            if columns is not None:
                evidence = joint_evidence(self.joint[prop.name], by, columns, rows)
            tables[prop.name] = self._table(prop, by, rows, evidence, self.starts[prop.name])
        return tables

    def explain(self, record: Record, by: ByModality, prop: str, k: int) -> list[Contribution]:
        """Each modality's share in the log-odds of class k (SHAP).

        `joint model` is the linear machine over everything, which is also where the trees start;
        `neighbours` the votes of similar records, `shelf` those of records with neighbouring accession numbers;
        `known: …` and `context: …` what a value alone tells.
        """
        booster = self.boosters[prop]
        if booster is None:
            return []
        shares: dict[str, float] = {}
        for name, value in contributions(booster, self._tables([record], by)[prop], k).items():
            group = name.removesuffix(" gap").removesuffix(" present")
            if group in (LINEAR, "base"):
                group = "joint model" if self.layout is not None else "all modalities"
            shares[group] = shares.get(group, 0.0) + value
        return [Contribution(name, value) for name, value in shares.items()]

    def _note(self) -> str:
        used = ", ".join(self.modalities)
        if len(self.modalities) == 1:
            return f"one modality only ({used}): the trees weigh it against known values and similar records"
        missing = sorted({"image", "text", "tabular"} - set(self.modalities))
        return f"fuses {used}" + (f"; not trained with {' or '.join(missing)}" if missing else "")

    def write(self, folder: Path) -> Mapping[str, Any]:
        """One booster per property; with the joint model also its columns and whole.safetensors."""
        boosted = [(i, p.name) for i, p in enumerate(self.properties) if self.boosters[p.name] is not None]
        for i, name in boosted:
            self.boosters[name].save_model(folder / f"{i}.ubj")
        if self.layout is not None:
            self.layout.write(folder)
            arrays = {
                f"{i}.{name}": array
                for i, prop in enumerate(self.properties)
                for name, array in self.joint[prop.name].arrays().items()
            }
            save_file(arrays, folder / JOINT)
        return {
            "settings": self.settings.to_json(),
            "modalities": list(self.modalities),
            "whole_record": self.layout is not None,
            "museums": [] if self.layout is None else list(self.layout.museums),
            "starts": {name: c.to_json() for name, c in self.starts.items()},
            "priors": {name: p.tolist() for name, p in self.priors.items()},
            "boosted": [name for _, name in boosted],
            "note": self._note(),
        }

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:
        self.modalities = tuple(map(str, config["modalities"]))
        for prop in self.properties:
            self.priors[prop.name] = read_priors(config["priors"], prop, folder)
            self.starts[prop.name] = read_calibrator(config["starts"][prop.name], len(prop.classes))
        if config["whole_record"]:
            known = tuple(map(str, config.get("museums", ())))
            self.layout = RecordColumns.read(folder, self.settings.features, self.settings.museum, known)
            arrays = read_arrays(folder / JOINT)
            for i, prop in enumerate(self.properties):
                own = {name.partition(".")[2]: a for name, a in arrays.items() if name.startswith(f"{i}.")}
                self.joint[prop.name] = JointModel.restore(prop, self.layout, own, folder)
        self.boosters = {
            p.name: read_booster(folder / f"{i}.ubj", p) if p.name in config["boosted"] else None
            for i, p in enumerate(self.properties)
        }
