"""Crops, flips, CutMix and MixUp."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.neural.augment import AugmentSettings, centre_crop, change_colours, mix, random_crop


def generator(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(height: int, width: int) -> torch.Tensor:
    return torch.randint(0, 256, (3, height, width), dtype=torch.uint8, generator=generator())


@settings(max_examples=40)
@given(st.integers(1, 60), st.integers(1, 60), st.integers(0, 99))
def test_any_picture_gives_crops_of_the_size(height: int, width: int, seed: int) -> None:
    picture = noise(height, width)
    assert random_crop(picture, 16, AugmentSettings(), generator(seed)).shape == (3, 16, 16)
    assert centre_crop(picture, 16, 0.9).shape == (3, 16, 16)


def test_a_picture_of_the_right_size_is_cropped_without_resampling() -> None:
    picture = noise(36, 50)
    assert torch.equal(centre_crop(picture, 32, 0.9), picture[:, 2:34, 9:41])
    assert torch.equal(centre_crop(noise(32, 32), 32, 1.0), noise(32, 32))


def test_the_same_generator_gives_the_same_crop() -> None:
    picture = noise(50, 60)
    one, other = (random_crop(picture, 16, AugmentSettings(), generator(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert not torch.equal(one, random_crop(picture, 16, AugmentSettings(), generator(4)))


def test_colours_stay_in_range_and_stay_put_when_off() -> None:
    pixels = torch.rand(4, 3, 8, 8)
    changed = change_colours(pixels, AugmentSettings(colour=0.5), generator())
    assert changed.min() >= 0
    assert changed.max() <= 1
    assert torch.equal(change_colours(pixels, AugmentSettings(colour=0.0), generator()), pixels)


@pytest.mark.parametrize("kind", [{"cutmix": 1.0}, {"mixup": 0.2}, {"cutmix": 1.0, "mixup": 0.2}])
def test_mixing_mixes_targets_as_it_mixes_pixels(kind: dict[str, float]) -> None:
    values = torch.arange(6.0)
    pixels = values.view(6, 1, 1, 1).expand(6, 3, 20, 20)
    target = torch.eye(6)
    for seed in range(20):
        mixed, soft, named = mix(
            pixels, target, torch.ones(6, 1, dtype=torch.bool), AugmentSettings(**kind), generator(seed)
        )
        assert torch.allclose(mixed.mean(dim=(1, 2, 3)), soft @ values, atol=1e-4)
        assert torch.allclose(soft.sum(dim=1), torch.ones(6))
        assert named.all()


def test_a_mixed_property_counts_only_where_both_partners_name_it() -> None:
    named = torch.tensor([[True, False], [True, True]])
    for seed in range(10):
        _, soft, both = mix(
            torch.rand(2, 3, 4, 4), torch.eye(2), named, AugmentSettings(mixup=1.0), generator(seed)
        )
        swapped = soft[0, 1] > 0
        assert both.tolist() == ([[True, False], [True, False]] if swapped else named.tolist())


def test_nothing_is_mixed_when_it_is_off_or_alone() -> None:
    pixels, target, named = torch.rand(3, 3, 4, 4), torch.eye(3), torch.ones(3, 1, dtype=torch.bool)
    assert mix(pixels, target, named, AugmentSettings(), generator())[0] is pixels
    assert mix(pixels[:1], target[:1], named[:1], AugmentSettings(mixup=1.0), generator())[0].shape[0] == 1
