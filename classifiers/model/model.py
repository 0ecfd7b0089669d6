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
from classifiers.fusion.base import Fuser
from classifiers.model.calibration import Calibrator
from classifiers.model.card import model_card
from classifiers.model.conformal_sets import CandidateSets, read_candidate_sets
from classifiers.model.decision_rule import order_candidates
from classifiers.model.description import MemberDescription, ModelDescription, calibration_of, model_config
from classifiers.model.folder import (
    FORMAT,
    fill,
    heads_json,
    labels_json,
    read_json,
    read_model,
    read_properties,
    write_json,
)
from classifiers.model.manifest import MANIFEST, ModelFolderError, file_digest, staged, verify, write_manifest
from classifiers.registry import fuser_class

FUSION = "fusion"
Threshold = float | list[float]


@dataclass(frozen=True)
class Member:
    """A classifier of one modality with its digest, and the calibration of each property.

    `thresholds` and `offsets` are those it would decide by alone; evaluation needs them, answers do not.
    """

    classifier: Classifier
    digest: str
    calibrators: Mapping[str, Calibrator]
    history: Mapping[str, Any] = field(default_factory=dict)
    thresholds: Mapping[str, Threshold] = field(default_factory=dict)
    offsets: Mapping[str, FloatArray] = field(default_factory=dict)


@dataclass(frozen=True)
class Answer:
    """What a model says of one property for a batch of n records; every probability is calibrated.

    `by` holds what each modality alone said; `order` (n, K) the candidates, best first; `sets` (n, K) the
    conformal candidate set that covers the truth `coverage` of the time, if there is one. `reasons` says,
    by modality and row, why a member's answer was left out although it had given one.
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
    """What `--model DIR` holds. `thresholds` has one number per property, a list per class for many values.

    A threshold above 1 means that the model always abstains there.
    """

    properties: tuple[Property, ...]
    members: dict[str, Member]
    fuser: Fuser
    fusion_calibrators: dict[str, Calibrator]
    thresholds: dict[str, Threshold]
    offsets: dict[str, FloatArray]
    target_precision: float
    candidate_sets: dict[str, CandidateSets] = field(default_factory=dict)
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
        members = {
            modality: MemberDescription(member.classifier.name, member.digest, member.history)
            for modality, member in self.members.items()
        }
        calibrators = {FUSION: self.fusion_calibrators} | {
            m: said.calibrators for m, said in self.members.items()
        }
        methods = {by: {name: c.method for name, c in of.items()} for by, of in calibrators.items()}
        return ModelDescription(self.digest, self.properties, members, calibration_of(methods), self.training)

    def predict(self, records: Sequence[Record]) -> dict[str, Answer]:
        """One answer per property, rows in the order of `records`.

        A member whose numbers are not finite counts as absent for that record, with a reason; a record
        that no member could look at is absent from the fused answer.
        """
        by: dict[str, dict[str, Distribution]] = {}
        reasons: dict[str, dict[str, dict[int, str]]] = {}
        for modality, member in self.members.items():
            said = member.classifier.predict(records)
            by[modality] = {}
            for prop in self.properties:
                clean, why = sane(said[prop.name], modality)
                by[modality][prop.name] = calibrated(clean, member.calibrators.get(prop.name))
                if why:
                    reasons.setdefault(prop.name, {})[modality] = why
        fused = self.fuser.predict(records, by)
        answers = {}
        for prop in self.properties:
            clean, why = sane(fused[prop.name], FUSION)
            if why:
                reasons.setdefault(prop.name, {})[FUSION] = why
            whole = calibrated(clean, self.fusion_calibrators.get(prop.name))
            sets = self.candidate_sets.get(prop.name)
            answers[prop.name] = Answer(
                prop,
                whole,
                {modality: said[prop.name] for modality, said in by.items()},
                order_candidates(whole.probabilities, self.offsets.get(prop.name)),
                None if sets is None else sets.apply(whole.probabilities) & whole.present[:, None],
                None if sets is None else sets.coverage,
                reasons.get(prop.name, {}),
            )
        return answers

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
            config = self._config(self.fuser.write(stage / FUSION))
            write_json(stage / FUSION / "config.json", config["fusion"])
            write_json(stage / "config.json", config)
            write_json(stage / "labels.json", labels_json(self.properties))
            write_json(stage / "metrics.json", self.metrics)
            (stage / "README.md").write_text(model_card(config, self.metrics), encoding="utf-8")
        self.digest = file_digest(Path(folder) / MANIFEST)
        return self.digest

    def _config(self, fusion: Mapping[str, Any]) -> dict[str, Any]:
        note = self.fusion_history.get("note", "")
        return {
            "format": FORMAT,
            "kind": "model",
            "heads": heads_json(self.properties),
            "order": [p.name for p in self.properties],
            "members": {
                m: {
                    "classifier": said.classifier.name,
                    "digest": said.digest,
                    "thresholds": dict(said.thresholds),
                    "offsets": _lists(said.offsets),
                }
                for m, said in self.members.items()
            },
            "fusion": {"name": self.fuser.name, "note": note, "settings": dict(fusion)},
            "calibrators": {
                **{
                    m: {p: c.to_json() for p, c in said.calibrators.items()}
                    for m, said in self.members.items()
                },
                FUSION: {p: c.to_json() for p, c in self.fusion_calibrators.items()},
            },
            "thresholds": self.thresholds,
            "offsets": _lists(self.offsets),
            "candidate_sets": {p: s.to_json() for p, s in self.candidate_sets.items()},
            "target_precision": self.target_precision,
            "training": dict(self.training),
        }

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Verify and read a model folder. Raises ModelFolderError for anything that does not fit."""
        folder = Path(folder)
        digest = verify(folder)
        config = model_config(folder)
        properties = read_properties(folder, config)
        try:
            return cls._read(folder, config, properties, digest)
        except ModelFolderError:
            raise
        except (ClassifierError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFolderError(f"{folder}: {error}") from error

    @classmethod
    def _read(
        cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...], digest: str
    ) -> Self:
        sizes = {p.name: len(p.classes) for p in properties}
        calibrators = {
            modality: {p: Calibrator.from_json(c, sizes[p]) for p, c in by.items()}
            for modality, by in config["calibrators"].items()
        }
        members = {}
        for modality, said in config["members"].items():
            loaded = read_model(folder / modality)
            if loaded.digest != said["digest"] or loaded.classifier.properties != properties:
                raise ModelFolderError(f"{folder}: {modality} is not the member this model was made of")
            members[modality] = Member(
                loaded.classifier,
                loaded.digest,
                calibrators.get(modality, {}),
                loaded.metrics,
                {p: _threshold(said["thresholds"][p], size) for p, size in sizes.items()},
                _arrays(said["offsets"], sizes),
            )
        if not members:
            raise ModelFolderError(f"{folder}: the model has no members")
        fusion = config["fusion"]
        fuser = fuser_class(str(fusion["name"])).read(folder / FUSION, fusion["settings"], properties)
        return cls(
            properties,
            members,
            fuser,
            calibrators.get(FUSION, {}),
            {p: _threshold(config["thresholds"][p], size) for p, size in sizes.items()},
            _arrays(config["offsets"], sizes),
            float(config["target_precision"]),
            {p: read_candidate_sets(s) for p, s in config.get("candidate_sets", {}).items()},
            {"note": fusion.get("note", "")},
            config.get("training", {}),
            read_json(folder / "metrics.json"),
            digest,
        )


