from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from enrich.classifiers.model.metrics import NEVER
from enrich.classifiers.model.promises import decide_by
from enrich.classifiers.model.thresholds import (
    CONFIDENCE,
    FLOOR,
    bounded_threshold,
    precision_bounds,
    promise_of,
    share_bounds,
)


@given(st.integers(1, 200), st.floats(0.05, 0.999))
def test_the_bound_is_that_of_clopper_and_pearson(of: int, true: float) -> None:
    """Whatever the true share, the lower bound is above it in at most a tenth of all samples."""
    lows = np.array([share_bounds(right, of)[0] for right in range(of + 1)])
    assert binom.pmf(np.arange(of + 1), of, true)[lows > true].sum() <= 1 - CONFIDENCE + 1e-9


@settings(max_examples=50)
@given(st.integers(0, 10_000), st.floats(0.6, 0.97))
def test_at_the_threshold_and_above_it_the_bound_reaches_the_target(seed: int, target: float) -> None:
    rng = np.random.default_rng(seed)
    confidence = rng.uniform(0, 1, 400).round(2)
    correct = rng.uniform(size=400) < confidence**0.3
    threshold = bounded_threshold(confidence, correct, target)
    if threshold == NEVER:
        return
    reached = confidence >= threshold
    assert threshold >= FLOOR
    assert share_bounds(correct[reached].sum(), reached.sum())[0] >= target


def test_the_promise_is_kept_on_records_drawn_alike() -> None:
    """Of 200 samples the threshold keeps less than was promised in at most a tenth (and what chance adds)."""
    rng, broken = np.random.default_rng(0), 0
    for _ in range(200):
        confidence = rng.uniform(0.4, 1, 500)
        threshold = bounded_threshold(confidence, rng.uniform(size=500) < confidence, 0.85)
        fresh = rng.uniform(0.4, 1, 20_000)
        correct = rng.uniform(size=20_000) < fresh
        broken += threshold != NEVER and correct[fresh >= threshold].mean() < 0.85
    assert broken <= 200 * (1 - CONFIDENCE) + 13  # three standard deviations


def test_a_confidence_that_says_nothing_earns_no_promise_by_many_tries() -> None:
    """Given answers of which a little less than the target is right, however sure, then of 200 samples at most a tenth (and
    what chance adds) promises anything, though two hundred places are looked at."""
    rng, promised = np.random.default_rng(0), 0
    for _ in range(200):
        correct = rng.uniform(size=1000) < 0.895
        promised += bounded_threshold(np.sort(rng.uniform(0.5, 1, 1000))[::-1], correct, 0.9) <= 1
    assert promised <= 200 * (1 - CONFIDENCE) + 13


def test_no_answer_that_is_likelier_wrong_than_right() -> None:
    confidence = np.concatenate([np.full(500, 0.99), np.full(40, 0.000003)])
    correct = np.concatenate([np.ones(500, dtype=bool), np.zeros(40, dtype=bool)])
    assert bounded_threshold(confidence, correct, 0.9) == FLOOR
    assert bounded_threshold(confidence, correct, 0.95) == FLOOR


def test_few_or_wrong_answers_promise_nothing() -> None:
    assert bounded_threshold(np.linspace(0, 1, 100), np.zeros(100, dtype=bool), 0.9) == NEVER
    assert bounded_threshold(np.full(99, 0.9), np.ones(99, dtype=bool), 0.9) == NEVER
    assert bounded_threshold(np.full(100, 0.9), np.ones(100, dtype=bool), 0.9) == FLOOR
    assert bounded_threshold(np.zeros(0), np.zeros(0, dtype=bool), 0.9) == NEVER


def groups(*shares: float, each: int = 200) -> tuple[np.ndarray, np.ndarray]:
    """Which answers are right, and of which group each is."""
    correct = np.concatenate([np.arange(each) < share * each for share in shares])
    return correct, np.repeat(np.arange(len(shares)), each)


@pytest.mark.parametrize(
    ("shares", "promised"),
    [
        ((0.97, 0.98, 0.96, 0.97), True),
        ((0.95, 0.9, 0.0), False),
        ((0.99, 0.99, 0.99), False),  # three groups are too few to speak for another
        ((1.0, 1.0, 1.0, 1.0, 0.3), False),
    ],
)
def test_groups_promise_only_what_holds_for_one_more(shares: tuple[float, ...], promised: bool) -> None:
    correct, units = groups(*shares)
    threshold = bounded_threshold(np.full(len(correct), 0.9), correct, 0.9, units, "group")
    assert (threshold <= 1) == promised


def test_blocks_that_differ_promise_less_than_their_records_alone() -> None:
    correct, units = groups(1.0, 1.0, 1.0, 0.7, each=50)
    right, answered = np.bincount(units, weights=correct), np.bincount(units).astype(float)
    assert precision_bounds(right, answered, "block")[0] < precision_bounds(right, answered, "record")[0]


def test_rare_classes_of_many_share_a_threshold() -> None:
    """Five classes with forty sure and right answers each: none could promise anything alone."""
    n = 600
    p, y = np.full((n, 6), 0.01), np.zeros((n, 6))
    p[:400, 0], y[:400, 0] = 0.95, 1
    for k in range(1, 6):
        rows = slice(360 + k * 40, 400 + k * 40)
        p[rows, k], y[rows, k] = 0.9, 1
    thresholds, promise = decide_by(p, y, p.argmax(axis=1), True, 0.9, None, "record")
    assert thresholds == (FLOOR,) * 6
    assert (promise.answered, promise.precision) == (600, 1.0)
    assert promise.coverage == 1.0


def test_a_promise_says_what_it_rests_on() -> None:
    correct, units = groups(0.9, 0.8, each=100)
    promise = promise_of(np.ones(200, dtype=bool), correct, 0.6, 0.9, units, "block")
    assert (promise.answered, promise.units, promise.precision) == (200, 2, pytest.approx(0.85))
    assert 0 < (promise.low or 0) < 0.85 < (promise.high or 0) <= 1
    assert not promise_of(np.zeros(5, dtype=bool), np.zeros(5, dtype=bool), NEVER, 0.9).kept
