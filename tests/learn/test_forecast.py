from __future__ import annotations

from pathlib import Path
from typing import cast

import pytest

from enrich.answering.run import run
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.thresholds import Promise
from enrich.graph.gaps import count_gaps
from enrich.learn.forecast import Key, _held_out, forecast
from enrich.settings.models import DecisionSettings
from tests.museums import dummy_model, museum


def test_every_gap_of_a_property_that_was_learnt_is_in_the_forecast(tmp_path: Path) -> None:
    workspace = museum(80)
    model = dummy_model(workspace, tmp_path / "model")
    found = forecast(workspace, model)
    learnt = {p.name for p in Model.load(model).properties}
    gaps = count_gaps(workspace).properties
    for name in learnt:
        assert sum(f.gaps for f in found if f.property == name) == gaps[name].missing
    assert all(f.promised is None for f in found)  # the museum's thresholds are its own
    assert all(0 <= f.answered <= f.gaps for f in found)
    assert {f.regime for f in found} <= {"seen", "unseen block", "unseen group"}
    few = [f for f in found if f.labelled < 20]
    assert all(f.regime == "unseen group" for f in few)


def test_as_many_answers_are_expected_as_a_run_gives(tmp_path: Path) -> None:
    """Given few gaps, then all of them are asked, and nothing is a guess."""
    workspace = museum(80)
    model = dummy_model(workspace, tmp_path / "model")
    expected = sum(f.answered for f in forecast(workspace, model))
    summary = run(workspace, model)
    assert 0 < expected == summary.predicted < summary.predicted + summary.abstained


def test_a_model_without_a_threshold_of_the_museums_promises_or_abstains(tmp_path: Path) -> None:
    workspace = museum(80, decision={})
    model = dummy_model(workspace, tmp_path / "model")
    found = forecast(workspace, model)
    assert found
    assert all(f.answered == 0 for f in found if f.promised is None)


def test_of_many_gaps_some_are_asked_any_as_likely_as_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = museum(80)
    model = dummy_model(workspace, tmp_path / "model")
    whole = {(f.group, f.property, f.regime): f.answered for f in forecast(workspace, model)}
    monkeypatch.setattr("enrich.learn.forecast.SAMPLE", 3)
    few = {(f.group, f.property, f.regime): f for f in forecast(workspace, model)}
    assert few.keys() == whole.keys()
    assert all(whole[key] == f.answered for key, f in few.items() if whole[key] in (0, f.gaps))


@pytest.mark.parametrize(
    ("decision", "share"),
    [
        (DecisionSettings(), 0.4),
        (DecisionSettings(floors={"glaze": 0.6}), 0.4),
        (DecisionSettings(floors={"glaze": 0.9}), None),
        (DecisionSettings(thresholds={"glaze": 0.2}), None),
    ],
)
def test_of_a_model_with_pictures_nobody_knows_what_the_settings_change(
    monkeypatch: pytest.MonkeyPatch, decision: DecisionSettings, share: float | None
) -> None:
    """Given four in ten held-out records answered from .7 on, then that says nothing of another threshold."""
    promise = Promise(threshold=0.7, target=0.9, coverage=0.4)
    monkeypatch.setattr("enrich.learn.forecast._kept", lambda *_: promise)
    key: Key = ("kiln", "glaze", "seen")
    assert _held_out(cast("Model", None), [key], decision) == {key: share}
