"""What every store must do alike, on a server that behaves as Fuseki over TDB2 and QLever do (see `quirks`)."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256

import pytest
from pyoxigraph import BlankNode, DefaultGraph, Literal, Quad

from enrich.errors import QueryRefused
from enrich.graph.loading import Manner, load_files, replace_files
from enrich.graph.stores import Store, open_store
from tests.graph.stores.quirks import jena_like
from tests.graph.stores.test_conformance import *  # noqa: F403
from tests.graph.stores.test_conformance import G1, G2, P, numbered, subject
from tests.graph.test_replacing import G, manner, many, values


@pytest.fixture
def store() -> Iterator[Store]:
    with jena_like() as server:
        urls = {f"{name}_url": f"{server.url}/{path}" for name, path in (
            ("query", "query"), ("update", "update"), ("graph_store", "store"))}  # fmt: skip
        with open_store(**urls) as made:  # type: ignore[arg-type]
            yield made


def test_a_query_that_names_no_graph_sees_the_union(store: Store) -> None:
    store.insert([*numbered(2), *numbered(3, G2)])
    assert len(list(store.select("SELECT DISTINCT ?s WHERE { ?s ?p ?o }"))) == 3
    assert len(list(store.select(f"SELECT ?s FROM {G1} WHERE {{ ?s ?p ?o }}"))) == 2


def test_labels_of_blank_nodes_hold_in_one_answer_only(store: Store) -> None:
    store.insert([Quad(BlankNode(), P, Literal(n), G1) for n in range(3)])
    found = [
        next(s for (s,) in store.select(f"SELECT ?s WHERE {{ GRAPH {G1} {{ ?s {P} {n} }} }}"))
        for n in map(Literal, range(3))
    ]
    assert len(set(found)) == 1


def test_a_refused_update_says_why(store: Store) -> None:
    with pytest.raises(QueryRefused, match="400: Parse error"):
        store.update(f"INSERT DATA {{ GRAPH {G1} {{ {subject(1)} }} }}")


def test_a_new_export_takes_the_place_of_the_old(
    store: Store, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Much differs, and some of it has blank nodes, whose labels say nothing in another answer."""
    place = tmp_path_factory.mktemp("exports")
    note = f"<http://m.example/1> <http://m.example/part> _:b0 {G} .\n"
    told: Manner = manner(place)
    (place / "a.nq").write_text(many(700, "wool") + note)
    load_files(store, [place / "a.nq"], told)
    (place / "a.nq").write_text(many(700, "silk") + note)
    replace_files(store, [place / "a.nq"], told)
    assert {value for _, value in values(store)} == {"silk"}
    assert store.count(G) == 701


def test_an_empty_graph_has_a_fingerprint_too(store: Store) -> None:
    """But for the default graph, behind whose union it cannot be told what it holds itself: all records are read."""
    store.insert(numbered(9))
    assert store.fingerprint(G2) == sha256(b"").hexdigest()
    assert store.fingerprint(DefaultGraph()) is None
