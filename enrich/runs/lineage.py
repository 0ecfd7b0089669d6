"""What the register says of a model: its members, their ingredients, and the data they learned from."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from enrich.classifiers.model.description import ModelDescription
from enrich.runs.provenance import MODALITIES
from enrich.runs.register import ModelEntity, Snapshot


def model_entities(model: ModelDescription) -> list[ModelEntity]:
    """The model itself first, then its members, then the ingredients that a member was made from."""
    data = tuple(s.digest for s in snapshots(model))
    members = [member.digest for member in model.members.values()]
    whole = ModelEntity(model.digest, "fusion", (*data, *members), _calibration(model))
    return [whole, *_members(model, data)]


def _members(model: ModelDescription, data: tuple[str, ...]) -> Iterator[ModelEntity]:
    for modality, member in model.members.items():
        ingredients = _ingredients(member.history)
        yield ModelEntity(
            member.digest,
            f"{modality}: {member.classifier}",
            (*data, *ingredients),
            modality=MODALITIES[modality],
        )
        for digest, name in ingredients.items():
            yield ModelEntity(digest, name)


def _ingredients(history: Mapping[str, Any]) -> dict[str, str]:
    """Digest to name of what a member was averaged from, as its metrics.json tells; empty for most."""
    return {
        str(item["sha256"]): str(item.get("name", "checkpoint")) for item in history.get("ingredients", [])
    }


def snapshots(model: ModelDescription) -> list[Snapshot]:
    """The data that the model learned from, when its folder tells."""
    told = model.training.get("snapshot")
    if not isinstance(told, Mapping) or not {"sha256", "issued", "role"} <= set(told):
        return []
    return [Snapshot(str(told["sha256"]), str(told["issued"]), str(told["role"]))]


def _calibration(model: ModelDescription) -> str:
    """How the answers were calibrated, in words: `place: vector, …`."""
    return ", ".join(f"{name}: {method}" for name, method in sorted(model.calibration.items()))
