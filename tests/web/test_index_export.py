"""A list as a file: every row of it, in every format, whatever names hold."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.errors import InputError
from enrich.ontology.terms import RDFS, class_term
from enrich.runs.export.answers import Choice
from enrich.runs.export.plain import export_plain
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.web.index import index as index_module
from enrich.web.index.asked import Filters
from enrich.web.index.export import export
from enrich.web.index.index import Index
from enrich.workspace import Workspace
from tests.web.indexed import answered, index_of, listed, term

PREDICTED = Filters({"outcome": ("Predicted",)})


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    return answered(tmp_path_factory.mktemp("museum"))


@pytest.fixture
def index(workspace: Workspace, tmp_path: Path) -> Iterator[Index]:
    found = index_of(workspace, tmp_path / "index.sqlite")
    yield found
    found.close()


def written(index: Index, form: str, filters: Filters = PREDICTED, **said: str) -> bytes:
    return b"".join(export(index, filters, form, **said))  # type: ignore[arg-type]


def test_tables_have_every_row_in_order(index: Index) -> None:
    """Given a list, when it is exported as CSV, JSON and JSON lines, then each has its rows, in its order."""
    expected = listed(index, PREDICTED)
    table = list(csv.DictReader(io.StringIO(written(index, "csv").decode())))
    lines = [json.loads(line) for line in written(index, "jsonl").splitlines()]
    assert [row["prediction"] for row in table] == expected
    assert [row["prediction"] for row in lines] == expected
    assert json.loads(written(index, "json")) == lines
    assert table[0].keys() == lines[0].keys()
    assert {k: str(v) for k, v in lines[0].items() if v is not None} == {
        k: v for k, v in table[0].items() if v
    }


def test_an_empty_list_is_an_empty_file(index: Index) -> None:
    nothing = Filters(text="nothing-at-all")
    assert json.loads(written(index, "json", nothing)) == []
    assert written(index, "jsonl", nothing) == b""
    assert len(written(index, "csv", nothing).splitlines()) == 1
    assert not list(parse(written(index, "ttl", nothing), RdfFormat.TURTLE))


def test_turtle_says_what_the_facts_would_say(index: Index, workspace: Workspace, tmp_path: Path) -> None:
    """Given a list with a value turned down and one put right, then the first says nothing, the second what was put in."""
    first, second, *_ = index.page(PREDICTED).rows
    linen, wool = term("material/linen"), term("material/wool")
    put = wool if first.value == linen.value else linen
    judgements = [
        Judgement(NamedNode(first.prediction), "Corrected", put),
        Judgement(NamedNode(second.prediction), "Rejected"),
    ]
    done = Reviewer(workspace, "Ana").write(judgements, datetime.now(UTC))
    assert not done.refused
    index.refresh()
    text = written(index, "ttl")
    said = list(parse(text, RdfFormat.TURTLE))
    assert text.startswith(b"# Predictions, not facts")
    export_plain(workspace, Choice(), tmp_path / "plain.nt")
    plain = parse((tmp_path / "plain.nt").read_bytes(), RdfFormat.N_TRIPLES)
    assert set(said) == set(plain), "it is not what enrich export writes"
    stated = {(quad.subject, quad.object) for quad in said}
    assert (NamedNode(first.record), put) in stated
    assert (NamedNode(second.record), class_term(second.value or "")) not in stated


def test_a_name_is_no_formula_to_a_spreadsheet(workspace: Workspace, tmp_path: Path) -> None:
    """Given a record called by a formula, when the list is a table, then an apostrophe keeps it text; JSON has it as it is."""
    first = index_of(workspace, tmp_path / "before.sqlite").page(PREDICTED).rows[-1]
    name = '=HYPERLINK("http://evil.example","x")'
    graphs = workspace.store.select(
        f"SELECT ?g WHERE {{ GRAPH ?g {{ {NamedNode(first.record)} {RDFS.label} ?o }} }}"
    )
    graph = next((g for (g,) in graphs), NamedNode("https://museum.example.org/graph/lyon"))
    assert isinstance(graph, NamedNode)
    workspace.store.insert([Quad(NamedNode(first.record), RDFS.label, Literal(name, language="en"), graph)])
    index = index_of(workspace, tmp_path / "after.sqlite")
    table = {r["prediction"]: r for r in csv.DictReader(io.StringIO(written(index, "csv").decode()))}
    lines = {r["prediction"]: r for r in map(json.loads, written(index, "jsonl").splitlines())}
    assert lines[first.prediction]["record_name"] == name
    assert table[first.prediction]["record_name"] == f"'{name}"


def test_what_is_no_format_facet_or_order_is_refused_before_anything_is_written(index: Index) -> None:
    for form, filters, order in (
        ("xls", Filters(), "record"),
        ("csv", Filters({"x": ()}), "record"),
        ("csv", Filters(), "x"),
    ):
        with pytest.raises(InputError):
            export(index, filters, form, order)  # type: ignore[arg-type]


def test_what_goes_while_it_is_written_is_left_out(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given an export of which the reader took a row, when the run is taken back meanwhile, then it ends without the rest."""
    monkeypatch.setattr(index_module, "_BATCH", 1)
    rows = index.rows(PREDICTED)
    first = next(rows)
    with index._database.writing() as connection:
        connection.execute("UPDATE run SET state = 'Retracted' WHERE iri = ?", (first.run,))
        connection.execute("UPDATE meta SET value = value + 1 WHERE key = 'version'")
    assert first.run not in {row.run for row in rows}
