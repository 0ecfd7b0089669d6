"""A store that fails: nothing half believed, nothing tried again that must not be, one sentence each."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from pyoxigraph import BlankNode, Literal, Quad

from enrich.errors import (
    QueryRefused,
    ResultTruncated,
    StoreError,
    StoreUnavailable,
)
from enrich.graph.stores.remote import HEAD_ITEMS
from tests.graph.stores.made_answers import SELECT, G, P, in_turn, rows, store_at
from tests.hostile_http import Answer, Request, count_result, hostile_server, results


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


def test_where_virtuoso_guesses_wrong_the_setting_is_named() -> None:
    said = b"Virtuoso 42000 Error The estimated execution time 469 (sec) exceeds the limit of 400 (sec)."
    with hostile_server(lambda _: Answer(500, said)) as server:
        with pytest.raises(QueryRefused, match=r"469 \(sec\).*leave MaxQueryCostEstimationTime out"):
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


@pytest.mark.parametrize("headers", PARTIAL.values(), ids=PARTIAL)
def test_a_part_of_a_graph_has_no_fingerprint(headers: dict[str, str]) -> None:
    """Though it has as many triples as are counted; the whole has one."""
    whole = Answer(body=b"<urn:a> <urn:b> <urn:c> .\n", media_type="application/n-triples")
    part = replace(whole, status=200 if headers else 206, headers=headers)
    left = [part, whole]

    def script(request: Request) -> Answer:
        return Answer(body=count_result(1)) if request.method == "POST" else left.pop(0)

    with hostile_server(script) as server:
        store = store_at(server, graph_store=True)
        assert store.fingerprint(G) is None
        assert store.fingerprint(G) is not None


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
        b"<http://example.org/%d> <http://example.org/p> <http://example.org/o> .\n" % n for n in range(9)
    )
    kind = "application/n-triples"
    construct = "CONSTRUCT WHERE { ?s ?p ?o }"
    cut = Answer(body=lines[:-72], length=len(lines), media_type=kind)
    with hostile_server(in_turn(cut, Answer(body=lines, media_type=kind))) as server:
        assert len(list(store_at(server).construct(construct))) == 9
    endless = Answer(body=lines, length=-1, media_type=kind)
    with hostile_server(lambda _: endless) as server, pytest.raises(StoreError, match="cannot be trusted"):
        store_at(server).construct(construct)
