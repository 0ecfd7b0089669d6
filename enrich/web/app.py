"""The application: its routes and what holds for every answer."""

from __future__ import annotations

from importlib.resources import files
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.staticfiles import StaticFiles

from enrich.web import (
    browse,
    cross,
    curators,
    faults,
    groups,
    health,
    judging,
    map,
    ours,
    pictures,
    promise,
    queue,
    record,
    retracting,
    sparql,
    start,
    value,
    who,
)
from enrich.web.api.app import PREFIX, make_api
from enrich.web.guards import Audit, Guards
from enrich.web.site import Site
from enrich.web.who import Doors

AREAS = (
    start,
    who,
    health,
    browse,
    cross,
    map,
    value,
    record,
    pictures,
    judging,
    queue,
    groups,
    promise,
    retracting,
    curators,
    sparql,
    ours,
)
"""The modules of routes, in the order in which an address is looked for."""


def make_app(site: Site, doors: Doors | None = None) -> FastAPI:
    """The site as an ASGI application. Each module of routes has a `router`, and finds the site at `app.state.site`.
    `doors` is how people come in; by default as the settings say. Raises SettingsError (see `Doors`)."""
    app = FastAPI(title="enrich", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    app.state.doors = doors = doors or Doors(site.settings)
    audit = Audit(site.settings.locate(site.settings.web.index).with_name("audit.jsonl"))
    app.add_middleware(Guards, doors=doors, audit=audit)
    app.state.metrics = health.Metrics(site)
    app.add_middleware(health.Measured, metrics=app.state.metrics)
    faults.install(app)
    app.mount(PREFIX, make_api(site, doors))
    for area in AREAS:
        app.include_router(area.router)
    if prefix := urlsplit(site.settings.base).path.rstrip("/"):
        # where a proxy passes the paths of our IRIs on as they are
        app.include_router(ours.router, prefix=prefix)
    app.state.paths = {getattr(route, "path", "") for area in AREAS for route in area.router.routes}
    app.mount("/static", StaticFiles(directory=str(files("enrich.web").joinpath("static"))))
    return app
