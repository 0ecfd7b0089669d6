"""The benchmark of peers: one rule to decide by for all, differences paired over records, and what cannot be run says so."""

from __future__ import annotations

import importlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.classifiers.data import Dataset, Picture, Property, Record, Text
from enrich.classifiers.model.fitting import ModelSpec
from enrich.classifiers.numerals import sources_of

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"
sys.path.append(str(BENCHMARKS))  # they are scripts, which import one another by their bare names
figures = importlib.import_module("_peer_figures")
methods = importlib.import_module("_peer_methods")
problems = importlib.import_module("_peer_problems")

GLAZE = Property("glaze", ("ash", "salt"))


def task(truth: list[int]) -> Any:
    """A property of two classes, of which so many records are asked."""
    target = np.eye(2)[truth]
    records = [Record(f"https://pots.example/{i}") for i in range(len(truth))]
    rows = np.arange(len(truth))
    return problems.Task(
        GLAZE, ["glaze"], records, target, problems.held_out(len(rows)), records, rows, target
    )


def answering(first: list[int]) -> Any:
    """A method with these first candidates."""
    answers = np.array(first)
    return figures.Decided(np.eye(2)[answers], answers, answers, np.zeros((len(first), 2)))


def test_a_difference_is_paired_so_what_both_get_wrong_widens_nothing() -> None:
    truth = [0, 1] * 50
    wrong = [1 - t if i < 40 else t for i, t in enumerate(truth)]
    rows = figures.compared(
        [task(truth)], {"ours": {"glaze": answering(wrong)}, "twin": {"glaze": answering(wrong)}}, 100, 200
    )
    assert rows["ours"]["mean"]["value"] == pytest.approx(0.6)
    assert rows["ours"]["mean"]["high"] - rows["ours"]["mean"]["low"] > 0.1
    assert rows["twin"]["ahead of mean"] == {"value": 0.0, "low": 0.0, "high": 0.0}


def test_a_peer_that_is_wrong_more_often_is_behind_by_as_much() -> None:
    truth = [0, 1] * 50
    worse = [1 - t if i < 20 else t for i, t in enumerate(truth)]
    by = {"ours": {"glaze": answering(truth)}, "worse": {"glaze": answering(worse)}}
    ahead = figures.compared([task(truth)], by, 100, 400)["worse"]["ahead of mean"]
    assert ahead["value"] == pytest.approx(0.2)
    assert 0.1 < ahead["low"] < 0.2 < ahead["high"] < 0.3


def held(sure: int, right: int, unsure: int) -> tuple[np.ndarray, np.ndarray]:
    """Held-out answers: of `sure` at .95 so many are right, of `unsure` at .55 half."""
    p = np.array([[0.95, 0.05]] * sure + [[0.55, 0.45]] * unsure)
    labels = [0] * right + [1] * (sure - right) + [0, 1] * (unsure // 2)
    return p, np.eye(2)[labels]


def test_a_peer_answers_down_to_where_the_lower_bound_keeps_what_is_promised() -> None:
    p, target = held(300, 290, 200)
    found = figures.decided(p, target, np.array([[0.95, 0.05], [0.55, 0.45]]), False)
    given = found.probabilities.max(axis=1) >= found.reach[:, 0]
    assert given.tolist() == [True, False]


def test_a_share_that_reaches_the_promise_only_as_a_point_is_not_answered() -> None:
    p, target = held(300, 271, 200)
    found = figures.decided(p, target, np.array([[0.95, 0.05]]), False)
    assert found.reach[0, 0] > 1.0


def test_what_is_held_out_teaches_nothing_and_every_value_of_the_rest_does() -> None:
    both = task([0, 1] * 20)
    both.target[3] = 1.0
    assert len(both.held) == 8
    assert not set(both.held) & set(both.learn)
    rows, labels = both.pairs(np.array([2, 3]))
    assert rows.tolist() == [2, 3, 3]
    assert labels.tolist() == [0, 0, 1]


POT = Record(
    "https://pots.example/inv-1871-22",
    {"glaze": ("ash",), "clay": ("grey", "red")},
    {"museum": ("https://pots.example/kiln",)},
    (Text("A jar of ash"),),
    (Picture("https://pots.example/p/1871_3.jpg"),),
)


def test_without_accession_numbers_no_number_is_read_of_a_record() -> None:
    assert any(sources_of(POT).values())
    assert not any(sources_of(problems.unnumbered(POT)).values())


def pots(texts: bool = True) -> Any:
    """Pots whose glaze is asked for, and whose clay is known."""
    records = [
        POT,
        Record(
            "https://pots.example/inv-1880-1", {"glaze": ("salt",)}, {"museum": ("x",)}, (Text("A salt pot"),)
        ),
    ] * 10
    clay = Property("clay", ("grey", "red"), many=True)
    train = Dataset(records, (GLAZE, clay))
    source = problems.Source("pots", problems.silk, texts=texts)
    return problems.Problem("pots", source, train, Dataset(records[:2], train.properties), ModelSpec(()))


def test_a_peer_is_given_all_that_we_look_at_but_not_what_is_asked_for() -> None:
    problem = pots()
    table = problems.columns(problem, problem.task(GLAZE))
    assert {"context museum", "known clay", "known clay red", "picture numeral 1", "text"} <= set(table)
    assert not any("glaze" in name for name in table)
    assert table["known clay"]["values"][:2] == ["grey red", ""]
    assert table["known clay red"]["values"][-2:] == [1.0, 0.0]
    assert all(len(column["values"]) == 22 for column in table.values())


def test_a_peer_that_is_not_installed_says_so(tmp_path: Path) -> None:
    problem = pots()
    asked = methods.Asked(str(tmp_path / "no-python"), 1.0, 1)
    with pytest.raises(methods.NotRun, match="no-python cannot be run"):
        methods.PEERS["autogluon"](problem, problem.task(GLAZE), asked)
    with pytest.raises(methods.NotRun, match="weights"):
        methods.PEERS["tabpfn"](problem, problem.task(GLAZE), asked)


def test_answers_that_were_kept_are_read_back_as_they_were(tmp_path: Path) -> None:
    said = methods.Answers(np.eye(2), methods.Spent(1.5), held=np.eye(2)[:1], note="3 trees")
    said.write(tmp_path / "kept" / "a.npz")
    back = methods.Answers.read(tmp_path / "kept" / "a.npz")
    assert (back.spent, back.note, back.first) == (said.spent, "3 trees", None)
    assert back.held is not None
    assert np.array_equal(back.held, np.eye(2)[:1])


def test_the_linear_model_of_texts_answers_what_was_held_out_and_dev() -> None:
    problem = pots()
    glazes = problem.task(GLAZE)
    said = methods.linear(problem, glazes, methods.Asked("", 1.0, 1))
    assert said.held.shape == (len(glazes.held), 2)
    assert said.asked.argmax(axis=1).tolist() == [0, 1]


def test_other_records_are_kept_elsewhere() -> None:
    problem = pots()
    fewer = replace(problem, dev=problem.dev.subset([0]))
    assert problem.key.startswith("pots-")
    assert problem.key == pots().key != fewer.key


def test_a_row_that_was_not_run_is_in_the_report() -> None:
    said = figures.report("pots", {}, {"tabpfn": "no weights"}, 3)
    assert "- tabpfn: not run, no weights" in said
