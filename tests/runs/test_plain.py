"""Plain statements and tables of what was predicted: what a museum takes into its own system."""

from __future__ import annotations

import csv
import gzip
import io
import json
from collections import defaultdict
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path

import pyoxigraph as ox
import pytest
import rdflib
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.errors import InputError, RunError, StoreUnavailable
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.spans import EDTF
from enrich.ontology.terms import CRM, ENR, RDFS, SKOS, XSD
from enrich.runs.export import answers
from enrich.runs.export.answers import Choice
from enrich.runs.export.plain import Line, export_plain
from enrich.runs.register import retract
from enrich.runs.reviewing import Judgement
from enrich.show.named import run_named
from enrich.show.naming import with_names
from enrich.workspace import Workspace
from tests.answering import test_carriers as chairs
from tests.answering.test_literal_answers import BOOK, PROFILE, answered, library
from tests.graph.test_dates import PAIRS, coins, ends
from tests.museums import dummy_model, museum
from tests.runs.judging import accepted, judged, predictions
from tests.runs.made_reviews import Review, add_review

CURATOR = NamedNode("https://museum.example.org/curator")


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """A made museum of 40 objects, answered by class priors."""
    made = museum(40)
    pipeline.run(made, dummy_model(made, tmp_path_factory.mktemp("model") / "m"))
    values = {row["value"] for row in predicted(made)}
    words = NamedNode("https://museum.example.org/graph/words")
    made.store.insert(
        Quad(NamedNode(v), SKOS.prefLabel, Literal(f"{word} {v[-3:]}", language=language), words)
        for v in values for language, word in (("en", "word"), ("fr", "mot"))
    )  # fmt: skip
    return made


def names_in_the_graph(workspace: Workspace) -> dict[str, set[str]]:
    """What the graph calls each thing."""
    rows = workspace.store.select(
        f"SELECT ?s ?l WHERE {{ GRAPH ?g {{ ?s {RDFS.label}|{SKOS.prefLabel} ?l }} }}"
    )
    found: dict[str, set[str]] = defaultdict(set)
    for thing, label in rows:
        if thing and label:
            found[thing.value].add(label.value)
    return found


def table(workspace: Workspace, target: Path, choice: Choice | None = None) -> list[dict[str, str]]:
    export_plain(workspace, choice or Choice(), target)
    return list(csv.DictReader(io.StringIO(target.read_text(encoding="utf-8"))))


def triples(workspace: Workspace, target: Path, choice: Choice | None = None) -> set[tuple[str, str, str]]:
    export_plain(workspace, choice or Choice(), target)
    data = gzip.decompress(target.read_bytes()) if target.suffix == ".gz" else target.read_bytes()
    name = target.name.removesuffix(".gz").rsplit(".", 1)[-1]
    found = ox.parse(data, ox.RdfFormat.from_extension(name))
    return {(str(q.subject), str(q.predicate), str(q.object)) for q in found}


def predicted(workspace: Workspace) -> list[dict[str, str]]:
    """What the named query says."""
    out = io.StringIO()
    run_named(workspace, "predictions").write(out, "csv")
    return list(csv.DictReader(io.StringIO(out.getvalue())))


def decide(workspace: Workspace, row: dict[str, str], decision: str, value: str) -> None:
    """A curator's decision about one row of the export."""
    query = (
        f"SELECT ?p WHERE {{ GRAPH ?g {{ ?p {ENR.about} <{row['record']}> ; {ENR.answers} <{row['value']}> ; "
        f"{ENR.propertyName} {Literal(row['property'])} }} }}"
    )
    ((prediction,),) = list(workspace.store.select(query))
    assert isinstance(prediction, NamedNode)
    instead = NamedNode(row["value"]) if decision == "Corrected" else None
    review = Review(prediction, NamedNode(row["record"]), row["property"], NamedNode(row["subject"]),
                    NamedNode(row["predicate"]), NamedNode(value), decision, CURATOR,
                    datetime(2026, 5, 1, tzinfo=UTC), instead)  # fmt: skip
    add_review(workspace.store, workspace.names, review)


