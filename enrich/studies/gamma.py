"""How the rare classes fare as the focal loss's γ grows, with and without class weights.

The paper takes γ = 2 and weights of one over the class's count (Rei et al. 2022) and leaves open what
either does. First candidates here are the most probable classes of one tabular classifier, uncalibrated;
the last row keeps γ = 0 and tunes the order of candidates on out-of-fold answers instead.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from enrich.classifiers.base import Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property
from enrich.classifiers.folds import fold_of, out_of_fold
from enrich.classifiers.kinds import FloatArray, Indices, Rows
from enrich.classifiers.model.decision_rule import order_candidates, tune_offsets
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.learn.intervals import Interval, mean_of_named
from enrich.learn.plots import Panel
from enrich.studies.study import Cell, Material, Study, fit, line, where_clear

GAMMAS = (0.0, 0.5, 1.0, 2.0, 5.0)
POWERS = (0.0, 1.0)
RARE = 0.5
"""A class is rare with fewer than this share of an even share of its property's training values."""
COLUMNS = (
    "γ", "class weights", "macro-F1", "rare classes F1", "other classes F1", "accuracy", "ECE",
    "rare classes, against γ 0 unweighted",
)  # fmt: skip
_NAMES = {0.0: "none", 1.0: "1/count"}


@dataclass(frozen=True)
class _Result:
    """Figures over the resamples (rounds,) of one setting, and its calibration error."""

    rare: FloatArray
    others: FloatArray
    macro: FloatArray
    accuracy: FloatArray
    ece: float


def rare_classes(dataset: Dataset, prop: Property) -> np.ndarray:
    """Which classes (K,) have fewer than RARE of an even share of the training values."""
    counts = dataset.targets(prop)[0].sum(axis=0)
    return np.asarray(counts < RARE * counts.sum() / max(len(counts), 1))


def gamma_study(
    material: Material,
    member: MemberSpec,
    *,
    gammas: Sequence[float] = GAMMAS,
    folds: int = 3,
    progress: Progress = no_progress,
) -> Study:
    """Fit the tabular classifier once for each γ and class weighting, and measure rare classes apart.

    Raises InputError when no class is rare.
    """
    rare = {p.name: rare_classes(material.train, p) for p in material.train.properties}
    if not any(r.any() for r in rare.values()):
        raise InputError("no class is rare here (below half of an even share), so there is nothing to study")
    results: dict[tuple[float, float | None], _Result] = {}
    pairs = [(g, w) for w in POWERS for g in gammas]
    for i, (gamma, power) in enumerate(pairs):
        progress("γ and class weights", i, len(pairs) + folds)
        spec = _with(member, gamma, power)
        said = {
            n: np.nan_to_num(d.probabilities)
            for n, d in fit(spec, material.train, material.seed).predict(material.held_out).items()
        }
        results[gamma, power] = _measure(material, said, {n: p.argmax(axis=1) for n, p in said.items()}, rare)
        if (gamma, power) == pairs[0]:
            plain_answers = said
    offsets = _offsets(material, _with(member, pairs[0][0], pairs[0][1]), folds)
    order = {n: order_candidates(p, offsets[n])[:, 0] for n, p in plain_answers.items()}
    results[pairs[0][0], None] = _measure(material, plain_answers, order, rare)
    progress("γ and class weights", len(pairs) + folds, len(pairs) + folds)
    return _study(material, results, rare)


def _with(member: MemberSpec, gamma: float, power: float) -> MemberSpec:
    settings = {**member.settings, "gamma": gamma, "weight_power": power}
    return MemberSpec(member.classifier, settings)


def _offsets(material: Material, spec: MemberSpec, folds: int) -> dict[str, FloatArray]:
    """The order tuned for macro-F1, from answers on training records that their classifier did not see."""
    train = material.train

    def predictor(k: int, inside: Rows, outside: Rows) -> Mapping[str, Distribution]:
        found = fit(spec, train.subset(outside), material.seed + k + 1)
        return found.predict(train.subset(inside).records)

    said = out_of_fold(train, fold_of(len(train), folds, material.seed), predictor)
    offsets = {}
    for prop in train.properties:
        target, named = train.targets(prop)
        p = np.nan_to_num(said[prop.name].probabilities)
        offsets[prop.name] = tune_offsets(p[named], target[named], seed=material.seed)
    return offsets


