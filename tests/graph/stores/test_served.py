"""A store on disk that one process holds and serves to the others."""

from __future__ import annotations

import io
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx2 as httpx
import pytest
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad

from enrich.errors import StoreError, StoreHeld, StoreUnavailable
from enrich.graph.stores import open_store
from enrich.graph.stores.base import DEFAULT_GRAPH
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
from enrich.graph.stores.served import ServedStore, StoreService, service_of
from tests.hostile_http import Answer, Request, hostile_server
from tests.servers import free_port

A, B, P = (NamedNode(f"http://example.org/{name}") for name in "abp")
G, H = NamedNode("http://example.org/graph/g"), NamedNode("http://example.org/graph/h")
QUADS = [
    Quad(A, P, Literal("nowhere"), DefaultGraph()),
    Quad(A, P, Literal("in g", language="en"), G),
    Quad(B, P, BlankNode("x"), G),
    Quad(B, P, Literal("tab\there, line\nthere, \u00e9\U0001f5bc"), H),
]
HOLD = """
import sys, time
from pathlib import Path
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
with EmbeddedStore(Path(sys.argv[1]), shared=True) as store, hosted(store):
    print("held", flush=True)
    time.sleep(600)
"""


@pytest.fixture
def held(tmp_path: Path) -> Iterator[EmbeddedStore]:
    """A store that this process holds and serves."""
    with EmbeddedStore(tmp_path / "store", shared=True) as store, hosted(store):
        yield store


def there(held: EmbeddedStore) -> Path:
    assert held.path is not None
    return held.path


def test_who_opens_it_meanwhile_works_with_it(held: EmbeddedStore) -> None:
    """Given a store that is served, when another opens it, then each sees what the other writes."""
    with open_store(path=there(held)) as other:
        assert isinstance(other, ServedStore)
        other.insert(QUADS)
        assert held.count() == other.count() == 4
        held.drop(H)
        assert other.graphs() == held.graphs() == [G]
    assert not held.exclusive, "others write as well, so nothing may take it for granted that it is alone"


@pytest.mark.parametrize(
    "query",
    [
        "SELECT ?o WHERE { ?s ?p ?o }",
        f"SELECT ?o FROM {DEFAULT_GRAPH} WHERE {{ ?s ?p ?o }}",
        f"SELECT ?o FROM {G} WHERE {{ ?s ?p ?o }}",
        f"SELECT ?o FROM {DEFAULT_GRAPH} FROM {G} FROM {H} WHERE {{ ?s ?p ?o }}",
        f"SELECT ?o FROM {DEFAULT_GRAPH} FROM NAMED {H} WHERE {{ {{ ?s ?p ?o }} UNION {{ GRAPH ?g {{ ?s ?p ?o }} }} }}",
        "SELECT ?g ?o WHERE { GRAPH ?g { ?s ?p ?o } }",
    ],
)
def test_the_default_graph_is_seen_alike(held: EmbeddedStore, query: str) -> None:
    held.insert(QUADS)
    with open_store(path=there(held)) as other:
        assert sorted(map(str, other.select(query))) == sorted(map(str, held.select(query))) != []


def test_digests_and_dumps_are_those_of_the_store(held: EmbeddedStore) -> None:
    held.insert(QUADS)
    with open_store(path=there(held)) as other:
        for graph in (G, H, DefaultGraph()):
            assert other.fingerprint(graph) == held.fingerprint(graph)
        for name in (None, G):
            dumped = [io.BytesIO(), io.BytesIO()]
            held.dump(dumped[0], name)
            other.dump(dumped[1], name)
            assert dumped[0].getvalue() == dumped[1].getvalue() != b""


def test_a_large_answer_streams(held: EmbeddedStore) -> None:
    held.insert(Quad(NamedNode(f"http://example.org/{n}"), P, Literal(n), G) for n in range(30_000))
    with open_store(path=there(held)) as other:
        assert sum(1 for _ in other.select(f"SELECT ?s ?o WHERE {{ GRAPH {G} {{ ?s {P} ?o }} }}")) == 30_000


