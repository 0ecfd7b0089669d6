"""Statements as a file: Turtle, JSON-LD or N-Triples, by the end of the address."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from fastapi.responses import Response
from pyoxigraph import RdfFormat, Triple, serialize

from enrich.ontology.terms import PREFIXES

FORMS: Mapping[str, tuple[RdfFormat, str]] = {
    "ttl": (RdfFormat.TURTLE, "text/turtle"),
    "jsonld": (RdfFormat.JSON_LD, "application/ld+json"),
    "nt": (RdfFormat.N_TRIPLES, "application/n-triples"),
}
"""By the end of an address the format and its media type."""
_PREFIXED = ("crm", "dct", "dcat", "enr", "mls", "prov", "rdf", "rdfs", "xsd")


def rdf(triples: Iterable[Triple], form: str) -> Response:
    """Statements in one of FORMS, in an order that says the same in the same words."""
    kind, media = FORMS[form]
    found = sorted(set(triples), key=str)
    prefixes = {name: PREFIXES[name] for name in _PREFIXED} if kind == RdfFormat.TURTLE else None
    body = serialize(found, format=kind, prefixes=prefixes)
    return Response(body, media_type=f"{media}; charset=utf-8" if form == "ttl" else media)
