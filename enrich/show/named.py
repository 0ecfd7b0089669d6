"""Run a named query: of one property or museum, of what is sure enough, in an order, and only so many rows."""

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import islice
from math import isnan
from typing import Any

from pyoxigraph import Literal, NamedNode

from enrich.classifiers.digest import short_digest
from enrich.errors import InputError
from enrich.graph.gaps import filled
from enrich.graph.stores.base import Row
from enrich.graph.stores.base import Term as Found
from enrich.graph.where import records_where
from enrich.ontology.checked import nearest
from enrich.ontology.queries import Query, named_query
from enrich.ontology.terms import ENR, XSD, Term, class_name, class_term, is_iri, named_node
from enrich.runs.shards import store_of_answers
from enrich.show.answers import Answer
from enrich.show.naming import number_of
from enrich.workspace import Workspace

FIRST, BATCH = 100, 500
"""Rows that are looked up in the facts at a time: few at first, for who wants to see the beginning."""
OWN = ("runs", "reviews", "verdicts", "accepted")
"""Parameters that stand for our own graphs: nobody sets them."""
_ROWS = ("order", "limit")
_IRIS = ("record", "prediction")
_NUMBER = re.compile(r"[+-]?(\d+|\d*\.\d+)")


def settable(query: Query) -> tuple[str, ...]:
    """What may be set of a query: first what must be."""
    asked = tuple(name for name in query.parameters if name not in OWN)
    return (*asked, *query.options, *(("museum",) if query.gaps else ()), *_ROWS)


def run_named(workspace: Workspace, name: str, given: Mapping[str, Term] | None = None) -> Answer:
    """The answer of a query that comes with the package. Raises InputError for a parameter that is missing, that the
    query does not have, or that names nothing.

    An answer whose gap the facts have filled since is left out; the query `overtaken` has it alone.
    """
    query, terms = named_query(name), dict(given or {})
    _check(workspace, query, terms)
    order, limit, museum = (terms.pop(key, None) for key in (*_ROWS, "museum"))
    names, text = workspace.names, _bound(workspace, query, terms)
    store = store_of_answers(workspace.store, names) if "enr:graph" in query.text else workspace.store
    found = store.select(text) if query.key is None else store.select_by_key(text, query.key)
    variables, rows = found.variables, iter(found.rows)
    if museum is not None:
        rows = _of_museum(workspace, variables.index("record"), rows, museum)
    if query.gaps is not None:
        rows = _of_gaps(workspace, query.gaps, variables, rows)
    if order is not None:
        rows = iter(_ordered(name, variables, rows, order.value))
    return Answer(variables, rows if limit is None else islice(rows, int(limit.value)))


def printed(workspace: Workspace, name: str, given: Mapping[str, Term] | None = None) -> str:
    """The SPARQL of a named query, with its graphs and parameters put in, to be asked anywhere. Raises InputError as
    `run_named` does, and for what is not said in SPARQL: an order, a limit, a museum."""
    query, terms = named_query(name), dict(given or {})
    _check(workspace, query, terms)
    for key in ("museum", *_ROWS):
        if key in terms:
            raise InputError(
                f"--set {key} goes with an answer; of a query that is printed add it to the text"
            )
    text = _bound(workspace, query, terms)
    note = "# Asked elsewhere it also has answers whose gap the facts have filled since.\n"
    return note + text if query.gaps == "open" else text


def _bound(workspace: Workspace, query: Query, terms: Mapping[str, Term]) -> str:
    return query.bind(**workspace.names.graphs, **terms)


def term(name: str, text: str) -> Term:
    """What `--set name=text` says to a named query. Raises InputError where the parameter is of another kind."""
    if name in ("property", "order"):
        return Literal(text)
    if name == "limit":
        return _number(name, text, "a whole number from 1", lambda n: n.isdigit() and int(n) > 0)
    if name == "confidence":
        return _number(name, text, "a number from 0 to 1", lambda n: 0 <= float(n) <= 1)
    if name in _IRIS:
        return named_node(text)
    if name == "state" and text.isalpha():
        return ENR[text]
    return any_term(text)


def any_term(text: str) -> Term:
    """An IRI, a number, a literal as N-Triples spell it, or else the words as they are."""
    if text.startswith('"') or is_iri(text):
        return class_term(text)
    return _decimal(text) if _NUMBER.fullmatch(text) else Literal(text)


