"""The table that trees learn from: every named value teaches, copies lose what may be missing at night."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.tabular.boosting import (
    CONTEXT,
    COUNT,
    KNOWN,
    NUMERAL,
    TrainingTable,
    boost,
    boosted_probabilities,
    read_booster,
)
from enrich.classifiers.tabular.settings import TabularSettings

KINDS = np.array([KNOWN, KNOWN, CONTEXT, NUMERAL, COUNT], dtype=np.int8)
SETTINGS = TabularSettings(rounds=30, patience=3, depth=2, eta=0.5, bins=16)


def table(many: bool = False, n: int = 200) -> TrainingTable:
    """The first column is the class; one record in five names two classes."""
    truth = np.arange(n) % 2
    target = np.eye(2)[truth]
    target[::5] = 1.0
    features = np.column_stack([truth + 1.0, np.ones(n), np.ones(n), np.arange(n) + 1.0, np.ones(n)])
    known = np.ones((n, 2), dtype=bool)
    return TrainingTable(csr_matrix(features.astype(np.float32)), target, many, KINDS, known)


def test_a_record_with_two_classes_teaches_each_with_its_share() -> None:
    features, target, weight = table().weighted(np.arange(5), 0.0)
    assert features.shape[0] == 6
    assert target.sum(axis=1).tolist() == [1.0] * 6
    assert weight[:, 0].tolist() == [0.5, 0.5, 1.0, 1.0, 1.0, 1.0]


def test_with_many_values_every_named_one_is_a_yes() -> None:
    features, target, weight = table(many=True).weighted(np.arange(5), 0.0)
    assert features.shape[0] == 5
    assert target[0].tolist() == [1.0, 1.0]
    assert (weight == 1.0).all()


def test_class_weights_balance_what_is_rare() -> None:
    rare = TrainingTable(table().features, np.eye(2)[[0] * 180 + [1] * 20], False, KINDS, table().known)
    _, target, weight = rare.weighted(np.arange(200), 1.0)
    assert (weight[:, :1] * target).sum(axis=0) == pytest.approx([100.0, 100.0])


def test_copies_lose_known_values_context_and_numerals_and_never_counts() -> None:
    rows = np.arange(200)
    features, target, weight = table().training(rows, 0.6, 0.0, np.random.default_rng(0))
    half = features.shape[0] // 2
    whole, ablated = features[:half].toarray(), features[half:].toarray()
    lost = (whole != 0) & (ablated == 0)
    share = lost.mean(axis=0)
    assert share[:2] == pytest.approx([0.6, 0.6], abs=0.1)
    assert share[2] == pytest.approx(0.2, abs=0.07)
    assert share[3] > share[2], "numerals go with the context, and by themselves"
    assert share[4] == 0.0
    assert lost[:, 3][lost[:, 2]].all(), "without its context a numeral means nothing"
    assert np.array_equal(target[:half], target[half:])
    assert weight[:, 0].sum() == pytest.approx(200.0), "a record weighs one in both copies together"


def test_nothing_is_copied_when_nothing_is_hidden() -> None:
    features, _, weight = table(many=True).training(np.arange(10), 0.0, 0.0, np.random.default_rng(0))
    assert features.shape[0] == 10
    assert (weight == 1.0).all()


@pytest.mark.parametrize("many", [False, True])
def test_growing_stops_when_the_held_out_loss_no_longer_falls(many: bool) -> None:
    seen: list[int] = []
    data, rows = table(many), np.arange(200)
    booster, losses = boost(
        data, rows[:150], rows[150:], 30, SETTINGS, np.random.default_rng(0), 0, seen.append
    )
    assert losses[-1] < losses[0]
    assert len(losses) <= 30
    assert seen[0] == 0
    p = boosted_probabilities(booster, data.features[150:], 2, many)
    plain = data.target[150:].sum(axis=1) == 1
    assert (p.argmax(axis=1) == data.target[150:].argmax(axis=1))[plain].mean() > 0.9
    if not many:
        assert p.sum(axis=1) == pytest.approx(1.0)


def test_without_held_out_rows_every_round_is_grown() -> None:
    rows = np.arange(200)
    booster, losses = boost(table(), rows, rows[:0], 5, SETTINGS, np.random.default_rng(0), 0, lambda _: None)
    assert (booster.num_boosted_rounds(), losses) == (5, [])
    assert boosted_probabilities(booster, table().features[:0], 2, False).shape == (0, 2)


def test_a_file_that_is_no_booster_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.ubj").write_bytes(b"none")
    for name in ("b.ubj", "gone.ubj"):
        with pytest.raises(ClassifierError, match="the booster of place is damaged"):
            read_booster(tmp_path / name, Property("place", ("urn:a", "urn:b")))
