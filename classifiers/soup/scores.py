"""How good logits and probabilities are for a set of pictures."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from classifiers.base import FloatArray
from classifiers.model.metrics import macro_f1
from classifiers.neural.heads import FocalLoss, LossSettings, slices
from classifiers.soup.pictures import PictureSet

Metric = Literal["accuracy", "macro_f1", "loss"]
METRICS: tuple[Metric, ...] = ("accuracy", "macro_f1", "loss")
CROSS_ENTROPY = LossSettings(gamma=0.0, balance=0.0)


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
        return asdict(self)


def score(logits: Tensor, pictures: PictureSet) -> Score:
    """How good logits (n, ΣK) are for the pictures."""
    hits, f1 = [], []
    for p, part in enumerate(slices(pictures.properties)):
        rows = pictures.named[:, p]
        if not bool(rows.any()):
            continue
        wanted = (pictures.target[rows, part] > 0).double().numpy()
        first = logits[rows, part].argmax(dim=1).numpy()
        hits.append(float(wanted[np.arange(len(first)), first].mean()))
        f1.append(macro_f1(wanted, first, wanted.sum(axis=0)))
    loss = float(FocalLoss(pictures.properties, CROSS_ENTROPY)(logits, pictures.target, pictures.named))
    return Score(float(np.mean(hits)), float(np.mean(f1)), loss) if hits else Score(*[float("nan")] * 3)


def probabilities(logits: Tensor, pictures: PictureSet) -> FloatArray:
    """Logits (n, ΣK) to the probabilities (n, ΣK) of each property, float64."""
    parts = [
        torch.sigmoid(said) if prop.many else torch.softmax(said, dim=1)
        for prop, part in zip(pictures.properties, slices(pictures.properties), strict=True)
        for said in [logits[:, part].double()]
    ]
    found: FloatArray = torch.cat(parts, dim=1).numpy()
    return found


def log_odds(p: FloatArray, pictures: PictureSet) -> Tensor:
    """Logits whose probabilities are `p` (n, ΣK)."""
    parts = [
        torch.logit(q, eps=1e-12) if prop.many else q.clamp(min=1e-12).log()
        for prop, part in zip(pictures.properties, slices(pictures.properties), strict=True)
        for q in [torch.from_numpy(p[:, part])]
    ]
    return torch.cat(parts, dim=1).float()
