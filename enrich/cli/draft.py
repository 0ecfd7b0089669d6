"""The verb that drafts a profile."""

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer
from pyoxigraph import NamedNode

from enrich.cli.common import Bars, Json, open_workspace, path_from, say, write_json, write_table
from enrich.cli.options import Force, Yes
from enrich.drafting.draft import SAMPLE, SECONDS, Draft, draft_profile, find_classes
from enrich.drafting.judging import Finding, chosen
from enrich.drafting.prefixes import WELL_KNOWN
from enrich.drafting.record_classes import ClassFound, words_of
from enrich.errors import InputError
from enrich.graph.files import expect_new
from enrich.ontology.terms import PREFIXES, OntologyError, named_node

ROLES = {"property": "properties", "text": "texts", "context": "contexts"}


def draft(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where to write the profile.")] = Path(
        "profile.toml"
    ),
    record_class: Annotated[
        str | None,
        typer.Option(
            "--record-class", metavar="IRI", help="The class of the records; otherwise the likeliest."
        ),
    ] = None,
    sample: Annotated[int, typer.Option("--sample", min=10, help="Records to look at.")] = SAMPLE,
    seconds: Annotated[
        float, typer.Option("--seconds", min=1, help="Stop following paths after so many seconds.")
    ] = SECONDS,
    yes: Yes = False,
    force: Force = False,
    as_json: Json = False,
) -> None:
    """Look at the graph and write a first profile for it, with comments.

    Finds the class of the records, looks at a sample of them along paths of up to four steps, and ranks what could be
    a property to predict, a text, a picture, a context, or a leak: a context that gives the answer away. Asks what to
    leave out where there is a terminal. With --json the findings go to stdout, and nothing is asked.
    """
    expect_new(file, force=force)
    asking = sys.stdin.isatty() and not yes and not as_json
    if not asking and not yes and not as_json:
        raise InputError("there is no terminal to ask at: --yes takes what is ranked best")
    with open_workspace(reading=True) as workspace:
        store, names = workspace.store, workspace.names
        named = path_from(workspace.settings.folder, file)
        wanted = _iri(record_class) if record_class is not None else None
        with Bars("classes"):
            classes = find_classes(store, names)
        if asking and wanted is None:
            wanted = _ask_class(classes)
        with Bars("looking") as bars:
            made = draft_profile(
                store, names, bars, record_class=wanted, classes=classes, size=sample, seconds=seconds
            )
    if asking:
        _show(made)
        made = made.without({role: _ask_names(made, role) for role in ROLES})
    file.write_text(made.toml(), encoding="utf-8")
    if as_json:
        write_json({"file": str(file)} | made.to_json())
    else:
        if not asking:
            _show(made)
        say(f'wrote {file}; next: enrich profile check {file}, then profile = "{named}" in enrich.toml')


def _iri(text: str) -> NamedNode:
    prefix, colon, local = text.strip("<>").partition(":")
    space = (PREFIXES | WELL_KNOWN).get(prefix) if colon and not local.startswith("//") else None
    try:
        return named_node(space + local if space is not None else text.strip("<>"))
    except OntologyError as error:
        raise InputError(f"--record-class: {error}") from error


def _ask_class(classes: Sequence[ClassFound]) -> NamedNode:
    shown = classes[:8]
    rows = [(n, words_of(c.iri), c.iri.value, c.resources) for n, c in enumerate(shown, 1)]
    write_table(("", "class", "IRI", "resources"), rows, "Which class is that of the records?", numbers=(3,))
    while True:
        number = str(typer.prompt("Number", default="1"))
        if number.isdecimal() and 1 <= int(number) <= len(shown):
            return shown[int(number) - 1].iri
        say(f"give a number from 1 to {len(shown)}")


def _ask_names(made: Draft, role: str) -> list[str]:
    there = [f.name for f in chosen(made.findings, role)]
    if not there:
        return []
    while True:
        said = typer.prompt(
            f"{ROLES[role].capitalize()} to leave out, of {', '.join(there)} (Enter for none)",
            default="",
            show_default=False,
        )
        names = [name for name in said.replace(",", " ").split() if name]
        unknown = [name for name in names if name not in there]
        if not unknown:
            return names
        say(f"there is no {unknown[0]}")


def _show(made: Draft) -> None:
    title = f"{made.record_class.iri.value}: {len(made.walk.records):,} of {made.record_class.resources:,} records looked at"
    rows = [
        ("✓" if f.taken else "", f.role, f.name, f.kind, f"{f.facts.share:.0%}", f.facts.values, f.reason)
        for role in ("property", "text", "picture", "context", "leak")
        for f in _best(made, role)
    ]
    write_table(("", "role", "name", "kind", "share", "values", "why"), rows, title, numbers=(4, 5))
    if not made.walk.complete:
        say("time was up before every path had been followed: --seconds gives more")


def _best(made: Draft, role: str) -> list[Finding]:
    found = [f for f in made.findings if f.role == role]
    return [f for f in found if f.taken] + [f for f in found if not f.taken][:6]
