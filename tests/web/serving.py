"""A made museum with answers, and its site: for tests without a socket, and for a browser."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import uvicorn
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.answering.run import run
from enrich.demo.museum import IMAGES, vocabulary_quads
from enrich.demo.objects import made_objects
from enrich.demo.textures import write_pictures
from enrich.graph.stores.base import Store
from enrich.settings.loading import Settings
from enrich.web.app import make_app
from enrich.web.guards import UVICORN
from enrich.web.site import Site
from enrich.web.who import Doors
from tests.museums import dummy_model, museum
from tests.servers import free_port
from tests.show.test_record import Counting

CREATOR = "Museum of Made Things"
WGS = "http://www.w3.org/2003/01/geo/wgs84_pos#"
VOCABULARY = NamedNode("https://museum.example.org/graph/vocabulary")
PAGE = {"Accept": "text/html"}
"""What a browser would rather have."""


@contextmanager
def site(tmp_path: Path, count: int = 40, **settings: object) -> Iterator[Site]:
    """The site of a made museum in memory, with its vocabulary and its pictures, whose gaps a model of class priors has
    answered (some it left open)."""
    said = {
        "creator": CREATOR,
        "model": str(tmp_path / "model"),
        "web": {"index": str(tmp_path / "index.sqlite"), "tokens": str(tmp_path / "tokens.json")},
        "media": {"mirrors": {IMAGES: str(tmp_path / "images")}, "cache": str(tmp_path / "media")},
        **settings,
    }
    write_pictures(tmp_path / "images", made_objects(count, 3))
    workspace = museum(count, **said)
    workspace.store.insert(vocabulary_quads())
    run(workspace, dummy_model(workspace, tmp_path / "model"))
    found = Site(workspace.settings, workspace.store)
    found.index.refresh()
    try:
        yield found
    finally:
        found.close()


def placed(site: Site, value: str, latitude: str = "45.44", longitude: str = "12.33") -> None:
    """Let the vocabulary say where a value is."""
    said = {"lat": latitude, "long": longitude}
    with site.workspace() as workspace:
        workspace.store.insert(
            Quad(NamedNode(value), NamedNode(f"{WGS}{name}"), Literal(text), VOCABULARY)
            for name, text in said.items()
        )
    site.forget()


@contextmanager
def counted(site: Site) -> Iterator[Counting]:
    """A store in place of the site's own that counts what it is asked; what the site remembers of its own is forgotten."""
    own = site._store
    assert own is not None
    counting = Counting(own)
    site._store = counting  # type: ignore[assignment]
    site.forget()
    try:
        yield counting
    finally:
        site._store = own
        site.forget()


@contextmanager
def client(site: Site, doors: Doors | None = None, *, raising: bool = True) -> Iterator[TestClient]:
    """A client of the site without a socket, as from this machine; it follows no redirect. Unless `raising`, what goes
    wrong in the site is answered as a stranger would see it."""
    app = make_app(site, doors)
    with TestClient(
        app,
        base_url="http://127.0.0.1",
        follow_redirects=False,
        raise_server_exceptions=raising,
        client=("127.0.0.1", 50000),
    ) as found:
        yield found


@contextmanager
def served(site: Site, doors: Doors | None = None) -> Iterator[str]:
    """The site on a free port of the loopback address, for a browser; its address without the last slash."""
    port = free_port()
    config = uvicorn.Config(make_app(site, doors), "127.0.0.1", port, log_level="warning", **UVICORN)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        end = time.monotonic() + 30
        while not server.started:
            assert thread.is_alive(), "the server ended at once"
            assert time.monotonic() < end, "the server does not start"
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join(20)


@contextmanager
def limited(tmp_path: Path, store: Store | None = None, **web: object) -> Iterator[TestClient]:
    """A client of a small museum's site with settings of its own for the web."""
    workspace = museum(20, store)
    said = {"index": str(tmp_path / "index.sqlite"), **web}
    found = Site(Settings(profile=workspace.settings.profile, web=said), workspace.store)  # type: ignore[arg-type]
    try:
        with client(found) as asking:
            yield asking
    finally:
        found.close()
