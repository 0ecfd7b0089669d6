"""Averages the weights of checkpoints, and takes batch norm's statistics anew for the average."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from classifiers.base import ClassifierError
from classifiers.neural.networks import ImageNetwork
from classifiers.soup.pictures import PictureSet
from classifiers.soup.trajectory import TrajectorySettings, crops

STATISTICS_PICTURES = 1024
"""Training pictures from which batch norm's statistics are taken anew."""


class Sum:
    """A weighted sum of weights in float64; `mean` divides it. Members can be added and taken away."""

    def __init__(self) -> None:
        self.total: dict[str, Tensor] = {}
        self.kinds: dict[str, torch.dtype] = {}
        self.weight = 0.0

    def add(self, weights: Mapping[str, Tensor], share: float = 1.0) -> None:
        """Add a member `share` times; ClassifierError when its tensors are not those of the others."""
        if not self.total:
            self.kinds = {k: t.dtype for k, t in weights.items()}
            self.total = {k: torch.zeros(t.shape, dtype=torch.float64) for k, t in weights.items()}
        if set(weights) != set(self.total):
            odd = sorted(set(weights) ^ set(self.total))[0]
            raise ClassifierError(f"members cannot be averaged: {odd!r} is not in all of them")
        for key, tensor in weights.items():
            if tensor.shape != self.total[key].shape:
                shapes = f"{tuple(tensor.shape)} and {tuple(self.total[key].shape)}"
                raise ClassifierError(f"members cannot be averaged: {key!r} has the shapes {shapes}")
            self.total[key] += tensor.double() * share
        self.weight += share

    def mean(self) -> dict[str, Tensor]:
        """The average, each tensor in the kind it came in (whole numbers are rounded)."""
        if not self.weight:
            raise ClassifierError("there is nothing to average")
        found = {}
        for key, tensor in self.total.items():
            kind = self.kinds[key]
            mean = tensor / self.weight
            found[key] = mean.to(kind) if kind.is_floating_point else mean.round().to(kind)
        return found


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The layers of a network that keep running statistics."""
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


def renew_statistics(
    network: ImageNetwork,
    learn: PictureSet,
    size: int,
    settings: TrajectorySettings,
    *,
    most: int = STATISTICS_PICTURES,
) -> None:
    """Take the running mean and variance of every batch norm anew, from training pictures, in place.

    The statistics of averaged weights are not the average of the statistics (Izmailov et al. 2018,
    section 3.3). Pictures are cropped as in training; the same ones every time, so that soups compare.
    """
    layers = batch_norms(network)
    if not layers:
        return
    rows = np.sort(np.random.default_rng(0).permutation(len(learn))[:most])
    generator = torch.Generator().manual_seed(0)
    before = [layer.momentum for layer in layers]
    was_training = network.training
    for layer in layers:
        layer.reset_running_stats()
        layer.momentum = None  # a plain average over the batches
    network.eval()
    for layer in layers:
        layer.train()
    with torch.inference_mode():
        for part in np.array_split(rows, max(1, len(rows) // 128)):
            pixels = crops(learn, torch.from_numpy(part), size, settings.augment, generator)
            network(pixels.to(next(network.parameters()).device))
    for layer, momentum in zip(layers, before, strict=True):
        layer.momentum = momentum
    network.train(was_training)
