"""Verbs about soups: soup train, soup cook, soup analyse, soup compare."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from enrich.cli.common import Bars, Json, example, open_workspace, say, write_json, write_table

if TYPE_CHECKING:
    from classifiers.soup.candidates import Table

SCHEDULES = ("restarts", "cosine", "constant")
FULL_NAMES = ("coatnet_0_rw_224", "resnet50", "densenet121", "vit_base_patch16_224")

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
        "--splits", metavar="FILE", help="Instead: the pictures of the graph's records of these splits."
    ),
]
Property = Annotated[
    str | None, typer.Option("--property", help="The property of the graph; for a folder, how to call it.")
]
DivideSeed = Annotated[
    int,
    typer.Option("--divide-seed", help="Divides held-out pictures into those that select and that score."),
]
Seeds = Annotated[list[int] | None, typer.Option("--seed", help="One trajectory per seed; may be repeated.")]
Size = Annotated[int, typer.Option("--size", help="Width of picture in pixels; 0 is the network's own.")]
Crop = Annotated[float, typer.Option("--crop", help="Share of a picture's shorter side that is measured on.")]
Epochs = Annotated[
    int, typer.Option("--epochs", help="Epochs, each with a checkpoint; more go on from there.")
]
Batch = Annotated[int, typer.Option("--batch", help="Pictures in a step.")]
Rate = Annotated[
    float, typer.Option("--learning-rate", help="At each restart; 1e-3 suits training from scratch.")
]
Gamma = Annotated[float, typer.Option("--gamma", help="Focus of the focal loss; 0 is cross-entropy.")]
Schedule = Annotated[
    str, typer.Option("--schedule", help="Of the rate: restarts (the paper's), cosine or constant.")
]
Weights = Annotated[str, typer.Option("--weights", help="none, hub, or a local safetensors file.")]
Disk = Annotated[int, typer.Option("--disk", help="Cap on a trajectory's folder in MiB; the worst go first.")]
Threads = Annotated[int, typer.Option("--threads", help="Processor threads; 0 leaves it to torch.")]
From = Annotated[
    list[Path],
    typer.Option("--from", metavar="DIR", help="A trajectory, or a folder of them; may be repeated."),
]
By = Annotated[str, typer.Option("--metric", help="What chooses: accuracy, macro_f1 or loss.")]

soup = typer.Typer(rich_markup_mode=None, help="Average the checkpoints of a training, and see what it does.")


@soup.command(
    "train",
    epilog=example(
        "enrich soup train runs/coatnet --pictures pictures --backbone test_coatnet --size 64 --epochs 21"
    ),
)
def train(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Gets a folder seed-N per trajectory.")],
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    backbone: Annotated[str, typer.Option("--backbone", help="A name of timm.")] = FULL_NAMES[0],
    weights: Weights = "none",
    size: Size = 0,
    crop: Crop = 1.0,
    epochs: Epochs = 50,
    batch: Batch = 64,
    rate: Rate = 1e-4,
    gamma: Gamma = 2.0,
    schedule: Schedule = "restarts",
    seeds: Seeds = None,
    divide_seed: DivideSeed = 0,
    disk: Disk = 20_000,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Train trajectories: one checkpoint per epoch, with its metrics.

    What was killed goes on from its last epoch when the command is given again.
    """
    from enrich.soup.pictures import Source
    from enrich.soup.training import recipe_settings, table_of, train_seeds

    _among("--schedule", schedule, SCHEDULES)
    source = Source(pictures, splits, prop, divide_seed)
    settings = recipe_settings(backbone, weights, size, crop, epochs, batch, rate, gamma, schedule, disk)
    with Bars("reading pictures") as bars, _threads(threads):
        table = table_of(source, settings, open_workspace, bars)
        trained = train_seeds(out, settings, seeds or [0], table, bars)
    if as_json:
        write_json(trained)
        return
    rows = [
        (
            t["folder"],
            t["checkpoints"],
            t["best"].get("epoch"),
            t["best"].get("score"),
            t["seconds"],
            t["memory"],
        )
        for t in trained
    ]
    heads = ("trajectory", "checkpoints", "best epoch", "macro-F1", "seconds", "memory, MiB")
    write_table(heads, rows, numbers=(1, 2, 3, 4, 5))
    say(f"next: enrich soup cook SOUP --from {out} and the same pictures")


