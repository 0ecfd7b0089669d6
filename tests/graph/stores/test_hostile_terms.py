"""Hostile literals and IRIs, through insert, select and query text, on every store."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores import Store
from tests.conftest import STORES, opened

G, S, P = (NamedNode(f"http://example.org/{name}") for name in ("g", "s", "p"))
AWKWARD = "\"'\\{}<>#?$@^`|;.,:%&~ \t\n\r\b\f\0\x01\x7f\x85\u00a0\u200f\u202e\u2028\ufeff\ufffe\uffffé日𝔘🎉"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]) | st.sampled_from(AWKWARD), max_size=60)
LANGUAGES = st.sampled_from(["en", "fr-be", "zh-hant-tw", "x-private", "es-419"])
LITERALS = st.builds(Literal, TEXTS) | st.builds(lambda t, tag: Literal(t, language=tag), TEXTS, LANGUAGES)


def iri(local: str) -> NamedNode | None:
    try:
        return NamedNode(f"http://example.org/{local}")
    except ValueError:
        return None  # pyoxigraph keeps it out: it is no IRI


IRIS = TEXTS.map(iri).filter(lambda found: found is not None)
HOSTILE = settings(
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.filter_too_much],
)


@pytest.fixture(scope="module", params=STORES)
def one_store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    """One store for all examples of a test."""
    with opened(request, str(request.param), tmp_path_factory.mktemp("hostile")) as store:
        yield store


def hold_only(store: Store, quads: list[Quad]) -> None:
    """Make the graph hold these quads and no others."""
    store.drop(G)
    store.insert(quads)


@HOSTILE
@given(literals=st.lists(LITERALS, min_size=1, max_size=8, unique_by=str))
@example([Literal('"} } ; DROP ALL #')])
@example([Literal("\\u0022 } \\"), Literal("\\"), Literal("\\\\u0041")])
@example([Literal("?s $p ${x} {{y}} %s %(z)s #PAGE#")])
@example([Literal("  leading, trailing \r\n\t"), Literal(""), Literal("\0"), Literal("\ufffe\uffff\ufeff")])
@example([Literal("nodeID://b1"), Literal('", "type": "bnode", "value": "nodeID://b1')])
@example([Literal("é" * 30_000), Literal("word " * 100_000)])
def test_literals_come_back_as_they_went(one_store: Store, literals: list[Literal]) -> None:
    quads = [Quad(S, P, literal, G) for literal in literals]
    assume(not any(map(one_store.objection, quads)))
    hold_only(one_store, quads)
    found = [row[0] for row in one_store.select(f"SELECT ?o WHERE {{ GRAPH {G} {{ {S} {P} ?o }} }}")]
    assert sorted(map(str, found)) == sorted(map(str, literals))


@HOSTILE
@given(literal=LITERALS)
@example(Literal('"} } ; DROP ALL #'))
@example(Literal("\\"))
@example(Literal("\0"))
@example(Literal("\x80\0"))
def test_a_literal_in_query_text_means_itself(one_store: Store, literal: Literal) -> None:
    quads = [Quad(S, P, literal, G), Quad(S, P, Literal(literal.value + "!"), G)]
    assume(not any(map(one_store.objection, quads)))
    hold_only(one_store, quads)
    query = f"SELECT ?s ?o WHERE {{ GRAPH {G} {{ ?s {P} {literal} ; {P} ?o }} FILTER(?o = {literal}) }}"
    assert list(one_store.select(query)) == [(S, literal)]
    one_store.update(f"DELETE DATA {{ GRAPH {G} {{ {S} {P} {literal} }} }}", idempotent=True)
    assert one_store.count(G) == 1


@HOSTILE
@given(node=IRIS, graph=IRIS)
@example(NamedNode("http://example.org/'x'(y)*!$&,;=@[1]") if iri("'[1]") else S, G)
@example(NamedNode("urn:x:é%20日?a=b#c"), NamedNode("http://example.org/𝔘"))
@example(NamedNode("http://example.org/" + "x" * 1_700), G)
def test_iris_come_back_as_they_went(one_store: Store, node: NamedNode, graph: NamedNode) -> None:
    quad = Quad(node, node, node, graph)
    assume(not one_store.objection(quad))
    try:
        one_store.drop(graph)
        one_store.insert([quad, quad])
        rows = list(one_store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}"))
        assert rows == [(node, node, node)]
        assert graph in one_store.graphs()
    finally:
        one_store.drop(graph)
    assert one_store.count(graph) == 0


def test_what_a_store_would_alter_it_refuses_and_the_rest_it_keeps(one_store: Store) -> None:
    """Long IRIs, geometries, durations, numbers that are none: kept, or refused; never altered."""
    xsd = "http://www.w3.org/2001/XMLSchema#"
    values = [
        NamedNode("http://example.org/" + "x" * 5_000),
        NamedNode("nodeID://b7"),
        Literal("abc", datatype=NamedNode(xsd + "integer")),
        Literal("9" * 30, datatype=NamedNode(xsd + "integer")),
        Literal("P1Y", datatype=NamedNode(xsd + "duration")),
        Literal("2020-13-45", datatype=NamedNode(xsd + "date")),
        Literal("0.12345678901234567", datatype=NamedNode(xsd + "decimal")),
        Literal("maybe", datatype=NamedNode(xsd + "boolean")),
        Literal("POINT(1 2)", datatype=NamedNode("http://www.opengis.net/ont/geosparql#wktLiteral")),
        Literal("<b/>", datatype=NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#XMLLiteral")),
        Literal("x", datatype=NamedNode("http://example.org/datatype")),
    ]
    for value in values:
        quad = Quad(S, P, value, G)
        if one_store.objection(quad):
            continue
        hold_only(one_store, [quad])
        rows = list(one_store.select(f"SELECT ?o WHERE {{ GRAPH {G} {{ ?s ?p ?o }} }}"))
        assert rows == [(value,)]
