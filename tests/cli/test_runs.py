"""What `enrich run` prints of a run that is done."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from enrich.answering.run import RunSummary
from enrich.cli import main
from enrich.cli.runs import RunMessages
from enrich.media.pictures import PictureTally
from enrich.runs.prune import Pruning

TALLY = PictureTally(120, {"login": 2, "no answer": 5}, {"missing": 4}, {"a.example": "5 failures in a row"})


@pytest.fixture(autouse=True)
def _a_run(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder with settings and a model, and a run that is done already."""
    (tmp_path / "store").mkdir()
    monkeypatch.chdir(tmp_path)
    Path("enrich.toml").write_text("", encoding="utf-8")
    Path("model").mkdir()
    done = RunSummary("https://data.example.org/enrich/run/1", 9, 7, 2, 0, 1.5, pictures=TALLY)
    monkeypatch.setattr("enrich.answering.run.run", lambda *_, **__: done)


def test_pictures_and_open_circuits_are_told_on_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "model"]) == 0
    said = "".join(capsys.readouterr())
    assert (
        "pictures: 120 had; 7 may come later (login 2, no answer 5); 4 refused (missing 4); "
        "circuit of a.example open (5 failures in a row)"
    ) in " ".join(said.split())


def test_json_has_them_by_kind(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "--model", "model", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["pictures"] == {
        "had": 120,
        "may_come": {"login": 2, "no answer": 5},
        "refused": {"missing": 4},
        "open_circuits": {"a.example": "5 failures in a row"},
    }


def test_answers_that_a_run_dropped_are_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a run that pruned, then its summary and its JSON say how many answers of how many runs are gone."""
    gone = Pruning(
        datetime(2026, 3, 9, tzinfo=UTC), Counter({"https://r.example/1": 1200, "https://r.example/2": 5})
    )
    done = RunSummary("https://data.example.org/enrich/run/3", 9, 7, 2, 0, 1.5, pruned=gone)
    monkeypatch.setattr("enrich.answering.run.run", lambda *_, **__: done)
    assert main(["run", "--model", "model"]) == 0
    said = " ".join("".join(capsys.readouterr()).split())
    assert "dropped for good: 1,205 answers of 2 runs, superseded or retracted before 2026-03-09" in said
    assert main(["run", "--model", "model", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)["pruned"]
    assert (told["answers"], len(told["runs"])) == (1205, 2)


@pytest.mark.parametrize(("predicted", "abstained", "code"), [(0, 0, 6), (1, 0, 0), (0, 1, 0)])
def test_a_run_of_which_every_answer_failed_is_no_success(
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    predicted: int,
    abstained: int,
    code: int,
) -> None:
    """Given a run with failures, when it ends, then it is told in full, and without any answer the exit code is 6."""
    done = RunSummary("https://data.example.org/enrich/run/1", 9, predicted, abstained, 9, 1.5)
    monkeypatch.setattr("enrich.answering.run.run", lambda *_, **__: done)
    assert main(["run", "--model", "model", "--json"]) == code
    said = capsys.readouterr()
    assert json.loads(said.out)["failed"] == 9
    assert ("every answer failed, see: enrich query abstentions" in said.err) == (code == 6)


def test_a_warning_of_a_run_is_said_and_its_progress_is_not(capsys: pytest.CaptureFixture[str]) -> None:
    told = RunMessages()
    told.log("info", "run active", run="https://r.example/1")
    told.log(
        "error",
        "record quarantined",
        record="https://o.example/7",
        reason="killed its worker process 3 times",
    )
    said = capsys.readouterr().err
    assert "record quarantined: record https://o.example/7, reason killed its worker process 3 times" in said
    assert "run active" not in said
