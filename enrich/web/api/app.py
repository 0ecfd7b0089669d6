"""The API as an application of its own, with its description at /api/v1/openapi.json."""

from typing import Any

from fastapi import FastAPI

from enrich.version import VERSION
from enrich.web import faults
from enrich.web.api import annotations, answers, reconciliation, reviews
from enrich.web.site import Site
from enrich.web.who import Doors

PREFIX = "/api/v1"
ABOUT = (
    "What was predicted of a museum's records, and how curators judged it. Facts and suggestions are never mixed: an "
    "answer is a suggestion until it is accepted. Errors are application/problem+json (RFC 9457)."
)


_PROBLEM = {
    "type": "object",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
    },
}
_CONTENT = {"application/problem+json": {"schema": _PROBLEM}}
FAULTS: dict[int | str, dict[str, Any]] = {
    "4XX": {"description": "It cannot be answered as it was asked, or not to you.", "content": _CONTENT},
    "5XX": {"description": "The store failed or took too long; it may be asked again.", "content": _CONTENT},
}


def make_api(site: Site, doors: Doors) -> FastAPI:
    """The API; it is mounted at PREFIX."""
    api = FastAPI(
        title="enrich",
        version=VERSION,
        description=ABOUT,
        responses=FAULTS,
        docs_url=None,
        redoc_url=None,
    )
    api.state.site, api.state.doors = site, doors
    for area in (answers, reviews, reconciliation, annotations):
        api.include_router(area.router)
    faults.install(api)
    return api
