"""Verbs about what learns: train, split, evaluate."""

import sys
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from enrich.cli.common import Bars, model_folder, open_workspace, promised, say, write_json, write_table
from enrich.cli.options import Json, ModelFolder
from enrich.errors import InputError
from enrich.learn.evaluation import evaluate as measure
from enrich.learn.measures import OTHER_SPLITS, evaluation_table, mean_line
from enrich.learn.split_records import read_records_of
from enrich.learn.splitting import split_records, write_splits
from enrich.learn.training import train as learn
from enrich.learn.unfinished import parts, training_folder
from enrich.settings.models import MOST_SEED
from enrich.show.tables import print_table

Splits = Annotated[
    Path,
    typer.Option(
        "--splits",
        metavar="FILE",
        help="Table of the columns record and split (train, dev); also .gz; - for standard input.",
    ),
]


EXAMPLES = {
    "train": "enrich train --splits splits.tsv.gz --model model\nenrich train --reviews --model model-2",
    "split": "enrich split splits.tsv --by group --dev 0.2",
    "evaluate": "enrich evaluate --model model --splits splits.tsv.gz --split dev --without museum\n"
    "enrich evaluate --model model --splits splits.tsv.gz --report report",
}


def train(
    model: ModelFolder = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            "--splits",
            metavar="FILE",
            help="Table of the columns record and split; otherwise a tenth is kept for figures, in whole blocks.",
        ),
    ] = None,
    modality: Annotated[
        list[str] | None,
        typer.Option(
            "--modality",
            help="Learn from this only; may be repeated. Otherwise train.modalities, or all that there are.",
        ),
    ] = None,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, max=MOST_SEED, help="Instead of train.seed.")
    ] = None,
    reviews: Annotated[
        bool,
        typer.Option(
            "--reviews", help="Learn from reviews too; those drawn at random are kept to measure by."
        ),
    ] = False,
    compare: Annotated[
        bool,
        typer.Option(
            "--compare/--no-compare",
            help="With --reviews: train once more without them, to say what they change. As long again.",
        ),
    ] = True,
    as_json: Json = False,
) -> None:
    """Learn from the train split, and write a model folder: whole, or not at all.

    A training that was stopped goes on from what it had finished, and gives the same model."""
    if not compare and not reviews:
        raise InputError("--no-compare goes with --reviews: without them there is nothing to compare")
    with open_workspace() as workspace, Bars("learning") as bars:
        folder = model_folder(workspace, model)
        try:
            trained = learn(
                workspace, splits, folder, modalities=modality, seed=seed, reviews=reviews, compare=compare,
                progress=bars,
            )  # fmt: skip
        except BaseException:
            if kept := parts(training_folder(folder)):
                say(
                    f"{kept} finished parts are kept in {training_folder(folder)}: the same command goes on from there; delete it to begin anew"
                )
            raise
    if as_json:
        write_json(trained)
    else:
        show_training(trained)
        named = "" if model is None else f" --model {model}"
        say(f"wrote {folder}; next: enrich gaps --forecast{named}, then enrich run{named}")


def show_training(trained: dict[str, Any]) -> None:
    """What was learned from, how often it is right, what is promised, what was left out and why."""
    by = list(next(iter(trained["accuracy"].values())))
    by = by[:1] if len(by) == 2 else by  # a fusion of one modality is that modality
    seen, *others = trained["promises"]
    rows = [
        (name, *map(found.get, by), *_promise(trained["promises"][seen].get(name)))
        for name, found in trained["accuracy"].items()
    ]
    heads = ("property", *by, "precision promised", "coverage")
    write_table(
        heads, rows, "accuracy on held-out records, by what was looked at", numbers=range(1, len(heads))
    )
    further = [
        (regime, name, *_promise(p)) for regime in others for name, p in trained["promises"][regime].items()
    ]
    if further:
        heads = ("records of an", "property", "precision promised", "coverage")
        write_table(heads, further, "records unlike those that taught", numbers=(2, 3))
    say(
        f"learned from {trained['records']:,} records of {trained['groups']:,} groups, by "
        f"{', '.join(trained['modalities'])}"
    )
    for modality, why in trained["without"].items():
        say(f"without {modality}: {why}")
    for why, names in trained["left_out"].items():
        if names:
            say(f"nothing was learned of {', '.join(names)}: {why} with enough values")
    if "reviews" in trained:
        show_reviews(trained["reviews"])


