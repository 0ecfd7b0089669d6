"""A store that fails is never an empty result: each page says 502 or 504, and soon."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from enrich.errors import StoreUnavailable
from enrich.graph.stores.base import Row
from enrich.settings.loading import Settings
from enrich.web.index.asked import Filters
from enrich.web.rendering import address
from enrich.web.site import PAGE_SECONDS, PAGE_TRIES, Site
from tests.hostile_http import Answer, Request, hostile_server
from tests.web.serving import PAGE, client, site

NEVER = threading.Event()
FAILURES: dict[str, tuple[Callable[[Request], Answer], int]] = {
    "answers 500": (lambda _: Answer(500, b"broken", "text/plain"), 502),
    "is a page of a proxy": (lambda _: Answer(200, b"<html>log in</html>", "text/html"), 502),
    "refuses": (lambda _: Answer(400, b"no", "text/plain"), 502),
    "hangs": (lambda _: Answer(wait=NEVER), 504),
    "hangs up": (lambda _: Answer(hang_up=True), 502),
    "cuts short": (
        lambda _: Answer(body=b'{"head": {"vars": ["g"]}, "results": {"bindings": [', length=5000),
        502,
    ),
    "cuts a chunk": (lambda _: Answer(chunks=[b'{"head": {"vars": ["g"]}, "results": {"bin'], cut=True), 502),
}
PAGES = (
    "/", "/runs", "/record?iri=https://o.example/1", "/record.ttl?iri=https://o.example/1", "/run/x.html", "/prediction/x.html",
    "/prediction/x.ttl", "/model/x.html", "/graph/run/x/0", "/picture?record=https://o.example/1", "/why?iri=https://o.example/1&prediction=x:x",
)  # fmt: skip


@contextmanager
def failing(folder: Path, url: str, seconds: float = 15) -> Iterator[TestClient]:
    """A site over a server, which a page gives up after some seconds."""
    store = {"query_url": url, "timeout": seconds, "retries": 0}
    settings = Settings(profile="linked-art", store=store, web={"index": str(folder / "index")})  # type: ignore[arg-type]
    found = Site(settings)
    found.gaps._ended = True
    try:
        with client(found, raising=False) as web:
            yield web
    finally:
        found.close()


@pytest.mark.parametrize("failure", FAILURES)
def test_a_store_that_fails_is_said_and_no_empty_result(tmp_path: Path, failure: str) -> None:
    """Given a store that fails in one way; then every page says so, as a page and as a problem, and tells nothing of
    where the store is."""
    script, status = FAILURES[failure]
    seconds = 0.5 if status == 504 else 15
    with hostile_server(script) as server, failing(tmp_path, server.url, seconds) as web:
        for path in PAGES:
            found = web.get(path, headers=PAGE)
            assert found.status_code == status, path
            assert "store behind this site" in found.text
            assert server.url not in found.text
        problem = web.get("/runs", headers={"Accept": "application/json"})
        assert (problem.status_code, problem.json()["status"]) == (status, status)


def test_a_store_that_cannot_be_reached_is_said(tmp_path: Path) -> None:
    with hostile_server(lambda _: Answer()) as server:
        url = server.url
    with failing(tmp_path, url) as web:
        assert web.get("/runs", headers=PAGE).status_code == 502


def test_pages_do_not_wait_as_long_as_runs_do(tmp_path: Path) -> None:
    """Given settings for patient runs; then pages ask a server twice at most, and work beside them as the settings say."""
    settings = Settings(
        store={"query_url": "http://127.0.0.1:9/", "timeout": 600, "retries": 9},
        web={"index": str(tmp_path / "i")},
    )  # type: ignore[arg-type]
    found = Site(settings)
    with found.workspace() as page, found.patient() as work:
        assert (page.settings.store.timeout, page.settings.store.retries) == (PAGE_SECONDS, PAGE_TRIES - 1)
        assert (work.settings.store.timeout, work.settings.store.retries) == (600, 9)
    found.close()


def test_pages_that_ask_the_store_beside_the_index_say_that_it_fails(tmp_path: Path) -> None:
    """Given a site with an index; when its store fails; then the pages that need both are no half of a page."""

    class Away:
        """A store that cannot be reached."""

        def __getattr__(self, name: str) -> Callable[..., Iterator[Row]]:
            def failing(*_: object, **__: object) -> Iterator[Row]:
                raise StoreUnavailable(f"{name}: away")

            return failing

    with site(tmp_path, 12) as museum:
        predicted = Filters({"property": ("place",), "outcome": ("Predicted",)})
        value = museum.index.facets(predicted)["value"][0].value
        museum.forget()
        museum._store = Away()  # type: ignore[assignment]
        with client(museum, raising=False) as web:
            for path in (address("/value", iri=value), "/cross", "/map"):
                assert web.get(path, headers=PAGE).status_code == 502, path


def test_lists_go_on_during_an_outage_and_say_how_old_they_are(tmp_path: Path) -> None:
    """Given a site with an index; when its store fails; then lists are answered from the index, with its age."""

    class Gone:
        """A store that is not there any more."""

        def __getattr__(self, name: str) -> Callable[..., Iterator[Row]]:
            raise AssertionError(f"the store was asked: {name}")

    with site(tmp_path, 12) as museum:
        museum.forget()
        museum._store = Gone()  # type: ignore[assignment]
        with client(museum) as web:
            began = time.monotonic()
            found = web.get("/browse", headers=PAGE)
            assert found.status_code == 200
            assert " s ago." in found.text
            assert time.monotonic() - began < 5
        museum.forget()
