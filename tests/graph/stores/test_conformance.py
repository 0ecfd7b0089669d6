"""What every store must do alike: in memory, on disk, `oxigraph serve` and Virtuoso."""

from __future__ import annotations

import contextlib
import io
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from hashlib import sha256

import pyoxigraph as ox
import pytest
from pyoxigraph import BlankNode, DefaultGraph, Literal, NamedNode, Quad

from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.stores import PAGE_TOKEN, Store, open_store
from enrich.graph.stores.embedded import BULK_BYTES
from enrich.graph.stores.pieces import ntriples
from tests.servers import Endpoint

G1, G2 = NamedNode("http://example.org/graph/1"), NamedNode("http://example.org/graph/2")
P, Q = NamedNode("http://example.org/p"), NamedNode("http://example.org/q")
XSD = "http://www.w3.org/2001/XMLSchema#"


def subject(number: int) -> NamedNode:
    return NamedNode(f"http://example.org/s/{number:06}")


def numbered(count: int, graph: NamedNode = G1) -> list[Quad]:
    return [Quad(subject(n), P, Literal(f"value {n}"), graph) for n in range(count)]


def all_of(store: Store, graph: NamedNode) -> set[tuple[object, ...]]:
    return set(store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}"))


def test_it_is_a_store(store: Store) -> None:
    assert isinstance(store, Store)


def test_health_says_readable_and_writable(store: Store) -> None:
    health = store.health()
    assert (health.readable, health.writable, health.problem) == (True, True, None)
    assert health.description


def test_what_is_inserted_is_selected_in_the_order_of_the_variables(store: Store) -> None:
    store.insert([Quad(subject(1), P, Literal("a", language="fr"), G1)])
    rows = list(store.select(f"SELECT ?o ?none ?s WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} }}"))
    assert rows == [(Literal("a", language="fr"), None, subject(1))]


def test_inserting_twice_adds_nothing(store: Store) -> None:
    for _ in range(2):
        store.insert(numbered(20))
    assert store.count(G1) == 20


@pytest.mark.parametrize("bulk", [False, True])
def test_many_quads_of_many_graphs_arrive_whole(store: Store, bulk: bool) -> None:
    quads = [Quad(subject(n), P, Literal(n), (G1, G2)[n % 2]) for n in range(12_345)]
    store.insert(iter(quads), bulk=bulk)
    assert (store.count(G1), store.count(G2), store.count()) == (6_173, 6_172, 12_345)
    assert store.graphs() == [G1, G2]


def test_nothing_is_inserted_without_complaint(store: Store) -> None:
    store.insert([])
    assert store.count() == 0
    assert store.graphs() == []


def test_ask(store: Store) -> None:
    pattern = f"ASK {{ GRAPH {G1} {{ ?s {P} ?o }} }}"
    assert not store.ask(pattern)
    store.insert(numbered(1))
    assert store.ask(pattern)


def test_construct_gives_triples(store: Store) -> None:
    store.insert(numbered(5))
    query = f"CONSTRUCT {{ ?s {Q} ?o }} WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} }}"
    assert set(store.construct(query)) == {Quad(subject(n), Q, Literal(f"value {n}")) for n in range(5)}


def test_update_changes_and_deletes(store: Store) -> None:
    store.insert(numbered(3))
    store.update(f"DELETE {{ GRAPH {G1} {{ ?s {P} ?o }} }} INSERT {{ GRAPH {G1} {{ ?s {Q} ?o }} }} "
                 f"WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} }}", idempotent=True)  # fmt: skip
    assert {row[1] for row in all_of(store, G1)} == {Q}
    store.update(f"DELETE WHERE {{ GRAPH {G1} {{ ?s ?p ?o }} }}")
    assert store.count(G1) == 0


def test_drop_takes_one_graph_and_minds_no_absence(store: Store) -> None:
    store.insert([*numbered(4), *numbered(4, G2)])
    store.drop(G1)
    store.drop(G1)
    assert store.graphs() == [G2]
    assert store.count(G2) == 4


def test_a_graph_written_to_while_it_is_dropped_can_be_dropped(oxigraph_server: Endpoint) -> None:
    """Oxigraph keeps what an update that began before the drop writes after it, in a graph that it does not list."""
    write = f"INSERT {{ GRAPH {G1} {{ ?s {Q} ?o }} }} WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} }}"
    with (
        open_store(**asdict(oxigraph_server)) as one,
        open_store(**asdict(oxigraph_server)) as other,
        ThreadPoolExecutor(1) as beside,
    ):
        for _ in range(4):
            one.insert(numbered(3000))
            written = beside.submit(other.update, write)
            time.sleep(0.02)
            one.drop(G1)
            written.result()
            one.drop(G1)
            assert not one.ask(f"ASK {{ GRAPH {G1} {{ ?s ?p ?o }} }}")


