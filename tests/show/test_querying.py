"""Query files are read-only, and answers follow the SPARQL 1.1 results formats."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree

import pyoxigraph as ox
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.errors import InputError
from enrich.graph.stores.base import Row
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.settings.loading import Settings
from enrich.show.answers import Answer
from enrich.show.named import run_named
from enrich.show.querying import run_file
from enrich.workspace import Workspace
from tests.hostile_http import Answer as Elsewhere
from tests.hostile_http import hostile_server, results

EX = "https://museum.example.org/"
GRAPH = NamedNode(EX + "graph")
XSD = "http://www.w3.org/2001/XMLSchema#"


@pytest.fixture
def workspace() -> Iterator[Workspace]:
    """A workspace over a store in memory with two statements."""
    with EmbeddedStore(None) as store:
        store.insert(
            [
                Quad(
                    NamedNode(EX + "a"), NamedNode(EX + "p"), Literal('say "yes",\nno', language="en"), GRAPH
                ),
                Quad(
                    NamedNode(EX + "b"),
                    NamedNode(EX + "p"),
                    Literal("7", datatype=NamedNode(XSD + "integer")),
                    GRAPH,
                ),
            ]
        )
        yield Workspace(Settings(profile="linked-art"), store)


def asked(workspace: Workspace, tmp_path: Path, text: str, form: str) -> str:
    """What a query file with this text writes."""
    path = tmp_path / "mine.rq"
    path.write_text(text, encoding="utf-8")
    out = io.StringIO()
    run_file(workspace, path).write(out, form)
    return out.getvalue()


SELECT = f"SELECT ?s ?v ?none WHERE {{ GRAPH ?g {{ ?s <{EX}p> ?v }} }} ORDER BY ?s"


def test_csv_has_plain_iris_and_quotes_only_as_needed(workspace: Workspace, tmp_path: Path) -> None:
    text = asked(workspace, tmp_path, SELECT, "csv")
    assert text == f's,v,none\n{EX}a,"say ""yes"",\nno",\n{EX}b,7,\n'


def test_tsv_has_terms_as_turtle_writes_them(workspace: Workspace, tmp_path: Path) -> None:
    lines = asked(workspace, tmp_path, SELECT, "tsv").splitlines()
    assert lines == [
        "?s\t?v\t?none",
        f'<{EX}a>\t"say \\"yes\\",\\nno"@en\t',
        f'<{EX}b>\t"7"^^<{XSD}integer>\t',
    ]


def test_json_leaves_the_unbound_out(workspace: Workspace, tmp_path: Path) -> None:
    data = json.loads(asked(workspace, tmp_path, SELECT, "json"))
    assert data["head"] == {"vars": ["s", "v", "none"]}
    assert data["results"]["bindings"] == [
        {
            "s": {"type": "uri", "value": EX + "a"},
            "v": {"type": "literal", "value": 'say "yes",\nno', "xml:lang": "en"},
        },
        {
            "s": {"type": "uri", "value": EX + "b"},
            "v": {"type": "literal", "value": "7", "datatype": XSD + "integer"},
        },
    ]


@pytest.mark.parametrize(
    ("form", "expected"),
    [("csv", "true\n"), ("tsv", "true\n"), ("json", '{"head": {}, "boolean": true}\n')],
)
def test_ask_is_a_truth_value(workspace: Workspace, tmp_path: Path, form: str, expected: str) -> None:
    assert asked(workspace, tmp_path, f"ASK {{ GRAPH ?g {{ <{EX}a> ?p ?o }} }}", form) == expected


def test_ask_in_xml(workspace: Workspace, tmp_path: Path) -> None:
    text = asked(workspace, tmp_path, "ASK { GRAPH ?g { ?s ?p 'not there' } }", "xml")
    parsed = ox.parse_query_results(text.encode(), ox.QueryResultsFormat.XML)
    assert isinstance(parsed, ox.QueryBoolean)
    assert not parsed


def test_construct_is_written_as_triples(workspace: Workspace, tmp_path: Path) -> None:
    query = f"CONSTRUCT {{ ?s <{EX}q> ?v }} WHERE {{ GRAPH ?g {{ ?s <{EX}p> ?v }} }}"
    triples = list(ox.parse(asked(workspace, tmp_path, query, "nt").encode(), ox.RdfFormat.N_TRIPLES))
    assert {t.subject.value for t in triples} == {EX + "a", EX + "b"}
    assert asked(workspace, tmp_path, query, "csv").startswith("subject,predicate,object\n")


def test_triples_are_only_for_a_construct(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="N-Triples are for a CONSTRUCT"):
        asked(workspace, tmp_path, SELECT, "nt")


@pytest.mark.parametrize(
    "text",
    [
        f"INSERT DATA {{ <{EX}a> <{EX}p> 1 }}",
        f"PREFIX x: <{EX}> DELETE WHERE {{ GRAPH ?g {{ ?s ?p ?o }} }}",
        "DROP ALL",
        "CLEAR GRAPH <https://museum.example.org/graph>",
        "# SELECT\nLOAD <http://192.0.2.1/evil.ttl>",
    ],
)
def test_updates_are_refused_and_change_nothing(workspace: Workspace, tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="is an update; enrich query only reads"):
        asked(workspace, tmp_path, text, "csv")
    assert workspace.store.count() == 2


ELSEWHERE = ["SERVICE <{url}>", "service silent <{url}>", "\\u0053ERVICE <{url}>", "SERVICE ?where"]


@pytest.mark.parametrize("clause", ELSEWHERE)
def test_no_other_server_is_asked_unless_the_settings_allow_it(
    workspace: Workspace, tmp_path: Path, clause: str
) -> None:
    """Not even while the query is looked at: a listener on the loopback hears nothing."""
    with hostile_server(lambda _: Elsewhere(body=results(["s"], [[EX + "there"]]))) as server:
        service = clause.format(url=server.url)
        text = f"SELECT ?s {{ VALUES ?where {{ <{server.url}> }} {service} {{ ?s ?p ?o }} }}"
        with pytest.raises(InputError, match=r"store\.services"):
            asked(workspace, tmp_path, text, "csv")
        assert not server.requests
        allowed = Workspace(Settings(store={"services": [server.url]}), workspace.store)
        if "<{url}>" not in clause or clause.startswith("\\"):  # Oxigraph takes no escapes within words
            with pytest.raises(InputError, match=r"not written as <IRI>|not a SPARQL"):
                asked(allowed, tmp_path, text, "csv")
            assert not server.requests
        else:
            assert asked(allowed, tmp_path, text, "csv") == f"s\n{EX}there\n"


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (f"SELECT ?s {{ ?s <{EX}p> ?v }} ORDER BY ?s", f"s\n{EX}a\n{EX}b\n"),
        (f"ASK {{ <{EX}a> ?p ?o }}", "true\n"),
        (f"SELECT ?s FROM <urn:none> {{ ?s <{EX}p> ?v }}", "s\n"),
    ],
)
def test_a_query_that_names_no_graph_asks_the_facts(
    workspace: Workspace, tmp_path: Path, text: str, found: str
) -> None:
    ours = NamedNode(workspace.settings.base + "graph/run/1/0")
    workspace.store.insert([Quad(NamedNode(EX + "guess"), NamedNode(EX + "p"), Literal("ours"), ours)])
    assert asked(workspace, tmp_path, text, "csv") == found


def test_all_variables_are_named_as_the_store_orders_them(workspace: Workspace, tmp_path: Path) -> None:
    text = asked(workspace, tmp_path, f"SELECT * {{ GRAPH ?g {{ ?s <{EX}p> 7 }} }}", "csv")
    (row,) = csv.DictReader(io.StringIO(text))
    assert row == {"g": GRAPH.value, "s": EX + "b"}


@pytest.mark.parametrize(
    ("text", "sentence"),
    [("SELECT ?s WHERE {", "is not a SPARQL 1.1 query"), ("", "is empty"), ("   \n", "is empty")],
)
def test_what_is_no_query_is_refused(workspace: Workspace, tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(InputError, match=sentence):
        asked(workspace, tmp_path, text, "csv")


def test_an_unknown_name_lists_the_queries(workspace: Workspace, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"predictions.*runs"):
        run_file(workspace, tmp_path / "predictoins")


@pytest.mark.parametrize(
    ("name", "header"),
    [
        ("predictions", "record,node,property,predicate,value,confidence,state,run,prediction"),
        ("candidates", "record,property,rank,value,probability,outcome,run"),
    ],
)
def test_named_queries_have_the_columns_that_scripts_rely_on(
    workspace: Workspace, name: str, header: str
) -> None:
    out = io.StringIO()
    run_named(workspace, name).write(out, "csv")
    assert out.getvalue() == header + "\n"


def test_a_parameter_that_is_needed_is_named(workspace: Workspace) -> None:
    with pytest.raises(InputError, match="add --set record=IRI"):
        run_named(workspace, "provenance")
    assert list(run_named(workspace, "provenance", {"record": NamedNode(EX + "a")}).rows) == []


def test_a_parameter_that_a_query_does_not_have_is_refused(workspace: Workspace) -> None:
    with pytest.raises(InputError, match=r"predictions has no parameter 'record'.*it has: property, value, "):
        run_named(workspace, "predictions", {"record": NamedNode(EX + "a")})
    with pytest.raises(InputError, match="did you mean 'property'"):
        run_named(workspace, "predictions", {"proprety": Literal("place")})


def test_a_file_takes_terms_for_its_dollar_names(workspace: Workspace, tmp_path: Path) -> None:
    """Given a file with `$least` and `$s`, when a term is given for one, then the other stays a variable; and a name that
    the file does not have is refused."""
    (tmp_path / "q.rq").write_text(f"SELECT ?s {{ GRAPH ?g {{ $s <{EX}p> ?v FILTER(?v > $least) }} }}")
    for least, there in ((Literal(6), [EX + "b"]), (Literal(7), [])):
        rows = run_file(workspace, tmp_path / "q.rq", {"least": least}).rows
        assert [row[0].value for row in rows if row[0]] == there
    with pytest.raises(InputError, match=r"has no \$lest to set; did you mean 'least'"):
        run_file(workspace, tmp_path / "q.rq", {"lest": Literal(6)})


# XML 1.0 has no place for control characters, and XML readers turn a carriage return into a line feed.
texts = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff")
)
literals = st.one_of(
    st.builds(Literal, texts),
    st.builds(lambda text: Literal(text, language="ca"), texts),
    st.builds(lambda text: Literal(text, datatype=NamedNode(EX + "type")), texts),
)
rows = st.lists(st.tuples(st.one_of(st.none(), literals), literals), max_size=5)


def xml_values(text: str) -> list[str]:
    """The literals of a results document, as an XML reader sees them."""
    return [node.text or "" for node in ElementTree.fromstring(text).iter() if node.tag.endswith("}literal")]


@given(rows)
def test_any_literal_survives_every_format(given_rows: list[tuple[Literal | None, Literal]]) -> None:
    answer_rows: list[Row] = list(given_rows)
    for form, name in ((ox.QueryResultsFormat.JSON, "json"), (ox.QueryResultsFormat.TSV, "tsv")):
        out = io.StringIO()
        Answer(("a", "b"), answer_rows).write(out, name)
        read = ox.parse_query_results(out.getvalue().encode(), form)
        assert isinstance(read, ox.QuerySolutions)
        assert [(row["a"], row["b"]) for row in read] == given_rows
    out = io.StringIO()
    Answer(("a", "b"), answer_rows).write(out, "xml")
    assert xml_values(out.getvalue()) == [t.value for row in given_rows for t in row if t is not None]
    out = io.StringIO()
    Answer(("a", "b"), answer_rows).write(out, "csv")
    read_rows = list(csv.reader(io.StringIO(out.getvalue(), newline="")))[1:]
    assert read_rows == [["" if t is None else t.value for t in row] for row in given_rows]


def test_control_characters_do_not_break_xml() -> None:
    out = io.StringIO()
    Answer(("a",), [(Literal("a\x00\x1bb\r\n"),), (BlankNode("x"),)]).write(out, "xml")
    assert xml_values(out.getvalue()) == ["a\ufffd\ufffdb\r\n"]
