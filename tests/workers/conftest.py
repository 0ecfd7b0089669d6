"""Museums for the tests of the service: a part of the silk graph, servers of their own, a dummy model."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from enrich.workers.context import WorkerContext
from tests.workers import museum as m
from tests.workers.museum import Museum, Server
from tests.workers.small import Queue, facts, small_service

RECORDS = 200


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory, museum_data: Path) -> Path:
    """A folder with a loaded store and a trained model, to be copied."""
    folder = tmp_path_factory.mktemp("template")
    server, url = m.oxigraph_server(folder / "store")
    with m.running(server):
        with m.store_at(url) as store:
            m.load(store, m.subset(museum_data / "silknow" / "records.nq.gz", RECORDS))
            m.load(store, m.vocabulary(museum_data))
        m.set_up(folder / "museum", url, "redis://127.0.0.1:1/0").end()
    return folder


@pytest.fixture
def graph(template: Path, tmp_path: Path) -> tuple[Server, str]:
    """A server over a copy of the graph, not yet started."""
    shutil.copytree(template / "store", tmp_path / "store")
    shutil.copytree(template / "museum" / "model", tmp_path / "museum" / "model")
    return m.oxigraph_server(tmp_path / "store")


@pytest.fixture
def broker(tmp_path: Path) -> tuple[Server, str]:
    """A Redis server, not yet started."""
    return m.redis_server(tmp_path / "redis")


@pytest.fixture
def museum(tmp_path: Path, graph: tuple[Server, str], broker: tuple[Server, str]) -> Iterator[Museum]:
    """A museum whose servers run."""
    with m.running(graph[0], broker[0]):
        found = m.set_up(tmp_path / "museum", graph[1], broker[1])
        try:
            yield found
        finally:
            found.end()


@pytest.fixture
def little(tmp_path: Path, broker: tuple[Server, str]) -> Iterator[Museum]:
    """A made museum of 24 gaps whose servers run."""
    with m.running(broker[0]), made(tmp_path / "little", broker[1]) as found:
        yield found


@contextmanager
def made(folder: Path, broker: str, **said: str) -> Iterator[Museum]:
    """A made museum of 24 gaps on a store of its own, which runs while in here; `said` is its enrich.toml's."""
    server, url = m.oxigraph_server(folder / "store")
    with m.running(server):
        with m.store_at(url) as store:
            store.insert(facts())
        found = m.set_up(folder / "museum", url, broker, batch=2, **said)  # type: ignore[arg-type]
        try:
            yield found
        finally:
            found.end()


@pytest.fixture
def service(tmp_path: Path, redis_url: str) -> WorkerContext:
    """The service of the small museum."""
    return small_service(tmp_path, redis_url)


@pytest.fixture
def queue(service: WorkerContext) -> Queue:
    """Its messages."""
    return Queue(service)
