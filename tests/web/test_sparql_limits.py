"""/sparql: no query costs more than it may, or reaches more than the store."""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx2 as httpx
import psutil
import pyoxigraph as ox
import pytest
from starlette.testclient import TestClient

from enrich.settings.loading import Settings
from enrich.web.gate.evaluating import Evaluators
from enrich.web.site import Site
from tests.museums import museum
from tests.servers import PATIENCE
from tests.web.serving import limited, served
from tests.web.test_guard import ELSEWHERE, REFUSED
from tests.web.test_sparql import ROWS

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


def until(so: Callable[[], bool]) -> None:
    """Wait until it is so, however slow the machine is."""
    last = time.monotonic() + 60
    while not so():
        assert time.monotonic() < last, "it never came to that"
        time.sleep(0.05)


def test_nothing_reaches_another_server(web: TestClient) -> None:
    """Every spelling is refused, by each of the three ways, while a server on this computer listens in vain."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(0.3)
        here = f"http://127.0.0.1:{listener.getsockname()[1]}/sparql"
        assert len(REFUSED) >= 40
        for text in REFUSED:
            query = text.replace(ELSEWHERE, here).replace("http://127.0.0.1:9", here.removesuffix("/sparql"))
            assert web.get("/sparql", params={"query": query}).status_code == 400, query
            assert web.post("/sparql", data={"query": query}).status_code == 400, query
            direct = {"Content-Type": "application/sparql-query"}
            assert web.post("/sparql", content=query.encode(), headers=direct).status_code == 400, query
        with pytest.raises(TimeoutError):
            listener.accept()


@pytest.mark.parametrize("name", ENDLESS)
def test_a_query_without_end_is_ended(tmp_path: Path, name: str) -> None:
    """Given two seconds, then the answer is 504 within three on idle cores, and nothing goes on working."""
    with limited(tmp_path, query_seconds=2) as ask:
        before = set(psutil.Process().children())
        began = time.monotonic()
        given = ask.get("/sparql", params={"query": ENDLESS[name]})
        assert time.monotonic() - began < 2 + PATIENCE
        assert given.status_code == 504
        said = given.json()["detail"]
        assert "longer than 2 seconds" in said or "more memory than it may" in said
        assert set(psutil.Process().children()) <= before
        assert ask.get("/sparql", params={"query": "ASK {}"}).json()["boolean"] is True


def test_a_query_that_takes_all_memory_is_ended(tmp_path: Path) -> None:
    doubled = " ".join(f"BIND(CONCAT(?x{n}, ?x{n}) AS ?x{n + 1})" for n in range(34))
    with limited(tmp_path, query_seconds=200) as ask:
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


def test_a_query_that_cannot_begin_takes_no_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a full disk, say, then each query fails by that, and none because those before it were never done."""
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    evaluators = Evaluators(1, 5)
    for _ in range(3):
        with pytest.raises(FileNotFoundError):
            evaluators.evaluate({}, time.monotonic() + 5)


@pytest.mark.slow
def test_twenty_at_once_are_answered_or_told_to_come_back(tmp_path: Path) -> None:
    workspace = museum(20)
    settings = Settings(
        profile=workspace.settings.profile,
        web={"index": str(tmp_path / "index.sqlite"), "query_seconds": 2, "queries": 2},  # type: ignore[arg-type]
    )
    found = Site(settings, workspace.store)
    with served(found) as address, httpx.Client(timeout=20) as asking, ThreadPoolExecutor(20) as pool:
        query, began = {"query": ENDLESS["counted"]}, time.monotonic()
        asked = [pool.submit(asking.get, f"{address}/sparql", params=query) for _ in range(20)]
        answers = [future.result() for future in asked]
        assert time.monotonic() - began < 2 + 4 * PATIENCE, (
            "six on idle cores; forty if they were answered in turn"
        )
        assert {answer.status_code for answer in answers} == {503, 504}
        assert all(a.headers["retry-after"].isdigit() for a in answers if a.status_code == 503)
        assert sum(a.status_code == 504 for a in answers) <= 4
    found.close()


@pytest.mark.slow
def test_pages_go_on_while_many_ask(shared: Site) -> None:
    """While twenty ask what has no end, lists by facets take at most three times as long (95th percentile)."""
    shared.index.refresh()

    def slowest(address: str) -> float:
        took = []
        with httpx.Client() as pages:
            for _ in range(40):
                began = time.perf_counter()
                assert pages.get(f"{address}/browse?property=place").status_code == 200
                took.append(time.perf_counter() - began)
        return sorted(took)[37]

    with served(shared) as address:
        slowest(address)
        alone = slowest(address)
        crowd = subprocess.Popen([sys.executable, "-c", CROWD, f"{address}/sparql", ENDLESS["sorted"]])
        try:
            until(lambda: httpx.get(f"{address}/sparql", params={"query": "ASK {}"}).status_code == 503)
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
    facts, answer = tmp_path / "facts.nq", tmp_path / "answer"
    facts.write_text(
        "".join(f'<http://example.org/{n}> <http://example.org/p> "{n}" .\n' for n in range(500))
    )
    command = [sys.executable, "-c", script, ENDLESS["counted"], str(facts), str(answer)]
    parent = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    child = psutil.Process(int(parent.stdout.readline()))
    until(answer.exists)  # it is the last thing before the query
    begun = child.cpu_times().user
    until(lambda: child.cpu_times().user > begun + 0.5)
    assert answer.stat().st_size == 0
    parent.kill()
    parent.communicate()
    assert psutil.wait_procs([child], timeout=30)[1] == []
