"""A map of the suggestions of one property, where the graph gives its values coordinates: drawn here, without tiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

from fastapi import APIRouter, Depends, Request
from fastapi.responses import HTMLResponse, Response

from enrich.errors import InputError
from enrich.ontology.terms import is_iri
from enrich.web.browse import ListRequest, age, as_query, being_built
from enrich.web.index.asked import FacetValue, Filters
from enrich.web.places import PER_QUERY, Point
from enrich.web.rendering import page, words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader

MOST = 2_000
"""Values that are looked up."""
WIDTH = 960.0
_NAMED = 15
"""Places whose names stand on the map, the most frequent ones."""
_STEPS = (1, 2, 5, 10, 20, 30)
"""Degrees between two lines of the grid."""

router = APIRouter(dependencies=[Depends(reader)])


@dataclass(frozen=True, slots=True)
class Mark:
    """A value on the map, with the radius of its circle; `named` where its name stands beside it."""

    value: FacetValue
    x: float
    y: float
    radius: float
    named: bool


@dataclass(frozen=True, slots=True)
class Chart:
    """What is drawn, in units of the picture: marks, the largest first, and the lines of a grid with their degrees."""

    height: float
    marks: Sequence[Mark]
    meridians: Sequence[tuple[float, int]]
    parallels: Sequence[tuple[float, int]]

    @classmethod
    def of(cls, values: Sequence[FacetValue], where: Mapping[str, Point]) -> Chart:
        """A plate carrée of the part of the earth that has marks."""
        placed = [value for value in values if value.value in where]
        west, east = _span([where[v.value][0] for v in placed], 180)
        south, north = _span([where[v.value][1] for v in placed], 90)
        scale = WIDTH / (east - west)
        most = max(v.count for v in placed)
        marks = [
            Mark(
                value,
                round((where[value.value][0] - west) * scale, 1),
                round((north - where[value.value][1]) * scale, 1),
                round(4 + 20 * sqrt(value.count / most), 1),
                place < _NAMED,
            )
            for place, value in enumerate(placed)
        ]
        step = next((s for s in _STEPS if (east - west) / s <= 12), _STEPS[-1])
        return cls(
            round((north - south) * scale, 1),
            marks,
            [(round((d - west) * scale, 1), d) for d in _lines(west, east, step)],
            [(round((north - d) * scale, 1), d) for d in _lines(south, north, step)],
        )


def _span(degrees: Sequence[float], most: float) -> tuple[float, float]:
    """From where to where, with a margin, within the earth."""
    low, high = min(degrees), max(degrees)
    margin = max(2.0, 0.1 * (high - low))
    return max(-most, low - margin), min(most, high + margin)


def _lines(low: float, high: float, step: int) -> list[int]:
    first = int(-(-low // step)) * step
    return list(range(first, int(high) + 1, step))


@router.get("/map")
def drawn(request: Request, property: str = "") -> Response:
    """The map of one property of the answers that fit, and the same as a table."""
    site = site_of(request)
    t, held = words_of(request), site.index.held()
    if not held.complete:
        return being_built(request, held)
    name = property or ("place" if "place" in site.called else next(iter(site.called)))
    if name not in site.called:
        raise InputError(f"the profile has no property {name!r}; it has: {', '.join(site.called)}")
    asked = ListRequest.of(request).filters
    filters = Filters({**asked.chosen, "property": (name,)}, asked.text).standing
    found = site.index.facets(filters, MOST, t.language)["value"]
    values = [v for v in found if is_iri(v.value) and v.count]
    with site.workspace() as workspace:
        where = site.places.of(workspace, [v.value for v in values])
    return _page(request, site, name, filters, values, where, age(held, t))


def has_map(site: Site, name: str) -> bool:
    """Whether one of the most frequent suggestions of a property is somewhere."""
    values = site.index.facets(Filters({"property": (name,)}).standing, PER_QUERY)["value"]
    with site.workspace() as workspace:
        return bool(site.places.of(workspace, [v.value for v in values if is_iri(v.value)]))


def _page(
    request: Request,
    site: Site,
    name: str,
    filters: Filters,
    values: Sequence[FacetValue],
    where: Mapping[str, Point],
    old: str,
) -> HTMLResponse:
    placed = [v for v in values if v.value in where]
    return page(
        request,
        "map.html",
        chart=Chart.of(values, where) if placed else None,
        placed=placed,
        where=where,
        nowhere=len(values) - len(placed),
        name=name,
        called=site.called,
        width=WIDTH,
        query=as_query(filters.without("value")),
        age=old,
    )
