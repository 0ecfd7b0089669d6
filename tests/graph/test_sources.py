"""What is loaded: files by name and content, folders, archives within bounds, standard input."""

from __future__ import annotations

import gzip
import io
import json
import random
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from enrich.errors import InputError
from enrich.graph import files
from enrich.graph.loading import LoadReport, Manner, load_file, load_files, replace_files
from enrich.graph.reading_rdf import LONGEST
from enrich.graph.sources import STANDARD_INPUT, format_given, graph_of
from enrich.graph.stores import open_store

E = "http://e.example/"
RDF = "http://www.w3.org/1999/02/22-rdf-syntax-ns#"
BOM = "\ufeff"
TRIPLES = f'<{E}s> <{E}p> "o" .\n'
TURTLE = f'@prefix e: <{E}> .\ne:s e:p "o" .\n'
XML = f'<rdf:RDF xmlns:rdf="{RDF}" xmlns:e="{E}"><rdf:Description rdf:about="{E}s"><e:p>o</e:p></rdf:Description></rdf:RDF>'
JSON = json.dumps({"@id": f"{E}s", f"{E}p": "o"})


def quads_of(path: Path, manner: Manner | None = None) -> int:
    """How many quads a path has; all of its documents are whole."""
    reports = load_files(open_store(), [path], manner)
    assert not any(report.refused or report.dropped for report in reports)
    return sum(report.quads for report in reports)


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


BY_NAME_AND_CONTENT = {
    "a.turtle": TURTLE,
    "a.n3": TURTLE,
    "b.n3": TRIPLES,
    "a.owl": XML,
    "b.owl": TURTLE,
    "c.owl": "# an ontology\n" + TURTLE,
    "a.xml": '<?xml version="1.0"?>\n' + XML,
    "b.xml": TRIPLES,
    "a.json": JSON,
    "b.json": f"[{JSON}]",
    "c.json": TRIPLES,
    "a.ttl": XML,
    "b.ttl": json.dumps(json.loads(JSON), indent=2),
    "A.TTL": TURTLE,
}


@pytest.mark.parametrize("mark", ["", BOM])
@pytest.mark.parametrize(("name", "text"), BY_NAME_AND_CONTENT.items())
def test_a_format_goes_by_name_and_then_by_content(tmp_path: Path, name: str, text: str, mark: str) -> None:
    assert quads_of(write(tmp_path / name, mark + text)) == 1


def test_what_is_packed_is_seen_by_its_content_too(tmp_path: Path) -> None:
    (tmp_path / "a.ttl").write_bytes(gzip.compress(TURTLE.encode()))
    assert quads_of(tmp_path / "a.ttl") == 1


@pytest.mark.parametrize(
    ("name", "text", "why"),
    [
        ("a.xml", "<?xml version='1.0'?><lido><object/></lido>", "is XML, but no RDF/XML"),
        ("a.ttl", "<!DOCTYPE html><html><body>Not found", "is a web page"),
        ("a.json", " <html>", "is a web page"),
    ],
)
def test_what_is_no_rdf_in_spite_of_its_name_is_refused(
    tmp_path: Path, name: str, text: str, why: str
) -> None:
    with pytest.raises(InputError, match=why):
        load_file(open_store(), write(tmp_path / name, text))


def test_a_format_that_is_given_goes_before_the_name(tmp_path: Path) -> None:
    assert quads_of(write(tmp_path / "dump.txt", TURTLE), Manner(rdf_format=format_given("ttl"))) == 1
    with pytest.raises(InputError, match="--format word is not known; known are nt, nq, ttl"):
        format_given("word")


def test_standard_input_is_read_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(gzip.compress(TURTLE.encode()))))
    (report,) = load_files(open_store(), [STANDARD_INPUT], Manner(rdf_format=format_given(".ttl")))
    assert (report.quads, report.path) == (1, "standard input")
    assert report.graphs == ("urn:enrich:loaded:standard-input",)


def test_standard_input_needs_a_format(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(TURTLE.encode())))
    with pytest.raises(InputError, match=r"standard input is no RDF file by its name.* --format"):
        load_files(open_store(), [STANDARD_INPUT])


MEMBERS = {
    "a.ttl": TURTLE,
    "deep/er/b.nt": TRIPLES,
    "deep/c.json": JSON,
    "readme.txt": "no RDF",
    ".hidden.ttl": "no RDF",
    "__MACOSX/._a.ttl": "no RDF",
}


def folder(tmp_path: Path) -> Path:
    for name, text in MEMBERS.items():
        write(tmp_path / "export" / name, text)
    return tmp_path / "export"


