"""The first page: what this museum has, what models suggest, and what to do next."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from enrich.runs.register import Register
from enrich.web.browse import age
from enrich.web.index.asked import PENDING, Filters
from enrich.web.rendering import page, words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader

RUNS = 5
JUDGED = ("Accepted", "Corrected", "Rejected", "Undecided")

router = APIRouter(dependencies=[Depends(reader)])


@dataclass(frozen=True, slots=True)
class OfProperty:
    """One property: how many records lack it, and how the current answers to it stand."""

    name: str
    missing: int | None
    suggested: int
    left_open: int
    states: Mapping[str, int]


@router.get("/")
def start(request: Request) -> Response:
    """The first page."""
    site = site_of(request)
    t = words_of(request)
    held = site.index.held()
    counted = site.gaps.latest()
    rows = _of_properties(site, counted.missing if counted else {}) if held.complete else []
    with site.workspace() as workspace:
        runs = Register(workspace.store, workspace.names).runs()[::-1]
    return page(
        request,
        "start.html",
        held=held,
        age=age(held, t) if held.complete else "",
        rows=rows,
        states=(PENDING, *JUDGED),
        pending=sum(row.states.get(PENDING, 0) for row in rows),
        counted=counted,
        counted_at=datetime.fromtimestamp(counted.at, UTC).isoformat() if counted else None,
        runs=runs[:RUNS],
        all_runs=len(runs),
        called=site.called,
    )


@router.get("/runs")
def runs(request: Request) -> Response:
    """All runs of the register, the latest first."""
    site = site_of(request)
    with site.workspace() as workspace:
        found = Register(workspace.store, workspace.names).runs()[::-1]
    return page(request, "runs.html", runs=found)


def _of_properties(site: Site, missing: Mapping[str, int]) -> list[OfProperty]:
    """Counted from the index alone."""
    outcomes = _counted(site, Filters(), "outcome")
    states = _counted(site, Filters({"outcome": ("Predicted",)}), "state")
    return [
        OfProperty(
            name,
            missing.get(name),
            outcomes[name]["Predicted"],
            outcomes[name]["Abstained"] + outcomes[name]["Failed"],
            states[name],
        )
        for name in site.called
    ]


def _counted(site: Site, filters: Filters, facet: str) -> dict[str, Counter[str]]:
    """How many answers to each property have each value of a facet."""
    found: dict[str, Counter[str]] = {name: Counter() for name in site.called}
    for pair in site.index.cross(filters, "property", facet):
        if pair.a in found:
            found[pair.a][pair.b] = pair.count
    return found
