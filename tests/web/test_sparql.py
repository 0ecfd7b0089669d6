"""/sparql: answers equal the store's own, in every format, and no query costs more than it may."""

from __future__ import annotations

import io
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import pandas
import psutil
import pyoxigraph as ox
import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad
from rdflib import URIRef
from rdflib.plugins.stores.sparqlstore import SPARQLStore
from SPARQLWrapper import JSON, SPARQLWrapper
from starlette.testclient import TestClient

from enrich.graph.stores import open_store
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.settings.loading import Settings
from enrich.show.querying import run_text
from enrich.web.gate.examples import examples
from enrich.web.index.asked import Filters
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.docs.followed import PAGES, blocks
from tests.hostile_http import Answer, hostile_server
from tests.museums import museum
from tests.web.serving import client, served, site
from tests.web.test_guard import ELSEWHERE, REFUSED

ROWS = {
    "application/sparql-results+json": "json",
    "application/sparql-results+xml": "xml",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
}
E = "http://example.org/"
PRODUCT = "?a ?b ?c . ?d ?e ?f . ?g ?h ?i . ?j ?k ?l"
ENDLESS = {
    "counted": f"SELECT (COUNT(*) AS ?n) {{ {PRODUCT} }}",
    "sorted": f"SELECT * {{ {PRODUCT} }} ORDER BY ?c",
    "of values": "SELECT * { "
    + " ".join(f"VALUES ?x{n} {{ {' '.join(map(str, range(100)))} }}" for n in range(6))
    + " } ORDER BY ?x1",
    "asked": f"ASK {{ {PRODUCT} FILTER(STR(?c) = CONCAT(STR(?f), STR(?l), 'x')) }}",
}

CROWD = """
import sys, threading, time
import httpx2 as httpx
def ask():
    with httpx.Client(timeout=60) as client:
        while True:
            client.get(sys.argv[1], params={"query": sys.argv[2]})
            time.sleep(1)
threads = [threading.Thread(target=ask) for _ in range(20)]
for thread in threads:
    thread.start()
"""
"""Twenty who ask again and again."""


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with site(tmp_path_factory.mktemp("site"), 30) as found:
        yield found


@pytest.fixture(scope="module")
def ask(made: Site) -> Iterator[TestClient]:
    with client(made) as found:
        yield found


@contextmanager
def limited(tmp_path: Path, store: Store | None = None, **web: object) -> Iterator[TestClient]:
    """A client of a small museum's site with limits of its own."""
    workspace = museum(20, store)
    said = {"index": str(tmp_path / "index.sqlite"), **web}
    found = Site(Settings(profile=workspace.settings.profile, web=said), workspace.store)  # type: ignore[arg-type]
    try:
        with client(found) as asking:
            yield asking
    finally:
        found.close()


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
def test_answers_are_the_stores_own(made: Site, ask: TestClient, media: str) -> None:
    full = 0
    for query in hundred():
        given = ask.get("/sparql", params={"query": query}, headers={"Accept": media})
        assert given.status_code == 200, given.text
        assert given.headers["content-type"].partition(";")[0] == media
        with made.workspace() as workspace:
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
def test_triples_come_in_every_format(made: Site, ask: TestClient, media: str, form: ox.RdfFormat) -> None:
    query = "CONSTRUCT { ?s ?p ?o } WHERE { ?s ?p ?o FILTER(!isBlank(?s) && !isBlank(?o)) }"
    given = ask.get("/sparql", params={"query": query}, headers={"Accept": media})
    assert given.headers["content-type"].partition(";")[0] == media
    with made.workspace() as workspace:
        own = set(run_text(workspace, query, "it").rows)
    parsed: set[object] = {(q.subject, q.predicate, q.object) for q in ox.parse(given.content, form)}
    assert parsed == own != set()


@pytest.mark.parametrize("name", [example.name for example in examples(museum(1).names)])
def test_every_example_is_answered(made: Site, ask: TestClient, name: str) -> None:
    with made.workspace() as workspace:
        text = next(example.text for example in examples(workspace.names) if example.name == name)
    given = ask.get("/sparql", params={"query": text}, headers={"Accept": "application/json, text/turtle"})
    assert given.status_code == 200, given.text
    if name not in ("accepted", "reviews", "conflicts", "reasons", "abstentions"):
        assert '"bindings": [\n]' not in given.text
        assert given.text.strip()


