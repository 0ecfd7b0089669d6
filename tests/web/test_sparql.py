"""/sparql: its answers equal the store's own, in every format, for whoever reads them."""

from __future__ import annotations

import io
import subprocess

import httpx2 as httpx
import pandas
import pyoxigraph as ox
import pytest
from rdflib import URIRef
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import JSON, SPARQLWrapper
from starlette.testclient import TestClient

from enrich.show.querying import run_text
from enrich.web.gate.examples import examples
from enrich.web.site import Site
from tests.docs.followed import PAGES, blocks
from tests.museums import museum
from tests.web.serving import served

ROWS = {
    "application/sparql-results+json": "json",
    "application/sparql-results+xml": "xml",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
}


def hundred() -> list[str]:
    """A hundred questions about the museum and what was predicted of it."""
    crm = "http://www.cidoc-crm.org/cidoc-crm/"
    predicates = [
        f"<{crm}{p}>"
        for p in ("P2_has_type", "P50_has_current_keeper", "P108i_was_produced_by", "P126_employed")
    ]
    predicates += [
        "a",
        "<http://www.w3.org/2000/01/rdf-schema#label>",
        "<https://w3id.org/enrich/ns#confidence>",
        "?p",
    ]
    shapes = (
        "SELECT ?s ?o WHERE {{ ?s {p} ?o }}",
        "SELECT ?o (COUNT(?s) AS ?n) WHERE {{ ?s {p} ?o }} GROUP BY ?o",
        "SELECT DISTINCT ?s WHERE {{ ?s {p} ?o FILTER(isIRI(?o)) }}",
        "SELECT ?s ?o ?label WHERE {{ ?s {p} ?o OPTIONAL {{ ?o <http://www.w3.org/2000/01/rdf-schema#label> ?label }} }}",
        "SELECT ?g ?s ?o WHERE {{ GRAPH ?g {{ ?s {p} ?o }} }}",
        "SELECT ?s (STRLEN(STR(?o)) AS ?n) WHERE {{ ?s {p} ?o FILTER(STRLEN(STR(?o)) > 30) }}",
        "SELECT (MIN(?o) AS ?first) (SAMPLE(1) AS ?one) WHERE {{ ?s {p} ?o }}",
        "SELECT ?s WHERE {{ ?s {p} ?o MINUS {{ ?s a <http://example.org/Nothing> }} }}",
        "ASK {{ ?s {p} ?o }}",
        "ASK {{ GRAPH ?g {{ ?s {p} ?o }} }}",
        "SELECT ?o (UCASE(STR(?o)) AS ?upper) WHERE {{ {{ ?s {p} ?o }} UNION {{ GRAPH ?g {{ ?s {p} ?o }} }} }}",
        "SELECT * WHERE {{ VALUES ?x {{ 1 2.5 'a' 'b'@en true UNDEF }} ?s {p} ?o FILTER(BOUND(?x)) }}",
        "SELECT ?s (CONCAT('a,\"\\t\\n', STR(?o)) AS ?hard) WHERE {{ ?s {p} ?o }}",
    )
    return [shape.format(p=predicate) for shape in shapes for predicate in predicates]


def alike(text: str, form: str) -> object:
    """What an answer says, whatever the order of its rows."""
    if form in ("json", "xml"):
        formats = {"json": ox.QueryResultsFormat.JSON, "xml": ox.QueryResultsFormat.XML}
        found = ox.parse_query_results(text.encode(), formats[form])
        if isinstance(found, ox.QueryBoolean):
            return bool(found)
        return [v.value for v in found.variables], sorted(str(tuple(row)) for row in found)
    head, *rows = text.split("\n")
    return head, sorted(rows)


def test_there_are_a_hundred() -> None:
    assert len(set(hundred())) >= 100


