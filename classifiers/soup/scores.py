"""How good logits and probabilities are for a set of pictures."""

from dataclasses import asdict, dataclass
from typing import Literal

import numpy as np
import torch
from torch import Tensor

from enrich.classifiers import probability
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.neural.heads import by_property, held_out_scores
from enrich.classifiers.probability import probabilities_of
from enrich.classifiers.soup.pictures import PictureSet

Metric = Literal["accuracy", "macro_f1", "loss"]


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


def scores_of(logits: Tensor, pictures: PictureSet) -> dict[str, float]:
    """See heads.held_out_scores."""
    return held_out_scores(logits, pictures.target, pictures.named, pictures.properties)


def score(logits: Tensor, pictures: PictureSet) -> Score:
    """How good logits (n, ΣK) are for the pictures."""
    found = scores_of(logits, pictures)
    return Score(found["accuracy"], found["score"], found["loss"])


def probabilities(logits: Tensor, pictures: PictureSet) -> FloatArray:
    """Logits (n, ΣK) to the probabilities (n, ΣK) of each property, float64."""
    parts = by_property(pictures.properties)
    return np.concatenate([probabilities_of(logits[:, at].numpy(), prop.many) for prop, at in parts], axis=1)


def log_odds(p: FloatArray, pictures: PictureSet) -> Tensor:
    """Logits whose probabilities are `p` (n, ΣK)."""
    parts = by_property(pictures.properties)
    found = [probability.log_odds(p[:, at], prop.many, floor=1e-12) for prop, at in parts]
    return torch.from_numpy(np.concatenate(found, axis=1)).float()
