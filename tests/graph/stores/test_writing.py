"""Writes to servers that refuse, halve or cap them, and the credentials of every request."""

from __future__ import annotations

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.errors import (
    InputError,
    QueryRefused,
    SettingsError,
    StoreError,
    StoreUnavailable,
)
from enrich.graph.stores.remote import RemoteStore
from enrich.graph.stores.transport import Credentials, redact_credentials
from tests.graph.stores.made_answers import SECRET, SELECT, G, P, in_turn, quads, rows, store_at
from tests.hostile_http import Answer, HostileServer, Request, Script, hostile_server


def test_an_insert_of_ground_quads_is_tried_again() -> None:
    yes = Answer(body=b'{"head":{},"boolean":true}')  # the server's name is asked for first
    with hostile_server(in_turn(yes, Answer(500), Answer())) as server:
        store_at(server).insert(quads(5))
        assert [r.path.split("?")[0] for r in server.requests] == ["/query", "/update", "/update"]


@pytest.mark.parametrize(("status", "times"), [(500, 1), (503, 3)])
def test_what_is_not_idempotent_is_tried_again_only_when_turned_away(status: int, times: int) -> None:
    def updates(server: HostileServer) -> int:
        return sum(r.path == "/update" for r in server.requests)

    def script(request: Request) -> Answer:
        return Answer(status) if request.path == "/update" else Answer(body=b'{"head":{},"boolean":true}')

    with hostile_server(script) as server:
        with pytest.raises(StoreUnavailable):
            store_at(server).update("INSERT { ?s ?p 1 } WHERE { ?s ?p ?o }")
        assert updates(server) == times
    with hostile_server(script) as server:
        with pytest.raises(StoreUnavailable):
            store_at(server).insert([Quad(BlankNode(), P, Literal(1), G)])
        assert updates(server) == times


def refusing(limit: int) -> Script:
    """A server that takes writes of at most `limit` triples."""

    def script(request: Request) -> Answer:
        if request.path.startswith("/query"):
            return Answer(body=b'{"head":{},"boolean":true}')
        lines = request.text.count(" .")
        return Answer(400, b"Virtuoso 37000 Error SP031: memory exhausted") if lines > limit else Answer()

    return script


@pytest.mark.parametrize("graph_store", [False, True])
def test_writes_are_halved_until_the_server_takes_them(graph_store: bool) -> None:
    with hostile_server(refusing(60)) as server:
        store_at(server, graph_store=graph_store).insert(quads(500))
        taken = [r for r in server.requests if 0 < r.text.count(f" {P} ") <= 60]
        assert sum(r.text.count(f" {P} ") for r in taken) == 500


def test_one_triple_that_is_refused_is_an_error() -> None:
    with hostile_server(refusing(0)) as server, pytest.raises(QueryRefused, match="memory exhausted"):
        store_at(server, graph_store=True).insert(quads(3))


def test_a_read_only_store_writes_nothing() -> None:
    with hostile_server(lambda _: Answer(body=b'{"head":{},"boolean":true}')) as server:
        store = RemoteStore(f"{server.url}/query")
        with pytest.raises(StoreError, match="read only"):
            store.insert(quads(1))
        assert store.health().writable is False
        assert all(r.path == "/query" for r in server.requests)


