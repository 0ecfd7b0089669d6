"""The study of wrong labels: labels are flipped as often as said, and found where they can be."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.studies.noise import WAYS, boosted, flip, label_issues, noise_study, soft
from tests.studies.material import material


@given(st.integers(2, 9), st.floats(0, 1))
def test_labels_are_flipped_to_another_class_as_often_as_said(classes: int, rate: float) -> None:
    truth = np.arange(600) % classes
    given_labels = flip(truth, classes, rate, np.random.default_rng(0))
    assert set(given_labels) <= set(range(classes))
    assert abs((given_labels != truth).mean() - rate) < 0.1


def test_smoothed_targets_still_sum_to_one() -> None:
    target = soft(np.array([0, 2]), 4, 0.2)
    assert target.sum(axis=1) == pytest.approx(1)
    assert target[0].tolist() == pytest.approx([0.85, 0.05, 0.05, 0.05])


def test_smoothing_makes_the_trees_less_sure() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 200)
    features = np.eye(3)[truth] + rng.normal(0, 0.1, (200, 3))
    sure = boosted(features, soft(truth, 3, 0.0), features, 20, 0)
    unsure = boosted(features, soft(truth, 3, 0.3), features, 20, 0)
    assert (sure.argmax(axis=1) == truth).mean() > 0.98
    assert unsure.max(axis=1).mean() < sure.max(axis=1).mean() - 0.05


def test_labels_that_confident_answers_contradict_are_found() -> None:
    truth = np.repeat([0, 1, 2], 60)
    said = np.eye(3)[truth] * 0.9 + 0.1 / 3
    wrong = np.zeros(180, dtype=bool)
    wrong[::20] = True
    assert (label_issues(np.where(wrong, (truth + 1) % 3, truth), said) == wrong).all()
    assert not label_issues(np.zeros(5, dtype=np.intp), np.ones((5, 3)) / 3).any()


def test_there_is_a_row_per_rate_and_way() -> None:
    study = noise_study(material(120, 80), rates=(0.0, 0.4), rounds=5, folds=2)
    assert [row[:2] for row in study.rows] == [(rate, way) for rate in ("0%", "40%") for way in WAYS]
    assert study.rows[0][4] is None
    found, lost = study.rows[6][5:]
    assert found is not None
    assert lost is not None
    assert 0 <= float(lost) < float(found) <= 1
    assert "at 40%" in study.conclusion
    assert all(f"Labels {way}" in study.conclusion for way in WAYS[1:])
