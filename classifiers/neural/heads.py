"""Heads of a multitask network: a shared neck, one head per property, and the focal loss that trains them.

Source: Rei et al. 2022, section 4 (multitask heads, class-weighted focal loss, missing labels masked);
Lin et al. 2017, *Focal Loss for Dense Object Detection*, section 3.
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional as F

from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset, Property
from enrich.classifiers.kinds import Flags
from enrich.classifiers.model.metrics import macro_f1, target_shares
from enrich.classifiers.probability import probabilities_of
from enrich.classifiers.settings import ClassifierSettings, Gamma, Share

Aggregate = Literal["mean", "max", "attention"]


class HeadSettings(ClassifierSettings):
    """Shape of the heads."""

    neck: int = Field(default=256, ge=0, le=65536)
    """Width of the layer that all properties share; 0 for none."""
    hidden: int = Field(default=0, ge=0, le=65536)
    """Width of the layer of each head; 0 for none."""
    dropout: Share = 0.1
    """Share of the features dropped at random in training."""


class LossSettings(ClassifierSettings):
    """The focal loss."""

    gamma: Gamma = 2.0
    """Focusing parameter γ; 0 is cross-entropy. Not given, it is `train.gamma`."""
    balance: float = Field(default=0.5, ge=0, le=1)
    """Power of the class weights: 1 weights a class by 1/N (the paper), 0 not at all."""
    smoothing: Share = 0.0
    """Label smoothing: the share of the target spread over all classes."""


CROSS_ENTROPY = LossSettings(gamma=0.0, balance=0.0)
"""The plain loss, in nats: what held-out records are judged by."""


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


def by_property(properties: Sequence[Property]) -> list[tuple[Property, slice]]:
    """Each property, and where its columns lie in the logits (n, ΣK)."""
    ends = np.cumsum([0, *(len(p.classes) for p in properties)])
    return [(p, slice(int(a), int(b))) for p, (a, b) in zip(properties, pairwise(ends), strict=True)]


def targets(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Targets (n, ΣK) float and which properties are named (n, P) bool, for the loss.

    A record with several values of a property that takes one shares its target among them: every named
    value teaches.
    """
    columns, named = [], []
    for prop in dataset.properties:
        target, mask = dataset.targets(prop)
        columns.append(target if prop.many else target_shares(target))
        named.append(mask[:, None])
    return _side_by_side(columns), _side_by_side(named)


def _side_by_side(columns: Sequence[NDArray[Any]]) -> Tensor:
    """Columns of numbers as float32, of truth values as they are."""
    found = torch.from_numpy(np.concatenate(columns, axis=1))
    return found.float() if found.is_floating_point() else found


def judged(dataset: Dataset) -> tuple[Tensor, Tensor]:
    """Targets (n, ΣK) and which of their entries are known (n, ΣK) of the records and properties that `targets` does not
    name: what curators turned down or, of many values, accepted."""
    columns, entries = [], []
    for prop in dataset.properties:
        target, known = dataset.judged(prop)
        _, named = dataset.targets(prop)
        columns.append(target)
        entries.append(known & ~named[:, None])
    return _side_by_side(columns), _side_by_side(entries)


def class_weights(target: Tensor, named: Tensor, properties: Sequence[Property], balance: float) -> Tensor:
    """Weight of every class (ΣK,): (1/N)^balance, scaled so that the mean over the named values is 1.

    A class that nobody names weighs as much as the rarest that somebody does.
    """
    weights = []
    for p, (_, part) in enumerate(by_property(properties)):
        counts = target[named[:, p], part].sum(dim=0)
        if not bool((counts > 0).any()):
            weights.append(torch.ones(len(counts)))
            continue
        weight = counts.clamp(min=float(counts[counts > 0].min())).pow(-balance)
        weights.append(weight * counts.sum() / (weight * counts).sum())
    return torch.cat(weights)


def focal_loss(
    logits: Tensor, target: Tensor, many: bool, gamma: float, weight: Tensor | float = 1.0
) -> Tensor:
    """Loss of each record (n,), in nats: Σ_k w_k · t_k · (1 − p_k)^γ · (−log p_k).

    `logits` and `target` are (n, K), the target may be soft; `weight` (K,). p is the softmax of the logits;
    of a property with many values each class's sigmoid, to which the same term for "not this class" is
    added, unweighted.
    """
    if many:
        return -_each(logits, target, gamma, weight).sum(dim=1)
    log_p = F.log_softmax(logits, dim=1)
    return -(weight * target * _focus(log_p, gamma) * log_p).sum(dim=1)


