"""The numbers in a record's address and in its first picture's: in most museums accession numbers."""

from __future__ import annotations

import re
from collections.abc import Sequence
from urllib.parse import unquote, urlsplit

from enrich.classifiers.data import Record

NUMERALS = 2
"""Numbers that are read from one address, at most."""
_DIGEST = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}|[0-9a-f]{16,}", re.IGNORECASE)
_NUMBERED = re.compile(r"[A-Za-z]{0,6}(\d{1,15})")


def numerals(iri: str) -> tuple[float, ...]:
    """The numbers in the last path segment of an IRI, at most two; none from UUIDs and digests.

    >>> numerals("https://museum.example/objects/T001720_REV.jpg")
    (1720.0,)
    """
    try:
        path = urlsplit(iri).path
    except ValueError:
        return ()
    segment = unquote(path.rstrip("/").rsplit("/", 1)[-1])[:200]
    if _DIGEST.search(segment):
        return ()
    parts = re.split(r"[^A-Za-z0-9]+", re.sub(r"\.[A-Za-z]{2,5}$", "", segment))
    found = [float(match[1]) for part in parts if (match := _NUMBERED.fullmatch(part))]
    return tuple(found[:NUMERALS])


def sources_of(record: Record) -> dict[str, tuple[float, ...]]:
    """The numerals of a record, by where they stand."""
    sources = {"record": numerals(record.id)}
    if record.pictures:
        sources["picture"] = numerals(min(picture.url for picture in record.pictures))
    return sources


def museum_of(record: Record, context: str | None) -> str | None:
    """The museum within which a record's numerals mean something: its first value of the context that names it."""
    return next(iter(record.context.get(context, ())), None) if context is not None else None


def museums_of(records: Sequence[Record], context: str | None) -> tuple[str, ...]:
    """The museums whose numerals can be compared, sorted; none without the context that names them."""
    return tuple(sorted({museum for r in records if (museum := museum_of(r, context)) is not None}))
