"""What the register says of a model: its members, their ingredients, and the data they learned from."""

from collections.abc import Mapping, Sequence

from enrich.classifiers.model.description import ModelDescription
from enrich.runs.model_entities import ModelEntity, Snapshot
from enrich.runs.provenance import MODALITIES


def model_entities(model: ModelDescription) -> list[ModelEntity]:
    """The model itself first, then its members, then the ingredients that a member was made from."""
    data = tuple(s.digest for s in snapshots(model))
    members = [member.digest for member in model.members.values()]
    calibration = ", ".join(f"{name}: {method}" for name, method in sorted(model.calibration.items()))
    found = [ModelEntity(model.digest, _title(model), (*data, *members), calibration)]
    for modality, member in model.members.items():
        averaged = member.history.get("ingredients", [])  # as its metrics.json tells; none for most
        made_of = {str(item["sha256"]): str(item.get("name", "checkpoint")) for item in averaged}
        title, kind = f"{modality}: {member.classifier}", MODALITIES[modality]
        found.append(ModelEntity(member.digest, title, (*data, *made_of), modality=kind))
        found += [ModelEntity(digest, name) for digest, name in made_of.items()]
    return found


def snapshots(model: ModelDescription) -> list[Snapshot]:
    """The data that the model learned from, when its folder tells."""
    told = model.training.get("snapshot")
    if not isinstance(told, Mapping) or not {"sha256", "issued", "role"} <= set(told):
        return []
    title = (
        f"What was known of {_records(model)}, as the profile {model.training.get('profile', '?')} reads it"
    )
    if "labels from reviews" in model.training:
        title += (
            f", with {model.training['labels from reviews']:,} values that curators put in and "
            f"{model.training['values turned down in reviews']:,} that they turned down; held out: "
            f"{model.training['records held out for reviews']:,} reviewed at random"
        )
    return [Snapshot(str(told["sha256"]), str(told["issued"]), str(told["role"]), title)]


def in_words(names: Sequence[str]) -> str:
    """`place, time and material`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def _title(model: ModelDescription) -> str:
    """What a model is called: `text (tfidf) and tabular for place and time, from 1,800 records of 2026-11-20`."""
    members = [
        m if m == member.classifier else f"{m} ({member.classifier})" for m, member in model.members.items()
    ]
    return f"{in_words(members)} for {in_words([p.name for p in model.properties])}, from {_records(model)}"


def _records(model: ModelDescription) -> str:
    told, number = model.training.get("snapshot"), model.training.get("records")
    day = f" of {told['issued']}" if isinstance(told, Mapping) and "issued" in told else ""
    return (f"{number:,} records" if isinstance(number, int) else "records") + day
