"""Run a query file, read-only."""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.errors import InputError, ProfileError, QueryRefused
from enrich.graph.stores.base import Row, Term
from enrich.ontology.checked import nearest
from enrich.ontology.queries import parse_query, query_names
from enrich.ontology.sparql import UPDATES, clauses, services, words
from enrich.ontology.terms import OntologyError
from enrich.ontology.terms import Term as Given
from enrich.show.answers import Answer
from enrich.workspace import Workspace


def run_file(workspace: Workspace, path: Path, terms: Mapping[str, Given] | None = None) -> Answer:
    """The answer of a SPARQL 1.1 query file (see `run_text`)."""
    try:
        text = sys.stdin.read() if str(path) == "-" else path.read_text(encoding="utf-8-sig")
    except FileNotFoundError as error:
        known = ", ".join(query_names())
        raise InputError(f"no query and no file is called {str(path)!r}; queries: {known}") from error
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path} cannot be read: {error}") from error
    return run_text(workspace, text, str(path), terms)


def run_text(workspace: Workspace, text: str, where: str, terms: Mapping[str, Given] | None = None) -> Answer:
    """The answer of a SPARQL 1.1 query, called `where` in what is wrong with it, `$name` bound to the term of that name.
    Raises InputError for anything but SELECT, ASK and CONSTRUCT, and for a term that the query does not ask for.

    What a query without FROM and GRAPH asks, it asks of the museum's facts, in whatever graphs they are.
    A SERVICE that the settings do not allow is refused; nothing is executed to find it.
    """
    if not text.strip():
        raise InputError(f"{where} is empty; it should hold a SELECT, an ASK or a CONSTRUCT")
    text = _bound(text, where, terms or {})
    form = _checked_form(text, where, workspace.settings.store.services)
    text = of_the_facts(text, workspace)
    store = workspace.store
    try:
        if form == "ASK":
            return Answer((), (), truth=store.ask(text))
        if form == "SELECT":
            rows = store.select(text)
            return Answer(rows.variables, rows)
        triples = _triples(store.construct(text))
        return Answer(("subject", "predicate", "object"), triples, triples=True)
    except QueryRefused as error:
        raise InputError(f"{where} is not a SPARQL 1.1 query that the store answers: {error}") from error


def _bound(text: str, where: str, terms: Mapping[str, Given]) -> str:
    """The query with the terms for some of its `$name` variables; the others stay variables."""
    query = parse_query(where, text)
    for name in terms:
        if name not in (*query.parameters, *query.options):
            raise InputError(f"{where} has no ${name} to set{nearest(name, query.parameters)}")
    given = tuple(name for name in query.parameters if name in terms)
    return replace(query, parameters=given).bind(**terms)


def _checked_form(text: str, where: str, allowed: Sequence[str]) -> str:
    """SELECT, ASK, CONSTRUCT or DESCRIBE. Raises InputError for an update, and for a SERVICE not allowed."""
    form = clauses(text).form
    if form in UPDATES:
        raise InputError(f"{where} is an update; enrich query only reads (SELECT, ASK, CONSTRUCT)")
    if form not in ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE"):
        raise InputError(f"{where} is not a SPARQL 1.1 query; it begins with SELECT, ASK or CONSTRUCT")
    for endpoint in services(text):
        if endpoint is None or endpoint not in allowed:
            asked = f"<{endpoint}>" if endpoint else "a server that is not written as <IRI>"
            raise InputError(
                f"{where} would ask another server (SERVICE): {asked}; add its address to store.services in "
                "enrich.toml to allow it"
            )
    return form


def of_the_facts(text: str, workspace: Workspace) -> str:
    """The query over the union of the facts, when it says neither FROM nor GRAPH."""
    if words(text) & {"FROM", "GRAPH"}:
        return text
    try:
        dataset = workspace.reader.dataset
    except (OntologyError, ProfileError):
        return text
    return clauses(text).text(datasets=dataset) if dataset else text


def _triples(quads: Iterable[Quad]) -> Iterator[Row]:
    for quad in quads:
        yield _term(quad.subject), quad.predicate, _term(quad.object)


def _term(term: object) -> Term:
    if isinstance(term, NamedNode | BlankNode | Literal):
        return term
    raise InputError(f"a triple that holds a triple cannot be written: {str(term)[:200]}")
