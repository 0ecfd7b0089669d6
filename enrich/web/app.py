"""The application: its routes and what holds for every answer."""

from __future__ import annotations

from fastapi import FastAPI

from enrich.web.site import Site


def make_app(site: Site) -> FastAPI:
    """The site as an ASGI application. Each module of routes has a `router`, and finds the site at `app.state.site`."""
    app = FastAPI(title="enrich", docs_url=None, redoc_url=None, openapi_url=None)
    app.state.site = site
    return app
