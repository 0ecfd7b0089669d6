"""Soups: pictures of a folder or of the graph, trajectories trained on them, and what was trained opened again."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np

from enrich.classifiers.base import ClassifierError, Progress, WrongSetting
from enrich.classifiers.data import Dataset
from enrich.classifiers.neural.weights import expect_weights
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import (
    CheckpointPool,
    Taken,
    find_trajectories,
    pool_members,
    read_trajectory,
    take,
)
from enrich.classifiers.soup.reading import from_records, read_folder
from enrich.classifiers.soup.selection import Method
from enrich.classifiers.soup.trajectory import TrajectorySettings, picture_size
from enrich.classifiers.soup.trajectory_folder import train_trajectory
from enrich.errors import InputError, SettingsError
from enrich.graph.record_files import read_splits
from enrich.learn.split_records import read_records_of
from enrich.learn.training_set import training_set
from enrich.workspace import Workspace

LEARN_SHARE = 0.8
"""Share of the graph's train split that trajectories learn from; the rest selects, and calibrates the soup."""
OpenWorkspace = Callable[[], AbstractContextManager[Workspace]]
Schedule = Literal["restarts", "cosine", "constant"]


@dataclass(frozen=True)
class Recipe:
    """How long, at which learning rates and in which orders of the pictures trajectories are trained."""

    epochs: int
    schedule: Schedule
    rates: Sequence[float]
    seeds: Sequence[int]


APART = Recipe(6, "cosine", (3e-4, 6e-4), (0, 1))
"""From given weights: trainings apart from each other, whose ends are averaged (Wortsman et al. 2022)."""
ALONG = Recipe(50, "restarts", (1e-3,), (0,))
"""From nothing: one long training (Tran et al. 2026), at the rate that this wants."""


def usual_recipe(weights: str) -> Recipe:
    """What docs/soups.md found best for these weights."""
    return ALONG if weights == "none" else APART


def usual_method(pool: CheckpointPool) -> Method:
    """The soup that docs/soups.md found best of these members: uniform of the ends of several trainings, else greedy."""
    schedules = [t.settings.training.schedule for t in pool.trajectories]
    apart = len(schedules) > 1 and set(schedules) == {"cosine"} and len(pool.members) == len(schedules)
    return "uniform" if apart else "greedy"


@contextmanager
def given(kind: type[ClassifierError] = ClassifierError) -> Iterator[None]:
    """What is wrong with an option, or with pictures that were named, is an InputError; what is wrong with a model is not."""
    try:
        yield
    except kind as error:
        raise InputError(str(error)) from error


@dataclass(frozen=True)
class PictureSource:
    """Where pictures come from: `pictures` a folder, or `splits` and `property` of the graph.

    `seed` divides what is divided: a folder's split dev into a selecting and a scoring half, a graph's
    split train into what is learned from and what selects (its dev scores).
    """

    pictures: Path | None = None
    splits: Path | None = None
    property: str | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if (self.pictures is None) == (self.splits is None):
            raise SettingsError(
                "say where the pictures are: --pictures DIR, or --splits FILE for those of the graph"
            )
        if self.splits is not None and self.property is None:
            raise SettingsError("say which property of the graph to learn: --property NAME")

    def read(self, side: int, open_workspace: OpenWorkspace, progress: Progress) -> PictureSplit:
        """The pictures that are learned from, that select and that score, `side` pixels wide.

        Raises InputError where a split is missing, and for pictures that cannot be used.
        """
        if self.pictures is not None:
            with given():
                return self._of_folder(self.pictures, side, progress)
        assert self.splits is not None
        with open_workspace() as workspace:
            return self._of_graph(workspace, self.splits, side, progress)

    def _of_folder(self, folder: Path, side: int, progress: Progress) -> PictureSplit:
        sets = read_folder(folder, side, name=self.property or "label", progress=progress)
        for name in ("train", "dev"):
            if name not in sets:
                raise InputError(
                    f"{folder}: labels.csv has no line of the split {name}; it has: {', '.join(sets)}"
                )
        return PictureSplit.apart(sets["train"], *sets["dev"].divide(self.seed))

    def _of_graph(self, workspace: Workspace, file: Path, side: int, progress: Progress) -> PictureSplit:
        splits = read_splits(file)
        for name in ("train", "dev"):
            if not splits.get(name):
                raise InputError(f"{file} has no record in the split {name}")
        records, _ = read_records_of(workspace, splits["train"], progress, pictures=True)
        known = training_set(records, workspace.profile).dataset.properties
        chosen = tuple(p for p in known if p.name == self.property)
        if not chosen:
            names = ", ".join(p.name for p in known) or "none"
            raise InputError(f"no property {self.property!r} with enough values to learn; there are: {names}")
        order = np.random.default_rng(self.seed).permutation(len(records))
        cut = round(len(order) * LEARN_SHARE)
        held, _ = read_records_of(workspace, splits["dev"], progress, pictures=True)
        whole = Dataset(records, chosen)
        parts = [whole.subset(np.sort(rows)) for rows in (order[:cut], order[cut:])]
        return PictureSplit.apart(*(from_records(d, side, progress) for d in (*parts, Dataset(held, chosen))))


