"""Names of classes: labels first, short IRIs where there are none, and no two alike."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.labels import LONGEST, best_label, class_names, group_names, short_iri, told_apart
from enrich.graph.stores import open_store
from enrich.ontology.terms import RDFS


def test_labels_come_from_the_graph_and_short_iris_stand_in() -> None:
    store = open_store()
    store.insert([Quad(NamedNode("urn:x:silk"), RDFS.label, Literal("silk", language="en"))])
    names = class_names(store, ["urn:x:silk", "https://museum.example/place/fr"])
    assert names == {"urn:x:silk": "silk", "https://museum.example/place/fr": "…/place/fr"}


def test_a_group_is_named_by_the_values_that_make_it() -> None:
    store = open_store()
    keeper, shelf = NamedNode("urn:x:keeper"), NamedNode("https://museum.example/shelf/lace")
    store.insert([Quad(keeper, RDFS.label, Literal("Museo", language="it"))])
    group = f"{keeper.value} {shelf.value}"
    assert group_names(store, [group, ""]) == {group: "Museo, …/shelf/lace", "": "–"}


def test_the_prefixes_of_the_profile_come_first() -> None:
    geo = {"geo": "https://sws.geonames.org/"}
    assert short_iri("https://sws.geonames.org/3017382/", geo) == "geo:3017382"
    assert short_iri("http://www.w3.org/2000/01/rdf-schema#label") == "rdfs:label"


def test_two_classes_of_one_label_are_told_apart() -> None:
    names = told_apart(["urn:a:b:1", "urn:a:b:2"], {"urn:a:b:1": "lace", "urn:a:b:2": "lace"})
    assert names == {"urn:a:b:1": "lace (urn:a:b:1)", "urn:a:b:2": "lace (urn:a:b:2)"}


@given(st.dictionaries(st.text(min_size=1), st.text()))
def test_every_iri_has_a_name_of_its_own(labels: dict[str, str]) -> None:
    names = told_apart(labels, labels)
    assert set(names) == set(labels)
    assert all(names.values())


def test_long_labels_are_cut() -> None:
    assert len(told_apart(["urn:a"], {"urn:a": "x" * 500})["urn:a"]) == LONGEST


def test_a_reader_s_own_language_comes_first() -> None:
    """Given labels in some languages; then the reader's is taken, else English, else any; of none there is none."""
    said = [
        Literal("seda", language="es"),
        Literal("silk", language="en-GB"),
        Literal("Seide", language="de"),
    ]
    assert [best_label(said, code) for code in ("es", "en", "fr")] == ["seda", "silk", "silk"]
    assert best_label(said[2:], "fr") == "Seide"
    assert best_label([]) is None
