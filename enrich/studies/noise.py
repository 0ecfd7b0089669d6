"""What wrong labels in training cost, and whether label smoothing or a clean-up gives it back.

Labels of the property asked for are replaced by another class at random; features stay as they are. The
learner is boosted trees over the tabular columns with a softmax loss that takes soft targets. Smoothing
is that of Szegedy et al. 2016; the clean-up is confident learning (Northcutt et al. 2021, cleanlab):
labels that out-of-fold answers contradict are left out of training. The held-out labels stay as they are.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import xgboost as xgb
from numpy.typing import NDArray

from enrich.classifiers import libraries
from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Property
from enrich.classifiers.folds import each_fold, fold_of
from enrich.classifiers.kinds import Flags, FloatArray, Indices
from enrich.classifiers.probability import softmax
from enrich.classifiers.tabular.features import FeatureMap
from enrich.learn.intervals import Interval
from enrich.learn.plots import Panel
from enrich.studies.study import Cell, Material, Study, line, where_clear

RATES = (0.0, 0.1, 0.2, 0.4)
SMOOTHING = 0.2
WAYS = ("as they are", "smoothed", "cleaned", "cleaned and smoothed")
COLUMNS = (
    "wrong labels",
    "labels are",
    "macro-F1",
    "accuracy",
    "against as they are",
    "wrong labels found",
    "removed that were right",
)


def noise_study(
    material: Material,
    *,
    rates: Sequence[float] = RATES,
    rounds: int = 40,
    folds: int = 3,
    progress: Progress = no_progress,
) -> Study:
    """Measure the four ways at every rate, with the libraries of the extra `study`."""
    scores, found = {}, {}
    for i, rate in enumerate(rates):
        progress("rates of wrong labels", i, len(rates))
        answers: dict[str, dict[str, Indices]] = {way: {} for way in WAYS}
        cleaning = []
        for prop in material.train.properties:
            first, counts = _one(material, prop, rate, rounds, folds)
            cleaning.append(counts)
            for way in WAYS:
                answers[way][prop.name] = first[way]
        found[rate] = np.sum(cleaning, axis=0)
        for way in WAYS:
            scores[rate, way] = material.means(answers[way])
    progress("rates of wrong labels", len(rates), len(rates))
    return _study(material, rates, scores, found, rounds)


def flip(truth: Indices, classes: int, rate: float, rng: np.random.Generator) -> Indices:
    """The labels (n,) with each replaced by another class with probability `rate`."""
    wrong = rng.random(len(truth)) < rate
    shift = rng.integers(1, max(classes, 2), len(truth))
    return np.where(wrong, (truth + shift) % classes, truth)


def _one(
    material: Material, prop: Property, rate: float, rounds: int, folds: int
) -> tuple[dict[str, Indices], FloatArray]:
    """First candidates by way; and how many labels were wrong, removed, and both."""
    train, seed = material.train, material.seed
    target, named = train.targets(prop)
    rows = np.flatnonzero(named)
    right, classes = target[rows].argmax(axis=1), len(prop.classes)
    given = flip(right, classes, rate, np.random.default_rng([seed, round(rate * 1000)]))
    features = FeatureMap.learn(train.records, material.museum or None)
    kept = features.keep(prop.name)
    learn = features.matrix([train.records[int(i)] for i in rows])[:, kept]
    ask = features.matrix(material.held_out)[:, kept]
    fold = fold_of(len(rows), folds, seed)
    out = np.zeros((len(rows), classes))
    for _, inside, outside in each_fold(fold):
        out[inside] = boosted(learn[outside], soft(given[outside], classes, 0.0), learn[inside], rounds, seed)
    issues = label_issues(given, out)
    first = {}
    for way in WAYS:
        use = ~issues if way.startswith("cleaned") else np.ones(len(rows), dtype=bool)
        labels = soft(given[use], classes, SMOOTHING if "smoothed" in way else 0.0)
        first[way] = boosted(learn[use], labels, ask, rounds, seed).argmax(axis=1)
    wrong = given != right
    return first, np.array([wrong.sum(), issues.sum(), (wrong & issues).sum(), len(rows)], dtype=float)


def soft(truth: Indices, classes: int, smoothing: float) -> FloatArray:
    """One-hot targets (n, K), a share `smoothing` of each spread evenly over all classes."""
    found: FloatArray = np.eye(classes)[truth] * (1.0 - smoothing) + smoothing / classes
    return found


def boosted(learn: Any, target: FloatArray, ask: Any, rounds: int, seed: int) -> FloatArray:
    """Probabilities (m, K) for the rows of `ask` by trees fitted to soft targets (n, K)."""
    n, classes = target.shape

    def objective(scores: NDArray[Any], _data: Any) -> tuple[FloatArray, FloatArray]:
        p = softmax(scores.reshape(n, classes))
        return p - target, np.maximum(2.0 * p * (1.0 - p), 1e-6)

    matrix = xgb.DMatrix(learn, label=target.argmax(axis=1))
    parameters = {
        "objective": "multi:softprob", "num_class": classes, "base_score": 0.5, "tree_method": "hist",
        "eta": 0.2, "max_depth": 6, "subsample": 0.8, "colsample_bytree": 0.8, "seed": seed, "nthread": 1,
        "disable_default_eval_metric": 1,
    }  # fmt: skip
    booster = xgb.train(parameters, matrix, rounds, obj=objective, verbose_eval=False)
    return np.asarray(booster.predict(xgb.DMatrix(ask)), dtype=np.float64).reshape(-1, classes)


def label_issues(given: Indices, out_of_fold: FloatArray) -> Flags:
    """Which labels (n,) confident learning takes for wrong."""
    present, dense = np.unique(given, return_inverse=True)
    if len(present) < 2:
        return np.zeros(len(given), dtype=bool)
    said = out_of_fold[:, present] + 1e-9
    said /= said.sum(axis=1, keepdims=True)
    return np.asarray(libraries.cleanlab().find_label_issues(dense, said, n_jobs=1), dtype=bool)


def _study(
    material: Material,
    rates: Sequence[float],
    scores: Mapping[tuple[float, str], tuple[FloatArray, FloatArray]],
    found: Mapping[float, FloatArray],
    rounds: int,
) -> Study:
    rows: list[tuple[Cell, ...]] = []
    gains: dict[tuple[float, str], Interval] = {}
    for rate in rates:
        wrong, removed, both, total = found[rate]
        for way in WAYS:
            macro, accuracy = scores[rate, way]
            gains[rate, way] = Interval.of(macro - scores[rate, WAYS[0]][0])
            hit = float(both / wrong) if wrong and way == "cleaned" else None
            lost = float((removed - both) / max(total - wrong, 1.0)) if way == "cleaned" else None
            against = None if way == WAYS[0] else str(gains[rate, way])
            rows.append((f"{rate:.0%}", way, float(macro[0]), float(accuracy[0]), against, hit, lost))
    series = {way: line((rate, scores[rate, way][0]) for rate in rates) for way in WAYS}
    cost = {rate: Interval.of(scores[rate, WAYS[0]][0] - scores[rates[0], WAYS[0]][0]) for rate in rates[1:]}
    return Study(
        "noise",
        "What do wrong labels cost, and does smoothing or a clean-up help?",
        COLUMNS,
        rows,
        _conclusion(rates, gains, cost, found),
        material.setting(smoothing=SMOOTHING, rounds=rounds),
        [Panel("Wrong labels in training", "share of wrong labels", "mean macro-F1", series)],
        {
            "against as they are": {f"{r:g}, {w}": i.to_json() for (r, w), i in gains.items()},
            "cost of noise": {f"{r:g}": i.to_json() for r, i in cost.items()},
        },
    )


def _conclusion(
    rates: Sequence[float],
    gains: Mapping[tuple[float, str], Interval],
    cost: Mapping[float, Interval],
    found: Mapping[float, FloatArray],
) -> str:
    """What the intervals allow to be said."""
    said = "Against training on the labels given, wrong labels change the mean macro-F1 by " + ", ".join(
        f"{i} at {rate:.0%}" for rate, i in cost.items()
    )
    said += "."
    for way in WAYS[1:]:
        found_at = {f"{rate:.0%}": gains[rate, way] for rate in rates}
        clear = where_clear(found_at, "helps clearly at {}", "harms clearly at {}")
        said += f" Labels {way}: {clear or 'no clear change at any rate'}."
    _, removed, _, total = found[rates[0]]
    return said + (
        f" With no label made wrong the clean-up already leaves out {removed / max(total, 1.0):.0%}:"
        " what it calls wrong is also what is merely hard to predict."
    )