# The protocol


def test_the_three_ways_of_asking_are_one(ask: TestClient) -> None:
    query = "SELECT (COUNT(*) AS ?n) WHERE { ?s ?p ?o }"
    headers = {"Accept": "text/csv"}
    answers = [
        ask.get("/sparql", params={"query": query}, headers=headers),
        ask.post("/sparql", data={"query": query}, headers=headers),
        ask.post("/sparql", content=query, headers={**headers, "Content-Type": "application/sparql-query"}),
        ask.get("/sparql", params={"query": query, "format": "csv"}),
    ]
    assert len({a.text for a in answers}) == 1
    head = ask.head("/sparql", params={"query": query}, headers=headers)
    assert (head.status_code, head.content) == (200, b"")
    assert head.headers["content-length"] == answers[0].headers["content-length"]
    assert ask.options("/sparql").headers["allow"] == "GET, HEAD, POST, OPTIONS"


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
def test_the_format_is_what_is_liked_best(ask: TestClient, accept: str, media: str | None) -> None:
    given = ask.get("/sparql", params={"query": "ASK {}"}, headers={"Accept": accept})
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
    ask: TestClient, method: str, said: dict[str, object], status: int
) -> None:
    given = ask.request(method, "/sparql", **said)  # type: ignore[arg-type]
    assert given.status_code == status
    if status != 405:
        assert given.headers["content-type"] == "application/problem+json"
        assert given.json()["status"] == status


def test_what_does_not_parse_says_where(ask: TestClient) -> None:
    given = ask.get("/sparql", params={"query": "SELECT ?s\nWHERE { # a comment\n ?s ?p }"})
    assert given.status_code == 400
    assert re.match(r"line 3, column [89]: expected", given.json()["detail"])


def test_pages_elsewhere_read_only_what_everybody_may(made: Site, ask: TestClient) -> None:
    """On somebody's own computer no other page reads the store; behind a proxy, where reading is open, any does."""
    assert "access-control-allow-origin" not in ask.get("/sparql?query=ASK%7B%7D").headers
    changed = {"user_header": "X-User", "trusted_proxies": ("10.0.0.0/8",)}
    settings = made.settings.model_copy(update={"web": made.settings.web.model_copy(update=changed)})
    with client(made, Doors(settings)) as behind:
        answer = behind.get("/sparql?query=ASK%7B%7D", headers={"Origin": "https://elsewhere.example"})
        assert answer.headers["access-control-allow-origin"] == "*"
        assert "access-control-allow-credentials" not in answer.headers
        assert "access-control-allow-origin" not in behind.post("/sparql", data={"query": "ASK {}"}).headers


# What is refused


