"""Bootstrap intervals: they hold the figure, are paired, and agree with the metrics."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.model.metrics import accuracy, macro_f1
from enrich.learn.intervals import (
    Interval,
    Scored,
    intervals,
    mean_over,
    resamples,
)


def made(n: int = 200, classes: int = 4, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Targets, some with two classes, and answers that are right two times in three."""
    rng = np.random.default_rng(seed)
    target = np.eye(classes)[rng.integers(0, classes - 1, n)]
    target[rng.random(n) < 0.2, 0] = 1.0
    first = np.where(rng.random(n) < 0.66, target.argmax(axis=1), rng.integers(0, classes - 1, n))
    return target, first


def test_the_first_resample_is_the_sample_and_agrees_with_the_metrics() -> None:
    target, first = made()
    scored = Scored.of(target, np.ones(len(first), dtype=bool), first)
    drawn = resamples(len(first))
    assert scored.macro_f1(drawn)[0] == pytest.approx(macro_f1(target, first))
    assert scored.correct(drawn)[0] == pytest.approx(accuracy(target, first))
    assert np.isnan(scored.f1(drawn)[0, 3])  # a class neither named nor answered is no zero


def test_intervals_hold_the_figure_and_narrow_with_more_records() -> None:
    widths = []
    for n in (100, 1600):
        found, right = intervals(*made(n)).values()
        assert found.low < found.value < found.high
        assert right.low < right.value < right.high
        widths.append(found.high - found.low)
    assert widths[1] < widths[0] / 2


def test_a_difference_from_itself_is_nothing_and_a_real_one_is_clear() -> None:
    target, first = made()
    drawn = resamples(len(first))
    good = Scored.of(target, np.ones(len(first), dtype=bool), first).macro_f1(drawn)
    bad = Scored.of(target, np.ones(len(first), dtype=bool), np.zeros_like(first)).macro_f1(drawn)
    assert not Interval.of(good - good).clear
    assert Interval.of(bad - good).clear
    assert str(Interval.of(good - good)) == "+0.000 [+0.000, +0.000]"
    assert mean_over([good, bad])[0] == pytest.approx((good[0] + bad[0]) / 2)


def test_no_records_give_no_numbers_and_still_valid_json() -> None:
    for found in intervals(np.zeros((0, 3)), np.zeros(0, dtype=np.intp)).values():
        assert found.to_json() == {"value": None, "low": None, "high": None}
        assert not found.clear


def test_resamples_are_the_same_for_a_seed_and_draw_n_records() -> None:
    assert np.array_equal(resamples(30, 10, 1), resamples(30, 10, 1))
    assert not np.array_equal(resamples(30, 10, 1), resamples(30, 10, 2))
    assert (resamples(30, 10).sum(axis=1) == 30).all()
