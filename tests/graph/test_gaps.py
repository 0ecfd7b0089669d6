"""Gaps: found in one stream, counted, and closed by answers and by curators."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.demo.museum import record_iri
from enrich.demo.objects import PROPERTIES, made_objects
from enrich.errors import ProfileError
from enrich.graph.classes import ClassMap
from enrich.graph.gaps import GapCount, count_gaps, scan
from enrich.graph.stores import Store, open_store
from enrich.ontology.profile_files import load_profile, parse_profile
from enrich.ontology.terms import CRM, RDF, RDFS, SKOS
from enrich.runs import register as runs
from enrich.runs.reviews import Reviews
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.runs.made_reviews import Review, add_review
from tests.servers import Endpoint

ANA = NamedNode("https://data.example.org/actor/ana")


def test_the_scan_finds_the_gaps_that_were_made(store: Store) -> None:
    workspace = museum(50, store)
    truth = {record_iri(m).value: set(m.missing) for m in made_objects(50, 3) if m.missing}

    found = {row.record.value: set(row.missing) for row in scan(workspace.reader)}

    assert found == truth


def test_a_rough_scan_finds_every_gap_and_more_only_where_graphs_share_a_record(store: Store) -> None:
    workspace = museum(50, store)
    exact = {row.record: row.missing for row in scan(workspace.reader)}
    assert {row.record: row.missing for row in scan(workspace.reader, rough=True)} == exact
    whole = next(r for r in workspace.reader.iris() if r not in exact)
    other = NamedNode("https://museum.example.org/graph/elsewhere")
    store.insert([Quad(whole, RDF.type, workspace.profile.record_class[0], other)])

    again = museum(0, store)

    assert {row.record for row in scan(again.reader)} == set(exact)
    rough = {row.record for row in scan(again.reader, rough=True)}
    assert rough == ({*exact} if store.paged else {*exact, whole})  # page by page it is exact anyway


def test_a_scan_for_one_property_gives_only_its_gaps() -> None:
    workspace = museum(50)

    rows = list(scan(workspace.reader, ["place"]))

    assert len({r.record for r in rows}) == sum("place" in m.missing for m in made_objects(50, 3))
    assert {r.missing for r in rows} == {("place",)}


LABEL, P45 = RDFS.label, CRM.P45_consists_of
WOOL = NamedNode("https://v.example/wool")


def object_quads(number: int, graph: NamedNode | DefaultGraph, *values: NamedNode) -> list[Quad]:
    """A record of the profile linked-art in a graph: its type, its label and its materials."""
    record = NamedNode(f"https://o.example/{number}")
    cls = load_profile("linked-art").record_class[0]
    said = [Quad(record, P45, value, graph) for value in values]
    return [Quad(record, RDF.type, cls, graph), Quad(record, LABEL, Literal(f"no. {number}"), graph), *said]


def test_a_record_in_several_graphs_is_counted_once_and_no_share_is_above_all(store: Store) -> None:
    """Two exports type the same objects; a value stands in one of them."""
    one, two = (NamedNode(f"https://g.example/{name}") for name in ("one", "two"))
    for number in range(12):
        store.insert(object_quads(number, one))
        store.insert(object_quads(number, two, *[WOOL] * (number < 3)))
    workspace = museum(0, store)

    report = count_gaps(workspace)

    assert report.records == 12
    assert report.properties["material"].missing == 9
    assert all(found.missing <= report.records for found in report.properties.values())
    rows = [row.record for row in scan(workspace.reader)]
    assert len(rows) == len(set(rows)) == 12


@pytest.mark.parametrize("store", ["memory", "disk", "served"], indirect=True)
def test_records_of_the_default_graph_are_facts_beside_a_named_vocabulary(store: Store) -> None:
    for number in range(5):
        store.insert(object_quads(number, DefaultGraph(), *[WOOL] * (number < 2)))
    store.insert([Quad(WOOL, SKOS.prefLabel, Literal("wool"), NamedNode("https://g.example/thesaurus"))])

    report = count_gaps(museum(0, store))

    assert (report.records, report.properties["material"].missing) == (5, 3)


@pytest.mark.parametrize("store", ["memory", "disk", "served"], indirect=True)
def test_records_of_the_default_graph_and_of_named_ones_are_counted_together(store: Store) -> None:
    store.insert(object_quads(1, DefaultGraph(), WOOL))
    store.insert(object_quads(2, NamedNode("https://g.example/two")))
    workspace = museum(0, store)

    assert count_gaps(workspace).records == 2
    assert {s.iri.value[-1]: s.record.known.get("material") for s in workspace.reader.read_all()} == {
        "1": (WOOL.value,), "2": None,
    }  # fmt: skip


def test_a_server_that_cannot_ask_both_at_once_says_so(oxigraph_server: Endpoint) -> None:
    thesaurus, two = NamedNode("https://g.example/thesaurus"), NamedNode("https://g.example/two")
    with open_store(**asdict(oxigraph_server)) as store:
        store.update("CLEAR ALL")
        try:
            store.insert(object_quads(1, DefaultGraph(), WOOL))
            assert count_gaps(museum(0, store)).records == 1
            store.insert([Quad(WOOL, SKOS.prefLabel, Literal("wool"), thesaurus)])
            assert count_gaps(museum(0, store)).records == 1
            store.insert(object_quads(2, two))
            with pytest.raises(ProfileError, match="default graph and named graphs both hold"):
                count_gaps(museum(0, store))
        finally:
            store.update("CLEAR ALL")


def test_no_record_at_all_is_no_success_on_a_store_that_holds_something(store: Store) -> None:
    assert count_gaps(museum(0, store)).records == 0
    store.insert([Quad(ANA, LABEL, Literal("Ana"), NamedNode("https://g.example/people"))])
    with pytest.raises(ProfileError, match="the facts hold no record"):
        count_gaps(museum(0, store))


class Counting:
    """A store that keeps the queries it was asked."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> object:
        found = getattr(self._store, name)
        if name not in ("select", "select_by_key", "ask", "construct", "graphs"):
            return found

        def asked(*arguments: object, **options: object) -> object:
            self.asked.append(str(arguments[:1]))
            return found(*arguments, **options)

        return asked


