"""config.json of a whole model: its members, fusion, calibrations and thresholds."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, Literal

from pydantic import ConfigDict

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.model.calibrator import Calibrator, Numbers
from enrich.classifiers.model.conformal import ConformalSets
from enrich.classifiers.model.folder import FORMAT, read_properties
from enrich.classifiers.model.manifest import ModelFolderError
from enrich.classifiers.model.regimes import Experience, Regime
from enrich.classifiers.model.thresholds import Promise
from enrich.classifiers.model.verified import VerifiedFolder
from enrich.classifiers.stored import Stored

FUSION = "fusion"
Threshold = float | Numbers
"""One number, or one per class of a property with many values."""


class MemberConfig(Stored):
    """A member: the classifier, the digest of its folder, and what it would decide by alone."""

    classifier: str
    digest: str
    thresholds: Mapping[str, Threshold]
    offsets: Mapping[str, Numbers]


class FusionConfig(Stored):
    """The fuser, a note for the model card, and what the fuser reads itself from."""

    name: str
    note: str = ""
    settings: Mapping[str, Any]


class ModelConfig(Stored):
    """The whole file. Thresholds, offsets, calibrators, candidate sets and promises are by property.

    `regimes` are the other regimes that have a folder of their own; `hides` the contexts that this one does not
    see; `broader` maps by property the values that a broader class stands for; `spellings` the classes
    that are written otherwise than they are called.
    """

    model_config = ConfigDict(extra="ignore")

    format: int = FORMAT
    kind: Literal["model"] = "model"
    heads: Mapping[str, Any]
    order: tuple[str, ...]
    members: Mapping[str, MemberConfig]
    fusion: FusionConfig
    calibrators: Mapping[str, Mapping[str, Calibrator]]
    thresholds: Mapping[str, Threshold]
    offsets: Mapping[str, Numbers]
    candidate_sets: Mapping[str, ConformalSets] = {}
    target_precision: float
    promises: Mapping[str, Promise] = {}
    hides: tuple[str, ...] = ()
    regimes: tuple[Regime, ...] = ()
    experience: Experience | None = None
    broader: Mapping[str, Mapping[str, str]] = {}
    spellings: Mapping[str, Mapping[str, str]] = {}
    training: Mapping[str, Any] = {}

    def calibration(self) -> dict[str, str]:
        """How answers are calibrated, by property: those of the fusion, or of the only member."""
        chosen = self.calibrators.get(FUSION) or next((c for c in self.calibrators.values() if c), {})
        return {name: calibrator.method for name, calibrator in chosen.items()}


def regime_folder(regime: Regime) -> str:
    """The folder of a regime's model within the whole one."""
    return regime.replace(" ", "-")


def read_config(folder: VerifiedFolder) -> tuple[ModelConfig, tuple[Property, ...]]:
    """A model's configuration and its properties. Raises ModelFolderError when they do not fit each other."""
    values = folder.json("config.json")
    if not isinstance(values, dict) or values.get("format") != FORMAT or values.get("kind") != "model":
        raise ModelFolderError(f"{folder.path} holds no whole model of format {FORMAT}; train one anew")
    try:
        config = ModelConfig.read(values, f"{folder.path}: config.json")
    except ClassifierError as error:
        raise ModelFolderError(str(error)) from error
    if not config.members:
        raise ModelFolderError(f"{folder.path}: the model has no members")
    properties = tuple(
        replace(p, broader=config.broader.get(p.name, {}), spellings=config.spellings.get(p.name, {}))
        for p in read_properties(folder, values)
    )
    for problem in _misfits(config, properties):
        raise ModelFolderError(f"{folder.path}: config.json: {problem}")
    return config, properties


def _misfits(config: ModelConfig, properties: tuple[Property, ...]) -> Iterator[str]:
    """What of the configuration has another number of classes than the labels."""
    members = {f"{m}: ": member for m, member in config.members.items()}
    holders: dict[str, ModelConfig | MemberConfig] = {"": config, **members}
    for prop in properties:
        size = len(prop.classes)
        for where, holder in holders.items():
            threshold = holder.thresholds.get(prop.name)
            if threshold is None or (isinstance(threshold, tuple) and len(threshold) != size):
                yield f"{where}the thresholds of {prop.name} are not {size} numbers"
            if len(holder.offsets.get(prop.name, prop.classes)) != size:
                yield f"{where}the offsets of {prop.name} are not {size} numbers"
        if any(stands not in prop.classes for stands in config.broader.get(prop.name, {}).values()):
            yield f"broader maps a value of {prop.name} to what is no class"
        for modality, by_property in config.calibrators.items():
            calibrator = by_property.get(prop.name)
            if calibrator is not None and calibrator.classes not in (None, size):
                yield f"{modality}: the calibration of {prop.name} is not of {size} classes"
