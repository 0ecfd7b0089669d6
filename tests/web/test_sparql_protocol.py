"""/sparql is asked by the SPARQL 1.1 Protocol, and says what it is."""

from __future__ import annotations

import re
from pathlib import Path

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.graph.stores.embedded import EmbeddedStore
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.web.serving import client, limited

E = "http://example.org/"


def test_the_three_ways_of_asking_are_one(web: TestClient) -> None:
    query = "SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"
    headers = {"Accept": "text/csv"}
    answers = [
        web.get("/sparql", params={"query": query}, headers=headers),
        web.post("/sparql", data={"query": query}, headers=headers),
        web.post("/sparql", content=query, headers={**headers, "Content-Type": "application/sparql-query"}),
        web.get("/sparql", params={"query": query, "format": "csv"}),
    ]
    assert len({a.text for a in answers}) == 1
    head = web.head("/sparql", params={"query": query}, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answers[0].headers["content-length"]
    assert web.options("/sparql").headers["allow"] == "GET, HEAD, POST, OPTIONS"


def test_graphs_of_the_protocol_go_before_those_of_the_query(tmp_path: Path) -> None:
    g, h = NamedNode(E + "g"), NamedNode(E + "h")
    store = EmbeddedStore()
    store.insert([Quad(g, g, Literal("in g"), g), Quad(h, h, Literal("in h"), h)])
    with limited(tmp_path, store) as ask:
        query = f"SELECT ?o FROM {g} WHERE {{ {{ ?s ?p ?o }} UNION {{ GRAPH ?g {{ ?s ?p ?o }} }} }}"

        def found(**graphs: str) -> list[str]:
            answer = ask.get("/sparql", params={"query": query, **graphs}, headers={"Accept": "text/csv"})
            assert answer.status_code == 200
            return answer.text.splitlines()[1:]

        assert found() == ["in g"]
        assert found(**{"default-graph-uri": h.value}) == ["in h"]
        assert found(**{"named-graph-uri": h.value}) == ["in h"]
        wrong = ask.get("/sparql", params={"query": query, "default-graph-uri": "> } DROP ALL"})
        assert wrong.status_code == 400


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        ("", "application/sparql-results+json"),
        ("*/*", "application/sparql-results+json"),
        ("text/csv;q=0.5, application/sparql-results+xml", "application/sparql-results+xml"),
        ("text/*", "text/csv"),
        ("application/json", "application/json"),
        ("application/sparql-results+json;q=0, */*;q=0.1", "application/json"),
        ("image/png, text/tab-separated-values;q=0.01", "text/tab-separated-values"),
        ("image/png", None),
        ("text/turtle", None),
    ],
)
def test_the_format_is_what_is_liked_best(web: TestClient, accept: str, media: str | None) -> None:
    given = web.get("/sparql", params={"query": "ASK {}"}, headers={"Accept": accept})
    if media is None:
        assert given.status_code == 406
        assert "text/csv" in given.json()["detail"]
    else:
        assert given.headers["content-type"].partition(";")[0] == media


@pytest.mark.parametrize(
    ("method", "said", "status"),
    [
        ("POST", {"data": {"update": "DROP ALL"}}, 400),
        ("POST", {"content": "DROP ALL", "headers": {"Content-Type": "application/sparql-update"}}, 400),
        ("POST", {"content": "ASK {}", "headers": {"Content-Type": "text/plain"}}, 415),
        ("POST", {"data": {}}, 415),
        ("POST", {"data": {"query": ["ASK {}", "ASK {}"]}}, 400),
        ("POST", {"content": b"ASK { \xff }", "headers": {"Content-Type": "application/sparql-query"}}, 400),
        ("POST", {"content": b" " * 900_000, "headers": {"Content-Type": "application/sparql-query"}}, 413),
        ("GET", {"params": {"query": ["ASK {}", "ASK {}"]}}, 400),
        ("GET", {"params": {"query": ""}}, 400),
        ("GET", {"params": {"query": "SELECT * {"}}, 400),
        ("GET", {"params": {"query": "ASK {}", "format": "turtle"}}, 406),
        ("PUT", {"content": "ASK {}"}, 405),
        ("DELETE", {}, 405),
    ],
)
def test_what_is_not_of_the_protocol_is_a_problem(
    web: TestClient, method: str, said: dict[str, object], status: int
) -> None:
    given = web.request(method, "/sparql", **said)  # type: ignore[arg-type]
    assert given.status_code == status
    if status != 405:
        assert given.headers["content-type"] == "application/problem+json"
        assert given.json()["status"] == status


def test_what_does_not_parse_says_where(web: TestClient) -> None:
    given = web.get("/sparql", params={"query": "SELECT ?s\nWHERE { # a comment\n ?s ?p }"})
    assert given.status_code == 400
    assert re.match(r"line 3, column [89]: expected", given.json()["detail"])


def test_pages_elsewhere_read_only_what_everybody_may(shared: Site, web: TestClient) -> None:
    """On somebody's own computer no other page reads the store; behind a proxy, where reading is open, any does."""
    assert "access-control-allow-origin" not in web.get("/sparql?query=ASK%7B%7D").headers
    changed = {"user_header": "X-User", "trusted_proxies": ("10.0.0.0/8",)}
    settings = shared.settings.model_copy(update={"web": shared.settings.web.model_copy(update=changed)})
    with client(shared, Doors(settings)) as behind:
        answer = behind.get("/sparql?query=ASK%7B%7D", headers={"Origin": "https://elsewhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-origin" not in behind.post("/sparql", data={"query": "ASK {}"}).headers


def test_it_describes_itself_without_a_query(shared: Site, web: TestClient) -> None:
    sd = "http://www.w3.org/ns/sparql-service-description#"
    turtle = web.get("/sparql", headers={"Accept": "text/turtle"})
    facts = [(q.subject, q.predicate, q.object) for q in ox.parse(turtle.content, ox.RdfFormat.TURTLE)]
    assert (
        NamedNode("http://127.0.0.1/sparql"),
        NamedNode(sd + "supportedLanguage"),
        NamedNode(sd + "SPARQL11Query"),
    ) in facts
    shared.index.refresh()
    again = web.get("/sparql", headers={"Accept": "application/ld+json"})
    counted = [
        q.object
        for q in ox.parse(again.content, ox.RdfFormat.JSON_LD)
        if q.predicate.value.endswith("#entities")
    ]
    assert counted[0].value == str(shared.index.page(Filters(), limit=1).total)
    assert web.get("/sparql", headers={"Accept": "image/png"}).status_code == 406
