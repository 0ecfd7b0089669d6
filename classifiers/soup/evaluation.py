"""Where soups are made and tasted: mixes members into one network and scores it on given pictures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from classifiers.base import FloatArray
from classifiers.model.metrics import macro_f1
from classifiers.neural import heads as head
from classifiers.neural.heads import FocalLoss, LossSettings
from classifiers.neural.networks import ImageNetwork
from classifiers.neural.optimisation import pick_device
from classifiers.soup.averaging import Sum, renew_statistics
from classifiers.soup.pictures import PictureSet
from classifiers.soup.pool import Member, Pot, Weights
from classifiers.soup.trajectory import build, run

Metric = Literal["accuracy", "macro_f1", "loss"]
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1", "loss")
KEPT = 1024**3
"""Bytes of members' weights that a kitchen keeps in memory."""


@dataclass(frozen=True)
class Score:
    """Accuracy and macro-F1 of the first candidate (means over the properties), and cross-entropy in nats."""

    accuracy: float
    macro_f1: float
    loss: float

    def by(self, metric: Metric) -> float:
        """The metric as a number that is better when it is higher."""
        value = {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "loss": -self.loss}[metric]
        return value if value == value else -float("inf")

    def json(self) -> dict[str, float]:
        """By name."""
        return {"accuracy": self.accuracy, "macro_f1": self.macro_f1, "loss": self.loss}


def score(logits: Tensor, pictures: PictureSet) -> Score:
    """How good logits (n, ΣK) are for the pictures."""
    hits, f1 = [], []
    for p, part in enumerate(head.slices(pictures.properties)):
        rows = pictures.named[:, p]
        if not bool(rows.any()):
            continue
        wanted = (pictures.target[rows, part] > 0).double().numpy()
        first = logits[rows, part].argmax(dim=1).numpy()
        hits.append(float(wanted[np.arange(len(first)), first].mean()))
        f1.append(macro_f1(wanted, first, wanted.sum(axis=0)))
    plain = FocalLoss(pictures.properties, LossSettings(gamma=0.0, balance=0.0))
    loss = float(plain(logits, pictures.target, pictures.named))
    return Score(float(np.mean(hits)), float(np.mean(f1)), loss) if hits else Score(*[float("nan")] * 3)


def probabilities(logits: Tensor, pictures: PictureSet) -> FloatArray:
    """Logits (n, ΣK) to the probabilities (n, ΣK) of each property, float64."""
    parts = [
        torch.sigmoid(logits[:, part].double())
        if prop.many
        else torch.softmax(logits[:, part].double(), dim=1)
        for prop, part in zip(pictures.properties, head.slices(pictures.properties), strict=True)
    ]
    found: FloatArray = torch.cat(parts, dim=1).numpy()
    return found


def log_odds(p: FloatArray, pictures: PictureSet) -> Tensor:
    """Logits whose probabilities are `p` (n, ΣK)."""
    p = np.clip(p, 1e-12, 1.0)
    parts = [
        np.log(p[:, part]) - (np.log(np.clip(1.0 - p[:, part], 1e-12, 1.0)) if prop.many else 0.0)
        for prop, part in zip(pictures.properties, head.slices(pictures.properties), strict=True)
    ]
    return torch.from_numpy(np.concatenate(parts, axis=1)).float()


class Kitchen:
    """One network that takes the weights of members and soups in turn.

    `learn` are training pictures, for batch norm's statistics. The logits of single members are kept, and
    their weights up to KEPT bytes; beyond that they are read again when they are mixed.
    """

    def __init__(self, pot: Pot, learn: PictureSet, device: str = "auto") -> None:
        self.pot, self.learn = pot, learn
        self.network: ImageNetwork = build(pot.settings, pot.properties)[0].to(pick_device(device))
        self._weights: dict[str, Weights] = {}
        self._logits: dict[tuple[str, int], tuple[PictureSet, Tensor]] = {}

    def weights(self, member: Member) -> Weights:
        """A member's weights."""
        if member.sha256 in self._weights:
            return self._weights[member.sha256]
        found = member.weights()
        size = sum(t.nbytes for t in found.values())
        if (len(self._weights) + 1) * size <= KEPT:
            self._weights[member.sha256] = found
        return found

    def mix(self, members: Sequence[Member], shares: Sequence[float] | None = None) -> Weights:
        """The average of members, with batch norm's statistics taken anew.

        One member alone stays as it is, statistics and all. The order of the members does not matter.
        """
        weighed = [(m, s) for m, s in zip(members, shares or [1.0] * len(members), strict=True) if s != 0]
        weighed.sort(key=lambda pair: pair[0].sha256)
        if len({m.sha256 for m, _ in weighed}) == 1:
            return dict(self.weights(weighed[0][0]))
        total = Sum()
        for member, share in weighed:
            total.add(self.weights(member), share)
        self.network.load_state_dict(total.mean())
        renew_statistics(self.network, self.learn, self.pot.size, self.pot.settings)
        return {k: v.detach().cpu().clone() for k, v in self.network.state_dict().items()}

    def run(self, weights: Mapping[str, Tensor], pictures: PictureSet) -> Tensor:
        """Logits (n, ΣK) of pictures by these weights."""
        self.network.load_state_dict(dict(weights))
        return run(self.network, pictures, self.pot.size)

    def member_logits(self, member: Member, pictures: PictureSet) -> Tensor:
        """Logits of pictures by one member, kept."""
        key = (member.sha256, id(pictures))
        if key not in self._logits:
            self._logits[key] = pictures, self.run(self.weights(member), pictures)
        return self._logits[key][1]

    def vote_logits(self, members: Sequence[Member], pictures: PictureSet) -> Tensor:
        """Logits (n, ΣK) that stand for the vote's probabilities."""
        return log_odds(self.vote(members, pictures), pictures)

    def vote(self, members: Sequence[Member], pictures: PictureSet) -> FloatArray:
        """Soft voting: the mean of the members' probabilities (n, ΣK). It costs an inference per member."""
        said = [probabilities(self.member_logits(m, pictures), pictures) for m in members]
        mean: FloatArray = np.mean(said, axis=0)
        return mean
