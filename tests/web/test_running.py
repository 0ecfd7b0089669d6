"""`enrich web` as a person runs it, with the other verbs beside it on an embedded store."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2 as httpx
import psutil
import pytest

from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.served import StoreService
from tests.museums import museum_folder
from tests.servers import free_port

ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1"}


def enrich(folder: Path, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A verb, run in the museum's folder."""
    command = [sys.executable, "-m", "enrich", *words]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=ENVIRONMENT, timeout=120)
    assert done.returncode == code, done.stderr
    return done


@contextmanager
def web(folder: Path, *words: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """`enrich web` and the address that it prints."""
    command = [sys.executable, "-m", "enrich", "web", "--no-browser", "--port", "0", *words]
    process = subprocess.Popen(
        command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT
    )
    try:
        assert process.stdout is not None
        yield process, process.stdout.readline().strip()
    finally:
        process.kill()
        process.communicate()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return museum_folder(tmp_path_factory.mktemp("museum"), 40)


@pytest.mark.slow
def test_it_opens_within_five_seconds(folder: Path) -> None:
    """Or, on a machine that has much else to do, within three and a half of its own processor's: it waits for nothing."""
    began = time.monotonic()
    with web(folder) as (process, address):
        took = time.monotonic() - began
        busy = psutil.Process(process.pid).cpu_times()
        assert httpx.get(address).status_code == 303
    assert took < 5 or busy.user + busy.system < 3.5


@pytest.mark.slow
def test_the_verbs_work_while_the_site_is_open(folder: Path) -> None:
    """Given an embedded store, when `enrich web` is open, then a run, a query, gaps,
    show, a review, a load and a retraction do on it what they do alone."""
    with web(folder) as (process, address):
        entered = httpx.get(address)
        assert entered.status_code == 303
        assert "enrich-" in entered.headers["set-cookie"]
        service = StoreService.of(folder / "store")
        assert service is not None
        assert service.pid == process.pid
        assert address.startswith(service.pages)
        assert json.loads(enrich(folder, "gaps", "--json").stdout)
        done = json.loads(enrich(folder, "run", "--json").stdout)
        assert done["predicted"] > 0
        found = json.loads(enrich(folder, "query", "predictions", "--json").stdout)
        assert found
        (folder / "more.ttl").write_text(
            "<http://example.org/a> <http://example.org/b> <http://example.org/c> ."
        )
        enrich(folder, "load", "more.ttl")
        first = enrich(folder, "query", "predictions", "--format", "csv", "--iris").stdout.splitlines()[1]
        prediction = next(word for word in first.split(",") if "/prediction/" in word)
        enrich(folder, "review", "accept", prediction, "--by", "curator")
        record = next(
            word for word in first.split(",") if word.startswith("http") and "/prediction/" not in word
        )
        assert record in enrich(folder, "show", record, "--json").stdout
        enrich(folder, "retract", done["run"], "--yes")
        process.send_signal(signal.SIGINT)
        assert process.wait(10) == 0
    assert not StoreService.file(folder / "store").exists()
    with EmbeddedStore(folder / "store") as store:
        assert store.count() > 0


@pytest.mark.slow
def test_it_ends_cleanly_when_it_is_terminated_and_leaves_nothing_when_it_is_killed(folder: Path) -> None:
    with web(folder) as (process, _):
        process.terminate()
        assert process.wait(10) == 0
        assert not StoreService.file(folder / "store").exists()
    with web(folder) as (process, _):
        process.kill()
        process.wait(10)
    assert StoreService.file(folder / "store").exists()
    enrich(folder, "gaps")
    with web(folder) as (_, address):
        assert address.startswith("http://127.0.0.1:")


@pytest.mark.slow
def test_a_second_one_says_where_the_first_is(folder: Path) -> None:
    with web(folder) as (process, address):
        said = enrich(folder, "web", "--port", "0", code=2).stderr
        assert address.partition("/enter")[0] in said
        assert str(process.pid) in said


def test_a_port_that_is_taken_is_said_with_what_to_do(folder: Path) -> None:
    port = free_port()
    with web(folder, "--port", str(port)):
        said = enrich(folder, "web", "--port", str(port), code=2).stderr
    assert re.search(rf"port {port} of 127\.0\.0\.1 is taken; take another with --port", said)


def test_a_store_that_another_process_holds_is_said_with_what_to_do(folder: Path) -> None:
    with EmbeddedStore(folder / "store"):
        said = enrich(folder, "web", "--port", "0", code=2).stderr
    assert "start enrich web when it has ended" in said


def test_without_a_graph_it_says_how_to_load_one(tmp_path: Path) -> None:
    enrich(tmp_path, "init", ".")
    assert "enrich load" in enrich(tmp_path, "web", code=2).stderr
