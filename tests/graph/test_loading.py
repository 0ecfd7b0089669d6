"""Loading files: every format, packed or not; what is malformed is left out and accounted for."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import InputError
from enrich.graph.loading import LoadReport, Manner, load_file, load_files
from enrich.graph.reading_rdf import CHUNK
from enrich.graph.sources import graph_of
from enrich.graph.stores import Store, open_store

G = NamedNode("http://example.org/graph")
E = "http://example.org/"
TRIPLE = f'<{E}s> <{E}p> "o" .\n'
DOCUMENTS = {
    "a.nt": TRIPLE,
    "a.nq": TRIPLE,
    "a.ttl": f'@prefix e: <{E}> . e:s e:p "o" .',
    "a.trig": f'@prefix e: <{E}> . e:s e:p "o" .',
    "a.rdf": '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="http://example.org/">'
    f'<rdf:Description rdf:about="{E}s"><e:p>o</e:p></rdf:Description></rdf:RDF>',
    "a.jsonld": f'{{"@id": "{E}s", "{E}p": "o"}}',
}


def write(path: Path, text: str | bytes) -> Path:
    data = text.encode() if isinstance(text, str) else text
    path.parent.mkdir(exist_ok=True)
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
    return path


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(("name", "text"), DOCUMENTS.items())
def test_every_format_packed_or_not(tmp_path: Path, name: str, text: str, packed: str) -> None:
    store = open_store()
    path = write(tmp_path / (name + packed), text)
    report = load_file(store, path, G)
    assert report == LoadReport(str(path), 1, 0, (G.value,), ())
    rows = list(store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {G} {{ ?s ?p ?o }} }}"))
    assert rows == [(NamedNode(f"{E}s"), NamedNode(f"{E}p"), Literal("o"))]


def test_a_file_loads_alike_into_every_store(store: Store, tmp_path: Path) -> None:
    lines = "".join(f'<{E}s{n}> <{E}p> "é {n}" <{E}g{n % 3}> .\n' for n in range(5_000))
    path = write(tmp_path / "a.nq.gz", lines + TRIPLE + f"_:x <{E}p> _:y <{E}g0> .\n_:y <{E}p> 'no' .\n")
    for times in (1, 2):
        report = load_file(store, path, G)
        assert (report.quads, report.dropped) == (5_002, 1)
        assert report.graphs == (f"{E}g0", f"{E}g1", f"{E}g2", G.value)
        assert store.count(NamedNode(f"{E}g1")) == 1_667
        assert store.count(NamedNode(f"{E}g0")) == 1_667 + times  # blank nodes are new each time
        assert store.count(G) == 1


def test_triples_that_name_no_graph_go_into_one_named_for_the_file(tmp_path: Path) -> None:
    store = open_store()
    path = write(tmp_path / "in" / "my data é.ttl.gz", DOCUMENTS["a.ttl"])
    (report,) = load_files(store, [path], Manner(home=tmp_path))
    assert report.graphs == ("urn:enrich:loaded:in/my%20data%20%C3%A9.ttl",)
    assert store.graphs() == [graph_of(path, tmp_path)]


def test_malformed_lines_are_left_out_counted_and_named(tmp_path: Path) -> None:
    good = [f'<{E}s{n}> <{E}p> "{n}" .' for n in range(3 * CHUNK)]
    bad = {10: "rubbish", CHUNK + 5: f'<{E}s> <{E} p> "x" .', CHUNK + 6: f'<{E}s> <{E}p> "unclosed .'}
    lines = [bad.get(number, line) for number, line in enumerate(good, 1)]
    data = (
        "\n".join(lines).encode() + b'\n<http://example.org/s> <http://example.org/p> "\xff" .\n# comment\n\n'
    )
    store = open_store()
    report = load_file(store, write(tmp_path / "a.nt", data), G)
    assert (report.quads, report.dropped) == (3 * CHUNK - 3, 4)
    assert store.count(G) == 3 * CHUNK - 3
    (sentence,) = report.account
    assert sentence.startswith(f"4 malformed lines were left out (lines 10, {CHUNK + 5}, {CHUNK + 6}, 6001)")


def test_turtle_that_is_not_valid_is_recovered(tmp_path: Path) -> None:
    text = f"@prefix e: <{E}> .\ne:a e:p 1 .\ne:b e:p <relative> .\ne:c e:p 3 .\n"
    store = open_store()
    report = load_file(store, write(tmp_path / "a.ttl", text), G)
    assert (report.quads, report.dropped) == (2, 1)
    assert any("relative IRI" in sentence for sentence in report.account)
    assert store.count(G) == 2


REFUSED = {
    "a.trig": f"<{E}g> {{ <{E}s> <{E}p> }}",
    "a.rdf": "<rdf:RDF",
    "a.jsonld": '{"@id": ',
    "b.jsonld": '{"@context": "http://example.org/context", "@id": "x"}',
}


@pytest.mark.parametrize(("name", "text"), REFUSED.items())
def test_other_formats_are_refused_whole(tmp_path: Path, name: str, text: str) -> None:
    store = open_store()
    with pytest.raises(InputError, match="nothing of it was loaded"):
        load_file(store, write(tmp_path / name, text))
    assert store.count() == 0


def test_a_packed_file_that_is_cut_leaves_no_trace(store: Store, tmp_path: Path) -> None:
    whole = gzip.compress("".join(f'<{E}s{n}> <{E}p> "{n * n}" .\n' for n in range(9_000)).encode())
    for data, said in ((whole[:-900], "cut short"), (b"no gzip at all", "damaged")):
        path = tmp_path / "a.nt.gz"
        path.write_bytes(data)
        with pytest.raises(InputError, match=said):
            load_file(store, path, G)
    assert store.count() == 0


@pytest.mark.parametrize("name", ["a.csv", "a", "a.gz"])
def test_a_file_that_is_no_rdf_by_its_name_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"\.nt, \.nq, \.ttl"):
        load_file(open_store(), write(tmp_path / name, "x"))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"absent\.nt cannot be read: No such file"):
        load_file(open_store(), tmp_path / "absent.nt")


def test_blank_nodes_of_two_files_are_different(tmp_path: Path) -> None:
    store = open_store()
    for name, text in (
        ("a.nt", f"_:x <{E}p> _:x .\n"),
        ("b.ttl", f"_:x <{E}p> _:x ."),
        ("c.nq", f"_:x <{E}q> _:x ."),
    ):
        load_file(store, write(tmp_path / name, text), G)
    assert len(list(store.select(f"SELECT DISTINCT ?x WHERE {{ GRAPH {G} {{ ?x ?p ?x }} }}"))) == 3


def test_what_a_store_cannot_hold_is_left_out_and_accounted_for(store: Store, tmp_path: Path) -> None:
    long = f"<{E}{'x' * 3_000}>"
    path = write(tmp_path / "a.nq", TRIPLE + f"{long} <{E}p> {long} .\n<{E}s> <{E}p> <{E}o> _:graph .\n")
    report = load_file(store, path, G)
    assert report.quads + report.dropped == 3
    assert report.dropped in (1, 2)
    assert "1 quads were left out: the graph is named by a blank node" in report.account
    assert store.count() == report.quads


def test_progress_is_told(tmp_path: Path) -> None:
    calls: list[tuple[str, int, int]] = []
    path = write(tmp_path / "a.nt", "".join(f'<{E}s{n}> <{E}p> "{n}" .\n' for n in range(25_000)))
    load_file(open_store(), path, G, progress=lambda *call: calls.append(call))
    assert calls == [("load a.nt", 10_000, 25_000), ("load a.nt", 20_000, 25_000)]


BOM = b"\xef\xbb\xbf"


@pytest.mark.parametrize("packed", ["", ".gz"])
@pytest.mark.parametrize(("name", "text"), DOCUMENTS.items())
def test_a_byte_order_mark_costs_nothing_in_any_format(
    tmp_path: Path, name: str, text: str, packed: str
) -> None:
    store = open_store()
    report = load_file(store, write(tmp_path / (name + packed), BOM + text.encode()), G)
    assert (report.quads, report.dropped, report.account) == (1, 0, ())


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-32"])
@pytest.mark.parametrize("name", ["a.nt", "a.ttl", "a.rdf", "a.jsonld"])
def test_another_encoding_is_said(tmp_path: Path, name: str, encoding: str) -> None:
    path = write(tmp_path / name, DOCUMENTS[name].encode(encoding))
    with pytest.raises(InputError, match="UTF-16 or UTF-32; write it in UTF-8"):
        load_file(open_store(), path, G)


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.nt", "rubbish\nmore rubbish\n", "none of it can be read: 2 malformed lines"),
        ("a.ttl", "e:s e:p e:o .\n", "none of it can be read: [^.]*triples; 1 statements"),
        ("a.ttl", f"@prefix e: <{E} x> .\n<{E}s> <{E}p> 1 .\n", "a prefix or base that others need"),
    ],
)
def test_a_load_that_keeps_nothing_or_loses_a_prefix_is_refused(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    store = open_store()
    with pytest.raises(InputError, match=why):
        load_file(store, write(tmp_path / name, text), G)
    assert store.count() == 0


@pytest.mark.parametrize(("name", "text"), [("a.jsonld", "[]"), ("a.nt", "# no\n")])
def test_a_file_without_statements_is_said(tmp_path: Path, name: str, text: str) -> None:
    report = load_file(open_store(), write(tmp_path / name, text), G)
    assert report.quads == 0
    assert "holds no statement" in report.account[0]


@pytest.mark.parametrize(
    "context", ['"https://c.example/one.json"', '[{"a": "urn:a"}, "https://c.example/one.json"]']
)
def test_a_context_that_would_have_to_be_fetched_is_named(tmp_path: Path, context: str) -> None:
    path = write(tmp_path / "a.jsonld", f'{{"@context": {context}, "@id": "urn:a", "a": "b"}}')
    with pytest.raises(
        InputError,
        match=r"the context https://c\.example/one\.json, which .* is not fetched; give .* --context",
    ):
        load_file(open_store(), path, G)


OURS = "https://data.example.org/enrich/graph/"


@pytest.mark.parametrize("name", ["a.nq", "a.trig"])
def test_no_statement_is_loaded_into_our_own_graphs(tmp_path: Path, name: str) -> None:
    store = open_store()
    triple, graph = f'<{E}s> <{E}p> "o"', f"<{OURS}runs>"
    text = f"{triple} .\n{triple} {graph} .\n" if name == "a.nq" else f"{graph} {{ {triple} }}"
    path = write(tmp_path / name, text)
    with pytest.raises(InputError, match=r"graphs that begin with .* are enrich's own"):
        load_files(store, [path], Manner(G, reserved=OURS))
    own = Manner(NamedNode(OURS + "reviews"), reserved=OURS)
    with pytest.raises(InputError, match="enrich's own"):
        load_files(store, [write(tmp_path / "a.nt", TRIPLE)], own)
    assert store.count() == 0
    assert load_file(store, path, G).quads > 0


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.binary(max_size=40).map(lambda b: b.replace(b"\n", b"")), max_size=12), st.booleans())
def test_any_rubbish_costs_its_own_lines_only(tmp_path: Path, rubbish: list[bytes], turtle: bool) -> None:
    good = [f'<{E}s{n}> <{E}p> "{n}" .'.encode() for n in range(5)]
    path = tmp_path / ("a.nq" if not turtle else "a.nt")
    path.write_bytes(b"\n".join([*good, *rubbish]))
    store = open_store()
    report = load_file(store, path, G)
    assert store.count(G) >= 5
    assert report.dropped <= len(rubbish)


@pytest.mark.data
def test_the_silk_records_load_whole(museum_data: Path, tmp_path: Path) -> None:
    with open_store(path=tmp_path / "store") as store:
        for _ in range(2):
            report = load_file(store, museum_data / "silknow" / "records.nq.gz")
            assert (report.quads, report.dropped, len(report.graphs)) == (149_475, 0, 11)
            assert store.count() == 149_475
        vocabulary = load_file(store, museum_data / "silknow" / "thesaurus.ttl.gz")
        assert vocabulary.dropped == 0
        assert isinstance(
            next(iter(store.construct("CONSTRUCT { ?s ?p ?o } WHERE { GRAPH ?g { ?s ?p ?o } }"))), Quad
        )


def test_what_a_file_says_twice_is_counted_and_loaded_once(tmp_path: Path) -> None:
    file = tmp_path / "twice.ttl"
    file.write_text(
        "<https://a.example/1> <https://p.example/1> 1 , 2 , 1 .\n<https://a.example/1> <https://p.example/1> 2 ."
    )
    store = open_store()

    report = load_file(store, file)

    assert (report.quads, report.repeated, store.count()) == (2, 2, 2)
    assert report.account == ("2 triples stand in it more than once and were loaded once",)
