"""Workers on an embedded store, through the process of `enrich web` that holds and serves it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.served import StoreService
from tests.museums import museum_folder
from tests.workers import museum as m
from tests.workers.museum import Server

pytestmark = [pytest.mark.slow, pytest.mark.timeout(400)]


@contextmanager
def open_site(folder: Path, environment: dict[str, str]) -> Iterator[None]:
    """`enrich web`, from when it answers until it is told to end."""
    command = [sys.executable, "-m", "enrich", "web", "--no-browser", "--port", "0"]
    process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert process.stdout.readline().startswith("http://127.0.0.1:")
        yield
    finally:
        process.terminate()
        assert process.wait(60) == 0
        process.stdout.close()


def test_a_job_is_done_beside_the_site_also_when_it_is_started_anew(
    tmp_path: Path, broker: tuple[Server, str]
) -> None:
    """Given workers on an embedded store that the site serves, when the site is ended and started again in the middle of
    a job, then the workers find it, and every gap is answered once."""
    folder = museum_folder(tmp_path / "museum", 60)
    with (folder / "enrich.toml").open("a") as settings:
        settings.write("\n[workers]\ntend_every = 1\n\n[run]\nbatch = 5\n")
    environment = {**os.environ, "ENRICH_WORKERS__BROKER": broker[1], "OMP_NUM_THREADS": "1"}
    museum = m.Museum(folder, {**environment, "PYTHONPATH": str(Path(__file__).parents[2])})

    def job() -> dict[str, object]:
        found: dict[str, object] = museum.json("job", name)
        return found

    with m.running(broker[0]):
        try:
            with open_site(folder, museum.environment):
                first = StoreService.of(folder / "store")
                museum.slow(6)
                museum.worker(2)
                name = museum.json("queue", "--model", "model")["job"]
                m.wait_for(lambda: job()["answered"], 60, "work to begin")
                assert job()["state"] == "running"
            with open_site(folder, museum.environment):
                assert StoreService.of(folder / "store") != first
                museum.hurry()
                m.wait_for(lambda: job()["state"] == "done", 120, "the job to be done")
                told = json.loads(museum.enrich("health", "--json", check=False).stdout)
                assert told["store_writable"]
                assert told["workers"] == 1
        finally:
            museum.end()
    with EmbeddedStore(folder / "store") as store:
        answered = {(graph, record, prop) for graph, record, prop, _ in m.answers_of(store)}
        gaps = {(record, prop) for _, record, prop in answered}
        assert len(answered) == len(gaps) > 20, "a gap of two graphs was answered twice"
    said = museum.enrich("worker", check=False)
    assert said.returncode == 2
    assert "start enrich web" in said.stderr
