"""Verbs about what learns: train, evaluate, models."""

from pathlib import Path
from typing import Annotated, Any

import typer

from enrich.cli.common import Bars, Json, ModelFolder, open_workspace, say, write_json, write_table
from enrich.learn.evaluation import evaluate as measure
from enrich.learn.model_folders import find_models
from enrich.learn.training import train as learn

Splits = Annotated[
    Path,
    typer.Option(
        "--splits", metavar="FILE", help="Tab-separated, columns record and split (train, dev); also .gz."
    ),
]


EXAMPLES = {
    "train": "enrich train --splits splits.tsv.gz --model model",
    "evaluate": "enrich evaluate --model model --splits splits.tsv.gz --split dev --without museum\n"
    "enrich evaluate --model model --splits splits.tsv.gz --report report",
    "models": "enrich models . --json",
}


def train(
    splits: Splits,
    model: ModelFolder,
    modality: Annotated[
        list[str] | None,
        typer.Option("--modality", help="Learn from this only; may be repeated. Otherwise train.modalities."),
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", help="Instead of train.seed.")] = None,
    as_json: Json = False,
) -> None:
    """Learn from the train split, and write a model folder."""
    with open_workspace() as workspace, Bars("learning") as bars:
        trained = learn(workspace, splits, model, modalities=modality, seed=seed, progress=bars)
    if as_json:
        write_json(trained)
    else:
        say(f"wrote {model}; next: enrich evaluate --model {model} --splits {splits} --split dev")


def evaluate(
    model: ModelFolder,
    splits: Splits,
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
        bool,
        typer.Option("--leave-out", help="Also train anew without each museum, for the report. Slow."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure a model on a split.

    The property asked for is hidden from the classifier; the others stay as they are in the graph."""
    with open_workspace() as workspace, Bars("measuring") as bars:
        result = measure(
            workspace,
            model,
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
    """The figures of an evaluation as a table."""
    figures = ("accuracy", "macro_f1", "ece", "coverage", "selective_accuracy")
    rows = [
        (name, found["records"], by, *(measured.get(f) for f in figures))
        for name, found in result["properties"].items()
        for by, measured in found["by"].items()
    ]
    heads = ("property", "records", "by", "accuracy", "macro-F1", "ECE", "coverage", "selective accuracy")
    write_table(heads, rows, f"split {result['split']}", numbers=(1, 3, 4, 5, 6, 7))
    means = ", ".join(
        f"{by} {value:.3f}" for by, value in result["mean_macro_f1"].items() if value is not None
    )
    write_table(("mean macro-F1",), [(means,)])


def models(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Where to look; otherwise beside enrich.toml."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List model folders, and whether each is whole and unaltered."""
    if not folders:
        with open_workspace() as workspace:
            folders = [workspace.settings.folder]
    found = [model for folder in folders for model in find_models(folder)]
    if as_json:
        write_json([model.as_dict() for model in found])
        return
    rows = [
        (m.folder, m.digest[:12], m.state, ", ".join(m.classifiers), ", ".join(m.properties), m.mean_macro_f1)
        for m in found
    ]
    write_table(
        ("folder", "digest", "state", "classifiers", "properties", "mean macro-F1"), rows, numbers=(5,)
    )
