"""Comparison of modalities: on the same records, and the fusion with each withheld."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest

from enrich.classifiers.data import Dataset
from enrich.classifiers.model.model import Model
from enrich.learn.intervals import ROUNDS
from enrich.learn.measures import mean_line, measure
from tests.two_modalities import fused_model, told

HELD_OUT = told(120, seed=1)


@pytest.fixture(scope="module")
def model() -> Model:
    return fused_model()


@pytest.fixture(scope="module")
def found(model: Model) -> dict[str, Any]:
    return measure(model, HELD_OUT, detail=True, compare=ROUNDS)


def test_the_same_records_are_those_that_every_modality_could_look_at(found: dict[str, Any]) -> None:
    place = found["same"]["properties"]["place"]
    with_text = sum(bool(r.texts and r.known.get("place")) for r in HELD_OUT)
    assert place["records"] == with_text < found["properties"]["place"]["records"]
    assert set(place["by"]) == {"tabular", "text", "fusion"}
    own = found["properties"]["place"]["by"]["text"]
    assert own["records"] == with_text
    assert place["by"]["text"]["macro_f1"] == pytest.approx(own["macro_f1"])


def test_taking_away_the_modality_that_knows_the_place_costs_most(found: dict[str, Any]) -> None:
    ablation = found["ablation"]
    by = ablation["properties"]["place"]["by"]
    assert list(by) == ["all", "without tabular", "without text"]
    assert by["without text"]["macro_f1"] < by["all"]["macro_f1"] - 0.05
    difference = ablation["difference"]["without text"]
    assert difference["value"] == pytest.approx(
        ablation["mean_macro_f1"]["without text"] - ablation["mean_macro_f1"]["all"]
    )
    assert difference["low"] <= difference["value"] <= difference["high"]


def test_the_whole_fusion_is_what_the_model_answers(model: Model, found: dict[str, Any]) -> None:
    said = model.predict(HELD_OUT)["time"]
    target, named = Dataset(HELD_OUT, model.properties).targets(said.property)
    rows = named & np.array([bool(r.texts) for r in HELD_OUT])
    right = target[np.arange(len(target)), said.first()][rows] > 0
    assert found["same"]["properties"]["time"]["by"]["fusion"]["accuracy"] == pytest.approx(right.mean())


def test_everything_is_valid_json(found: dict[str, Any]) -> None:
    json.dumps(found, allow_nan=False)


def test_intervals_and_the_fusion_without_each_are_there_when_asked(model: Model) -> None:
    assert set(measure(model, HELD_OUT)) == {"properties", "mean_macro_f1"}
    plain = measure(model, HELD_OUT, compare=0)
    assert set(plain) == {"properties", "mean_macro_f1", "same"}
    assert plain["same"]["properties"]["place"]["by"]["text"]["interval"]["low"] is None


def test_the_line_compares_modalities_on_the_records_that_all_could_look_at(found: dict[str, Any]) -> None:
    """Given texts of half of the records, then each modality has its own number of records in its figures, and the line
    that compares them says on which it does."""
    line = mean_line(found)
    counts = [said["records"] for said in found["same"]["properties"].values()]
    assert f"on the {min(counts)} to {max(counts)} records" in line
    text, fusion = (found["same"]["mean_macro_f1"][by] for by in ("text", "fusion"))
    assert f"text {text:.3f}, fusion {fusion:.3f}" in line


@pytest.mark.parametrize(
    ("means", "said"),
    [
        ({"tabular": 0.7, "fusion": 0.7}, "tabular 0.700"),
        ({"tabular": 0.7, "text": 0.8, "fusion": 0.9}, "0.100 above the best single one, text"),
        (
            {"tabular": 0.7, "text": 0.6, "image": 0.8, "fusion": 0.75},
            "0.050 below the best single one, image",
        ),
        ({}, "no record to measure on"),
    ],
)
def test_the_fusion_is_compared_with_the_best_single_modality(means: dict[str, float], said: str) -> None:
    line = mean_line({"same": {"mean_macro_f1": means, "properties": {"place": {"records": 7}}}})
    assert line.endswith(said)


def test_without_any_record_there_are_no_figures(model: Model) -> None:
    found = measure(model, [], compare=ROUNDS)
    assert found["same"]["properties"]["place"] == {
        "records": 0,
        "by": {m: {"macro_f1": None, "accuracy": None} for m in ("tabular", "text", "fusion")},
    }
