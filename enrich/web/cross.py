"""Two things against each other in a table: two properties of a record, such as place and century, or two facets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil

from fastapi import APIRouter, Depends, Request
from fastapi.responses import Response

from enrich.errors import InputError
from enrich.graph.labels import labels
from enrich.ontology.terms import is_iri
from enrich.web.browse import ListRequest, age, as_query, being_built, name_of
from enrich.web.index.asked import FACETS, FacetValue, Filters
from enrich.web.map import has_map
from enrich.web.rendering import Words, address, page, words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader

MOST = 24
"""Rows and columns that a table has, the most frequent ones."""
SHADES = 5
_USUAL = ("place", "time")
"""What profiles call the properties that are looked at first."""

router = APIRouter(dependencies=[Depends(reader)])
Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class CrossTable:
    """Counts by two values: heads with their names, cells by their values, and how much of all is shown."""

    rows: Mapping[str, str]
    columns: Mapping[str, str]
    cells: Mapping[Pair, int]
    total: int
    left_out: int

    def shade(self, count: int) -> int:
        """How dark a cell is, from 0 for none."""
        most = max(self.cells.values(), default=1)
        return ceil(SHADES * count / most) if count else 0


@router.get("/cross")
def cross(request: Request) -> Response:
    """The table of two properties or of two facets, of the answers that fit."""
    site = site_of(request)
    t, held = words_of(request), site.index.held()
    if not held.complete:
        return being_built(request, held)
    query = request.query_params
    properties, facets = query.getlist("properties"), query.getlist("facets")
    filters = counted = ListRequest.of(request).filters
    if facets:
        a, b = _two(facets, FACETS)
        counted = filters if "state" in (a, b) else filters.standing
        table = _of_facets(site, counted, a, b, t)
    else:
        a, b = _two(properties, tuple(site.called)) if properties else _first(tuple(site.called))
        table = _of_properties(site, filters, a, b, t)
    if not facets or "value" in (a, b):
        table = _named(site, table, t)
    return page(
        request,
        "cross.html",
        table=table,
        a=a,
        b=b,
        of_facets=bool(facets),
        mapped=not facets and has_map(site, a),
        filters=filters,
        called=site.called,
        usual={"facets": ("value", "museum"), "properties": _first(tuple(site.called))}
        | {"facets" if facets else "properties": (a, b)},
        facets=[facet for facet in FACETS if facet != "property"],
        age=age(held, t),
        cell_query=lambda row, column: as_query(counted) | {a: [row], b: [column]},
        permalink=address("/cross", as_query(filters) | {"facets" if facets else "properties": [a, b]}),
    )


def _two(named: Sequence[str], known: Sequence[str]) -> Pair:
    if len(named) != 2 or not set(named) <= set(known):
        raise InputError(f"name two of: {', '.join(known)}")
    return named[0], named[1]


def _first(known: Sequence[str]) -> Pair:
    """The usual properties where the profile has them, else its first."""
    usual = [name for name in _USUAL if name in known]
    a, b = ([*usual, *(name for name in known if name not in usual)] * 2)[:2]
    return a, b


def _of_properties(site: Site, filters: Filters, a: str, b: str, t: Words) -> CrossTable:
    found = site.index.together(filters, a, b, t.language)
    names = ({pair.a: pair.a_name for pair in found}, {pair.b: pair.b_name for pair in found})
    return _table({(pair.a, pair.b): pair.count for pair in found}, *names)


def _of_facets(site: Site, filters: Filters, a: str, b: str, t: Words) -> CrossTable:
    found = site.index.cross(filters, a, b)
    values = site.index.facets(Filters(), 5000, t.language)

    def names(facet: str, used: set[str]) -> dict[str, str]:
        known = {value.value: value for value in values[facet]}
        return {
            value: name_of(facet, known.get(value, FacetValue(value, value, 0)), t, site.called)
            for value in used
        }

    counts = {(pair.a, pair.b): pair.count for pair in found}
    return _table(counts, names(a, {left for left, _ in counts}), names(b, {right for _, right in counts}))


def _named(site: Site, table: CrossTable, t: Words) -> CrossTable:
    """The table with the labels of its values: the index names those that are suggested, not all that are facts."""
    wanted = [value for value in {**table.rows, **table.columns} if value.startswith(("http://", "https://"))]
    with site.workspace() as workspace:
        found = labels(workspace.store, filter(is_iri, wanted), t.language)
    heads = (
        {value: found.get(value, name) for value, name in side.items()}
        for side in (table.rows, table.columns)
    )
    rows, columns = heads
    columns = dict(sorted(columns.items(), key=lambda head: _natural(head[1])))
    return replace(table, rows=rows, columns=columns)


def _table(counts: Mapping[Pair, int], rows: Mapping[str, str], columns: Mapping[str, str]) -> CrossTable:
    """The largest rows and columns; columns in the order of their names, since they are often centuries."""
    down, across = Counter[str](), Counter[str]()
    for (left, right), n in counts.items():
        down[left] += n
        across[right] += n
    kept_rows = [value for value, _ in down.most_common(MOST)]
    kept_columns = sorted(
        (value for value, _ in across.most_common(MOST)), key=lambda value: _natural(columns[value])
    )
    cells = {(x, y): n for (x, y), n in counts.items() if x in kept_rows and y in kept_columns}
    total = sum(counts.values())
    return CrossTable(
        {value: rows[value] for value in kept_rows},
        {value: columns[value] for value in kept_columns},
        cells,
        total,
        total - sum(cells.values()),
    )


def _natural(name: str) -> list[tuple[int, str]]:
    """An order in which the 9th comes before the 16th."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part.casefold())
        for part in re.split(r"(\d+)", name)
        if part
    ]
