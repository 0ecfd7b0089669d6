"""A store that fails: nothing half believed, nothing tried again that must not be, one sentence each."""

from __future__ import annotations

import io
import threading
from collections.abc import Callable
from dataclasses import replace
from itertools import islice

import pyoxigraph as ox
import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.errors import (
    InputError,
    QueryRefused,
    ResultTruncated,
    SettingsError,
    StoreError,
    StoreUnavailable,
)
from enrich.graph.stores import PAGE_TOKEN
from enrich.graph.stores.remote import HEAD_ITEMS, RemoteStore
from enrich.graph.stores.transport import Credentials, Transport
from enrich.show.querying import Answer as QueryAnswer
from tests.hostile_http import Answer, HostileServer, Request, Script, count_result, hostile_server, results

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


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504, 507])
def test_a_query_is_asked_again_until_the_server_recovers(status: int) -> None:
    with hostile_server(in_turn(Answer(status), Answer(status), Answer(body=rows(3)))) as server:
        assert len(list(store_at(server).select(SELECT))) == 3
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [500, 503, 507])
def test_a_server_that_does_not_recover_is_unavailable(status: int) -> None:
    with hostile_server(lambda _: Answer(status, b"no space left on device")) as server:
        with pytest.raises(StoreUnavailable, match=f"/query answered {status}: no space left"):
            store_at(server).select(SELECT)
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [400, 405, 415])
def test_a_refused_query_is_not_asked_again(status: int) -> None:
    with hostile_server(lambda _: Answer(status, b"<p>line 1:\n syntax</p>")) as server:
        with pytest.raises(QueryRefused, match="line 1: syntax"):
            store_at(server).select(SELECT)
        assert len(server.requests) == 1


def test_wrong_credentials_are_said_at_once() -> None:
    with hostile_server(lambda _: Answer(401)) as server:
        with pytest.raises(StoreError, match=r"store\.auth"):
            store_at(server).select(SELECT)
        assert len(server.requests) == 1


HTML = Answer(body=b"<html>One moment, please", media_type="text/html")
PASSING = {
    "404": Answer(404, b"no such page"),
    "403": Answer(403, b"not now"),
    "a page of a proxy": HTML,
    "cut within the headers": Answer(cut_headers=True),
    "hung up on": Answer(hang_up=True),
}
QUESTIONS = {
    "select": lambda store: len(list(store.select(SELECT))),
    "ask": lambda store: store.ask("ASK {}"),
    "construct": lambda store: len(list(store.construct("CONSTRUCT WHERE { ?s ?p ?o }"))),
}
WELL = {
    "select": Answer(body=results(["s"], [["http://example.org/1"]])),
    "ask": Answer(body=b'{"head":{},"boolean":true}'),
    "construct": Answer(body=b"<urn:a> <urn:b> <urn:c> .\n", media_type="application/n-triples"),
}


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("form", QUESTIONS)
def test_a_fault_that_passes_costs_some_more_tries(fault: Answer, form: str) -> None:
    with hostile_server(in_turn(fault, fault, WELL[form])) as server:
        assert QUESTIONS[form](store_at(server)) == 1
        assert len(server.requests) == 3


@pytest.mark.parametrize("fault", PASSING.values(), ids=PASSING)
@pytest.mark.parametrize("form", QUESTIONS)
def test_a_fault_that_stays_stops_with_its_reason(fault: Answer, form: str) -> None:
    with hostile_server(lambda _: fault) as server:
        with pytest.raises(StoreUnavailable, match=r"URLs|rights|text/html|broke off"):
            QUESTIONS[form](store_at(server))
        assert len(server.requests) == 3


@pytest.mark.parametrize("status", [403, 404])
def test_an_update_that_was_turned_away_is_sent_again_whatever_it_does(status: int) -> None:
    with hostile_server(in_turn(Answer(status), Answer())) as server:
        store_at(server).update("INSERT { ?s ?p 1 } WHERE { ?s ?p ?o }")
        assert len(server.requests) == 2


@pytest.mark.parametrize(("carried_out", "sent"), [(True, 1), (False, 1)])
def test_a_write_of_blank_nodes_whose_answer_is_lost_is_looked_up(carried_out: bool, sent: int) -> None:
    """Sent again, its blank nodes would be two; so the triples are counted."""
    held = 7

    def script(request: Request) -> Answer:
        nonlocal held
        if "COUNT" in request.text:
            return Answer(body=count_result(held))
        if request.path == "/update":
            held += 2 * carried_out
            return Answer(hang_up=True)
        return WELL["ask"]

    node = BlankNode()
    write = [Quad(node, P, Literal(1), G), Quad(node, P, Literal(2), G)]
    with hostile_server(script) as server:
        if carried_out:
            store_at(server).insert(write)
        else:
            with pytest.raises(StoreUnavailable, match="broke off"):
                store_at(server).insert(write)
        assert sum(r.path == "/update" for r in server.requests) == sent


