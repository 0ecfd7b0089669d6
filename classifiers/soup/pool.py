"""The checkpoints of finished trajectories: verified, told apart by digest, and checked to fit each other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor

from classifiers.base import ClassifierError
from classifiers.data import Property
from classifiers.model.folder import read_json
from classifiers.model.manifest import MANIFEST, ModelFolderError, file_digest, verify
from classifiers.neural.checkpoints import NETWORK, epochs, folder_of
from classifiers.settings import from_json
from classifiers.soup.pictures import PictureSet
from classifiers.soup.trajectory import ABOUT, SEEN, TrajectorySettings

Weights = dict[str, Tensor]


@dataclass(frozen=True)
class Member:
    """One checkpoint. `name` tells it in reports (seed 0, epoch 7), `sha256` is the digest of its weights' file.

    `metrics` are those of its epoch on the selection pictures of training.
    """

    name: str
    path: Path
    sha256: str
    trajectory: str
    epoch: int
    metrics: Mapping[str, float]

    def weights(self) -> Weights:
        """The weights; ClassifierError when the file has changed since it was verified, or has no numbers."""
        if file_digest(self.path) != self.sha256:
            raise ClassifierError(f"{self.path} was altered: its SHA-256 is not the one it was read with")
        try:
            weights: Weights = load_file(self.path)
        except (OSError, SafetensorError) as error:
            raise ClassifierError(f"{self.path} cannot be read as safetensors: {error}") from error
        for key, tensor in weights.items():
            if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
                raise ClassifierError(f"{self.path} holds weights that are not numbers, first in {key!r}")
        return weights


@dataclass(frozen=True)
class Trajectory:
    """A verified trajectory folder: what it was trained with, its members in order, and what it has seen."""

    folder: Path
    name: str
    about: Mapping[str, Any]
    settings: TrajectorySettings
    properties: tuple[Property, ...]
    size: int
    members: tuple[Member, ...]
    seen: Mapping[str, tuple[str, ...]]


@dataclass(frozen=True)
class Pot:
    """What goes into a soup: trajectories that fit each other, their members without duplicates."""

    trajectories: tuple[Trajectory, ...]
    members: tuple[Member, ...]
    duplicates: tuple[tuple[str, str], ...]

    @property
    def settings(self) -> TrajectorySettings:
        """The settings of the first trajectory: what is built from them is alike in all."""
        return self.trajectories[0].settings

    @property
    def properties(self) -> tuple[Property, ...]:
        """The properties that every member answers."""
        return self.trajectories[0].properties

    @property
    def size(self) -> int:
        """Width of picture that the members look at."""
        return self.trajectories[0].size

    def check(self, learn: PictureSet) -> None:
        """ClassifierError unless every trajectory learned from just these pictures."""
        for trajectory in self.trajectories:
            said = trajectory.about.get("learned_from", {}).get("sha256")
            if said != learn.digest():
                raise ClassifierError(
                    f"{trajectory.folder} learned from other pictures or labels; give those of its training, "
                    "so that none that it has seen can select or score"
                )

    def seen(self) -> dict[str, list[str]]:
        """Property to the digests of the pictures that some trajectory learned it from."""
        found: dict[str, set[str]] = {}
        for trajectory in self.trajectories:
            for name, digests in trajectory.seen.items():
                found.setdefault(name, set()).update(digests)
        return {name: sorted(digests) for name, digests in found.items()}


def read_trajectory(folder: Path, most: int | None = None) -> Trajectory:
    """Verify and read a trajectory, its first `most` epochs only where that is given.

    Raises ModelFolderError for an unfinished or altered folder, a pickle in it, or weights that are not
    numbers.
    """
    if not (folder / MANIFEST).is_file():
        state = (
            "was not trained to its end; run the same training again and it goes on" if epochs(folder) else ""
        )
        raise ModelFolderError(
            f"{folder} {state or 'holds no trajectory; train one with: enrich soup train'}"
        )
    verify(folder)
    about = read_json(folder / ABOUT)
    seen = read_json(folder / SEEN)
    try:
        settings = from_json(TrajectorySettings, about["settings"], f"{folder / ABOUT}: settings")
        properties = tuple(
            Property(p["name"], tuple(p["classes"]), bool(p["many"])) for p in about["properties"]
        )
        name = f"{about['backbone']} seed {about['seed']}"
        history = {int(e["epoch"]): e["held_out"] for e in about["epochs"]}
        found = []
        for epoch in epochs(folder)[:most]:
            path = folder_of(folder, epoch) / NETWORK
            found.append(
                Member(f"{name} epoch {epoch}", path, file_digest(path), name, epoch, history[epoch])
            )
        kept = {str(p): tuple(map(str, d)) for p, d in seen.items()}
        return Trajectory(folder, name, about, settings, properties, int(about["size"]), tuple(found), kept)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFolderError(f"{folder / ABOUT} does not describe a trajectory: {error}") from error


def find_trajectories(paths: Sequence[Path]) -> list[Path]:
    """The trajectory folders among these paths and directly below them."""
    found: list[Path] = []
    for path in paths:
        if (path / ABOUT).is_file() or epochs(path):
            found.append(path)
        elif path.is_dir():
            found += sorted(p for p in path.iterdir() if (p / ABOUT).is_file() or epochs(p))
    if not found:
        where = ", ".join(map(str, paths)) or "nothing"
        raise ClassifierError(f"no trajectory in {where}; train one with: enrich soup train")
    return found


def gather(trajectories: Sequence[Trajectory]) -> Pot:
    """The members of several trajectories as one pot. Raises ClassifierError unless they can be averaged."""
    first = trajectories[0]
    for other in trajectories[1:]:
        _same(first, other)
    by_digest: dict[str, Member] = {}
    duplicates = []
    for trajectory in trajectories:
        for member in trajectory.members:
            if member.sha256 in by_digest:
                duplicates.append((member.name, by_digest[member.sha256].name))
            else:
                by_digest[member.sha256] = member
    members = tuple(by_digest.values())
    shapes = _shapes(members[0].weights())
    for trajectory in trajectories:
        found = _shapes(trajectory.members[-1].weights())
        if found != shapes:
            odd = sorted(set(found.items()) ^ set(shapes.items()))[0][0]
            raise ClassifierError(
                f"{trajectory.folder} and {first.folder} cannot be averaged: {odd!r} is in one only or differs in shape"
            )
    return Pot(tuple(trajectories), members, tuple(duplicates))


def _same(first: Trajectory, other: Trajectory) -> None:
    for what, a, b in (
        ("backbone", first.settings.backbone, other.settings.backbone),
        ("picture size", first.size, other.size),
        ("crop", first.settings.crop, other.settings.crop),
        ("heads", first.settings.heads, other.settings.heads),
        ("classes", first.properties, other.properties),
    ):
        if a != b:
            shown = "" if what == "classes" else f" ({b}, {a})"
            raise ClassifierError(
                f"{other.folder} and {first.folder} cannot be averaged: their {what} differ{shown}"
            )


def _shapes(weights: Weights) -> dict[str, tuple[int, ...]]:
    return {key: tuple(tensor.shape) for key, tensor in weights.items()}
