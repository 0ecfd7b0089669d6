"""The work behind the verbs of soups: trains trajectories, and opens what was trained together with its pictures."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from classifiers.base import Progress
from enrich.soup.pictures import Source, read_table

if TYPE_CHECKING:
    from classifiers.soup.candidates import Table
    from classifiers.soup.evaluation import Kitchen
    from classifiers.soup.pool import Pot
    from classifiers.soup.trajectory import TrajectorySettings
    from enrich.workspace import Workspace

OpenWorkspace = Callable[[], AbstractContextManager["Workspace"]]


def recipe_settings(
    backbone: str,
    weights: str,
    size: int,
    crop: float,
    epochs: int,
    batch: int,
    rate: float,
    gamma: float,
    schedule: str,
    disk: int,
) -> TrajectorySettings:
    """The settings of a trajectory by the paper's recipe, or with another schedule."""
    from dataclasses import replace

    from classifiers.neural.heads import LossSettings
    from classifiers.soup.trajectory import TrajectorySettings, recipe

    return TrajectorySettings(
        backbone=backbone,
        weights=weights,
        size=size,
        crop=crop,
        disk=disk,
        loss=LossSettings(gamma=gamma, balance=0.0),
        training=replace(
            recipe(),
            epochs=epochs,
            batch=batch,
            learning_rate=rate,
            schedule=schedule,  # type: ignore[arg-type]  # the verbs know the schedules
        ),
    )


def side_of(settings: TrajectorySettings) -> int:
    """Width of the decoded pictures for these settings."""
    from classifiers.soup.trajectory import picture_size

    return settings.side(picture_size(settings))


def table_of(
    source: Source, settings: TrajectorySettings, workspace: OpenWorkspace, progress: Progress
) -> Table:
    """The pictures that the settings' network looks at."""
    return read_table(source, side_of(settings), workspace, progress)


def train_seeds(
    out: Path, settings: TrajectorySettings, seeds: Sequence[int], table: Table, progress: Progress
) -> list[dict[str, Any]]:
    """One trajectory per seed in out/seed-N, or what is there already; what came of each."""
    from classifiers.soup.trajectory import train_trajectory

    found = []
    for seed in seeds:
        folder = out / f"seed-{seed}"
        about = train_trajectory(folder, table.learn, table.selection, settings, seed=seed, progress=progress)
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


def open_kitchen(
    folders: Sequence[Path], source: Source, workspace: OpenWorkspace, progress: Progress
) -> tuple[Table, Kitchen]:
    """The pictures and the pot; what was trained on other pictures is refused."""
    from classifiers.soup.evaluation import Kitchen
    from classifiers.soup.pool import find_trajectories, gather, read_trajectory

    pot: Pot = gather([read_trajectory(f) for f in find_trajectories(folders)])
    table = table_of(source, pot.settings, workspace, progress)
    pot.check(table.learn)
    return table, Kitchen(pot, table.learn)
