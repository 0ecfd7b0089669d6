"""What passes the gate, and what does not, in whatever spelling."""

from __future__ import annotations

import time
from contextlib import suppress

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.ontology.queries import named_query, query_names
from enrich.ontology.sparql import clauses, services
from enrich.ontology.terms import Names
from enrich.web.gate.guard import MOST_CHARACTERS, QueryNotAllowed, passed

ELSEWHERE = "http://127.0.0.1:9/sparql"
REFUSED = [
    # SERVICE
    f"SELECT * {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ service<{ELSEWHERE}>{{ ?s ?p ?o }} }}",
    f"SELECT * {{ SERVICE SILENT <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ SeRvIcE\n#c\nsilent\t<{ELSEWHERE}>#{{\n{{ ?s ?p ?o }} }}",
    "PREFIX e: <http://127.0.0.1:9/> SELECT * { SERVICE e:sparql { ?s ?p ?o } }",
    f"PREFIX : <{ELSEWHERE}> SELECT * {{ SERVICE : {{ ?s ?p ?o }} }}",
    "BASE <http://127.0.0.1:9/> SELECT * { SERVICE <sparql> { ?s ?p ?o } }",
    "PREFIX e: <http://127.0.0.1:9/> SELECT * { SERVICEe:a\\#b { ?s ?p ?o } }",
    "PREFIX e: <http://127.0.0.1:9/> SELECT * { SERVICEe:a\u1680b#{\n{ ?s ?p ?o } }",
    f"SELECT * {{ VALUES ?e {{ <{ELSEWHERE}> }} SERVICE ?e {{ ?s ?p ?o }} }}",
    f"SELECT * {{ BIND(<{ELSEWHERE}> AS ?e) SERVICE $e {{ ?s ?p ?o }} }}",
    f"SELECT * {{ \\u0053ERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ \\U00000053\\u0045RVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ \\u005Cu0053ERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    "SELECT * { SERVICE <http://127.0.0.1:9\\u002Fsparql> { ?s ?p ?o } }",
    f"SELECT * {{ ?s ?p ?o OPTIONAL {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }}",
    f"SELECT * {{ {{ SELECT * {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }} }}",
    f"ASK {{ FILTER EXISTS {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }}",
    f"ASK {{ FILTER NOT EXISTS {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }}",
    f"SELECT * {{ ?s ?p ?o MINUS {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }} }}",
    f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"DESCRIBE ?s WHERE {{ SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?s ?p '''a' ''' . SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?s ?p \"#\" . SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?s <http://x/#y> ?o . SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    f"SELECT * {{ ?s ?p \"\\\"\" . SERVICE <{ELSEWHERE}> {{ ?s ?p ?o }} }}",
    # updates
    "INSERT DATA { <http://x/a> <http://x/b> <http://x/c> }",
    "DELETE WHERE { ?s ?p ?o }",
    "PREFIX x: <http://x/> delete { ?s ?p ?o } INSERT { ?s ?p ?o } WHERE { ?s ?p ?o }",
    "LOAD <http://127.0.0.1:9/file.ttl>",
    "LOAD SILENT <http://127.0.0.1:9/file.ttl> INTO GRAPH <http://x/g>",
    "CLEAR ALL",
    "DROP GRAPH <http://x/g>",
    "WITH <http://x/g> DELETE { ?s ?p ?o } WHERE { ?s ?p ?o }",
    "SELECT * { ?s ?p ?o } ; DROP ALL",
    "ASK {} ; INSERT DATA { <http://x/a> <http://x/b> <http://x/c> }",
    "\\u0044ROP ALL",
    "#\r\nCOPY <http://x/a> TO <http://x/b>",
    # pragmas and vendors' own
    'DEFINE input:inference "x" SELECT * { ?s ?p ?o }',
    f'DEFINE get:soft "replacing" SELECT * FROM <{ELSEWHERE}> {{ ?s ?p ?o }}',
    "PRAGMA fast SELECT * { ?s ?p ?o }",
    "SELECT (bif:sys_stat('x') AS ?x) {}",
    "PREFIX f: <bif:> SELECT (f:http_get('http://127.0.0.1:9/') AS ?x) {}",
    "SELECT (<sql:GET>('x') AS ?x) {}",
    f"SELECT (<{ELSEWHERE}>(?s) AS ?x) {{ ?s ?p ?o }}",
    "SELECT * { ?s ?p ?o FILTER <java:java.lang.Runtime>(?s) }",
    "SELECT * { ?s ?p ?o FILTER(<http://x/f> \n # c\n (?s)) }",
    "SELECT * { ?s bif:contains 'x' }",
    "SELECT * { ?s ?p ?o OPTION(TRANSITIVE) }",
    "PREFIX xsd: <bif:> SELECT (xsd:integer('1') AS ?x) {}",
    "PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> PREFIX xsd: <bif:> SELECT (xsd:integer('1') AS ?x) {}",
    "SELECT * { LET (?x := 1) }",
    "EXPLAIN SELECT * { ?s ?p ?o }",
    # what no parser reads alike
    "SELECT * { ?s ?p 'a\n' }",
    "SELECT * { ?s ?p ?o \\ }",
    "SELECT * { ?s\u00a0?p ?o }",
    "SELECT * { ?s ?p ?o } \0",
    "",
    "   # nothing\n",
    "PREFIX a: <http://x/>",
]  # fmt: skip
PASSED = [
    "SELECT * { ?s ?p ?o }",
    "\ufeffselect ?service where { ?service ?insert ?delete }",
    "PREFIX insert: <http://x/> ASK { insert:a insert:drop insert:service }",
    "PREFIX xsd: <http://www.w3.org/2001/XMLSchema#> SELECT (xsd:integer(?o) AS ?n) { ?s ?p ?o FILTER(xsd:date(?o) > '2000-01-01'^^xsd:date) }",
    "SELECT (<http://www.w3.org/2001/XMLSchema#double>('1') AS ?n) {}",
    "SELECT * { ?s ?p 'delete insert drop; define pragma load', \"chat\"@fr-CA, 1e3, .5, 1.0E-3, -2, true }",
    "CONSTRUCT WHERE { ?s a ?o } LIMIT 5",
    "CONSTRUCT { ?s ?p [ a ?o ] } FROM <http://x/g> FROM NAMED <http://x/h> WHERE { ?s ?p ?o }",
    "DESCRIBE <http://x/a>",
    "PREFIX e: <http://x/> SELECT * { ?s e:a\\#b|^e:c/e:d?/!(e:e|^e:f)+ ?o }",
    "SELECT (GROUP_CONCAT(DISTINCT ?o; SEPARATOR=', ') AS ?all) { ?s ?p ?o } GROUP BY ?s HAVING(COUNT(*) > 1)",
    "SELECT * { VALUES (?a ?b) { (<http://x/a> UNDEF) (1 2) } FILTER(?a<?b && ?b>1) FILTER(?a IN (<http://x/a>, 2)) }",
    "SELECT * { ?s ?p 'caf\\u00e9' }",
    "SELECT * { ?s ?p '''long\n'quoted' ''' . ?t ?q \"\"\"and \"more\" \"\"\" } # the end",
    "BASE <http://x/> SELECT * { <a> <b> _:c . [] <d> 'x'^^<e> }",
]  # fmt: skip


@pytest.mark.parametrize("query", REFUSED)
def test_what_does_more_than_ask_is_refused(query: str) -> None:
    with pytest.raises(QueryNotAllowed):
        passed(query)


@pytest.mark.parametrize("query", PASSED)
def test_what_only_asks_passes_and_means_the_same(query: str) -> None:
    """What is sent on is a query to a parser, too, and answers as the query did."""
    store = ox.Store()
    store.update("INSERT DATA { <http://x/a> <http://x/b> 'caf\u00e9', 1 ; a <http://x/c> }")
    answers = [store.query(text) for text in (query.removeprefix("\ufeff"), passed(query).text)]
    if isinstance(answers[0], ox.QueryBoolean):
        assert bool(answers[0]) == bool(answers[1])
    elif "[" not in query:
        first, second = (sorted(map(str, a)) for a in answers)  # type: ignore[arg-type]
        assert first == second


@pytest.mark.parametrize("name", query_names())
def test_the_queries_of_the_package_pass(name: str) -> None:
    names = Names("https://museum.example.org/")
    query = named_query(name)
    terms = {n: ox.NamedNode("https://museum.example.org/x") for n in query.parameters}
    passed(query.bind(**{**terms, **names.graphs}))


def test_a_server_that_is_allowed_may_be_asked() -> None:
    assert passed(REFUSED[0], [ELSEWHERE]).form == "SELECT"
    with pytest.raises(QueryNotAllowed):
        passed(REFUSED[0], [ELSEWHERE + "/"])
    with pytest.raises(QueryNotAllowed):
        passed(REFUSED[4], [ELSEWHERE])


def test_a_refusal_says_where() -> None:
    with pytest.raises(QueryNotAllowed) as found:
        passed("SELECT *\n{ ?s ?p ?o }\n  ; DROP ALL")
    assert (found.value.line, found.value.column) == (3, 5)
    assert "line 3, column 5: DROP belongs to an update" in str(found.value)


HEAD = "SELECT * { ?s ?p "
DULL = {
    "a run without an end": ("", "b-", ""),
    "numbers": ("", "7.", ""),
    "an open string": ('"', "\\'\\\"", ""),
    "an open long string": ("'''", "\\'''", ""),
    "quotes": ("", "'''", ""),
    "quotes in lines": ("", '"\n', ""),
    "open IRIs": ("", "<k", ""),
    "hidden escapes": ("", "\\u005c", ""),
    "many prefixes": ("", "PREFIX b: <urn:b> ", ""),
    "one comment that begins with the word": ('"service ', "#", '"'),
    "the word in a comment": ('"', "Service#", '"'),
    "the word in comments": ("'''", "service#\n#", "'''"),
    "the word before a long IRI": ("'''", "service#", f"\n<{'k' * 90_000}>'''"),
    "the word and more": ("", "service silent ", ""),
    "the word in a variable": ('"', "service?m", '"'),
    "the word in a name": ('"', "service:m", '"'),
    "the word alone": ('"', "service", '"'),
    "the word before spaces": ('"', "service" + " " * 500, '"'),
}
"""What is read in no time, as a beginning, what is repeated, and an end."""


def test_a_long_text_is_refused() -> None:
    with pytest.raises(QueryNotAllowed):
        passed(f"{HEAD}?o }}" + " " * MOST_CHARACTERS)


@pytest.mark.parametrize("name", DULL)
def test_the_longest_text_takes_no_time(name: str) -> None:
    """Ten times as long as on an idle core; what grows with the square takes minutes."""
    first, again, last = DULL[name]
    room = MOST_CHARACTERS - len(HEAD) - len(first) - len(last) - 1
    text = HEAD + first + again * (room // len(again)) + last + "}"
    assert len(text) > MOST_CHARACTERS - 1000
    began = time.process_time()
    with suppress(QueryNotAllowed):
        passed(text)
    clauses(text)
    assert list(services(text)) == []
    assert time.process_time() - began < 8


@given(st.text(alphabet="SELECTRVIselctrvi*{}<>?:#'\"\\u0053 \nxo/", max_size=80))
def test_no_text_breaks_it(text: str) -> None:
    try:
        found = passed(text)
    except QueryNotAllowed:
        return
    assert list(services(found.text)) == []
