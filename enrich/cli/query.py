"""The verb that asks: query."""

import sys
from collections.abc import Callable
from heapq import nlargest
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from enrich.classifiers.tables import Table
from enrich.cli.common import Json, open_workspace, say, write_json, write_table
from enrich.cli.options import CONFIG
from enrich.errors import InputError
from enrich.graph.stores.base import Term as Found
from enrich.ontology.queries import named_query, query_names
from enrich.ontology.terms import Term
from enrich.show.answers import Answer
from enrich.show.named import any_term, printed, run_named, settable, term
from enrich.show.naming import cells, number_of, with_names
from enrich.show.querying import run_file
from enrich.show.tables import print_table
from enrich.workspace import Workspace

SHOWN_ROWS = 200
"""Rows of a table."""
SPARE = ("predicate", "node", "model", "software", "run", "run1", "run2", "prediction", "state")
"""Columns of named queries that a narrow table does without, the first of them first."""

EXAMPLES = {
    "query": "enrich query predictions --labels --format csv\nenrich query predictions --set property=place --set confidence=0.9 --set order=-confidence --set limit=20\nenrich query predictions --print > mine.rq\nenrich query mine.rq --format json"
}


def query(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY",
            help="A named query, or a .rq file, or - for standard input; without one, the names are listed.",
        ),
    ] = None,
    form: Annotated[
        Literal["table", "csv", "tsv", "json", "xml", "nt"] | None,
        typer.Option("--format", help="Otherwise table on a terminal, csv elsewhere; nt is for CONSTRUCT."),
    ] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A parameter of a named query, such as property, museum, confidence, order or limit, or $NAME of a "
            "file: an IRI, a number, words or a literal as N-Triples spell it; repeatable.",
        ),
    ] = None,
    names: Annotated[
        bool | None,
        typer.Option(
            "--labels/--iris",
            help="Names beside ?record and ?value, in a table instead of IRIs; or IRIs alone. A table has names anyway.",
        ),
    ] = None,
    only_print: Annotated[
        bool, typer.Option("--print", help="Print a named query's SPARQL, to ask it elsewhere; ask nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Ask a named query or a SPARQL file, read-only.

    A file holds a SELECT, an ASK or a CONSTRUCT; an update is refused. Without FROM and GRAPH it asks the museum's facts."""
    if what is None:
        _list_queries(as_json)
        return
    named = what in query_names()
    given = _parameters(parameters or [], term if named else lambda _, text: any_term(text))
    if only_print:
        if not named:
            raise InputError(f"--print is for named queries, and none is called {what!r}; see: enrich query")
        with Workspace.open(CONFIG.get()) as workspace:
            sys.stdout.write(printed(workspace, what, given))
        return
    chosen = "json" if as_json else form or ("table" if sys.stdout.isatty() else "csv")
    with open_workspace(reading=True) as workspace:
        answer = run_named(workspace, what, given) if named else run_file(workspace, Path(what), given)
        if form is None and answer.triples and not as_json:
            chosen = "nt"
        if chosen == "table":
            by = "confidence" if named and "order" not in given and "confidence" in answer.variables else None
            _table(workspace, answer, by, iris=names is False)
        else:
            (with_names(workspace, answer) if names else answer).write(sys.stdout, chosen)


def _parameters(given: list[str], term_of: Callable[[str, str], Term]) -> dict[str, Term]:
    found: dict[str, Term] = {}
    for text in given:
        name, equals, value = text.partition("=")
        if not equals or name in found:
            raise InputError(f"--set {text}: say NAME=VALUE once, such as property=place or confidence=0.9")
        found[name] = term_of(name, value)
    return found


def _list_queries(as_json: bool) -> None:
    found = [named_query(name) for name in query_names()]
    rows = [(q.name, ", ".join(settable(q)), q.description) for q in found]
    if as_json:
        names = ("name", "parameters", "description")
        write_json({"queries": [dict(zip(names, row, strict=True)) for row in rows]})
    else:
        write_table(("query", "parameters", "what it answers"), rows)


def _table(workspace: Workspace, answer: Answer, by: str | None, *, iris: bool) -> None:
    """The answer as a person reads it: names for IRIs, the greatest of the column `by` first, and so many rows."""
    if answer.truth is not None:
        sys.stdout.write(f"{answer.truth}\n")
        return
    names = answer.variables
    if by is None:
        found = list(islice(answer.rows, SHOWN_ROWS + 1))
    else:
        found = nlargest(SHOWN_ROWS + 1, answer.rows, key=lambda row: _sure(row[names.index(by)]))
    shown = found[:SHOWN_ROWS]
    rows = (
        [[term and term.value for term in row] for row in shown] if iris else cells(workspace, names, shown)
    )
    numbers = [n for n in range(len(names)) if any(isinstance(row[n], int | float) for row in rows)]
    spare = [names.index(name) for name in SPARE if name in names]
    print_table(Table(names, rows, numbers=numbers, digits=2, spare=spare))
    if len(found) > SHOWN_ROWS:
        say(f"these are the first {SHOWN_ROWS:,}; --format csv has all")


def _sure(term: Found | None) -> float:
    number = number_of(term)
    return -1.0 if number is None else number
