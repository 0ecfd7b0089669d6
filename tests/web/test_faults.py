"""What goes wrong is said: as a page or as a problem, with the right status, and without what is nobody's business."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi import FastAPI
from starlette.testclient import TestClient

from enrich.errors import InputError, QueryRefused, RunError, StoreTimeout, StoreUnavailable
from enrich.graph.stores import open_store
from enrich.settings.loading import Settings
from enrich.web import faults
from enrich.web.negotiation import preferred
from enrich.web.site import Site
from tests.web.serving import client, site

ERRORS: dict[str, tuple[Exception, int]] = {
    "down": (StoreUnavailable("http://inside:3030 answered 500"), 502),
    "hangs": (StoreTimeout("http://inside:3030 did not answer within 5 seconds"), 504),
    "refused": (QueryRefused("http://inside:3030 answered 400"), 502),
    "input": (InputError("<b>no such thing</b>"), 400),
    "run": (RunError("no run is called x"), 404),
    "bug": (ZeroDivisionError("inside"), 500),
}


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A site all of whose pages fail, each in its own way."""
    folder: Path = tmp_path_factory.mktemp("failing")
    app = FastAPI()
    app.state.site = Site(Settings(web={"index": str(folder / "i")}), open_store())  # type: ignore[arg-type]
    faults.install(app)

    @app.get("/fail/{name}")
    def fail(name: str) -> None:
        raise ERRORS[name][0]

    with TestClient(app, raise_server_exceptions=False) as client:
        yield client


@pytest.mark.parametrize("name", ERRORS)
def test_a_fault_has_its_status_for_people_and_programs(failing: TestClient, name: str) -> None:
    """Given a page that fails; then a browser gets a page and a program a problem, both with the status."""
    page = failing.get(f"/fail/{name}", headers={"Accept": "text/html"})
    problem = failing.get(f"/fail/{name}", headers={"Accept": "application/json"})
    assert page.status_code == problem.status_code == ERRORS[name][1]
    assert page.headers["content-type"].startswith("text/html")
    assert problem.headers["content-type"] == "application/problem+json"
    assert problem.json()["status"] == ERRORS[name][1]
    assert problem.json()["title"] in page.text
    assert "inside" not in page.text + problem.text
    assert page.headers["cache-control"] == "no-store"
    assert name != "bug" or "default-src 'none'" in page.headers["content-security-policy"]


def test_what_was_asked_wrongly_is_named_and_is_no_markup(failing: TestClient) -> None:
    page = failing.get("/fail/input", headers={"Accept": "text/html"})
    assert "&lt;b&gt;no such thing&lt;/b&gt;" in page.text


def test_an_unknown_address_is_a_page_of_its_own(failing: TestClient) -> None:
    found = failing.get("/nowhere", headers={"Accept": "text/html", "Accept-Language": "fr"})
    assert (found.status_code, found.headers["content-language"]) == (404, "fr")
    assert "Il n&#39;y a rien à cette adresse" in found.text


@pytest.mark.parametrize(
    ("accept", "best"),
    [
        (None, "text/html"),
        ("*/*", "text/html"),
        ("text/turtle", "text/turtle"),
        ("text/turtle;q=0.5, text/html;q=0.4", "text/turtle"),
        ("text/*;q=0.1, text/turtle;q=0.9", "text/turtle"),
        ("application/n-triples;q=1, text/turtle;q=0", None),
        ("text/html;q=0, */*;q=0.1", "text/turtle"),
        ("text/turtle;q=wrong, text/html;q=0.1", "text/html"),
    ],
)
def test_the_media_type_with_the_highest_q_is_taken(accept: str | None, best: str | None) -> None:
    assert preferred(accept, ("text/html", "text/turtle")) == best


def test_whoever_asks_for_the_head_alone_is_answered(tmp_path: Path) -> None:
    with site(tmp_path) as found, client(found) as asking:
        for path in ("/", "/browse", "/health"):
            assert asking.head(path).status_code == 200
