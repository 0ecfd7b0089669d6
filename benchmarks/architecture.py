"""Trains the image classifier from scratch on photographs of architecture, and draws its curves.

    python benchmarks/architecture.py [--epochs 9] [--backbone test_coatnet] [--seed 1]

Reads data/architecture/images.tar of ENRICH_DATA (or ../shared/data beside the repository), trains on its
`train` split and prints figures on `dev`, which is used for nothing else: a tenth of `train` is held out
to watch the training. Writes docs/figures/architecture.png. About five minutes on one core.
"""

from __future__ import annotations

import argparse
import csv
import tarfile
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from _data import data_or_skip

from enrich.classifiers.data import Dataset, Picture, Property, Record
from enrich.classifiers.model.metrics import accuracy, macro_f1, per_class
from enrich.classifiers.neural.augment import AugmentSettings
from enrich.classifiers.neural.heads import HeadSettings, LossSettings
from enrich.classifiers.neural.image import ImageClassifier, ImageSettings
from enrich.classifiers.neural.optimisation import TrainingSettings
from enrich.classifiers.plots import panels, save

REPOSITORY = Path(__file__).resolve().parents[1]


def read_records(archive: Path, folder: Path) -> dict[str, Dataset]:
    """Unpack the pictures and make one dataset per split."""
    with tarfile.open(archive) as tar:
        inside = [
            m for m in tar if m.isfile() and (folder / m.name).resolve().is_relative_to(folder.resolve())
        ]
        tar.extractall(folder, inside)
    with (folder / "labels.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    element = Property("element", tuple(sorted({r["label"] for r in rows})))
    found: dict[str, list[Record]] = {}
    for row in rows:
        picture = Picture(row["file"], folder / row["file"])
        record = Record(row["file"], {"element": (row["label"],)}, pictures=(picture,))
        found.setdefault(row["split"], []).append(record)
    return {split: Dataset(records, (element,)) for split, records in found.items()}


def settings_of(arguments: argparse.Namespace) -> ImageSettings:
    return ImageSettings(
        backbone=arguments.backbone,
        weights="none",
        size=64,
        crop=1.0,
        predict_batch=128,
        loss=LossSettings(gamma=arguments.gamma, balance=0.0),
        heads=HeadSettings(neck=0, dropout=0.1),
        augment=AugmentSettings(scale=0.8, ratio=1.2, colour=0.0),
        training=TrainingSettings(
            epochs=arguments.epochs,
            batch=16,
            learning_rate=1.5e-3,
            weight_decay=0.05,
            warmup=0.15,
            patience=0,
        ),
    )


def draw(history: list[dict[str, Any]], title: str, path: Path) -> None:
    """Loss and score per epoch as one small PNG."""
    epochs = [e["epoch"] + 1 for e in history]
    figure, grid = panels(1, 2, 8, 3)
    left, right = grid[0]
    left.plot(
        epochs, [e["loss"] for e in history], marker="o", label="training, focal loss of augmented pictures"
    )
    left.plot(epochs, [e["held_out"]["loss"] for e in history], marker="s", label="held out, cross-entropy")
    left.set(xlabel="epoch", ylabel="loss", ylim=(0, None))
    left.legend(fontsize=7)
    right.plot(epochs, [e["held_out"]["score"] for e in history], marker="s", color="tab:green")
    right.set(xlabel="epoch", ylabel="held-out macro-F1", ylim=(0, 1))
    right.grid(alpha=0.3)
    figure.suptitle(title, fontsize=9)
    save(figure, path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--epochs", type=int, default=9)
    parser.add_argument("--backbone", default="test_coatnet")
    parser.add_argument("--pictures", type=int, default=100_000, help="of each split, at most")
    parser.add_argument("--gamma", type=float, default=0.0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--figure", type=Path, default=REPOSITORY / "docs" / "figures" / "architecture.png")
    arguments = parser.parse_args()
    archive = data_or_skip("architecture/images.tar")
    with tempfile.TemporaryDirectory() as folder:
        data = {
            name: split.subset(range(min(len(split), arguments.pictures)))
            for name, split in read_records(archive, Path(folder)).items()
        }
        order = np.random.default_rng(0).permutation(len(data["train"]))
        cut = len(order) // 10
        held_out, train = data["train"].subset(order[:cut]), data["train"].subset(order[cut:])
        classifier = ImageClassifier(settings_of(arguments))
        started = time.perf_counter()

        def progress(_stage: str, done: int, total: int) -> None:
            print(f"epoch {done}/{total} at {time.perf_counter() - started:.0f} s", flush=True)

        history = classifier.fit(train, held_out, seed=arguments.seed, progress=progress)
        seconds = time.perf_counter() - started
        report(classifier, data["dev"], history, seconds, len(train), arguments)


def report(
    classifier: ImageClassifier,
    dev: Dataset,
    history: dict[str, Any],
    seconds: float,
    trained_on: int,
    arguments: argparse.Namespace,
) -> None:
    prop = dev.properties[0]
    first = classifier.predict(dev.records)[prop.name].probabilities.argmax(axis=1)
    target, _ = dev.targets(prop)
    hit, score = accuracy(target, first), macro_f1(target, first)
    print("\nepoch  training loss  held-out loss  held-out macro-F1  seconds")
    for e in history["epochs"]:
        held = e["held_out"]
        print(
            f"{e['epoch'] + 1:5}  {e['loss']:13.3f}  {held['loss']:13.3f}  {held['score']:17.3f}  {e['seconds']:7.1f}"
        )
    print(f"\n{arguments.backbone} at 64 px from scratch, {trained_on} records, {seconds:.0f} s of training")
    print(f"dev, {len(dev)} records: accuracy {hit:.3f}, macro-F1 {score:.3f}")
    for name, figures in zip(prop.classes, per_class(target, first), strict=True):
        print(f"  {name:20} F1 {figures['f1']:.3f}  ({int(target[:, prop.index()[name]].sum())} records)")
    title = f"{arguments.backbone}, 64 px, from scratch: dev accuracy {hit:.2f}, macro-F1 {score:.2f}"
    draw(history["epochs"], title, arguments.figure)
    print(f"curves in {arguments.figure}, {arguments.figure.stat().st_size // 1000} KB")


if __name__ == "__main__":
    main()
