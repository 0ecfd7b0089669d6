"""Queries that count another's rows: valid SPARQL, and the right number."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.capping import count_of_construct, count_of_select

G, P = NamedNode("http://example.org/g#1"), NamedNode("http://example.org/p#x")
SELECTS = [
    "SELECT * WHERE { GRAPH ?g { ?s ?p ?o } }",
    "SELECT DISTINCT ?g { GRAPH ?g { ?s ?p ?o } }",
    f"PREFIX e: <http://example.org/p#>\nPREFIX : <http://x/>\nSELECT ?s FROM {G} WHERE {{ ?s e:x ?o }}",
    f"# how many? {{ SELECT\nSELECT ?s # {{ first\nFROM {G} WHERE {{ ?s ?p ?o }} ORDER BY ?s LIMIT 3",
    f'SELECT ("{{ # no comment" AS ?x) ?s FROM {G} {{ ?s ?p ?o FILTER(?o != "a # }} b") }} OFFSET 2',
    f"BASE <http://example.org/>\nSELECT ?s (COUNT(?o) AS ?n) FROM NAMED {G} {{ GRAPH ?g {{ ?s ?p ?o }} }} GROUP BY ?s",
    f"SELECT ?s FROM {G} {{ ?s ?p ?o . {{ SELECT ?p {{ ?s ?p ?o }} LIMIT 2 }} }}",
]


@pytest.fixture(scope="module")
def store() -> ox.Store:
    made = ox.Store()
    made.extend(Quad(NamedNode(f"http://example.org/{n % 4}"), P, Literal(n), G) for n in range(9))
    return made


def number(store: ox.Store, query: str) -> int:
    (row,) = store.query(query)  # type: ignore[union-attr, misc]
    return int(row[0].value)


@pytest.mark.parametrize("query", SELECTS)
def test_the_rows_of_a_select_are_counted(store: ox.Store, query: str) -> None:
    assert number(store, count_of_select(query)) == len(list(store.query(query)))  # type: ignore[arg-type]


def test_the_solutions_of_a_construct_are_counted(store: ox.Store) -> None:
    query = f'PREFIX e: <http://e/#> CONSTRUCT {{ ?s e:a "}}" . ?s e:b [] }} FROM {G} WHERE {{ ?s ?p ?o }}'
    count = count_of_construct(query)
    assert count is not None
    assert number(store, count) == 9


def test_a_construct_without_a_template_is_counted_and_a_describe_is_not(store: ox.Store) -> None:
    count = count_of_construct(f"CONSTRUCT FROM {G} WHERE {{ ?s ?p ?o }}")
    assert count is not None
    assert number(store, count) == 9
    assert count_of_construct("DESCRIBE <http://x/>") is None
