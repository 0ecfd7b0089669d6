"""Intervals hold the truth about as often as they should, and paired tests see steady differences."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.soup.statistics import over_seeds, paired


def test_a_steady_figure_has_no_width() -> None:
    found = over_seeds(np.full((3, 40), 0.5))
    assert found == [0.5, 0.5, 0.5]


def test_the_interval_covers_the_mean_of_what_it_was_drawn_from() -> None:
    covered = 0
    for trial in range(60):
        draws = np.random.default_rng(trial).random((3, 200)) < 0.7
        found = over_seeds(draws.astype(float), draws=200)
        covered += found[1] <= 0.7 <= found[2]
    assert covered >= 48


def test_seeds_that_differ_widen_the_interval() -> None:
    right = np.random.default_rng(0).random((3, 300)) < 0.7
    apart = right.astype(float)
    apart[0], apart[2] = apart[0] * 0.5, np.maximum(apart[2], 0.9)
    narrow, wide = over_seeds(right.astype(float)), over_seeds(apart)
    assert wide[2] - wide[1] > narrow[2] - narrow[1]


def test_the_paired_test_is_students() -> None:
    random = np.random.default_rng(1)
    one, other = random.random((4, 50)), random.random((4, 50))
    found = paired(one, other)
    wanted = stats.ttest_rel(one.mean(axis=1), other.mean(axis=1))
    assert (found["t"], found["p"]) == (pytest.approx(wanted.statistic), pytest.approx(wanted.pvalue))
    assert found["difference"][0] == pytest.approx((one - other).mean())
    assert found["wins"] == int((one.mean(axis=1) > other.mean(axis=1)).sum())


def test_what_cannot_be_tested_has_no_p() -> None:
    same = np.ones((3, 10))
    assert np.isnan(paired(same, same)["p"])
    assert np.isnan(paired(np.ones((1, 10)), np.zeros((1, 10)))["p"])
    with pytest.raises(ClassifierError, match="same seeds and pictures"):
        paired(np.ones((3, 10)), np.ones((2, 10)))
    with pytest.raises(ClassifierError, match="nothing to draw from"):
        over_seeds(np.zeros((0, 0)))
