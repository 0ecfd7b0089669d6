"""Intervals and paired tests for figures that were measured with several seeds on the same pictures."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.kinds import FloatArray

Interval = list[float]
"""A mean and the middle 95 % of its bootstrap draws: [value, low, high]."""


def over_pictures(values: FloatArray, draws: int) -> Interval:
    """The mean of a figure of each picture (n,); the same pictures are drawn every time."""
    picks = np.random.default_rng(0).integers(0, len(values), (draws, len(values)))
    return _interval(values, values[picks].mean(axis=1))


def over_seeds(right: NDArray[np.floating], *, draws: int = 2000) -> Interval:
    """The mean of a figure (seeds, pictures); seeds and pictures are both drawn anew.

    A two-level bootstrap (Davison and Hinkley 1997, section 3.8): what varies is the training as well as
    which pictures judge it. ClassifierError for no seed or no picture.
    """
    values = np.atleast_2d(np.asarray(right, dtype=np.float64))
    if not values.size:
        raise ClassifierError("there is nothing to draw from: no seed or no picture")
    random = np.random.default_rng(0)
    means = np.empty(draws)
    for i in range(draws):
        weight = np.bincount(random.integers(0, len(values), len(values)), minlength=len(values))
        mixed = weight @ values / len(values)
        means[i] = mixed[random.integers(0, values.shape[1], values.shape[1])].mean()
    return _interval(values, means)


def _interval(values: FloatArray, means: FloatArray) -> Interval:
    low, high = np.quantile(means, [0.025, 0.975])
    return [float(values.mean()), float(low), float(high)]


def paired(one: NDArray[np.floating], other: NDArray[np.floating]) -> dict[str, Any]:
    """`one` minus `other`, both (seeds, pictures) with the same seeds and pictures in the same order.

    The mean `difference` with its interval over pictures and seeds, the `wins` among the seeds, and Student's
    paired test: `t` and two-sided `p`. With three seeds (two degrees of freedom) only a large and steady
    difference is below 0.05; p is NaN for fewer than two seeds and where all seeds differ by the same.
    """
    if one.shape != other.shape:
        raise ClassifierError(
            f"a paired test needs the same seeds and pictures, not {one.shape} and {other.shape}"
        )
    gap: FloatArray = np.asarray(one, dtype=np.float64) - np.asarray(other, dtype=np.float64)
    by_seed = gap.mean(axis=1)
    t, p = np.nan, np.nan
    if len(by_seed) > 1 and by_seed.std(ddof=1) >= 1e-12:
        t, p = stats.ttest_1samp(by_seed, 0.0)
    found = {"difference": over_seeds(gap), "t": float(t), "p": float(p)}
    return found | {"wins": int((by_seed > 0).sum()), "seeds": len(by_seed)}
