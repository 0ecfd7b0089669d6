"""The verb that shows a record, or a run to cite: show."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from enrich.cli.common import Json, open_workspace, write_json, write_table
from enrich.errors import InputError
from enrich.ontology.terms import named_node
from enrich.runs.citation import Citation, cite
from enrich.runs.finding import run_meant
from enrich.runs.register import Run
from enrich.show.explaining import explain_shown
from enrich.show.record import show_record
from enrich.show.tables import print_long
from enrich.show.tree import record_tree

EXAMPLES = {
    "show": "enrich show https://data.example.org/object/17\nenrich show 3fa9c1\n"
    "enrich show https://data.example.org/object/17 --explain --out explanations"
}


def show(
    record: Annotated[
        str,
        typer.Argument(
            metavar="RECORD", help="The record's IRI; or a run's id, its beginning or its IRI, to cite it."
        ),
    ],
    explain: Annotated[
        bool, typer.Option("--explain", help="Ask the model anew, and say what each current answer went by.")
    ] = False,
    model: Annotated[
        Path | None,
        typer.Option(
            "--model",
            metavar="DIR",
            help="With --explain: its folder; otherwise looked for near enrich.toml.",
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", metavar="DIR", help="With --explain: where saliency pictures go; otherwise explanations."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Show a record's answers with their whole provenance; or how to cite a run.

    For each answer: its candidates, the evidence of each modality, the models with their digests, the run,
    the reviews, and what it supersedes. With --explain also each modality's part in the fusion, the words and
    values that mattered, and a saliency picture for each picture."""
    if not explain and (model is not None or out is not None):
        raise InputError("--model and --out go with --explain")
    with open_workspace(reading=True) as workspace:
        if (run := run_meant(workspace, record)) is not None:
            _cite(cite(workspace, run), run, as_json)
            return
        data = show_record(workspace, named_node(record))
        if explain:
            explain_shown(workspace, data, model, out)
    if as_json:
        write_json(data)
    else:
        print_long(record_tree(data))


def _cite(cited: Citation, run: Run, as_json: bool) -> None:
    """A run with what a citation needs."""
    if as_json:
        write_json({**asdict(run), **asdict(cited), "citation": cited.text})
        return
    rows = [
        ("run", cited.run),
        ("title", cited.title),
        ("creator", cited.creator or cited.actor),
        ("licence", cited.licence or "none is said: set licence in enrich.toml before the next run"),
        ("state", run.state),
        ("date", cited.date),
        (
            "answers",
            f"{run.predicted or 0:,} predicted, {run.abstained or 0:,} abstained, {run.failed or 0:,} failed",
        ),
        *(("model", f"{model.title}, SHA-256 {model.sha256}") for model in cited.models),
        *(("learned from", f"{data.title}, SHA-256 {data.sha256}") for data in cited.data),
        ("cite as", cited.text),
    ]
    write_table(("what", "value"), rows)
