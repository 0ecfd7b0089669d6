"""The order of candidates: tuned for macro-F1 where that pays, and nothing else where it does not."""

from __future__ import annotations

import numpy as np
import pytest

from enrich.classifiers.model.decision_rule import GRID, _ascend, order_candidates, tune_offsets
from enrich.classifiers.model.metrics import macro_f1
from enrich.classifiers.probability import softmax


def imbalanced(n: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    p = softmax(rng.normal(0, 1.0, (n, 3)) + np.array([2.5, 0.0, 0.0]))
    y = (p.cumsum(axis=1) > rng.uniform(size=(n, 1))).argmax(axis=1)
    return p, np.eye(3)[y]


def test_tuned_offsets_raise_macro_f1_on_fresh_records() -> None:
    p, y = imbalanced(3000, 0)
    offsets = tune_offsets(p, y)
    fresh, truth = imbalanced(6000, 1)
    plain = macro_f1(truth, fresh.argmax(axis=1))
    assert macro_f1(truth, order_candidates(fresh, offsets)[:, 0]) > plain + 0.05
    assert offsets[0] < min(offsets[1:])


def test_where_it_does_not_pay_the_order_is_by_probability() -> None:
    rng = np.random.default_rng(0)
    y = np.eye(3)[rng.integers(0, 3, 500)]
    p = np.clip(y, 0.01, 0.98)
    assert not tune_offsets(p, y).any()
    assert not tune_offsets(p[:20], y[:20]).any()


def test_records_with_several_values_are_tuned_as_well() -> None:
    p, y = imbalanced(1500, 2)
    y[:300, 1] = 1.0
    assert np.isfinite(tune_offsets(p, y, bags=3)).all()


def test_the_order_is_total_and_stable() -> None:
    p = np.array([[0.2, 0.6, 0.2], [np.nan, np.nan, np.nan], [0.0, 0.0, 1.0]])
    assert order_candidates(p).tolist() == [[1, 0, 2], [0, 1, 2], [2, 0, 1]]
    assert order_candidates(p, np.array([5.0, 0.0, 0.0]))[0].tolist() == [0, 1, 2]


def test_the_same_seed_gives_the_same_rule() -> None:
    p, y = imbalanced(800, 3)
    assert np.array_equal(tune_offsets(p, y, seed=4), tune_offsets(p, y, seed=4))


@pytest.mark.parametrize("many", [False, True])
def test_the_offsets_are_those_of_a_search_that_asks_macro_f1_itself(many: bool) -> None:
    p, y = imbalanced(300, 5)
    if many:
        y[:80, 2] = 1.0
    scores, frequency = np.log(p), y.sum(axis=0)
    best, slow = macro_f1(y, scores.argmax(axis=1), frequency), np.zeros(3)
    for _ in range(2):
        for k in range(3):
            for value in GRID:
                tried = slow.copy()
                tried[k] = value
                score = macro_f1(y, (scores + tried).argmax(axis=1), frequency)
                if score > best + 1e-9:
                    best, slow = score, tried
    assert best > macro_f1(y, scores.argmax(axis=1), frequency) + 0.02
    assert np.array_equal(_ascend(scores, y, frequency), slow)
