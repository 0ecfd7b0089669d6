"""/sparql before every store: on disk, behind a server, and one that fails."""

from __future__ import annotations

import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.graph.stores import open_store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.settings.loading import Settings
from enrich.web.site import Site
from tests.hostile_http import Answer, hostile_server
from tests.servers import PATIENCE
from tests.web.serving import client, limited

E = "http://example.org/"


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
    web = {"index": str(tmp_path / "i.sqlite"), "query_rows": 50}
    values = " ".join(map(str, range(60)))
    with (
        open_store(query_url=endpoint.query_url) as store,
        closing(Site(Settings(web=web), store)) as found,  # type: ignore[arg-type]
        client(found) as ask,
    ):
        whole = ask.get("/sparql", params={"query": f"SELECT ?a FROM <{E}g> {{ VALUES ?a {{ 1 2 3 }} }}"})
        assert len(whole.json()["results"]["bindings"]) == 3
        cut = ask.get("/sparql", params={"query": f"SELECT ?a FROM <{E}g> {{ VALUES ?a {{ {values} }} }}"})
        assert len(cut.json()["results"]["bindings"]) == 50
        assert cut.headers["x-enrich-cut"] == "rows=50"


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
    seconds = 30 if answer.wait is None else 3
    web = {"index": str(tmp_path / "i.sqlite"), "query_seconds": seconds}
    with (
        hostile_server(lambda _: answer) as server,
        open_store(query_url=server.url, retries=0) as store,
        closing(Site(Settings(web=web), store)) as found,  # type: ignore[arg-type]
        client(found) as ask,
    ):
        for media in ("application/sparql-results+json", "text/html"):
            for graphs in (f"FROM <{E}g>", ""):
                query = f"SELECT ?s {graphs} {{ ?s ?p ?o }}"
                began = time.monotonic()
                given = ask.get("/sparql", params={"query": query}, headers={"Accept": media})
                assert given.status_code in (status, 502), given.text
                assert time.monotonic() - began < seconds + PATIENCE
                assert server.url not in given.text, "where the store is, is nobody's business"
        if answer.wait is not None:
            answer.wait.set()