def zipped(tmp_path: Path) -> Path:
    with zipfile.ZipFile(tmp_path / "export.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in MEMBERS.items():
            archive.writestr(name, text)
    return tmp_path / "export.zip"


def tarred(tmp_path: Path, mode: str = "w", name: str = "export.tar") -> Path:
    with tarfile.open(tmp_path / name, mode) as archive:  # type: ignore[call-overload]
        archive.add(folder(tmp_path), "export")
    return tmp_path / name


MANY: dict[str, Callable[[Path], Path]] = {
    "folder": folder,
    "zip": zipped,
    "tar": tarred,
    "tar.gz": lambda path: tarred(path, "w:gz", "export.tar.gz"),
    "tgz": lambda path: tarred(path, "w:gz", "export.tgz"),
    "a zip that is not called so": lambda path: zipped(path).rename(path / "export.bin"),
    "a zip in a folder": lambda path: zipped(write(path / "in" / "x", "").parent).parent,
}


@pytest.mark.parametrize("made", MANY.values(), ids=MANY)
def test_all_rdf_of_a_folder_or_archive_goes_into_one_graph(
    tmp_path: Path, made: Callable[[Path], Path]
) -> None:
    store, path = open_store(), made(tmp_path)
    reports = load_files(store, [path])
    assert [(report.quads, report.refused) for report in reports] == [(1, "")] * 3
    assert {report.graphs for report in reports} == {(graph_of(path).value,)}
    assert store.count() == 1  # they say the same


def test_a_folder_without_rdf_is_refused(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.txt", "x")
    with pytest.raises(InputError, match="holds no file that is RDF by its name"):
        load_files(open_store(), [tmp_path / "in"])


def test_of_many_documents_one_that_is_refused_costs_itself_only(tmp_path: Path) -> None:
    write(tmp_path / "in" / "a.ttl", TURTLE)
    write(tmp_path / "in" / "b.trig", "rubbish")
    store = open_store()
    reports = {Path(report.path).name: report for report in load_files(store, [tmp_path / "in"])}
    assert (reports["a.ttl"].quads, store.count()) == (1, 1)
    assert "b.trig is malformed, and nothing of it was loaded" in reports["b.trig"].refused


def test_an_export_of_which_a_part_is_refused_replaces_nothing(tmp_path: Path) -> None:
    store = open_store()
    write(tmp_path / "in" / "a.ttl", TURTLE)
    load_files(store, [tmp_path / "in"])
    write(tmp_path / "in" / "a.ttl", TURTLE.replace('"o"', '"new"'))
    write(tmp_path / "in" / "b.trig", "rubbish")
    with pytest.raises(InputError, match="malformed"):
        replace_files(store, [tmp_path / "in"])
    assert store.ask(f'ASK {{ GRAPH ?g {{ ?s <{E}p> "o" }} }}')
    (tmp_path / "in" / "b.trig").unlink()
    replace_files(store, [tmp_path / "in"])
    assert [str(row[0]) for row in store.select(f"SELECT ?o {{ GRAPH ?g {{ ?s <{E}p> ?o }} }}")] == ['"new"']


def test_two_files_of_one_name_do_not_meet(tmp_path: Path) -> None:
    store = open_store()
    paths = [write(tmp_path / part / "records.ttl", TURTLE) for part in ("paintings", "prints")]
    load_files(store, paths, Manner(home=tmp_path))
    assert [graph.value for graph in store.graphs()] == [
        "urn:enrich:loaded:paintings/records.ttl",
        "urn:enrich:loaded:prints/records.ttl",
    ]
    assert graph_of(Path("/else/where/a.nt.gz"), tmp_path).value == "urn:enrich:loaded:/else/where/a.nt"


def bomb(tmp_path: Path, kind: str) -> Path:
    """A million times the same triple, packed: some three hundred times as small."""
    whole, path = TRIPLES.encode() * 100_000, tmp_path / f"bomb.{kind}"
    if kind == "nt.gz":
        path.write_bytes(gzip.compress(whole))
    elif kind == "zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("a.nt", whole)
    else:
        with tarfile.open(path, "w:gz") as archive:
            member = tarfile.TarInfo("a.nt")
            member.size = len(whole)
            archive.addfile(member, io.BytesIO(whole))
    return path


@pytest.mark.parametrize("kind", ["nt.gz", "zip", "tar.gz"])
def test_what_grows_out_of_bounds_is_refused(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, store = bomb(tmp_path, kind), open_store()
    assert quads_of(path) == 1  # it is small enough
    monkeypatch.setattr(files, "GROWN", 1 << 20)
    with pytest.raises(InputError, match="unpacked it is more than 250 times as large"):
        load_files(store, [path])
    assert store.count() == 0


def test_members_are_never_written_where_their_names_say(tmp_path: Path) -> None:
    path = tmp_path / "in" / "up.zip"
    path.parent.mkdir()
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("../../up.ttl", TURTLE)
        archive.writestr("/up.ttl", TURTLE)
    load_files(open_store(), [path])
    assert sorted(found.name for found in tmp_path.rglob("*")) == ["in", "up.zip"]


def test_a_link_keeps_its_name(tmp_path: Path) -> None:
    """So that last night's export, which a link shows, has the same graph every night."""
    (tmp_path / "current.ttl").symlink_to(write(tmp_path / "2026-11-25.ttl", TURTLE))
    assert graph_of(tmp_path / "x" / ".." / "current.ttl", tmp_path).value == "urn:enrich:loaded:current.ttl"


def test_a_member_that_is_encrypted_is_refused(tmp_path: Path) -> None:
    data = bytearray(zipped(tmp_path).read_bytes())
    for at in range(len(data) - 10):
        if data[at : at + 4] == b"PK\x03\x04":
            data[at + 6] |= 1
        if data[at : at + 4] == b"PK\x01\x02":
            data[at + 8] |= 1
    (tmp_path / "locked.zip").write_bytes(data)
    with pytest.raises(InputError, match="is encrypted; unpack it yourself"):
        load_files(open_store(), [tmp_path / "locked.zip"])


@pytest.mark.parametrize("kind", ["zip", "tar.gz"])
def test_an_archive_that_is_cut_is_refused(tmp_path: Path, kind: str) -> None:
    path = bomb(tmp_path, kind)
    path.write_bytes(path.read_bytes()[:-2_000])
    with pytest.raises(InputError, match="cut short or damaged"):
        load_files(open_store(), [path])


def test_an_archive_that_breaks_off_leaves_no_trace(tmp_path: Path) -> None:
    packed = tmp_path / "export.tar.gz"
    with tarfile.open(packed, "w:gz") as archive:
        for name in "abc":
            lines = "".join(f'<{E}{name}> <{E}p> "{random.random()}" .\n' for _ in range(2_000))
            archive.add(write(tmp_path / f"{name}.nt", lines), f"{name}.nt")
    packed.write_bytes(packed.read_bytes()[:-10_000])
    store = open_store()
    whole, broken = load_files(store, [packed, tmp_path / "a.nt"])[::-1]
    assert (whole.quads, broken.path) == (2_000, str(packed))
    assert "cut short or damaged" in broken.refused
    assert store.count() == 2_000


def test_an_archive_in_name_only_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="cut short or damaged"):
        load_files(open_store(), [write(tmp_path / "a.ttl.zip", TURTLE)])


LONG = "x" * (LONGEST + 10)
TOO_LONG = {
    "a.nt": (f'{TRIPLES}<{E}s> <{E}q> "{LONG}" .\n<{E}s> <{E}q> "z" .\n', "lines 2"),
    "b.nt": (f'{TRIPLES}<{E}s> <{E}q> "{LONG * 3}" .\n<{E}s> <{E}q> "z" .\n', "lines 2"),
    "a.ttl": (f'{TURTLE}e:s e:q "{LONG}" .\ne:s e:q "z" .\n', "line 3"),
}


@pytest.mark.parametrize(("name", "expected"), TOO_LONG.items())
def test_a_literal_over_the_limit_costs_its_statement_and_its_line_is_named(
    tmp_path: Path, name: str, expected: tuple[str, str]
) -> None:
    report = load_file(open_store(), write(tmp_path / name, expected[0]))
    assert (report.quads, report.dropped, report.cut) == (2, 1, False)
    assert any(expected[1] in said and "16 MB" in said for said in report.account)


def test_a_document_that_cannot_be_read_in_parts_is_refused_with_that_line(tmp_path: Path) -> None:
    text = json.dumps({"@id": f"{E}s", f"{E}p": [1, LONG]}, indent=1)
    with pytest.raises(InputError, match=r"a\.json is malformed.*: line 5: a literal of more than 16 MB"):
        load_file(open_store(), write(tmp_path / "a.json", text))


@pytest.mark.parametrize(
    ("name", "end"),
    [
        ("a.nt", f'<{E}s> <{E}p> "hal'),
        ("a.ttl", f'<{E}s> <{E}p> "hal'),
        ("b.ttl", f'<{E}s> <{E}p> """hal. \n\nf. '),
    ],
)
def test_a_document_that_ends_within_a_statement_is_told_from_a_whole_one(
    tmp_path: Path, name: str, end: str
) -> None:
    def load(text: str) -> LoadReport:
        return load_file(open_store(), write(tmp_path / name, text))

    assert not load(TRIPLES + TRIPLES).cut
    assert not load(f"{TRIPLES}<{E}s> rubbish .\n" + TRIPLES).cut
    report = load(TRIPLES + end)
    assert (report.quads, report.cut) == (1, True)
    assert report.account[-1] == "it ends in the middle of a statement: only its beginning was loaded"
