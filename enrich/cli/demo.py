"""The verb demo: a museum of our own, from its gaps to one prediction's provenance."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from enrich.classifiers.extras import absent
from enrich.cli.common import Bars, Json, say, write_json
from enrich.demo.tour import tour
from enrich.settings.models import MOST_SEED

EXAMPLES = {"demo": "enrich demo /tmp/museum --size 500"}


def demo(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="Folder to make the museum in.")] = Path(
        "demo-museum"
    ),
    records: Annotated[int, typer.Option("--size", "--records", min=50, help="How many objects.")] = 2000,
    seed: Annotated[
        int, typer.Option("--seed", min=0, max=MOST_SEED, help="Another seed makes another museum.")
    ] = 0,
    as_json: Json = False,
) -> None:
    """Fill a made museum's gaps, and compare with the truth.

    An earlier demo in DIR is made anew, unless answers were judged in it."""
    if why := absent("image"):
        say(f"nothing is learnt from pictures: {why}")
    with Bars("making a museum") as bars:
        console = Console(highlight=False, stderr=as_json)
        scores = tour(
            folder, records=records, seed=seed, pictures=why is None, progress=bars, console=console
        )
    if as_json:
        write_json({"folder": str(folder), "records": records, "properties": [asdict(s) for s in scores]})
