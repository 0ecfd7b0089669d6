"""The page of promises: what was promised beside what curators found, and for leads what to do where it is not kept."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, Form, Query, Request
from fastapi.responses import HTMLResponse, RedirectResponse
from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.runs.observed import ENOUGH
from enrich.runs.part import Part, PartOfRun, part_of, take_back, taken_back
from enrich.runs.promise_table import LEVELS, By, Measured, table, to_take_back
from enrich.runs.register import ACTIVE, Register
from enrich.runs.reviewing import Reviewer
from enrich.web.reliability import Figure
from enrich.web.rendering import address, language_of, page
from enrich.web.site import site_of
from enrich.web.who import Lead, Reader
from enrich.workspace import Workspace

router = APIRouter(include_in_schema=False)
_SHARE = {"ge": 0, "le": 1, "allow_inf_nan": False}


@router.get("/promise")
def promise(
    request: Request,
    user: Reader,
    by: By = "property",
    model: str = "",
    property: str = "",
    museum: str = "",
) -> HTMLResponse:
    """The table, its figure, and what was taken back so far."""
    site = site_of(request)
    found = site.index.promises()
    rows = table(found, by, model=model or None, name=property or None, museum=museum or None)
    with site.workspace() as workspace:
        gone = taken_back(workspace.store, workspace.names)
    named = {told.model for told in found.sizes} | {told.museum for told in found.sizes} | {model, museum}
    names = site.index.names({*named, *(t.part.museum or "" for t in gone)} - {""}, language_of(request))
    return page(
        request,
        "promise.html",
        rows=rows,
        figure=Figure.of(rows),
        by=by,
        levels=LEVELS,
        several=len({row.model for row in rows}) > 1,
        chosen={"model": model, "property": property, "museum": museum},
        choices=_choices(found),
        names=names,
        called=site.called,
        enough=ENOUGH,
        left_out=sorted(found.left_out.items()),
        gone=[each for each in gone if each.answers],
        leads=user.may("lead"),
        broken=to_take_back(rows),
    )


def _choices(found: Measured) -> dict[str, list[str]]:
    """What the table may be narrowed to."""
    told = [kind for kind, size in found.sizes.items() if size.answers]
    return {
        name: sorted({getattr(kind, name) for kind in told} - {""})
        for name in ("model", "property", "museum")
    }


def _parts(workspace: Workspace, model: str, part: Part) -> list[PartOfRun]:
    """The part in each active run of a model that has any of it. Raises InputError for a model without active runs."""
    register = Register(workspace.store, workspace.names)
    runs = [NamedNode(run.run) for run in register.runs(ACTIVE) if run.model == model]
    if not runs:
        raise InputError(f"no active run is by a model {model!r}")
    return [found for run in runs if (found := part_of(workspace, run, part)).shards]


@router.get("/promise/part")
def part(
    request: Request,
    user: Lead,  # noqa: ARG001
    model: str,
    property: str,
    below: Annotated[float | None, Query(**_SHARE)] = None,
    museum: str = "",
) -> HTMLResponse:
    """What would be taken back: nothing is changed."""
    site = site_of(request)
    asked = Part(property, below, None, museum or None)
    with site.workspace() as workspace:
        found = _parts(workspace, model, asked)
    names = site.index.names({model, museum} - {""}, language_of(request))
    return page(
        request,
        "promise_part.html",
        found=found,
        values=sum(each.by_property.total() for each in found),
        part=asked,
        model=model,
        names=names,
        called=site.called,
    )


@router.post("/promise/part")
def take_part_back(
    request: Request,
    user: Lead,
    model: Annotated[str, Form()],
    property: Annotated[str, Form()],
    below: Annotated[float | None, Form(**_SHARE)] = None,
    museum: Annotated[str, Form()] = "",
) -> RedirectResponse:
    """Take a part of a model's runs back, and show the table again."""
    site = site_of(request)
    asked = Part(property, below, None, museum or None)
    runs: list[str] = []
    request.state.audit = {"model": model, **asdict(asked), "runs": runs}
    with site.workspace() as workspace:
        curator = Reviewer(workspace, user.name).curator
        for found in _parts(workspace, model, asked):
            take_back(workspace, found, curator)
            runs.append(found.run.value)
    site.index.refresh()
    return RedirectResponse(address("/promise", museum=museum) + "#gone", 303)