def test_every_value_that_is_predicted_is_a_statement(store: Store, tmp_path: Path) -> None:
    """A century is said of a time-span, as the profile has it; everything else of the object or its production."""
    held = museum(30, store)
    pipeline.run(held, dummy_model(held, tmp_path / "m"))
    rows, found = predicted(held), triples(held, tmp_path / "a.nt")
    assert rows
    for row in rows:
        node, predicate, value = (f"<{row[name]}>" for name in ("node", "predicate", "value"))
        if row["property"] == "time":
            (span,) = {o for s, p, o in found if (s, p) == (node, predicate)}
            assert (span, str(CRM.P86_falls_within), value) in found
            assert (
                span,
                "<http://www.w3.org/1999/02/22-rdf-syntax-ns#type>",
                str(CRM["E52_Time-Span"]),
            ) in found
        else:
            assert (node, predicate, value) in found
    spans = sum(row["property"] == "time" for row in rows)
    assert len(found) == len(rows) + 2 * spans


@pytest.mark.parametrize("name", ["a.ttl", "a.jsonld", "a.nt.gz", "a.ttl.gz"])
def test_every_format_says_the_same(workspace: Workspace, tmp_path: Path, name: str) -> None:
    assert triples(workspace, tmp_path / name) == triples(workspace, tmp_path / "b.nt")


def test_another_reader_takes_the_json(workspace: Workspace, tmp_path: Path) -> None:
    export_plain(workspace, Choice(), tmp_path / "a.jsonld")
    assert json.loads((tmp_path / "a.jsonld").read_text())
    read = rdflib.Graph().parse(tmp_path / "a.jsonld", format="json-ld")
    assert len(read) == len(triples(workspace, tmp_path / "b.nt"))


def test_a_table_has_the_names_of_records_and_values(workspace: Workspace, tmp_path: Path) -> None:
    rows = table(workspace, tmp_path / "a.csv")
    assert list(rows[0]) == [field.name for field in fields(Line)]
    key = ("record", "property", "value", "state", "run")
    assert sorted(tuple(r[k] for k in key) for r in rows) == sorted(
        tuple({**r, "state": r["state"].rsplit("#")[-1]}[k] for k in key) for r in predicted(workspace)
    )
    called = names_in_the_graph(workspace)
    assert any(row["record_name"] for row in rows)
    for row in rows:
        assert row["record_name"] in called.get(row["record"], {""})
        assert row["value_label"] == f"word {row['value'][-3:]}"
    assert not any(row["language"] or row["datatype"] for row in rows)


