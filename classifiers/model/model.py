"""A model: one classifier per modality, calibrated, fused, with thresholds and an order of candidates."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import Classifier, ClassifierError, Distribution, FloatArray
from classifiers.data import Property, Record
from classifiers.digest import file_digest
from classifiers.fusion.base import Fuser
from classifiers.model.calibrator import Calibrator
from classifiers.model.card import model_card
from classifiers.model.config import (
    FUSION,
    FusionConfig,
    MemberConfig,
    ModelConfig,
    Threshold,
    read_config,
)
from classifiers.model.conformal import ConformalSets
from classifiers.model.decision_rule import order_candidates
from classifiers.model.description import ModelDescription
from classifiers.model.folder import fill, heads_json, labels_json, read_classifier, write_json
from classifiers.model.manifest import MANIFEST, ModelFolderError, staged, write_manifest
from classifiers.model.verified import VerifiedFolder, load_verified
from classifiers.registry import fuser_class


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


@dataclass(frozen=True)
class Prediction:
    """What a model predicts of one property for a batch of n records; every probability is calibrated.

    `by` holds the prediction of each modality alone; `order` (n, K) the candidates, best first; `sets` (n, K)
    the conformal candidate set that covers the truth `coverage` of the time, if there is one. `reasons` says,
    by modality and row, why a member's prediction was left out although it had given one.
    """

    property: Property
    fused: Distribution
    by: Mapping[str, Distribution]
    order: NDArray[np.intp]
    sets: NDArray[np.bool_] | None = None
    coverage: float | None = None
    reasons: Mapping[str, Mapping[int, str]] = field(default_factory=dict)

    def first(self) -> NDArray[np.intp]:
        """The first candidate of each record (n,)."""
        found: NDArray[np.intp] = self.order[:, 0]
        return found


@dataclass
class Model:
    """What `--model DIR` holds. `thresholds` has one number per property, one per class for many values.

    A threshold above 1 means that the model always abstains there.
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

    def property(self, name: str) -> Property:
        """The property of this name. Raises ClassifierError when the model has none."""
        for prop in self.properties:
            if prop.name == name:
                return prop
        known = ", ".join(p.name for p in self.properties)
        raise ClassifierError(f"the model has no property {name!r}; it has: {known}")

    def description(self) -> ModelDescription:
        """What the model's folder says of it."""
        histories = {modality: member.history for modality, member in self.members.items()}
        return ModelDescription.made(self.digest, self.properties, self._config({}), histories)

    def predict(self, records: Sequence[Record]) -> dict[str, Prediction]:
        """One prediction per property, rows in the order of `records`.

        A member whose numbers are not finite counts as absent for that record, with a reason; a record
        that no member could look at is absent from the fused prediction.
        """
        reasons: dict[str, dict[str, dict[int, str]]] = {}
        by = {
            modality: self._cleaned(member.classifier.predict(records), modality, member.calibrators, reasons)
            for modality, member in self.members.items()
        }
        fused = self._cleaned(self.fuser.predict(records, by), FUSION, self.fusion_calibrators, reasons)
        found = {}
        for prop in self.properties:
            whole, sets = fused[prop.name], self.candidate_sets.get(prop.name)
            found[prop.name] = Prediction(
                prop,
                whole,
                {modality: alone[prop.name] for modality, alone in by.items()},
                order_candidates(whole.probabilities, self.offsets.get(prop.name)),
                None if sets is None else sets.apply(whole.probabilities) & whole.present[:, None],
                None if sets is None else sets.coverage,
                reasons.get(prop.name, {}),
            )
        return found

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
    ) -> str:
        """Write the model folder whole or not at all; returns the digest. Raises ModelFolderError."""
        if metrics is not None:
            self.metrics = metrics
        if training is not None:
            self.training = training
        with staged(folder) as stage:
            for modality, member in self.members.items():
                (stage / modality).mkdir()
                fill(stage / modality, member.classifier, metrics=member.history, training=self.training)
                digest = write_manifest(stage / modality)
                self.members[modality] = replace(member, digest=digest)
            (stage / FUSION).mkdir()
            config = self._config(self.fuser.write(stage / FUSION)).to_json()
            write_json(stage / FUSION / "config.json", config["fusion"])
            write_json(stage / "config.json", config)
            write_json(stage / "labels.json", labels_json(self.properties))
            write_json(stage / "metrics.json", self.metrics)
            (stage / "README.md").write_text(model_card(config, self.metrics), encoding="utf-8")
        self.digest = file_digest(Path(folder) / MANIFEST)
        return self.digest

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
    def _read(cls, folder: VerifiedFolder) -> Self:
        config, properties = read_config(folder)
        members = {}
        for modality, member in config.members.items():
            loaded = read_classifier(folder.part(modality))
            if loaded.digest != member.digest or loaded.classifier.properties != properties:
                raise ModelFolderError(f"{folder.path}: {modality} is not the member this model was made of")
            members[modality] = Member(
                loaded.classifier,
                loaded.digest,
                config.calibrators.get(modality, {}),
                loaded.metrics,
                member.thresholds,
                _arrays(member.offsets),
            )
        fuser = fuser_class(config.fusion.name)
        return cls(
            properties,
            members,
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
        )


def sane(raw: Distribution, modality: str) -> tuple[Distribution, dict[int, str]]:
    """The distribution with rows that are not finite made absent, and the reason by row."""
    bad = raw.present & ~np.isfinite(raw.probabilities).all(axis=1)
    present = raw.present & ~bad
    probabilities = np.where(present[:, None], raw.probabilities, np.nan)
    reason = f"the {modality} classifier gave values that are not numbers"
    return Distribution(raw.classes, probabilities, present, raw.many), {
        int(i): reason for i in np.flatnonzero(bad)
    }


def calibrated(raw: Distribution, calibrator: Calibrator | None) -> Distribution:
    """The distribution after calibration; as it is without one."""
    if calibrator is None:
        return raw
    return replace(raw, probabilities=calibrator.apply(raw.probabilities))


def _thresholds(thresholds: Mapping[str, Any]) -> dict[str, Threshold]:
    return {name: tuple(t) if isinstance(t, list) else t for name, t in thresholds.items()}


def _arrays(offsets: Mapping[str, Sequence[float]]) -> dict[str, FloatArray]:
    return {name: np.asarray(values, dtype=np.float64) for name, values in offsets.items()}


def _numbers(offsets: Mapping[str, FloatArray]) -> dict[str, tuple[float, ...]]:
    return {name: tuple(float(v) for v in values) for name, values in offsets.items()}
