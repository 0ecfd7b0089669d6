"""Small trajectories for the tests of soups: coloured squares, a tiny network, three epochs."""

from __future__ import annotations

import csv
import io
import tarfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from enrich.classifiers.neural.augment import AugmentSettings
from enrich.classifiers.neural.heads import HeadSettings, LossSettings
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet, PictureSplit
from enrich.classifiers.soup.pool import CheckpointPool, Trajectory, pool_members, read_trajectory
from enrich.classifiers.soup.reading import read_folder
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.classifiers.soup.trajectory_folder import train_trajectory

SIDE = 32
COLOURS = ("blue", "green", "red")


@pytest.fixture(autouse=True, scope="session")
def one_thread() -> Iterator[None]:
    """The tests share a machine: one core each."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def picture(random: np.random.Generator, colour: int) -> bytes:
    """A noisy square of a colour, as PNG."""
    pixels = random.integers(0, 160, (SIDE, SIDE, 3), dtype=np.uint8)
    pixels[8:24, 8:24, 2 - colour] += 60
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, "PNG")
    return out.getvalue()


@pytest.fixture(scope="session")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """72 pictures to learn from and 48 held out, half of them in a tar archive, with labels.csv."""
    place = tmp_path_factory.mktemp("pictures")
    random = np.random.default_rng(0)
    rows = []
    with tarfile.open(place / "images.tar", "w") as tar:
        for i in range(120):
            name, data = f"{COLOURS[i % 3]}/{i}.png", picture(random, i % 3)
            rows.append((name, COLOURS[i % 3], "train" if i < 72 else "dev"))
            if i % 2:
                info = tarfile.TarInfo(name)
                info.size = len(data)
                tar.addfile(info, io.BytesIO(data))
            else:
                (place / name).parent.mkdir(exist_ok=True)
                (place / name).write_bytes(data)
    with (place / "labels.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file", "label", "split"), *rows])
    return place


@pytest.fixture(scope="session")
def split(folder: Path) -> PictureSplit:
    """The pictures: to learn from, to select and to score."""
    sets = read_folder(folder, SIDE)
    return PictureSplit(sets["train"], *sets["dev"].divide(0))


def tiny(
    epochs: int = 3, rate: float = 0.01, backbone: str = "test_resnet", neck: int = 0
) -> TrajectorySettings:
    """Settings of a trajectory that takes a second."""
    return TrajectorySettings(
        backbone=backbone,
        size=SIDE,
        crop=1.0,
        heads=HeadSettings(neck=neck, dropout=0.0),
        loss=LossSettings(gamma=0.0, balance=0.0),
        augment=AugmentSettings(cutmix=1.0, mixup=0.2, mix=0.5),
        training=TrajectorySettings().training.replace(epochs=epochs, batch=24, learning_rate=rate),
    )


def trained(place: Path, split: PictureSplit, settings: TrajectorySettings, seed: int = 0) -> Path:
    """A trajectory in `place`."""
    train_trajectory(place, split.learn, split.selection, settings, seed=seed)
    return place


@pytest.fixture(scope="session")
def runs(tmp_path_factory: pytest.TempPathFactory, split: PictureSplit) -> Path:
    """Two trajectories of other seeds, in seed-0 and seed-1."""
    place = tmp_path_factory.mktemp("runs")
    for seed in (0, 1):
        trained(place / f"seed-{seed}", split, tiny(), seed)
    return place


@pytest.fixture(scope="session")
def trajectory(runs: Path) -> Trajectory:
    """The first of the trajectories."""
    return read_trajectory(runs / "seed-0")


@pytest.fixture(scope="session")
def pool(trajectory: Trajectory) -> CheckpointPool:
    """The members of one trajectory."""
    return pool_members([trajectory])


@pytest.fixture(scope="session")
def evaluator(pool: CheckpointPool, split: PictureSplit) -> Evaluator:
    """A evaluator for them."""
    return Evaluator(pool, split.learn, device="cpu")


def small(pictures: PictureSet, n: int) -> PictureSet:
    """The first n pictures."""
    return pictures.subset(np.arange(n))
