"""Evaluation: the contract's fields, what is hidden, and what is refused."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.answering.decision import decide
from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset, Picture, Record, Text
from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.fusion.base import PassThrough
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.metrics import macro_f1
from enrich.classifiers.model.model import Member, Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.cli.model import show_evaluation
from enrich.errors import InputError, ModelError
from enrich.learn.evaluation import evaluate
from enrich.learn.measures import OTHER_SPLITS, evaluation_table, hidden, measure
from enrich.learn.training import train
from enrich.ontology.terms import ENR
from enrich.settings.models import DecisionSettings
from tests.classifiers.museum import BASE, PROPERTIES, dataset, museum
from tests.learn.test_training import FAST, FakeWorkspace, write_splits


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("m") / "model"
    fit_model(dataset(400), ModelSpec((MemberSpec("tabular", FAST),), folds=3, coverage=None)).save(folder)
    return folder


@pytest.fixture
def splits(tmp_path: Path) -> Path:
    return write_splits(tmp_path, museum(200, seed=1), dev=150)


def run(model: Path, splits: Path, **rest: Any) -> dict[str, Any]:
    workspace: Any = FakeWorkspace(museum(200, seed=1))
    return evaluate(workspace, model, splits, "dev", **rest)


def test_the_fields_are_those_of_the_contract(model: Path, splits: Path) -> None:
    result = json.loads(json.dumps(run(model, splits)))
    assert result["split"] == "dev"
    assert list(result["properties"]) == ["place", "time", "material"]
    for name, said in result["properties"].items():
        assert said["records"] == sum(bool(r.known.get(name)) for r in museum(200, seed=1)[:150])
        assert said["outside"] == 0
        assert list(said["by"]) == ["tabular", "fusion"]
        for figures in said["by"].values():
            assert {"accuracy", "macro_f1", "ece", "coverage", "precision"} <= set(figures)
    means = [said["by"]["fusion"]["macro_f1"] for said in result["properties"].values()]
    assert result["mean_macro_f1"] == pytest.approx({"tabular": np.mean(means), "fusion": np.mean(means)})


def test_the_fusion_of_one_modality_is_told_as_that_modality() -> None:
    """Given figures of one modality and of its fusion, which are the same, then they are one row; those of two
    modalities and of their fusion are three."""
    figures = {"records": 9, "outside": 0, "accuracy": 0.5}
    properties = {
        "place": {"by": dict.fromkeys(("text", "fusion"), figures)},
        "time": {"by": dict.fromkeys(("text", "tabular", "fusion"), figures)},
    }
    told = evaluation_table({"split": "dev", "properties": properties})
    assert [row[:2] for row in told.rows] == [
        ("place", "text"),
        ("time", "text"),
        ("time", "tabular"),
        ("time", "fusion"),
    ]
    assert {len(row) for row in told.rows} == {len(told.columns)}


def test_hiding_more_makes_it_harder(model: Path, splits: Path) -> None:
    plain = run(model, splits)["mean_macro_f1"]["fusion"]
    assert run(model, splits, hide_known=True)["mean_macro_f1"]["fusion"] < plain
    assert run(model, splits, without=("museum",))["mean_macro_f1"]["fusion"] < plain - 0.05


class Watching(DummyClassifier):
    """Remembers what it was shown."""

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        self.seen = list(records)
        return super().predict(records)


def test_what_is_hidden_is_hidden_from_the_classifier_and_not_from_the_count() -> None:
    data, watching, fuser = dataset(60), Watching(), PassThrough()
    watching.fit(data, data.subset([]))
    fuser.properties = PROPERTIES
    flat: dict[str, Any] = {p.name: 0.5 for p in PROPERTIES}
    offsets = {p.name: np.zeros(len(p.classes)) for p in PROPERTIES}
    member = Member(watching, "", {}, {}, flat, offsets)
    fitted = Model(PROPERTIES, {"tabular": member}, fuser, {}, flat, offsets, 0.9)
    records = museum(50, seed=3)
    result = measure(fitted, records, hide_known=True, without=("museum",))
    assert all(not r.known and not r.context for r in watching.seen)
    assert result["properties"]["place"]["records"] == sum(bool(r.known.get("place")) for r in records)


def test_texts_and_pictures_can_be_withheld() -> None:
    record = Record("urn:r", {"a": ("urn:1",)}, {"museum": ("urn:m",)}, (Text("x"),), (Picture("urn:p"),))
    assert hidden(record, False, ("texts", "pictures")) == Record("urn:r", record.known, record.context)
    assert hidden(record, True, ()).known == {}
    assert hidden(record, False, ("museum",)).context == {}


def test_a_context_that_is_a_number_can_be_withheld() -> None:
    record = Record("urn:bell", {}, {"foundry": ("urn:f",)}, numbers={"weight": (12.5,), "height": (3.0,)})
    shown = hidden(record, False, ("weight",))
    assert (shown.numbers, shown.context) == ({"height": (3.0,)}, record.context)


def test_values_outside_the_models_classes_are_errors(model: Path) -> None:
    records = [
        *museum(50, seed=2),
        Record("urn:odd", {"place": ("urn:atlantis",)}, {"museum": (f"{BASE}museum/0",)}),
    ]
    inside = measure(Model.load(model), records[:-1])["properties"]["place"]
    said = measure(Model.load(model), records)["properties"]["place"]
    assert said["outside"] == 1
    assert said["records"] == sum(bool(r.known.get("place")) for r in records) == inside["records"] + 1
    right = inside["by"]["fusion"]["accuracy"] * inside["records"]
    assert said["by"]["fusion"]["accuracy"] == pytest.approx(right / said["records"])


def test_the_figures_are_those_of_the_predictions(model: Path) -> None:
    loaded, records = Model.load(model), museum(100, seed=4)
    answer = loaded.predict(records)["place"]
    target, named = Dataset(records, loaded.properties).targets(answer.property)
    use = named & answer.fused.present
    expected = macro_f1(target[use], answer.first()[use])
    assert measure(loaded, records)["properties"]["place"]["by"]["fusion"]["macro_f1"] == pytest.approx(
        expected
    )


def test_no_records_give_no_figures_rather_than_nan(model: Path) -> None:
    result = measure(
        Model.load(model), [Record("urn:bare", {}, {"museum": (f"{BASE}museum/0",)})], detail=True
    )
    assert result["properties"]["place"]["by"]["fusion"]["accuracy"] is None
    assert result["mean_macro_f1"]["fusion"] is None
    json.dumps(result, allow_nan=False)


def test_a_report_holds_classes_confusions_and_curves(model: Path, splits: Path, tmp_path: Path) -> None:
    run(model, splits, report=tmp_path / "report")
    place = json.loads((tmp_path / "report" / "report.json").read_text())["properties"]["place"]
    figures = place["by"]["fusion"]
    assert set(figures["classes"]) == set(PROPERTIES[0].classes)
    assert np.sum(figures["confusion"]) == figures["records"]
    assert figures["curve"][-1]["coverage"] == 1.0
    assert sum(b["records"] for b in figures["reliability"]) == figures["records"]


def test_what_cannot_be_measured_is_a_sentence(model: Path, splits: Path, tmp_path: Path) -> None:
    workspace: Any = FakeWorkspace([])
    with pytest.raises(InputError, match="no record in the split 'test'; it has: dev, train"):
        evaluate(workspace, model, splits, "test")
    with pytest.raises(InputError, match="--without colour: there is museum, pictures, texts"):
        evaluate(workspace, model, splits, without=("colour",))
    with pytest.raises(ModelError, match="no model folder"):
        evaluate(workspace, tmp_path / "nowhere", splits)


@pytest.mark.parametrize("decision", [{"thresholds": {"place": 0.0}}, {"floors": {"place": 0.97}}])
def test_thresholds_and_floors_of_the_settings_are_in_force_as_in_a_run(
    model: Path, splits: Path, tmp_path: Path, decision: dict[str, Any]
) -> None:
    """Given a threshold or floor for the place, then what would be written of it is counted, and all else is as before."""
    plain = run(model, splits)["properties"]
    workspace: Any = FakeWorkspace(museum(200, seed=1))
    workspace.settings = workspace.settings.model_copy(update={"decision": DecisionSettings(**decision)})
    result = evaluate(workspace, model, splits, "dev", report=tmp_path / "report")
    records = [r for r in museum(200, seed=1)[:150] if r.known.get("place")]
    answer, own = Model.load(model).predict(records)["place"], decision.get("thresholds", {})
    decided = [
        decide(answer, i, own.get("place"), floor=decision.get("floors", {}).get("place", 0.0))
        for i in range(len(records))
    ]
    given = sum(d.outcome == ENR.Predicted for d in decided)
    place = result["properties"]["place"]
    assert sum(r["answered"] for r in place["regimes"].values()) == given
    assert given != sum(r["answered"] for r in plain["place"]["regimes"].values())
    for by in ("tabular", "fusion"):
        assert place["by"][by]["coverage"] == pytest.approx(given / len(records))
        assert place["by"][by]["accuracy"] == plain["place"]["by"][by]["accuracy"]
    promised = {name: r["promised"] for name, r in plain["place"]["regimes"].items()}
    assert {n: r["promised"] for n, r in place["regimes"].items()} == (
        dict.fromkeys(promised) if own else promised
    )
    assert result["properties"]["time"]["regimes"] == plain["time"]["regimes"]
    told = (tmp_path / "report" / "report.html").read_text()
    assert ("place 0<" if own else "place at least 0.97<") in told


def test_splits_that_the_model_was_not_trained_with_are_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    records = museum(300, seed=6)
    workspace: Any = FakeWorkspace(records)
    own = write_splits(tmp_path, records, dev=60)
    train(workspace, own, tmp_path / "with")
    train(workspace, None, tmp_path / "without")
    (tmp_path / "x").mkdir()
    other = write_splits(tmp_path / "x", records, dev=90)
    for name, splits, differ in (("with", own, False), ("with", other, True), ("without", own, True)):
        result = evaluate(workspace, tmp_path / name, splits, report=tmp_path / "report")
        assert result["other_splits"] is differ
        show_evaluation(result)
        for told in (capsys.readouterr().err, (tmp_path / "report" / "report.html").read_text()):
            assert (OTHER_SPLITS in told) is differ
