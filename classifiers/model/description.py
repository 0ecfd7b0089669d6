"""What a model folder says of itself, without loading its classifiers and the libraries that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.digest import file_digest
from enrich.classifiers.model.config import ModelConfig, read_config, regime_folder
from enrich.classifiers.model.manifest import MANIFEST
from enrich.classifiers.model.regimes import Experience, Regime
from enrich.classifiers.model.thresholds import Promise
from enrich.classifiers.model.verified import VerifiedFolder, load_verified, read_json
from enrich.classifiers.registry import classifier_class, fuser_class


@dataclass(frozen=True)
class MemberDescription:
    """The classifier of one modality: its name, its digest and the history of its training."""

    classifier: str
    digest: str
    history: Mapping[str, Any]


@dataclass(frozen=True)
class ModelDescription:
    """A model: its digest, the properties it predicts, its members by modality, how each property is
    calibrated, the account of its training, and what it knew of where its records come from."""

    digest: str
    properties: tuple[Property, ...]
    members: Mapping[str, MemberDescription]
    calibration: Mapping[str, str]
    training: Mapping[str, Any]
    experience: Experience | None = None

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Verify a model folder and read its description. Raises ModelFolderError."""
        return load_verified(Path(folder), cls._of)

    @classmethod
    def _of(cls, folder: VerifiedFolder) -> Self:
        config, properties = read_config(folder)
        members = {
            m: MemberDescription(member.classifier, member.digest, folder.json(f"{m}/metrics.json"))
            for m, member in config.members.items()
        }
        return cls(
            folder.digest, properties, members, config.calibration(), config.training, config.experience
        )


def promises_of(folder: Path, digest: str) -> dict[Regime, Mapping[str, Promise]]:
    """What a model promises, by regime and property; nothing when the folder holds another model by now."""
    try:
        if file_digest(folder / MANIFEST) != digest:
            return {}
        config = _config(folder)
        parts = {regime: _config(folder / regime_folder(regime)) for regime in config.regimes}
    except (ClassifierError, OSError):
        return {}
    return {"seen": config.promises, **{regime: part.promises for regime, part in parts.items()}}


def _config(folder: Path) -> ModelConfig:
    return ModelConfig.read(read_json(folder / "config.json"), f"{folder}: config.json")


def survives_fork(folder: Path) -> bool:
    """Whether all that a model is made of may be loaded before the process forks. Raises ClassifierError."""
    config = _config(folder)
    members = all(classifier_class(member.classifier).fork_safe for member in config.members.values())
    return members and fuser_class(config.fusion.name).fork_safe
