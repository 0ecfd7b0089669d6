"""A list as a file: all answers that fit, as CSV, JSON, JSON lines or Turtle, written as they are read."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, astuple, fields
from itertools import islice

from pyoxigraph import NamedNode, RdfFormat, serialize

from enrich.errors import InputError
from enrich.ontology.terms import PREFIXES, class_term
from enrich.runs.export.answers import Predicted
from enrich.runs.export.plain import statements
from enrich.web.index.asked import Filters, Order, Row
from enrich.web.index.index import Index

FORMS: Mapping[str, str] = {
    "csv": "text/csv; charset=utf-8",
    "json": "application/json",
    "jsonl": "application/x-ndjson",
    "ttl": "text/turtle; charset=utf-8",
}
"""The formats, each with its media type."""
_BATCH = 500
_COLUMNS = tuple(field.name for field in fields(Row))
_NAMES = tuple(n for n, name in enumerate(_COLUMNS) if name.endswith("_name"))
_FORMULA = tuple("=+-@\t\r")
_GUESSES = "# Predictions, not facts: what the facts would say were these answers true. Keep them apart until they are judged.\n"


def export(
    index: Index, filters: Filters, form: str, order: Order = "-confidence", language: str = "en"
) -> Iterator[bytes]:
    """The answers that fit in one of FORMS, piece by piece. Raises InputError before the first piece where there is no
    such form, facet or order.

    CSV and JSON have a row's fields as columns and keys; in CSV a name that a spreadsheet would take for a formula has an
    apostrophe before it. Turtle has plain statements: of what abstained or was turned down it says nothing.
    """
    if form not in FORMS:
        raise InputError(f"no format is called {form!r}; there are: {', '.join(FORMS)}")
    index.page(filters, order, limit=1)
    rows = index.rows(filters, order, language)
    return _turtle(index, rows) if form == "ttl" else _WRITERS[form](rows)


def _batches(rows: Iterable[Row]) -> Iterator[list[Row]]:
    rows = iter(rows)
    while some := list(islice(rows, _BATCH)):
        yield some


def _csv(rows: Iterable[Row]) -> Iterator[bytes]:
    yield _lines([_COLUMNS])
    for some in _batches(rows):
        yield _lines(_safe(row) for row in some)


def _lines(rows: Iterable[tuple[object, ...]]) -> bytes:
    text = io.StringIO(newline="")
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue().encode()


def _safe(row: Row) -> tuple[object, ...]:
    told = list(astuple(row))
    for place in _NAMES:
        if str(told[place] or "").startswith(_FORMULA):
            told[place] = f"'{told[place]}"
    return tuple(told)


def _json_lines(rows: Iterable[Row]) -> Iterator[bytes]:
    for some in _batches(rows):
        yield "".join(json.dumps(asdict(row), ensure_ascii=False) + "\n" for row in some).encode()


def _json(rows: Iterable[Row]) -> Iterator[bytes]:
    yield b"["
    between = "\n"
    for some in _batches(rows):
        yield (between + ",\n".join(json.dumps(asdict(row), ensure_ascii=False) for row in some)).encode()
        between = ",\n"
    yield b"\n]\n"


def _turtle(index: Index, rows: Iterable[Row]) -> Iterator[bytes]:
    """Some hundred statements at a time; the prefixes are said once."""
    yield _GUESSES.encode()
    said = ""
    for some in _batches(rows):
        with index.workspaces() as workspace:
            prefixes = {**PREFIXES, **workspace.profile.prefixes}
            found = [quad.triple for quad in statements(workspace, _predicted(some))]
        text = (serialize(found, format=RdfFormat.TURTLE, prefixes=prefixes) or b"").decode()
        head = "".join(line for line in text.splitlines(keepends=True) if line.startswith("@prefix "))
        yield (text if head != said else text.removeprefix(head)).encode()
        said = head


def _predicted(rows: Iterable[Row]) -> Iterator[Predicted]:
    for row in rows:
        if row.value is not None:
            value = class_term(row.value)
            things = (NamedNode(row.prediction), NamedNode(row.record), row.property, value, value)
            yield Predicted(*things, row.confidence, row.state, row.run)


_WRITERS: Mapping[str, Callable[[Iterable[Row]], Iterator[bytes]]] = {
    "csv": _csv,
    "json": _json,
    "jsonl": _json_lines,
}
