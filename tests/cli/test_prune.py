"""The verb prune: looks, asks before it drops more than one run's answers, and says what it did."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from enrich.cli import main
from enrich.graph.stores import open_store
from enrich.runs import prune as pruning
from enrich.runs.prune import Pruning
from enrich.workspace import Workspace
from tests.runs.made_runs import NAMES, add_run


@pytest.fixture
def museum(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A museum of which two old runs are superseded by a third."""
    monkeypatch.chdir(tmp_path)
    assert main(["init", ".", "--profile", "linked-art"]) == 0
    monkeypatch.setenv("ENRICH_BASE", NAMES.base)
    with open_store(path=tmp_path / "store") as store:
        for number, value in enumerate("abc"):
            add_run(store, f"r{number}", {(0, "place"): [value]}, order=number + 1)
    return tmp_path


def said(capsys: pytest.CaptureFixture[str], *arguments: str, code: int = 0) -> str:
    capsys.readouterr()
    assert main(["prune", *arguments]) == code
    found = capsys.readouterr()
    return found.out + found.err


@pytest.mark.usefixtures("museum")
def test_a_dry_run_says_what_would_go_and_drops_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    for _ in range(2):
        told = json.loads(said(capsys, "--dry-run", "--json"))
        assert told["answers"] == 2
        assert told["runs"] == {NAMES.run("r0").value: 1, NAMES.run("r1").value: 1}
        assert (told["graphs_dropped"], told["dry_run"]) == (0, True)


@pytest.mark.usefixtures("museum")
def test_a_dry_run_speaks_of_no_graph(capsys: pytest.CaptureFixture[str]) -> None:
    text = said(capsys, "--dry-run")
    assert "2 answers would be dropped" in text
    assert "graphs" not in text


@pytest.mark.usefixtures("museum")
def test_answers_of_several_runs_are_dropped_only_with_yes(capsys: pytest.CaptureFixture[str]) -> None:
    assert "say --yes" in said(capsys, code=2)
    assert json.loads(said(capsys, "--yes", "--json"))["graphs_dropped"] == 2
    assert "0 answers dropped" in said(capsys)


@pytest.mark.usefixtures("museum")
def test_on_a_terminal_it_asks(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", lambda question, **_: "2 answers of 2 runs" not in question)

    said(capsys, code=1)

    assert json.loads(said(capsys, "--dry-run", "--json"))["answers"] == 2


@pytest.mark.usefixtures("museum")
def test_what_is_dropped_is_what_was_agreed_to(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a person who is asked about the answers of two runs, when a fourth run supersedes the third meanwhile, then
    the third keeps its answer."""
    opened: list[Workspace] = []
    find = pruning.to_prune

    def found(workspace: Workspace, **given: Any) -> Pruning:
        opened.append(workspace)
        return find(workspace, **given)

    def agree(*_: object, **__: object) -> bool:
        add_run(opened[0].store, "r3", {(0, "place"): ["d"]}, order=4)
        return True

    monkeypatch.setattr(pruning, "to_prune", found)
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr(typer, "confirm", agree)

    assert json.loads(said(capsys, "--json"))["runs"] == {NAMES.run("r0").value: 1, NAMES.run("r1").value: 1}
    assert json.loads(said(capsys, "--dry-run", "--json"))["runs"] == {NAMES.run("r2").value: 1}


@pytest.mark.usefixtures("museum")
def test_what_is_younger_than_asked_stays(capsys: pytest.CaptureFixture[str]) -> None:
    assert "0 answers dropped" in said(capsys, "--older-than", "100000")


def test_more_days_than_a_calendar_has_are_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "less than or equal to 365000" in said(capsys, "--older-than", "5000000", code=2)
