"""Heads, focal loss, class weights, aggregation and distributions."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.neural.heads import (
    FocalLoss,
    HeadSettings,
    LossSettings,
    MultitaskHeads,
    aggregate,
    by_property,
    class_weights,
    distributions,
    held_out_scores,
    judged,
    partial_loss,
    targets,
)

ONE = Property("one", ("a", "b", "c"))
MANY = Property("many", ("x", "y"), many=True)
BOTH = (ONE, MANY)
PLAIN = LossSettings(gamma=0.0, balance=0.0)


def test_logits_lie_side_by_side_in_the_properties_order() -> None:
    network = MultitaskHeads(7, BOTH, HeadSettings(neck=4, hidden=3))
    assert network(torch.zeros(2, 7)).shape == (2, 5)
    assert by_property(BOTH) == [(BOTH[0], slice(0, 3)), (BOTH[1], slice(3, 5))]


def test_without_gamma_and_weights_the_loss_is_cross_entropy() -> None:
    logits, truth = torch.randn(6, 3), torch.tensor([0, 1, 2, 0, 1, 2])
    target = F.one_hot(truth, 3).float()
    loss = FocalLoss((ONE,), PLAIN)(logits, target, torch.ones(6, 1, dtype=torch.bool))
    assert loss.item() == pytest.approx(F.cross_entropy(logits, truth).item(), abs=1e-6)


def test_focal_loss_is_the_formula_of_lin_et_al() -> None:
    logits = torch.tensor([[2.0, 0.0, -1.0]])
    p = torch.softmax(logits, dim=1)[0, 1]
    loss = FocalLoss((ONE,), LossSettings(gamma=2.0, balance=0.0))(
        logits, torch.tensor([[0.0, 1.0, 0.0]]), torch.ones(1, 1, dtype=torch.bool)
    )
    assert loss.item() == pytest.approx(float(-((1 - p) ** 2) * torch.log(p)), abs=1e-6)


def test_a_property_with_many_values_is_judged_class_by_class() -> None:
    logits, target = torch.tensor([[1.0, -2.0]]), torch.tensor([[1.0, 1.0]])
    loss = FocalLoss((MANY,), PLAIN)(logits, target, torch.ones(1, 1, dtype=torch.bool))
    wanted = F.binary_cross_entropy_with_logits(logits, target, reduction="sum")
    assert loss.item() == pytest.approx(wanted.item(), abs=1e-6)


def test_a_missing_label_teaches_nothing() -> None:
    logits = torch.randn(4, 5, requires_grad=True)
    named = torch.tensor([[True, False], [False, False], [True, True], [False, True]])
    target = torch.tensor([[1, 0, 0, 0, 0], [0] * 5, [0, 1, 0, 1, 0], [0, 0, 0, 0, 1]]).float()
    FocalLoss(BOTH, LossSettings())(logits, target, named).backward()
    gradient = logits.grad
    assert gradient is not None
    assert not gradient[1].any()
    assert not gradient[0, 3:].any()
    assert not gradient[3, :3].any()
    assert gradient[0, :3].any()


def test_without_any_label_the_loss_is_zero_and_has_a_gradient() -> None:
    logits = torch.randn(2, 5, requires_grad=True)
    loss = FocalLoss(BOTH, LossSettings())(logits, torch.zeros(2, 5), torch.zeros(2, 2, dtype=torch.bool))
    loss.backward()
    assert loss.item() == 0.0


@pytest.mark.parametrize("gamma", [0.0, 0.5, 2.0])
@pytest.mark.parametrize("prop", BOTH, ids=lambda p: p.name)
def test_the_gradient_is_finite_when_the_network_is_certain(gamma: float, prop: Property) -> None:
    logits = torch.full((1, len(prop.classes)), -80.0)
    logits[0, 0] = 80.0
    logits.requires_grad_(True)
    target = torch.zeros(1, len(prop.classes))
    target[0, 0] = 1.0
    loss = FocalLoss((prop,), LossSettings(gamma=gamma))(logits, target, torch.ones(1, 1, dtype=torch.bool))
    loss.backward()
    assert logits.grad is not None
    assert torch.isfinite(logits.grad).all()


def test_smoothing_keeps_a_certain_network_from_a_loss_of_zero() -> None:
    logits, target = torch.tensor([[30.0, 0.0, 0.0]]), torch.tensor([[1.0, 0.0, 0.0]])
    named = torch.ones(1, 1, dtype=torch.bool)
    smooth = LossSettings(gamma=0.0, balance=0.0, smoothing=0.3)
    assert FocalLoss((ONE,), PLAIN)(logits, target, named).item() < 1e-6
    assert FocalLoss((ONE,), smooth)(logits, target, named).item() == pytest.approx(0.2 * 30, rel=1e-3)


def test_weights_fall_with_the_count_and_average_to_one_over_the_values() -> None:
    target = torch.tensor([[1.0, 0, 0]] * 8 + [[0, 1.0, 0]] * 2)
    named = torch.ones(10, 1, dtype=torch.bool)
    weights = class_weights(target, named, (ONE,), 1.0)
    assert weights[1] / weights[0] == pytest.approx(4.0)
    assert weights[2] == weights[1]
    assert float((weights * target.sum(dim=0)).sum() / 10) == pytest.approx(1.0)
    assert class_weights(target, named, (ONE,), 0.0).tolist() == pytest.approx([1.0, 1.0, 1.0])


def test_every_named_value_shares_the_target_of_a_property_with_one() -> None:
    data = Dataset([Record("r", {"one": ("a", "b"), "many": ("x", "y")}), Record("s", {"one": ("?",)})], BOTH)
    target, named = targets(data)
    assert target.tolist() == [[0.5, 0.5, 0.0, 1.0, 1.0], [0.0] * 5]
    assert named.tolist() == [[True, True], [False, False]]


LOGITS = torch.tensor([[1.0, 0.0], [3.0, 2.0], [-1.0, 5.0]])
OWNER = torch.tensor([0, 0, 2])


def test_a_class_turned_down_costs_what_the_others_lack() -> None:
    """Given a record of which only what it is not is known, then the loss is −log of what is left to the others."""
    data = Dataset([Record("a", refused={"one": ("b",), "many": ("x",)}), Record("b")], BOTH)
    target, known = judged(data)
    assert known.tolist() == [[False, True, False, True, False], [False] * 5]
    logits = torch.tensor([[0.5, 2.0, -1.0, 0.7, 3.0], [1.0] * 5], requires_grad=True)
    none = torch.zeros(2, 2, dtype=torch.bool)

    loss = partial_loss(logits, target, known, none, BOTH, 0.0)

    rest = 1 - torch.softmax(logits[0, :3], 0)[1]
    assert loss.item() == pytest.approx((-rest.log() - F.logsigmoid(-logits[0, 3])).item(), abs=1e-5)
    loss.backward()
    assert logits.grad is not None
    assert logits.grad[0, 1] > 0, "it falls as the class does"
    assert logits.grad[0, 4] == 0, "of a value that nobody judged nothing is learnt"
    assert logits.grad[1].tolist() == [0.0] * 5


def test_a_record_whose_every_class_was_turned_down_teaches_nothing() -> None:
    data = Dataset([Record("a", refused={"one": ("a", "b", "c")})], (ONE,))
    logits = torch.zeros(1, 3, requires_grad=True)
    partial_loss(logits, *judged(data), torch.zeros(1, 1, dtype=torch.bool), (ONE,), 2.0).backward()
    assert logits.grad is not None
    assert logits.grad.tolist() == [[0.0] * 3]


def test_logits_of_a_records_items_are_aggregated() -> None:
    flat = torch.zeros(3, 1)
    assert aggregate(LOGITS, flat, OWNER, 3, "mean").tolist() == [[2.0, 1.0], [0.0, 0.0], [-1.0, 5.0]]
    assert aggregate(LOGITS, flat, OWNER, 3, "max").tolist() == [[3.0, 2.0], [0.0, 0.0], [-1.0, 5.0]]
    assert torch.allclose(
        aggregate(LOGITS, flat, OWNER, 3, "attention"), aggregate(LOGITS, flat, OWNER, 3, "mean")
    )


def test_attention_follows_its_scores_even_when_they_are_huge() -> None:
    scores = torch.tensor([[0.0], [1000.0], [3.0]])
    assert aggregate(LOGITS, scores, OWNER, 3, "attention")[0].tolist() == [3.0, 2.0]


def test_distributions_sum_to_one_and_mark_the_absent_and_the_broken() -> None:
    logits = torch.tensor([[1.0, 2, 3, 0, 0], [0, 0, 0, 0, 0], [float("nan"), 0, 0, 0, 0]])
    answer = distributions(logits, np.array([True, False, True]), BOTH)
    assert answer["one"].probabilities[0].sum() == pytest.approx(1.0)
    assert answer["many"].probabilities[0].tolist() == [0.5, 0.5]
    assert answer["one"].present.tolist() == [True, False, False]
    assert np.isnan(answer["one"].probabilities[1:]).all()


def test_held_out_scores_take_any_of_a_records_values_for_a_hit() -> None:
    target = torch.tensor([[0.5, 0.5, 0, 0, 0], [0, 0, 1, 0, 0]])
    named = torch.tensor([[True, False], [True, False]])
    logits = torch.tensor([[0, 1.0, 0, 0, 0], [0, 0, 1.0, 0, 0]])
    found = held_out_scores(logits, target, named, BOTH)
    assert (found["one"], found["score"], found["accuracy"]) == (1.0, 1.0, 1.0)
    assert "many" not in found


def test_what_nobody_names_has_no_score() -> None:
    nobody = torch.zeros(1, 2, dtype=torch.bool)
    found = held_out_scores(torch.zeros(1, 5), torch.zeros(1, 5), nobody, BOTH)
    assert all(np.isnan(value) for value in found.values())
