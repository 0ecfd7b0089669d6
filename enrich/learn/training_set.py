"""From records read from the graph to a dataset that classifiers learn from, with what was left out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from enrich.classifiers.data import Dataset, Property, Record
from enrich.ontology.profiles import Profile, PropertyProfile

Broader = Mapping[str, Sequence[str]]
"""A value's broader concepts in the vocabulary, the nearest first."""


@dataclass(frozen=True)
class TrainingSet:
    """A dataset and its account: training records per class, and the classes and properties left out.

    `left_out` counts by property the values with too few records that no broader class stands for; `single` are
    the properties with one class, of which nothing can be learnt.
    """

    dataset: Dataset
    classes: dict[str, dict[str, int]]
    left_out: dict[str, dict[str, int]]
    without_classes: tuple[str, ...]
    single: tuple[str, ...] = ()

    def account(self) -> dict[str, Any]:
        """For config.json and the model card."""
        return {
            "classes": self.classes,
            "left_out": {p: c for p, c in self.left_out.items() if c},
            "properties_left_out": list(self.without_classes),
            "properties_of_one_class": list(self.single),
            "broader": {p.name: dict(p.broader) for p in self.dataset.properties if p.broader},
        }


def training_set(
    records: Sequence[Record],
    profile: Profile,
    broader: Mapping[str, Broader] | None = None,
    spellings: Mapping[str, Mapping[str, str]] | None = None,
) -> TrainingSet:
    """Choose the classes of each property: those that at least the profile's minimum of records have.

    Classes come in the profile's order where it lists them, else by IRI. A rare value is learnt as its narrowest
    broader concept (`broader`, by property) that reaches the minimum; `spellings` says how classes are written that
    are literals. A property with no class left, or with one, is
    left out of the dataset and named: with one there is nothing to tell it from.
    """
    properties: list[Property] = []
    classes: dict[str, dict[str, int]] = {}
    left_out: dict[str, dict[str, int]] = {}
    without: list[str] = []
    single: list[str] = []
    for prop in profile.properties:
        counts: Counter[str] = Counter(v for r in records for v in r.labels(prop.name))
        kept, stands = _classes(prop, records, counts, (broader or {}).get(prop.name, {}))
        listed = list(prop.class_names) or sorted(counts)
        left_out[prop.name] = {c: counts[c] for c in listed if c not in kept and c not in stands}
        if len(kept) < 2:
            (single if kept else without).append(prop.name)
            left_out[prop.name] |= kept
            continue
        classes[prop.name] = kept
        own = (spellings or {}).get(prop.name, {})
        written = {c: own[c] for c in kept if c in own}
        properties.append(Property(prop.name, tuple(kept), prop.many, stands, written))
    dataset = Dataset(list(records), tuple(properties))
    return TrainingSet(dataset, classes, left_out, tuple(without), tuple(single))


def _classes(
    prop: PropertyProfile, records: Sequence[Record], counts: Counter[str], broader: Broader
) -> tuple[dict[str, int], dict[str, str]]:
    """The classes with their records, and the class that stands for each rare value."""
    least = max(1, prop.minimum)
    listed = list(prop.class_names) or sorted(counts)
    kept = {c: counts[c] for c in listed if counts[c] >= least}
    rare: dict[str, set[int]] = {v: set() for v in counts if v not in kept and broader.get(v)}
    for row, record in enumerate(records if rare else ()):
        for value in record.labels(prop.name):
            if value in rare:
                rare[value].add(row)
    stands = _standing_for(rare, kept, broader, least)
    for concept in set(stands.values()):
        found = set().union(*(rare[v] for v, c in stands.items() if c == concept))
        if concept in kept:
            found = {row for row in found if concept not in records[row].labels(prop.name)}
        kept[concept] = kept.get(concept, 0) + len(found)
    order = {c: i for i, c in enumerate(listed)}
    ordered = sorted(kept, key=lambda c: (order.get(c, len(order)), c)) if prop.classes else sorted(kept)
    return {c: kept[c] for c in ordered}, {v: c for v, c in stands.items() if v != c}


def _standing_for(
    rare: Mapping[str, set[int]], kept: Mapping[str, int], broader: Broader, least: int
) -> dict[str, str]:
    """The narrowest concept, itself or above it, that has enough records for each rare value (the rows that state it) to
    be learnt as.

    A value counts for one concept alone: where that leaves another with too few, its values go further up.
    """
    refused: set[str] = set()
    while True:
        under: dict[str, set[int]] = {}
        for value, rows in rare.items():
            for c in {value, *broader[value]} - refused:
                under.setdefault(c, set()).update(rows)
        stands = {}
        for value in sorted(rare):
            levels = [
                c
                for c in (value, *broader[value])
                if c in kept or (c not in refused and len(under[c]) >= least)
            ]
            if levels:
                sizes = {c: kept.get(c, 0) + len(under.get(c, ())) for c in levels}
                stands[value] = min(levels, key=lambda c: (sizes[c], levels.index(c)))
        held: dict[str, set[int]] = {}
        for value, concept in stands.items():
            held.setdefault(concept, set()).update(rare[value])
        short = {c for c, rows in held.items() if c not in kept and len(rows) < least}
        if not short:
            return stands
        refused |= short