def test_what_is_asked_does_not_grow_with_our_own_graphs() -> None:
    counts = []
    for shards in (0, 300):
        held = museum(20).store
        held.insert(
            Quad(ANA, LABEL, WOOL, NamedNode(f"https://data.example.org/enrich/graph/run/r/{n}"))
            for n in range(shards)
        )
        store = Counting(held)
        workspace = museum(0, store)  # type: ignore[arg-type]
        list(workspace.reader.read_all())
        list(scan(workspace.reader))
        counts.append((len(store.asked), max(map(len, store.asked))))
    assert counts[0] == counts[1]


def silk_quads(records: int, graphs: int = 10) -> Iterator[Quad]:
    """Records of the profile silknow in several graphs; every third lacks a place, every fourth a material."""
    profile = load_profile("silknow")
    for number in range(records):
        graph = NamedNode(f"http://data.silknow.org/graph/m{number % graphs}")
        thing, made = (NamedNode(f"https://o.example/{part}/{number}") for part in ("object", "production"))
        yield Quad(thing, RDF.type, profile.record_class[0], graph)
        yield Quad(made, NamedNode("http://erlangen-crm.org/current/P108_has_produced"), thing, graph)
        for prop in profile.properties:
            if number % {"place": 3, "material": 4}.get(prop.name, records):
                yield Quad(made, prop.predicate.predicate, prop.classes[number % len(prop.classes)], graph)


def test_the_gaps_of_many_graphs_are_within_what_every_server_lets_a_query_cost(store: Store) -> None:
    """Virtuoso as Debian ships it refuses a query that it estimates at more than 400 seconds."""
    store.insert(silk_quads(600))
    report = count_gaps(Workspace(Settings(profile="silknow"), store))
    assert {name: found.missing for name, found in report.properties.items()} == {
        "place": 200, "time": 1, "technique": 1, "material": 150,
    }  # fmt: skip
    rows = list(scan(Workspace(Settings(profile="silknow"), store).reader, rough=True))
    assert len(rows) == 300
    assert sum(len(row.missing) for row in rows) == 352