def test_answers_are_chosen_by_confidence_property_and_run(workspace: Workspace, tmp_path: Path) -> None:
    rows = table(workspace, tmp_path / "a.csv")
    middle = sorted(float(row["confidence"]) for row in rows)[len(rows) // 2]
    surer = table(workspace, tmp_path / "b.csv", Choice(above=middle))
    assert surer == [row for row in rows if float(row["confidence"]) >= middle]
    assert len(surer) < len(rows)
    places = table(workspace, tmp_path / "c.csv", Choice(properties=("place",)))
    assert places == [row for row in rows if row["property"] == "place"]
    run = NamedNode(rows[0]["run"])
    assert table(workspace, tmp_path / "d.csv", Choice(run=run)) == rows
    with pytest.raises(RunError, match=r"no run .*/other; `enrich runs` lists them"):
        table(workspace, tmp_path / "e.csv", Choice(run=workspace.names.run("other")))


def test_what_curators_said_counts(tmp_path: Path) -> None:
    """A rejected answer is left out, a corrected one has the curator's value, and an accepted one is always sure."""
    held = museum(40)
    pipeline.run(held, dummy_model(held, tmp_path / "m"))
    rows = [r for r in table(held, tmp_path / "a.csv") if r["property"] == "time"]
    other = "https://museum.example.org/century/other"
    decide(held, rows[0], "Rejected", rows[0]["value"])
    decide(held, rows[1], "Corrected", other)
    decide(held, rows[2], "Accepted", rows[2]["value"])
    report = export_plain(held, Choice(properties=("time",)), tmp_path / "b.csv")
    assert report.left_out == {"rejected by a curator": 1}
    assert report.values == len(rows) - 1
    found = table(held, tmp_path / "c.csv", Choice(accepted=True, above=1.0))
    assert [(r["record"], r["value"], r["state"], r["confidence"] == "") for r in found] == sorted([
        (rows[1]["record"], other, "Corrected", True), (rows[2]["record"], rows[2]["value"], "Accepted", False)
    ], key=lambda row: [r["record"] for r in found].index(row[0]))  # fmt: skip
    said = triples(held, tmp_path / "d.nt", Choice(accepted=True))
    assert {o for _, p, o in said if p == str(CRM.P86_falls_within)} == {
        f"<{other}>",
        f"<{rows[2]['value']}>",
    }


def test_what_was_accepted_outlives_its_run(tmp_path: Path) -> None:
    """Given values accepted and put in, when their run is taken back, then they are written as the graph of what is
    accepted has them, with and without --accepted, until the facts say them."""
    held = museum(40)
    pipeline.run(held, dummy_model(held, tmp_path / "m"))
    first, second = predictions(held, "time")[:2]
    stated = held.reader.raw_values(held.profile.property("time"))
    other = next(v for v in stated if isinstance(v, NamedNode) and v.value != second["value"])
    judged(held, Judgement(NamedNode(first["prediction"]), "Accepted"))
    judged(held, Judgement(NamedNode(second["prediction"]), "Corrected", other))
    retract(held, first["run"])

    report = export_plain(held, Choice(accepted=True), tmp_path / "a.nt")

    assert (report.values, report.left_out) == (2, {})
    assert {" ".join(t) for t in triples(held, tmp_path / "a.nt", Choice(accepted=True))} == accepted(held)
    rows = table(held, tmp_path / "a.csv")
    assert {(r["record"], r["value"], r["state"], r["run"], bool(r["confidence"])) for r in rows} == {
        (first["record"], first["value"], "Accepted", first["run"], True),
        (second["record"], other.value, "Corrected", first["run"], False),
    }
    own = Choice(NamedNode(first["run"]), accepted=True)
    assert {r["record"] for r in table(held, tmp_path / "b.csv", own)} == {first["record"], second["record"]}
    with pytest.raises(RunError, match="is Retracted, and none of its answers is current; export it as trig"):
        export_plain(held, Choice(NamedNode(first["run"])), tmp_path / "b.nt")
    held.store.write_graph(
        NamedNode("https://c.example/new-facts"), "\n".join(f"{line} ." for line in accepted(held)).encode()
    )
    later = export_plain(Workspace(held.settings, held.store), Choice(accepted=True), tmp_path / "c.nt")
    assert (later.values, later.left_out) == (0, {"stated by the facts since": 2})


def test_what_a_newer_run_does_not_say_stays_accepted(tmp_path: Path) -> None:
    """Given a place accepted of a book, when a newer run says another, then both are written, each with its run; of a
    property with one value the accepted one alone is."""
    places = [Literal(name) for name in ("Graz", "Linz", "Steyr")]
    held = answered(open_store(), tmp_path, places)
    (row, *_) = predictions(held)
    judged(held, Judgement(NamedNode(row["prediction"]), "Accepted"))
    said = Literal(next(p.value for p in places if p.value != row["value"]))
    _answer_again(held, NamedNode(row["prediction"]), said)

    (found, sure) = (table(held, tmp_path / "a.csv", Choice(accepted=flag)) for flag in (False, True))
    assert sorted(r["value"] for r in found) == sorted([row["value"], said.value])
    assert [(r["value"], r["run"]) for r in sure] == [(row["value"], row["run"])]
    older = export_plain(held, Choice(NamedNode(row["run"])), tmp_path / "a.nt")
    assert (older.values, older.left_out) == (1, {"of a gap that a newer run has answered": 2})
    one = PROFILE.replace("many = true", "")
    alone = table(library(held.store, tmp_path, one), tmp_path / "a.csv")
    assert [r["value"] for r in alone] == [row["value"]]


def _answer_again(held: Workspace, prediction: NamedNode, value: Literal) -> None:
    """A newer run says another value in the place of a prediction."""
    run, shard = held.names.run("later"), held.names.shard("later", 0)
    other = held.names.mint("prediction", run, prediction)
    rows = held.store.select(
        f"SELECT ?p ?o WHERE {{ GRAPH ?g {{ {prediction} {ENR.outcome} ?any ; ?p ?o }} }}"
    )
    values = {ENR.answers: value, CRM.P141_assigned: value, CRM.P9i_forms_part_of: run}
    held.store.insert(Quad(other, p, values.get(p, o), shard) for p, o in rows if isinstance(p, NamedNode))  # type: ignore[arg-type, type-var]
    said = [(ENR.graph, shard), (ENR.runState, ENR.Active), (ENR.order, Literal("9", datatype=XSD.integer))]
    held.store.insert(Quad(run, p, o, held.names.runs) for p, o in said)


@pytest.mark.parametrize(
    ("profile", "steps"), [(chairs.PROFILE, ("making",)), (chairs.TWO_STEPS, ("making", "part"))]
)
def test_a_record_leads_to_what_is_said_of_a_node_that_was_not_there(
    tmp_path: Path, profile: str, steps: tuple[str, ...]
) -> None:
    """Given chairs without a making that has an IRI, when their ways are exported, then the museum's own path leads from
    each chair to its way, over one node of ours or two, the last of the profile's class."""
    held = chairs.workshop(open_store(), tmp_path, profile)
    train(held, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(held, tmp_path / "m")
    graph = rdflib.Graph().parse(data=_exported(held, tmp_path, "way"), format="nt")
    path = "/".join(f"<{chairs.NS}{step}>" for step in steps)
    led = graph.query(f"SELECT ?c ?v {{ ?c {path} ?n . ?n <{chairs.NS}way> ?v ; a <{chairs.NS}Making> }}")
    assert {str(row[0]) for row in led} == {f"{chairs.NS}c12", f"{chairs.NS}c13"}  # type: ignore[index]
    assert len(graph) == 2 * (len(steps) + 2)


def test_a_node_that_carries_several_values_is_said_once(tmp_path: Path) -> None:
    several = chairs.PROFILE.replace('predicate = "m:way"', 'predicate = "m:way"\nmany = true')
    held = chairs.workshop(open_store(), tmp_path, several)
    train(held, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(held, tmp_path / "m")

    report = export_plain(held, Choice(properties=("way",)), tmp_path / "a.nt")

    written = (tmp_path / "a.nt").read_text().splitlines()
    assert (report.values, report.statements) == (4, len(written))
    assert len(set(written)) == len(written) == 4 + 2 * 2


def test_a_date_that_a_curator_put_in_has_its_own_years(tmp_path: Path) -> None:
    said = [ends(f"17{n}5-01-01", f"17{n}6-01-01") for n in range(1, 9)]
    held = coins(open_store(), tmp_path, PAIRS, *said, ends("1822-01-01", "1822-12-31"), [])
    train(held, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(held, tmp_path / "m")
    assert '"1700-01-01T' in _exported(held, tmp_path, "time")

    _correct(held, "time", Literal("1800/1899", datatype=EDTF))

    told = _exported(held, tmp_path, "time")
    assert ('"1800-01-01T' in told, '"1899-12-31T' in told, '"17' in told) == (True, True, False)


def test_a_value_put_in_that_leads_back_to_its_record_is_the_subject(tmp_path: Path) -> None:
    held = chairs.workshop(open_store(), tmp_path)
    train(held, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(held, tmp_path / "m")
    woods = {line.split()[0] for line in _exported(held, tmp_path, "wood").splitlines()}
    (other,) = {f"<{chairs.NS}oak>", f"<{chairs.NS}beech>"} - woods

    _correct(held, "wood", NamedNode(other[1:-1]))

    assert {line.split()[0] for line in _exported(held, tmp_path, "wood").splitlines()} == {other}


def _exported(workspace: Workspace, folder: Path, name: str) -> str:
    export_plain(workspace, Choice(properties=(name,)), folder / "x.nt")
    return (folder / "x.nt").read_text(encoding="utf-8")


def _correct(workspace: Workspace, name: str, value: NamedNode | Literal) -> None:
    """A curator puts a value in the place of each that is predicted."""
    rows = predictions(workspace, name)
    judged(workspace, *(Judgement(NamedNode(r["prediction"]), "Corrected", value) for r in rows))


def test_literals_are_written_as_the_museum_has_them(tmp_path: Path) -> None:
    places = [Literal("Venezia", language="it"), Literal('a "b",\nc'), Literal("Ljubljana")]
    held = answered(open_store(), tmp_path, places)
    export_plain(held, Choice(), tmp_path / "a.nt")
    found = {q.object for q in ox.parse((tmp_path / "a.nt").read_bytes(), ox.RdfFormat.N_TRIPLES)}
    assert found
    assert found <= set(places)
    rows = table(held, tmp_path / "a.csv")
    written = {Literal(r["value"], language=r["language"] or None) for r in rows}
    assert written == found
    assert all(r["value_label"] == r["value"] and r["record"].startswith("https://") for r in rows)
    assert BOOK.value not in {r["record"] for r in rows}


def test_parquet_holds_the_same_table(workspace: Workspace, tmp_path: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    export_plain(workspace, Choice(), tmp_path / "a.parquet")
    found = parquet.read_table(tmp_path / "a.parquet").to_pylist()
    told = [{**row, "confidence": str(row["confidence"])} for row in found]
    assert told == [
        {**r, "confidence": str(float(r["confidence"]))} for r in table(workspace, tmp_path / "b.csv")
    ]


def test_without_pyarrow_it_is_said_what_to_install(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'museum-enrich\[parquet\]'"):
        export_plain(workspace, Choice(), tmp_path / "a.parquet")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.trig", "a", "a.xlsx"])
def test_a_name_that_says_no_format_is_refused(workspace: Workspace, tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"end it in \.nt, \.ttl, \.jsonld, \.csv, \.parquet"):
        export_plain(workspace, Choice(), tmp_path / name)


def test_a_property_that_is_none_is_refused(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no property 'colour'"):
        export_plain(workspace, Choice(properties=("colour",)), tmp_path / "a.nt")


@pytest.mark.parametrize("name", ["a.nt", "a.csv", "a.jsonld", "a.ttl"])
def test_a_store_that_breaks_off_leaves_the_old_file(
    workspace: Workspace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    (tmp_path / name).write_text("yesterday's")
    monkeypatch.setattr(answers, "BATCH", 5)
    real, calls = workspace.store.select, iter(range(100))

    def failing(query: str) -> object:
        if "P141_assigned" in query and next(calls) >= 2:
            raise StoreUnavailable("gone")
        return real(query)

    monkeypatch.setattr(workspace.store, "select", failing)
    with pytest.raises(StoreUnavailable):
        export_plain(workspace, Choice(), tmp_path / name)
    assert [(p.name, p.read_text()) for p in tmp_path.iterdir()] == [(name, "yesterday's")]


def test_a_query_has_the_names_when_asked(workspace: Workspace) -> None:
    answer = with_names(workspace, run_named(workspace, "predictions"))
    assert answer.variables[:2] == ("record", "recordName")
    places = {name: answer.variables.index(name) for name in ("record", "recordName", "value", "valueLabel")}
    rows = [{name: row[at] for name, at in places.items()} for row in answer.rows]
    assert len(rows) == len(predicted(workspace))
    called = names_in_the_graph(workspace)
    for row in rows:
        record, value, name, label = row["record"], row["value"], row["recordName"], row["valueLabel"]
        assert record is not None
        assert value is not None
        assert label == Literal(f"word {value.value[-3:]}")
        assert (name is None) == (record.value not in called)
        assert name is None or name.value in called[record.value]
    without = run_named(workspace, "runs")
    assert with_names(workspace, without) is without
