"""Gaps: found in one stream, counted, and closed by answers and by curators."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from pyoxigraph import NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.demo.museum import record_iri
from enrich.demo.objects import PROPERTIES, made_objects
from enrich.graph.classes import ClassMap
from enrich.graph.gaps import GapCount, count_gaps, scan, spooled
from enrich.graph.stores import Store, open_store
from enrich.runs import register as runs
from enrich.runs.reviews import Review, Reviews, add_review
from ontology.profiles import load_profile
from ontology.terms import RDF, SKOS
from tests.museums import dummy_model, museum

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
    store.insert([Quad(whole, RDF.type, workspace.profile.record_class, other)])

    again = museum(0, store)

    assert {row.record for row in scan(again.reader)} == set(exact)
    assert {row.record for row in scan(again.reader, rough=True)} == {*exact, whole}


def test_a_scan_for_one_property_gives_only_its_gaps() -> None:
    workspace = museum(50)

    rows = list(scan(workspace.reader, ["place"]))

    assert len({r.record for r in rows}) == sum("place" in m.missing for m in made_objects(50, 3))
    assert {r.missing for r in rows} == {("place",)}


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
            NamedNode("https://p.example/1"), row.record, "place", row.record, place.predicate, value,
            decision, ANA, datetime(2026, 1, day, tzinfo=UTC),
        )  # fmt: skip
        add_review(workspace.store, workspace.names, said)

    total = count_gaps(workspace).properties["place"].open
    review("Accepted", 1)
    review("Accepted", 1)
    assert count_gaps(workspace).properties["place"].open == total - 1
    review("Rejected", 2)
    assert count_gaps(workspace).properties["place"].open == total
    register = Reviews.read(workspace.store, workspace.names)
    assert register.rejected(row.record.value, "place") == {value.value}


def test_a_spool_gives_back_what_it_was_given() -> None:
    iris = [NamedNode(f"https://o.example/{n}") for n in range(1000)]

    with spooled(iter(iris)) as (again, total):
        assert total == 1000
        assert list(again) == iris


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
