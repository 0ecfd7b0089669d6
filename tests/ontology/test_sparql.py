"""SPARQL text taken apart: clauses, words, and every SERVICE that a parser could see; nothing is executed."""

from __future__ import annotations

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.ontology.sparql import clauses, services, without_comments, words

ELSEWHERE = "http://127.0.0.1:9/sparql"


def test_comments_go_and_what_looks_like_one_stays() -> None:
    text = 'SELECT <http://x/#a> \'#b\' """#c\n"#d""" # gone\n?x'
    assert without_comments(text) == 'SELECT <http://x/#a> \'#b\' """#c\n"#d""" \n?x'


@pytest.mark.parametrize(
    ("query", "form", "datasets"),
    [
        ("PREFIX a: <urn:a#> # SELECT\nBASE <urn:b>\nselect ?s from <urn:g> { ?s ?p ?o }", "SELECT", "from <urn:g>"),
        ("CONSTRUCT { ?s a '}' } FROM NAMED <urn:g> FROM a:b WHERE { ?s ?p ?o }", "CONSTRUCT",
         "FROM NAMED <urn:g> FROM a:b"),
        ("ASK { ?s ?from ?o }", "ASK", ""),
        ("DESCRIBE <urn:select>", "DESCRIBE", ""),
        ("PREFIX insert: <urn:x> INSERT DATA { insert:a insert:b insert:c }", "INSERT", ""),
        ("", "", ""),
    ],
)  # fmt: skip
def test_a_query_is_cut_into_its_clauses(query: str, form: str, datasets: str) -> None:
    cut = clauses(query)
    assert (cut.form, cut.datasets) == (form, datasets)


@pytest.mark.parametrize(
    "query",
    ["SELECT ?s WHERE { ?s ?p ?o } LIMIT 3", "CONSTRUCT { ?s <urn:q> ?o } { ?s ?p ?o }", "ASK { ?s ?p ?o }",
     "CONSTRUCT WHERE { ?s ?p ?o }", "DESCRIBE <urn:a>", "SELECT (COUNT(*) AS ?n) { ?s ?p ?o }"],
)  # fmt: skip
def test_a_query_gets_other_from_clauses(query: str) -> None:
    store = ox.Store()
    store.update("INSERT DATA { GRAPH <urn:g> { <urn:a> <urn:b> <urn:c> } }")
    given_one = store.query(clauses(query).text(datasets="FROM <urn:g>"))
    union = store.query(query, use_default_graph_as_union=True)
    if isinstance(union, ox.QueryBoolean):
        assert bool(given_one) == bool(union)
    else:
        assert list(map(str, given_one)) == list(map(str, union))  # type: ignore[arg-type]


def test_words_are_bare_words_only() -> None:
    text = "SELECT ?graph WHERE { a:graph <urn:graph> 'graph' # graph\n }"
    assert "GRAPH" not in words(text)
    assert "GRAPH" in words("SELECT * { Graph ?g { } }")


ASKING = [
    f"SELECT * {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ service silent # why\n <{ELSEWHERE}> # x\n{{ ?s ?p ?o }} }}",
    f"SELECT * {{ \\u0053ERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ S\\U00000045RVICE<{ELSEWHERE}>{{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?a ?b 1SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?a ?b trueSERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f'SELECT * {{ FILTER(?a<?b#> """\n) SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} # """',
    f"ASK {{ {{ SELECT * {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }} }}",
]


@pytest.mark.parametrize("query", ASKING)
def test_a_service_is_found_however_it_is_written(query: str) -> None:
    assert list(services(query)) == [ELSEWHERE]


@pytest.mark.parametrize("endpoint", ["?where", "$where", "e:where", "e:a\\#b", "e:a\u1680b"])
def test_a_service_that_is_no_plain_iri_has_no_address(endpoint: str) -> None:
    for word in ("SERVICE ", "SERVICE", "SERVICE SILENT # why\n", "SERVICE#\nSILENT"):
        assert set(services(f"SELECT * {{ {word}{endpoint} {{ ?s ?p ?o }} }}")) == {None}
        assert set(services(f"SELECT * {{ {word}{endpoint}#{{\n# x\n{{ ?s ?p ?o }} }}")) == {None}


@pytest.mark.parametrize(
    "query",
    ["SELECT ?service { ?service a:service <urn:service> }", "SELECT * { GRAPH ?service { ?s ?p ?o } }",
     "SELECT * { ?s ?p 'table service' } # service", "SELECT * { GRAPH s:service { ?s ?p ?o } }",
     "SELECT * { GRAPH <http://service.m.example:80/a> { ?s ?p ?o } }", "ASK { ?s ?p 'service\n# none' }"],
)  # fmt: skip
def test_what_asks_nobody_is_let_through(query: str) -> None:
    assert list(services(query)) == []


PIECES = st.sampled_from(
    ["SERVICE", "service", " ", "\n", "<http://127.0.0.1:9/>", "{", "}", "?s", "'", '"""', "#", "<", ">", "?p ?o",
     "1", "true", "e:a", "\\#", "\\u0053ERVICE", "FILTER(", ")", "&&", ".", "SILENT", "a:b", "GRAPH", "SELECT * {"]
)  # fmt: skip


@given(st.lists(PIECES, max_size=14).map("".join))
def test_no_service_that_the_store_would_ask_is_missed(body: str) -> None:
    """An address of the loopback at which nobody listens: asking it is an OSError."""
    query = f"PREFIX e: <{ELSEWHERE}/> SELECT * {{ {body} }}"
    if list(services(query)):
        return
    try:
        found = ox.Store().query(query)
        assert isinstance(found, ox.QuerySolutions)
        list(found)
    except (SyntaxError, ValueError):
        return
