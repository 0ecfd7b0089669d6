"""Averages of weights: identity, order, shares, and what cannot be averaged."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.soup.averaging import average, batch_norms, renew_statistics
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit


def weights(seed: int) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {"a": torch.randn(3, 4, generator=generator), "count": torch.tensor(seed)}


def mean_of(members: Sequence[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return average((member, 1.0) for member in members)


@given(st.integers(0, 1000), st.integers(1, 9))
@settings(max_examples=30)
def test_the_average_of_a_checkpoint_with_itself_is_the_checkpoint(seed: int, times: int) -> None:
    one = weights(seed)
    mean = mean_of([one] * times)
    assert all(torch.equal(mean[k], one[k]) and mean[k].dtype == one[k].dtype for k in one)


@given(st.permutations(range(6)))
@settings(max_examples=30)
def test_the_order_does_not_matter(order: list[int]) -> None:
    mean, other = mean_of([weights(i) for i in range(6)]), mean_of([weights(i) for i in order])
    torch.testing.assert_close(mean["a"], other["a"], rtol=0, atol=1e-7)


def test_float32_is_summed_in_float64() -> None:
    # In float32 the small one would vanish beside the large one.
    mean = mean_of([{"a": torch.tensor([1e8])}, {"a": torch.tensor([1.0])}, {"a": torch.tensor([-1e8])}])
    assert float(mean["a"]) == pytest.approx(1 / 3)


def test_shares_weigh() -> None:
    mean = average([({"a": torch.tensor([0.0])}, 0.75), ({"a": torch.tensor([4.0])}, 0.25)])
    assert float(mean["a"]) == 1.0


def test_what_differs_is_refused() -> None:
    one = {"a": torch.zeros(2)}
    with pytest.raises(ClassifierError, match="'b' is not in all of them"):
        mean_of([one, {"a": torch.zeros(2), "b": torch.zeros(1)}])
    with pytest.raises(ClassifierError, match=r"'a' has the shapes \(3,\) and \(2,\)"):
        mean_of([one, {"a": torch.zeros(3)}])
    with pytest.raises(ClassifierError, match="nothing to average"):
        average([])


def test_statistics_are_taken_anew_and_the_same_every_time(evaluator: Evaluator, split: PictureSplit) -> None:
    network, pool = evaluator.network, evaluator.pool
    network.load_state_dict(evaluator.weights(pool.members[0]))
    layer = batch_norms(network)[0]
    layer.running_mean += 50.0  # type: ignore[operator]
    renew_statistics(network, split.learn, pool.size)
    first = layer.running_mean.clone()  # type: ignore[union-attr, operator]
    assert float(first.abs().max()) < 10  # type: ignore[operator]
    renew_statistics(network, split.learn, pool.size)
    assert torch.equal(layer.running_mean, first)  # type: ignore[arg-type]
    assert layer.momentum is not None


def test_pictures_sorted_by_class_give_the_variance_of_all(evaluator: Evaluator, split: PictureSplit) -> None:
    dark, light = split.learn.pixels[:1] // 4, 255 - split.learn.pixels[1:2] // 4
    sorted_ones = replace(
        split.learn, names=tuple(map(str, range(512))), pixels=torch.cat([dark] * 256 + [light] * 256)
    )
    network = copy.deepcopy(evaluator.network)
    layer = batch_norms(network)[0]
    layer.reset_running_stats()
    layer.momentum = None
    network.train()
    network.features(sorted_ones.middle(slice(None), evaluator.pool.size))
    of_all = layer.running_var.clone()  # type: ignore[union-attr, operator]
    renew_statistics(network, sorted_ones, evaluator.pool.size)
    assert torch.allclose(layer.running_var, of_all, rtol=0.05)  # type: ignore[arg-type]
