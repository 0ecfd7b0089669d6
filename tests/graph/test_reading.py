"""Records are read as the profile says: values, nodes, texts, pictures and context, many values included."""

from __future__ import annotations

from dataclasses import replace

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.demo.museum import graph_iri, museum_quads, record_iri
from enrich.demo.objects import PROPERTIES, made_objects
from enrich.errors import ProfileError, QueryRefused, ResultTruncated, StoreError
from enrich.graph.reading import Reader
from enrich.graph.stores import Store, open_store
from enrich.graph.stores.base import Rows
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.profile_files import load_profile
from enrich.ontology.terms import CRM, RDF, RDFS, Names
from tests.museums import museum

NAMES = Names("https://data.example.org/enrich/")
OBJECT = CRM["E22_Human-Made_Object"]


def reader(store: Store) -> Reader:
    return Reader(store, load_profile("linked-art"), NAMES)


def facts(graph: str = "https://m.example/graph/a", **said: object) -> list[Quad]:
    record, node = NamedNode("https://m.example/o/1"), NamedNode(graph)
    quads = [Quad(record, RDF.type, OBJECT, node)]
    for value in said.get("labels", ()):  # type: ignore[attr-defined]
        quads.append(Quad(record, RDFS.label, value, node))
    for value in said.get("materials", ()):  # type: ignore[attr-defined]
        quads.append(Quad(record, CRM.P45_consists_of, value, node))
    return quads


def test_every_made_object_is_read_as_it_was_made(store: Store) -> None:
    workspace = museum(40, store)
    made = {record_iri(m).value: m for m in made_objects(40, 3)}

    subjects = list(workspace.reader.read_all(batch=7))

    assert {s.iri.value for s in subjects} == set(made)
    for subject in subjects:
        truth = made[subject.iri.value]
        assert set(subject.missing) == set(truth.missing)
        for name in PROPERTIES:
            known = tuple(v.rpartition("/")[2] for v in subject.record.known.get(name, ()))
            assert known == (() if name in truth.missing else tuple(sorted(truth.values[name])))
        assert subject.nodes["material"] == subject.iri
        assert subject.nodes["place"].value == subject.iri.value + "/production"
        assert not subject.minted
        assert subject.record.context["museum"]


def test_the_batch_does_not_change_what_is_read() -> None:
    workspace = museum(30)

    assert list(workspace.reader.read_all(batch=4)) == list(workspace.reader.read_all(batch=1000))


def test_a_record_without_the_node_gets_one_of_ours_that_is_always_the_same() -> None:
    store = open_store()
    store.insert(facts())

    (first,), (second,) = (list(reader(store).read_all()) for _ in range(2))

    assert first.minted == {"place", "time", "technique"}
    assert NAMES.owns(first.nodes["place"])
    assert first.nodes == second.nodes


def test_what_is_predicted_hangs_on_the_production_and_not_on_a_part_of_it(store: Store) -> None:
    """Given a production with parts whose IRIs come before its own, then it carries what is predicted, read alone too; a part
    does where the production has no IRI."""
    graph, record = NamedNode("https://m.example/graph/a"), NamedNode("https://m.example/o/1")
    production, parts = (
        NamedNode("https://m.example/p/9"),
        [NamedNode(f"https://m.example/p/{n}") for n in (0, 1)],
    )
    made = [
        (record, CRM.P108i_was_produced_by, production),
        *((production, CRM.P9_consists_of, p) for p in parts),
    ]
    store.insert([*facts(), *(Quad(*triple, graph) for triple in made)])

    (subject,) = reader(store).read_all()
    alone, _ = reader(store).read_one(record)

    assert subject.nodes["place"] == subject.nodes["technique"] == production
    assert alone == subject
    unnamed = open_store()
    node = BlankNode("p")
    unnamed.insert(
        [
            *facts(),
            *(Quad(*(node if term == production else term for term in triple), graph) for triple in made),
        ]
    )  # type: ignore[arg-type]
    assert next(reader(unnamed).read_all()).nodes["place"] == parts[0]


def test_what_is_no_record_is_a_problem_of_that_record_alone() -> None:
    store = open_store()
    store.insert(facts())
    stranger, known = NamedNode("https://m.example/o/2"), NamedNode("https://m.example/o/1")

    wrong, right = reader(store).read([stranger, known])

    assert wrong.problem is not None
    assert "is no" in wrong.problem
    assert wrong.absent
    assert right.problem is None
    assert not right.absent


class Forgetful(EmbeddedStore):
    """A store that leaves one record out of every answer about several."""

    def select(self, query: str) -> Rows:
        found = super().select(query)
        whole = query.count("(<https://m.example/o/") < 2
        kept = (row for row in found.rows if whole or str(row[0]) != "<https://m.example/o/1>")
        return Rows(found.variables, kept)


def test_a_record_that_an_answer_left_out_is_asked_for_alone_before_it_is_called_absent() -> None:
    store = Forgetful()
    store.insert(facts(labels=[Literal("one")]))
    there, gone = NamedNode("https://m.example/o/1"), NamedNode("https://m.example/o/2")

    read = reader(store).read([gone, there])

    assert [subject.absent for subject in read] == [True, False]
    assert read[1].problem is None
    assert [text.value for text in read[1].record.texts] == ["one"]