def sane(said: Distribution, modality: str) -> tuple[Distribution, dict[int, str]]:
    """The distribution with rows that are not finite made absent, and the reason by row."""
    bad = said.present & ~np.isfinite(said.probabilities).all(axis=1)
    present = said.present & ~bad
    probabilities = np.where(present[:, None], said.probabilities, np.nan)
    reason = f"the {modality} classifier gave values that are not numbers"
    return Distribution(said.classes, probabilities, present, said.many), {
        int(i): reason for i in np.flatnonzero(bad)
    }


def calibrated(said: Distribution, calibrator: Calibrator | None) -> Distribution:
    """The distribution after calibration; as it is without one."""
    if calibrator is None:
        return said
    return Distribution(said.classes, calibrator.apply(said.probabilities), said.present, said.many)


def _finite(values: Any, size: int, what: str) -> FloatArray:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (size,) or not np.isfinite(array).all():
        raise ModelFolderError(f"config.json: the {what} are not {size} numbers")
    return array


def _threshold(value: Any, size: int) -> Threshold:
    if isinstance(value, list):
        return [float(v) for v in _finite(value, size, "thresholds")]
    return float(_finite([value], 1, "thresholds")[0])


def _arrays(offsets: Mapping[str, Any], sizes: Mapping[str, int]) -> dict[str, FloatArray]:
    return {p: _finite(o, sizes[p], "offsets") for p, o in offsets.items()}


def _lists(offsets: Mapping[str, FloatArray]) -> dict[str, list[float]]:
    return {p: [float(v) for v in o] for p, o in offsets.items()}