@soup.command(
    "cook",
    epilog=example("enrich soup cook soup --from runs/coatnet/seed-0 --pictures pictures --method greedy"),
)
def cook(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="The model folder to write.")],
    trajectories: From,
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    method: Annotated[
        str, typer.Option("--method", help="uniform, greedy, pruned, window or learned.")
    ] = "greedy",
    metric: By = "macro_f1",
    divide_seed: DivideSeed = 0,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Average checkpoints into one model.

    The pictures are those of the training: some take batch norm's statistics anew, the selecting ones
    choose, the scoring ones only judge. To use the soup: soup = "DIR" under [train.options.image].
    """
    from classifiers.soup import classifier
    from classifiers.soup import selection as cooking
    from classifiers.soup.evaluation import score
    from enrich.soup.pictures import Source
    from enrich.soup.training import open_kitchen

    _among("--method", method, cooking.METHODS)
    _metric(metric)
    with Bars("cooking") as bars, _threads(threads):
        table, kitchen = open_kitchen(
            trajectories, Source(pictures, splits, prop, divide_seed), open_workspace, bars
        )
        made = cooking.cook(kitchen, table.selection, method, metric=metric, progress=bars)  # type: ignore[arg-type]
        scored = score(kitchen.run(made.weights, table.scoring), table.scoring)
        best = score(kitchen.run(kitchen.weights(made.best), table.scoring), table.scoring)
        vote = score(kitchen.vote_logits(kitchen.pot.members, table.scoring), table.scoring)
        scoring = {"soup": scored.json(), "best member": best.json(), "vote": vote.json()}
        digest = classifier.write_soup(out, kitchen, made, scoring)
    if as_json:
        write_json(
            {
                "model": str(out),
                "digest": digest,
                "method": method,
                "ingredients": made.ingredients(),
                "selection": made.score.json(),
                "scoring": scoring,
                "notes": list(made.notes),
            }
        )
        return
    rows = [(name, s["accuracy"], s["macro_f1"], s["loss"]) for name, s in scoring.items()]
    write_table(("on the scoring pictures", "accuracy", "macro-F1", "cross-entropy"), rows, numbers=(1, 2, 3))
    for note in made.notes:
        say(note)
    say(f"wrote {out}: {len(made.members)} of {len(kitchen.pot.members)} checkpoints, {digest[:12]}")


@soup.command(
    "analyse", epilog=example("enrich soup analyse report --from runs/coatnet/seed-0 --pictures pictures")
)
def analyse(
    out: Annotated[Path, typer.Argument(metavar="DIR", help="Gets report.html, figures and numbers.json.")],
    trajectories: From,
    pictures: Pictures = None,
    splits: Splits = None,
    prop: Property = None,
    method: Annotated[
        list[str] | None, typer.Option("--method", help="Soups to cook; may be repeated. Otherwise all five.")
    ] = None,
    metric: By = "macro_f1",
    replicates: Annotated[
        int, typer.Option("--replicates", help="Bootstrap samples of the training data.")
    ] = 10,
    divide_seed: DivideSeed = 0,
    threads: Threads = 0,
    as_json: Json = False,
) -> None:
    """Measure bias and variance, distances, lines and calibration of members, soups and their vote."""
    from classifiers.soup.analysis import analyse as measure
    from classifiers.soup.report import write_analysis
    from classifiers.soup.selection import METHODS
    from enrich.soup.pictures import Source
    from enrich.soup.training import open_kitchen

    _metric(metric)
    for name in method or ():
        _among("--method", name, METHODS)
    with Bars("analysing") as bars, _threads(threads):
        table, kitchen = open_kitchen(
            trajectories, Source(pictures, splits, prop, divide_seed), open_workspace, bars
        )
        found = measure(
            kitchen,
            table,
            metric=metric,  # type: ignore[arg-type]
            methods=tuple(method or METHODS),  # type: ignore[arg-type]
            prop=prop,
            replicates=replicates,
            progress=bars,
        )
        page = write_analysis(found, out)
    if as_json:
        write_json(found.numbers)
        return
    rows = [
        (
            d["name"],
            len(d["members"]),
            d["scoring"]["accuracy"],
            d["scoring"]["macro_f1"],
            d["scoring"]["loss"],
        )
        for d in found.numbers["dishes"]
    ]
    write_table(("answer", "members", "accuracy", "macro-F1", "cross-entropy"), rows, numbers=(1, 2, 3, 4))
    say(f"wrote {page}")


@soup.command(
    "compare",
    epilog=example(
        "enrich soup compare runs --pictures pictures --report report --backbone test_coatnet "
        "--backbone test_resnet --size 64 --epochs 21 --learning-rate 1e-3 --gamma 0"
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
    weights: Weights = "none",
    size: Size = 0,
    crop: Crop = 1.0,
    epochs: Epochs = 50,
    batch: Batch = 64,
    rate: Rate = 1e-4,
    gamma: Gamma = 2.0,
    schedule: Schedule = "restarts",
    seeds: Seeds = None,
    method: Annotated[
        list[str] | None,
        typer.Option("--method", help="Soups to cook; may be repeated. Else uniform, greedy."),
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
    from classifiers.soup.comparison import compare as measure
    from classifiers.soup.report import write_comparison
    from classifiers.soup.selection import METHODS
    from enrich.soup.pictures import Source
    from enrich.soup.training import recipe_settings, side_of, table_of, train_seeds

    _metric(metric)
    for name in method or ():
        _among("--method", name, METHODS)
    _among("--schedule", schedule, SCHEDULES)
    source, chosen = Source(pictures, splits, prop, divide_seed), seeds or [0, 1, 2]
    with Bars("comparing") as bars, _threads(threads):
        tables: dict[int, Table] = {}
        folders: dict[str, list[Path]] = {}
        for name in backbones or FULL_NAMES:
            settings = recipe_settings(name, weights, size, crop, epochs, batch, rate, gamma, schedule, disk)
            side = side_of(settings)
            if side not in tables:
                tables[side] = table_of(source, settings, open_workspace, bars)
            trained = train_seeds(runs / name, settings, chosen, tables[side], bars)
            folders[name] = [Path(t["folder"]) for t in trained]
        if len(tables) > 1:
            raise _refuse("the networks look at pictures of different sizes; give one with --size")
        (table,) = tables.values()
        found = measure(
            folders,
            table,
            metric=metric,  # type: ignore[arg-type]
            methods=tuple(method or ("uniform", "greedy")),  # type: ignore[arg-type]
            prop=prop,
            epochs=epochs,
            progress=bars,
        )
        page = write_comparison(found, report)
    if as_json:
        write_json(found)
        return
    rows = [
        (name, dish, *s["accuracy"], s["macro_f1"], (s["against_best"] or {}).get("p"))
        for name, network in found["networks"].items()
        for dish, s in network["dishes"].items()
    ]
    heads = ("network", "answer", "accuracy", "from", "to", "macro-F1", "p against best")
    write_table(heads, rows, numbers=(2, 3, 4, 5, 6))
    say(f"wrote {page}")


def _metric(metric: str) -> None:
    from classifiers.soup.evaluation import METRICS

    _among("--metric", metric, METRICS)


def _among(option: str, value: str, known: Sequence[str]) -> None:
    if value not in known:
        raise _refuse(f"{option} is {value!r}; there are: {', '.join(known)}")


def _refuse(sentence: str) -> Exception:
    from enrich.errors import SettingsError

    return SettingsError(sentence)


class _threads:  # noqa: N801
    """So many torch threads while the work is done; 0 leaves torch's own number."""

    def __init__(self, number: int) -> None:
        self.number, self.before = number, 0

    def __enter__(self) -> None:
        import torch

        self.before = torch.get_num_threads()
        if self.number:
            torch.set_num_threads(self.number)

    def __exit__(self, *_: object) -> None:
        import torch

        torch.set_num_threads(self.before)
