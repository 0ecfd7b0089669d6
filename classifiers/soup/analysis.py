"""The evidence on one pot: what averaging does to bias and variance, where the models lie, how sure they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from classifiers.base import FloatArray, Progress, no_progress
from classifiers.model import metrics
from classifiers.model.calibration import METHODS as CALIBRATIONS
from classifiers.model.calibration import Calibrator
from classifiers.soup.candidates import BEST, Dish, Lens, Table, dishes
from classifiers.soup.cost import inference_cost
from classifiers.soup.decomposition import decompose
from classifiers.soup.distances import DISTANCES, Map, classical_mds, smacof
from classifiers.soup.evaluation import Kitchen, Metric, probabilities, score
from classifiers.soup.pool import Member
from classifiers.soup.replicates import head_replicates
from classifiers.soup.selection import METHODS, Method, rank

LINE_POINTS = 9
REPLICATED = (BEST, "uniform", "greedy")
"""Dishes whose head is fitted anew on bootstrap replicates."""


@dataclass(frozen=True)
class Analysis:
    """The numbers, as JSON values, and the maps by distance and method; `names` are the maps' points."""

    numbers: dict[str, Any]
    names: tuple[str, ...]
    maps: dict[str, tuple[Map, Map]]


def analyse(
    kitchen: Kitchen,
    table: Table,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    prop: str | None = None,
    replicates: int = 10,
    progress: Progress = no_progress,
) -> Analysis:
    """Cook every soup, and measure all of it on the scoring pictures, one property at a time."""
    lens = Lens.of(table.scoring, prop)
    made = dishes(kitchen, table, metric=metric, methods=methods, progress=progress)
    members = kitchen.pot.members
    said = _member_probabilities(kitchen, table, lens, members)
    numbers: dict[str, Any] = {
        "property": lens.prop.name,
        "classes": list(lens.prop.classes),
        "metric": metric,
        "pictures": {
            "learn": len(table.learn),
            "selection": len(table.selection),
            "scoring": len(table.scoring),
        },
        "members": _members(kitchen, table, members),
        "duplicates": [list(pair) for pair in kitchen.pot.duplicates],
        "dishes": [dish_json(d, lens) for d in made],
        "bias_variance": _decompositions(kitchen, table, lens, said, made, replicates, progress),
        "lines": _lines(kitchen, table, metric, progress),
        "calibration": [calibration(d, table, lens) for d in made],
        "cost": _cost(kitchen, table, made),
    }
    names, p = _everyone(members, said, made, lens)
    maps, numbers["distances"] = {}, {}
    for name, distance in DISTANCES.items():
        d = distance(p)
        maps[name] = (classical_mds(d), smacof(d))
        numbers["distances"][name] = {
            "matrix": np.round(d, 5).tolist(),
            "stress": {m.method: m.stress for m in maps[name]},
            "share_of_two_dimensions": maps[name][0].share,
        }
    numbers["names"] = list(names)
    return Analysis(numbers, names, maps)


def dish_json(dish: Dish, lens: Lens) -> dict[str, Any]:
    """What a report says of a dish."""
    p = lens.see(dish.scoring)
    right = (p.argmax(axis=1) == lens.truth).astype(np.float64)
    picks = np.random.default_rng(0).integers(0, len(right), (1000, len(right)))
    low, high = np.quantile(right[picks].mean(axis=1), [0.025, 0.975])
    return {
        "name": dish.name,
        "members": [m.name for m in dish.members],
        "shares": list(dish.soup.shares) if dish.soup else [],
        "inferences": dish.inferences,
        "selection": dish.on_selection,
        "scoring": dish.on_scoring,
        "accuracy_interval": [float(low), float(high)],
        "notes": list(dish.notes),
        "steps": list(dish.soup.steps) if dish.soup else [],
    }


def _members(kitchen: Kitchen, table: Table, members: Sequence[Member]) -> list[dict[str, Any]]:
    return [
        {
            "name": m.name,
            "trajectory": m.trajectory,
            "epoch": m.epoch,
            "sha256": m.sha256,
            "selection": score(kitchen.member_logits(m, table.selection), table.selection).json(),
            "scoring": score(kitchen.member_logits(m, table.scoring), table.scoring).json(),
        }
        for m in members
    ]


def _member_probabilities(
    kitchen: Kitchen, table: Table, lens: Lens, members: Sequence[Member]
) -> FloatArray:
    """(m, n, K) on the scoring pictures."""
    return np.stack(
        [lens.see(probabilities(kitchen.member_logits(m, table.scoring), table.scoring)) for m in members]
    )


