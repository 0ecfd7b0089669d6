"""Queries to begin with: those of the package, and a dozen more in this folder."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from importlib.resources import files

from enrich.graph.stores.base import PAGE_TOKEN
from enrich.ontology.queries import Query, named_query, parse_query, query_names
from enrich.ontology.terms import Names

OF_THE_PACKAGE = (
    "current",
    "predictions",
    "abstentions",
    "by-model",
    "promises",
    "reviews",
    "runs",
    "conflicts",
)
"""Named queries that need nothing but our graphs."""


@dataclass(frozen=True, slots=True)
class Example:
    """A query as it can be asked, with what it answers."""

    name: str
    description: str
    text: str


@cache
def examples(names: Names) -> tuple[Example, ...]:
    """The examples over the graphs of one museum: first the short ones."""
    own = [
        parse_query(file.name.removesuffix(".rq"), file.read_text(encoding="utf-8"))
        for file in sorted(files(__name__).iterdir(), key=lambda file: file.name)
        if file.name.endswith(".rq")
    ]
    package = [named_query(name) for name in query_names() if name in OF_THE_PACKAGE]
    return tuple(_bound(query, names) for query in (*own, *package))


def _bound(query: Query, names: Names) -> Example:
    """As it is asked: without its head, and the lines that are for whoever asks by parameters."""
    lines = query.bind(**names.graphs).splitlines()
    kept = (line for line in lines if not line.startswith("#"))
    text = "\n".join(line for line in kept if not line.strip().startswith(("#?", PAGE_TOKEN)))
    return Example(query.name.lstrip("0123456789-"), query.description, text)
