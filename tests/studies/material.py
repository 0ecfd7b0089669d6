"""Material for the tests of studies: the made museum."""

from __future__ import annotations

from enrich.classifiers.data import Dataset
from enrich.graph.labels import told_apart
from enrich.studies.study import Material
from tests.classifiers.museum import PLACES, PROPERTIES
from tests.two_modalities import told


def material(train: int = 150, held_out: int = 90, rare: bool = False) -> Material:
    """Records of the made museum; classes are called by the end of their IRIs. With `rare`, one place is."""
    records = told(train)
    if rare:
        japanese = [r for r in records if PLACES[2] in r.known.get("place", ())]
        records = [r for r in records if r not in japanese[5:]]
    return Material(
        Dataset(records, PROPERTIES),
        told(held_out, seed=1),
        "dev",
        "museum",
        lambda iris: told_apart(iris, {iri: iri.rsplit("/", 1)[1] for iri in iris}),
    )
