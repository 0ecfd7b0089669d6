"""A run, and what takes it back, through the verbs: each gap is asked once, and what is taken back is open again."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from enrich.answering.batch_work import do_batch
from enrich.answering.context import Context
from enrich.cli import main
from enrich.demo.museum import BASE
from enrich.demo.objects import PROPERTIES, made_objects
from tests.cli.conftest import MISSING, RECORDS, Enrich, table


def test_run_answers_every_gap_once(enrich: Enrich, run_iri: str) -> None:
    again: dict[str, Any] = json.loads(enrich("run", "--model", "model", "--json"))
    assert list(again) == [
        "run",
        "records",
        "predicted",
        "abstained",
        "failed",
        "seconds",
        "pictures",
        "regimes",
        "pruned",
    ]
    assert again["predicted"] == again["abstained"] == again["failed"] == 0
    gaps = json.loads(enrich("gaps", "--model", "model", "--json"))["properties"]
    assert {name: g["open"] for name, g in gaps.items()} == dict.fromkeys(PROPERTIES, 0)
    answered = {
        (row["record"], row["property"]) for row in table(enrich("query", "candidates", "--format", "csv"))
    }
    assert Counter(name for _, name in answered) == MISSING
    assert run_iri[-6:] in enrich("runs")
    assert run_iri in enrich("runs", "--iris").replace("\n", "")


def test_retract_brings_the_gaps_back(enrich: Enrich) -> None:
    first = json.loads(enrich("run", "--model", "model", "--property", "place", "--limit", "5", "--json"))
    assert first["records"] == 5
    data = json.loads(enrich("retract", first["run"].rpartition("/")[2], "--json", "--yes"))
    assert (data["run"], data["state"]) == (first["run"], "Retracted")
    assert table(enrich("query", "predictions", "--format", "csv")) == []
    gaps = json.loads(enrich("gaps", "--json"))["properties"]
    assert all(g["open"] == g["missing"] for g in gaps.values())
    states = {run["run"]: run["state"] for run in json.loads(enrich("runs", "--json"))["runs"]}
    assert states[first["run"]] == "Retracted"


def test_a_part_of_a_run_is_taken_back(enrich: Enrich, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a run about places, when its less sure values are taken back, then the others stay, the register counts them,
    and with a floor the next run does not say them again."""
    run = json.loads(enrich("run", "--model", "model", "--property", "place", "--json"))
    rows = table(enrich("query", "predictions", "--format", "csv"))
    (confidence,) = {row["confidence"] for row in rows}
    part = ("retract", run["run"], "--property", "place", "--below", "1", "--json")
    looked = json.loads(enrich(*part, "--dry-run"))
    assert (looked["values"], looked["taken_back"], looked["dry_run"]) == (len(rows), 0, True)
    assert len(table(enrich("query", "predictions", "--format", "csv"))) == len(rows)
    assert json.loads(enrich(*part[:4], "--above", "1", "--dry-run", "--json"))["values"] == 0

    assert json.loads(enrich(*part, "--yes"))["taken_back"] == len(rows)

    assert table(enrich("query", "predictions", "--format", "csv")) == []
    (left,) = [r for r in json.loads(enrich("runs", "--json"))["runs"] if r["run"] == run["run"]]
    assert (left["state"], left["predicted"]) == ("Active", 0)
    monkeypatch.setenv("ENRICH_DECISION__FLOORS", json.dumps({"place": min(1.0, float(confidence) + 0.01)}))
    again = json.loads(enrich("run", "--model", "model", "--property", "place", "--json"))
    assert (again["predicted"], again["abstained"]) == (0, len(rows))
    enrich("retract", again["run"], "--yes")
    enrich("retract", run["run"], "--yes")


