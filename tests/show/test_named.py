"""Named queries with parameters, and answers that the facts have overtaken."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import InputError
from enrich.graph.labels import labels
from enrich.graph.stores import Store, open_store
from enrich.ontology.queries import named_query, query_names
from enrich.ontology.terms import CRM, ENR, PROV, RDF, SKOS, XSD, OntologyError
from enrich.runs.export.answers import Choice
from enrich.runs.export.plain import export_plain
from enrich.settings.loading import Settings
from enrich.show import naming
from enrich.show.answers import Answer
from enrich.show.named import any_term, printed, run_named, term
from enrich.show.naming import cells, with_names
from enrich.show.querying import run_file
from enrich.show.record import show_record
from enrich.workspace import Workspace
from tests.runs.made_runs import add_run, record

FACTS = NamedNode("https://museum.example.org/graph/facts")
PROFILE = """
title = "Two properties"
record_class = "crm:E22_Human-Made_Object"
museum = "keeper"
[contexts.keeper]
path = ["crm:P50_has_current_keeper"]
[properties.place]
predicate = "crm:P7_took_place_at"
classes = ["https://c.example/a", "https://c.example/b", "https://c.example/c"]
[properties.time]
predicate = "crm:P4_has_time-span"
classes = ["https://c.example/a", "https://c.example/b"]
"""
ANSWERS = {
    (1, "place"): ["a"],
    (2, "place"): ["b"],
    (2, "time"): ["a"],
    (3, "place"): [],
    (4, "place"): ["c"],
}


def value(name: str) -> NamedNode:
    return NamedNode(f"https://c.example/{name}")


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> Iterator[Workspace]:
    """Four records of two keepers, all of which a run answered."""
    (tmp_path / "profile.toml").write_text(PROFILE)
    for number in range(1, 5):
        keeper = Literal("Museo", language="es") if number > 2 else NamedNode("https://keeper.example/1")
        store.insert(
            [
                Quad(record(number), RDF.type, CRM["E22_Human-Made_Object"], FACTS),
                Quad(record(number), CRM.P50_has_current_keeper, keeper, FACTS),
            ]
        )
    add_run(store, "r1", ANSWERS, order=1)
    with Workspace(Settings(profile=str(tmp_path / "profile.toml")), store) as opened:
        yield opened


def asked(workspace: Workspace, query: str, **texts: str) -> list[dict[str, str]]:
    """The rows of a query, its parameters given as the command line gives them."""
    out = io.StringIO()
    run_named(workspace, query, {name: term(name, text) for name, text in texts.items()}).write(out, "csv")
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def gaps(rows: list[dict[str, str]]) -> list[tuple[int, str]]:
    return [(int(row["record"][-1]), row["property"]) for row in rows]


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ({}, [(1, "place"), (2, "place"), (2, "time"), (4, "place")]),
        ({"property": "time"}, [(2, "time")]),
        ({"value": "https://c.example/a"}, [(1, "place"), (2, "time")]),
        ({"confidence": "0.5"}, [(1, "place"), (2, "place"), (2, "time"), (4, "place")]),
        ({"confidence": "0.51"}, []),
        ({"museum": "https://keeper.example/1"}, [(1, "place"), (2, "place"), (2, "time")]),
        ({"museum": '"Museo"@es'}, [(4, "place")]),
        (
            {"museum": "https://keeper.example/1", "property": "place", "value": "https://c.example/b"},
            [(2, "place")],
        ),
    ],
)
def test_predictions_are_narrowed_by_parameters(
    workspace: Workspace, texts: dict[str, str], found: list[tuple[int, str]]
) -> None:
    assert sorted(gaps(asked(workspace, "predictions", **texts))) == found


def test_rows_come_in_the_order_asked_for_and_only_so_many(workspace: Workspace) -> None:
    by_property = asked(workspace, "predictions", order="property,-record")
    assert gaps(by_property) == [(4, "place"), (2, "place"), (1, "place"), (2, "time")]
    assert asked(workspace, "predictions", order="property,-record", limit="3") == by_property[:3]
    assert len(asked(workspace, "current", limit="2")) == 2
    assert [row["run"] for row in asked(workspace, "runs", limit="1", order="run")] == [by_property[0]["run"]]


def test_a_printed_query_asked_as_a_file_gives_the_same_rows(workspace: Workspace, tmp_path: Path) -> None:
    """Given a query that is printed with parameters, then any endpoint answers it as `enrich query` does."""
    given = {"property": Literal("place"), "confidence": term("confidence", "0.2")}
    (tmp_path / "mine.rq").write_text(printed(workspace, "predictions", given))
    out = io.StringIO()
    run_file(workspace, tmp_path / "mine.rq").write(out, "csv")
    rows = list(csv.DictReader(io.StringIO(out.getvalue())))
    assert sorted(gaps(rows)) == [(1, "place"), (2, "place"), (4, "place")]
    assert "facts have filled" in printed(workspace, "predictions")
    assert "facts have filled" not in printed(workspace, "runs")


@pytest.mark.parametrize("name", query_names())
def test_every_named_query_can_be_printed_and_parsed(workspace: Workspace, name: str) -> None:
    given = {p: record(1) for p in named_query(name).parameters if p in ("record", "prediction")}
    text = printed(workspace, name, given)
    assert "$" not in "".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    assert list(workspace.store.select(text).variables)


def test_what_is_not_said_in_sparql_is_not_printed(workspace: Workspace) -> None:
    for texts in ({"limit": "3"}, {"order": "record"}, {"museum": "urn:m"}):
        with pytest.raises(InputError, match="goes with an answer"):
            printed(workspace, "predictions", {name: term(name, text) for name, text in texts.items()})
    with pytest.raises(InputError, match="asks about one record"):
        printed(workspace, "evidence")


def test_numbers_are_ordered_by_value(workspace: Workspace) -> None:
    """Given candidates of the ranks 9 and 10, then 10 comes after 9."""
    first, second, *_ = asked(workspace, "predictions", order="record")
    for row, rank in ((first, 9), (second, 10)):
        workspace.store.update(
            f"DELETE {{ GRAPH ?g {{ ?c {ENR.rank} ?old }} }} INSERT {{ GRAPH ?g {{ ?c {ENR.rank} {rank} }} }} "
            f"WHERE {{ GRAPH ?g {{ ?c {PROV.wasGeneratedBy} <{row['prediction']}> ; {ENR.rank} ?old }} }}"
        )
    assert [row["rank"] for row in asked(workspace, "candidates", order="rank")][-2:] == ["9", "10"]
    assert [row["rank"] for row in asked(workspace, "candidates", order="-rank")][:2] == ["10", "9"]


def test_a_number_that_is_spelled_as_none_is_text(workspace: Workspace) -> None:
    """Given literals that say of themselves that they are numbers, when they are shown, then those that are none are
    told as they stand."""
    row = (
        Literal("1850", datatype=XSD.integer),
        Literal("ca. 1850", datatype=XSD.integer),
        Literal("1,5", datatype=XSD.decimal),
        Literal("1850"),
    )
    assert cells(workspace, ("a", "b", "c", "d"), [row]) == [[1850, "ca. 1850", "1,5", "1850"]]


def test_what_was_named_is_not_asked_for_again(workspace: Workspace, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given more values than are named at a time, all of them one, then its label is asked for once."""
    label = Literal("Lyon", language="en")
    workspace.store.insert([Quad(value("a"), SKOS.prefLabel, label, FACTS)])
    asked_for: list[str] = []

    def noted(store: Store, iris: Iterable[str]) -> dict[str, str]:
        asked_for.extend(wanted := list(iris))
        return labels(store, wanted)

    monkeypatch.setattr(naming, "labels", noted)
    rows = with_names(workspace, Answer(("value",), iter([(value("a"),)] * (naming.BATCH + 1)))).rows

    assert set(rows) == {(value("a"), Literal("Lyon"))}
    assert set(asked_for) == {value("a").value}
    assert len(asked_for) <= naming.BATCH


