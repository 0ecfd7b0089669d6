"""A made server that behaves as Fuseki over TDB2 and QLever are said to, for where none can be installed.

- The default graph of a query is the union of the named graphs, with `tdb2:unionDefaultGraph`
  (https://jena.apache.org/documentation/tdb/datasets.html); here, as in QLever, what stands in the default graph
  itself is in the union too, and `GRAPH ?g` does not find it (https://github.com/ad-freiburg/qlever/issues/1776,
  https://github.com/ad-freiburg/qlever/issues/3040).
- What does not parse, an update too, is answered with 400 and the parser's words as text
  (https://github.com/ssrangan/gm-sparql/issues/1).
- Blank nodes have labels that hold in one answer only: `b0`, `b1`, … (https://github.com/apache/jena/issues/1997)
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
from pyoxigraph import BlankNode, DefaultGraph, NamedNode

from enrich.graph.stores.base import Row, Term
from enrich.ontology.sparql import words
from enrich.show.answers import Answer as QueryAnswer
from tests.hostile_http import Answer, HostileServer, Request, hostile_server


class Labels:
    """Labels of blank nodes, for one answer."""

    def __init__(self) -> None:
        self._given: dict[BlankNode, BlankNode] = {}

    def of(self, term: Term | None) -> Term | None:
        if not isinstance(term, BlankNode):
            return term
        return self._given.setdefault(term, BlankNode(f"b{len(self._given)}"))


@contextmanager
def jena_like() -> Iterator[HostileServer]:
    """The server, empty, at `/query` and `/update`."""
    store = ox.Store()

    def script(request: Request) -> Answer:
        try:
            if request.path == "/update":
                store.update(request.text)
                return Answer(204)
            if request.path.startswith("/store"):
                return graph_store(store, request)
            union = "FROM" not in words(request.text)
            return answered(store.query(request.text, use_default_graph_as_union=union))
        except (SyntaxError, ValueError) as error:
            return Answer(
                400, f"Parse error: {error}".encode(), "text/plain", {"Server": "Apache Jena Fuseki"}
            )

    with hostile_server(script) as server:
        yield server


def graph_store(store: ox.Store, request: Request) -> Answer:
    """The Graph Store Protocol: a graph is got, or added to."""
    asked = parse_qs(urlsplit(request.path).query)
    graph = NamedNode(asked["graph"][0]) if "graph" in asked else DefaultGraph()
    if request.method == "GET":
        quads = store.quads_for_pattern(None, None, None, graph)
        body = "".join(f"{q.subject} {q.predicate} {q.object} .\n" for q in quads).encode()
        return Answer(body=body, media_type="application/n-triples")
    store.load(request.body, ox.RdfFormat.TURTLE, to_graph=graph)
    return Answer(204)


def answered(found: ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples) -> Answer:
    """What was found, with labels of this answer alone."""
    labels = Labels()
    if isinstance(found, ox.QueryBoolean):
        return Answer(body=found.serialize(format=ox.QueryResultsFormat.JSON) or b"")
    if isinstance(found, ox.QueryTriples):
        lines = (f"{labels.of(t.subject)} {t.predicate} {labels.of(t.object)} .\n" for t in found)  # type: ignore[arg-type]
        return Answer(body="".join(lines).encode(), media_type="application/n-triples")
    names = tuple(variable.value for variable in found.variables)
    rows: Iterable[Row] = (tuple(map(labels.of, row)) for row in found)
    out = io.StringIO()
    QueryAnswer(names, rows).write(out, "json")
    return Answer(body=out.getvalue().encode())
