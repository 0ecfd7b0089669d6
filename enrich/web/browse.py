"""Lists of answers with facets: what there is, how much of it, and in which order, all from the index."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import Response, StreamingResponse

from enrich.errors import InputError
from enrich.ontology.queries import named_query
from enrich.ontology.terms import OntologyError
from enrich.show.named import printed, settable, term
from enrich.web.index.asked import BANDS, ORDERS, UNKNOWN, FacetValue, Filters, Held, Order
from enrich.web.index.export import FORMS, export
from enrich.web.index.facets import NAMED
from enrich.web.rendering import Words, address, page, words_of
from enrich.web.site import site_of
from enrich.web.streaming import in_one_thread
from enrich.web.who import reader
from enrich.workspace import Workspace

ROWS, MOST_ROWS = 50, 200
VALUES = 30
"""Values shown of a facet."""
OPEN = ("property", "value", "state", "band", "museum")
"""Facets that are unfolded at first."""

router = APIRouter(dependencies=[Depends(reader)])


@dataclass(frozen=True, slots=True)
class Choice:
    """A value of a facet as a link that adds it to what was chosen, or takes it away."""

    facet: str
    value: str
    name: str
    count: int
    depth: int
    chosen: bool
    link: str


@dataclass(frozen=True)
class ListRequest:
    """What the address of a list asks for."""

    filters: Filters
    order: Order

    @classmethod
    def of(cls, request: Request) -> ListRequest:
        """Raises InputError for an order that there is none."""
        query = request.query_params
        order = query.get("order") or ORDERS[0]
        if order not in ORDERS:
            raise InputError(f"no order is called {order!r}; there are: {', '.join(ORDERS)}")
        return cls(Filters.of(query.multi_items()), order)

    @property
    def query(self) -> dict[str, Any]:
        """The same as parameters of an address."""
        order = {} if self.order == ORDERS[0] else {"order": self.order}
        return as_query(self.filters) | order

    def link(self, path: str = "/browse", **changed: Any) -> str:
        """The address of the list with something changed."""
        return address(path, self.query, **changed)

    def toggled(self, facet: str, value: str) -> str:
        """The address with a value added to what was chosen, or taken away from it."""
        old = self.filters.chosen.get(facet, ())
        new = [v for v in old if v != value] if value in old else [*old, value]
        query = {name: values for name, values in self.query.items() if name != facet}
        return address("/browse", query | ({facet: new} if new else {}))


def as_query(filters: Filters) -> dict[str, Any]:
    """What was chosen as parameters of an address."""
    return {**{facet: list(values) for facet, values in filters.chosen.items()}, "q": filters.text}


@router.get("/browse")
def browse(request: Request) -> Response:
    """Answers that fit what was chosen, and the facets to choose more by."""
    site = site_of(request)
    t, asked = words_of(request), ListRequest.of(request)
    held = site.index.held()
    if not held.complete:
        return being_built(request, held)
    called = site.called
    facets = {
        facet: list(_choices(asked, facet, values, t, called))
        for facet, values in site.index.facets(asked.filters, VALUES, t.language).items()
        if values
    }
    found = site.index.page(
        asked.filters, asked.order, _limit(request), request.query_params.get("after") or None, t.language
    )
    with site.workspace() as workspace:
        sparql = _sparql(workspace, asked.filters)
    return page(
        request,
        "browse.html",
        asked=asked,
        facets=facets,
        chips=[choice for choices in facets.values() for choice in choices if choice.chosen],
        open=OPEN,
        orders=ORDERS,
        found=found,
        held=held,
        age=age(held, t),
        called=called,
        sparql=sparql,
    )


@router.get("/browse.{form}")
def browse_file(request: Request, form: str) -> Response:
    """All answers of a list as a file, as they are read."""
    if form not in FORMS:
        raise HTTPException(404)
    site = site_of(request)
    asked, held = ListRequest.of(request), site.index.held()
    if not held.complete:
        return being_built(request, held)
    found = export(site.index, asked.filters, form, asked.order, words_of(request).language)
    headers = {"Content-Disposition": f'attachment; filename="answers.{form}"'}
    return StreamingResponse(in_one_thread(found), media_type=FORMS[form], headers=headers)


def being_built(request: Request, held: Held) -> Response:
    """The page for as long as there is no index; the browser asks again by itself."""
    response = page(request, "building.html", 503, held=held)
    response.headers.update({"Refresh": "3", "Retry-After": "3", "Cache-Control": "no-store"})
    return response


def age(held: Held, t: Words) -> str:
    """How old the index is, in words."""
    when = datetime.fromtimestamp(held.checked, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")
    return t("browse.age", when=when, seconds=t.number(max(0, round(time.time() - held.checked))))


def name_of(facet: str, found: FacetValue, t: Words, called: dict[str, str]) -> str:
    """A value of a facet for a reader."""
    if found.value == UNKNOWN:
        return t("browse.unknown")
    if facet in NAMED:
        return found.name
    if facet == "property":
        return called.get(found.value, found.value)
    return band_name(found.value, t) if facet == "band" else t.term(found.value)


def band_name(band: str, t: Words) -> str:
    """A band of confidence by both of its ends."""
    place = BANDS.index(band) if band in BANDS else 0
    if not place:
        return t.decimal(1.0)
    return t("browse.between", low=t.decimal(float(band)), high=t.decimal(float(BANDS[place - 1])))


def _choices(
    asked: ListRequest, facet: str, values: Sequence[FacetValue], t: Words, called: dict[str, str]
) -> Iterator[Choice]:
    """The values of a facet, those of a vocabulary under what stands above them."""
    chosen = asked.filters.chosen.get(facet, ())
    if facet == "band":
        values = sorted(values, key=lambda found: -float(found.value or 0))
    for depth, found in _nested(values):
        name = name_of(facet, found, t, called)
        link = asked.toggled(facet, found.value)
        yield Choice(facet, found.value, name, found.count, depth, found.value in chosen, link)


def _nested(values: Sequence[FacetValue]) -> Iterator[tuple[int, FacetValue]]:
    there = {found.value for found in values}
    under: dict[str | None, list[FacetValue]] = {}
    for found in values:
        under.setdefault(found.broader if found.broader in there else None, []).append(found)
    pending = [(0, found) for found in reversed(under.get(None, []))]
    seen: set[str] = set()
    while pending:
        depth, found = pending.pop()
        if found.value in seen:
            continue
        seen.add(found.value)
        yield depth, found
        pending += [(depth + 1, child) for child in reversed(under.get(found.value, []))]
    yield from ((0, found) for found in values if found.value not in seen)  # a circle in the vocabulary


def _limit(request: Request) -> int:
    text = request.query_params.get("limit", "")
    return min(max(int(text[:9]), 1), MOST_ROWS) if text.isascii() and text.isdigit() else ROWS


def _sparql(workspace: Workspace, filters: Filters) -> str:
    """The query of a list, as far as it can be said: of each facet that a named query knows, where one value is chosen."""
    known = settable(named_query("current"))
    single = {
        f: v[0] for f, v in filters.chosen.items() if f in known and f != "museum" and len(v) == 1 and v[0]
    }
    try:
        return printed(workspace, "current", {facet: term(facet, value) for facet, value in single.items()})
    except (InputError, OntologyError):  # a property that the profile does not have, a value that is none
        return printed(workspace, "current")
