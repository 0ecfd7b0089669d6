"""Stores, servers and data for all tests."""

from __future__ import annotations

import gc
import os
from collections import Counter
from collections.abc import Generator, Iterator
from dataclasses import asdict
from pathlib import Path

import hypothesis
import pytest
from playwright.sync_api import Browser

from enrich.graph.stores import Store, open_store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
from tests import servers
from tests.browser import chromium
from tests.servers import Endpoint

STORES = [
    "memory",
    "disk",
    "oxigraph",
    "served",
    pytest.param("virtuoso", marks=pytest.mark.virtuoso),
]


# A process of several that test together is given 80 columns, as if it had a terminal.
os.environ.pop("COLUMNS", None)

# How long an example takes says how busy the machine is; a test that hangs meets the time limit of all tests.
hypothesis.settings.register_profile("enrich", hypothesis.settings(), deadline=None)
hypothesis.settings.load_profile("enrich")


def pytest_collection_finish() -> None:
    """What importing has made is not looked through each time that garbage is collected, as with every store on disk
    that is closed: it is millions of objects, and took half of the time of many tests."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files with slow tests come first, so that no process is still at one when the others have nothing left."""
    slow = Counter(item.path for item in items if item.get_closest_marker("slow"))
    items.sort(key=lambda item: -slow[item.path])


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Under CI nothing is skipped: what a test misses there (a server, data, a package, a right) fails it."""
    report = yield
    if report.skipped and servers.under_ci() and not hasattr(report, "wasxfail"):
        why = report.longrepr[-1] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome, report.longrepr = "failed", f"{why}; under CI nothing may be missing"
    return report


@pytest.fixture(scope="session", autouse=True)
def _facts_are_kept_apart(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What runs keep of the facts is not put into the repository."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ENRICH_RUN__KEPT_FACTS", str(tmp_path_factory.mktemp("facts")))
        yield


@pytest.fixture(scope="session")
def oxigraph_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """An Oxigraph server for the whole session."""
    with servers.oxigraph(tmp_path_factory.mktemp("oxigraph") / "store") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def served_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Where a store on disk is that this process holds and serves, for the whole session."""
    path = tmp_path_factory.mktemp("served") / "store"
    with EmbeddedStore(path, shared=True) as held, hosted(held):
        yield path


@pytest.fixture(scope="session")
def virtuoso_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Endpoint]:
    """A Virtuoso server for the whole session."""
    with servers.virtuoso(tmp_path_factory.mktemp("virtuoso") / "store") as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def redis_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The URL of a Redis server for the whole session."""
    with servers.redis(tmp_path_factory.mktemp("redis") / "data") as url:
        yield url


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    """Chromium for the whole session."""
    with chromium() as started:
        yield started


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store: in memory, on disk, behind `oxigraph serve` and behind Virtuoso in turn."""
    with opened(request, str(request.param), tmp_path) as opened_store:
        yield opened_store


@pytest.fixture(params=STORES[2:])
def remote_store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Store]:
    """An empty store behind a server."""
    with opened(request, str(request.param), tmp_path) as opened_store:
        yield opened_store


def opened(request: pytest.FixtureRequest, kind: str, folder: Path) -> Store:
    """An empty store of this kind, with its server started when it needs one."""
    if kind == "memory":
        return open_store()
    if kind == "disk":
        return open_store(path=folder / "store")
    if kind == "served":
        found = open_store(path=request.getfixturevalue("served_store"))
        found.update("CLEAR ALL")
        return found
    endpoint: Endpoint = request.getfixturevalue(f"{kind}_server")
    found = open_store(**asdict(endpoint))
    for graph in found.graphs():
        found.drop(graph)
    return found


@pytest.fixture(scope="session")
def museum_data() -> Path:
    """The folder of the museums' real data: ENRICH_DATA, or ../shared/data beside the repository."""
    root = Path(__file__).resolve().parent.parent
    folder = Path(os.environ.get("ENRICH_DATA") or root.parent / "shared" / "data")
    if not (folder / "silknow" / "records.nq.gz").exists():
        pytest.skip(f"no museum data in {folder}; set ENRICH_DATA to the folder that holds silknow/")
    return folder
