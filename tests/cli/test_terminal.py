"""At a terminal: screens that fit, names instead of IRIs, ids that can be typed, a pager, less said or more."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from rich.cells import cell_len

from enrich.cli import main
from enrich.ontology.queries import query_names
from tests.cli.conftest import Enrich

WIDTHS = (60, 80, 160)
Screen = Callable[..., str]


@pytest.fixture(scope="module")
def folder(folder: Path) -> Path:
    """A museum with a run."""
    assert main(["run"]) == 0
    return folder


@pytest.fixture
def screen(enrich: Enrich, monkeypatch: pytest.MonkeyPatch) -> Screen:
    """What a verb that succeeds writes to a terminal of so many columns."""

    def shown(*arguments: str, width: int = 80) -> str:
        monkeypatch.setenv("COLUMNS", str(width))
        return enrich(*arguments)

    return shown


def predicted(screen: Screen) -> dict[str, str]:
    """The first prediction, by its columns."""
    found = json.loads(screen("query", "predictions", "--labels", "--format", "json"))
    return {name: term["value"] for name, term in found["results"]["bindings"][0].items()}


LOOKS = {
    "gaps": (),
    "gaps --forecast": ("expected answers", "promised"),
    "runs": ("active", "technique"),
    "jobs": ("done", "technique"),
    "graphs": ("statements",),
    "models": ("whole", "dummy"),
    "profile list": ("linked-art", "silknow"),
    "profile check": ("E22_Human-Made_Object",),
    "evaluate --splits splits.tsv": ("technique", "accuracy"),
    "query": ("predictions", "abstentions"),
    "query predictions --format table": ("confidence", "0."),
    **{
        f"query {name} --format table": ()
        for name in query_names()
        if name not in ("provenance", "evidence", "lineage")
    },
}


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("words", LOOKS)
def test_a_screen_is_no_wider_than_the_terminal_and_nothing_of_it_is_cut(
    screen: Screen, words: str, width: int
) -> None:
    out = screen(*words.split(), width=width)
    assert max(map(cell_len, out.splitlines())) <= width
    assert "…" not in re.sub(r"…/\S+", "", out)
    unfolded = re.sub(r"\s+", "", out)
    assert all(re.sub(r"\s+", "", word) in unfolded for word in LOOKS[words])


@pytest.mark.parametrize("width", WIDTHS)
def test_a_record_fits_the_terminal_and_its_reasons_are_words(screen: Screen, width: int) -> None:
    abstained = json.loads(screen("query", "abstentions", "--format", "json"))["results"]["bindings"][0]
    out = screen("show", abstained["record"]["value"], width=width)
    assert max(map(cell_len, out.splitlines())) <= width
    assert "no answer: the model learned of no record enough like this one" in " ".join(
        out.replace("│", " ").split()
    )


def test_a_table_has_names_and_the_surest_first_and_iris_when_asked(screen: Screen) -> None:
    row = predicted(screen)
    named = screen("query", "predictions", "--format", "table", width=160)
    sure = [float(found) for found in re.findall(r" ([01]\.\d\d) ", named)]
    assert row["recordName"] in named
    assert row["valueLabel"] in named
    assert "http" not in named
    assert sure == sorted(sure, reverse=True)
    assert len(sure) > 10
    assert row["record"] in screen("query", "predictions", "--format", "table", "--iris", width=400)
    ordered = screen("query", "predictions", "--format", "table", "--set", "order=confidence", width=160)
    assert [float(found) for found in re.findall(r" ([01]\.\d\d) ", ordered)] == sorted(sure)


def test_runs_say_who_asked_for_what_and_are_named_by_what_they_show(screen: Screen) -> None:
    """Given a run, then the table says what was asked for and on whose behalf, and its short id names it."""
    run = json.loads(screen("runs", "--json"))["runs"][0]
    out = screen("runs", width=160)
    short = run["run"][-6:]
    assert short in out
    assert "place, time, technique, material" in out
    assert "actor/museum" in out
    assert json.loads(screen("retract", short[:4], "--dry-run", "--json"))["run"] == run["run"]
    assert json.loads(screen("job", short, "--json"))["request"]["properties"] == [
        "place", "time", "technique", "material",
    ]  # fmt: skip


def test_lists_and_queries_come_from_standard_input(folder: Path) -> None:
    """Given predictions as CSV on standard input, then a run stays within their records; a query is read as well."""

    def enrich(*words: str, given: str = "") -> str:
        command = [sys.executable, "-m", "enrich", *words]
        return subprocess.run(
            command, input=given, check=True, capture_output=True, text=True, cwd=folder
        ).stdout

    found = enrich("query", "predictions", "--format", "csv")
    records = len({line.split(",")[0] for line in found.splitlines()[1:]})
    said = json.loads(enrich("run", "--records", "-", "--dry-run", "--json", given=found))
    assert said["records"] == 0
    assert records > 10
    assert enrich("query", "-", given="SELECT (COUNT(*) AS ?n) { ?s a ?t }").startswith("n\n")


HOLD = "import sys, pyoxigraph as ox\ns = ox.Store('store')\nprint('held', flush=True)\nsys.stdin.read()"


def test_a_store_that_another_process_holds_is_read_all_the_same(
    folder: Path, screen: Screen, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given another process that has the store open to write, when something is asked, then it is answered as ever,
    and said that it is what was written until then; what would write is refused."""
    before = screen("gaps", "--json"), screen("query", "current", "--format", "csv"), screen("runs")
    record = predicted(screen)["record"]
    with subprocess.Popen([sys.executable, "-c", HOLD], cwd=folder, stdin=-1, stdout=-1, text=True) as holder:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert main(["show", record]) == 0
        assert "another process has the store open" in capsys.readouterr().err
        after = screen("gaps", "--json"), screen("query", "current", "--format", "csv"), screen("runs")
        assert main(["run"]) == 3
        assert "serves one process at a time" in capsys.readouterr().err
        holder.communicate("")
    assert after == before


def test_what_is_longer_than_the_terminal_goes_through_the_pager(folder: Path) -> None:
    """Given a terminal of ten lines, when a longer table is asked for, then the pager gets it; a shorter one it does not."""

    def at_a_terminal(*words: str) -> str:
        leader, follower = pty.openpty()
        env = os.environ | {"PAGER": "sed s/^/paged:/", "LINES": "10", "COLUMNS": "80", "TERM": "xterm"}
        command = [sys.executable, "-m", "enrich", *words]
        with subprocess.Popen(command, stdin=follower, stdout=follower, cwd=folder, env=env) as process:
            os.close(follower)
            told = b""
            while chunk := _read(leader):
                told += chunk
            assert process.wait() == 0
        os.close(leader)
        return told.decode()

    assert "paged:" in at_a_terminal("query", "predictions")
    assert "paged:" not in at_a_terminal("gaps")


def _read(leader: int) -> bytes:
    """What a terminal shows next; nothing when its last user has gone."""
    try:
        return os.read(leader, 65536)
    except OSError:
        return b""


def test_a_training_ends_with_what_it_promises_and_what_to_do_next(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    assert main(["train", "--splits", "splits.tsv", "--model", str(folder / "again"), "--verbose"]) == 0
    said = capsys.readouterr()
    heads = said.out.splitlines()[1].split()
    assert "accuracy on held-out records" in said.out.splitlines()[0]
    assert heads == ["property", "tabular", "precision", "promised", "coverage"]
    assert max(map(cell_len, said.out.splitlines())) <= 80
    assert "next: enrich gaps --forecast --model" in said.err
    assert re.search(r"learning dummy · fold 1/5.*: 0 of \d+", said.err)
