"""Verbs that look: query, show."""

import sys
from collections.abc import Callable, Mapping
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from typing import Annotated, Literal

import typer

from enrich.cli.common import Json, open_workspace, write_json, write_table
from enrich.cli.options import CONFIG
from enrich.errors import InputError
from enrich.ontology.queries import named_query, query_names
from enrich.ontology.terms import Term, named_node
from enrich.runs.citation import Citation, cite
from enrich.runs.register import Run, run_meant
from enrich.show.explaining import explain_shown
from enrich.show.named import any_term, printed, run_named, settable, term
from enrich.show.naming import with_names
from enrich.show.querying import Answer, run_file
from enrich.show.record import show_record
from enrich.show.tables import console
from enrich.show.tree import record_tree
from enrich.workspace import Workspace

SHOWN_ROWS = 100


EXAMPLES = {
    "query": "enrich query predictions --labels --format csv\nenrich query predictions --set property=place --set confidence=0.9 --set order=-confidence --set limit=20\nenrich query predictions --print > mine.rq\nenrich query mine.rq --format json",
    "show": "enrich show https://data.example.org/object/17\nenrich show 2026-11-20T02-00Z\n"
    "enrich show https://data.example.org/object/17 --explain --model model --out explanations",
}


def query(
    what: Annotated[
        str | None,
        typer.Argument(
            metavar="QUERY", help="A named query, or a .rq file; without one, the names are listed."
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
            "--labels/--no-labels",
            help="Beside ?record and ?value their names; a table of a named query has them anyway.",
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
        _print_query(what, given)
        return
    chosen = "json" if as_json else form or ("table" if sys.stdout.isatty() else "csv")
    with open_workspace() as workspace:
        answer = run_named(workspace, what, given) if named else run_file(workspace, Path(what), given)
        if form is None and answer.triples and not as_json:
            chosen = "nt"
        if names or (names is None and chosen == "table" and named):
            answer = with_names(workspace, answer)
        if chosen == "table":
            _table(answer)
        else:
            answer.write(sys.stdout, chosen)


def _print_query(name: str, given: Mapping[str, Term]) -> None:
    if name not in query_names():
        raise InputError(f"--print is for named queries, and none is called {name!r}; see: enrich query")
    with Workspace.open(CONFIG.get()) as workspace:
        sys.stdout.write(printed(workspace, name, given))


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


def _table(answer: Answer) -> None:
    if answer.truth is not None:
        sys.stdout.write(f"{answer.truth}\n")
        return
    rows = iter(answer.rows)
    shown = [[None if term is None else term.value for term in row] for row in islice(rows, SHOWN_ROWS)]
    write_table(answer.variables, shown)
    if next(rows, None) is not None:
        sys.stdout.write(f"… the first {SHOWN_ROWS}; --format csv has all\n")


def show(
    record: Annotated[
        str,
        typer.Argument(metavar="RECORD", help="The record's IRI; or a run's, or the end of it, to cite it."),
    ],
    explain: Annotated[
        bool,
        typer.Option("--explain", help="Ask the model anew, and say what each current answer went by."),
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
    with open_workspace() as workspace:
        if (run := run_meant(workspace, record)) is not None:
            _cite(cite(workspace, run.run), run, as_json)
            return
        data = show_record(workspace, named_node(record))
        if explain:
            explain_shown(workspace, data, model, out)
    if as_json:
        write_json(data)
    else:
        console().print(record_tree(data))


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
