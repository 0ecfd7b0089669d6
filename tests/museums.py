"""A small made museum and models for it, for the tests of the graph side."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from classifiers.base import Distribution
from classifiers.data import Dataset, Property, Record
from classifiers.dummy import DummyClassifier
from classifiers.fusion.base import PassThrough
from classifiers.model.model import Answer, Member, Model
from enrich.demo.museum import museum_quads
from enrich.graph.stores import Store, open_store
from enrich.settings.loading import Settings
from enrich.workspace import Workspace


def museum(count: int = 60, store: Store | None = None, **settings: object) -> Workspace:
    """A workspace over a made museum of `count` objects, in memory unless a store is given."""
    held = store if store is not None else open_store()
    held.insert(museum_quads(count, seed=3))
    values = {"profile": "linked-art", **settings}
    return Workspace(Settings(**values), held)  # type: ignore[arg-type]


def dummy_model(workspace: Workspace, folder: Path, *, threshold: float = 0.3, gamma: float = 1.0) -> Path:
    """A saved model that answers with class priors; another `gamma` makes another version."""
    records = [subject.record for subject in workspace.reader.read_all()]
    properties = tuple(
        Property(p.name, tuple(sorted({v for r in records for v in r.known.get(p.name, ())})), p.many)
        for p in workspace.profile.properties
    )
    dataset = Dataset(records, properties)
    classifier = DummyClassifier()
    classifier.fit(dataset, dataset)
    fuser = PassThrough()
    fuser.properties = properties
    thresholds: dict[str, float | list[float]] = {
        p.name: [threshold] * len(p.classes) if p.many else threshold for p in properties
    }
    member = Member(classifier, "", {}, {"gamma": gamma}, thresholds, {})
    model = Model(properties, {"tabular": member}, fuser, {}, thresholds, {}, 0.9)
    model.save(folder, training={"snapshot": {"sha256": "a" * 64, "issued": "2026-01-31"}})
    return folder


def answer(
    probabilities: Sequence[float],
    *,
    many: bool = False,
    present: bool = True,
    order: Sequence[int] | None = None,
    inside: Sequence[bool] | None = None,
) -> Answer:
    """One record's answer about classes https://c.example/0, …"""
    k = len(probabilities)
    prop = Property("place", tuple(f"https://c.example/{i}" for i in range(k)), many)
    fused = Distribution(prop.classes, np.array([probabilities], float), np.array([present]), many)
    ranks = np.array([order if order is not None else np.argsort(-np.array(probabilities), kind="stable")])
    sets = None if inside is None else np.array([inside])
    return Answer(prop, fused, {"tabular": fused}, ranks, sets, 0.9 if inside is not None else None)


def record(**known: tuple[str, ...]) -> Record:
    """A bare record with known values."""
    return Record("https://o.example/1", known)