def _each(logits: Tensor, target: Tensor, gamma: float, weight: Tensor | float = 1.0) -> Tensor:
    """The terms of independent classes, negative (n, K)."""
    yes, no = F.logsigmoid(logits), F.logsigmoid(-logits)
    return weight * target * _focus(yes, gamma) * yes + (1 - target) * _focus(no, gamma) * no


def _focus(log_p: Tensor, gamma: float) -> Tensor:
    """(1 − p)^γ; the floor keeps the gradient of a fractional γ finite where p is 1."""
    if gamma == 0:
        return torch.ones_like(log_p)
    return (-torch.expm1(log_p)).clamp(min=1e-7).pow(gamma)


class FocalLoss(nn.Module):
    """Σ over properties of the mean focal loss over the records that name it (see `focal_loss`).

    `target` (n, ΣK) may be soft (label smoothing, MixUp); `named` (n, P) leaves the others out. Without any
    named value the loss is 0.
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
        for p, (prop, part) in enumerate(by_property(self.properties)):
            rows = named[:, p]
            if bool(rows.any()):
                smoothing = self.settings.smoothing
                spread = smoothing / (2 if prop.many else len(prop.classes))
                wanted = target[rows, part] * (1 - smoothing) + spread
                scores, weight = logits[rows, part].float(), self.weights[part]
                total = total + focal_loss(scores, wanted, prop.many, self.settings.gamma, weight).mean()
        return total


def partial_loss(
    logits: Tensor, target: Tensor, known: Tensor, named: Tensor, properties: Sequence[Property], gamma: float
) -> Tensor:
    """The focal loss of what is known in part (see `judged`), each record weighing as one that names the property.

    Of a property with one value p is the sum over the classes that were not turned down; of one with many values each
    known entry counts as in `focal_loss`.
    """
    total = logits.sum() * 0.0
    for p, (prop, part) in enumerate(by_property(properties)):
        rows = known[:, part].any(dim=1) & (prop.many | ~known[:, part].all(dim=1))
        if not bool(rows.any()):
            continue
        scores, entries = logits[rows, part].float(), known[rows, part]
        if prop.many:
            each = -(_each(scores, target[rows, part], gamma) * entries).sum(dim=1)
        else:
            rest = scores.masked_fill(entries, -torch.inf).logsumexp(dim=1) - scores.logsumexp(dim=1)
            each = -_focus(rest, gamma) * rest
        total = total + each.sum() / max(1, int(named[:, p].sum()))
    return total


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


def distributions(logits: Tensor, present: Flags, properties: Sequence[Property]) -> dict[str, Distribution]:
    """Logits (n, ΣK) to one distribution per property; a row that is absent or not finite is NaN and absent."""
    present = present & torch.isfinite(logits).all(dim=1).cpu().numpy()
    answer = {}
    for prop, part in by_property(properties):
        p = probabilities_of(logits[:, part].cpu().numpy(), prop.many)
        answer[prop.name] = Distribution.of(prop, p, present.copy())
    return answer


def held_out_scores(
    logits: Tensor, target: Tensor, named: Tensor, properties: Sequence[Property]
) -> dict[str, float]:
    """Macro-F1 of the first candidate per property (see metrics.macro_f1) and their mean as `score`.

    Also the mean `accuracy`, and the plain cross-entropy as `loss`. Properties that nobody names are left out;
    where nobody names any, the figures are NaN.
    """
    scores: dict[str, float] = {}
    hits = []
    for p, (prop, part) in enumerate(by_property(properties)):
        rows = named[:, p]
        if bool(rows.any()):
            wanted = target[rows, part].double().cpu().numpy()
            first = logits[rows, part].argmax(dim=1).cpu().numpy()
            scores[prop.name] = macro_f1((wanted > 0).astype(np.float64), first, wanted.sum(axis=0))
            hits.append(float((wanted[np.arange(len(first)), first] > 0).mean()))
    if not hits:
        return dict.fromkeys(("score", "accuracy", "loss"), float("nan"))
    loss = FocalLoss(properties, CROSS_ENTROPY)(logits, target, named)
    means = {"score": np.mean(list(scores.values())), "accuracy": np.mean(hits), "loss": loss}
    return scores | {name: float(value) for name, value in means.items()}
