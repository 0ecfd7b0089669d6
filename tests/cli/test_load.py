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


def test_no_file_reaches_our_own_graphs(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "a.nq").write_text(line(1) + line(2, graph=OURS))
    assert main(["load", "a.nq"]) == 2
    assert "nothing of it was loaded: graphs that begin with" in capsys.readouterr().err
    (folder / "a.nt").write_text("<urn:a> <urn:b> <urn:c> .\n")
    assert main(["load", "a.nt", "--graph", OURS.strip("<>")]) == 2


def test_no_record_is_an_error_where_there_is_something(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["gaps"]) == 0
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
