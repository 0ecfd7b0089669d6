"""Terms enter SPARQL escaped, or not at all; our own IRIs follow from what they name."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode

from enrich.ontology import terms
from enrich.ontology.terms import (
    DCT,
    ENR,
    PREFIXES,
    PROV,
    Names,
    Namespace,
    OntologyError,
    named_node,
    sparql,
    values_block,
)

NAMES = Names("https://museum.example.org/enrich/")
# NUL and lone surrogates cannot be told in UTF-8 SPARQL text at all.
TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=80)


def test_a_namespace_gives_terms_by_attribute_and_by_item() -> None:
    assert PROV.used == NamedNode("http://www.w3.org/ns/prov#used") == PROV["used"]
    assert DCT.format == NamedNode("http://purl.org/dc/terms/format")
    assert PROV.used in PROV
    assert PROV.used not in ENR
    assert str(ENR) == "https://w3id.org/enrich/ns#"
    assert repr(ENR) == "Namespace('https://w3id.org/enrich/ns#')"


def test_a_namespace_refuses_what_makes_no_iri() -> None:
    with pytest.raises(OntologyError, match="not an absolute IRI"):
        PROV["a b>"]
    with pytest.raises(AttributeError):
        _ = PROV.__wrapped__


def test_every_namespace_has_a_prefix() -> None:
    spaces = {str(value) for value in vars(terms).values() if isinstance(value, Namespace)}

    assert spaces == set(PREFIXES.values())


@pytest.mark.parametrize("iri", ["relative", "", "<https://a.org>", "https://a.org/a b", "https://a.org/>"])
def test_what_is_not_an_absolute_iri_is_refused(iri: str) -> None:
    with pytest.raises(OntologyError, match="absolute IRI"):
        named_node(iri)


@pytest.mark.parametrize(
    "base", ["enrich/", "ftp://a.org/", "https://a.org", "https://a.org/x y/", "urn:x:/"]
)
def test_a_base_is_an_http_iri_that_ends_in_a_slash(base: str) -> None:
    with pytest.raises(OntologyError):
        Names(base)


def test_our_graphs_are_ours() -> None:
    graphs = [NAMES.runs, NAMES.reviews, NAMES.accepted, NAMES.shard("2026-11-20T02-00Z", 3)]

    assert all(NAMES.owns(graph) for graph in graphs)
    assert all(graph.value.startswith(NAMES.graph_prefix) for graph in graphs)
    assert len(set(graphs)) == 4
    assert not NAMES.owns("https://museum.example.org/graph/facts")


def test_a_run_is_found_again_by_its_id() -> None:
    assert NAMES.run_id(NAMES.run("2026-11-20T02-00Z")) == "2026-11-20T02-00Z"


@pytest.mark.parametrize("run_id", ["", "a/b", "a b", "é", "../x", "-a"])
def test_an_id_that_could_escape_its_iri_is_refused(run_id: str) -> None:
    with pytest.raises(OntologyError, match="not a run id"):
        NAMES.run(run_id)


def test_an_iri_that_is_no_run_is_refused() -> None:
    with pytest.raises(OntologyError, match="not a run of"):
        NAMES.run_id(NamedNode("https://elsewhere.org/run/1"))


def test_minting_follows_from_the_parts() -> None:
    assert NAMES.mint("prediction", "a", "b") == NAMES.mint("prediction", "a", "b")
    assert NAMES.mint("prediction", NamedNode("https://a.org/")) == NAMES.mint("prediction", "https://a.org/")


@given(st.lists(st.text(max_size=8), max_size=4), st.lists(st.text(max_size=8), max_size=4))
def test_other_parts_give_another_iri(left: list[str], right: list[str]) -> None:
    if (left or [""]) != (right or [""]):
        assert NAMES.mint("x", *left) != NAMES.mint("x", *right)


@given(TEXT)
def test_any_literal_comes_out_of_a_query_as_it_went_in(text: str) -> None:
    query = f"SELECT ?v WHERE {{ {values_block(['v'], [[Literal(text)]])} }}"

    assert [row["v"].value for row in ox.Store().query(query)] == [text]


@given(TEXT, st.sampled_from(["en", "zh-Hant"]))
def test_a_language_and_a_datatype_are_kept(text: str, language: str) -> None:
    rows = [[Literal(text, language=language)], [Literal(text, datatype=NamedNode("https://a.org/type"))]]

    found = ox.Store().query(f"SELECT ?v WHERE {{ {values_block(['v'], rows)} }}")

    assert [row["v"] for row in found] == [row[0] for row in rows]


def test_a_block_of_values_is_checked() -> None:
    assert values_block(["a", "b"], [[ENR.a, ENR.b]]) == f"VALUES (?a ?b) {{ ({ENR.a} {ENR.b}) }}"
    with pytest.raises(OntologyError, match="a row of 1 terms for 2 variables"):
        values_block(["a", "b"], [[ENR.a]])
    with pytest.raises(OntologyError, match="not a variable name"):
        values_block(["a } #"], [])


@pytest.mark.parametrize("term", [BlankNode(), "https://a.org/", None])
def test_only_iris_and_literals_stand_in_a_query(term: object) -> None:
    with pytest.raises(OntologyError, match="cannot stand in a query"):
        sparql(term)  # type: ignore[arg-type]
