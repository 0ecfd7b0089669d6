"""A small made museum and models for it, for the tests of the graph side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from pyoxigraph import Quad, RdfFormat, parse

from enrich.answering.batch import Batcher
from enrich.answering.context import Context
from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Property, Record
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.demo.museum import museum_quads
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.reviews import Reviews
from enrich.settings.loading import Settings, write_initial
from enrich.workspace import Workspace

PROFILE = Path(__file__).with_name("small.toml")
THRESHOLDS = {"place": 0.3, "time": 0.3, "technique": 0.3, "material": 0.3}
"""Low enough that class priors answer some gaps and abstain from others."""


def museum(count: int = 60, store: Store | None = None, **settings: object) -> Workspace:
    """A workspace over a made museum of `count` objects, in memory unless a store is given."""
    held = store if store is not None else open_store()
    held.insert(museum_quads(count, seed=3))
    values = {"profile": str(PROFILE), "decision": {"thresholds": THRESHOLDS}, **settings}
    return Workspace(Settings(**values), held)  # type: ignore[arg-type]


def museum_folder(folder: Path, count: int = 60) -> Path:
    """The same in a folder: enrich.toml, an embedded store on disk, and a model that answers with class priors."""
    write_initial(folder, str(PROFILE))
    said = ", ".join(f"{name} = {share}" for name, share in THRESHOLDS.items())
    with (folder / "enrich.toml").open("a") as settings:
        settings.write(f"thresholds = {{ {said} }}\n")
    with Workspace.open(folder / "enrich.toml") as workspace:
        workspace.store.insert(museum_quads(count, seed=3))
        dummy_model(workspace, folder / "model")
    return folder


def dummy_model(workspace: Workspace, folder: Path, *, seed: int = 0) -> Path:
    """A model trained on the museum that answers with class priors; another `seed` makes another version."""
    train(workspace, None, folder, modalities=("dummy",), seed=seed)
    return folder


def answer(
    probabilities: Sequence[float],
    *,
    many: bool = False,
    present: bool = True,
    order: Sequence[int] | None = None,
    inside: Sequence[bool] | None = None,
    reach: float | Sequence[float] = 0.5,
    promised: float = 0.9,
    regime: int = 0,
) -> Prediction:
    """One record's answer about classes https://c.example/0, …, which must reach `reach`."""
    k = len(probabilities)
    prop = Property("place", tuple(f"https://c.example/{i}" for i in range(k)), many)
    fused = Distribution(prop.classes, np.array([probabilities], float), np.array([present]), many)
    ranks = np.array([order if order is not None else np.argsort(-np.array(probabilities), kind="stable")])
    return Prediction(
        prop,
        fused,
        {"tabular": fused},
        ranks,
        sets=np.zeros((1, k), bool) if inside is None else np.array([inside]),
        coverage=np.array([np.nan if inside is None else 0.9]),
        thresholds=np.broadcast_to(np.asarray(reach, float), (1, k)),
        promised=np.array([promised]),
        regimes=np.array([regime], np.int8),
        models=np.array([regime], np.int8),
    )


def record(**known: tuple[str, ...]) -> Record:
    """A bare record with known values."""
    return Record("https://o.example/1", known)


def batcher_of(workspace: Workspace, model: Model) -> Batcher:
    """What answers batches of a model's properties, as a run that begins now would."""
    names = tuple(p.name for p in model.properties)
    answers = ExistingAnswers(workspace.store, workspace.names, model.digest)
    return Batcher(workspace, model, names, answers, Reviews.read(workspace.store, workspace.names, ()))


def written_quads(workspace: Workspace, model: Model) -> tuple[list[Quad], Counter[str]]:
    """The quads of the answers to all gaps as a run would write them, and their number by outcome."""
    batcher = batcher_of(workspace, model)
    questions = batcher.questions(list(workspace.reader.iris()))
    answered = [a for piece in batcher.answer(questions) for a in piece]
    context = Context(workspace.settings, workspace=workspace)
    run = workspace.names.run("x")
    triples, counts = batcher.describe(context.run_context(run, model), answered)
    shard = workspace.names.shard("x", 0)
    return [
        Quad(t.subject, t.predicate, t.object, shard) for t in parse(triples, RdfFormat.N_TRIPLES)
    ], counts
