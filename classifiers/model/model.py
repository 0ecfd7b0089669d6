"""A model: one classifier per modality, calibrated, fused, with thresholds and an order of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np

from enrich.classifiers.base import Classifier, ClassifierError, Distribution
from enrich.classifiers.data import Property, Record
from enrich.classifiers.digest import file_digest
from enrich.classifiers.fusion.base import Fuser
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.model.calibrator import Calibrator, calibrated, sane
from enrich.classifiers.model.card import model_card
from enrich.classifiers.model.config import (
    FUSION,
    FusionConfig,
    MemberConfig,
    ModelConfig,
    Threshold,
    read_config,
    regime_folder,
)
from enrich.classifiers.model.conformal import ConformalSets
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.folder import fill, heads_json, labels_json, read_classifier, write_json
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError, staged, write_manifest
from enrich.classifiers.model.prediction import Prediction, joined
from enrich.classifiers.model.regimes import REGIMES, Experience, Placed, Regime, models_of
from enrich.classifiers.model.thresholds import Promise
from enrich.classifiers.model.verified import VerifiedFolder, load_verified
from enrich.classifiers.registry import fuser_class

Distributions = Mapping[str, Distribution]
"""What a classifier says of records, by property."""


@dataclass(frozen=True)
class Member:
    """A classifier of one modality with its digest, and the calibration of each property.

    `thresholds` and `offsets` are those it would decide by alone; evaluation needs them, predictions do not.
    """

    classifier: Classifier
    digest: str
    calibrators: Mapping[str, Calibrator]
    history: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    offsets: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass
class Model:
    """What `--model DIR` holds. `thresholds` has one number per property, one per class for many values.

    A threshold above 1 means that the model always abstains there. What it holds itself is for gaps of the regime
    "seen"; `regimes` has a model for each other one, which does not see the contexts that it `hides`, and
    `experience` says which gap belongs to which.
    """

    properties: tuple[Property, ...]
    members: dict[str, Member]
    fuser: Fuser
    fusion_calibrators: Mapping[str, Calibrator]
    thresholds: Mapping[str, Threshold]
    offsets: Mapping[str, FloatArray]
    target_precision: float
    candidate_sets: Mapping[str, ConformalSets] = field(default_factory=dict)
    fusion_history: Mapping[str, Any] = field(default_factory=dict)
    training: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, Any] = field(default_factory=dict)
    digest: str = ""
    promises: Mapping[str, Promise] = field(default_factory=dict)
    hides: tuple[str, ...] = ()
    experience: Experience | None = None
    regimes: dict[Regime, Model] = field(default_factory=dict)

    def parts(self) -> dict[Regime, Model]:
        """The model of each regime, this one for "seen"."""
        return {"seen": self, **self.regimes}

    def placed(self, records: Sequence[Record]) -> dict[str, Placed]:
        """Where records stand when they are asked for each property, and which model answers them."""
        if self.experience is None:
            seen = np.zeros(len(records), dtype=np.int8)
            return {p.name: Placed(seen, seen) for p in self.properties}
        places = self.experience.places(records)
        found = {}
        for prop in self.properties:
            regimes = self.experience.regimes(prop.name, places)
            taught = self.experience.taught(prop.name, places)
            promising = {regime: part.promises_anything(prop.name) for regime, part in self.parts().items()}
            found[prop.name] = Placed(regimes, models_of(regimes, taught, promising))
        return found

    def promises_anything(self, name: str) -> bool:
        """Whether a promise is kept for some answers of a property."""
        return name in self.promises and self.promises[name].kept

    def property(self, name: str) -> Property:
        """The property of this name. Raises ClassifierError when the model has none."""
        for prop in self.properties:
            if prop.name == name:
                return prop
        known = ", ".join(p.name for p in self.properties)
        raise ClassifierError(f"the model has no property {name!r}; it has: {known}")

    def predict(self, records: Sequence[Record]) -> dict[str, Prediction]:
        """One prediction per property, rows in the order of `records`, each by the model that `placed` says.

        A member whose numbers are not finite counts as absent for that record, with a reason; a record
        that no member could look at is absent from the fused prediction.
        """
        placed, parts = self.placed(records), self.parts()
        asked: dict[Regime, Rows] = {}
        for number, regime in enumerate(REGIMES):
            rows = [np.flatnonzero(at.models == number) for at in placed.values()]
            every = np.unique(np.concatenate([np.zeros(0, np.intp), *rows]))
            if len(every) or (regime == "seen" and not records):
                asked[regime] = every
        found: dict[str, list[tuple[Rows, Prediction]]] = {name: [] for name in placed}
        for regime, said in _looked(parts, records, asked).items():
            number = REGIMES.index(regime)
            answers = parts[regime]._answer([records[int(i)] for i in asked[regime]], said)
            for name, at in placed.items():
                own = np.flatnonzero(at.models == number)
                answer = answers[name].take(np.searchsorted(asked[regime], own))
                found[name].append((own, answer.of(at.regimes[own], number)))
        return {name: joined(parts) for name, parts in found.items()}

    def answer(self, records: Sequence[Record]) -> dict[str, Prediction]:
        """The predictions of this regime's model, whatever regime the records belong to."""
        shown = self._shown(records)
        return self._answer(
            records, {m: member.classifier.predict(shown) for m, member in self.members.items()}
        )

    def _shown(self, records: Sequence[Record]) -> Sequence[Record]:
        """The records as this regime sees them."""
        return [r.without_contexts(self.hides) for r in records] if self.hides else records

    def _answer(self, records: Sequence[Record], said: Mapping[str, Distributions]) -> dict[str, Prediction]:
        """The predictions from what each member says of the records."""
        shown = self._shown(records)
        reasons: dict[str, dict[str, dict[int, str]]] = {}
        by = {
            modality: self._cleaned(said[modality], modality, member.calibrators, reasons)
            for modality, member in self.members.items()
        }
        fused = self._cleaned(self.fuser.predict(shown, by), FUSION, self.fusion_calibrators, reasons)
        found = {}
        for prop in self.properties:
            alone = {modality: predictions[prop.name] for modality, predictions in by.items()}
            found[prop.name] = self._prediction(prop, fused[prop.name], alone, reasons.get(prop.name, {}))
        return found

    def _prediction(
        self,
        prop: Property,
        fused: Distribution,
        by: Mapping[str, Distribution],
        reasons: Mapping[str, Mapping[int, str]],
    ) -> Prediction:
        n, sets = len(fused), self.candidate_sets.get(prop.name)
        inside = np.zeros(fused.probabilities.shape, dtype=bool)
        if sets is not None:
            inside = sets.apply(fused.probabilities) & fused.present[:, None]
        reach = np.asarray(self.thresholds[prop.name], dtype=float)
        return Prediction(
            prop,
            fused,
            by,
            order_candidates(fused.probabilities, self.offsets.get(prop.name)),
            inside,
            np.full(n, np.nan if sets is None else sets.coverage),
            np.tile(np.broadcast_to(reach, (len(prop.classes),)), (n, 1)),
            np.full(n, self.target_precision if self.promises_anything(prop.name) else np.nan),
            np.zeros(n, dtype=np.int8),
            np.zeros(n, dtype=np.int8),
            reasons,
        )

    def _cleaned(
        self,
        raw: Mapping[str, Distribution],
        modality: str,
        calibrators: Mapping[str, Calibrator],
        reasons: dict[str, dict[str, dict[int, str]]],
    ) -> dict[str, Distribution]:
        """Finite and calibrated; `reasons` takes what was left out."""
        found = {}
        for prop in self.properties:
            clean, why = sane(raw[prop.name], modality)
            if why:
                reasons.setdefault(prop.name, {})[modality] = why
            found[prop.name] = calibrated(clean, calibrators.get(prop.name))
        return found

    def save(
        self,
        folder: Path,
        *,
        metrics: Mapping[str, Any] | None = None,
        training: Mapping[str, Any] | None = None,
        documents: Mapping[str, Any] | None = None,
    ) -> str:
        """Write the model folder whole or not at all; returns the digest. Raises ModelFolderError.

        `documents` are written beside the model's own, as JSON, by the names of their files."""
        if metrics is not None:
            self.metrics = metrics
        if training is not None:
            self.training = training
        with staged(folder) as stage:
            self._write(stage)
            for name, document in (documents or {}).items():
                write_json(stage / name, document)
            for regime, part in self.regimes.items():
                part.training = self.training
                (stage / regime_folder(regime)).mkdir()
                part._write(stage / regime_folder(regime), self)
                part.digest = write_manifest(stage / regime_folder(regime))
        self.digest = file_digest(Path(folder) / MANIFEST)
        return self.digest

    def _write(self, stage: Path, seen: Model | None = None) -> None:
        """Everything of this regime; a classifier that is the one of `seen` is not written again."""
        for modality, member in self.members.items():
            if seen is not None and member.classifier is seen.members[modality].classifier:
                self.members[modality] = replace(member, digest=seen.members[modality].digest)
                continue
            (stage / modality).mkdir()
            fill(stage / modality, member.classifier, metrics=member.history, training=self.training)
            self.members[modality] = replace(member, digest=write_manifest(stage / modality))
        (stage / FUSION).mkdir()
        config = self._config(self.fuser.write(stage / FUSION)).to_json()
        write_json(stage / FUSION / "config.json", config["fusion"])
        write_json(stage / "config.json", config)
        write_json(stage / "labels.json", labels_json(self.properties))
        write_json(stage / "metrics.json", self.metrics)
        (stage / "README.md").write_text(model_card(config, self.metrics), encoding="utf-8")

    def _config(self, fusion: Mapping[str, Any]) -> ModelConfig:
        members = {
            modality: MemberConfig(
                classifier=member.classifier.name,
                digest=member.digest,
                thresholds=_thresholds(member.thresholds),
                offsets=_numbers(member.offsets),
            )
            for modality, member in self.members.items()
        }
        note = str(self.fusion_history.get("note", ""))
        return ModelConfig(
            heads=heads_json(self.properties),
            order=tuple(p.name for p in self.properties),
            members=members,
            fusion=FusionConfig(name=self.fuser.name, note=note, settings=fusion),
            calibrators={
                **{modality: member.calibrators for modality, member in self.members.items()},
                FUSION: self.fusion_calibrators,
            },
            thresholds=_thresholds(self.thresholds),
            offsets=_numbers(self.offsets),
            candidate_sets=self.candidate_sets,
            target_precision=self.target_precision,
            promises=self.promises,
            hides=self.hides,
            regimes=tuple(self.regimes),
            experience=self.experience,
            broader={p.name: p.broader for p in self.properties if p.broader},
            spellings={p.name: p.spellings for p in self.properties if p.spellings},
            training=self.training,
        )

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Verify and read a model folder. Raises ModelFolderError for anything that does not fit."""
        return load_verified(Path(folder), cls.read)

    @classmethod
    def read(cls, folder: VerifiedFolder) -> Self:
        """The model of a folder that was verified. Raises ModelFolderError for anything that does not fit."""
        try:
            return cls._read(folder)
        except ModelFolderError:
            raise
        except (ClassifierError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFolderError(f"{folder.path}: {error}") from error

    @classmethod
    def _read(cls, folder: VerifiedFolder, seen: Model | None = None) -> Self:
        config, properties = read_config(folder)
        fuser = fuser_class(config.fusion.name)
        made = cls(
            properties,
            {m: _read_member(folder, m, config, properties, seen) for m in config.members},
            fuser.read(folder.path / FUSION, config.fusion.settings, properties),
            config.calibrators.get(FUSION, {}),
            config.thresholds,
            _arrays(config.offsets),
            config.target_precision,
            config.candidate_sets,
            {"note": config.fusion.note},
            config.training,
            folder.json("metrics.json"),
            folder.digest,
            config.promises,
            config.hides,
            config.experience,
        )
        for regime in config.regimes:
            part = cls._read(folder.part(regime_folder(regime)), made)
            if part.properties != properties or set(part.members) != set(made.members):
                raise ModelFolderError(f"{folder.path}: {regime_folder(regime)} is of another model")
            made.regimes[regime] = part
        return made


def _read_member(
    folder: VerifiedFolder,
    modality: str,
    config: ModelConfig,
    properties: tuple[Property, ...],
    seen: Model | None,
) -> Member:
    """A member from its folder, or the one of `seen` where the regime has none of its own."""
    member = config.members[modality]
    if seen is not None and f"{modality}/{MANIFEST}" not in folder.files:
        if seen.members[modality].digest != member.digest:
            raise ModelFolderError(f"{folder.path}: {modality} is not the member this model was made of")
        classifier, digest, history = (
            seen.members[modality].classifier, member.digest, seen.members[modality].history
        )  # fmt: skip
    else:
        loaded = read_classifier(folder.part(modality))
        classifier, digest, history = loaded.classifier, loaded.digest, loaded.metrics
        if digest != member.digest or classifier.properties != properties:
            raise ModelFolderError(f"{folder.path}: {modality} is not the member this model was made of")
    return Member(
        classifier,
        digest,
        config.calibrators.get(modality, {}),
        history,
        member.thresholds,
        _arrays(member.offsets),
    )


def _looked(
    parts: Mapping[Regime, Model], records: Sequence[Record], asked: Mapping[Regime, Rows]
) -> dict[Regime, dict[str, Distributions]]:
    """What each member says of the records that are `asked` of each regime, by their rows.

    A classifier that several regimes share looks at texts or pictures alone, which no regime hides: at each record once.
    """
    found: dict[Regime, dict[str, Distributions]] = {regime: {} for regime in asked}
    for modality in parts["seen"].members:
        sharing: dict[int, list[Regime]] = {}
        for regime in asked:
            sharing.setdefault(id(parts[regime].members[modality].classifier), []).append(regime)
        for regimes in sharing.values():
            part = parts[regimes[0]]
            rows = np.unique(np.concatenate([asked[regime] for regime in regimes]))
            said = part.members[modality].classifier.predict(part._shown([records[int(i)] for i in rows]))
            for regime in regimes:
                own = np.searchsorted(rows, asked[regime])
                found[regime][modality] = {name: of.take(own) for name, of in said.items()}
    return found


def _thresholds(thresholds: Mapping[str, Any]) -> dict[str, Threshold]:
    return {name: tuple(t) if isinstance(t, list) else t for name, t in thresholds.items()}


def _arrays(offsets: Mapping[str, Sequence[float]]) -> dict[str, FloatArray]:
    return {name: np.asarray(values, dtype=np.float64) for name, values in offsets.items()}


def _numbers(offsets: Mapping[str, FloatArray]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(float(v) for v in values) for name, values in offsets.items()}
