"""What a model folder says of itself, without reading its classifiers and the libraries that they need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from classifiers.base import ClassifierError
from classifiers.data import Property
from classifiers.model.folder import FORMAT, read_json, read_properties
from classifiers.model.manifest import ModelFolderError, verify


@dataclass(frozen=True)
class MemberDescription:
    """The classifier of one modality: its name, its digest and what its training told."""

    classifier: str
    digest: str
    history: Mapping[str, Any]


@dataclass(frozen=True)
class ModelDescription:
    """A model: its digest, what it answers, its members by modality, how each property was calibrated, and
    what its training told."""

    digest: str
    properties: tuple[Property, ...]
    members: Mapping[str, MemberDescription]
    calibration: Mapping[str, str]
    training: Mapping[str, Any]

    @classmethod
    def read(cls, folder: Path) -> Self:
        """Verify a model folder and read its description. Raises ModelFolderError."""
        digest = verify(folder)
        config = model_config(folder)
        properties = read_properties(folder, config)
        try:
            members = {
                str(modality): MemberDescription(
                    str(said["classifier"]),
                    str(said["digest"]),
                    read_json(folder / modality / "metrics.json"),
                )
                for modality, said in config["members"].items()
            }
            methods = {
                by: {name: str(c["method"]) for name, c in of.items()}
                for by, of in config["calibrators"].items()
            }
            return cls(digest, properties, members, calibration_of(methods), config.get("training", {}))
        except ModelFolderError:
            raise
        except (ClassifierError, KeyError, TypeError, ValueError, AttributeError) as error:
            raise ModelFolderError(f"{folder}: {error}") from error


def model_config(folder: Path) -> Mapping[str, Any]:
    """The config.json of a whole model. Raises ModelFolderError when it is none."""
    config = read_json(folder / "config.json")
    if not isinstance(config, dict) or config.get("format") != FORMAT or config.get("kind") != "model":
        raise ModelFolderError(f"{folder} holds no whole model of format {FORMAT}; train one anew")
    return config


def calibration_of(methods: Mapping[str, Mapping[str, str]]) -> Mapping[str, str]:
    """How the answers of a model were calibrated, by property: those of its fusion, or of its only member."""
    return methods.get("fusion") or next((m for m in methods.values() if m), {})
