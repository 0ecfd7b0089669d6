"""The evidence on one pool: what averaging does to bias and variance, where the models lie, how sure they are."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.model import metrics
from enrich.classifiers.model.calibration import METHODS as CALIBRATIONS
from enrich.classifiers.model.calibration import fit_calibrator
from enrich.classifiers.model.calibrator import Method as Calibration
from enrich.classifiers.soup.candidates import BEST, Candidate, candidates
from enrich.classifiers.soup.cost import cost_of
from enrich.classifiers.soup.decomposition import decompose
from enrich.classifiers.soup.distances import DISTANCES, Map, classical_mds, smacof
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit, PropertyView
from enrich.classifiers.soup.pool import Member
from enrich.classifiers.soup.replicates import head_replicates
from enrich.classifiers.soup.scores import Metric, probabilities, score
from enrich.classifiers.soup.selection import METHODS, Method, rank
from enrich.classifiers.soup.statistics import over_pictures

LINE_POINTS = 9
REPLICATED = (BEST, "uniform", "greedy")
"""Candidates whose head is fitted anew on bootstrap replicates."""


@dataclass(frozen=True)
class Analysis:
    """The numbers, as JSON values, and the maps by distance and method; `names` are the maps' points."""

    numbers: dict[str, Any]
    names: tuple[str, ...]
    maps: dict[str, tuple[Map, Map]]


def analyse(
    evaluator: Evaluator,
    split: PictureSplit,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    prop: str | None = None,
    replicates: int = 10,
    progress: Progress = no_progress,
) -> Analysis:
    """Make every soup, and measure all of it on the scoring pictures, one property at a time."""
    view = PropertyView.of(split.scoring, prop)
    made = candidates(evaluator, split, metric=metric, methods=methods, progress=progress)
    members = evaluator.pool.members
    answers = np.stack(
        [
            view.select(probabilities(evaluator.member_logits(m, split.scoring), split.scoring))
            for m in members
        ]
    )
    best = view.hits(next(c for c in made if c.name == BEST).scoring)
    others = [c for c in made if c.name != BEST]
    names = (*(m.name for m in members), *(c.name for c in others))
    maps = _maps(np.concatenate([answers, np.stack([view.select(c.scoring) for c in others])]))
    numbers: dict[str, Any] = {
        "property": view.prop.name,
        "classes": list(view.prop.classes),
        "metric": metric,
        "pictures": split.sizes(),
        "data": f"scoring pictures, sha256 {split.scoring.digest()}",
        "members": [_member(evaluator, split, m) for m in members],
        "duplicates": [list(pair) for pair in evaluator.pool.duplicates],
        "candidates": [candidate_json(c, view, best) for c in made],
        "bias_variance": _over_members(members, answers, view)
        | dict(_over_replicates(evaluator, split, view, made, replicates, progress)),
        "lines": list(_lines(evaluator, split, metric, progress)),
        "calibration": [calibration(c, split, view) for c in made],
        "cost": cost_of(evaluator, split.scoring, made),
        "distances": {name: numbers for name, (numbers, _) in maps.items()},
        "names": list(names),
    }
    return Analysis(numbers, names, {name: pair for name, (_, pair) in maps.items()})


def candidate_json(candidate: Candidate, view: PropertyView, best: FloatArray) -> dict[str, Any]:
    """What a report says of a candidate; `best` (n,) is which pictures the best member answers right."""
    right = view.hits(candidate.scoring)
    return {
        "name": candidate.name,
        "members": [m.name for m in candidate.members],
        "shares": list(candidate.soup.shares) if candidate.soup else [],
        "inferences": candidate.inferences,
        "selection": candidate.on_selection,
        "scoring": candidate.on_scoring,
        "accuracy_interval": over_pictures(right, draws=1000)[1:],
        "against_best": None if candidate.name == BEST else over_pictures(right - best, draws=1000),
        "notes": list(candidate.notes),
        "steps": list(candidate.soup.steps) if candidate.soup else [],
    }


def _member(evaluator: Evaluator, split: PictureSplit, member: Member) -> dict[str, Any]:
    scores = {
        part: score(evaluator.member_logits(member, pictures), pictures).json()
        for part, pictures in (("selection", split.selection), ("scoring", split.scoring))
    }
    about = {key: getattr(member, key) for key in ("name", "trajectory", "epoch", "sha256")}
    return about | scores


