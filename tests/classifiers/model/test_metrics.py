"""Metrics against scikit-learn and against figures worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import confusion_matrix, f1_score

from enrich.classifiers.model import metrics


def one_hot(truth: np.ndarray, classes: int) -> np.ndarray:
    return np.eye(classes)[truth]


@given(st.integers(0, 10_000), st.integers(2, 6), st.integers(1, 60))
def test_macro_f1_is_scikit_learns_for_single_values(seed: int, classes: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    truth, first = rng.integers(0, classes, n), rng.integers(0, classes, n)
    expected = f1_score(truth, first, average="macro", zero_division=0.0)
    assert metrics.macro_f1(one_hot(truth, classes), first) == pytest.approx(expected)
    matrix = metrics.confusion(one_hot(truth, classes), first)
    assert np.array_equal(matrix, confusion_matrix(truth, first, labels=range(classes)))


def test_a_first_candidate_hits_when_it_is_among_the_values() -> None:
    target = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 1.0], [0.0, 1.0, 0.0]])
    first = np.array([1, 1, 0])
    assert metrics.accuracy(target, first) == pytest.approx(1 / 3)
    # the miss of row 1 counts against the most frequent of its values: class 0 by default
    assert metrics.resolve_truth(target, first).tolist() == [1, 0, 1]
    assert metrics.resolve_truth(target, first, np.array([1.0, 2.0, 9.0])).tolist() == [1, 2, 1]


def test_a_value_the_record_does_not_name_is_never_its_truth() -> None:
    target = np.array([[0.0, 1.0]])
    assert metrics.resolve_truth(target, np.array([0]), np.array([100.0, 0.0])).tolist() == [1]


def test_ece_by_hand() -> None:
    confidence = np.array([0.6, 0.6, 0.9, 0.9])
    correct = np.array([True, False, True, True])
    assert metrics.ece(confidence, correct, bins=2) == pytest.approx(0.5 * 0.1 + 0.5 * 0.1)
    assert [b["records"] for b in metrics.reliability(confidence, correct, bins=2)] == [2, 2]


def test_ece_of_confidences_that_are_true_is_small_and_of_boasts_is_large() -> None:
    rng = np.random.default_rng(0)
    confidence = rng.uniform(0.2, 1, 20_000)
    correct = rng.uniform(size=20_000) < confidence
    assert metrics.ece(confidence, correct) < 0.02
    assert metrics.ece(np.ones(20_000), correct) == pytest.approx(1 - correct.mean())


def test_brier_and_log_loss_by_hand() -> None:
    p = np.array([[0.7, 0.3], [0.2, 0.8]])
    y = np.array([[1.0, 0.0], [1.0, 0.0]])
    assert metrics.brier(p, y) == pytest.approx((0.09 * 2 + 0.64 * 2) / 2)
    assert metrics.brier(p, y, many=True) == pytest.approx((0.09 * 2 + 0.64 * 2) / 4)
    assert metrics.log_loss(p, y) == pytest.approx(-(np.log(0.7) + np.log(0.2)) / 2)
    assert metrics.log_loss(p, y, many=True) == pytest.approx(-(2 * np.log(0.7) + 2 * np.log(0.2)) / 4)


def test_the_selective_curve_steps_at_distinct_confidences_only() -> None:
    thresholds, coverage, precision = metrics.selective_curve(
        np.array([0.9, 0.5, 0.5, 0.1]), np.array([True, True, False, False])
    )
    assert thresholds.tolist() == [0.9, 0.5, 0.1]
    assert coverage.tolist() == [0.25, 0.75, 1.0]
    assert precision == pytest.approx([1.0, 2 / 3, 0.5])


def test_a_value_outside_the_classes_is_an_error_of_what_was_answered() -> None:
    target = np.array([[1.0, 0.0], [0.0, 1.0], [0.0, 0.0]])
    first = np.array([0, 1, 1])
    assert metrics.accuracy(target, first) == pytest.approx(2 / 3)
    assert metrics.macro_f1(target, first) == pytest.approx((1.0 + 2 / 3) / 2)
    assert [row["precision"] for row in metrics.per_class(target, first)] == [1.0, 0.5]
    assert metrics.confusion(target, first).tolist() == [[1, 0], [0, 1]]
    sure = np.array([[0.9, 0.1], [0.1, 0.9], [0.1, 0.9]])
    humble = np.array([[0.9, 0.1], [0.1, 0.9], [0.05, 0.45]])
    assert metrics.log_loss(humble, target) < metrics.log_loss(sure, target)
    assert metrics.brier(humble, target) < metrics.brier(sure, target)


def test_set_f1_by_hand() -> None:
    target = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0]])
    answered = np.array([[True, False, False], [False, True, False]])
    assert metrics.set_f1(target, answered) == pytest.approx((1.0 + 2 / 3) / 2)


def test_score_gathers_the_figures_of_a_property() -> None:
    p = np.array([[0.9, 0.1], [0.4, 0.6], [0.55, 0.45]])
    y = np.array([[1.0, 0.0], [1.0, 0.0], [1.0, 0.0]])
    figures = metrics.score(y, p, p.argmax(axis=1), 0.58)
    assert figures["records"] == 3
    assert figures["coverage"] == pytest.approx(2 / 3)
    assert figures["precision"] == pytest.approx(0.5)
    assert metrics.score(y, p, p.argmax(axis=1), metrics.NEVER)["precision"] is None
    assert 0 <= metrics.score(y, p, p.argmax(axis=1), np.array([0.5, 0.5]), many=True)["set_f1"] <= 1


def test_of_many_values_whatever_reaches_its_own_threshold_is_an_answer() -> None:
    """Given classes with thresholds of their own, then a record is covered by any of its values, as in a run."""
    p, reach = np.tile([0.8, 0.7, 0.2], (4, 1)), np.array([0.9, 0.6, 0.1])
    y = np.array([[1.0, 1.0, 0.0], [0.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 1.0]])
    figures = metrics.score(y, p, p.argmax(axis=1), reach, many=True)
    classes = metrics.asserted_classes(p, p.argmax(axis=1), reach, many=True)
    assert figures["coverage"] == classes.any(axis=1).mean() == 1.0
    assert figures["precision"] == (y[classes] > 0).mean() == 0.5
    single = metrics.score(y, p, p.argmax(axis=1), reach)
    assert (single["coverage"], single["precision"]) == (0.0, None)


def test_per_class_figures_name_every_class() -> None:
    rows = metrics.per_class(one_hot(np.array([0, 0, 1]), 3), np.array([0, 1, 1]))
    assert [r["support"] for r in rows] == [2, 1, 0]
    assert rows[0]["precision"] == 1.0
    assert rows[0]["recall"] == 0.5
    assert rows[2]["f1"] == 0.0
