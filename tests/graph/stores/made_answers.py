"""Answers of made servers, and stores that ask them."""

from __future__ import annotations

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores import PAGE_TOKEN
from enrich.graph.stores.remote import RemoteStore
from enrich.graph.stores.transport import Credentials, Transport
from tests.hostile_http import Answer, HostileServer, Script, results

G, P = NamedNode("http://example.org/g"), NamedNode("http://example.org/p")
SELECT = "SELECT ?s WHERE { ?s ?p ?o }"
PAGED = f"SELECT ?s WHERE {{ ?s ?p ?o {PAGE_TOKEN}\n}}"
SECRET = "s3cret-word"


def quads(count: int) -> list[Quad]:
    return [Quad(NamedNode(f"http://example.org/{n}"), P, Literal(n), G) for n in range(count)]


def rows(count: int, start: int = 0) -> bytes:
    return results(["s"], [[f"http://example.org/{n:06}"] for n in range(start, start + count)])


def store_at(server: HostileServer, *, retries: int = 2, graph_store: bool = False, timeout: float = 5.0,
             credentials: Credentials | None = None) -> RemoteStore:  # fmt: skip
    return RemoteStore(
        f"{server.url}/query?key={SECRET}",
        f"{server.url}/update",
        f"{server.url}/store" if graph_store else None,
        transport=Transport(credentials, timeout=timeout, retries=retries, backoff=0.001),
    )


def in_turn(*answers: Answer) -> Script:
    """Answers in order, the last one for ever."""
    left = list(answers)
    return lambda _: left.pop(0) if len(left) > 1 else left[0]
