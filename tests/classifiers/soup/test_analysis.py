"""The whole analysis and comparison on small trajectories: numbers that agree, and one self-contained page."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from playwright.sync_api import Browser

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.soup.analysis import Analysis, analyse
from enrich.classifiers.soup.candidates import BEST, RENEWED, VOTE, candidates
from enrich.classifiers.soup.comparison import compare
from enrich.classifiers.soup.cost import inference_cost, operations
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit, PropertyView
from enrich.classifiers.soup.pool import pool_members, read_trajectory
from enrich.classifiers.soup.report import write_analysis, write_comparison
from tests.browser import DESK, PHONE, faults_at, faults_in_print
from tests.classifiers.soup.conftest import tiny, trained


@pytest.fixture(scope="module")
def analysis(runs: Path, split: PictureSplit) -> Analysis:
    """Both trajectories together."""
    pool = pool_members([read_trajectory(runs / "seed-0"), read_trajectory(runs / "seed-1")])
    return analyse(Evaluator(pool, split.learn, device="cpu"), split, replicates=2)


@pytest.fixture(scope="module")
def comparison(runs: Path, split: PictureSplit) -> dict[str, Any]:
    """Two networks that are the same one."""
    folders = [runs / "seed-0", runs / "seed-1"]
    return compare({"one": folders, "other": folders}, split, methods=("uniform", "greedy"))


def test_every_candidate_is_there_and_greedy_keeps_its_promise(analysis: Analysis) -> None:
    found = {d["name"]: d for d in analysis.numbers["candidates"]}
    assert list(found) == [BEST, RENEWED, "uniform", "greedy", "pruned", "window", "learned", VOTE]
    metric = analysis.numbers["metric"]
    for name in ("greedy", "window"):
        assert found[name]["selection"][metric] >= found[BEST]["selection"][metric]
    assert found[VOTE]["inferences"] == len(analysis.numbers["members"]) == 6
    assert all(found[n]["inferences"] == 1 for n in found if n != VOTE)


def test_what_new_statistics_do_alone_is_told_where_there_is_batch_norm(
    evaluator: Evaluator, split: PictureSplit, tmp_path: Path
) -> None:
    best, renewed, _ = candidates(evaluator, split, methods=())
    assert (best.members, renewed.inferences) == (renewed.members, 1)
    assert best.weights is not None
    assert renewed.weights is not None
    changed = {k.rpartition(".")[2] for k, v in renewed.weights.items() if not v.equal(best.weights[k])}
    assert (
        {"running_mean", "running_var"} <= changed <= {"running_mean", "running_var", "num_batches_tracked"}
    )
    trained(tmp_path / "vit", split, tiny(epochs=1, backbone="test_vit"))
    plain = Evaluator(pool_members([read_trajectory(tmp_path / "vit")]), split.learn, device="cpu")
    assert [c.name for c in candidates(plain, split, methods=())] == [BEST, VOTE]


def test_terms_add_up_in_the_report(analysis: Analysis) -> None:
    parts = analysis.numbers["bias_variance"]
    assert "members" in parts
    assert any(name.startswith("head replicates") for name in parts)
    for said in parts.values():
        hard = {k: v[0] for k, v in said["zero_one"].items()}
        soft = {k: v[0] for k, v in said["cross_entropy"].items()}
        assert hard["bias"] + hard["variance_unbiased"] - hard["variance_biased"] == pytest.approx(
            hard["loss"], abs=1e-9
        )
        assert soft["bias"] + soft["variance"] == pytest.approx(soft["loss"], abs=1e-9)


def test_the_mean_member_has_the_loss_of_the_decomposition(analysis: Analysis) -> None:
    members = [m["scoring"]["accuracy"] for m in analysis.numbers["members"]]
    assert 1 - np.mean(members) == pytest.approx(
        analysis.numbers["bias_variance"]["members"]["zero_one"]["loss"][0]
    )


def test_maps_hold_members_soups_and_the_vote(analysis: Analysis) -> None:
    assert len(analysis.names) == 6 + 7
    assert analysis.names[-1] == VOTE
    for classical, by_majorisation in analysis.maps.values():
        assert classical.points.shape == by_majorisation.points.shape == (13, 2)


def test_lines_begin_and_end_at_members(analysis: Analysis) -> None:
    lines = analysis.numbers["lines"]
    assert [line["pair"] for line in lines][-1] == "best of two trainings"
    losses = {m["name"]: m["selection"]["loss"] for m in analysis.numbers["members"]}
    for line in lines:
        assert line["points"][0]["loss"] == pytest.approx(losses[line["from"]], abs=1e-6)
        assert line["points"][-1]["loss"] == pytest.approx(losses[line["to"]], abs=1e-6)
        assert line["barrier"] >= -1e-9


def test_calibration_is_told_before_and_after(analysis: Analysis) -> None:
    for said in analysis.numbers["calibration"]:
        assert 0 <= said["before"]["ece"] <= 1
        assert 0 <= said["after"]["ece"] <= 1


ATTEMPTS = 8
"""Measurements of time before the tests give up: on a busy machine some go astray, all of them do not."""


def cost(evaluator: Evaluator, split: PictureSplit, voters: int = 3, rounds: int = 25) -> dict[str, float]:
    members = evaluator.pool.members
    return inference_cost(
        evaluator,
        split.scoring,
        member=evaluator.weights(members[0]),
        soup=evaluator.mix(members),
        voters=[evaluator.weights(m) for m in members] * (voters // len(members)),
        rounds=rounds,
    )


def test_a_soup_takes_the_time_of_one_member(evaluator: Evaluator, split: PictureSplit) -> None:
    ratios = []
    for _ in range(ATTEMPTS):
        ratios.append(cost(evaluator, split)["soup_ratio"])
        if ratios[-1] == pytest.approx(1.0, abs=0.05):
            return
    pytest.fail(f"the soup costs {ratios} of a member")


def test_the_vote_takes_the_time_of_all_its_members(evaluator: Evaluator, split: PictureSplit) -> None:
    ratios = []
    for _ in range(ATTEMPTS):
        ratios.append(cost(evaluator, split, voters=21, rounds=1)["vote_ratio"])
        if ratios[-1] == pytest.approx(21, rel=0.05):
            return
    pytest.fail(f"a vote of 21 costs {ratios} of a member")


def test_a_soup_does_the_very_operations_of_one_member_and_the_vote_those_of_all(
    evaluator: Evaluator, split: PictureSplit
) -> None:
    found = cost(evaluator, split, voters=6, rounds=1)
    assert found["soup_flops"] == found["member_flops"] > 0
    assert found["vote_flops"] == 6 * found["member_flops"]
    assert found["voters"] == 6
    assert found["parameters"] == sum(p.numel() for p in evaluator.network.parameters())


def test_what_costs_more_is_seen_to_cost_more(evaluator: Evaluator, split: PictureSplit) -> None:
    # The count of operations is none that any network passes: one more layer shows.
    plain = cost(evaluator, split, rounds=1)["member_flops"]
    body = evaluator.network.body
    evaluator.network.body = torch.nn.Sequential(torch.nn.Conv2d(3, 3, 1), body)
    try:
        weights = {k: v.clone() for k, v in evaluator.network.state_dict().items()}
        assert operations(evaluator, split.scoring, weights) > plain
    finally:
        evaluator.network.body = body


def test_the_page_is_self_contained(analysis: Analysis, tmp_path: Path) -> None:
    page = write_analysis(analysis, tmp_path / "report")
    text = page.read_text(encoding="utf-8")
    assert not re.search(r"src=\"(?!data:)|href=\"(?!#)", text)
    assert text.count("data:image/png;base64,") == 5
    for figure in page.parent.glob("*.png"):
        assert figure.stat().st_size < 100_000
    numbers = json.loads((page.parent / "numbers.json").read_text())
    assert len(numbers["distances"]["Jensen–Shannon"]["matrix"]) == 13


def test_the_page_fits_a_phone_and_paper(analysis: Analysis, tmp_path: Path, browser: Browser) -> None:
    page = write_analysis(analysis, tmp_path / "report")
    assert faults_at(browser, page, PHONE) == []
    assert faults_at(browser, page, DESK) == []
    assert faults_in_print(browser, page) == []


def test_a_network_compared_with_itself_differs_by_nothing(
    comparison: dict[str, Any], tmp_path: Path
) -> None:
    one, other = comparison["networks"]["one"], comparison["networks"]["other"]
    for name in one["candidates"]:
        assert one["candidates"][name]["accuracy_by_seed"] == other["candidates"][name]["accuracy_by_seed"]
    same = next(t for t in comparison["against_first"] if t["one"] == f"one, {BEST}")
    assert same["difference"] == [0.0, 0.0, 0.0]
    assert one["seeds"] == [0, 1]
    assert one["candidates"]["uniform"]["against_best"]["seeds"] == 2
    text = write_comparison(comparison, tmp_path / "report").read_text(encoding="utf-8")
    assert "one" in text
    assert text.count("data:image/png;base64,") == 1


def test_comparison_at_fewer_epochs(runs: Path, split: PictureSplit) -> None:
    found = compare({"one": [runs / "seed-0"]}, split, methods=("uniform",), epochs=2)
    assert found["networks"]["one"]["checkpoints"] == [2]
    with pytest.raises(ClassifierError, match="has 3 checkpoints, 9 were asked for"):
        compare({"one": [runs / "seed-0"]}, split, epochs=9)
    folders = {"one": [runs / "seed-0"], "other": [runs / "seed-0", runs / "seed-1"]}
    with pytest.raises(ClassifierError, match="different numbers of seeds"):
        compare(folders, split, methods=("uniform",))


def test_the_ends_of_several_trainings_are_one_pool(runs: Path, split: PictureSplit) -> None:
    """Given trainings from several seeds, when their ends are compared as one pool, then it has one member of each, and
    took the time of all."""
    pool = [runs / "seed-0", runs / "seed-1"]
    found = compare({"apart": [pool]}, split, methods=("uniform",), taken="last")["networks"]["apart"]
    assert found["checkpoints"] == [2]
    assert found["candidates"]["uniform"]["members"] == [2]
    alone = compare({"one": pool}, split, methods=("uniform",))["networks"]["one"]
    assert found["training_seconds"] == [pytest.approx(sum(alone["training_seconds"]), abs=0.2)]


def test_a_view_is_for_one_property_with_one_value(split: PictureSplit) -> None:
    assert PropertyView.of(split.scoring).prop.name == "label"
    with pytest.raises(ClassifierError, match="no property 'shape'"):
        PropertyView.of(split.scoring, "shape")