def test_blank_nodes_of_a_call_stay_joined(store: Store) -> None:
    a, b = BlankNode("a"), BlankNode("b")
    quads = [Quad(subject(1), P, a, G1), Quad(a, P, b, G1), Quad(b, P, Literal("end"), G1)]
    store.insert([*quads, *numbered(50)])
    query = f"SELECT ?o WHERE {{ GRAPH {G1} {{ {subject(1)} {P} ?a . ?a {P} ?b . ?b {P} ?o }} }}"
    assert list(store.select(query)) == [(Literal("end"),)]
    (row,) = store.select(f"SELECT ?a WHERE {{ GRAPH {G1} {{ {subject(1)} {P} ?a }} FILTER(isBlank(?a)) }}")
    assert isinstance(row[0], BlankNode)


def parsed(data: bytes, rdf_format: ox.RdfFormat) -> list[Quad]:
    return sorted(ox.parse(data, rdf_format), key=str)


def sorted_by_text(quads: Iterable[Quad]) -> list[Quad]:
    return sorted(quads, key=str)


def test_dump_and_load_again_is_the_same(store: Store) -> None:
    quads = [*numbered(200), Quad(subject(1), Q, Literal("é\n\t\"\\", language="en"), G2)]  # fmt: skip
    store.insert(quads)
    whole, one = io.BytesIO(), io.BytesIO()
    store.dump(whole)
    store.dump(one, G2)
    assert parsed(whole.getvalue(), ox.RdfFormat.N_QUADS) == sorted_by_text(quads)
    assert parsed(one.getvalue(), ox.RdfFormat.N_TRIPLES) == [
        Quad(quads[-1].subject, quads[-1].predicate, quads[-1].object)
    ]


def test_dump_passes_the_cap_of_a_server(store: Store) -> None:
    store.insert([*numbered(10_001), *(Quad(BlankNode(f"b{n}"), P, Literal(n), G1) for n in range(2_100))])
    target = io.BytesIO()
    store.dump(target, G1)
    found = parsed(target.getvalue(), ox.RdfFormat.N_TRIPLES)
    assert len(found) == 12_101
    assert {str(q.object) for q in found} == {str(Literal(n)) for n in range(2_100)} | {
        str(Literal(f"value {n}")) for n in range(10_001)
    }


BY_KEY = f"SELECT ?s ?o WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} {PAGE_TOKEN}\n}}"


@pytest.mark.parametrize("page", [None, 7, 100])
def test_select_by_key_gives_every_row_once(store: Store, page: int | None) -> None:
    """Keys in many scripts, some with several rows, so that pages end within a key."""
    endings = ["", "a", "é", "z", "ß", "Ω", "日本", "𝔘", "\uffee", "~", "%7E", "'", "a/b", "c?d=e&f"]
    keys = [NamedNode(f"http://example.org/{a}{b}") for a in endings for b in endings]
    quads = {Quad(key, P, Literal(n), G1) for number, key in enumerate(keys) for n in range(number % 4)}
    store.insert(quads)
    rows = list(store.select_by_key(BY_KEY, "s", page))
    assert len(rows) == len(quads)
    assert {Quad(s, P, o, G1) for s, o in rows} == quads  # type: ignore[arg-type]


def test_select_by_key_passes_the_cap_of_a_server(store: Store) -> None:
    store.insert(numbered(20_001))
    assert len({row[0] for row in store.select_by_key(BY_KEY, "?s")}) == 20_001


def test_a_large_answer_is_whole_or_refused(store: Store) -> None:
    """Virtuoso gives 10,000 rows and says 200 OK: that must not pass for the answer."""
    store.insert(numbered(10_500))
    pattern = f"GRAPH {G1} {{ ?s ?p ?o }}"
    for answer in (
        lambda: store.select(f"SELECT * WHERE {{ {pattern} }}"),
        lambda: store.construct(f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ {pattern} }}"),
    ):
        with contextlib.suppress(ResultTruncated):
            assert len(list(answer())) == 10_500  # type: ignore[no-untyped-call]


def test_an_answer_of_exactly_the_cap_is_believed(store: Store) -> None:
    store.insert(numbered(10_000))
    assert len(list(store.select(f"SELECT * WHERE {{ GRAPH {G1} {{ ?s ?p ?o }} }}"))) == 10_000
    limited = (
        f"PREFIX e: <http://example.org/> # SELECT {{\nSELECT ?s FROM {G1} WHERE {{ ?s e:p ?o }} LIMIT 1000"
    )
    assert len(list(store.select(limited))) == 1_000