def test_a_lost_answer_to_an_idempotent_update_is_asked_for_again() -> None:
    with hostile_server(in_turn(Answer(hang_up=True), Answer())) as server:
        store_at(server).update("DROP SILENT GRAPH <urn:g>", idempotent=True)
        assert len(server.requests) == 2


PARTIAL = {
    "Virtuoso's state": {"X-SQL-State": "S1TAT"},
    "Virtuoso's message": {"X-SQL-Message": "Returning incomplete results"},
    "206": {},
}


@pytest.mark.parametrize("headers", PARTIAL.values(), ids=PARTIAL)
@pytest.mark.parametrize("form", QUESTIONS)
def test_a_part_of_an_answer_is_no_answer_in_any_form(headers: dict[str, str], form: str) -> None:
    whole = WELL[form]
    part = replace(whole, status=200 if headers else 206, headers=headers)
    with hostile_server(lambda _: part) as server:
        with pytest.raises(ResultTruncated, match="a part of the answer"):
            QUESTIONS[form](store_at(server))
        assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_not_followed(status: int) -> None:
    """An update that becomes a GET would look like a success."""
    away = Answer(status, headers={"Location": "http://127.0.0.1:9/elsewhere?x=1"})
    with hostile_server(lambda _: away) as server:
        with pytest.raises(StoreError, match=r"redirects to http://127.0.0.1:9/elsewhere; set the URL"):
            store_at(server).update("CLEAR ALL")
        assert len(server.requests) == 1


def test_a_server_that_hangs_is_unavailable() -> None:
    never = threading.Event()
    try:
        with (
            hostile_server(lambda _: Answer(wait=never)) as server,
            pytest.raises(StoreUnavailable, match=r"did not answer within 0\.2 seconds"),
        ):
            store_at(server, timeout=0.2, retries=1).select(SELECT)
    finally:
        never.set()


def test_no_server_is_unavailable_and_health_does_not_raise() -> None:
    with hostile_server(lambda _: Answer()) as server:
        pass
    store = store_at(server, retries=0)
    with pytest.raises(StoreUnavailable, match="cannot be reached"):
        store.ask("ASK {}")
    health = store.health()
    assert not health.readable
    assert not health.writable
    assert "is the server running?" in str(health.problem)


WHOLE = rows(40)
CUTS: dict[str, Callable[[bytes], Answer]] = {
    "length": lambda body: Answer(body=body[:-30], length=len(body)),
    "chunked": lambda body: Answer(chunks=[body[:700], body[700:-30]], cut=True),
    "chunked whole but unfinished json": lambda body: Answer(chunks=[body[:-30]]),
    "connection": lambda body: Answer(body=body[:-30], length=-1),
    "last bracket": lambda body: Answer(body=body[:-1], length=-1),
    "empty": lambda _: Answer(body=b""),
    "an error instead": lambda body: Answer(chunks=[body[:-30] + b"\n## Query cancelled: disk full"]),
}


@pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
def test_a_short_answer_that_is_cut_is_asked_again(cut: Callable[[bytes], Answer]) -> None:
    with hostile_server(in_turn(cut(WHOLE), Answer(body=WHOLE))) as server:
        assert len(list(store_at(server).select(SELECT))) == 40
    with (
        hostile_server(lambda _: cut(WHOLE)) as server,
        pytest.raises(StoreUnavailable, match=r"try again|cut"),
    ):
        store_at(server).select(SELECT)


@pytest.mark.parametrize("cut", [cut for name, cut in CUTS.items() if name != "empty"])
def test_a_long_answer_that_is_cut_raises_while_it_is_read(cut: Callable[[bytes], Answer]) -> None:
    long = rows(3 * HEAD_ITEMS)
    with hostile_server(lambda _: cut(long)) as server:
        stream = store_at(server).select(SELECT)
        with pytest.raises(StoreUnavailable):
            list(stream)
        assert len(server.requests) == 1