def show_reviews(told: dict[str, Any]) -> None:
    """What reviews taught, and how the model does, with and without them, where curators were asked at random."""
    rows = [
        (name, by, f["gaps"], f["macro_f1"]["value"], f["accuracy"]["value"], f["accuracy_at_most"], f["precision"])
        for name, found in told["properties"].items()
        for by, f in found.items()
    ]  # fmt: skip
    heads = ("property", "reviews", "gaps", "macro-F1", "accuracy", "at most", "precision")
    if rows:
        write_table(heads, rows, "where curators were asked at random", numbers=range(2, 7))
    say(
        f"reviews: {told['labels from reviews']:,} values put in and {told['values turned down in reviews']:,} turned "
        f"down taught; {told['records held out for reviews']:,} records, reviewed at random, were held out"
    )
    if deaf := told.get("learns nothing from values turned down"):
        say(f"{deaf} cannot learn from values that were turned down")
    for change in told.get("difference", {}).values():
        said = ", ".join(f"{name} {_interval(found)}" for name, found in change.items())
        say(
            f"with reviews against without: {said.replace('macro_f1', 'macro-F1')}; the training to compare with took "
            f"{told['seconds']:,.0f} s (--no-compare leaves it out)"
        )


def _interval(found: dict[str, float | None]) -> str:
    """A difference with its interval."""
    value, low, high = (
        "–" if found[end] is None else f"{found[end]:+.3f}" for end in ("value", "low", "high")
    )
    return f"{value} [{low}, {high}]"


def _promise(promise: dict[str, Any] | None) -> tuple[float | str, float | None]:
    """The precision that is promised, and the share of the held-out records that would be answered."""
    if promise is None:
        return promised(None), None
    return promised(promise["target"] if promise["threshold"] <= 1 else None), promise["coverage"]


def split(
    target: Annotated[Path, typer.Argument(metavar="FILE", help="File to write; also .gz; - is stdout.")],
    by: Annotated[
        Literal["record", "group", "block"],
        typer.Option("--by", help="What stays together: nothing, a group, or a block of accession numbers."),
    ] = "block",
    dev: Annotated[float, typer.Option("--dev", min=0, max=1, help="Share of the records.")] = 0.2,
    test: Annotated[float, typer.Option("--test", min=0, max=1, help="Share of the records.")] = 0.0,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=MOST_SEED, help="Of what is drawn at random.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Write splits of the records: train, dev and test."""
    if dev + test >= 1:
        raise InputError(f"--dev {dev} and --test {test} leave nothing to train on")
    shares = {name: share for name, share in (("dev", dev), ("test", test)) if share}
    with open_workspace() as workspace, Bars("reading") as bars:
        records, skipped = read_records_of(workspace, None, bars)
        found = split_records(records, workspace.profile.grouped_by, by, shares, seed)
    write_splits(target, found)
    counts = {name: len(own) for name, own in found.items()}
    if as_json:
        write_json({"file": str(target), "splits": counts, "skipped": skipped})
        return
    say(f"wrote {target}: " + ", ".join(f"{name} {n:,}" for name, n in counts.items()))


def evaluate(
    splits: Splits,
    model: ModelFolder = None,
    split: Annotated[str, typer.Option("--split", help="The split to answer.")] = "dev",
    hide_known: Annotated[
        bool,
        typer.Option(
            "--hide-known", help="Hide the values of all properties, not only of the one asked for."
        ),
    ] = False,
    without: Annotated[
        list[str] | None,
        typer.Option(
            "--without", metavar="CONTEXT", help="Hide a context value, such as museum; may be repeated."
        ),
    ] = None,
    report: Annotated[
        Path | None,
        typer.Option("--report", metavar="DIR", help="Write report.json and report.html into this folder."),
    ] = None,
    leave_out: Annotated[
        bool, typer.Option("--leave-out", help="Also train anew without each museum, for the report. Slow.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a split.

    The property asked for is hidden from the classifier; the others stay as they are in the graph."""
    with open_workspace() as workspace, Bars("measuring") as bars:
        result = measure(
            workspace,
            model_folder(workspace, model),
            splits,
            split,
            hide_known=hide_known,
            without=tuple(without or ()),
            report=report,
            leave_out=leave_out,
            progress=bars,
        )
    if as_json:
        write_json(result)
        return
    show_evaluation(result)
    if report is not None:
        say(f"wrote {report / 'report.html'} and report.json")


def show_evaluation(result: dict[str, Any]) -> None:
    """The figures of an evaluation as tables."""
    print_table(evaluation_table(result))
    show_regimes(result["properties"])
    sys.stdout.write(f"mean macro-F1: {mean_line(result)}\n")
    if result["other_splits"]:
        say(OTHER_SPLITS)


def show_regimes(properties: dict[str, Any]) -> None:
    """What was promised beside what was kept, by property and regime."""
    rows = [
        (name, regime, r["records"], r["answered"] / r["records"], r["precision"], r["promised"])
        for name, found in properties.items()
        for regime, r in found["regimes"].items()
    ]
    write_table(
        ("property", "regime", "records", "coverage", "precision", "promised"), rows, numbers=(2, 3, 4, 5)
    )
