"""Compares networks trained by one recipe and budget, and within each the best checkpoint with its soups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from classifiers.base import ClassifierError, FloatArray, Progress, no_progress
from classifiers.soup.analysis import calibration
from classifiers.soup.candidates import BEST, VOTE, Dish, Lens, Table, dishes
from classifiers.soup.cost import inference_cost
from classifiers.soup.decomposition import decompose
from classifiers.soup.evaluation import Kitchen, Metric
from classifiers.soup.pool import Trajectory, gather, read_trajectory
from classifiers.soup.selection import METHODS, Method
from classifiers.soup.statistics import bootstrap, paired


@dataclass(frozen=True)
class Result:
    """The dishes of one trajectory, and what it cost to train."""

    trajectory: Trajectory
    dishes: tuple[Dish, ...]
    cost: Mapping[str, float]
    calibration: Mapping[str, Mapping[str, Any]]


def compare(
    folders: Mapping[str, Sequence[Path]],
    table: Table,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    prop: str | None = None,
    epochs: int | None = None,
    progress: Progress = no_progress,
) -> dict[str, Any]:
    """`folders` maps a network's name to its trajectories, one per seed, in the same order of seeds.

    Every trajectory is cooked by itself, from its first `epochs` checkpoints where that is given. Returns
    JSON values: per network and dish the means over seeds with intervals, the paired tests against the
    network's best member, and of the first network's dishes against the other networks'.
    """
    results: dict[str, list[Result]] = {}
    for name, paths in folders.items():
        found = []
        for path in paths:
            trajectory = read_trajectory(path, epochs)
            if epochs is not None and len(trajectory.members) < epochs:
                raise ClassifierError(
                    f"{path} has {len(trajectory.members)} checkpoints, {epochs} were asked for"
                )
            found.append(_result(trajectory, table, metric, methods, prop, progress))
            progress("comparing", len(results) * len(paths) + len(found), sum(map(len, folders.values())))
        results[name] = found
    lens = Lens.of(table.scoring, prop)
    networks = {name: _network(found, lens) for name, found in results.items()}
    return {
        "property": lens.prop.name,
        "metric": metric,
        "epochs": epochs,
        "pictures": {
            "learn": len(table.learn),
            "selection": len(table.selection),
            "scoring": len(table.scoring),
        },
        "networks": networks,
        "against_first": _against_first(results, lens),
    }


def _result(
    trajectory: Trajectory,
    table: Table,
    metric: Metric,
    methods: Sequence[Method],
    prop: str | None,
    progress: Progress,
) -> Result:
    kitchen = Kitchen(gather([trajectory]), table.learn)
    made = dishes(kitchen, table, metric=metric, methods=methods, progress=progress)
    by_name = {d.name: d for d in made}
    widest = max((d for d in made if d.weights is not None), key=lambda d: len(d.members))
    cost = inference_cost(
        kitchen,
        table.scoring,
        member=by_name[BEST].weights or {},
        soup=widest.weights or {},
        voters=map(kitchen.weights, by_name[VOTE].members),
    )
    lens = Lens.of(table.scoring, prop)
    return Result(
        trajectory,
        tuple(made),
        cost,
        {d.name: calibration(d, table, lens, ("none", "temperature")) for d in made},
    )


def _network(results: Sequence[Result], lens: Lens) -> dict[str, Any]:
    names = [d.name for d in results[0].dishes]
    right = {name: _right(results, name, lens) for name in names}
    about = [r.trajectory.about for r in results]
    return {
        "parameters": results[0].cost["parameters"],
        "seeds": [a["seed"] for a in about],
        "checkpoints": [len(r.trajectory.members) for r in results],
        "training_seconds": [_seconds(r.trajectory) for r in results],
        "peak_memory_mib": [a["peak_memory_mib"] for a in about],
        "cost": {key: float(np.median([r.cost[key] for r in results])) for key in results[0].cost},
        "dishes": {name: _dish(results, name, right, lens) for name in names},
    }


def _seconds(trajectory: Trajectory) -> float:
    """Wall-clock time of the epochs that were read."""
    kept = {m.epoch for m in trajectory.members}
    return round(sum(float(e["seconds"]) for e in trajectory.about["epochs"] if e["epoch"] in kept), 1)


def _dish(
    results: Sequence[Result], name: str, right: Mapping[str, FloatArray], lens: Lens
) -> dict[str, Any]:
    made = [_named(r, name) for r in results]
    p = np.stack([lens.see(d.scoring) for d in made])
    surety = [r.calibration[name] for r in results]
    parts = decompose(p, lens.truth) if len(made) > 1 else None
    return {
        "accuracy": bootstrap(right[name]).json(),
        "accuracy_by_seed": [d.on_scoring["accuracy"] for d in made],
        "macro_f1": float(np.mean([d.on_scoring["macro_f1"] for d in made])),
        "macro_f1_by_seed": [d.on_scoring["macro_f1"] for d in made],
        "loss": float(np.mean([d.on_scoring["loss"] for d in made])),
        "selection": [d.on_selection for d in made],
        "members": [len(d.members) for d in made],
        "inferences": [d.inferences for d in made],
        "ece": float(np.mean([s["before"]["ece"] for s in surety])),
        "ece_calibrated": float(np.mean([s["after"]["ece"] for s in surety])),
        "against_best": None if name == BEST else paired(right[name], right[BEST]).json(),
        "bias_variance_over_seeds": parts,
        "notes": [list(d.notes) for d in made],
    }


def _against_first(results: Mapping[str, Sequence[Result]], lens: Lens) -> list[dict[str, Any]]:
    """The first network's best member and soups against the best member of the other networks."""
    first, *others = results
    found = []
    for other in others:
        if len(results[other]) != len(results[first]):
            raise ClassifierError(
                f"{first} and {other} have different numbers of seeds; a paired test needs the same"
            )
        for dish in (d.name for d in results[first][0].dishes):
            test = paired(_right(results[first], dish, lens), _right(results[other], BEST, lens))
            found.append({"one": f"{first}, {dish}", "other": f"{other}, {BEST}", **test.json()})
    return found


def _right(results: Sequence[Result], name: str, lens: Lens) -> FloatArray:
    """Whether each scoring picture was answered rightly, (seeds, n) of 0 and 1."""
    return np.stack(
        [(lens.see(_named(r, name).scoring).argmax(axis=1) == lens.truth).astype(np.float64) for r in results]
    )


def _named(result: Result, name: str) -> Dish:
    return next(d for d in result.dishes if d.name == name)