def scheme_museum(concepts: int, used: int) -> Workspace:
    """Objects whose materials are concepts of a large scheme, or stand outside it."""
    profile = parse_profile(SCHEME, "scheme", "scheme.toml")
    store = open_store()
    graph = NamedNode("https://g.example/thesaurus")
    iris = [NamedNode(f"https://v.example/{n}") for n in range(concepts)]
    store.insert(
        (Quad(iri, SKOS.inScheme, NamedNode("https://v.example/scheme"), graph) for iri in iris), bulk=True
    )
    for number in range(used):
        store.insert(object_quads(number, NamedNode("https://g.example/one"), iris[number]))
    store.insert(object_quads(used, NamedNode("https://g.example/one"), WOOL))
    store.insert(object_quads(used + 1, NamedNode("https://g.example/one")))
    workspace = museum(0, Counting(store))  # type: ignore[arg-type]
    workspace.__dict__["profile"] = profile
    return workspace


SCHEME = """
title = "A scheme"
record_class = "crm:E22_Human-Made_Object"
[prefixes]
crm = "http://www.cidoc-crm.org/cidoc-crm/"
[properties.material]
label = "material"
predicate = "crm:P45_consists_of"
scheme = "https://v.example/scheme"
"""


def test_a_large_vocabulary_is_not_written_into_the_query() -> None:
    workspace = scheme_museum(20_000, 40)

    report = count_gaps(workspace)

    assert report.properties["material"].missing == 2
    assert max(map(len, workspace.store.asked)) < 2_000  # type: ignore[attr-defined]


def test_counts_go_from_open_to_answered_and_back(tmp_path: Path) -> None:
    workspace = museum(50)
    missing = {name: sum(name in m.missing for m in made_objects(50, 3)) for name in PROPERTIES}
    model = dummy_model(workspace, tmp_path / "m")

    before = count_gaps(workspace)
    summary = pipeline.run(workspace, model, properties=["place", "time"])
    after = count_gaps(workspace)
    assert summary.run is not None
    runs.retract(workspace, summary.run)

    assert before.records == 50
    assert before.properties == {n: GapCount(missing[n], missing[n]) for n in missing}
    assert after.properties["place"] == GapCount(missing["place"], 0)
    assert after.properties["material"] == GapCount(missing["material"], missing["material"])
    assert count_gaps(workspace) == before


def test_an_accepted_value_closes_a_gap_and_a_later_rejection_opens_it_again() -> None:
    workspace = museum(50)
    row = next(iter(scan(workspace.reader, ["place"])))
    place = workspace.profile.property("place")
    value = NamedNode("https://v.example/france")

    def review(decision: str, day: int) -> None:
        said = Review(
            NamedNode("https://p.example/1"), row.record, "place", row.record, place.predicate.predicate, value,
            decision, ANA, datetime(2026, 1, day, tzinfo=UTC),
        )  # fmt: skip
        add_review(workspace.store, workspace.names, said)

    total = count_gaps(workspace).properties["place"].open
    review("Accepted", 1)
    review("Accepted", 1)
    assert count_gaps(workspace).properties["place"].open == total - 1
    review("Rejected", 2)
    assert count_gaps(workspace).properties["place"].open == total
    register = Reviews.read(workspace.store, workspace.names, ())
    assert register.rejected(row.record.value, "place") == {value.value}


def test_raw_values_reach_their_class_along_the_vocabulary(store: Store) -> None:
    profile = load_profile("silknow")
    technique = profile.property("technique")
    graph = NamedNode("http://data.silknow.org/graph/thesaurus")
    velvet = NamedNode("http://data.silknow.org/vocabulary/379")
    facet = next(g for g, c in technique.groups.items() if c == velvet)
    narrower, below, member = (NamedNode(f"http://data.silknow.org/vocabulary/x{n}") for n in range(3))
    store.insert(
        [
            Quad(narrower, SKOS.broader, velvet, graph),
            Quad(below, SKOS.broader, narrower, graph),
            Quad(velvet, SKOS.broader, below, graph),
            Quad(facet, SKOS.member, member, graph),
        ]
    )

    found = ClassMap.of(technique, store, f"FROM {graph}")

    assert {found.of_term(v) for v in (velvet, narrower, below, member)} == {velvet.value}
    assert found.of_term(NamedNode("http://data.silknow.org/vocabulary/unknown")) is None


def test_where_any_iri_is_a_class_no_vocabulary_is_asked() -> None:
    found = ClassMap.of(load_profile("linked-art").property("place"), open_store(), "")

    assert found.of_term(ANA) == ANA.value