def test_each_prediction_is_named_by_its_iri(workspace: Workspace) -> None:
    for row in asked(workspace, "predictions"):
        (told,) = (
            a for a in shown(workspace, int(row["record"][-1])) if a["prediction"] == row["prediction"]
        )
        assert told["value"] == row["value"]


def shown(workspace: Workspace, number: int) -> list[dict[str, object]]:
    found: list[dict[str, object]] = show_record(workspace, record(number))["predictions"]
    return found


@pytest.mark.parametrize(
    ("texts", "sentence"),
    [
        ({"property": "plaec"}, "the profile has no property 'plaec'; it has: place, time"),
        ({"museum": "https://keeper.example/9"}, "no record has keeper=https://keeper.example/9"),
        ({"order": "sureness"}, "no column 'sureness' to order by"),
        ({"limit": "0"}, "limit is a whole number from 1"),
        ({"limit": "many"}, "limit is a whole number from 1"),
        ({"confidence": "90"}, "confidence is a number from 0 to 1"),
        ({"confidence": "nan"}, "confidence is a number from 0 to 1"),
        ({"record": "https://museum.example.org/object/1"}, "has no parameter 'record'"),
    ],
)
def test_a_parameter_that_names_nothing_or_is_of_another_kind_is_refused(
    workspace: Workspace, texts: dict[str, str], sentence: str
) -> None:
    with pytest.raises(InputError, match=sentence):
        asked(workspace, "predictions", **texts)


