"""What Virtuoso 7.2.5 cannot hold faithfully, found by trying."""

import re
from collections.abc import Callable

from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad

IRI_BYTES = 1800
"""Virtuoso cuts an IRI after 1,899 bytes without a word; a longer one would become another."""

OWN_GRAPHS = (
    "http://www.openlinksw.com/",
    "http://www.w3.org/ns/ldp#",
    "http://www.w3.org/2002/07/owl#",
    "http://localuriqaserver/",
    "urn:activitystreams-owl:",
    "urn:rules.",
)
"""Prefixes of the graphs that it keeps for itself."""

BLANK_NODE = "nodeID://"
"""How it names a blank node where an IRI is wanted; in JSON too, where a blank node's label stands."""

_XSD = "http://www.w3.org/2001/XMLSchema#"
_INTEGER = re.compile(r"[+-]?\d{1,18}")
_VALID = {
    "integer": _INTEGER,
    "int": re.compile(r"[+-]?\d{1,9}|[+-]?1\d{9}"),
    "decimal": re.compile(r"[+-]?(?=.{1,16}$)(\d+(\.\d*)?|\.\d+)"),
    "double": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?INF|NaN"),
    "float": re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)([eE][+-]?\d+)?|[+-]?INF|NaN"),
    "boolean": re.compile(r"true|false|0|1"),
    "date": re.compile(r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])(Z|[+-]\d\d:\d\d)?"),
    "dateTime": re.compile(
        r"\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])T[0-2]\d:[0-5]\d:[0-5]\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)?"
    ),
}


def objection(quad: Quad) -> str | None:
    """Why Virtuoso would lose or alter this quad; None when it holds it.

    Numbers are kept by value, not by spelling ("01" comes back as "1"), as in Oxigraph.
    """
    if isinstance(quad.graph_name, DefaultGraph):
        return "Virtuoso has no default graph to write to; name a graph"
    if "'" in quad.graph_name.value:
        return f"Virtuoso cannot write to a graph whose name has an apostrophe: {quad.graph_name.value[:80]}"
    for term in (quad.subject, quad.predicate, quad.object, quad.graph_name):
        if isinstance(term, NamedNode):
            if len(term.value.encode()) > IRI_BYTES:
                return f"Virtuoso cuts IRIs of more than {IRI_BYTES} bytes: {term.value[:80]}…"
            if term.value.lower().startswith("nodeid:"):
                return f"Virtuoso takes nodeID IRIs for blank nodes: {term.value[:80]}"
    value = quad.object
    if not isinstance(value, Literal):
        return None
    if "\0" in value.value and not value.value.isascii():
        return (
            f"Virtuoso cuts such a text with a NUL where a query or a deletion names it: {value.value[:40]!r}"
        )
    datatype = value.datatype.value
    if datatype.startswith(_XSD):
        local = datatype[len(_XSD) :]
        if local in _VALID and not _VALID[local].fullmatch(value.value):
            return f"Virtuoso would store something else for an xsd:{local} like this: {value.value[:40]!r}"
        if local in ("duration", "dayTimeDuration", "yearMonthDuration"):
            return f"Virtuoso turns xsd:{local} into a number of seconds"
    if datatype.endswith("22-rdf-syntax-ns#XMLLiteral"):
        return "Virtuoso rewrites XML literals"
    if datatype.endswith(("geosparql#wktLiteral", "virtrdf#Geometry")):
        return "Virtuoso turns geometries into a datatype of its own"
    return None


def joined_as_written(query: str) -> str:
    """The query, which has the comment JOINED_AS_WRITTEN, with the order of its joins laid down.

    Virtuoso plans by how often a predicate stood in the graph when it was first asked for, until it is started anew.
    The register of runs is asked before there is a run, so for Virtuoso it stays empty, and is looked at last, once
    for each of all answers. Only such queries are told: of others an answer was found to lack rows then.
    """
    return f'DEFINE sql:select-option "order"\n{query}'


class PlainBlankNodes:
    """Reads JSON results with the blank nodes' labels made valid: `b10000` for `nodeID://b10000`.

    The pattern holds bare quotation marks, which no JSON string does.
    """

    _WRONG = b'"type": "bnode", "value": "nodeID://'
    _RIGHT = b'"type": "bnode", "value": "'

    def __init__(self, read: Callable[[int], bytes]) -> None:
        self._read = read
        self._tail = b""

    def read(self, size: int = -1) -> bytes:
        """At least one byte, until the end; a few more than `size` are never given."""
        while True:
            data = self._read(size)
            text = (self._tail + data).replace(self._WRONG, self._RIGHT)
            keep = 0 if not data else _overlap(text, self._WRONG)
            self._tail = text[len(text) - keep :]
            given = text[: len(text) - keep]
            if size >= 0 and len(given) > size:
                self._tail = given[size:] + self._tail
                given = given[:size]
            if given or not data:
                return given


def _overlap(text: bytes, pattern: bytes) -> int:
    """How many of the last bytes of the text may begin the pattern."""
    longest = min(len(text), len(pattern) - 1)
    return next((n for n in range(longest, 0, -1) if text.endswith(pattern[:n])), 0)
