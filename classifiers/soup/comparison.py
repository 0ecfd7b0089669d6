"""Compares networks trained by one recipe and budget, and within each the best checkpoint with its soups."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.soup.analysis import calibration
from enrich.classifiers.soup.candidates import BEST, Candidate, candidates
from enrich.classifiers.soup.cost import cost_of
from enrich.classifiers.soup.decomposition import decompose
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit, PropertyView
from enrich.classifiers.soup.pool import (
    CheckpointPool,
    Taken,
    Trajectory,
    pool_members,
    read_trajectory,
    take,
)
from enrich.classifiers.soup.scores import Metric
from enrich.classifiers.soup.selection import METHODS, Method
from enrich.classifiers.soup.statistics import over_seeds, paired


@dataclass(frozen=True)
class Result:
    """The candidates of one pool, and what they cost."""

    pool: CheckpointPool
    candidates: Mapping[str, Candidate]
    cost: Mapping[str, float]
    calibration: Mapping[str, Mapping[str, Any]]


def compare(
    folders: Mapping[str, Sequence[Path | Sequence[Path]]],
    split: PictureSplit,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    prop: str | None = None,
    epochs: int | None = None,
    taken: Taken = "auto",
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """`folders` maps a network's name to its trajectories, one (or several in one pool) per seed, in the same order.

    Soups are made of each pool by itself, from the first `epochs` checkpoints of a trajectory where that is given, or
    those that are `taken` of it.
    Returns JSON values: per network and candidate the means over seeds with intervals, the paired tests
    against the network's best member, and of the first network's candidates against the other networks'.
    """
    view = PropertyView.of(split.scoring, prop)
    results: dict[str, list[Result]] = {name: [] for name in folders}
    total = sum(map(len, folders.values()))
    for done, (name, path) in enumerate(((n, p) for n in folders for p in folders[n]), start=1):
        evaluator = Evaluator(_pool([path] if isinstance(path, Path) else path, epochs, taken), split.learn)
        made = candidates(evaluator, split, metric=metric, methods=methods, progress=progress)
        sure = {c.name: calibration(c, split, view, ("none", "temperature")) for c in made}
        cost = cost_of(evaluator, split.scoring, made)
        results[name].append(Result(evaluator.pool, {c.name: c for c in made}, cost, sure))
        progress("comparing", done, total)
    return {
        "property": view.prop.name,
        "metric": metric,
        "epochs": epochs,
        "pictures": split.sizes(),
        "data": f"scoring pictures, sha256 {split.scoring.digest()}",
        "networks": {name: _network(found, view) for name, found in results.items()},
        "against_first": _against_first(results, view),
    }


def _pool(paths: Sequence[Path], epochs: int | None, taken: Taken) -> CheckpointPool:
    trajectories = [read_trajectory(path, epochs) for path in paths]
    for trajectory in trajectories:
        if epochs is not None and len(trajectory.members) < epochs:
            raise ClassifierError(
                f"{trajectory.folder} has {len(trajectory.members)} checkpoints, {epochs} were asked for"
            )
    return pool_members(take(trajectories, taken))


def _network(results: Sequence[Result], view: PropertyView) -> dict[str, Any]:
    trained = [r.pool.trajectories for r in results]
    return {
        "parameters": results[0].cost["parameters"],
        "seeds": [of_pool[0].about["seed"] for of_pool in trained],
        "checkpoints": [len(r.pool.members) for r in results],
        "training_seconds": [round(sum(map(_seconds, of_pool)), 1) for of_pool in trained],
        "peak_memory_mib": [max(t.about["peak_memory_mib"] for t in of_pool) for of_pool in trained],
        "cost": {key: float(np.median([r.cost[key] for r in results])) for key in results[0].cost},
        "candidates": {name: _candidate(results, name, view) for name in results[0].candidates},
    }


def _seconds(trajectory: Trajectory) -> float:
    """Wall-clock time of the epochs up to the last one that was read."""
    last = max(m.epoch for m in trajectory.members)
    return sum(float(e["seconds"]) for e in trajectory.about["epochs"] if e["epoch"] <= last)


def _candidate(results: Sequence[Result], name: str, view: PropertyView) -> dict[str, Any]:
    made = [r.candidates[name] for r in results]
    right = _right(results, name, view)
    sure = [r.calibration[name] for r in results]
    several = len(made) > 1
    return {
        "accuracy": over_seeds(right),
        "accuracy_by_seed": [c.on_scoring["accuracy"] for c in made],
        "macro_f1": float(np.mean([c.on_scoring["macro_f1"] for c in made])),
        "macro_f1_by_seed": [c.on_scoring["macro_f1"] for c in made],
        "loss": float(np.mean([c.on_scoring["loss"] for c in made])),
        "selection": [c.on_selection for c in made],
        "members": [len(c.members) for c in made],
        "inferences": [c.inferences for c in made],
        "ece": float(np.mean([s["before"]["ece"] for s in sure])),
        "ece_calibrated": float(np.mean([s["after"]["ece"] for s in sure])),
        "against_best": None if name == BEST else paired(right, _right(results, BEST, view)),
        "bias_variance_over_seeds": decompose(np.stack([view.select(c.scoring) for c in made]), view.truth)
        if several
        else None,
        "notes": [list(c.notes) for c in made],
    }


def _against_first(results: Mapping[str, Sequence[Result]], view: PropertyView) -> list[dict[str, Any]]:
    """The first network's best member and soups against the best member of the other networks."""
    first, *others = results
    found = []
    for other in others:
        if len(results[other]) != len(results[first]):
            raise ClassifierError(
                f"{first} and {other} have different numbers of seeds; a paired test needs the same"
            )
        best = _right(results[other], BEST, view)
        for name in results[first][0].candidates:
            test = paired(_right(results[first], name, view), best)
            found.append({"one": f"{first}, {name}", "other": f"{other}, {BEST}", **test})
    return found


def _right(results: Sequence[Result], name: str, view: PropertyView) -> FloatArray:
    """Whether each scoring picture was answered rightly, (seeds, n) of 0 and 1."""
    return np.stack([view.hits(r.candidates[name].scoring) for r in results])
