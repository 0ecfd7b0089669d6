"""The terms add up to the loss, whatever the models say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.soup.decomposition import Terms, cross_entropy, decompose, zero_one

SHAPES = st.tuples(st.integers(1, 7), st.integers(1, 20), st.integers(2, 5), st.integers(0, 10_000))


def drawn(models: int, records: int, classes: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    p = random.dirichlet(np.full(classes, 0.4), (models, records))
    return p, random.integers(0, classes, records)


def means(terms: Terms) -> dict[str, float]:
    return {name: float(values.mean()) for name, values in terms.items()}


@given(SHAPES)
@settings(max_examples=60)
def test_zero_one_terms_add_up_to_the_loss(shape: tuple[int, int, int, int]) -> None:
    p, truth = drawn(*shape)
    answers = p.argmax(axis=2)
    parts = means(zero_one(answers, truth, p.shape[2]))
    assert parts["loss"] == pytest.approx((answers != truth).mean(), abs=1e-12)
    added = parts["variance_unbiased"] - parts["variance_biased"]
    assert parts["bias"] + added == pytest.approx(parts["loss"], abs=1e-9)


@given(SHAPES)
@settings(max_examples=60)
def test_cross_entropy_terms_add_up_to_the_loss(shape: tuple[int, int, int, int]) -> None:
    p, truth = drawn(*shape)
    parts = means(cross_entropy(p, truth))
    chosen = np.maximum(p, 1e-12)[:, np.arange(len(truth)), truth]
    assert parts["loss"] == pytest.approx(-np.log(chosen).mean(), abs=1e-9)
    assert parts["bias"] + parts["variance"] == pytest.approx(parts["loss"], abs=1e-9)
    assert parts["variance"] >= -1e-12


def test_models_that_agree_have_no_variance() -> None:
    p, truth = drawn(1, 30, 4, 3)
    same = np.repeat(p, 5, axis=0)
    assert means(zero_one(same.argmax(axis=2), truth, 4))["variance"] == 0
    assert means(cross_entropy(same, truth))["variance"] == pytest.approx(0, abs=1e-12)


def test_variance_helps_only_where_the_main_prediction_is_wrong() -> None:
    # Truth 0 throughout. Record 0: main prediction right, one of three off. Record 1: wrong, one of three hits.
    answers = np.array([[0, 1], [0, 1], [1, 0]])
    parts = means(zero_one(answers, np.array([0, 0]), 2))
    assert parts["bias"] == 0.5
    assert parts["variance_unbiased"] == pytest.approx(1 / 6)
    assert parts["variance_biased"] == pytest.approx(1 / 6)
    assert parts["loss"] == pytest.approx(0.5)


def test_intervals_hold_the_value() -> None:
    p, truth = drawn(4, 60, 3, 1)
    for terms in decompose(p, truth).values():
        for value, low, high in terms.values():
            assert low <= value <= high
