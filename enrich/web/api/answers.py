"""Answers, records and runs as JSON."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated, Any

from fastapi import APIRouter, Depends, Query, Request

from enrich.graph.gaps import count_gaps
from enrich.ontology.terms import named_node
from enrich.runs.citation import cite
from enrich.runs.finding import find, list_runs
from enrich.show.record import show_record
from enrich.web.index.asked import FACETS, LONGEST_TEXT, FacetValue, Filters, Order, Page
from enrich.web.site import site_of
from enrich.web.who import Reader

router = APIRouter(tags=["looking"])
FILTERS = {
    "parameters": [
        *(
            {"name": name, "in": "query", "schema": {"type": "array", "items": {"type": "string"}}}
            for name in FACETS
        ),
        {
            "name": "q",
            "in": "query",
            "description": "Looked for in the names of records and values.",
            "schema": {"type": "string", "maxLength": LONGEST_TEXT},
        },
    ]
}
"""How the API's description tells of `asked`."""


def asked(request: Request) -> Filters:
    """Which answers: of each facet named, those that have one of its values; an empty value means that there is none."""
    return Filters.of(request.query_params.multi_items())


Requested = Annotated[Filters, Depends(asked)]


@router.get("/answers", openapi_extra=FILTERS)
def answers(
    request: Request,
    filters: Requested,
    _: Reader,
    order: Order = "-confidence",
    limit: Annotated[int, Query(ge=1, le=500)] = 50,
    after: Annotated[str | None, Query(description="`after` of the page before.")] = None,
) -> Page:
    """The current answers that fit, abstentions and failures among them."""
    page: Page = site_of(request).index.page(filters, order, limit, after)
    return page


@router.get("/facets", openapi_extra=FILTERS)
def facets(request: Request, filters: Requested, _: Reader) -> dict[str, list[FacetValue]]:
    """The values of every facet with the number of answers; the counts of a facet leave out what was chosen of it."""
    found: dict[str, list[FacetValue]] = site_of(request).index.facets(filters)
    return found


@router.get("/record")
def record(
    request: Request, iri: Annotated[str, Query(description="IRI of a record.")], _: Reader
) -> dict[str, Any]:
    """What the facts say of a record, and every answer about it with its provenance and reviews."""
    with site_of(request).workspace() as workspace:
        return show_record(workspace, named_node(iri))


@router.get("/gaps")
def gaps(request: Request, _: Reader) -> dict[str, Any]:
    """How many records lack a value, by property."""
    with site_of(request).workspace() as workspace:
        return asdict(count_gaps(workspace))


@router.get("/runs")
def runs(request: Request, _: Reader) -> list[dict[str, Any]]:
    """The runs of the register, the oldest first, those taken back among them."""
    with site_of(request).workspace() as workspace:
        return [asdict(run) for run in list_runs(workspace)]


@router.get("/runs/{name}")
def run(request: Request, name: str, _: Reader) -> dict[str, Any]:
    """One run, by its id or the beginning of it, with how to cite it."""
    with site_of(request).workspace() as workspace:
        found = find(workspace, name)
        citation = cite(workspace, found)
        return {**asdict(found), "citation": {**asdict(citation), "text": citation.text}}
