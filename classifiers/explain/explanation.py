"""What an explanation holds. Contributions are signed: above zero they speak for the class, below against it."""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.data import Picture
from enrich.classifiers.kinds import FloatArray

Unit = Literal["log-odds", "score", "share"]
"""Log-odds as the trees add them, the linear machine's score, or a share of all that mattered."""


@dataclass(frozen=True)
class Contribution:
    """What one thing added. `value` is the feature's value where it has one, and `there` whether the
    record has it: that a value is missing can matter too."""

    name: str
    weight: float
    value: str | None = None
    there: bool = True


@dataclass(frozen=True)
class Saliency:
    """Where a picture speaks for a class. `map` (size, size) from 0 to 1; `pixels` (size, size, 3) uint8.

    `method` is grad-cam, or gradient x input for a backbone whose features have no places.
    """

    property: str
    value: str
    path: Path
    method: Literal["grad-cam", "gradient x input"]
    map: FloatArray
    pixels: NDArray[np.uint8]


@dataclass(frozen=True)
class PictureExplanation:
    """A picture and where it speaks for the class, or the reason why that is not known."""

    picture: Picture
    saliency: Saliency | None
    reason: str | None = None


@dataclass(frozen=True)
class MemberExplanation:
    """What one modality went by; `absent` says why it went by nothing. `probability` is its own prediction."""

    modality: str
    classifier: str
    probability: float | None = None
    unit: Unit = "log-odds"
    contributions: tuple[Contribution, ...] = ()
    pictures: tuple[PictureExplanation, ...] = ()
    absent: str | None = None


@dataclass(frozen=True)
class Explanation:
    """Why the model gives a class this probability. `fusion` holds each modality's share, the largest first."""

    property: str
    value: str
    probability: float | None
    fusion: tuple[Contribution, ...]
    members: tuple[MemberExplanation, ...] = field(default=())
