"""Queries to begin with: those of the package, and a dozen more in this folder."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files

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
    text = query.bind(**names.graphs)
    return Example(query.name.lstrip("0123456789-"), query.description, _without_hints(text))


def _without_hints(text: str) -> str:
    """The query without its head and without the lines that are for whoever asks by parameters."""
    lines = text.splitlines()
    while lines and lines[0].startswith("#"):
        lines.pop(0)
    return "\n".join(line for line in lines if line.strip() != "#PAGE#" and not line.strip().startswith("#?"))
