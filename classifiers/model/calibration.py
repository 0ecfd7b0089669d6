"""Fits what makes probabilities mean what they say, on predictions for records that were not trained on.

Methods: none; temperature (Guo et al. 2017, section 4.2); vector scaling (ibid.; one slope and one bias
per class, pulled towards no change; for independent classes this is Platt's 1999 scaling of each);
isotonic (Zadrozny and Elkan 2002: one class against the rest, then renormalised). The one with the best
cross-validated log loss is kept: temperature alone cannot undo class weighting.

Records whose value lies outside the classes have a target of zeros. Of independent classes each learns from them;
for a property with one value, how probable it is that the value is among the classes is learnt beside.
"""

from __future__ import annotations

from typing import get_args

import numpy as np
from scipy.optimize import minimize
from scipy.special import expit
from sklearn.isotonic import IsotonicRegression

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.folds import each_fold, fold_of
from enrich.classifiers.kinds import Flags, FloatArray
from enrich.classifiers.model.calibrator import TINY, Calibrator, Method, Numbers, confidence_odds
from enrich.classifiers.model.metrics import log_loss, target_shares
from enrich.classifiers.probability import log_odds, probabilities_of

METHODS: tuple[Method, ...] = get_args(Method)
_PULL = 1.0
"""Weight, in records, of the pull of vector scaling towards slope one and bias zero."""


def fit_calibrator(
    probabilities: FloatArray,
    target: FloatArray,
    many: bool = False,
    *,
    methods: tuple[Method, ...] = METHODS,
    folds: int = 5,
    seed: int = 0,
) -> Calibrator:
    """Choose a method by cross-validated log loss and fit it on everything.

    `probabilities` and `target` are (n, K), without absent rows. With fewer than 10 records per fold
    nothing is learnt and the method is none. A single method is not compared with anything, so no losses
    are measured.
    """
    if not np.isfinite(probabilities).all():
        raise ClassifierError("calibration needs finite probabilities; leave absent records out")
    inside = np.asarray(target.any(axis=1))
    if not many and not inside.all():
        within = fit_calibrator(
            probabilities[inside], target[inside], methods=methods, folds=folds, seed=seed
        )
        return within.model_copy(update={"inside": _inside(within.apply(probabilities), inside)})
    n = len(probabilities)
    if n < 10 * folds:
        return Calibrator(many=many)
    fold = fold_of(n, folds, seed)
    losses: dict[str, float] = {}
    for method in methods if len(methods) > 1 else ():
        parts = []
        for _, rows, others in each_fold(fold):
            fitted = _fit(method, probabilities[others], target[others], many)
            loss = log_loss(fitted.apply(probabilities[rows]), target[rows], many)
            parts.append(loss * len(rows))
        losses[method] = float(sum(parts) / n)
    best = min(methods, key=lambda m: (losses.get(m, 0.0), METHODS.index(m)))
    return _fit(best, probabilities, target, many, losses)


def _inside(probabilities: FloatArray, inside: Flags) -> tuple[float, float]:
    """Slope and bias of the probability that a value is among the classes, by the first candidate's log-odds.

    The slope is never below zero, so that no order is turned round; both are pulled a little towards zero.
    """
    odds = confidence_odds(probabilities)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        chance = expit(parameters[0] * odds + parameters[1])
        error = chance - inside
        value = (
            -np.log(np.clip(np.where(inside, chance, 1 - chance), TINY, 1)).sum() + (parameters**2).sum() / 2
        )
        return float(value), np.array([(error * odds).sum(), error.sum()]) + parameters

    found = minimize(loss, np.zeros(2), jac=True, method="L-BFGS-B", bounds=[(0.0, 20.0), (-20.0, 20.0)])
    return float(found.x[0]), float(found.x[1])


def _fit(
    method: Method,
    probabilities: FloatArray,
    target: FloatArray,
    many: bool,
    losses: dict[str, float] | None = None,
) -> Calibrator:
    slopes: Numbers = ()
    biases: Numbers = ()
    steps: tuple[tuple[Numbers, Numbers], ...] = ()
    if method == "isotonic":
        steps = _isotonic(probabilities, target)
    elif method != "none":
        slopes, biases = _scaling(log_odds(probabilities, many, TINY), target, many, method == "vector")
    return Calibrator(
        method=method, many=many, slopes=slopes, biases=biases, steps=steps, losses=losses or {}
    )


def _scaling(logits: FloatArray, target: FloatArray, many: bool, vector: bool) -> tuple[Numbers, Numbers]:
    """Slopes and biases that minimise the log loss (plus the pull, for vector scaling)."""
    n, classes = logits.shape
    truth = target if many else target_shares(target)

    def unpack(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        if vector:
            return parameters[:classes], parameters[classes:]
        return np.full(classes, parameters[0]), np.zeros(classes)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slopes, biases = unpack(parameters)
        scores = logits * slopes + biases
        p = probabilities_of(scores, many)
        error = (p - truth) / n
        d_slopes, d_biases = (error * logits).sum(axis=0), error.sum(axis=0)
        value = log_loss(p, target, many) * (classes if many else 1)
        if not vector:
            return value, np.array([d_slopes.sum()])
        pull = _PULL / n
        value += 0.5 * pull * float(((slopes - 1.0) ** 2).sum() + (biases**2).sum())
        return value, np.concatenate([d_slopes + pull * (slopes - 1.0), d_biases + pull * biases])

    start = np.concatenate([np.ones(classes), np.zeros(classes)]) if vector else np.ones(1)
    bounds = [(0.05, 20.0)] * (classes if vector else 1) + [(-20.0, 20.0)] * (classes if vector else 0)
    found = minimize(loss, start, jac=True, method="L-BFGS-B", bounds=bounds, options={"maxiter": 200})
    slopes, biases = unpack(found.x)
    return tuple(float(v) for v in slopes), tuple(float(v) for v in biases)


def _isotonic(probabilities: FloatArray, target: FloatArray) -> tuple[tuple[Numbers, Numbers], ...]:
    """Knots of the isotonic regression of each class."""
    truth: FloatArray = (target > 0).astype(float)
    steps = []
    for k in range(probabilities.shape[1]):
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        fitted.fit(probabilities[:, k], truth[:, k])
        xs, ys = fitted.X_thresholds_, fitted.y_thresholds_
        steps.append((tuple(float(v) for v in xs), tuple(float(v) for v in ys)))
    return tuple(steps)
