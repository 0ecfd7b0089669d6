"""Distances mean what they say, and maps give a planted configuration back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.soup.distances import (
    classical_mds,
    disagreement,
    jensen_shannon,
    smacof,
    stress,
    symmetric_cross_entropy,
)


def apart(points: np.ndarray) -> np.ndarray:
    return np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))


@given(st.integers(3, 15), st.integers(0, 10_000))
@settings(max_examples=30)
def test_a_planted_configuration_comes_back(points: int, seed: int) -> None:
    d = apart(np.random.default_rng(seed).normal(size=(points, 2)))
    for found in (classical_mds(d), smacof(d)):
        np.testing.assert_allclose(apart(found.points), d, atol=1e-6)
        assert found.stress < 1e-6
    assert classical_mds(d).share == pytest.approx(1.0)


def test_smacof_is_never_worse_than_where_it_begins() -> None:
    d = apart(np.random.default_rng(1).normal(size=(12, 6)))
    assert smacof(d).stress <= classical_mds(d).stress
    assert stress(d, smacof(d).points) == pytest.approx(smacof(d).stress)


def test_models_that_say_the_same_lie_on_one_point() -> None:
    p = np.repeat(np.random.default_rng(0).dirichlet(np.ones(4), (1, 20)), 3, axis=0)
    assert jensen_shannon(p).max() == pytest.approx(0, abs=1e-6)
    assert disagreement(p).max() == 0
    assert np.abs(smacof(jensen_shannon(p)).points).max() == pytest.approx(0, abs=1e-6)


def test_models_that_share_no_class_are_one_apart() -> None:
    p = np.zeros((2, 5, 2))
    p[0, :, 0] = p[1, :, 1] = 1.0
    assert jensen_shannon(p)[0, 1] == pytest.approx(1.0, abs=1e-6)
    assert disagreement(p)[0, 1] == 1.0


def test_cross_entropy_holds_the_entropies_and_jensen_shannon_does_not() -> None:
    # Two unsure models that say the very same are "far" from each other by the paper's distance.
    p = np.full((2, 10, 4), 0.25)
    assert symmetric_cross_entropy(p)[0, 1] == pytest.approx(2 * np.log(4))
    assert jensen_shannon(p)[0, 1] == pytest.approx(0, abs=1e-6)


@given(st.integers(0, 10_000))
@settings(max_examples=20)
def test_jensen_shannon_is_a_metric(seed: int) -> None:
    d = jensen_shannon(np.random.default_rng(seed).dirichlet(np.full(3, 0.3), (3, 15)))
    assert np.allclose(d, d.T)
    assert d[0, 2] <= d[0, 1] + d[1, 2] + 1e-9