def test_a_batch_of_a_thousand_values_is_one_query(store: Store) -> None:
    store.insert(numbered(1_000))
    values = " ".join(str(subject(n)) for n in range(1_000))
    query = f"SELECT ?s ?o WHERE {{ VALUES ?s {{ {values} }} GRAPH {G1} {{ ?s {P} ?o }} }}"
    assert len(list(store.select(query))) == 1_000


@pytest.mark.parametrize("query", ["SELEC * WHERE {}", "SELECT * WHERE { ?s ?p", "ASK { ?s ?p ?o }"])
def test_a_query_that_is_no_select_is_refused(store: Store, query: str) -> None:
    with pytest.raises(QueryRefused):
        list(store.select(query))


def test_a_malformed_update_changes_nothing(store: Store) -> None:
    store.insert(numbered(2))
    with pytest.raises(QueryRefused):
        store.update(f"DROP GRAPH {G1} ; INSERT DAT")
    assert store.count(G1) == 2


def test_writing_while_reading_does_not_disturb_the_stream(store: Store) -> None:
    store.insert(numbered(3_000))
    seen = 0
    for row in store.select(f"SELECT ?s WHERE {{ GRAPH {G1} {{ ?s {P} ?o }} }}"):
        if seen % 1_000 == 0:
            store.insert([Quad(row[0], Q, Literal(seen), G2)])  # type: ignore[arg-type]
        seen += 1
    assert seen == 3_000
    assert store.count(G2) == 3


@pytest.mark.parametrize(
    ("text", "datatype"),
    [("1", "integer"), ("0.93", "decimal"), ("true", "boolean"), ("2020", "gYear"), ("2020-02-29", "date"),
     ("2026-01-02T03:04:05Z", "dateTime"), ("2026-01-02T03:04:05.123Z", "dateTime"), ("x y", "anyURI")],
)  # fmt: skip
def test_datatypes_come_back_as_written(store: Store, text: str, datatype: str) -> None:
    literal = Literal(text, datatype=NamedNode(XSD + datatype))
    store.insert([Quad(subject(1), P, literal, G1)])
    assert all_of(store, G1) == {(subject(1), P, literal)}
    assert store.ask(f"ASK {{ GRAPH {G1} {{ ?s ?p {literal} }} }}")


def test_a_graph_is_written_from_its_lines(store: Store) -> None:
    lines = ntriples(Quad(subject(n), P, Literal(f'é "{n}"\n'), G1) for n in range(2_500))
    for _ in range(2):
        store.write_graph(G1, lines)
    store.write_graph(G2, b"")
    assert all_of(store, G1) == {(subject(n), P, Literal(f'é "{n}"\n')) for n in range(2_500)}
    assert store.graphs() == [G1]


def test_a_large_graph_is_written_alike(store: Store) -> None:
    lines = ntriples(numbered(12_345))
    assert len(lines) > BULK_BYTES / 2
    store.write_graph(G1, lines + ntriples(numbered(12_345, G2)).replace(P.value.encode(), Q.value.encode()))
    assert store.count(G1) == 2 * 12_345


def test_a_fingerprint_is_of_what_a_graph_holds(store: Store) -> None:
    store.insert(numbered(900))
    first = store.fingerprint(G1)
    assert first is not None
    store.insert([*numbered(9), *numbered(1, G2)])
    assert store.fingerprint(G1) == first
    extra = Quad(subject(1), Q, subject(2), G1)
    store.insert([extra])
    assert store.fingerprint(G1) not in (first, None)
    store.update(f"DELETE DATA {{ GRAPH {G1} {{ {subject(1)} {Q} {subject(2)} }} }}", idempotent=True)
    assert store.fingerprint(G1) == first


def test_an_empty_graph_has_a_fingerprint_too(store: Store) -> None:
    store.insert(numbered(9))
    assert store.fingerprint(G2) == sha256(b"").hexdigest()
    assert store.fingerprint(DefaultGraph()) == sha256(b"").hexdigest()


def test_the_triples_that_a_fingerprint_is_of_are_copied(store: Store) -> None:
    store.insert(numbered(900))
    copy = io.BytesIO()
    digest = store.fingerprint(G1, copy)
    assert digest == sha256(copy.getvalue()).hexdigest()
    assert len(copy.getvalue().splitlines()) == 900
