"""The checkpoints of finished trajectories: verified, told apart by digest, and checked to fit each other."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from safetensors import safe_open
from torch import Tensor

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.model.manifest import MANIFEST, ModelFolderError
from enrich.classifiers.model.verified import open_folder
from enrich.classifiers.neural.checkpoints import NETWORK, epochs, folder_of
from enrich.classifiers.neural.weights import read_tensors
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.classifiers.soup.trajectory_folder import ABOUT, SEEN

Weights = dict[str, Tensor]
Taken = Literal["auto", "last", "all"]
"""Which checkpoints of a trajectory are averaged."""


@dataclass(frozen=True)
class Member:
    """One checkpoint. `name` tells it in reports (seed 0, epoch 7), `sha256` is the digest of its weights' file.

    `state` is the file's time of change and size when it was verified.
    """

    name: str
    path: Path
    sha256: str
    trajectory: str
    epoch: int
    state: tuple[int, int] = (0, 0)

    def weights(self) -> Weights:
        """The weights; ClassifierError when the file has changed since it was verified."""
        if file_state(self.path) != self.state:
            raise ClassifierError(f"{self.path} was altered after its SHA-256 was verified")
        return read_tensors(self.path)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shape of every tensor, from the file's header."""
        with safe_open(self.path, framework="pt") as file:
            return {key: tuple(file.get_slice(key).get_shape()) for key in file.keys()}  # noqa: SIM118


def file_state(path: Path) -> tuple[int, int]:
    """When a file was changed last, in nanoseconds, and its size; zeros for none."""
    try:
        status = path.stat()
    except OSError:
        return 0, 0
    return status.st_mtime_ns, status.st_size


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
class CheckpointPool:
    """Checkpoints that can be averaged: trajectories that fit each other, their members without duplicates."""

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
        for name, digests in (pair for t in self.trajectories for pair in t.seen.items()):
            found.setdefault(name, set()).update(digests)
        return {name: sorted(digests) for name, digests in found.items()}


def read_trajectory(folder: Path, most: int | None = None) -> Trajectory:
    """Verify and read a trajectory, its first `most` epochs only where that is given.

    Raises ModelFolderError for an unfinished or altered folder, a pickle in it, or weights that are not
    numbers.
    """
    if not (folder / MANIFEST).is_file():
        if epochs(folder):
            raise ModelFolderError(
                f"{folder} was not trained to its end; run the same training again and it goes on"
            )
        raise ModelFolderError(f"{folder} holds no trajectory; train one with: enrich soup train")
    files = {epoch: folder_of(folder, epoch) / NETWORK for epoch in epochs(folder)[:most]}
    states = {epoch: file_state(path) for epoch, path in files.items()}
    opened = open_folder(folder)
    digests = {folder / name: digest for name, digest in opened.files.items()}
    about, seen = opened.json(ABOUT), opened.json(SEEN)
    try:
        settings = TrajectorySettings.read(about["settings"], f"{folder / ABOUT}: settings")
        name = f"{about['backbone']} seed {about['seed']} rate {settings.training.learning_rate:g}"
        return Trajectory(
            folder=folder,
            name=name,
            about=about,
            settings=settings,
            properties=tuple(
                Property(p["name"], tuple(p["classes"]), bool(p["many"])) for p in about["properties"]
            ),
            size=int(about["size"]),
            members=tuple(
                Member(f"{name} epoch {e}", path, digests[path], name, e, states[e])
                for e, path in files.items()
            ),
            seen={str(p): tuple(map(str, d)) for p, d in seen.items()},
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise ModelFolderError(f"{folder / ABOUT} does not describe a trajectory: {error}") from error


def find_trajectories(paths: Sequence[Path]) -> list[Path]:
    """The trajectory folders among these paths and directly below them."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(path.iterdir()) if path.is_dir() and not _is_trajectory(path) else [path]
        found += filter(_is_trajectory, inside)
    if not found:
        where = ", ".join(map(str, paths)) or "nothing"
        raise ClassifierError(f"no trajectory in {where}; train one with: enrich soup train")
    return found


def _is_trajectory(path: Path) -> bool:
    return (path / ABOUT).is_file() or bool(epochs(path))


def take(trajectories: Sequence[Trajectory], taken: Taken = "auto") -> list[Trajectory]:
    """The trajectories with the checkpoints that are averaged: all, or the last of each.

    `auto` takes the last of those whose rate fell to nothing once (cosine), where there are several: the end of
    each is what such a training is for (Wortsman et al. 2022). Otherwise all.
    """
    apart = len(trajectories) > 1
    return [
        replace(t, members=t.members[-1:])
        if taken == "last" or (taken == "auto" and apart and t.settings.training.schedule == "cosine")
        else t
        for t in trajectories
    ]


def pool_members(trajectories: Sequence[Trajectory]) -> CheckpointPool:
    """The members of several trajectories as one pool. Raises ClassifierError unless they can be averaged."""
    first = trajectories[0]
    shapes = first.members[0].shapes()
    by_digest: dict[str, Member] = {}
    duplicates = []
    for trajectory in trajectories:
        _refuse_other(first, trajectory)
        odd = dict(set(trajectory.members[-1].shapes().items()) ^ set(shapes.items()))
        if odd:
            raise ClassifierError(
                f"{trajectory.folder} and {first.folder} cannot be averaged: {min(odd)!r} is in one only or "
                "differs in shape"
            )
        for member in trajectory.members:
            known = by_digest.setdefault(member.sha256, member)
            if known is not member:
                duplicates.append((member.name, known.name))
    return CheckpointPool(tuple(trajectories), tuple(by_digest.values()), tuple(duplicates))


def _refuse_other(first: Trajectory, other: Trajectory) -> None:
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