def test_the_address_is_for_its_owner_and_goes_with_the_holder(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with EmbeddedStore(path, shared=True) as store, hosted(store) as service:
        assert StoreService.file(path).stat().st_mode & 0o777 == 0o600
        assert StoreService.of(path) == service
    assert not StoreService.file(path).exists()


@pytest.mark.parametrize("name", ["query", "update", "store", ""])
def test_nobody_is_heard_without_the_token(held: EmbeddedStore, name: str) -> None:
    service = StoreService.of(there(held))
    assert service is not None
    for token in ("x", "wrong", service.token[:-1]):
        send = httpx.post if name in ("query", "update") else httpx.get
        answer = send(f"{service.url}/{name}", headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code == 401


def test_what_a_stranger_sends_is_not_read(held: EmbeddedStore) -> None:
    """Given a request without the token that says it is large, then its answer does not wait for the rest of it."""
    service = StoreService.of(there(held))
    assert service is not None
    with socket.create_connection(("127.0.0.1", int(service.url.rpartition(":")[2])), timeout=30) as stranger:
        stranger.sendall(b"POST /update HTTP/1.1\r\nHost: x\r\nContent-Length: 200000000\r\n\r\nupdate=")
        assert stranger.recv(12) == b"HTTP/1.1 401"


def test_an_address_where_nobody_answers_is_no_address(tmp_path: Path) -> None:
    """Given a file left behind by a process that was killed, then a store that another holds is held, as without it."""
    path = tmp_path / "store"
    with EmbeddedStore(path):
        StoreService(f"http://127.0.0.1:{free_port()}", "token", 1).write(path)
        with pytest.raises(StoreHeld):
            open_store(path=path)
    with open_store(path=path) as store:
        assert isinstance(store, EmbeddedStore)


def test_an_address_of_another_store_is_no_address(held: EmbeddedStore, tmp_path: Path) -> None:
    service, path = StoreService.of(there(held)), tmp_path / "other"
    assert service is not None
    service.write(path)
    assert service_of(path) is None
    StoreService.file(path).write_text('{"url": "http://museum.example/", "token": "t", "pid": 1}')
    assert service_of(path) is None
    StoreService.file(path).write_text("no JSON")
    assert service_of(path) is None


def test_after_a_kill_the_store_is_free(tmp_path: Path) -> None:
    """Given a holder that is killed in mid-work, then the next one opens the store itself, and nothing runs on."""
    path = tmp_path / "store"
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        with open_store(path=path) as other:
            assert isinstance(other, ServedStore)
            other.insert(QUADS)
        os.kill(process.pid, signal.SIGKILL)
    finally:
        process.kill()
        process.communicate()
    with open_store(path=path) as store:
        assert isinstance(store, EmbeddedStore)
        assert store.count() == 4


def test_a_holder_that_ends_is_an_outage_and_no_empty_answer(tmp_path: Path) -> None:
    path = tmp_path / "store"
    with EmbeddedStore(path, shared=True) as store, hosted(store):
        other = open_store(path=path, retries=0)
    began = time.monotonic()
    with other, pytest.raises(StoreUnavailable):
        other.select("SELECT ?s WHERE { ?s ?p ?o }")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize(
    "work",
    [
        lambda store: store.update(f"INSERT DATA {{ GRAPH {G} {{ {A} {P} 1 }} }}"),
        lambda store: store.write_graph(G, f"{A} {P} {B} .\n".encode()),
        lambda store: list(store.select("SELECT ?s WHERE { ?s ?p ?o }")),
        lambda store: store.dump(io.BytesIO(), G),
    ],
    ids=["update", "write", "select", "dump"],
)
def test_the_holder_is_followed_through_two_restarts(
    tmp_path: Path, work: Callable[[ServedStore], object]
) -> None:
    """Given a holder that ended, and a second that ends as it is asked, then the third carries it out."""
    path = tmp_path / "store"
    gone = StoreService(f"http://127.0.0.1:{free_port()}", "first", 1)
    with EmbeddedStore(path, shared=True) as store, hosted(store) as third:
        store.update(f"INSERT DATA {{ GRAPH {H} {{ {A} {P} {B} }} }}")

        def ending(request: Request) -> Answer:
            if request.method == "GET" and request.path == "/":
                return Answer(body=json.dumps({"store": str(path.resolve())}).encode())
            third.write(path)
            return Answer(503, b"I am ending")

        with hostile_server(ending) as second, ServedStore(path, gone) as other:
            StoreService(second.url, "second", 2).write(path)
            work(other)
            asked = [request for request in second.requests if request.path != "/"]
            assert [request.headers["Authorization"] for request in asked] == ["Bearer second"]


def test_a_query_that_fails_says_why(held: EmbeddedStore) -> None:
    with open_store(path=there(held)) as other:
        with pytest.raises(StoreError, match="1:13"):
            other.select("SELECT WHERE")
        with pytest.raises(StoreError, match="expected"):
            other.update("INSERT NOTHING")
