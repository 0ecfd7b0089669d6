"""The page for leads: what curators did, how far they agree, where two of them do not, and how they did on controls."""

from __future__ import annotations

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse

from enrich.graph.labels import labels
from enrich.ontology.terms import is_iri
from enrich.runs.reviews import read_reviews
from enrich.web.agreement import agreements, conflicts, controlled, counts, pairs
from enrich.web.rendering import language_of, page
from enrich.web.site import site_of
from enrich.web.who import Lead

CONFLICTS = 50
"""Conflicts on one page."""

router = APIRouter(include_in_schema=False)


@router.get("/curators")
def curators(request: Request, user: Lead) -> HTMLResponse:  # noqa: ARG001
    """What each did, agreement by pair and property, controls, and the conflicts that wait."""
    site = site_of(request)
    with site.workspace() as workspace:
        reviews = read_reviews(workspace.store, workspace.names)
        found = pairs(reviews)
        waiting = conflicts(found)
        some = waiting[:CONFLICTS]
        iris = {r.curator for r in reviews} | {r.record for p in some for r in (p.first, p.second)}
        iris |= {value for p in some for r in (p.first, p.second) for value in (r.value, r.instead) if value}
        names = labels(workspace.store, filter(is_iri, iris), language_of(request))
    return page(
        request,
        "curators.html",
        counts=sorted(counts(reviews).items(), key=lambda each: -each[1].decisions.total()),
        agreements=agreements(found),
        controlled=controlled(reviews),
        conflicts=some,
        waiting=len(waiting),
        names=names,
        called=site.called,
    )
