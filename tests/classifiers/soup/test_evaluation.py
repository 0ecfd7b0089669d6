"""Scores mean what they say, and an evaluator gives the same answers whether it keeps weights or not."""

from __future__ import annotations

import weakref
from pathlib import Path

import numpy as np
import pytest
import torch

from enrich.classifiers.soup import evaluation as module
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSplit
from enrich.classifiers.soup.pool import CheckpointPool, Member, Weights, pool_members, read_trajectory
from enrich.classifiers.soup.replicates import head_replicates
from enrich.classifiers.soup.scores import Score, log_odds, probabilities, score
from enrich.classifiers.soup.selection import METHODS, Method, make_soup


def test_right_answers_score_one(split: PictureSplit) -> None:
    sure = score(split.scoring.target * 20.0, split.scoring)
    assert (sure.accuracy, sure.macro_f1) == (1.0, 1.0)
    assert sure.loss == pytest.approx(0.0, abs=1e-6)
    blind = score(torch.zeros(len(split.scoring), 3), split.scoring)
    assert blind.loss == pytest.approx(np.log(3))


def test_metrics_are_better_when_higher_and_never_not_a_number() -> None:
    assert Score(0.5, 0.4, 1.2).by("loss") == -1.2
    assert Score(0.5, 0.4, 1.2).by("macro_f1") == 0.4
    assert Score(0.5, float("nan"), float("nan")).by("loss") == -float("inf")


def test_probabilities_and_logits_are_each_others_inverse(split: PictureSplit) -> None:
    logits = torch.randn(len(split.scoring), 3, generator=torch.Generator().manual_seed(0))
    p = probabilities(logits, split.scoring)
    np.testing.assert_allclose(p.sum(axis=1), 1.0)
    np.testing.assert_allclose(probabilities(log_odds(p, split.scoring), split.scoring), p, atol=1e-6)


def test_an_evaluator_that_keeps_no_weights_mixes_alike(
    pool: CheckpointPool, split: PictureSplit, evaluator: Evaluator, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT", 0)
    forgetful = Evaluator(pool, split.learn, device="cpu")
    one, other = forgetful.mix(pool.members), evaluator.mix(pool.members)
    assert all(torch.equal(one[k], other[k]) for k in other)
    assert not forgetful._weights


@pytest.mark.parametrize("method", METHODS)
def test_making_a_soup_never_holds_many_members_at_once(
    method: Method, runs: Path, split: PictureSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    pool = pool_members([read_trajectory(runs / "seed-0"), read_trajectory(runs / "seed-1")])
    held: list[weakref.ref[torch.Tensor]] = []
    most = 0
    read = Member.weights

    def counted(self: Member) -> Weights:
        nonlocal most
        weights = read(self)
        held.append(weakref.ref(next(iter(weights.values()))))
        most = max(most, sum(1 for tensor in held if tensor() is not None))
        return weights

    monkeypatch.setattr(module, "KEPT", 0)
    monkeypatch.setattr(Member, "weights", counted)
    make_soup(Evaluator(pool, split.learn, device="cpu"), split.selection, method)
    assert len(held) > len(pool.members) == 6
    assert most <= 2  # the one that is added, and the one before it


def test_replicates_differ_by_their_sample_only(
    pool: CheckpointPool, split: PictureSplit, evaluator: Evaluator
) -> None:
    evaluator.network.load_state_dict(evaluator.weights(pool.members[-1]))
    told = {"prop": "label", "replicates": 3}
    p = head_replicates(evaluator.network, split, pool.size, **told)  # type: ignore[arg-type]
    assert p.shape == (3, len(split.scoring), 3)
    np.testing.assert_allclose(p.sum(axis=2), 1.0)
    assert not np.allclose(p[0], p[1])
    again = head_replicates(evaluator.network, split, pool.size, **told)  # type: ignore[arg-type]
    np.testing.assert_allclose(again, p, atol=1e-6)
