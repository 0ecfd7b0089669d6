"""The verb prune."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from enrich.cli.common import Bars, Json, open_workspace, say, write_json, write_table
from enrich.errors import InputError
from enrich.runs import prune as pruning

EXAMPLES = {"prune": "enrich prune --dry-run\nenrich prune --older-than 30 --yes"}


def prune(
    days: Annotated[
        int | None,
        typer.Option("--older-than", min=0, metavar="DAYS", help="Otherwise run.keep_days of the settings."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask, however much would go.")] = False,
    as_json: Json = False,
) -> None:
    """Drop answers that newer runs superseded, and retracted runs, once they are old.

    What is dropped cannot come back: until then it does when the newer run is retracted. The register
    keeps every run. Asks before it drops answers of more than one run."""
    with open_workspace() as workspace:
        found = pruning.to_prune(workspace, days=days)
        runs, answers = len(found.answers), found.answers.total()
        if not dry_run and answers:
            if runs > 1 and not yes:
                _ask(
                    f"drop {answers:,} answers of {runs} runs, superseded or retracted before {found.before:%Y-%m-%d}?"
                )
            with Bars("pruning"):
                found = pruning.prune(workspace, days=days)
    if as_json:
        write_json({**found.to_json(), "dry_run": dry_run})
        return
    if found.answers:
        write_table(("run", "answers"), sorted(found.answers.items()), numbers=(1,))
    done = "would be dropped" if dry_run else "dropped"
    say(f"{answers:,} answers {done}; {found.dropped:,} graphs dropped, {found.rewritten:,} written anew")


def _ask(question: str) -> None:
    """Go on when a person says yes. Raises InputError where there is nobody to ask."""
    if not sys.stdin.isatty():
        raise InputError(f"{question[0].upper()}{question[1:-1]}: say --yes, or look first with --dry-run")
    if not typer.confirm(question[0].upper() + question[1:]):
        raise typer.Exit(1)
