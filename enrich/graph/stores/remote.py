"""The remote store: any SPARQL 1.1 endpoint, with a Graph Store URL where it has one."""

import contextlib
import itertools
from collections import deque
from collections.abc import Iterable, Iterator
from typing import IO, Any, TypeVar, cast
from urllib.parse import urlencode

import pyoxigraph as ox
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad

from enrich.errors import EnrichError, InputError, QueryRefused, ResultTruncated, StoreError, StoreUnavailable
from enrich.graph.stores import virtuoso
from enrich.graph.stores.base import JOINED_AS_WRITTEN, PAGE_TOKEN, Health, Row, Rows, Store, Term
from enrich.graph.stores.capping import PROBE_ROWS, RowCap
from enrich.graph.stores.embedded import Digest, named, one_line
from enrich.graph.stores.pieces import Batch, Graph, batches, line_batches
from enrich.graph.stores.transport import Body, Transport, checked_url, redact_credentials

T = TypeVar("T")
RESULTS = "application/sparql-results+json, application/sparql-results+xml;q=0.8"
TRIPLES = "application/n-triples, text/turtle;q=0.5"
HEAD_ITEMS = 5_000
"""So many rows are read before the first is given out, so that a short answer cut off is asked again."""


class RemoteStore(Store):
    """A SPARQL endpoint at `query_url`; read only when it has neither an update nor a graph store URL.

    JSON results are asked for: JSON says where it ends, so an answer cut short is never believed, and
    it is the one format in which Virtuoso gives every literal back as it was.
    """

    def __init__(
        self,
        query_url: str,
        update_url: str | None = None,
        graph_store_url: str | None = None,
        *,
        transport: Transport | None = None,
        update_lines: int = 1_000,
        post_lines: int = 10_000,
    ) -> None:
        self.query_url = checked_url(query_url, "store.query_url")
        self.update_url = checked_url(update_url, "store.update_url") if update_url else None
        self.graph_store_url = (
            checked_url(graph_store_url, "store.graph_store_url") if graph_store_url else None
        )
        self.transport = transport or Transport()
        self.cap = RowCap(self._select, self._number)
        self._lines = post_lines if graph_store_url else update_lines
        self._size = 4_000_000 if graph_store_url else 500_000
        self._where = redact_credentials(query_url)

    # Reading

    @property
    def exclusive(self) -> bool:
        return False

    @property
    def paged(self) -> bool:
        return self.cap.learn() is not None

    def select(self, query: str) -> Rows:
        found = self._select(query)
        return Rows(found.variables, self.cap.checked(found.rows, query))

    def select_by_key(self, query: str, key: str, page: int | None = None) -> Rows:
        cap = self.cap.learn()
        if page is None and cap is None:
            return self.select(query.replace(PAGE_TOKEN, ""))
        if PAGE_TOKEN not in query:
            raise QueryRefused(f"the query holds no {PAGE_TOKEN}, where a page's FILTER would stand")
        most = min(page or cap or PROBE_ROWS, cap or PROBE_ROWS)
        variables, rows = self._pages(query, key.lstrip("?$"), most)
        return Rows(variables, rows)

    def ask(self, query: str) -> bool:
        def read(body: Body) -> bool:
            with body:
                answer = self._results(body)
                if not isinstance(answer, ox.QueryBoolean):
                    raise QueryRefused(f"{self._where}: the query is not an ASK")
                return bool(answer)

        return self.transport.query(self.query_url, query, RESULTS, read)

    def construct(self, query: str) -> Iterator[Quad]:
        return self.cap.checked_construct(self._construct(query), query)

    def _construct(self, query: str) -> Iterator[Quad]:
        """The triples as they come, be they all or not."""

        def read(body: Body) -> Iterator[Quad]:
            rdf_format = ox.RdfFormat.from_media_type(body.media_type)
            if rdf_format is None:
                raise StoreUnavailable(
                    f"{body.where} answered {body.media_type}, not RDF; check store.query_url"
                )
            if not body.framed:
                raise StoreError(f"{body.where} does not mark the end of its answers; they cannot be trusted")
            triples = ox.parse(cast(IO[bytes], body), rdf_format)
            return self._stream(body, iter(triples))

        return self.transport.query(self.query_url, query, TRIPLES, read)

    def count(self, graph: NamedNode | None = None) -> int:
        """Triples in a graph, or in all the named graphs (the default graph is not counted)."""
        if graph is None:
            return sum(self.count(name) for name in self.graphs())
        return self._triples(graph)

    def graphs(self, *, beside: str | None = None) -> list[NamedNode]:
        ours = f" FILTER(!STRSTARTS(STR(?g), {Literal(beside)}))" if beside else ""
        query = f"SELECT DISTINCT ?g WHERE {{ GRAPH ?g {{ ?s ?p ?o }}{ours} {PAGE_TOKEN}\n}}"
        names = [row[0] for row in self.select_by_key(query, "g") if isinstance(row[0], NamedNode)]
        if self._is_virtuoso():
            names = [name for name in names if not name.value.startswith(virtuoso.OWN_GRAPHS)]
        return sorted(names, key=lambda name: name.value)

    def dump(self, target: IO[bytes], graph: NamedNode | None = None) -> None:
        """Write the named graphs (the default graph is left out), page by page where rows are capped."""
        for name in [graph] if graph is not None else self.graphs():
            query = f"SELECT ?s ?p ?o WHERE {{ GRAPH {name} {{ ?s ?p ?o }} {PAGE_TOKEN} }}"
            end = " .\n" if graph is not None else f" {name} .\n"
            for subject, predicate, value in self.select_by_key(query, "s"):
                target.write(f"{subject} {predicate} {value}{end}".encode())

    def health(self) -> Health:
        try:
            self.ask("ASK { ?s ?p ?o }")
            problem = None
        except EnrichError as error:
            return Health(False, False, self._description(), str(error))
        if not self.update_url:
            return Health(True, False, self._description(), "no update_url is set: read only")
        probe = NamedNode("urn:enrich:health")
        try:
            self.update(f"DELETE DATA {{ GRAPH {probe} {{ {probe} {probe} {probe} }} }}", idempotent=True)
        except EnrichError as error:
            problem = str(error)
        return Health(True, problem is None, self._description(), problem)

    # Writing

    def update(self, update: str, *, idempotent: bool = False) -> None:
        if self.update_url is None:
            raise StoreError(f"{self._where} is read only here; set store.update_url to write to it")
        self.transport.update(self.update_url, update, idempotent=idempotent)

    def insert(self, quads: Iterable[Quad], *, bulk: bool = False) -> None:  # noqa: ARG002
        there: dict[Graph, int | None] = {}
        for batch in batches(self._holdable(quads), lines=self._lines, size=self._size):
            if batch.ground:
                self._write(batch)
                continue
            before = there[batch.graph] if batch.graph in there else self._triples_if_told(batch.graph)
            try:
                self._write(batch)
            except StoreUnavailable:  # written twice, its blank nodes would be two: look whether it was
                if before is None or self._triples(batch.graph) == before:
                    raise
            there[batch.graph] = None if before is None else before + len(set(batch.lines))

    def write_graph(self, graph: NamedNode, triples: bytes) -> None:
        if self._is_virtuoso():
            quads = ox.parse(triples, ox.RdfFormat.N_TRIPLES)
            deque(self._holdable(named(quads, graph)), maxlen=0)
        for batch in line_batches(triples, graph, lines=self._lines, size=self._size):
            self._write(batch)

    def fingerprint(self, graph: NamedNode | DefaultGraph, copy: IO[bytes] | None = None) -> str | None:
        if not self.graph_store_url:
            return None
        without = isinstance(graph, DefaultGraph) and self._is_virtuoso()  # it has none
        there = 0 if without else self._triples(graph)
        if not there:
            return Digest().sha256.hexdigest()  # a server answers 404 for such a graph

        def read(body: Body) -> Digest | None:
            digest = Digest(copy)
            if copy is not None:  # another try
                copy.seek(0)
                copy.truncate()
            with body:
                if body.media_type != "application/n-triples" or not body.framed:
                    return None
                while data := body.read(1 << 16):
                    digest.write(data)
            return digest

        try:
            digest = self.transport.get(self._graph_url(graph), "application/n-triples", read)
        except (QueryRefused, ResultTruncated):
            return None
        return digest.sha256.hexdigest() if digest is not None and digest.lines == there else None

    def drop(self, graph: NamedNode) -> None:
        # Oxigraph does not list a graph that was written to while it was dropped, and drops none that it does not list.
        self.update(f"DROP SILENT GRAPH {graph};DELETE WHERE {{GRAPH {graph} {{?s ?p ?o}}}}", idempotent=True)

    def objection(self, quad: Quad) -> str | None:
        return virtuoso.objection(quad) if self._is_virtuoso() else None

    def described(self, seconds: float) -> dict[str, Any]:
        """The arguments of `open_store` by which another process asks the same server, and waits so long for it.

        Virtuoso is told to end a query by then: it gives a part of the answer, and says so. Others cannot be told.
        """
        url = self.query_url
        if self._is_virtuoso():
            url += f"{'&' if '?' in url else '?'}timeout={round(seconds * 1000)}"
        known = self.transport.credentials
        secrets = {"auth": known.auth, "user": known.user, "password": known.password, "token": known.token}
        return {"query_url": url, **secrets, "timeout": seconds, "retries": 0}

    def close(self) -> None:
        self.transport.close()

    # Within

    def _select(self, query: str) -> Rows:
        """The rows as they come, be they all or not."""

        def read(body: Body) -> Rows:
            solutions = self._results(body)
            if not isinstance(solutions, ox.QuerySolutions):
                raise QueryRefused(f"{self._where}: the query is not a SELECT")
            most = body.headers.get("X-SPARQL-MaxRows", "")
            if most.isdigit():
                self.cap.lower(int(most))
            variables = tuple(variable.value for variable in solutions.variables)
            rows: Iterator[Row] = map(tuple, solutions)
            if self.transport.server.startswith("Virtuoso"):
                rows = map(_spelt, rows)
            try:
                return Rows(variables, self._stream(body, rows))
            finally:
                del rows, solutions  # a traceback must not keep them, see `_stream`

        if JOINED_AS_WRITTEN in query and self._is_virtuoso():
            query = virtuoso.joined_as_written(query)
        return self.transport.query(self.query_url, query, RESULTS, read)

    def _results(self, body: Body) -> ox.QuerySolutions | ox.QueryBoolean:
        """What a body of SPARQL results holds."""
        found = ox.QueryResultsFormat.from_media_type(body.media_type)
        if body.media_type in ("application/json", "text/javascript"):
            found = ox.QueryResultsFormat.JSON
        if found is None or (found == ox.QueryResultsFormat.TSV and not body.framed):
            raise StoreUnavailable(
                f"{body.where} answered {body.media_type}, not SPARQL results; check store.query_url"
            )
        with self._parsing(body):
            return ox.parse_query_results(self._source(body), found)

    def _stream(self, body: Body, items: Iterator[T]) -> Iterator[T]:
        """Read the first items now, and the rest as they are asked for; the body is closed at the end."""

        def rest() -> Iterator[T]:
            nonlocal items
            try:
                with self._parsing(body):
                    yield from items
            finally:
                body.close()
                items = iter(())  # pyoxigraph's results must be dropped by the thread that made them

        following = rest()
        head = list(itertools.islice(following, HEAD_ITEMS))
        return itertools.chain(head, following)

    @contextlib.contextmanager
    def _parsing(self, body: Body) -> Iterator[None]:
        """A body that is found to be cut or garbled within raises StoreUnavailable."""
        try:
            yield
        except (SyntaxError, ValueError, OSError) as error:
            if body.problem is not None:
                raise body.problem from None
            words = self.transport.credentials.hide(one_line(error))
            raise StoreUnavailable(f"{body.where} cut its answer short or garbled it ({words})") from error

    def _pages(self, query: str, key: str, page: int) -> tuple[tuple[str, ...], Iterator[Row]]:
        """Pages in the order of the key. The last key of a page may go on in the next, and waits for it.

        The end is an empty page, never a short one: a cap may lie below the page asked for. The filter
        compares STR(?key) with STR(<last>): with a plain string Virtuoso loses rows of non-ASCII IRIs,
        and with the IRI itself it loses others.
        """

        def asked(last: Term | None) -> tuple[tuple[str, ...], list[Row]]:
            after = f"FILTER(STR(?{key}) > STR({self._iri(last)}))" if last is not None else ""
            found = self._select(f"{query.replace(PAGE_TOKEN, after)} ORDER BY STR(?{key}) LIMIT {page}")
            if key not in found.variables:
                raise QueryRefused(f"the query does not select ?{key}, by which it is to be paged")
            return found.variables, list(found)

        variables, first = asked(None)
        column = variables.index(key)

        def rows(found: list[Row]) -> Iterator[Row]:
            while found:
                keys = [row[column] for row in found]
                whole = len(found) if keys[0] == keys[-1] else keys.index(keys[-1])
                if keys[0] == keys[-1] and (len(found) >= page or len(found) == self.cap.rows):
                    raise ResultTruncated(
                        f"{keys[0]} has {len(found):,} rows or more, as many as {self._where} gives at once"
                    )
                yield from found[:whole]
                _, found = asked(keys[whole - 1])

        return variables, rows(first)

    def _iri(self, key: Term) -> str:
        """The IRI to go on from; Virtuoso has one for a blank node as well."""
        if isinstance(key, NamedNode):
            return str(key)
        if isinstance(key, BlankNode) and self._is_virtuoso():
            return f"<{virtuoso.BLANK_NODE}{key.value}>"
        raise QueryRefused(f"{key} is not an IRI, and the answer of {self._where} cannot be paged by it")

    def _source(self, body: Body) -> IO[bytes]:
        if self.transport.server.startswith("Virtuoso"):
            return cast(IO[bytes], virtuoso.PlainBlankNodes(body.read))
        return cast(IO[bytes], body)

    def _number(self, query: str) -> int:
        for row in self._select(query):
            if row and isinstance(row[0], Literal):
                return int(row[0].value)
        raise StoreError(f"{self._where} did not answer a count")

    def _holdable(self, quads: Iterable[Quad]) -> Iterator[Quad]:
        check = self._is_virtuoso()
        for quad in quads:
            if check and (why := virtuoso.objection(quad)):
                raise InputError(f"{self._where} cannot hold a triple of {quad.subject}: {why}")
            yield quad

    def _triples(self, graph: NamedNode | DefaultGraph) -> int:
        pattern = "?s ?p ?o" if isinstance(graph, DefaultGraph) else f"GRAPH {graph} {{ ?s ?p ?o }}"
        return self._number(f"SELECT (COUNT(*) AS ?rows) WHERE {{ {pattern} }}")

    def _write(self, batch: Batch) -> None:
        """Write a piece; in halves when it is refused, the last triple by update if it must be."""
        try:
            if self.graph_store_url:
                self.transport.post(self._graph_url(batch.graph), batch.text(), idempotent=batch.ground)
            else:
                self._insert_data(batch)
        except QueryRefused:
            if batch.ground and len(batch.lines) > 1:
                for half in batch.halves():
                    self._write(half)
            elif self.graph_store_url and self.update_url:
                self._insert_data(batch)
            else:
                raise

    def _triples_if_told(self, graph: Graph) -> int | None:
        try:
            return self._triples(graph)
        except QueryRefused:
            return None

    def _graph_url(self, graph: Graph) -> str:
        name = "default" if isinstance(graph, DefaultGraph) else urlencode({"graph": graph.value})
        return f"{self.graph_store_url}{'&' if '?' in str(self.graph_store_url) else '?'}{name}"

    def _insert_data(self, batch: Batch) -> None:
        """INSERT DATA; where there are blank nodes INSERT … WHERE, for Virtuoso takes none in the former."""
        data = batch.text()
        if not isinstance(batch.graph, DefaultGraph):
            data = f"GRAPH {batch.graph} {{ {data} }}"
        verb, where = ("INSERT DATA", "") if batch.ground else ("INSERT", "WHERE {}")
        self.update(f"{verb} {{ {data} }} {where}", idempotent=batch.ground)

    def _is_virtuoso(self) -> bool:
        if not self.transport.server:
            with contextlib.suppress(QueryRefused):  # its name comes with a refusal as well
                self.ask("ASK { ?s ?p ?o }")
        return self.transport.server.startswith("Virtuoso")

    def _description(self) -> str:
        return f"{self.transport.server or 'SPARQL endpoint'} at {self._where}"


def _spelt(row: Row) -> Row:
    """The row with booleans as true and false: Virtuoso writes 1 and 0 in JSON."""
    return tuple(_BOOLEANS.get(term, term) if isinstance(term, Literal) else term for term in row)


_BOOLEAN = NamedNode("http://www.w3.org/2001/XMLSchema#boolean")
_BOOLEANS = {
    Literal("1", datatype=_BOOLEAN): Literal("true", datatype=_BOOLEAN),
    Literal("0", datatype=_BOOLEAN): Literal("false", datatype=_BOOLEAN),
}