def _decompositions(
    kitchen: Kitchen,
    table: Table,
    lens: Lens,
    said: FloatArray,
    made: Sequence[Dish],
    replicates: int,
    progress: Progress,
) -> dict[str, Any]:
    """Over all members, over those of the later half of each trajectory, and over replicates of the head."""
    members = kitchen.pot.members
    last = {t: max(m.epoch for m in members if m.trajectory == t) for t in {m.trajectory for m in members}}
    late = [i for i, m in enumerate(members) if m.epoch > last[m.trajectory] / 2]
    found = {"members": decompose(said, lens.truth)}
    if 1 < len(late) < len(members):
        found["members of the later half"] = decompose(said[late], lens.truth)
    for dish in made if replicates else ():
        if (
            dish.weights is None
            or dish.name not in REPLICATED
            or (dish.name != BEST and len(dish.members) < 2)
        ):
            continue
        kitchen.network.load_state_dict(dish.weights)
        p = head_replicates(
            kitchen.network,
            table.learn,
            table.scoring,
            kitchen.pot.size,
            prop=lens.prop.name,
            replicates=replicates,
            progress=progress,
        )
        found[f"head replicates, {dish.name}"] = decompose(p, lens.truth)
    return found


def _lines(kitchen: Kitchen, table: Table, metric: Metric, progress: Progress) -> list[dict[str, Any]]:
    """Cross-entropy and accuracy along the line between pairs of members, on the selection pictures.

    The best two of one trajectory, the best and its earliest, and the best ones of two trajectories.
    """
    ranked = [m for m, _ in rank(kitchen, table.selection, metric)]
    best = ranked[0]
    own = [m for m in ranked if m.trajectory == best.trajectory]
    pairs = [("best and second best", own[1])] if len(own) > 1 else []
    first = min(own, key=lambda m: m.epoch)
    pairs += [("best and earliest", first)] if first not in (best, *own[1:2]) else []
    others = [m for m in ranked if m.trajectory != best.trajectory]
    pairs += [("best of two trainings", others[0])] if others else []
    found = []
    for done, (name, other) in enumerate(pairs, start=1):
        points = []
        for t in np.linspace(0.0, 1.0, LINE_POINTS):
            weights = kitchen.mix([best, other], [1.0 - float(t), float(t)])
            tasted = score(kitchen.run(weights, table.selection), table.selection)
            points.append({"t": float(t), "loss": tasted.loss, "accuracy": tasted.accuracy})
        losses = [p["loss"] for p in points]
        straight = [losses[0] + p["t"] * (losses[-1] - losses[0]) for p in points]
        barrier = max(now - line for now, line in zip(losses, straight, strict=True))
        found.append(
            {"pair": name, "from": best.name, "to": other.name, "points": points, "barrier": barrier}
        )
        progress("lines between members", done, len(pairs))
    return found


def calibration(
    dish: Dish, table: Table, lens: Lens, methods: tuple[str, ...] = CALIBRATIONS
) -> dict[str, Any]:
    """Calibration error, log loss and reliability on scoring, before and after a calibration learnt on selection."""
    inside = Lens.of(table.selection, lens.prop.name)
    p = inside.see(dish.selection)
    target = np.eye(len(lens.prop.classes))
    chosen = Calibrator.fit(p, target[inside.truth], methods=methods)
    before = lens.see(dish.scoring)
    return {
        "name": dish.name,
        "method": chosen.method,
        "before": _sureness(before, lens, target),
        "after": _sureness(chosen.apply(before), lens, target),
    }


def _sureness(p: FloatArray, lens: Lens, target: FloatArray) -> dict[str, Any]:
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == lens.truth
    return {
        "ece": metrics.ece(confidence, correct),
        "log_loss": metrics.log_loss(p, target[lens.truth]),
        "brier": metrics.brier(p, target[lens.truth]),
        "reliability": metrics.reliability(confidence, correct, 10),
    }


def _cost(kitchen: Kitchen, table: Table, made: Sequence[Dish]) -> dict[str, float]:
    best = next(d for d in made if d.name == BEST)
    soups = [d for d in made if d.weights is not None and d.name != BEST]
    wide = max(soups, key=lambda d: len(d.members))
    return inference_cost(
        kitchen,
        table.scoring,
        member=best.weights or {},
        soup=wide.weights or {},
        voters=map(kitchen.weights, kitchen.pot.members),
    )


def _everyone(
    members: Sequence[Member], said: FloatArray, made: Sequence[Dish], lens: Lens
) -> tuple[tuple[str, ...], FloatArray]:
    """Members, then soups and the vote: names, and probabilities (M, n, K) on the scoring pictures."""
    others = [d for d in made if d.name != BEST]
    names = (*(m.name for m in members), *(d.name for d in others))
    return names, np.concatenate([said, np.stack([lens.see(d.scoring) for d in others])])
