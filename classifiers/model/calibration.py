"""Makes probabilities mean what they say, on predictions for records that were not trained on.

Methods: none; temperature (Guo et al. 2017, section 4.2); vector scaling (ibid.; one slope and one bias
per class, pulled towards no change; for independent classes this is Platt's 1999 scaling of each);
isotonic (Zadrozny and Elkan 2002: one class against the rest, then renormalised). The one with the best
cross-validated log loss is kept: temperature alone cannot undo class weighting.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, FloatArray
from classifiers.model.metrics import log_loss, target_shares
from classifiers.tabular.losses import sigmoid, softmax

METHODS = ("none", "temperature", "vector", "isotonic")
FLOOR = 1e-4
"""No class is ever impossible: isotonic steps of 0 would make the log loss infinite."""
_TINY = 1e-9
_PULL = 1.0
"""Weight, in records, of the pull of vector scaling towards slope one and bias zero."""


def _logits(probabilities: FloatArray, many: bool) -> FloatArray:
    p = np.clip(probabilities, _TINY, 1.0)
    log: FloatArray = np.log(p) - np.log(np.clip(1.0 - probabilities, _TINY, 1.0)) if many else np.log(p)
    return log


@dataclass(frozen=True)
class Calibrator:
    """One fitted calibration of one property and modality; JSON in and out.

    `slopes` and `biases` (K,) for temperature (one slope, no bias) and vector scaling; `steps` per class
    the (x, y) knots of the isotonic maps. `losses` is the cross-validated log loss of each method tried.
    """

    method: str = "none"
    many: bool = False
    slopes: tuple[float, ...] = ()
    biases: tuple[float, ...] = ()
    steps: tuple[tuple[tuple[float, ...], tuple[float, ...]], ...] = ()
    losses: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def fit(
        cls,
        probabilities: FloatArray,
        target: FloatArray,
        many: bool = False,
        *,
        methods: tuple[str, ...] = METHODS,
        folds: int = 5,
        seed: int = 0,
    ) -> Self:
        """Choose a method by cross-validated log loss and fit it on everything.

        `probabilities` and `target` are (n, K), without absent rows. With fewer than 10 records per fold
        nothing is learnt and the method is none. A single method is not compared with anything, so no losses are
        measured.
        """
        n = len(probabilities)
        if not np.isfinite(probabilities).all():
            raise ClassifierError("calibration needs finite probabilities; leave absent records out")
        if n < 10 * folds:
            return cls("none", many)
        fold = np.random.default_rng(seed).permutation(n) % folds
        scores: dict[str, float] = {}
        for method in methods if len(methods) > 1 else ():
            parts = []
            for k in range(folds):
                inside, outside = fold != k, fold == k
                fitted = cls._fit(method, probabilities[inside], target[inside], many)
                loss = log_loss(fitted.apply(probabilities[outside]), target[outside], many)
                parts.append(loss * int(outside.sum()))
            scores[method] = float(sum(parts) / n)
        best = min(methods, key=lambda m: (scores.get(m, 0.0), METHODS.index(m)))
        chosen = cls._fit(best, probabilities, target, many)
        return cls(best, many, chosen.slopes, chosen.biases, chosen.steps, scores)

    @classmethod
    def _fit(cls, method: str, probabilities: FloatArray, target: FloatArray, many: bool) -> Self:
        if method == "none":
            return cls("none", many)
        if method == "isotonic":
            return cls("isotonic", many, steps=_isotonic(probabilities, target))
        if method in ("temperature", "vector"):
            slopes, biases = _scaling(_logits(probabilities, many), target, many, method == "vector")
            return cls(method, many, slopes, biases)
        raise ClassifierError(f"there is no calibration called {method!r}; there are: {', '.join(METHODS)}")

    def apply(self, probabilities: FloatArray) -> FloatArray:
        """Calibrated probabilities (n, K); rows of NaN (absent) stay NaN."""
        if self.method == "none":
            return probabilities.copy()
        if self.method == "isotonic":
            return self._apply_isotonic(probabilities)
        if len(self.biases) != probabilities.shape[1]:
            raise ClassifierError(
                f"the calibration has {len(self.biases)} classes, the probabilities {probabilities.shape[1]}"
            )
        scores = _logits(probabilities, self.many) * np.asarray(self.slopes) + np.asarray(self.biases)
        return sigmoid(scores) if self.many else softmax(scores)

    def _apply_isotonic(self, probabilities: FloatArray) -> FloatArray:
        if len(self.steps) != probabilities.shape[1]:
            raise ClassifierError(
                f"the calibration has {len(self.steps)} classes, the probabilities {probabilities.shape[1]}"
            )
        mapped = np.column_stack(
            [np.interp(probabilities[:, k], xs, ys) for k, (xs, ys) in enumerate(self.steps)]
        )
        mapped = np.clip(mapped, FLOOR, 1.0 - FLOOR)
        mapped[np.isnan(probabilities).any(axis=1)] = np.nan
        return mapped if self.many else mapped / mapped.sum(axis=1, keepdims=True)

    def to_json(self) -> dict[str, Any]:
        """JSON values that `from_json` reads back."""
        return {
            "method": self.method,
            "many": self.many,
            "slopes": list(self.slopes),
            "biases": list(self.biases),
            "steps": [[list(xs), list(ys)] for xs, ys in self.steps],
            "losses": dict(self.losses),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], classes: int | None = None) -> Self:
        """Raises ClassifierError when the values do not make a calibration of that many classes."""
        try:
            steps = tuple((tuple(map(float, xs)), tuple(map(float, ys))) for xs, ys in data["steps"])
            made = cls(
                str(data["method"]),
                bool(data["many"]),
                tuple(map(float, data["slopes"])),
                tuple(map(float, data["biases"])),
                steps,
                {str(k): float(v) for k, v in data.get("losses", {}).items()},
            )
        except (KeyError, TypeError, ValueError) as error:
            raise ClassifierError(f"a calibration that cannot be read: {error!r}") from error
        numbers = [*made.slopes, *made.biases, *(v for xs, ys in steps for v in (*xs, *ys))]
        size = len(made.steps) if made.method == "isotonic" else len(made.biases)
        if (
            made.method not in METHODS
            or not np.isfinite(numbers).all()
            or any(len(x) != len(y) for x, y in steps)
        ):
            raise ClassifierError(f"a calibration that cannot be used: method {made.method!r}")
        if classes is not None and made.method != "none" and size != classes:
            raise ClassifierError(f"a calibration of {size} classes where the property has {classes}")
        return made


def _scaling(
    logits: FloatArray, target: FloatArray, many: bool, vector: bool
) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Slopes and biases that minimise the log loss (plus the pull, for vector scaling)."""
    from scipy.optimize import minimize

    n, classes = logits.shape
    truth = target if many else target_shares(target)

    def unpack(parameters: FloatArray) -> tuple[FloatArray, FloatArray]:
        if vector:
            return parameters[:classes], parameters[classes:]
        return np.full(classes, parameters[0]), np.zeros(classes)

    def loss(parameters: FloatArray) -> tuple[float, FloatArray]:
        slopes, biases = unpack(parameters)
        scores = logits * slopes + biases
        p = sigmoid(scores) if many else softmax(scores)
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


def _isotonic(
    probabilities: FloatArray, target: FloatArray
) -> tuple[tuple[tuple[float, ...], tuple[float, ...]], ...]:
    """Knots of the isotonic regression of each class."""
    from sklearn.isotonic import IsotonicRegression

    truth: NDArray[np.float64] = (target > 0).astype(float)
    steps = []
    for k in range(probabilities.shape[1]):
        fitted = IsotonicRegression(y_min=0.0, y_max=1.0, out_of_bounds="clip")
        fitted.fit(probabilities[:, k], truth[:, k])
        xs, ys = fitted.X_thresholds_, fitted.y_thresholds_
        steps.append((tuple(float(v) for v in xs), tuple(float(v) for v in ys)))
    return tuple(steps)