@pytest.mark.slow
@pytest.mark.parametrize("media", ROWS)
def test_answers_are_the_stores_own(shared: Site, web: TestClient, media: str) -> None:
    full = 0
    for query in hundred():
        given = web.get("/sparql", params={"query": query}, headers={"Accept": media})
        assert given.status_code == 200, given.text
        assert given.headers["content-type"].partition(";")[0] == media
        with shared.workspace() as workspace:
            own = io.StringIO()
            run_text(workspace, query, "it").write(own, ROWS[media])
        assert alike(given.text, ROWS[media]) == alike(own.getvalue(), ROWS[media]), query
        full += len(given.text) > 200
    assert full > 50


@pytest.mark.parametrize(
    ("media", "form"),
    [("text/turtle", ox.RdfFormat.TURTLE), ("application/n-triples", ox.RdfFormat.N_TRIPLES),
     ("application/rdf+xml", ox.RdfFormat.RDF_XML), ("application/ld+json", ox.RdfFormat.JSON_LD)],
)  # fmt: skip
def test_triples_come_in_every_format(shared: Site, web: TestClient, media: str, form: ox.RdfFormat) -> None:
    query = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o FILTER(!isBlank(?s) && !isBlank(?o)) }"
    given = web.get("/sparql", params={"query": query}, headers={"Accept": media})
    assert given.headers["content-type"].partition(";")[0] == media
    with shared.workspace() as workspace:
        own = set(run_text(workspace, query, "it").rows)
    parsed: set[object] = {(q.subject, q.predicate, q.object) for q in ox.parse(given.content, form)}
    assert parsed == own != set()


@pytest.mark.parametrize("name", [example.name for example in examples(museum(1).names)])
def test_every_example_is_answered(shared: Site, web: TestClient, name: str) -> None:
    with shared.workspace() as workspace:
        text = next(example.text for example in examples(workspace.names) if example.name == name)
    given = web.get("/sparql", params={"query": text}, headers={"Accept": "application/json, text/turtle"})
    assert given.status_code == 200, given.text
    if name not in ("accepted", "reviews", "conflicts", "reasons", "abstentions"):
        assert '"bindings": [\n]' not in given.text
        assert given.text.strip()


# Who reads it


@pytest.mark.slow
def test_common_libraries_read_it(shared: Site) -> None:
    query = "SELECT ?s ?o WHERE { ?s a ?o } ORDER BY ?s ?o"
    with served(shared) as address:
        endpoint = f"{address}/sparql"
        wrapper = SPARQLWrapper(endpoint)
        wrapper.setQuery(query)
        wrapper.setReturnFormat(JSON)
        bindings = wrapper.queryAndConvert()["results"]["bindings"]  # type: ignore[index,call-overload]
        table = pandas.read_csv(f"{endpoint}?{httpx.QueryParams(query=query, format='csv')}")
        store = SPARQLStore(endpoint)
        rows = list(store.query(query))
        triples = store.query("CONSTRUCT { ?s a ?o } WHERE { ?s a ?o }").graph
    assert len(bindings) == len(table) == len(rows) > 30
    assert triples is not None
    assert len(triples) == len(table)
    assert [URIRef(b["s"]["value"]) for b in bindings] == [row[0] for row in rows]  # type: ignore[index]
    assert list(table["s"]) == [b["s"]["value"] for b in bindings]


@pytest.mark.slow
def test_what_the_document_says_is_what_happens(shared: Site) -> None:
    """The commands and the Python of docs/endpoint.md, typed as they stand, at the address of this site."""
    page = next(page for page in PAGES if page.name == "endpoint.md")
    with served(shared) as address:
        for block in blocks(page):
            text = block.text.replace("http://127.0.0.1:8765", address)
            if block.kind == "python":
                said: dict[str, pandas.DataFrame] = {}
                exec(text, said)
                assert len(said["table"]) > 3
            else:
                done = subprocess.run(["bash", "-c", text], capture_output=True, text=True, check=True)
                assert done.stdout.splitlines()[0] == "s"
                assert len(done.stdout.splitlines()) == 11
