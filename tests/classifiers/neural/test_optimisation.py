"""Layer-wise rates, schedules, devices and precision."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.optimisation import (
    TrainingSettings,
    autocast,
    from_nothing,
    parameter_groups,
    pick_device,
    rate_factor,
)


def test_the_rate_falls_with_the_distance_from_the_heads_and_vectors_do_not_decay() -> None:
    layers = [list(nn.Linear(2, 2).parameters()) for _ in range(3)]
    groups = parameter_groups(layers, TrainingSettings(learning_rate=1.0, layer_decay=0.5, weight_decay=0.1))
    assert [g["base_lr"] for g in groups] == [1.0, 1.0, 0.5, 0.5, 0.25, 0.25]
    assert {g["weight_decay"] for g in groups if g["params"][0].ndim == 1} == {0.0}
    assert groups[0]["params"][0] is layers[-1][0]


def test_heads_may_learn_faster_and_without_pretrained_weights_all_do() -> None:
    layers = [list(nn.Linear(2, 2).parameters()) for _ in range(2)]
    settings = TrainingSettings(learning_rate=0.1, layer_decay=0.5, head_rate=10.0)
    assert [g["base_lr"] for g in parameter_groups(layers, settings)] == pytest.approx([1.0, 1.0, 0.05, 0.05])
    flat = from_nothing(settings)
    assert {g["base_lr"] for g in parameter_groups(layers, flat)} == {1.0}
    assert flat.frozen_epochs == 0
    assert from_nothing(flat) == flat


def test_the_rate_warms_up_and_falls_to_nothing() -> None:
    settings = TrainingSettings(epochs=10, warmup=0.1)
    factors = [rate_factor(settings, step, 10) for step in range(100)]
    assert factors[0] == pytest.approx(0.1)
    assert max(factors) == factors[9] == 1.0
    assert factors[10:] == sorted(factors[10:], reverse=True)
    assert factors[-1] < 0.01


def test_restarts_begin_a_new_cosine() -> None:
    settings = TrainingSettings(epochs=9, warmup=0.0, schedule="restarts", restart_every=3)
    factors = [rate_factor(settings, step, 4) for step in range(36)]
    assert factors[0] == factors[12] == factors[24] == 1.0
    assert factors[11] < 0.05
    assert rate_factor(TrainingSettings(schedule="constant", warmup=0.0), 7, 4) == 1.0


def test_a_device_that_is_not_there_is_named() -> None:
    assert pick_device("cpu").type == "cpu"
    assert pick_device("auto").type in ("cpu", "cuda")
    with pytest.raises(ClassifierError, match="'abacus' is not known"):
        pick_device("abacus")
    if not torch.cuda.is_available():
        with pytest.raises(ClassifierError, match="finds no GPU"):
            pick_device("cuda")


def test_bfloat16_is_used_when_asked_for() -> None:
    with autocast("bfloat16", torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.bfloat16
    with autocast("float32", torch.device("cpu")):
        assert (torch.ones(2, 2) @ torch.ones(2, 2)).dtype == torch.float32
