"""A museum's whole way through the verbs, with the dummy classifier: what each writes, to the letter."""

from __future__ import annotations

import csv
import io
import json
import shutil
import subprocess
import sys
from collections import Counter
from dataclasses import asdict
from pathlib import Path

import pyoxigraph as ox
import pytest

from enrich.classifiers.model.manifest import write_manifest
from enrich.cli import main
from enrich.cli.promise import show_kept
from enrich.demo.museum import BASE
from enrich.demo.objects import PROPERTIES
from enrich.learn.hiding import Kept
from tests.cli.conftest import MISSING, RECORDS, Enrich, table

PREDICTIONS = ["record", "node", "property", "predicate", "value", "confidence", "state", "run", "prediction"]
CANDIDATES = ["record", "property", "rank", "value", "probability", "outcome", "run"]


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


def test_check_promise_by_reviews_says_how_far_it_is(
    run_iri: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run_iri
    assert main(["check-promise", "--reviews", "--verbose"]) == 0
    assert "measuring: 0 of " in capsys.readouterr().err


def test_the_accuracy_of_what_was_hidden_is_shown_as_it_was_found(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Given four records asked, of which three are right at first, two are answered and one value in two is right."""
    kept = Kept("group", "urn:loom", "fibre", 4, 0.75, 0.7, 0.1, 2, 2, 1, 0.8, None, 0, None, {})
    rows: list[tuple[object, ...]] = []
    monkeypatch.setattr("enrich.cli.promise.write_table", lambda _, found, **__: rows.extend(found))
    show_kept({"hidden": [asdict(kept)], "names": {"urn:loom": "Loom"}, "not_learned": [], "summary": {}})
    assert rows[0][:7] == ("group", "fibre", "Loom", 4, 0.75, 0.5, 0.5)


def test_check_promise_without_a_group_says_what_to_do(
    enrich: Enrich, capsys: pytest.CaptureFixture[str]
) -> None:
    del enrich
    assert main(["check-promise", "--least", "5000", "--no-blocks"]) == 2
    assert "name a lower --least" in capsys.readouterr().err


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


def test_a_dry_export_counts_what_it_would_write(enrich: Enrich, run_iri: str, folder: Path) -> None:
    for form, name in (("trig", "dry.trig"), ("plain", "dry.csv"), ("silknow", "dry.ttl")):
        dry = json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--dry-run", "--json"))
        assert not (folder / name).exists()
        assert dry == json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--json"))
    assert enrich("export", "--as", "plain", "-", "--dry-run") == ""


@pytest.mark.parametrize(("form", "name"), [("trig", "run.trig"), ("nq", "run.nq"), ("silknow", "run.ttl")])
def test_export_writes_valid_rdf(enrich: Enrich, run_iri: str, folder: Path, form: str, name: str) -> None:
    said = json.loads(enrich("export", "--run", run_iri, "--as", form, name, "--json"))
    assert sum(1 for _ in ox.parse(path=folder / name)) > said["written"] > 0 or form != "silknow"
    assert said["run"] == run_iri


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


@pytest.mark.parametrize("config", ['{"kind": "model", "members": ["loom"]}', "[1]", '{"members": {"a": 3}}'])
def test_a_folder_of_nonsense_hides_no_other_model(enrich: Enrich, folder: Path, config: str) -> None:
    """Given a folder whose MANIFEST fits and whose configuration says nothing, then all others are listed."""
    strange = folder / "strange"
    strange.mkdir()
    try:
        (strange / "config.json").write_text(config)
        write_manifest(strange)
        found = {Path(m["folder"]).name: m for m in json.loads(enrich("models", ".", "--json"))["models"]}
        assert found["model"]["state"] == "whole"
        assert found["strange"]["classifiers"] == [""]
        assert (found["strange"]["state"] == "whole") == ("kind" not in config)
    finally:
        shutil.rmtree(strange)


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
