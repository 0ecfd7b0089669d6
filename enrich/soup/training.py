"""The work behind the verbs of soups: trains trajectories, and opens what was trained together with its pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from classifiers.base import Progress
from classifiers.soup.evaluation import Evaluator
from classifiers.soup.pictures import PictureSplit
from classifiers.soup.pool import find_trajectories, pool_members, read_trajectory
from classifiers.soup.trajectory import TrajectorySettings, picture_size
from classifiers.soup.trajectory_folder import train_trajectory
from enrich.soup.pictures import OpenWorkspace, Source


def recipe_settings(gamma: float, training: dict[str, Any], **others: Any) -> TrajectorySettings:
    """The settings of a trajectory by the paper's recipe, with these of its training and `others` changed.

    Raises ClassifierError, which names a wrong one.
    """
    loss = {"gamma": gamma, "balance": 0.0}
    return TrajectorySettings.read({"loss": loss, "training": training, **others}, "the recipe")


def side_of(settings: TrajectorySettings) -> int:
    """Width of the decoded pictures for these settings."""
    return settings.side(picture_size(settings))


def train_seeds(
    out: Path, settings: TrajectorySettings, seeds: Sequence[int], split: PictureSplit, progress: Progress
) -> list[dict[str, Any]]:
    """One trajectory per seed in out/seed-N, or what is there already; what came of each."""
    found = []
    for seed in seeds:
        folder = out / f"seed-{seed}"
        about = train_trajectory(folder, split.learn, split.selection, settings, seed=seed, progress=progress)
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


def open_evaluation(
    folders: Sequence[Path], source: Source, workspace: OpenWorkspace, progress: Progress
) -> tuple[PictureSplit, Evaluator]:
    """The pictures and the pool; what was trained on other pictures is refused."""
    pool = pool_members([read_trajectory(f) for f in find_trajectories(folders)])
    split = source.read(side_of(pool.settings), workspace, progress)
    pool.check(split.learn)
    return split, Evaluator(pool, split.learn)