def _measure(
    material: Material,
    said: Mapping[str, FloatArray],
    first: Mapping[str, Indices],
    rare: Mapping[str, np.ndarray],
) -> _Result:
    drawn = material.drawn()
    by_class = {name: s.f1(drawn) for name, s in material.scored(first).items()}
    return _Result(
        mean_of_named(np.concatenate([f[:, rare[n]] for n, f in by_class.items()], axis=1)),
        mean_of_named(np.concatenate([f[:, ~rare[n]] for n, f in by_class.items()], axis=1)),
        *material.means(first),
        material.ece(first, said),
    )


def _study(
    material: Material, results: Mapping[tuple[float, float | None], _Result], rare: Mapping[str, np.ndarray]
) -> Study:
    start = next(iter(results.values()))
    rows: list[tuple[Cell, ...]] = []
    gains: dict[tuple[float, float | None], Interval] = {}
    for (gamma, power), r in results.items():
        gains[gamma, power] = Interval.of(r.rare - start.rare)
        weights = "none, order tuned" if power is None else _NAMES.get(power, f"count^−{power:g}")
        values = (float(v[0]) for v in (r.macro, r.rare, r.others, r.accuracy))
        rows.append((f"{gamma:g}", weights, *values, r.ece, str(gains[gamma, power])))
    series = {
        f"{part}, weights {_NAMES[power]}": line(
            (g, getattr(r, field)) for (g, p), r in results.items() if p == power
        )
        for power in POWERS
        for part, field in (("rare", "rare"), ("other", "others"))
    }
    errors = {
        f"weights {_NAMES[power]}": [(g, r.ece, r.ece, r.ece) for (g, p), r in results.items() if p == power]
        for power in POWERS
    }
    names = {
        p.name: [c for c, r in zip(p.classes, rare[p.name], strict=True) if r]
        for p in material.train.properties
    }
    called = material.names([c for cs in names.values() for c in cs])
    return Study(
        "gamma",
        "Does a larger γ of the focal loss help the rare classes?",
        COLUMNS,
        rows,
        _conclusion(results, gains),
        material.setting(rare={p: [called[c] for c in cs] for p, cs in names.items() if cs}),
        [
            Panel("F1 of rare and other classes", "γ", "mean F1", series),
            Panel("Calibration error before calibration", "γ", "ECE", errors),
        ],
        {"against γ 0": {f"{g:g}, {w}": i.to_json() for (g, w), i in gains.items()}},
    )


def _conclusion(
    results: Mapping[tuple[float, float | None], _Result],
    gains: Mapping[tuple[float, float | None], Interval],
) -> str:
    """What the intervals allow to be said."""
    focal = {g: i for (g, w), i in gains.items() if w == 0.0 and g > 0}
    best = max(focal, key=lambda g: focal[g].value)
    clear = where_clear({f"{g:g}": i for g, i in focal.items()}, "γ {} helps them", "γ {} harms them")
    if clear:
        said = f"Without class weights {clear}; the best, γ {best:g}, changes their F1 by {focal[best]}."
    else:
        said = f"No γ changes the F1 of the rare classes clearly: the best, γ {best:g}, by {focal[best]}."
    start = next(iter(results))
    top = max(g for g, w in results if w == 0.0)
    said += (
        f" The calibration error before calibration goes from {results[start].ece:.3f} at γ {start[0]:g}"
        f" to {results[top, 0.0].ece:.3f} at γ {top:g}."
    )
    weights, order = gains[start[0], 1.0], gains[start[0], None]
    said += f" At γ 0, weights of 1/count {_verdict(weights)} the rare classes ({weights} in F1),"
    return f"{said} and the tuned order of candidates without weights {_verdict(order)} them ({order})."


def _verdict(gain: Interval) -> str:
    if not gain.clear:
        return "neither clearly helped nor harmed"
    return "clearly helped" if gain.value > 0 else "clearly harmed"
