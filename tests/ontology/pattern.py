"""The pattern's fixture: a small museum's graph after four runs and three reviews."""

from __future__ import annotations

import os
from pathlib import Path

import pyoxigraph as ox
import pytest
from pyoxigraph import NamedNode

from enrich.ontology.queries import named_query
from enrich.ontology.terms import Names

FILE = Path(__file__).parent / "pattern.trig"
NAMES = Names("https://museum.example.org/enrich/")
MUSEUM = "https://museum.example.org/"


def object_(number: int) -> NamedNode:
    return NamedNode(f"{MUSEUM}object/{number}")


def prediction(name: str) -> NamedNode:
    return NamedNode(f"{NAMES.base}prediction/{name}")


def loaded() -> ox.Store:
    store = ox.Store()
    store.load(path=str(FILE), format=ox.RdfFormat.TRIG)
    return store


def answers(store: ox.Store, name: str, **terms: NamedNode) -> list[dict[str, str | None]]:
    """The rows of a named query, each value by its last word."""
    text = named_query(name).bind(**NAMES.graphs, **terms)
    solutions = store.query(text)
    variables = [variable.value for variable in solutions.variables]
    return [
        {v: last(term.value) if term is not None else None for v, term in zip(variables, row, strict=True)}
        for row in solutions
    ]


def last(text: str) -> str:
    return text.replace("#", "/").rsplit("/", 1)[-1] if "://" in text else text


def museum_data(name: str) -> Path:
    """A file of the museum data, or skip the test that wants it."""
    folder = Path(os.environ.get("ENRICH_DATA", Path(__file__).parents[3] / "shared" / "data"))
    if not (folder / name).exists():
        pytest.skip(f"no museum data at {folder / name}: set ENRICH_DATA")
    return folder / name
