"""The verb that lists what was trained: models."""

from pathlib import Path
from typing import Annotated

import typer

from enrich.cli.common import Json, write_json, write_table
from enrich.cli.options import CONFIG
from enrich.learn.model_folders import find_models
from enrich.settings.loading import load_settings

EXAMPLES = {"models": "enrich models . --json"}


def models(
    folders: Annotated[
        list[Path] | None,
        typer.Argument(metavar="[DIR]...", help="Where to look; otherwise beside enrich.toml."),
    ] = None,
    as_json: Json = False,
) -> None:
    """List model folders, and whether each is whole and unaltered."""
    if not folders:
        folders = [load_settings(CONFIG.get()).folder]
    found = [model for folder in folders for model in find_models(folder)]
    if as_json:
        write_json({"models": [model.as_dict() for model in found]})
        return
    rows = [
        (m.folder, m.digest[:12], m.state, ", ".join(m.classifiers), ", ".join(m.properties), m.mean_macro_f1)
        for m in found
    ]
    write_table(
        ("folder", "digest", "state", "classifiers", "properties", "mean macro-F1"), rows, numbers=(5,)
    )
