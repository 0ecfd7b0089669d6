"""Heads of a multitask network: a shared neck, one head per property, and the focal loss that trains them.

Source: Rei et al. 2022, section 4 (multitask heads, class-weighted focal loss, missing labels masked);
Lin et al. 2017, *Focal Loss for Dense Object Detection*, section 3.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from classifiers.base import Distribution
from classifiers.data import Dataset, Property
from classifiers.model.metrics import macro_f1
from classifiers.settings import require

Aggregate = Literal["mean", "max", "attention"]


@dataclass(frozen=True)
class HeadSettings:
    """Shape of the heads. `neck` is the width of the shared layer (0: none), `hidden` that of each head."""

    neck: int = 256
    hidden: int = 0
    dropout: float = 0.1

    def __post_init__(self) -> None:
        require(0 <= self.neck <= 65536 and 0 <= self.hidden <= 65536, "neck and hidden are from 0 to 65536")
        require(0 <= self.dropout < 1, "dropout is from 0 to below 1")


@dataclass(frozen=True)
class LossSettings:
    """The focal loss. γ 0 is plain cross-entropy; `balance` 1 weights a class by 1/N (the paper), 0 not at all."""

    gamma: float = 2.0
    balance: float = 0.5
    smoothing: float = 0.0

    def __post_init__(self) -> None:
        require(0 <= self.gamma <= 10, "gamma is from 0 to 10")
        require(0 <= self.balance <= 1, "balance is from 0 to 1")
        require(0 <= self.smoothing < 1, "smoothing is from 0 to below 1")


class MultitaskHeads(nn.Module):
    """Features (n, width) to the logits of all properties side by side (n, ΣK), in the properties' order."""

    def __init__(self, width: int, properties: Sequence[Property], settings: HeadSettings) -> None:
        super().__init__()
        neck: list[nn.Module] = [nn.Dropout(settings.dropout)]
        if settings.neck:
            neck += [nn.Linear(width, settings.neck), nn.GELU(), nn.Dropout(settings.dropout)]
        self.neck = nn.Sequential(*neck)
        width = settings.neck or width
        self.heads = nn.ModuleList(_head(width, settings.hidden, len(p.classes)) for p in properties)

    def forward(self, features: Tensor) -> Tensor:
        shared = self.neck(features)
        return torch.cat([head(shared) for head in self.heads], dim=1)


def _head(width: int, hidden: int, classes: int) -> nn.Module:
    if not hidden:
        return nn.Linear(width, classes)
    return nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, classes))


def slices(properties: Sequence[Property]) -> list[slice]:
    """Where each property's columns lie in the logits (n, ΣK)."""
    ends = np.cumsum([0, *(len(p.classes) for p in properties)])
    return [slice(int(a), int(b)) for a, b in pairwise(ends)]