def test_what_takes_back_asks_first(folder: Path, run_iri: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Given a run, and nobody to ask, when it is taken back without --yes, then it stays and the way on is said; with
    --dry-run it is only told what would go, and --keep, which drops nothing, does not ask."""
    capsys.readouterr()
    assert main(["retract", run_iri]) == 2
    assert "say --yes, or look first with --dry-run" in capsys.readouterr().err

    assert main(["retract", run_iri, "--dry-run", "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == {
        "run": run_iri, "state": "Active", "dropped": 0, "dry_run": True,
    }  # fmt: skip
    assert main(["drop", "https://museum.example.org/graph/vocabulary", "--dry-run"]) == 0
    assert "would be dropped" in capsys.readouterr().err
    assert main(["graphs", "--json"]) == 0
    assert "https://museum.example.org/graph/vocabulary" in capsys.readouterr().out
    assert main(["runs", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["runs"][-1]["state"] == "Active"
    assert (folder / "store").exists()


def test_a_dry_run_says_what_would_be_asked_and_writes_nothing(enrich: Enrich) -> None:
    before = enrich("runs", "--json"), enrich("gaps", "--json")

    said = json.loads(enrich("run", "--model", "model", "--dry-run", "--json"))

    assert said["gaps"] == MISSING
    some = json.loads(
        enrich("run", "--model", "model", "--property", "place", "--limit", "3", "--dry-run", "--json")
    )
    assert some == {"records": 3, "gaps": {"place": 3}, "dry_run": True}
    assert (enrich("runs", "--json"), enrich("gaps", "--json")) == before
    assert "place" in enrich("run", "--model", "model", "--dry-run")


def test_an_interrupted_run_says_how_to_go_on(
    enrich: Enrich, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a run that is interrupted after its first batch, then nothing is seen of it and the way on is said, and the
    same command completes that run."""
    monkeypatch.setenv("ENRICH_RUN__BATCH", "10")
    batches: list[str] = []

    def interrupted(context: Context, run: ox.NamedNode, name: str) -> str:
        if batches:
            raise KeyboardInterrupt
        batches.append(name)
        return do_batch(context, run, name)

    command = ["run", "--model", "model", "--property", "place", "--json"]
    with monkeypatch.context() as patch:
        patch.setattr("enrich.answering.run.do_batch", interrupted)
        assert main(command) == 130
    assert "the same command goes on" in capsys.readouterr().err
    (begun,) = (run for run in json.loads(enrich("runs", "--json"))["runs"] if run["state"] == "Open")
    assert table(enrich("query", "predictions", "--format", "csv")) == []

    done = json.loads(enrich(*command))

    assert done["run"] == begun["run"]
    assert done["records"] == MISSING["place"]
    enrich("retract", done["run"], "--yes")


def test_records_that_are_not_in_the_graph_are_told(
    enrich: Enrich, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a list of which one record of two is there, then that one is answered and the other named; of a list of
    strangers nothing is answered, and that is no success."""
    there = next(f"{BASE}object/{made.id}" for made in made_objects(RECORDS) if "place" in made.missing)
    (folder / "half.txt").write_text(f"{there}\nhttps://elsewhere.example/1\n")
    (folder / "none.txt").write_text("https://elsewhere.example/1\nhttps://elsewhere.example/2\n")

    assert main(["run", "--model", "model", "--records", "half.txt", "--json"]) == 0
    said = capsys.readouterr()
    assert "1 of the 2 records that half.txt names" in said.err
    assert "https://elsewhere.example/1" in said.err
    run = json.loads(said.out)
    assert run["records"] == 1
    assert main(["run", "--model", "model", "--records", "none.txt"]) == 2
    assert "2 of the 2 records that none.txt names are no records" in capsys.readouterr().err
    enrich("retract", run["run"], "--yes")


def test_run_stays_within_the_records_given(enrich: Enrich, folder: Path) -> None:
    lacking = [made for made in made_objects(RECORDS) if "place" in made.missing][:3]
    names = [f"{BASE}object/{made.id}" for made in lacking]
    (folder / "some.tsv").write_text("note\trecord\n" + "".join(f"x\t{name}\n" for name in names))
    run = json.loads(
        enrich("run", "--model", "model", "--property", "place", "--records", "some.tsv", "--json")
    )
    assert {row["record"] for row in table(enrich("query", "predictions", "--format", "csv"))} == set(names)
    enrich("retract", run["run"], "--yes")


def test_facts_stay_as_they_are(enrich: Enrich) -> None:
    ask = "SELECT ?s ?p ?o ?g WHERE { GRAPH ?g { ?s ?p ?o } FILTER(!STRSTARTS(STR(?g), 'https://data.example.org/')) }"
    Path("facts.rq").write_text(ask)
    before = sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines())
    run = json.loads(enrich("run", "--model", "model", "--json"))["run"]
    assert sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines()) == before
    enrich("retract", run, "--yes")
    assert sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines()) == before
