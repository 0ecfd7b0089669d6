"""Augmentation on tensors: random crops and flips of one picture, CutMix and MixUp of a batch.

Every random number comes from the generator that is passed in, so a resumed run draws the same ones.
Sources: Szegedy et al. 2015 (crops), Yun et al. 2019 (CutMix), Zhang et al. 2018 (MixUp).
"""

import math
from collections.abc import Iterable

import torch
from pydantic import Field
from torch import Generator, Tensor
from torch.nn import functional as F

from enrich.classifiers.settings import ClassifierSettings, Share


class AugmentSettings(ClassifierSettings):
    """What is changed at random in the pictures of a training step."""

    scale: float = Field(default=0.35, gt=0, le=1)
    """Smallest share of a picture's area that a crop takes."""
    ratio: float = Field(default=4 / 3, ge=1, le=10)
    """Widest proportion of a crop, width by height or height by width."""
    flip: bool = True
    """Whether half of the pictures are mirrored."""
    colour: Share = 0.1
    """Largest change of brightness and of contrast, as a share."""
    grey: Share = 0.0
    """Share of the pictures that lose their colours."""
    cutmix: float = Field(default=0.0, ge=0, le=100)
    """α of CutMix's Beta distribution; 0 for off."""
    mixup: float = Field(default=0.0, ge=0, le=100)
    """α of MixUp's Beta distribution; 0 for off. With CutMix on too, each batch takes one of the two."""
    mix: float = Field(default=1.0, ge=0, le=1)
    """Probability that a batch is mixed at all."""


def uniform(generator: Generator, low: float = 0.0, high: float = 1.0) -> float:
    """One number from [low, high)."""
    return low + (high - low) * float(torch.rand((), generator=generator))


def resize(picture: Tensor, height: int, width: int) -> Tensor:
    """A uint8 picture (3, H, W) to (3, height, width), antialiased."""
    if picture.shape[1:] == (height, width):
        return picture
    return F.interpolate(picture[None], (height, width), mode="bilinear", antialias=True)[0]


def centre_crop(picture: Tensor, size: int, share: float = 1.0) -> Tensor:
    """The middle square, `share` of the shorter side wide, as (3, size, size) uint8."""
    shorter = min(picture.shape[1:])
    side = max(1, size if abs(share * shorter - size) <= 1 and shorter >= size else round(share * shorter))
    top, left = (picture.shape[1] - side) // 2, (picture.shape[2] - side) // 2
    return resize(picture[:, top : top + side, left : left + side], size, size)


def random_crop(picture: Tensor, size: int, settings: AugmentSettings, generator: Generator) -> Tensor:
    """A random part of the picture, its area and proportion drawn, perhaps flipped: (3, size, size) uint8."""
    height, width = int(picture.shape[1]), int(picture.shape[2])
    area = height * width * uniform(generator, settings.scale, 1.0)
    limit = math.log(settings.ratio)
    ratio = math.exp(uniform(generator, -limit, limit))
    h = max(1, min(height, round(math.sqrt(area / ratio))))
    w = max(1, min(width, round(math.sqrt(area * ratio))))
    top = int(uniform(generator, 0, height - h + 1))
    left = int(uniform(generator, 0, width - w + 1))
    part = resize(picture[:, top : top + h, left : left + w], size, size)
    return part.flip(2) if settings.flip and uniform(generator) < 0.5 else part


def change_colours(pixels: Tensor, settings: AugmentSettings, generator: Generator) -> Tensor:
    """Brightness and contrast of each picture of a batch (n, 3, H, W), values 0 to 1, changed at random; some turn grey."""
    if settings.colour:
        draws = 1 + settings.colour * (2 * torch.rand(2, len(pixels), 1, 1, 1, generator=generator) - 1)
        middle = pixels.mean(dim=(1, 2, 3), keepdim=True)
        pixels = ((pixels - middle) * draws[0] + middle * draws[1]).clamp(0, 1)
    if settings.grey:
        chosen = torch.rand(len(pixels), 1, 1, 1, generator=generator) < settings.grey
        pixels = torch.where(chosen, pixels.mean(dim=1, keepdim=True), pixels)
    return pixels


def crops(pictures: Iterable[Tensor], size: int, settings: AugmentSettings, generator: Generator) -> Tensor:
    """Random crops of pictures (3, H, W) uint8 with colours changed, float32 (m, 3, size, size) from 0 to 1."""
    found = torch.stack([random_crop(picture, size, settings, generator) for picture in pictures])
    changed = change_colours(found.float() / 255.0, settings, generator)
    return changed.contiguous(memory_format=torch.channels_last)


def mix(
    pixels: Tensor, target: Tensor, named: Tensor, settings: AugmentSettings, generator: Generator
) -> tuple[Tensor, Tensor, Tensor]:
    """CutMix or MixUp of a batch: pixels (n, 3, H, W), target (n, ΣK), named (n, P), each with its partner.

    A property counts only where both partners name it.
    """
    if not (settings.cutmix or settings.mixup) or len(pixels) < 2 or uniform(generator) >= settings.mix:
        return pixels, target, named
    cut = settings.cutmix > 0 and (not settings.mixup or uniform(generator) < 0.5)
    share = _beta(settings.cutmix if cut else settings.mixup, generator)
    partner = torch.randperm(len(pixels), generator=generator)
    if cut:
        pixels, share = _cut(pixels, partner, share, generator)
    else:
        pixels = pixels * share + pixels[partner] * (1 - share)
    return pixels, target * share + target[partner] * (1 - share), named & named[partner]


def _cut(pixels: Tensor, partner: Tensor, share: float, generator: Generator) -> tuple[Tensor, float]:
    """Paste a box of the partner; the share is then what is really left of each picture."""
    height, width = pixels.shape[2:]
    side = math.sqrt(1 - share)
    y, x = uniform(generator, 0, height), uniform(generator, 0, width)
    top, bottom = (round(min(max(y + s * side * height / 2, 0), height)) for s in (-1, 1))
    left, right = (round(min(max(x + s * side * width / 2, 0), width)) for s in (-1, 1))
    mixed = pixels.clone()
    mixed[:, :, top:bottom, left:right] = pixels[partner][:, :, top:bottom, left:right]
    return mixed, 1 - (bottom - top) * (right - left) / (height * width)


def _beta(alpha: float, generator: Generator) -> float:
    """One draw of Beta(α, α), from two gamma draws of the generator's seed."""
    draws = torch._standard_gamma(torch.full((2,), alpha, dtype=torch.float64), generator=generator)
    return float(draws[0] / draws.sum()) if float(draws.sum()) > 0 else 0.5
