"""Taking a whole run back, by a lead: first what would go, then the deed."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Request
from fastapi.responses import HTMLResponse, RedirectResponse

from enrich.errors import RunError
from enrich.runs.finding import find
from enrich.runs.register import ACTIVE, Run, retract
from enrich.web.index.asked import Filters
from enrich.web.rendering import page, place
from enrich.web.site import site_of
from enrich.web.who import Lead
from enrich.workspace import Workspace

router = APIRouter(include_in_schema=False)


@router.get("/retract")
def look(request: Request, user: Lead, run: str) -> HTMLResponse:  # noqa: ARG001
    """What would be taken back: nothing is changed."""
    site = site_of(request)
    with site.workspace() as workspace:
        found = _active(workspace, run)
    current = site.index.total(Filters({"run": (found.run,), "outcome": ("Predicted",)}))
    return page(request, "retract.html", run=found, current=current)


@router.post("/retract")
def take_back(request: Request, user: Lead, run: Annotated[str, Form()]) -> RedirectResponse:  # noqa: ARG001
    """Take the run back, for good, and show what the register says of it."""
    site = site_of(request)
    request.state.audit = {"run": run}
    with site.workspace() as workspace:
        found = _active(workspace, run)
        request.state.audit = {"run": found.run}
        retract(workspace, found.run)
    site.index.refresh()
    return RedirectResponse(place(site.settings.base, found.run), 303)


def _active(workspace: Workspace, run: str) -> Run:
    found = find(workspace, run)
    if found.state != ACTIVE:
        raise RunError(f"the run {found.run} is {found.state.lower()}: there is nothing of it to take back")
    return found
