"""`enrich load` and `enrich gaps` as a data engineer meets them: new exports, files that are refused, no records."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enrich.cli import main

MUSEUM = "https://m.example/"
GRAPH = f"<{MUSEUM}graph>"
OURS = "<https://data.example.org/enrich/graph/runs>"
CRM = "http://www.cidoc-crm.org/cidoc-crm/"


def line(number: int, material: str = "", graph: str = GRAPH) -> str:
    """A record as N-Quads, with a material when one is given."""
    record = f"<{MUSEUM}{number}>"
    typed = (
        f"{record} <http://www.w3.org/1999/02/22-rdf-syntax-ns#type> <{CRM}E22_Human-Made_Object> {graph} .\n"
    )
    made = f"{record} <{CRM}P45_consists_of> <{MUSEUM}{material}> {graph} .\n"
    return typed + (made if material else "")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A new museum with the profile linked-art, entered."""
    assert main(["init", str(tmp_path), "--profile", "linked-art"]) == 0
    monkeypatch.chdir(tmp_path)
    return tmp_path


def missing(capsys: pytest.CaptureFixture[str]) -> tuple[int, int]:
    """Records, and how many of them lack a material."""
    capsys.readouterr()
    assert main(["gaps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    return found["records"], found["properties"]["material"]["missing"]


def test_a_new_export_of_several_files_takes_the_place_of_the_old(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "monday.nq").write_text(line(1, "wool") + line(2, "silk") + line(3))
    (folder / "tuesday-1.nq").write_text(line(1, "silk"))
    (folder / "tuesday-2.nq").write_text(line(2))
    assert main(["load", "monday.nq"]) == 0
    assert missing(capsys) == (3, 1)
    for _ in range(2):
        assert main(["load", "--replace", "tuesday-1.nq", "tuesday-2.nq"]) == 0
        assert missing(capsys) == (2, 1)


def test_a_dry_load_tells_all_and_writes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given files of which one has a flaw, when they are loaded dry, then the account is that of a real loading and no
    store is made; and a dry replacement counts what would come and go."""
    (folder / "a.nq").write_text(line(1, "wool") + line(2) + "no statement\n")
    said = []
    for dry in (["--dry-run"], []):
        capsys.readouterr()
        assert main(["load", "a.nq", "--json", *dry]) == 0
        said.append(json.loads(capsys.readouterr().out))
        assert (folder / "store").exists() != bool(dry)
    assert said[0] == said[1]
    assert [(d["quads"], d["dropped"]) for d in said[0]["documents"]] == [(3, 1)]

    (folder / "a.nq").write_text(line(1, "silk"))
    assert main(["load", "--replace", "a.nq", "--dry-run"]) == 0
    told = capsys.readouterr().err
    assert "1 statements would come, 2 would go" in told
    assert "nothing was written" in told
    assert missing(capsys) == (2, 1)
    assert main(["load", "--replace", "a.nq"]) == 0
    assert "1 statements came, 2 went" in capsys.readouterr().err
    assert missing(capsys) == (1, 0)


def test_no_file_reaches_our_own_graphs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.nq").write_text(line(1) + line(2, graph=OURS))
    assert main(["load", "a.nq"]) == 2
    assert "nothing of it was loaded: graphs that begin with" in capsys.readouterr().err
    (folder / "a.nt").write_text("<urn:a> <urn:b> <urn:c> .\n")
    for graph in (OURS.strip("<>"), "https://data.example.org/enrich/mine"):
        assert main(["load", "a.nt", "--graph", graph]) == 2
        assert "are enrich's own" in capsys.readouterr().err


def test_what_was_loaded_is_told_when_a_later_file_is_missing(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.nq").write_text(line(1))
    assert main(["load", "a.nq", "none.nq"]) == 2
    said = capsys.readouterr()
    assert "a.nq" in said.out
    assert said.err.splitlines()[-1] == "none.nq cannot be read: No such file or directory"
    assert missing(capsys) == (1, 1)


@pytest.mark.parametrize(
    ("name", "text"), [("none.nq", None), ("a.nq", line(1, graph=OURS)), ("a.nt", "# nothing\n")]
)
def test_what_loads_nothing_makes_no_store(folder: Path, name: str, text: str | None) -> None:
    if text is not None:
        (folder / name).write_text(text)
    assert main(["load", name]) == 2
    assert not (folder / "store").exists()


def test_an_empty_store_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a store from which all was dropped, when its gaps are counted, then that is no success."""
    (folder / "a.nq").write_text(line(1))
    assert main(["load", "a.nq"]) == 0
    assert main(["drop", GRAPH.strip("<>"), "--yes"]) == 0
    capsys.readouterr()
    assert main(["gaps"]) == 2
    assert "the store is empty: load the museum's graph" in capsys.readouterr().err


def test_no_record_is_an_error_where_there_is_something(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "a.nt").write_text(f"<{MUSEUM}1> <{CRM}P45_consists_of> <{MUSEUM}wool> .\n")
    assert main(["load", "a.nt"]) == 0
    capsys.readouterr()
    assert main(["gaps"]) == 2
    assert "the facts hold no record" in capsys.readouterr().err


def test_a_query_of_the_facts_needs_no_graph(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.nq").write_text(line(1, "wool"))
    (folder / "q.rq").write_text(f"SELECT ?s {{ ?s a <{CRM}E22_Human-Made_Object> }}")
    assert main(["load", "a.nq"]) == 0
    capsys.readouterr()
    assert main(["query", "q.rq"]) == 0
    assert capsys.readouterr().out == f"s\n{MUSEUM}1\n"


def test_many_files_are_one_summary(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "in").mkdir()
    for number in range(30):
        (folder / "in" / f"{number}.nq").write_text(line(number, "wool"))
    assert main(["load", "in", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "files": 30,
        "told": 0,
        "paths": [
            {"path": "in", "files": 30, "statements": 60, "left_out": 0, "refused": 0, "graphs": f"{MUSEUM}graph"}
        ],
        "documents": [],
    }  # fmt: skip
    for number in range(15):
        (folder / "in" / f"{number}.nq").write_text("rubbish\n")
    assert main(["load", "in"]) == 2
    said = capsys.readouterr()
    assert said.out.count("\n") == 2
    assert said.err.count("none of it can be read") == 10
    assert "… and 5 more of that kind" in said.err


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.json", "[]"),
        ("a.nt", "# nothing\n"),
        ("b.nt", "<urn:a> <urn:b> <urn:c> .\n<urn:a> <urn:b> "),
    ],
)
def test_the_exit_code_says_that_nothing_or_the_beginning_was_kept(
    folder: Path, capsys: pytest.CaptureFixture[str], name: str, text: str
) -> None:
    (folder / name).write_text(text)
    (folder / "whole.nq").write_text(line(1))
    assert main(["load", "whole.nq"]) == 0
    assert main(["load", "whole.nq", name]) == 2
    assert f"{name}: it " in capsys.readouterr().err


def test_contexts_and_formats_are_given_by_options(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.txt").write_text('{"@context": "https://c.example/", "@id": "urn:a", "b": "c"}')
    (folder / "c.json").write_text('{"b": "urn:b"}')
    assert main(["load", "a.txt", "--format", "jsonld"]) == 2
    assert "--context https://c.example/=FILE" in capsys.readouterr().err
    options = ["--format", "jsonld", "--context", "https://c.example/=c.json"]
    assert main(["load", "a.txt", *options, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["documents"][0]["quads"] == 1


def test_graphs_are_listed_and_dropped(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.nq").write_text(line(1, "wool"))
    (folder / "b.nt").write_text("<urn:a> <urn:b> <urn:c> .\n")
    assert main(["load", "a.nq"]) == 0
    assert main(["load", "--replace", "b.nt"]) == 0
    loaded = "urn:enrich:loaded:b.nt"
    for arguments, code, sentence in (
        (["drop", loaded], 2, f"Drop {loaded} with its 1 statements: say --yes"),
        (["drop", "urn:none", "--yes"], 2, "there is no graph urn:none"),
        (["drop", OURS.strip("<>"), "--yes"], 2, "is enrich's own"),
        (["drop", loaded, "--yes"], 0, f"dropped: {loaded} with its 1 statements"),
    ):
        capsys.readouterr()
        assert main(arguments) == code
        assert sentence in capsys.readouterr().err
    assert main(["graphs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["graphs"] == [
        {"graph": f"{MUSEUM}graph", "statements": 2, "sources": ["urn:enrich:loaded:a.nq"]}
    ]
    (folder / "noted.rq").write_text(f"SELECT ?g {{ GRAPH ?g {{ <{loaded}> ?p ?o }} }}")
    assert main(["query", "noted.rq"]) == 0
    assert capsys.readouterr().out == "g\n"
