"""Where values are: coordinates that the graph gives places, as points."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from math import isfinite

from pyoxigraph import NamedNode

from enrich.graph.stores.base import Term
from enrich.ontology.terms import values_block
from enrich.workspace import Workspace

PER_QUERY = 300
"""Values that are asked for at once."""
_WGS, _SCHEMA = "http://www.w3.org/2003/01/geo/wgs84_pos#", ("http://schema.org/", "https://schema.org/")
_WKT = (
    "http://www.opengis.net/ont/geosparql#asWKT",
    "http://www.cidoc-crm.org/cidoc-crm/P168_place_is_defined_by",
)
_STEPS = (
    "http://www.opengis.net/ont/geosparql#hasGeometry",
    "http://xmlns.com/foaf/0.1/focus",
    *(f"{schema}geo" for schema in _SCHEMA),
)
"""From a concept to what has the coordinates, where it has none itself."""
_PAIRS = (
    (f"{_WGS}lat", f"{_WGS}long"),
    *((f"{schema}latitude", f"{schema}longitude") for schema in _SCHEMA),
)
_POINT = re.compile(r"POINT\s*Z?\s*\(\s*(-?[\d.]+)\s+(-?[\d.]+)", re.IGNORECASE)

Point = tuple[float, float]
"""Longitude and latitude, in degrees."""


class Places:
    """Remembers where values are, and which of them are nowhere."""

    def __init__(self) -> None:
        self._known: dict[str, Point | None] = {}

    def of(self, workspace: Workspace, values: Sequence[str]) -> dict[str, Point]:
        """Where values are, as `points`; the store is asked for those that it was not asked for before."""
        known = self._known  # another one once the facts have changed
        new = [value for value in dict.fromkeys(values) if value not in known]
        found = points(workspace, new)
        known.update({value: found.get(value) for value in new})
        return {value: point for value in values if (point := known[value]) is not None}

    def forget(self) -> None:
        """Ask anew: the facts have changed."""
        self._known = {}


def points(workspace: Workspace, values: Iterable[str]) -> dict[str, Point]:
    """Where values are, of those that the graph gives coordinates: WGS 84 or schema.org's latitude and longitude, or a
    point as well-known text; of the value itself or of its geometry, focus or place. Of several the first in order."""
    wanted = [NamedNode(value) for value in dict.fromkeys(values)]
    found: dict[str, list[Point]] = {}
    for start in range(0, len(wanted), PER_QUERY):
        block = values_block(["value"], ([value] for value in wanted[start : start + PER_QUERY]))
        for source in workspace.reader.vocabulary:
            for value, lat, long, wkt in workspace.store.select(_query(block, source)):
                if value is not None and (point := _point(lat, long, wkt)) is not None:
                    found.setdefault(value.value, []).append(point)
    return {value: min(several) for value, several in found.items()}


def _query(block: str, source: str) -> str:
    step = "|".join(f"<{iri}>" for iri in _STEPS)
    ways = [f"?at <{lat}> ?lat ; <{long}> ?long" for lat, long in _PAIRS] + [
        f"?at <{iri}> ?wkt" for iri in _WKT
    ]
    where = " UNION ".join(
        part
        for way in ways
        for part in (
            f"{{ {block} {way.replace('?at', '?value')} }}",
            f"{{ {block} ?value {step} ?at . {way} }}",
        )
    )
    return f"SELECT ?value ?lat ?long ?wkt {source} WHERE {{ {where} }}"


def _point(lat: Term | None, long: Term | None, wkt: Term | None) -> Point | None:
    """A point on the earth; None for what is none."""
    match = _POINT.search(wkt.value[:1000]) if wkt is not None else None
    pair = _floats(match.groups() if match else [term.value for term in (long, lat) if term is not None])
    if len(pair) != 2 or not all(map(isfinite, pair)):
        return None
    return (pair[0], pair[1]) if abs(pair[0]) <= 180 and abs(pair[1]) <= 90 else None


def _floats(texts: Iterable[str]) -> tuple[float, ...]:
    def read() -> Iterator[float]:
        for text in texts:
            try:
                yield float(text)
            except ValueError:
                return

    return tuple(read())
