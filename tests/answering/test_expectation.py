"""What a run's answers are expected to be right, and that it is said at the end, in the register and in the facts."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.answering import run as pipeline
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.thresholds import Promise
from enrich.runs.expectation import Expectation, expectations, from_text, to_text
from enrich.runs.finding import list_runs
from enrich.runs.register import Register
from tests.museums import dummy_model, museum


def test_a_run_says_of_each_regime_what_to_expect(tmp_path: Path) -> None:
    workspace = museum(60, decision={"thresholds": {}})
    model = dummy_model(workspace, tmp_path / "model")
    said = Model.load(model).promises
    done = pipeline.run(workspace, model)
    (run,) = list_runs(workspace)
    assert from_text(run.expected) == done.expected
    assert sum(e.answered + e.abstained for e in done.expected.values()) >= done.predicted + done.abstained
    for regime, found in done.expected.items():
        assert found.low <= found.expected <= found.high
        assert regime in ("seen", "unseen block", "unseen group")
    shards = [
        NamedNode(g) for g in sorted(Register(workspace.store, workspace.names).shards(NamedNode(run.run)))
    ]
    sure = Promise(threshold=0.5, target=0.9, answered=100, coverage=1.0, precision=0.92, low=0.9, high=0.94)
    every = {r: dict.fromkeys(said, sure) for r in ("seen", "unseen block", "unseen group")}
    counted = expectations(workspace.store, shards, every)  # type: ignore[arg-type]
    for found in counted.values():
        assert found.expected == pytest.approx(0.92 * found.answered, abs=0.1)
        assert found.unpromised == 0
    without = expectations(workspace.store, shards, {})
    assert all(e.unpromised == e.answered and e.expected == 0 for e in without.values())


def test_what_is_expected_comes_back_from_the_register() -> None:
    found = {"seen": Expectation(10, 5, 9.2, 8.0, 9.9, 1)}
    assert from_text(to_text(found)) == found
    assert from_text(None) == from_text("[1]") == from_text("{") == from_text('{"seen": {"x": 1}}') == {}
