"""Soups of fine-tuned networks: trajectories from pretrained weights, and members fine-tuned apart from the same weights.

The first are the paper's (Tran et al. 2026): one training with restarts, its checkpoints averaged. The second are those
of Wortsman et al. 2022: trainings of several orders of the pictures and learning rates, the end of each averaged. Between
them stands the checkpoints of one of the second: a training whose rate falls once.
"""

from __future__ import annotations

import json
import multiprocessing
import shutil
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from enrich.classifiers.neural.heads import LossSettings
from enrich.classifiers.soup.comparison import compare
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.reading import read_folder
from enrich.classifiers.soup.report import write_comparison
from enrich.classifiers.soup.selection import Method
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.classifiers.soup.trajectory_folder import train_trajectory

RATES = (3e-4, 6e-4)
ORDERS = 2
"""Members of a pool: each rate with so many orders of the pictures."""
METHODS: tuple[Method, ...] = ("uniform", "greedy", "window")


@dataclass(frozen=True)
class Plan:
    """What is trained: from which weights, at which sizes, how long, with which seeds."""

    data: Path
    work: Path
    backbone: str
    weights: str
    sizes: Sequence[int]
    epochs: int
    apart: int
    seeds: Sequence[int]
    jobs: int
    pictures: int

    def settings(self, size: int, rate: float, schedule: str, epochs: int) -> TrajectorySettings:
        """The paper's recipe at a rate and schedule."""
        own: Any = {"epochs": epochs, "batch": 64, "learning_rate": rate, "schedule": schedule}
        return TrajectorySettings(
            backbone=self.backbone,
            weights=self.weights,
            size=size,
            crop=1.0,
            loss=LossSettings(gamma=0.0, balance=0.0),
            training=TrajectorySettings().training.replace(**own),
        )

    def along(self, size: int) -> list[tuple[Path, TrajectorySettings, int]]:
        """The trainings with restarts: folder, settings and seed of each; none without epochs."""
        if not self.epochs:
            return []
        settings = self.settings(size, 1e-4, "restarts", self.epochs)
        return [(self.work / f"{size}-restarts" / f"seed-{seed}", settings, seed) for seed in self.seeds]

    def pool(self, size: int, seed: int) -> list[tuple[Path, TrajectorySettings, int]]:
        """The trainings apart from each other whose ends are one pool; none without epochs."""
        if not self.apart:
            return []
        return [
            (
                self.work / f"{size}-apart" / f"pool-{seed}" / f"rate-{rate:g}-{order}",
                self.settings(size, rate, "cosine", self.apart),
                100 * (seed + 1) + order,
            )
            for rate in RATES
            for order in range(ORDERS)
        ]


def pretrained(plan: Plan, figures: Path) -> None:
    """Train what is not there yet, compare, and print the tables."""
    figures.mkdir(parents=True, exist_ok=True)
    for size in plan.sizes:
        began = time.monotonic()
        along, pools = plan.along(size), [pool for seed in plan.seeds if (pool := plan.pool(size, seed))]
        trainings = [training for pool in pools for training in pool] + along
        sides: dict[str, list[Any]] = {
            "restarts": [folder for folder, *_ in along],
            "once": [pool[-ORDERS][0] for pool in pools],
            "apart": [[folder for folder, *_ in pool] for pool in pools],
        }
        with _processes(plan, size) as processes:
            for training in [processes.submit(_trained, *training) for training in trainings]:
                training.result()
            seconds = time.monotonic() - began
            print(f"\n# {size} pixels: {len(trainings)} trainings, {seconds:.0f} s", flush=True)
            compared = {
                name: processes.submit(_compared, {name: folders})
                for name, folders in sides.items()
                if folders
            }
            for name, found in compared.items():
                report = plan.work / "reports" / f"pretrained-{size}-{name}"
                write_comparison(found.result(), report)
                shutil.copy(report / "comparison.png", figures / f"soup-pretrained-{size}-{name}.png")
                print(f"\n## {plan.backbone}, {size} pixels, {name}")
                _print(found.result())


def _split(data: Path, size: int, most: int) -> PictureSplit:
    sets = {
        name: found.subset(np.arange(min(len(found), most)))
        for name, found in read_folder(data, size).items()
    }
    return PictureSplit(sets["train"], *sets["dev"].divide(0))


def _processes(plan: Plan, size: int) -> ProcessPoolExecutor:
    """So many as there are jobs, each with the pictures."""
    context = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(plan.jobs, context, _begin, (plan.data, size, plan.pictures))


_held: list[PictureSplit] = []


def _begin(data: Path, size: int, most: int) -> None:
    torch.set_num_threads(1)
    _held[:] = [_split(data, size, most)]


def _compared(folders: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
    return compare(folders, _held[0], methods=METHODS)


def _trained(folder: Path, settings: TrajectorySettings, seed: int) -> None:
    split = _held[0]
    about = train_trajectory(folder, split.learn, split.selection, settings, seed=seed)
    best = max(e["held_out"]["score"] for e in about["epochs"])
    print(
        f"{time.strftime('%H:%M:%S')} {folder.parent.name}/{folder.name}: {len(about['epochs'])} epochs, "
        f"{about['seconds_of_epochs']} s, best macro-F1 on selection {best:.3f}",
        flush=True,
    )


def _print(found: Mapping[str, Any]) -> None:
    print(
        "| answer | members | accuracy [95 %] | by seed | macro-F1 | cross-entropy | ECE, calibrated | against best | p | won |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    ((_, network),) = found["networks"].items()
    for name, said in network["candidates"].items():
        test = said["against_best"]
        value, low, high = said["accuracy"]
        against = "– | – | –"
        if test:
            difference = "{:+.3f} [{:+.3f}, {:+.3f}]".format(*test["difference"])
            against = f"{difference} | {test['p']:.3f} | {test['wins']} of {test['seeds']}"
        print(
            f"| {name} | {', '.join(map(str, said['members']))} | {value:.3f} [{low:.3f}, {high:.3f}] | "
            f"{', '.join(f'{v:.3f}' for v in said['accuracy_by_seed'])} | {said['macro_f1']:.3f} | {said['loss']:.3f} | "
            f"{said['ece']:.3f}, {said['ece_calibrated']:.3f} | {against} |"
        )
    for name, said in network["candidates"].items():
        if said["bias_variance_over_seeds"]:
            soft, hard = (said["bias_variance_over_seeds"][k] for k in ("cross_entropy", "zero_one"))
            print(f"{name}: over seeds {json.dumps({'0-1': _short(hard), 'cross-entropy': _short(soft)})}")
    print(f"training, s: {network['training_seconds']}")


def _short(parts: Mapping[str, Sequence[float]]) -> dict[str, float]:
    return {name: round(values[0], 4) for name, values in parts.items()}