def recipe_settings(gamma: float, training: dict[str, Any], **others: Any) -> TrajectorySettings:
    """The settings of a trajectory by the paper's recipe, with these of its training and `others` changed.

    Raises InputError, which names a wrong one, and for weights that are not there.
    """
    loss = {"gamma": gamma, "balance": 0.0}
    with given():
        settings = TrajectorySettings.read({"loss": loss, "training": training, **others}, "the recipe")
        expect_weights(settings.weights)
    return settings


def side_of(settings: TrajectorySettings) -> int:
    """Width of the decoded pictures for these settings. Raises InputError for a backbone that there is not."""
    with given():
        return settings.side(picture_size(settings))


def train_all(
    out: Path,
    settings: TrajectorySettings,
    rates: Sequence[float],
    seeds: Sequence[int],
    split: PictureSplit,
    progress: Progress,
) -> list[dict[str, Any]]:
    """One trajectory per seed and learning rate in a folder of `out`, or what is there already; what came of each.

    The folders are called seed-N, with several rates seed-N-rate-R.
    """
    found = []
    for folder, own, seed in list(_trainings(out, settings, rates, seeds)):
        with given(WrongSetting):
            about = train_trajectory(folder, split.learn, split.selection, own, seed=seed, progress=progress)
        best = max(about["epochs"], key=lambda e: e["held_out"].get("score", 0.0))
        found.append(
            {
                "folder": str(folder),
                "checkpoints": len(about["epochs"]) - len(about["dropped_for_disk"]),
                "best": {"epoch": best["epoch"], **best["held_out"]},
                "seconds": about["seconds_of_epochs"],
                "memory": about["peak_memory_mib"],
                "parameters": about["parameters"],
                "dropped_for_disk": about["dropped_for_disk"],
            }
        )
    return found


def _trainings(
    out: Path, settings: TrajectorySettings, rates: Sequence[float], seeds: Sequence[int]
) -> Iterator[tuple[Path, TrajectorySettings, int]]:
    for seed in seeds:
        for rate in rates:
            name = f"seed-{seed}" if len(rates) == 1 else f"seed-{seed}-rate-{rate:g}"
            training = settings.training.replace(learning_rate=rate)
            yield out / name, settings.replace(training=training), seed


def open_evaluation(
    folders: Sequence[Path],
    source: PictureSource,
    workspace: OpenWorkspace,
    progress: Progress,
    taken: Taken = "auto",
) -> tuple[PictureSplit, Evaluator]:
    """The pictures and the pool; what was trained on other pictures is refused."""
    pool = pool_members(take([read_trajectory(f) for f in find_trajectories(folders)], taken))
    split = source.read(side_of(pool.settings), workspace, progress)
    pool.check(split.learn)
    return split, Evaluator(pool, split.learn)
