"""The protocol that every store follows, and the RDF terms that cross it."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Protocol, Self, runtime_checkable

from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad

Term = NamedNode | BlankNode | Literal
Row = tuple[Term | None, ...]
"""One solution, in the order of the query's variables; None where a variable is unbound."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The solutions of a SELECT as they come, each in the order of `variables`; they are read once."""

    variables: tuple[str, ...]
    rows: Iterator[Row]

    def __iter__(self) -> Iterator[Row]:
        return self.rows

    def __next__(self) -> Row:
        return next(self.rows)


def first_of(rows: Iterable[Row]) -> Term | None:
    """The first term of the first row, such as a count; None for no row."""
    return next((row[0] for row in rows), None)


PAGE_TOKEN = "#PAGE#"
"""Where `select_by_key` may put its FILTER. Left alone it is a SPARQL comment to the end of its line."""
JOINED_AS_WRITTEN = "# joins: as written\n"
"""A comment at the head of a query that a server with a bad plan is to join in the order in which it is written."""


DEFAULT_GRAPH = NamedNode("urn:x-arq:DefaultGraph")
"""The store's default graph in a FROM clause, as Jena writes it; the embedded store understands it too."""


@dataclass(frozen=True, slots=True)
class Health:
    """What a store says of itself: whether it can be read and written, what it is, what was wrong."""

    readable: bool
    writable: bool
    description: str
    problem: str | None = None


@runtime_checkable
class Store(Protocol):
    """A triplestore. Queries are SPARQL 1.1 text made of typed terms (see `ontology.terms`).

    A pattern outside GRAPH may see the union of the named graphs or the default graph alone: servers
    differ, so queries name their graphs. Every method but `health` raises StoreError: StoreUnavailable
    when another try may help, QueryRefused when it would not. InputError is raised before anything is
    sent for a term that the store is known to lose or to alter.
    """

    @property
    def exclusive(self) -> bool:
        """Whether no other process can write to the store while this one holds it."""

    @property
    def paged(self) -> bool:
        """Whether the server caps its answers: `select_by_key` then goes page by page, in the order of the key."""

    def select(self, query: str) -> Rows:
        """Stream the solutions. Raises ResultTruncated, at the end at the latest, when the server cut the answer.

        An error in the query or an absent server shows at the call; a body cut short shows while
        reading, as StoreUnavailable. Read a stream in the
        thread that asked for it, and without long pauses: a remote server may hang up.
        """

    def select_by_key(self, query: str, key: str, page: int | None = None) -> Rows:
        """Stream all solutions of a SELECT whose variable `key` is an IRI, whatever the server's cap.

        The query holds the token `#PAGE#` where a FILTER may stand, inside the WHERE clause, and has no
        ORDER BY nor LIMIT. `key` is one of the variables selected. A store that streams runs it once
        (rows in no order); a capped server, or any remote one when `page` is given, is asked page by
        page, in the order of the key. A key with as many rows as a page raises ResultTruncated.
        """

    def ask(self, query: str) -> bool:
        """Whether the pattern has a solution."""

    def construct(self, query: str) -> Iterator[Quad]:
        """Stream the triples of a CONSTRUCT (as quads of the default graph)."""

    def update(self, update: str, *, idempotent: bool = False) -> None:
        """Run a SPARQL update, in one transaction where the store has them.

        `idempotent` says that running it twice is the same as once: a remote store then tries again
        when it cannot know whether the first try was carried out.
        """

    def insert(self, quads: Iterable[Quad], *, bulk: bool = False) -> None:
        """Add quads: nothing is added twice, and a blank node is one node within a call.

        The embedded store writes all or nothing. A remote store writes each graph in requests that the
        server takes, so a failure may leave a part written; the same call again completes it. `bulk` is
        for files: quads are read as a stream and not all held in memory.
        """

    def objection(self, quad: Quad) -> str | None:
        """Why this store would lose or alter the quad, which `insert` refuses; None when it holds it.

        Numbers and dates are kept by value: "01"^^xsd:integer may come back as "1".
        """

    def write_graph(self, graph: NamedNode, triples: bytes) -> None:
        """Add N-Triples without blank nodes to a graph: the fast way to write a shard.

        Not one transaction: a failure may leave a part, so nothing may name the graph before this returns.
        The same call again completes it.
        """

    def fingerprint(self, graph: NamedNode | DefaultGraph, copy: IO[bytes] | None = None) -> str | None:
        """SHA-256 of the graph's N-Triples as the store orders them: the same digest, the same triples.

        They are written to `copy` too; what cannot be written there is left out, and the file's own digest tells.

        Streamed, in constant memory. None where it cannot be told: a server without a Graph Store address,
        or one that gives only a part of the graph. A graph written anew may have another digest.
        """

    def drop(self, graph: NamedNode) -> None:
        """Drop a named graph; no error when there is none."""

    def dump(self, target: IO[bytes], graph: NamedNode | None = None) -> None:
        """Write N-Quads (or the N-Triples of one graph), in no particular order.

        A remote store writes its named graphs only, and renames blank nodes page by page.
        """

    def count(self, graph: NamedNode | None = None) -> int:
        """Triples in a graph, or quads in the store (a remote one counts its named graphs only)."""

    def graphs(self, *, beside: str | None = None) -> list[NamedNode]:
        """The named graphs that hold something, sorted; not those a server keeps for itself.

        Those whose IRI begins with `beside` (ours, say) are left out, however many they are.
        """

    def health(self) -> Health:
        """Whether the store answers and can be written to; never raises."""

    def close(self) -> None:
        """Let the store go."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