def _number(name: str, text: str, kind: str, fits: Callable[[str], bool]) -> Literal:
    if not _NUMBER.fullmatch(text) or not fits(text):
        raise InputError(f"--set {name}={text}: {name} is {kind}")
    return _decimal(text)


def _decimal(text: str) -> Literal:
    return Literal(text, datatype=XSD.decimal if "." in text else XSD.integer)


def _check(workspace: Workspace, query: Query, terms: Mapping[str, Term]) -> None:
    known = settable(query)
    for key in query.parameters:
        if key not in (*OWN, *terms):
            raise InputError(f"the query {query.name} asks about one {key}; add --set {key}=IRI")
    for key in terms:
        if key not in known:
            raise InputError(
                f"the query {query.name} has no parameter {key!r}{nearest(key, known)}; it has: {', '.join(known)}"
            )
    properties = [p.name for p in workspace.profile.properties] if "property" in terms else []
    if "property" in terms and (asked := terms["property"].value) not in properties:
        raise InputError(f"the profile has no property {asked!r}; it has: {', '.join(properties)}")


def _of_museum(workspace: Workspace, at: int, rows: Iterator[Row], museum: Term) -> Iterator[Row]:
    """The rows about a museum's records. Raises InputError where the profile knows no museum, or nothing is of this one."""
    context = workspace.profile.museum
    if not context:
        raise InputError(f"the profile {workspace.profile.name} names no museum: set its key `museum`")
    where = f"{context}={class_name(museum)}"
    records = {short_digest(record.value) for record in records_where(workspace.reader, [where])}
    if not records:
        raise InputError(f"no record has {where}: give the museum as the graph writes it")
    return (row for row in rows if isinstance(r := row[at], NamedNode) and short_digest(r.value) in records)


def _of_gaps(
    workspace: Workspace, wanted: str, variables: Sequence[str], rows: Iterator[Row]
) -> Iterator[Row]:
    """The rows about gaps that are "open" to this day, or those about "filled" ones, each with the facts that fill it."""
    record, name = variables.index("record"), variables.index("property")
    size = FIRST
    while batch := list(islice(rows, size)):
        size = BATCH
        gaps = [(r, n.value) for row in batch if isinstance(r := row[record], NamedNode) and (n := row[name])]
        stated = filled(workspace.reader, gaps)
        for row in batch:
            facts = stated.get((_text(row[record]), _text(row[name])))
            if wanted == "open" and facts is None:
                yield row
            elif wanted == "filled" and facts is not None:
                yield from _with_facts(variables, row, facts)


def _with_facts(variables: Sequence[str], row: Row, facts: Sequence[str]) -> Iterator[Row]:
    """The row with the fact that agrees with it; without one, once for each fact that does not."""
    value = row[variables.index("value")]
    predicted = class_name(value) if isinstance(value, NamedNode | Literal) else ""
    wanted: Sequence[str | None] = [predicted] if predicted in facts else facts or [None]
    for fact in wanted:
        agrees = None if fact is None else Literal(fact == predicted)
        told = {"fact": None if fact is None else class_term(fact), "agrees": agrees}
        yield tuple(told.get(variable, said) for variable, said in zip(variables, row, strict=True))


def _text(term: Found | None) -> str:
    return "" if term is None else term.value


def _ordered(name: str, variables: Sequence[str], rows: Iterable[Row], order: str) -> list[Row]:
    """The rows by some columns, such as `property,-confidence` (from the greatest); ties by the whole row."""
    places = [(key.removeprefix("-"), key.startswith("-")) for key in order.split(",")]
    for key, _ in places:
        if key not in variables:
            raise InputError(
                f"the query {name} has no column {key!r} to order by; it has: {', '.join(variables)}"
            )
    found = sorted(rows, key=lambda row: [*map(_text, row)])
    for key, down in reversed(places):
        found.sort(key=lambda row, at=variables.index(key): _rank(row[at]), reverse=down)  # type: ignore[misc]
    return found


def _rank(term: Found | None) -> tuple[int, Any]:
    """Nothing first, then numbers by value, then all else by text."""
    if term is None:
        return 0, 0
    number = number_of(term)
    return (2, term.value) if number is None or isnan(number) else (1, number)
