"""The verbs of studies: they run on a graph, write their files, and speak JSON when asked."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from enrich.cli import main

ROWS = "".join(
    f'<urn:o:{i}> <http://www.cidoc-crm.org/cidoc-crm/P45_consists_of> <urn:c:{int(i % 5 == 0)}> .\n'
    f'<urn:o:{i}> <http://www.cidoc-crm.org/cidoc-crm/P2_has_type> <urn:t:{int(i % 5 == 0)}> .\n'
    f'<urn:o:{i}> <http://www.cidoc-crm.org/cidoc-crm/P50_has_current_keeper> <urn:m:{i % 3}> .\n'
    f'<urn:o:{i}> <http://www.w3.org/1999/02/22-rdf-syntax-ns#type>'
    f" <http://www.cidoc-crm.org/cidoc-crm/E22_Human-Made_Object> .\n"
    for i in range(120)
)  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "facts.nt").write_text(ROWS)
    lines = [f"urn:o:{i}\t{'dev' if i % 3 == 0 else 'train'}\n" for i in range(120)]
    (tmp_path / "splits.tsv").write_text("record\tsplit\n" + "".join(lines))
    assert main(["init", ".", "--profile", "linked-art"]) == 0
    assert main(["load", "facts.nt"]) == 0
    with Path("enrich.toml").open("a") as settings:
        settings.write("\n[train.options.tabular]\nrounds = 5\ndepth = 2\nbins = 32\n")
    return tmp_path


def test_a_study_writes_its_files_and_shows_its_conclusion(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    command = [
        "study",
        "transfer",
        "--splits",
        "splits.tsv",
        "--out",
        "out",
        "--over",
        "type",
        "--least",
        "5",
    ]
    assert main(command) == 0
    said = capsys.readouterr()
    assert "conclusion" in said.out
    assert "transfer.png" in said.err
    assert sorted(p.name for p in (folder / "out").iterdir()) == [
        "transfer.html", "transfer.json", "transfer.md", "transfer.png",
    ]  # fmt: skip


def test_json_is_all_that_is_on_stdout(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command = ["study", "gamma", "--splits", "splits.tsv", "--out", "out", "--gamma", "2", "--sample", "76"]
    assert main([*command, "--json"]) == 0
    data = json.loads(capsys.readouterr().out)
    assert data["study"] == "gamma"
    assert data["setting"]["train records"] == 76
    assert (folder / "out" / "gamma.json").is_file()


@pytest.mark.usefixtures("folder")
def test_a_study_that_cannot_be_made_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    command = ["study", "fusion", "--splits", "splits.tsv", "--out", "out", "--modality", "tabular"]
    assert main(command) != 0
    error = capsys.readouterr().err.strip()
    assert "needs two modalities" in error
    assert "\n" not in error


def test_without_cleanlab_it_says_what_to_install_before_records_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(sys.modules, "cleanlab", None)
    assert main(["study", "noise", "--splits", "none.tsv", "--out", "out"]) != 0
    assert "pip install 'museum-enrich[study]'" in capsys.readouterr().err


def test_reviews_are_studied_by_the_counts_asked_for(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    asked = ["--count", "5", "--count", "10", "--seeds", "1", "--hide", "0.5", "--json"]
    assert main(["study", "reviews", "--splits", "splits.tsv", "--out", "out", *asked]) == 0
    found = json.loads(capsys.readouterr().out)
    assert [row["reviews"] for row in found["table"] if row["order"] == "random"] == [5, 10]
    assert (folder / "out" / "reviews.html").stat().st_size > 1000