@pytest.mark.parametrize(
    ("credentials", "header"),
    [(Credentials("basic", "ann", SECRET), "Basic YW5uOnMzY3JldC13b3Jk"),
     (Credentials("bearer", token=SECRET), f"Bearer {SECRET}"), (Credentials(), None)],
)  # fmt: skip
def test_credentials_go_into_the_header_and_into_no_message(
    credentials: Credentials, header: str | None
) -> None:
    echo = Answer(500, f"you sent {SECRET}".encode())
    with hostile_server(lambda _: echo) as server:
        store = store_at(server, credentials=credentials, retries=0)
        with pytest.raises(StoreUnavailable) as caught:
            store.select(SELECT)
        assert server.requests[0].headers.get("Authorization") == header
        if header:
            assert SECRET not in str(caught.value)
        assert f"key={SECRET}" not in str(caught.value)
        assert SECRET not in repr(credentials)
        if header:
            assert SECRET not in str(store.health())


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://ida:secret@[::1]:7878/query?key=secret#part", "http://[::1]:7878/query"),
        ("redis://:secret@host:6379/0", "redis://host:6379/0"),
        ("redis://:sec?ret@host", "redis://host"),
        ("redis://:sec/ret@host:6379/0", "redis://host:6379/0"),
        ("redis://:sec#ret/@host/1", "redis://host/1"),
        ("rediss://ida:sec@ret@host", "rediss://host"),
        ("redis::secret//secret@host", "host"),
        ("redis://:secret@a/0;redis://:secret@b/1", "redis://b/1"),
        ("unix://:secret@/run/redis.sock?db=2", "unix:///run/redis.sock"),
        ("http://[:secret@host", "http://host"),
    ],
)
def test_a_message_names_an_address_without_its_credentials(url: str, said: str) -> None:
    assert redact_credentials(url) == said


def test_a_digest_challenge_is_answered_and_its_nonce_kept() -> None:
    challenge = {"WWW-Authenticate": 'Digest realm="SPARQL", nonce="n1", qop="auth", algorithm="MD5"'}

    def script(request: Request) -> Answer:
        given = request.headers.get("Authorization", "")
        return (
            Answer(body=rows(1))
            if given.startswith('Digest username="ann"')
            else Answer(401, headers=challenge)
        )

    with hostile_server(script) as server:
        store = store_at(server, credentials=Credentials("digest", "ann", SECRET))
        for _ in range(3):
            assert len(list(store.select(SELECT))) == 1
        assert len(server.requests) == 4
    with hostile_server(lambda _: Answer(401, headers=challenge)) as server:
        with pytest.raises(StoreError, match=r"store\.user"):
            store_at(server, credentials=Credentials("digest", "ann", "wrong")).select(SELECT)
        assert len(server.requests) == 2


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ftp://example.org/x", "not an http"),
        ("http://ann:pw@example.org/", "holds a password"),
        ("http://ann:7/pw@example.org/", "holds a password"),
        ("http://[ann:pw@example.org/", "not an http"),
        ("x", "not an"),
    ],
)
def test_a_url_that_cannot_be_used_is_a_setting_to_mend(url: str, said: str) -> None:
    with pytest.raises(SettingsError, match=said) as caught:
        RemoteStore(url)
    assert "pw" not in str(caught.value)


@pytest.mark.parametrize("auth", ["basic", "digest", "bearer", "kerberos"])
def test_credentials_that_are_not_whole_are_a_setting_to_mend(auth: str) -> None:
    with pytest.raises(SettingsError, match=r"store\.auth"):
        Credentials(auth, user="ann")


def test_terms_that_virtuoso_would_alter_are_refused_before_anything_is_sent() -> None:
    virtuoso = Answer(body=b'{"head":{},"boolean":true}', headers={"Server": "Virtuoso/07.20"})
    integer = NamedNode("http://www.w3.org/2001/XMLSchema#integer")
    bad = [
        Quad(NamedNode("http://example.org/" + "x" * 2_000), P, Literal(1), G),
        Quad(NamedNode("nodeID://b1"), P, Literal(1), G),
        Quad(P, P, Literal("abc", datatype=integer), G),
        Quad(P, P, Literal("P1D", datatype=NamedNode("http://www.w3.org/2001/XMLSchema#duration")), G),
        Quad(P, P, Literal(1)),
    ]
    with hostile_server(lambda _: virtuoso) as server:
        store = store_at(server)
        store.transport.server = "Virtuoso/07.20"
        for quad in bad:
            assert store.objection(quad)
            with pytest.raises(InputError, match="Virtuoso"):
                store.insert([quad])
        assert not server.requests