def test_a_construct_that_is_cut_is_not_believed() -> None:
    lines = b"".join(
        b"<http://example.org/%d> <http://example.org/p> <http://example.org/o> .\n" % n for n in range(99)
    )
    kind = "application/n-triples"
    construct = "CONSTRUCT WHERE { ?s ?p ?o }"
    cut = Answer(body=lines[:-72], length=len(lines), media_type=kind)
    with hostile_server(in_turn(cut, Answer(body=lines, media_type=kind))) as server:
        assert len(list(store_at(server).construct(construct))) == 99
    endless = Answer(body=lines, length=-1, media_type=kind)
    with hostile_server(lambda _: endless) as server, pytest.raises(StoreError, match="cannot be trusted"):
        store_at(server).construct(construct)


def capped(total: int, cap: int) -> Script:
    """A server that gives at most `cap` rows and says nothing, as some public endpoints do.

    It evaluates by an Oxigraph in memory, and cuts what comes out of it.
    """
    store = ox.Store()
    store.extend(quads(total))

    def script(request: Request) -> Answer:
        found = store.query(request.text, use_default_graph_as_union=True)
        if isinstance(found, ox.QueryTriples):
            lines = "".join(f"{triple} .\n" for triple in islice(found, cap)).encode()
            return Answer(body=lines, media_type="application/n-triples")
        if isinstance(found, ox.QueryBoolean):
            return Answer(body=found.serialize(format=ox.QueryResultsFormat.JSON) or b"")
        names = tuple(variable.value for variable in found.variables)
        out = io.StringIO()
        QueryAnswer(names, map(tuple, islice(found, cap))).write(out, "json")
        return Answer(body=out.getvalue().encode())

    return script


CAPS = [37, 100, 250, 500, 1_000, 2_500, 10_000]


@pytest.mark.parametrize("cap", CAPS)
def test_a_silent_cap_is_learned_and_what_it_cut_is_refused(cap: int) -> None:
    with hostile_server(capped(cap + 3, cap)) as server:
        store = store_at(server)
        assert len(list(store.select_by_key(PAGED, "s"))) == cap + 3
        with pytest.raises(ResultTruncated, match=f"{cap:,} of {cap + 3:,}"):
            list(store.select(SELECT))
    with hostile_server(capped(cap, cap)) as server:
        assert len(list(store_at(server).select(SELECT))) == cap


@pytest.mark.parametrize("cap", CAPS[1:])
def test_a_construct_that_was_capped_is_refused(cap: int) -> None:
    with (
        hostile_server(capped(cap + 3, cap)) as server,
        pytest.raises(ResultTruncated, match=f"{cap:,} of {cap + 3:,}"),
    ):
        list(store_at(server).construct("CONSTRUCT WHERE { ?s ?p ?o }"))


@pytest.mark.parametrize("cap", CAPS)
def test_what_has_a_key_passes_any_cap(cap: int) -> None:
    with hostile_server(capped(2_345, cap)) as server:
        store = store_at(server)
        found = [row[0] for row in store.select_by_key(PAGED, "s")]
        assert len(set(found)) == len(found) == 2_345
        assert len(list(store.select_by_key(PAGED, "s", 300))) == 2_345


def test_a_server_without_a_cap_is_probed_once_and_not_counted() -> None:
    with hostile_server(capped(3_000, 1_000_000)) as server:
        store = store_at(server)
        for _ in range(3):
            assert len(list(store.select(SELECT))) == 3_000
        assert len(server.requests) == 4
        assert not any("COUNT" in r.text for r in server.requests)


def test_a_cap_above_the_first_probe_is_found_by_a_larger_one() -> None:
    with hostile_server(capped(15_500, 15_000)) as server:
        store = store_at(server)
        with pytest.raises(ResultTruncated, match="15,000 of 15,500"):
            list(store.select(SELECT))
        assert len(list(store.select_by_key(PAGED, "s"))) == 15_500


@pytest.mark.parametrize("page", [300, 1_000, 5_000])
def test_pages_by_key_pass_a_cap_even_one_below_the_page(page: int) -> None:
    with hostile_server(capped(2_345, 1_000)) as server:
        found = [row[0] for row in store_at(server).select_by_key(PAGED, "s", page)]
    assert len(set(found)) == len(found) == 2_345


def test_a_query_that_cannot_be_paged_is_refused() -> None:
    with hostile_server(capped(300, 100)) as server, pytest.raises(QueryRefused, match="#PAGE#"):
        store_at(server).select_by_key(SELECT, "s")


def test_a_key_with_more_rows_than_a_page_is_not_passed_over() -> None:
    same = Answer(body=results(["s"], [["http://example.org/1"]] * 50))
    with hostile_server(lambda _: same) as server, pytest.raises(ResultTruncated, match="50 rows or more"):
        list(store_at(server).select_by_key(f"SELECT ?s WHERE {{ ?s ?p ?o {PAGE_TOKEN} }}", "s", 50))


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
