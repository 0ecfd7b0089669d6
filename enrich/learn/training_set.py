"""From records read from the graph to a dataset that classifiers learn from, with what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from classifiers.data import Dataset, Property, Record
from ontology.profiles import Profile


@dataclass(frozen=True)
class TrainingSet:
    """A dataset and its account: training values per class, and the classes and properties left out."""

    dataset: Dataset
    classes: dict[str, dict[str, int]]
    left_out: dict[str, dict[str, int]]
    without_classes: tuple[str, ...]

    def account(self) -> dict[str, Any]:
        """For config.json and the model card."""
        return {
            "classes": self.classes,
            "left_out": {p: c for p, c in self.left_out.items() if c},
            "properties_left_out": list(self.without_classes),
        }


def training_set(records: Sequence[Record], profile: Profile) -> TrainingSet:
    """Choose the classes of each property: those with at least the profile's minimum of training values.

    Classes come in the profile's order where it lists them, else by IRI. A property with no class left
    is left out of the dataset and named.
    """
    properties: list[Property] = []
    classes: dict[str, dict[str, int]] = {}
    left_out: dict[str, dict[str, int]] = {}
    without: list[str] = []
    for prop in profile.properties:
        counts: Counter[str] = Counter(v for r in records for v in r.known.get(prop.name, ()))
        listed = [c.value for c in prop.classes] or sorted(counts)
        kept = [c for c in listed if counts[c] >= max(1, prop.minimum)]
        left_out[prop.name] = {c: counts[c] for c in listed if c not in set(kept)}
        if not kept:
            without.append(prop.name)
            continue
        classes[prop.name] = {c: counts[c] for c in kept}
        properties.append(Property(prop.name, tuple(kept), prop.many))
    return TrainingSet(Dataset(list(records), tuple(properties)), classes, left_out, tuple(without))
