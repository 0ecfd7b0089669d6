"""The rows of a list, with what a reader calls things."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from enrich.graph.labels import told_apart
from enrich.web.index.asked import UNKNOWN, Row
from enrich.web.index.cells import Cells, Mask
from enrich.web.index.facets import Counting


def rows_of(counting: Counting, ids: Sequence[int], fits: Mask | None = None) -> list[Row]:
    """The answers of these ids, in their order; those that are gone are left out, and those in cells that do not fit."""
    cells = counting.cells
    query = (
        "SELECT answer.id, prediction, iri, name, cell, confidence, margin, promised, threshold, picture FROM answer "
        "JOIN record ON record.id = answer.record WHERE answer.id IN (SELECT value FROM json_each(?))"
    )
    found = {row[0]: row for row in counting.connection.execute(query, (json.dumps(list(ids)),))}
    said = [
        found[number] for number in ids if number in found and (fits is None or fits[found[number][4] - 1])
    ]
    places = {row[4] - 1 for row in said}
    named = {
        facet: counting.called(facet, dict.fromkeys(int(cells.column(facet)[place]) for place in places))
        for facet in ("value", "museum")
    }
    shorts = told_apart([row[2] for row in said if not row[3]], {}, counting.prefixes)
    return [_row(cells, row, named, shorts) for row in said]


def _row(
    cells: Cells, said: tuple[Any, ...], named: Mapping[str, Mapping[int, str]], shorts: Mapping[str, str]
) -> Row:
    _, prediction, iri, name, cell, confidence, margin, promised, threshold, picture = said
    place = cell - 1

    def text(facet: str) -> str:
        return cells.text_of(facet, int(cells.column(facet)[place]))

    value = text("value")
    return Row(
        prediction,
        iri,
        name or shorts[iri],
        text("property"),
        None if value == UNKNOWN else value,
        None if value == UNKNOWN else named["value"][int(cells.column("value")[place])],
        confidence,
        margin,
        text("outcome"),
        text("reason") or None,
        text("regime") or None,
        promised,
        text("state"),
        text("museum"),
        text("run"),
        text("model"),
        picture,
        text("band"),
        threshold,
        text("agreement"),
        named["museum"][int(cells.column("museum")[place])],
    )
