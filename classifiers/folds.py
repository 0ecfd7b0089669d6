"""Folds, and predictions for records by what did not see them (Wolpert 1992, Stacked Generalization)."""

from collections.abc import Callable, Iterator, Mapping

import numpy as np

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset
from enrich.classifiers.kinds import Rows

FoldPredictor = Callable[[int, Rows, Rows], Mapping[str, Distribution]]
"""Called as predictor(k, inside, outside): learns from the rows outside fold k and predicts those inside."""


def fold_of(n: int, folds: int, seed: int) -> Rows:
    """Which fold each of n records belongs to, as even as can be."""
    parts: Rows = np.random.default_rng(seed).permutation(n) % folds
    return parts


def fold_count(fold: Rows) -> int:
    """How many folds there are; one for no records."""
    return int(fold.max()) + 1 if len(fold) else 1


def each_fold(fold: Rows) -> Iterator[tuple[int, Rows, Rows]]:
    """Each fold's number with the rows inside, which are predicted, and outside, which are learned from."""
    for k in range(fold_count(fold)):
        yield k, np.flatnonzero(fold == k), np.flatnonzero(fold != k)


def out_of_fold(dataset: Dataset, fold: Rows, predictor: FoldPredictor) -> dict[str, Distribution]:
    """By property the predictions of all records, each by the predictor of its own fold."""
    n = len(dataset)
    probabilities = {p.name: np.full((n, len(p.classes)), np.nan) for p in dataset.properties}
    present = {p.name: np.zeros(n, dtype=bool) for p in dataset.properties}
    for k, inside, outside in each_fold(fold):
        for name, part in predictor(k, inside, outside).items():
            probabilities[name][inside], present[name][inside] = part.probabilities, part.present
    return {p.name: Distribution.of(p, probabilities[p.name], present[p.name]) for p in dataset.properties}
