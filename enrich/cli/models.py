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
        (_from_here(m.folder), m.digest[:12], m.state, ", ".join(m.classifiers), ", ".join(m.properties), m.mean_macro_f1)
        for m in found
    ]  # fmt: skip
    heads = ("folder", "digest", "state", "classifiers", "properties", "mean macro-F1")
    write_table(heads, rows, numbers=(5,), spare=(1, 4))


def _from_here(folder: str) -> str:
    """A folder as one would type it."""
    here = Path.cwd()
    return str(Path(folder).relative_to(here)) if Path(folder).is_relative_to(here) else folder