def _maps(p: FloatArray) -> dict[str, tuple[dict[str, Any], tuple[Map, Map]]]:
    """By distance: the numbers, and both maps of models with the probabilities (m, n, K)."""
    found = {}
    for name, distance in DISTANCES.items():
        d = distance(p)
        pair = (classical_mds(d), smacof(d))
        numbers = {
            "matrix": np.round(d, 5).tolist(),
            "stress": {m.method: m.stress for m in pair},
            "share_of_two_dimensions": pair[0].share,
        }
        found[name] = (numbers, pair)
    return found


def _over_members(members: Sequence[Member], answers: FloatArray, view: PropertyView) -> dict[str, Any]:
    """Decompositions over all members, and over those of the later half of each trajectory."""
    last: dict[str, int] = {}
    for m in members:
        last[m.trajectory] = max(m.epoch, last.get(m.trajectory, 0))
    late = [i for i, m in enumerate(members) if m.epoch > last[m.trajectory] / 2]
    found = {"members": decompose(answers, view.truth)}
    if 1 < len(late) < len(members):
        found["members of the later half"] = decompose(answers[late], view.truth)
    return found


def _over_replicates(
    evaluator: Evaluator,
    split: PictureSplit,
    view: PropertyView,
    made: Sequence[Candidate],
    replicates: int,
    progress: Progress,
) -> Iterator[tuple[str, Any]]:
    """Decompositions over bootstrap replicates of the head, for the best member and mixtures of several."""
    for candidate in made if replicates else ():
        alone = candidate.name != BEST and len(candidate.members) < 2
        if candidate.weights is None or candidate.name not in REPLICATED or alone:
            continue
        evaluator.network.load_state_dict(candidate.weights)
        p = head_replicates(
            evaluator.network,
            split,
            evaluator.pool.size,
            prop=view.prop.name,
            replicates=replicates,
            progress=progress,
        )
        yield f"head replicates, {candidate.name}", decompose(p, view.truth)


def _pairs(evaluator: Evaluator, split: PictureSplit, metric: Metric) -> list[tuple[str, Member, Member]]:
    """The best two of one trajectory, the best and its earliest, and the best ones of two trajectories."""
    best, *ranked = [m for m, _ in rank(evaluator, split.selection, metric)]
    own = [m for m in ranked if m.trajectory == best.trajectory]
    others = [m for m in ranked if m.trajectory != best.trajectory]
    pairs = [("best and second best", best, own[0])] if own else []
    first = min([best, *own], key=lambda m: m.epoch)
    if first not in (best, *own[:1]):
        pairs.append(("best and earliest", best, first))
    return [*pairs, *(("best of two trainings", best, m) for m in others[:1])]


def _lines(
    evaluator: Evaluator, split: PictureSplit, metric: Metric, progress: Progress
) -> Iterator[dict[str, Any]]:
    """Cross-entropy and accuracy along the line between pairs of members, on the selection pictures."""
    pairs = _pairs(evaluator, split, metric)
    for done, (name, one, other) in enumerate(pairs, start=1):
        points = []
        for t in np.linspace(0.0, 1.0, LINE_POINTS):
            weights = evaluator.mix([one, other], [1.0 - float(t), float(t)])
            found = score(evaluator.run(weights, split.selection), split.selection)
            points.append({"t": float(t), "loss": found.loss, "accuracy": found.accuracy})
        losses = [p["loss"] for p in points]
        barrier = max(p["loss"] - losses[0] - p["t"] * (losses[-1] - losses[0]) for p in points)
        yield {"pair": name, "from": one.name, "to": other.name, "points": points, "barrier": barrier}
        progress("lines between members", done, len(pairs))


def calibration(
    candidate: Candidate,
    split: PictureSplit,
    view: PropertyView,
    methods: tuple[Calibration, ...] = CALIBRATIONS,
) -> dict[str, Any]:
    """Calibration error, log loss and reliability on scoring, before and after a calibration learnt on selection."""
    inside = PropertyView.of(split.selection, view.prop.name)
    p = inside.select(candidate.selection)
    target = np.eye(len(view.prop.classes))
    chosen = fit_calibrator(p, target[inside.truth], methods=methods)
    before = view.select(candidate.scoring)
    return {
        "name": candidate.name,
        "method": chosen.method,
        "before": _calibration_error(before, view),
        "after": _calibration_error(chosen.apply(before), view),
    }


def _calibration_error(p: FloatArray, view: PropertyView) -> dict[str, Any]:
    confidence, correct = p.max(axis=1), p.argmax(axis=1) == view.truth
    target = np.eye(p.shape[1])[view.truth]
    return {
        "ece": metrics.ece(confidence, correct),
        "log_loss": metrics.log_loss(p, target),
        "brier": metrics.brier(p, target),
        "reliability": metrics.reliability(confidence, correct, 10),
    }