def test_our_own_graphs_and_those_the_profile_leaves_out_are_no_facts(store: Store) -> None:
    store.insert(facts())
    store.insert(facts("https://m.example/graph/vocabulary"))
    store.insert([Quad(NAMES.run("x"), RDF.type, OBJECT, NAMES.runs)])

    assert [g.value for g in reader(store).graphs] == ["https://m.example/graph/a"]
    assert reader(store).count() == 1


def test_graphs_that_a_profile_names_in_vain_are_not_all_graphs(store: Store) -> None:
    """Given a profile whose `facts` match no graph, on a server that may take all graphs for the default one, when it is
    read by, then there is no record, and it is said."""
    store.insert(facts())
    store.insert([Quad(NamedNode("https://m.example/o/9"), RDF.type, OBJECT, NAMES.runs)])
    in_vain = Reader(store, replace(load_profile("linked-art"), facts=("https://nowhere.example/*",)), NAMES)

    assert list(in_vain.iris()) == []
    assert in_vain.count() == 0
    with pytest.raises(ProfileError, match="the facts hold no record"):
        in_vain.expect_records()


@pytest.mark.parametrize("error", [QueryRefused, ResultTruncated])
def test_what_is_stated_is_asked_in_halves_of_a_store_that_cannot_say_all(
    error: type[StoreError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a store that answers about a few records at a time, when a property of many is asked, then what they state
    is told; and a record of which it cannot say even that much is an error."""
    workspace = museum(40)
    material = workspace.profile.property("material")
    records = list(workspace.reader.iris())
    whole, select, most = workspace.reader.stated(records, material), workspace.store.select, [3]

    def capped(query: str) -> Rows:
        if sum(str(record) in query for record in records) > most[0]:
            raise error("too much at once")
        return select(query)

    monkeypatch.setattr(workspace.store, "select", capped)

    assert workspace.reader.stated(records, material) == whole != {}
    most[0] = 0
    with pytest.raises(error):
        workspace.reader.stated(records, material)


def test_values_that_are_no_iri_leave_a_gap() -> None:
    store = open_store()
    store.insert(facts(materials=[Literal("silk")]))

    (subject,) = reader(store).read_all()

    assert "material" in subject.missing


def test_empty_texts_are_left_out_and_others_keep_their_language() -> None:
    store = open_store()
    store.insert(facts(labels=[Literal("  "), Literal("Seda", language="es"), Literal("Silk")]))

    (subject,) = reader(store).read_all()

    assert [(t.value, t.language) for t in subject.record.texts] == [("Silk", None), ("Seda", "es")]
    assert subject.record.texts[0].source == RDFS.label.value


def test_a_picture_that_is_no_web_address_carries_its_reason() -> None:
    store = open_store()
    store.insert(facts())
    record, graph = NamedNode("https://m.example/o/1"), NamedNode("https://m.example/graph/a")
    image = NamedNode("https://m.example/i/1")
    access = NamedNode("https://linked.art/ns/terms/access_point")
    store.insert([Quad(record, CRM.P138i_has_representation, image, graph)])
    store.insert([Quad(image, access, NamedNode("file:///etc/passwd"), graph)])

    (subject,) = reader(store).read_all()

    assert subject.record.pictures[0].failure == "not an http(s) address"


def test_facts_in_the_default_graph_are_read_too() -> None:
    store = open_store()
    store.insert(Quad(q.subject, q.predicate, q.object) for q in museum_quads(5, seed=1))

    assert len(list(reader(store).read_all())) == 5


def test_a_record_typed_in_two_graphs_is_one_record(store: Store) -> None:
    store.insert(facts())
    store.insert(facts("https://m.example/graph/b", labels=[Literal("b")]))

    assert reader(store).count() == 1
    subjects = {s.iri: s for s in reader(store).read_all()}
    assert len(subjects) == 1


def test_the_museum_is_the_graph_when_the_profile_says_so() -> None:
    profile = load_profile("silknow")
    store = open_store()
    record, graph = (
        NamedNode("http://data.silknow.org/object/1"),
        NamedNode("http://data.silknow.org/graph/vam"),
    )
    store.insert([Quad(record, RDF.type, profile.record_class[0], graph)])

    (subject,) = Reader(store, profile, NAMES).read_all()

    assert subject.record.context["museum"] == (graph.value,)
    assert graph_iri("x").value.endswith("/x")


def test_one_record_is_read_at_once_as_it_is_among_others(store: Store) -> None:
    """Given a museum in any store; when each record is read in one question, then the same is read, and its name."""
    workspace = museum(12, store)
    for subject in workspace.reader.read_all():
        alone, names = workspace.reader.read_one(subject.iri)
        assert alone == subject
        assert [name.value for name in names] == [subject.record.texts[0].value]
    absent, names = workspace.reader.read_one(NamedNode("https://m.example/nothing"))
    assert absent.absent
    assert names == []