def targets(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Targets (n, ΣK) float and which properties are named (n, P) bool, for the loss.

    A record with several values of a property that takes one shares its target among them: every named
    value teaches.
    """
    columns, named = [], []
    for prop in dataset.properties:
        target, mask = dataset.targets(prop)
        if not prop.many:
            target = target / np.maximum(target.sum(axis=1, keepdims=True), 1.0)
        columns.append(target)
        named.append(mask)
    return (
        torch.from_numpy(np.concatenate(columns, axis=1)).float(),
        torch.from_numpy(np.stack(named, axis=1)),
    )


def class_weights(target: Tensor, named: Tensor, properties: Sequence[Property], balance: float) -> Tensor:
    """Weight of every class (ΣK,): (1/N)^balance, scaled so that the mean over the named values is 1.

    A class that nobody names weighs as much as the rarest that somebody does.
    """
    weights = []
    for p, part in enumerate(slices(properties)):
        counts = target[named[:, p], part].sum(dim=0)
        if not bool((counts > 0).any()):
            weights.append(torch.ones(len(counts)))
            continue
        weight = counts.clamp(min=float(counts[counts > 0].min())).pow(-balance)
        weights.append(weight * counts.sum() / (weight * counts).sum())
    return torch.cat(weights)


class FocalLoss(nn.Module):
    """Σ over properties of the mean over the records that name it of Σ_k w_k · t_k · (1 − p_k)^γ · (−log p_k).

    p is the softmax of the property's logits, or for a property with many values each class's sigmoid, to
    which the same term for "not this class" is added, unweighted. `target` (n, ΣK) may be soft (label
    smoothing, MixUp); `named` (n, P) leaves the others out. Without any named value the loss is 0.
    """

    weights: Tensor

    def __init__(
        self, properties: Sequence[Property], settings: LossSettings, weights: Tensor | None = None
    ) -> None:
        super().__init__()
        self.properties = tuple(properties)
        self.settings = settings
        total = sum(len(p.classes) for p in self.properties)
        self.register_buffer("weights", torch.ones(total) if weights is None else weights, persistent=False)

    def forward(self, logits: Tensor, target: Tensor, named: Tensor) -> Tensor:
        total = logits.sum() * 0.0
        for p, (prop, part) in enumerate(zip(self.properties, slices(self.properties), strict=True)):
            rows = named[:, p]
            if bool(rows.any()):
                wanted, weight = target[rows, part], self.weights[part]
                term = self._many if prop.many else self._one
                total = total + term(logits[rows, part].float(), wanted, weight).mean()
        return total

    def _one(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        smoothing = self.settings.smoothing
        target = target * (1 - smoothing) + smoothing / target.shape[1]
        log_p = F.log_softmax(logits, dim=1)
        return -(weight * target * _focus(log_p, self.settings.gamma) * log_p).sum(dim=1)

    def _many(self, logits: Tensor, target: Tensor, weight: Tensor) -> Tensor:
        smoothing = self.settings.smoothing
        target = target * (1 - smoothing) + smoothing / 2
        yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
        gamma = self.settings.gamma
        terms = weight * target * _focus(yes, gamma) * yes + (1 - target) * _focus(no, gamma) * no
        return -terms.sum(dim=1)


def _focus(log_p: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ; the floor keeps the gradient of a fractional γ finite where p is 1."""
    if gamma == 0:
        return torch.ones_like(log_p)
    return (-torch.expm1(log_p)).clamp(min=1e-7).pow(gamma)


def aggregate(logits: Tensor, attention: Tensor, owner: Tensor, count: int, how: Aggregate) -> Tensor:
    """Logits of items (m, ΣK) to those of their records (count, ΣK); `owner` (m,) is each item's record.

    `mean` and `max` per class; `attention` weighs the items of a record by the softmax of `attention`
    (m, 1). A record without items gets zeros: the caller knows which.
    """
    out = logits.new_zeros((count, logits.shape[1]))
    index = owner[:, None].expand_as(logits)
    if how == "max":
        return out.scatter_reduce(0, index, logits, reduce="amax", include_self=False)
    if how == "mean":
        return out.scatter_reduce(0, index, logits, reduce="mean", include_self=False)
    scores = attention[:, 0]
    top = scores.new_full((count,), -torch.inf).scatter_reduce(0, owner, scores.detach(), reduce="amax")
    shares = (scores - top[owner]).exp()
    total = shares.new_zeros(count).index_add(0, owner, shares)
    return out.index_add(0, owner, logits * (shares / total[owner])[:, None])


def distributions(
    logits: Tensor, present: NDArray[np.bool_], properties: Sequence[Property]
) -> dict[str, Distribution]:
    """Logits (n, ΣK) to one distribution per property; a row that is absent or not finite is NaN and absent."""
    present = present & torch.isfinite(logits).all(dim=1).cpu().numpy()
    answer = {}
    for prop, part in zip(properties, slices(properties), strict=True):
        scores = logits[:, part].double()
        p = torch.sigmoid(scores) if prop.many else torch.softmax(scores, dim=1)
        values = p.cpu().numpy()
        values[~present] = np.nan
        answer[prop.name] = Distribution(prop.classes, values, present.copy(), prop.many)
    return answer


def held_out_scores(
    logits: Tensor, target: Tensor, named: Tensor, properties: Sequence[Property]
) -> dict[str, float]:
    """Macro-F1 of the first candidate per property (see metrics.macro_f1) and their mean as `score`.

    For early stopping. Properties that nobody names are left out.
    """
    scores: dict[str, float] = {}
    for p, (prop, part) in enumerate(zip(properties, slices(properties), strict=True)):
        rows = named[:, p]
        if bool(rows.any()):
            wanted = target[rows, part].double().cpu().numpy()
            first = logits[rows, part].argmax(dim=1).cpu().numpy()
            scores[prop.name] = macro_f1((wanted > 0).astype(np.float64), first, wanted.sum(axis=0))
    scores["score"] = float(np.mean(list(scores.values()))) if scores else 0.0
    return scores
