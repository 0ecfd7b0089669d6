"""A museum's whole way through the verbs, with the dummy classifier: what each writes, to the letter."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from enrich.answering.batch_work import do_batch
from enrich.answering.context import Context
from enrich.cli import main
from enrich.demo.museum import BASE
from enrich.demo.objects import PROPERTIES, made_objects
from tests.cli.conftest import RECORDS

PREDICTIONS = ["record", "node", "property", "predicate", "value", "confidence", "state", "run", "prediction"]
CANDIDATES = ["record", "property", "rank", "value", "probability", "outcome", "run"]
MISSING = Counter(name for made in made_objects(RECORDS) for name in made.missing)

Enrich = Callable[..., str]


@pytest.fixture
def enrich(folder: Path, capsys: pytest.CaptureFixture[str]) -> Enrich:  # noqa: ARG001
    """Run a verb that succeeds; its stdout."""

    def run(*arguments: str) -> str:
        capsys.readouterr()
        code = main(list(arguments))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return run


@pytest.fixture
def run_iri(enrich: Enrich) -> Iterator[str]:
    """A run over all gaps, taken back afterwards."""
    summary = json.loads(enrich("run", "--model", "model", "--json"))
    yield summary["run"]
    enrich("retract", summary["run"], "--yes")


def table(text: str) -> list[dict[str, str]]:
    """The rows of a csv."""
    return list(csv.DictReader(io.StringIO(text)))


def test_gaps_count_what_was_left_out(enrich: Enrich) -> None:
    data = json.loads(enrich("gaps", "--json"))
    assert data == {
        "records": RECORDS,
        "properties": {name: {"missing": MISSING[name], "open": MISSING[name]} for name in PROPERTIES},
    }
    assert f"{RECORDS} records" in enrich("gaps")


def test_load_says_what_was_left_out(enrich: Enrich, folder: Path) -> None:
    (folder / "bad.nt").write_text('<https://a.example/s> <https://a.example/p> "x" .\nnonsense\n')
    said = json.loads(enrich("load", "bad.nt", "--graph", BASE + "graph/vocabulary", "--json"))
    assert [(r["quads"], r["dropped"]) for r in said["documents"]] == [(1, 1)]
    assert said["documents"][0]["graphs"] == [BASE + "graph/vocabulary"]


def test_evaluate_gives_the_figures_by_property_and_modality(enrich: Enrich) -> None:
    said = json.loads(
        enrich("evaluate", "--model", "model", "--splits", "splits.tsv", "--split", "dev", "--json")
    )
    assert said["split"] == "dev"
    assert set(said["properties"]) == set(PROPERTIES)
    figures = {"accuracy", "macro_f1", "ece", "coverage", "precision"}
    for found in said["properties"].values():
        assert found["records"] > 0
        assert all(figures <= set(measured) for measured in found["by"].values())
        assert "fusion" in found["by"]
    assert set(said["mean_macro_f1"]) == set(found["by"])
    assert "mean macro-F1" in enrich("evaluate", "--model", "model", "--splits", "splits.tsv", "--hide-known")


def test_split_keeps_groups_together(enrich: Enrich, folder: Path) -> None:
    said = json.loads(enrich("split", "by-group.tsv", "--by", "group", "--dev", "0.3", "--json"))
    rows = list(csv.DictReader(io.StringIO((folder / "by-group.tsv").read_text()), delimiter="\t"))
    assert Counter(row["split"] for row in rows) == Counter(said["splits"])
    assert sum(said["splits"].values()) == RECORDS
    assert 0 < said["splits"]["dev"] < RECORDS / 2
    again = enrich("split", "-", "--by", "group", "--dev", "0.3")
    assert again.splitlines() == (folder / "by-group.tsv").read_text().splitlines()


def test_split_that_leaves_nothing_to_learn_from_is_refused(
    enrich: Enrich, capsys: pytest.CaptureFixture[str]
) -> None:
    del enrich
    assert main(["split", "x.tsv", "--dev", "0.6", "--test", "0.4"]) == 2
    assert "leave nothing to train on" in capsys.readouterr().err


def test_check_promise_compares_what_was_hidden(enrich: Enrich, folder: Path) -> None:
    asked = ("check-promise", "--property", "material", "--least", "20", "--no-blocks")
    said = json.loads(enrich(*asked, "--property", "material", "--figures", "promise", "--json"))
    assert said["target"] == 0.9
    assert len({k["group"] for k in said["hidden"]}) == len(said["hidden"]), "named twice, hidden once"
    assert said["groups"] == ["museum", "department"]
    assert {k["property"] for k in said["hidden"]} == {"material"}
    assert all(k["asked"] >= 20 and said["names"][k["group"]] for k in said["hidden"])
    assert set(said["summary"]) == {"group"}
    assert (folder / "promise" / "promise.png").read_bytes().startswith(b"\x89PNG")
    assert "material" in enrich(*asked)


def test_check_promise_without_a_group_says_what_to_do(
    enrich: Enrich, capsys: pytest.CaptureFixture[str]
) -> None:
    del enrich
    assert main(["check-promise", "--least", "5000", "--no-blocks"]) == 2
    assert "name a lower --least" in capsys.readouterr().err


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


def test_predictions_have_the_contract_columns(enrich: Enrich, run_iri: str) -> None:
    rows = table(enrich("query", "predictions", "--format", "csv"))
    assert list(rows[0]) == PREDICTIONS
    assert {row["property"] for row in rows} == {"place", "material"}
    for row in rows:
        assert row["record"].startswith(BASE + "object/")
        assert row["value"].startswith(f"{BASE}vocabulary/{row['property']}/")
        assert 0 <= float(row["confidence"]) <= 1
        assert row["run"] == run_iri


def test_candidates_are_ranked_abstentions_too(enrich: Enrich, run_iri: str) -> None:
    rows = table(enrich("query", "candidates", "--format", "csv"))
    assert list(rows[0]) == CANDIDATES
    assert {row["property"] for row in rows} == set(PROPERTIES)
    assert {row["run"] for row in rows} == {run_iri}
    by_gap: dict[tuple[str, str], list[int]] = {}
    for row in rows:
        by_gap.setdefault((row["record"], row["property"]), []).append(int(row["rank"]))
    assert all(sorted(ranks) == list(range(1, len(ranks) + 1)) for ranks in by_gap.values())


def test_show_tells_where_an_answer_comes_from(enrich: Enrich, run_iri: str) -> None:
    row = table(enrich("query", "predictions", "--format", "csv"))[0]
    data = json.loads(enrich("show", row["record"], "--json"))
    current = [a for a in data["predictions"] if a["property"] == row["property"] and a["current"]]
    answer = next(a for a in current if a["value"] == row["value"])
    assert answer["run"]["run"] == run_iri
    assert row["value"] in {candidate["value"] for candidate in answer["candidates"]}
    assert min(a["candidates"][0]["rank"] for a in current) == 1
    assert answer["node"] == row["node"]
    assert len(answer["evidence"][0]["model"]["sha256"]) == 64
    assert data["missing"]
    tree = enrich("show", row["record"])
    assert "candidates" in tree
    assert run_iri in tree
    assert answer["evidence"][0]["model"]["sha256"] in tree


def test_show_explains_with_the_model_that_answered(enrich: Enrich, run_iri: str, folder: Path) -> None:
    row = table(enrich("query", "predictions", "--format", "csv"))[0]
    named = json.loads(enrich("show", row["record"], "--explain", "--model", "model", "--json"))
    found = json.loads(enrich("show", row["record"], "--explain", "--out", "why", "--json"))
    assert named == found
    answer = next(a for a in found["predictions"] if a["value"] == row["value"] and a["current"])
    assert answer["run"]["run"] == run_iri
    told = answer["explanation"]
    assert told["probability"] == pytest.approx(float(row["confidence"]), abs=1e-5)
    assert not told["input_changed"]
    assert [m["modality"] for m in told["modalities"]] == ["tabular"]
    assert not (folder / "why").exists()
    assert "gives it" in enrich("show", row["record"], "--explain")


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


def test_a_dry_export_counts_what_it_would_write(enrich: Enrich, run_iri: str, folder: Path) -> None:
    for form, name in (("trig", "dry.trig"), ("plain", "dry.csv"), ("silknow", "dry.ttl")):
        dry = json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--dry-run", "--json"))
        assert not (folder / name).exists()
        assert dry == json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--json"))
    assert enrich("export", "--as", "plain", "-", "--dry-run") == ""


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


@pytest.mark.parametrize(("form", "name"), [("trig", "run.trig"), ("nq", "run.nq"), ("silknow", "run.ttl")])
def test_export_writes_valid_rdf(enrich: Enrich, run_iri: str, folder: Path, form: str, name: str) -> None:
    said = json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--json"))
    assert sum(1 for _ in ox.parse(path=folder / name)) > said["written"] > 0 or form != "silknow"
    assert said["run"] == run_iri


def test_facts_stay_as_they_are(enrich: Enrich) -> None:
    ask = "SELECT ?s ?p ?o ?g WHERE { GRAPH ?g { ?s ?p ?o } FILTER(!STRSTARTS(STR(?g), 'https://data.example.org/')) }"
    Path("facts.rq").write_text(ask)
    before = sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines())
    run = json.loads(enrich("run", "--model", "model", "--json"))["run"]
    assert sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines()) == before
    enrich("retract", run, "--yes")
    assert sorted(enrich("query", "facts.rq", "--format", "tsv").splitlines()) == before


def test_query_files_and_names(enrich: Enrich) -> None:
    Path("count.rq").write_text("SELECT (COUNT(*) AS ?n) WHERE { GRAPH ?g { ?s ?p ?o } }")
    assert enrich("query", "count.rq").startswith("n\n")
    assert json.loads(enrich("query", "count.rq", "--json"))["head"] == {"vars": ["n"]}
    assert "n" in enrich("query", "count.rq", "--format", "table")
    Path("triples.rq").write_text("CONSTRUCT { ?s a ?t } WHERE { GRAPH ?g { ?s a ?t } } LIMIT 3")
    assert len(list(ox.parse(enrich("query", "triples.rq").encode(), ox.RdfFormat.N_TRIPLES))) == 3
    names = [query["name"] for query in json.loads(enrich("query", "--json"))["queries"]]
    assert {"predictions", "candidates", "current", "runs"} <= set(names)
    assert "predictions" in enrich("query")


def test_an_update_in_a_query_file_is_refused(enrich: Enrich, capsys: pytest.CaptureFixture[str]) -> None:
    Path("evil.rq").write_text("DROP ALL")
    assert main(["query", "evil.rq"]) == 2
    assert "only reads" in capsys.readouterr().err
    assert json.loads(enrich("gaps", "--json"))["records"] == RECORDS


def test_models_are_listed_and_altered_ones_told(enrich: Enrich, folder: Path) -> None:
    (found,) = json.loads(enrich("models", "--json"))["models"]
    assert found["folder"] == str(folder / "model")
    assert found["state"] == "whole"
    assert set(found["properties"]) == set(PROPERTIES)
    labels = folder / "model" / "labels.json"
    kept = labels.read_bytes()
    labels.write_bytes(kept + b" ")
    try:
        (altered,) = json.loads(enrich("models", ".", "--json"))["models"]
        assert "altered" in altered["state"]
        assert "labels.json" in enrich("models", ".")
        assert main(["run", "--model", "model"]) == 4
    finally:
        labels.write_bytes(kept)


def test_profile_check_finds_the_museum(enrich: Enrich, capsys: pytest.CaptureFixture[str]) -> None:
    data = json.loads(enrich("profile", "check", "--json"))
    assert data["fits"]
    assert data["records"] == RECORDS
    assert "profile linked-art" in enrich("profile", "check")
    assert main(["profile", "check", "silknow"]) == 2
    assert "E22_Man-Made_Object" in capsys.readouterr().out


def test_a_reader_that_goes_away_is_no_error(folder: Path) -> None:
    command = f"{sys.executable} -m enrich query everything.rq --format csv | head -n 1"
    (folder / "everything.rq").write_text("SELECT * WHERE { GRAPH ?g { ?s ?p ?o } }")
    done = subprocess.run(["bash", "-c", command], cwd=folder, capture_output=True, text=True, check=True)
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""
