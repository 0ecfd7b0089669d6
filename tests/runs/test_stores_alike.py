"""Named queries, the profile check and the export say the same on every kind of store."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import pytest
from pyoxigraph import NamedNode, RdfFormat, parse

from enrich.graph.profile_check import check_profile
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.queries import Query, named_query, query_names
from enrich.runs.export.run_file import Form, export_run
from tests.graph.test_profile_check import FACTS, HEAD, profile
from tests.ontology.pattern import FILE, NAMES, object_, prediction

TERMS = {**NAMES.graphs, "record": object_(1), "prediction": prediction("p6")}


@pytest.fixture(scope="module")
def reference() -> EmbeddedStore:
    return filled(EmbeddedStore(), FILE.read_bytes())


def filled(store: Store, text: bytes) -> Store:
    store.insert(parse(text, format=RdfFormat.TRIG))
    return store


def rows(store: Store, query: Query) -> list[tuple[str, ...]]:
    text = query.bind(**TERMS)
    found = store.select_by_key(text, query.key) if query.key else store.select(text)
    return sorted(tuple(plain(term) for term in row) for row in found)


def plain(term: object) -> str:
    """A term by its value: servers may write a decimal or a plain string in another way."""
    return term.value if hasattr(term, "value") else str(term)


def test_every_named_query_answers_alike(store: Store, reference: EmbeddedStore) -> None:
    filled(store, FILE.read_bytes())

    for name in query_names():
        query = named_query(name)
        assert rows(store, query) == rows(reference, query), name


def test_a_profile_check_reports_alike(store: Store) -> None:
    facts = (HEAD + FACTS).encode()
    filled(store, facts)

    report = check_profile(store, profile(), NAMES).to_json()

    assert report == check_profile(filled(EmbeddedStore(), facts), profile(), NAMES).to_json()


def test_an_export_is_the_same_bytes(store: Store, reference: EmbeddedStore, tmp_path: Path) -> None:
    filled(store, FILE.read_bytes())

    for form in get_args(Form):
        for made, name in ((store, "here"), (reference, "there")):
            export_run(made, NAMES, NAMES.run("r1"), form, tmp_path / name)
        assert (tmp_path / "here").read_bytes() == (tmp_path / "there").read_bytes(), form


def test_a_hostile_iri_is_looked_up_alike(store: Store) -> None:
    hostile = NamedNode("https://a.org/?q='%22);DROP%20ALL$runs#--")
    filled(store, FILE.read_bytes().replace(b"m:object\\/3", str(hostile).encode()))

    found = list(store.select(named_query("provenance").bind(runs=NAMES.runs, record=hostile)))

    assert {row[2] for row in found} == {prediction("p5")}
