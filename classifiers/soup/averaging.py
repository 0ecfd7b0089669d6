"""Averages the weights of checkpoints, and takes batch norm's statistics anew for the average."""

from collections.abc import Iterable, Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.optim.swa_utils import update_bn

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.networks import ImageNetwork
from enrich.classifiers.soup.pictures import PictureSet

STATISTICS_PICTURES = 1024
"""Training pictures from which batch norm's statistics are taken anew."""
_BATCH = 128


def average(members: Iterable[tuple[Mapping[str, Tensor], float]]) -> dict[str, Tensor]:
    """The mean of weights with shares, summed in float64; each tensor in the kind it came in (integers rounded).

    Raises ClassifierError for no member, and for members whose tensors differ in name or shape.
    """
    total: dict[str, Tensor] = {}
    kinds: dict[str, torch.dtype] = {}
    whole = 0.0
    for weights, share in members:
        if not total:
            kinds = {k: t.dtype for k, t in weights.items()}
            total = {k: torch.zeros(t.shape, dtype=torch.float64) for k, t in weights.items()}
        if odd := sorted(set(weights) ^ set(total)):
            raise ClassifierError(f"members cannot be averaged: {odd[0]!r} is not in all of them")
        for key, tensor in weights.items():
            if tensor.shape != total[key].shape:
                shapes = f"{tuple(tensor.shape)} and {tuple(total[key].shape)}"
                raise ClassifierError(f"members cannot be averaged: {key!r} has the shapes {shapes}")
            total[key] += tensor.double() * share
        whole += share
    if not whole:
        raise ClassifierError("there is nothing to average")
    means = {k: tensor / whole for k, tensor in total.items()}
    return {k: (m if kinds[k].is_floating_point else m.round()).to(kinds[k]) for k, m in means.items()}


def batch_norms(network: nn.Module) -> list[_BatchNorm]:
    """The layers of a network that keep running statistics."""
    return [m for m in network.modules() if isinstance(m, _BatchNorm) and m.running_mean is not None]


def renew_statistics(network: ImageNetwork, learn: PictureSet, size: int) -> None:
    """Take the running mean and variance of every batch norm anew, from training pictures, in place.

    The statistics of averaged weights are not the average of the statistics (Izmailov et al. 2018, section 3.3).
    Pictures are seen as they are when a soup answers (Touvron et al. 2019); the same ones every time, so that soups
    compare. Their order is drawn: the variance within batches is that of the pictures only where a batch has
    pictures of every kind, and folders are often sorted by class.
    """
    if not batch_norms(network):
        return
    rows = np.random.default_rng(0).permutation(len(learn))[:STATISTICS_PICTURES]
    parts = np.array_split(rows, max(1, len(rows) // _BATCH))
    batches = (learn.middle(torch.from_numpy(part), size) for part in parts)
    update_bn(batches, network, next(network.parameters()).device)
