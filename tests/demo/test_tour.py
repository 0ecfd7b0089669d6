"""The demo, whole, on a small museum: its figures are those of its truth."""

from __future__ import annotations

import io
import json
import math
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import pytest
from rich.console import Console

from enrich.cli import main
from enrich.demo.configuration import write_settings
from enrich.demo.museum import Truth, class_iri, record_iri
from enrich.demo.objects import PROPERTIES, made_objects
from enrich.demo.scoring import score
from enrich.demo.tour import _ask, tour
from enrich.errors import InputError
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.settings.loading import load_settings
from enrich.show.named import run_named
from enrich.workspace import Workspace

A, B, C = (class_iri("place", name).value for name in ("france", "italy", "spain"))


def rows(*found: tuple[str, str, str]) -> list[dict[str, str]]:
    """Rows of a named query about places: record, value, rank."""
    return [{"record": r, "property": "place", "value": v, "rank": rank} for r, v, rank in found]


def test_scores_compare_answers_with_the_truth() -> None:
    truth = Truth(
        {("r1", "place"): (A,), ("r2", "place"): (B,), ("r3", "place"): (A, C), ("r1", "time"): (A,)}
    )
    predicted = rows(("r1", A, ""), ("r3", B, ""), ("elsewhere", A, ""))
    candidates = rows(("r1", A, "1"), ("r1", B, "2"), ("r2", B, "1"), ("r3", B, "1"))
    found = score("place", truth, predicted, candidates)
    assert (found.gaps, found.coverage, found.precision) == (3, pytest.approx(2 / 3), 0.5)
    assert found.accuracy == pytest.approx(2 / 3)
    assert 0 < found.macro_f1 < 1


def test_scores_of_nothing_are_no_numbers() -> None:
    found = score("place", Truth({}), [], [])
    assert found.gaps == 0
    assert math.isnan(found.precision)
    assert math.isnan(found.macro_f1)


def test_the_truth_of_the_made_objects_scores_full_marks() -> None:
    objects = list(made_objects(100))
    truth = Truth.of(objects)
    said = [
        {
            "record": record_iri(m).value,
            "property": n,
            "value": class_iri(n, m.values[n][0]).value,
            "rank": "1",
        }
        for m in objects
        for n in m.missing
    ]
    for name in PROPERTIES:
        found = score(name, truth, said, said)
        assert (found.coverage, found.precision, found.accuracy) == (1, 1, 1)
        assert found.macro_f1 == 1


def test_the_tour_fills_the_gaps_and_shows_one_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ENRICH_TRAIN__MODALITIES", "dummy")
    monkeypatch.setenv(
        "ENRICH_DECISION__THRESHOLDS", '{"place": 0, "time": 0, "technique": 0, "material": 0}'
    )
    out = Console(file=io.StringIO(), width=100)
    scores = tour(tmp_path / "demo", records=100, pictures=False, console=out)
    assert [s.property for s in scores] == list(PROPERTIES)
    assert all(s.coverage == 1 for s in scores)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    for part in (
        "What is missing",
        "Mean macro-F1",
        "Against the truth",
        "candidates",
        "SELECT",
        "retract RUN",
    ):
        assert part in text
    assert "nan" not in text
    assert (tmp_path / "demo" / "technique.rq").is_file()
    again = tour(tmp_path / "demo", records=100, pictures=False, console=Console(file=io.StringIO()))
    assert again == scores

    with Workspace(load_settings(tmp_path / "demo")) as workspace:
        (found, *_) = run_named(workspace, "predictions").rows
        named = run_named(workspace, "predictions").variables.index("prediction")
        Reviewer(workspace, "Ida Kranjc").write([Judgement(found[named], "Accepted")], datetime.now(UTC))  # type: ignore[arg-type]
        held = workspace.store.count()
    with pytest.raises(InputError, match="in which answers were judged: name another folder"):
        tour(tmp_path / "demo", records=100, pictures=False, console=out)
    with Workspace(load_settings(tmp_path / "demo")) as workspace:
        assert workspace.store.count() == held


@pytest.mark.parametrize("found", [True, False])
def test_what_the_tour_ends_with_works_where_it_was_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, found: bool
) -> None:
    """Given a demo made from a folder above it, whether or not the shell finds enrich by its name; then the last command
    is whole on one line, is for the explorer, and opens that demo from there."""
    monkeypatch.chdir(tmp_path)
    beside = str(Path(sys.executable).parent)
    monkeypatch.setenv("PATH", os.pathsep.join([beside, "/usr/bin"] if found else ["/usr/bin"]))
    write_settings(tmp_path / "my demo")
    out = Console(file=io.StringIO(), width=60)
    _ask(out, Path("my demo"))
    *_, last = out.file.getvalue().splitlines()  # type: ignore[attr-defined]
    *command, verb = shlex.split(last)
    assert (verb, command[0] == "enrich") == ("web", found)
    done = subprocess.run([*command, "runs"], capture_output=True, text=True, check=False)
    assert f"there is no store at {tmp_path / 'my demo' / 'store'} yet" in done.stderr


@pytest.mark.slow
def test_a_museum_of_few_objects_answers_something_by_thresholds_set_by_hand(tmp_path: Path) -> None:
    out = Console(file=io.StringIO(), width=500)
    scores = tour(tmp_path / "demo", records=200, pictures=False, console=out)
    assert sum(s.coverage * s.gaps for s in scores) > 20
    assert all(s.precision > 0.6 for s in scores if s.coverage > 0.1)
    text = out.file.getvalue()  # type: ignore[attr-defined]
    assert "it answers from a confidence of 0.8 on because enrich.toml says so" in text
    assert "Where one answer comes from" in text
    assert "nothing is promised" in text


def test_the_tour_spares_a_folder_that_is_not_its_own(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(InputError, match="holds no demo"):
        tour(tmp_path, records=50)
    assert (tmp_path / "thesis.txt").read_text() == "precious"


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("ENRICH_STORE__UPDATE_URL", "http://store.example.org/update"),
        ("ENRICH_STORE", '{"path": "elsewhere"}'),
        ("enrich_store__path", "elsewhere"),
        ("ENRICH_PROFILE", "silknow"),
        ("ENRICH_BASE", "https://curators.example.org/enrich/"),
    ],
)
def test_the_tour_goes_into_no_other_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    """Given an environment that names the museum's own store or what is its own, then nothing is made nor removed."""
    (tmp_path / "model").mkdir()
    (tmp_path / "truth.tsv").touch()
    monkeypatch.setenv(variable, value)

    with pytest.raises(InputError, match=f"^{variable} is set in the environment: unset it"):
        tour(tmp_path, records=50, pictures=False)

    assert {file.name for file in tmp_path.iterdir()} == {"model", "truth.tsv"}


def test_its_scores_are_json_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given --json, when the demo is made, then it talks on stderr, and stdout is the scores alone."""
    monkeypatch.setattr("enrich.cli.demo.absent", lambda _: "left out, for a test is short")
    assert main(["demo", str(tmp_path / "demo"), "--records", "60", "--json"]) == 0
    said = capsys.readouterr()
    found = json.loads(said.out)
    assert [row["property"] for row in found["properties"]] == list(PROPERTIES)
    assert "Against the truth" in said.err