def test_nothing_reaches_another_server(ask: TestClient) -> None:
    """Every spelling is refused, by each of the three ways, while a server on this computer listens in vain."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        here = f"http://127.0.0.1:{listener.getsockname()[1]}/sparql"
        assert len(REFUSED) >= 40
        for text in REFUSED:
            query = text.replace(ELSEWHERE, here).replace("http://127.0.0.1:9", here.removesuffix("/sparql"))
            assert ask.get("/sparql", params={"query": query}).status_code == 400, query
            assert ask.post("/sparql", data={"query": query}).status_code == 400, query
            direct = {"Content-Type": "application/sparql-query"}
            assert ask.post("/sparql", content=query.encode(), headers=direct).status_code == 400, query
        with pytest.raises(TimeoutError):
            listener.accept()


# What it may cost


@pytest.mark.parametrize("name", ENDLESS)
def test_a_query_without_end_is_ended(tmp_path: Path, name: str) -> None:
    """Given two seconds, then the answer is 504 within three, and nothing goes on working."""
    with limited(tmp_path, query_seconds=2) as ask:
        before = set(psutil.Process().children())
        began = time.monotonic()
        given = ask.get("/sparql", params={"query": ENDLESS[name]})
        assert time.monotonic() - began < 3
        assert given.status_code == 504
        said = given.json()["detail"]
        assert "longer than 2 seconds" in said or "more memory than it may" in said
        assert set(psutil.Process().children()) <= before
        assert ask.get("/sparql", params={"query": "ASK {}"}).json()["boolean"] is True


def test_a_query_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    doubled = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(34))
    with limited(tmp_path, query_seconds=25) as ask:
        given = ask.get("/sparql", params={"query": f"SELECT ?x34 {{ BIND('aaaa' AS ?x0) {doubled} }}"})
        assert given.status_code == 504
        assert "memory" in given.json()["detail"] or "room" in given.json()["detail"]


@pytest.mark.parametrize("media", [*ROWS, "application/n-triples", "text/turtle"])
@pytest.mark.parametrize(
    ("limit", "cut"), [({"query_rows": 100}, "rows=100"), ({"query_bytes": 20_000}, "bytes=20000")]
)
def test_an_answer_that_is_too_large_is_cut_well_and_says_so(
    tmp_path: Path, media: str, limit: dict[str, int], cut: str
) -> None:
    triples = media not in ROWS
    query = "CONSTRUCT WHERE { ?s ?p ?o }" if triples else f"SELECT * WHERE {{ {PRODUCT} }}"
    with limited(tmp_path, **limit) as ask:
        given = ask.get("/sparql", params={"query": query}, headers={"Accept": media})
        assert (given.status_code, given.headers["x-enrich-cut"]) == (200, cut)
        if triples:
            form = ox.RdfFormat.from_media_type(media)
            assert form is not None
            assert 0 < len(list(ox.parse(given.content, form))) <= 500
        elif media == "application/sparql-results+json":
            rows = given.json()["results"]["bindings"]
            assert len(rows) == 100 if "query_rows" in limit else 0 < len(rows) < 100
        else:
            assert 0 < given.text.count("\n") <= 110
        assert len(given.content) < 200_000
        whole = ask.get("/sparql", params={"query": "SELECT * { ?s ?p ?o } LIMIT 5"})
        assert "x-enrich-cut" not in whole.headers


@pytest.mark.slow
def test_twenty_at_once_are_answered_or_told_to_come_back(tmp_path: Path) -> None:
    workspace = museum(20)
    settings = Settings(
        profile=workspace.settings.profile,
        web={"index": str(tmp_path / "index.sqlite"), "query_seconds": 2, "queries": 2},  # type: ignore[arg-type]
    )
    found = Site(settings, workspace.store)
    with served(found) as address, ThreadPoolExecutor(20) as pool:
        began = time.monotonic()
        asked = [
            pool.submit(httpx.get, f"{address}/sparql", params={"query": ENDLESS["sorted"]}, timeout=20)
            for _ in range(20)
        ]
        answers = [future.result() for future in asked]
        assert time.monotonic() - began < 6
        assert {answer.status_code for answer in answers} == {503, 504}
        assert all(a.headers["retry-after"].isdigit() for a in answers if a.status_code == 503)
        assert sum(a.status_code == 504 for a in answers) <= 4
    found.close()


@pytest.mark.slow
def test_pages_go_on_while_many_ask(made: Site) -> None:
    """While twenty ask what has no end, lists by facets take at most three times as long (95th percentile)."""
    made.index.refresh()

    def slowest(address: str) -> float:
        took = []
        with httpx.Client() as pages:
            for _ in range(40):
                began = time.perf_counter()
                assert pages.get(f"{address}/browse?property=place").status_code == 200
                took.append(time.perf_counter() - began)
        return sorted(took)[37]

    with served(made) as address:
        slowest(address)
        alone = slowest(address)
        crowd = subprocess.Popen([sys.executable, "-c", CROWD, f"{address}/sparql", ENDLESS["sorted"]])
        try:
            time.sleep(2)
            beside = slowest(address)
        finally:
            crowd.kill()
            crowd.wait()
    assert beside < 3 * alone + 0.02


def test_the_process_that_answers_ends_with_the_one_that_started_it(tmp_path: Path) -> None:
    """Given a parent that is killed in mid-query, then its query process ends as well."""
    script = (
        "import sys, time\nfrom enrich.web.gate.evaluating import _Process\n"
        "p = _Process()\nprint(p._process.pid, flush=True)\n"
        "p.ask({'query': sys.argv[1], 'original': '', 'form': 'SELECT', 'format': 'json', 'rows': 9, 'bytes': 9000,\n"
        "       'prefixes': {}, 'store': {'file': sys.argv[2]}, 'target': sys.argv[3]}, time.monotonic() + 60)\n"
    )
    (tmp_path / "facts.nq").write_text("")
    command = [
        sys.executable,
        "-c",
        script,
        ENDLESS["of values"],
        str(tmp_path / "facts.nq"),
        str(tmp_path / "out"),
    ]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    time.sleep(1.5)
    assert child.is_running()
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=5)[1] == []


# The store behind


def test_a_store_on_disk_is_asked_as_it_is_now(tmp_path: Path) -> None:
    """What is written is seen by the next query, blank nodes keep their names, and nothing is left behind."""
    path, g = tmp_path / "store", NamedNode(E + "g")
    with EmbeddedStore(path, shared=True) as store:
        with limited(tmp_path, store) as ask:
            query = f"SELECT ?s ?o WHERE {{ GRAPH {g} {{ ?s ?p ?o }} }}"
            for number in range(3):
                store.insert([Quad(BlankNode(f"b{number}"), g, Literal(number), g)])
                given = ask.get("/sparql", params={"query": query}, headers={"Accept": "text/csv"})
                assert sorted(given.text.splitlines()[1:]) == [f"_:b{n},{n}" for n in range(number + 1)]
            states = list((tmp_path / "store.asked").iterdir())
            assert len(states) == 1
        assert not (tmp_path / "store.asked").exists()


@pytest.mark.parametrize("kind", ["oxigraph", pytest.param("virtuoso", marks=pytest.mark.virtuoso)])
def test_a_server_behind_is_asked_with_the_same_limits(
    request: pytest.FixtureRequest, tmp_path: Path, kind: str
) -> None:
    endpoint = request.getfixturevalue(f"{kind}_server")
    store = open_store(query_url=endpoint.query_url)
    found = Site(
        Settings(web={"index": str(tmp_path / "i.sqlite"), "query_rows": 50, "query_seconds": 3}), store
    )  # type: ignore[arg-type]
    values = " ".join(map(str, range(60)))
    with client(found) as ask:
        whole = ask.get("/sparql", params={"query": f"SELECT ?a FROM <{E}g> {{ VALUES ?a {{ 1 2 3 }} }}"})
        assert len(whole.json()["results"]["bindings"]) == 3
        cut = ask.get("/sparql", params={"query": f"SELECT ?a FROM <{E}g> {{ VALUES ?a {{ {values} }} }}"})
        assert len(cut.json()["results"]["bindings"]) == 50
        assert cut.headers["x-enrich-cut"] == "rows=50"
    found.close()


@pytest.mark.parametrize(
    ("answer", "status"),
    [
        (Answer(500, b"out of order"), 502),
        (Answer(400, b"Virtuoso 42000 Error The estimated execution time exceeds the limit"), 400),
        (Answer(hang_up=True), 502),
        (Answer(cut_headers=True), 502),
        (Answer(body=b'{"head": {"vars": ["s"]}, "results": {"bindings": ['), 502),
        (Answer(chunks=[b'{"head": {"vars": ["s"]}, "results": {"bindings": ['], cut=True), 502),
        (Answer(body=b"<html>be right back</html>", media_type="text/html"), 502),
        (Answer(body=b"", headers={"X-SQL-State": "S1TAT"}), 504),
        (Answer(wait=threading.Event()), 504),
    ],
)
def test_a_store_that_fails_is_never_an_empty_answer(tmp_path: Path, answer: Answer, status: int) -> None:
    with hostile_server(lambda _: answer) as server:
        store = open_store(query_url=server.url, retries=0)
        web = {"index": str(tmp_path / "i.sqlite"), "query_seconds": 5}
        found = Site(Settings(web=web), store)  # type: ignore[arg-type]
        with client(found) as ask:
            for media in ("application/sparql-results+json", "text/html"):
                for graphs in (f"FROM <{E}g>", ""):
                    query = f"SELECT ?s {graphs} {{ ?s ?p ?o }}"
                    began = time.monotonic()
                    given = ask.get("/sparql", params={"query": query}, headers={"Accept": media})
                    assert given.status_code in (status, 502), given.text
                    assert time.monotonic() - began < 6
                    assert server.url not in given.text, "where the store is, is nobody's business"
        found.close()
        if answer.wait is not None:
            answer.wait.set()


# Who reads it


@pytest.mark.slow
def test_common_libraries_read_it(made: Site) -> None:
    query = "SELECT ?s ?o WHERE { ?s a ?o } ORDER BY ?s ?o"
    with served(made) as address:
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
def test_what_the_document_says_is_what_happens(made: Site) -> None:
    """The commands and the Python of docs/endpoint.md, typed as they stand, at the address of this site."""
    page = next(page for page in PAGES if page.name == "endpoint.md")
    with served(made) as address:
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


# What it says of itself, and the page


def test_it_describes_itself_without_a_query(made: Site, ask: TestClient) -> None:
    sd = "http://www.w3.org/ns/sparql-service-description#"
    turtle = ask.get("/sparql", headers={"Accept": "text/turtle"})
    facts = [(q.subject, q.predicate, q.object) for q in ox.parse(turtle.content, ox.RdfFormat.TURTLE)]
    assert (
        NamedNode("http://127.0.0.1/sparql"),
        NamedNode(sd + "supportedLanguage"),
        NamedNode(sd + "SPARQL11Query"),
    ) in facts
    made.index.refresh()
    again = ask.get("/sparql", headers={"Accept": "application/ld+json"})
    counted = [
        q.object
        for q in ox.parse(again.content, ox.RdfFormat.JSON_LD)
        if q.predicate.value.endswith("#entities")
    ]
    assert counted[0].value == str(made.index.page(Filters(), limit=1).total)
    assert ask.get("/sparql", headers={"Accept": "image/png"}).status_code == 406


def test_the_page_shows_an_answer_and_what_was_wrong(ask: TestClient) -> None:
    html = {"Accept": "text/html"}
    assert '<textarea id="query"' in ask.get("/sparql", headers=html).text
    rows = ask.get("/sparql", params={"query": "SELECT ?s WHERE { ?s a ?o }"}, headers=html)
    assert rows.status_code == 200
    assert rows.text.count("<td><a href=") > 10
    wrong = ask.get("/sparql", params={"query": "SELECT *\n{ ?s ?p ?o } DROP ALL"}, headers=html)
    assert wrong.status_code == 400
    assert "Line 2, column 14" in wrong.text
    assert "SELECT *\n{ ?s ?p ?o } DROP ALL</textarea>" in wrong.text
    assert "<strong>Yes</strong>" in ask.get("/sparql", params={"query": "ASK {}", "format": "html"}).text
    turtle = ask.get("/sparql", params={"query": "CONSTRUCT WHERE { ?s a ?o }", "format": "html"}).text
    assert "<pre>&lt;https://" in turtle


def test_the_page_shows_hostile_terms_as_text(tmp_path: Path) -> None:
    store, g = EmbeddedStore(), NamedNode(E + "g")
    for text in (
        "<script>alert(1)</script>",
        '"><img src=x onerror=alert(1)>',
        "</textarea><script>alert(1)</script>",
    ):
        store.insert([Quad(NamedNode("javascript:alert(1)"), g, Literal(text), g)])
    with limited(tmp_path, store) as ask:
        query = f"SELECT * {{ GRAPH {g} {{ ?s ?p ?o }} }} # </textarea><script>alert(2)</script>"
        page = ask.get("/sparql", params={"query": query}, headers={"Accept": "text/html"}).text
        assert "<script>alert" not in page
        assert "<img src=x" not in page
        assert 'href="javascript' not in page