def test_what_is_set_is_an_iri_a_number_a_literal_or_words() -> None:
    assert any_term("urn:a") == NamedNode("urn:a")
    assert any_term("0.9") == Literal("0.9", datatype=XSD.decimal)
    assert any_term("-7") == Literal("-7", datatype=XSD.integer)
    assert any_term('"lana"@es') == Literal("lana", language="es")
    assert any_term("black wool") == Literal("black wool")
    with pytest.raises(OntologyError, match="not an absolute IRI"):
        term("record", "object 17")


@given(st.text(st.characters(codec="utf-8", exclude_characters="\x00"), max_size=40))
def test_no_words_leave_their_place_in_a_query(text: str) -> None:
    """Given any text at all as a value, then it is compared as words: nothing has it, and nothing else happens."""
    store = open_store()
    add_run(store, "r1", {(1, "place"): ["a"]}, order=1)
    held = store.count()
    assert list(run_named(Workspace(Settings(), store), "predictions", {"value": Literal(text)}).rows) == []
    assert store.count() == held


def test_a_fact_that_fills_a_gap_settles_it_whether_it_agrees_or_not(
    workspace: Workspace, tmp_path: Path
) -> None:
    """Given answers of a run, when the museum says one of these values, another one, and one where a run abstained, then
    none of these gaps is answered any more; the two predictions are found, with what the museum says, and shown so."""
    before = asked(workspace, "current")
    workspace.store.insert(
        [
            Quad(record(1), CRM.P7_took_place_at, value("a"), FACTS),
            Quad(record(2), CRM.P7_took_place_at, value("c"), FACTS),
            Quad(record(3), CRM.P7_took_place_at, value("c"), FACTS),
        ]
    )

    assert sorted(gaps(asked(workspace, "current"))) == [(2, "time"), (4, "place")]
    assert sorted(gaps(asked(workspace, "predictions"))) == [(2, "time"), (4, "place")]
    assert asked(workspace, "abstentions") == []
    found = asked(workspace, "overtaken", order="record")
    assert [(int(r["record"][-1]), r["value"][-1], r["fact"][-1], r["agrees"]) for r in found] == [
        (1, "a", "a", "true"),
        (2, "b", "c", "false"),
    ]
    assert {row["prediction"] for row in found} <= {row["prediction"] for row in before}
    assert [(a["facts"], a["current"]) for a in shown(workspace, 1)] == [("agrees", False)]
    assert {str(a["property"]): (a["facts"], a["current"]) for a in shown(workspace, 2)} == {
        "place": ("disagrees", False),
        "time": (None, True),
    }
    assert [a["facts"] for a in shown(workspace, 3)] == ["settled"]
    report = export_plain(workspace, Choice(), tmp_path / "all.csv")
    assert report.left_out == {"stated by the facts since": 2}


def test_a_fact_that_goes_again_brings_the_answer_back(workspace: Workspace) -> None:
    fact = Quad(record(1), CRM.P7_took_place_at, value("c"), FACTS)
    workspace.store.insert([fact])
    assert (1, "place") not in gaps(asked(workspace, "predictions"))
    workspace.store.update(f"DELETE DATA {{ GRAPH {FACTS} {{ {fact.triple} }} }}")
    assert (1, "place") in gaps(asked(workspace, "predictions"))
    assert asked(workspace, "overtaken") == []


def test_a_value_in_no_class_fills_no_gap(workspace: Workspace) -> None:
    workspace.store.insert([Quad(record(1), CRM.P7_took_place_at, value("elsewhere"), FACTS)])
    assert (1, "place") in gaps(asked(workspace, "predictions"))
    assert asked(workspace, "overtaken") == []
