"""Soups: chosen on the selection pictures, never worse there than their best member, and plain about it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import get_args

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.neural.heads import FocalLoss, LossSettings
from enrich.classifiers.soup import evaluation as evaluation_module
from enrich.classifiers.soup import learned
from enrich.classifiers.soup.averaging import batch_norms
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet, PictureSplit
from enrich.classifiers.soup.pool import (
    CheckpointPool,
    Member,
    Trajectory,
    Weights,
    pool_members,
    read_trajectory,
)
from enrich.classifiers.soup.scores import Metric, probabilities, score
from enrich.classifiers.soup.selection import METHODS, make_soup, rank, windows
from tests.classifiers.soup.conftest import COLOURS, tiny

LABEL = Property("label", tuple(f"urn:label:{c}" for c in COLOURS))


@pytest.fixture(scope="session")
def two(runs: Path, split: PictureSplit) -> Evaluator:
    """An evaluator of two trainings from random weights."""
    pool = pool_members([read_trajectory(runs / "seed-0"), read_trajectory(runs / "seed-1")])
    return Evaluator(pool, split.learn, device="cpu")


def test_one_member_stays_as_it_is(evaluator: Evaluator) -> None:
    member = evaluator.pool.members[1]
    for mixed in (evaluator.mix([member]), evaluator.mix([member, member, member])):
        assert all(torch.equal(mixed[k], v) for k, v in evaluator.weights(member).items())


def test_the_order_of_the_members_does_not_matter(evaluator: Evaluator) -> None:
    members = list(evaluator.pool.members)
    one, other = evaluator.mix(members), evaluator.mix(members[::-1])
    assert all(torch.equal(one[k], other[k]) for k in one)


class Whimsical(Evaluator):
    """An evaluator whose members and mixtures answer anything at all, the same every time."""

    def __init__(self, pool: CheckpointPool, seed: int) -> None:
        self.pool, self.seed = pool, seed
        self._logits: dict[tuple[str, int], tuple[PictureSet, Tensor]] = {}

    def weights(self, member: Member) -> Weights:
        return self.mix([member])

    def mix(self, members: Sequence[Member], shares: Sequence[float] | None = None) -> Weights:  # noqa: ARG002
        return {"who": torch.tensor(sorted({m.epoch for m in members}))}

    def run(self, weights: Mapping[str, Tensor], pictures: PictureSet) -> Tensor:
        drawn = np.random.default_rng([self.seed, *weights["who"].tolist()])
        sure = drawn.choice([0.0, 1.0, 4.0])  # members and mixtures differ in how good they are, and tie
        noise = drawn.integers(0, 3, tuple(pictures.target.shape))
        return torch.from_numpy(noise).float() + float(sure) * pictures.target


@given(
    st.integers(1, 9),
    st.integers(0, 10_000),
    st.sampled_from(get_args(Metric)),
    st.sampled_from(("greedy", "pruned", "window")),
)
@examples(max_examples=150)
def test_whatever_members_and_mixtures_answer_choosing_never_ends_below_its_floor(
    number: int, seed: int, metric: Metric, method: str
) -> None:
    """Greedy and window are never below the best member on selection, pruned never below the uniform soup."""
    evaluator, selection = whim(number, seed)
    soup = make_soup(evaluator, selection, method, metric=metric)  # type: ignore[arg-type]
    top = max(
        score(evaluator.run(evaluator.mix([m]), selection), selection).by(metric)
        for m in evaluator.pool.members
    )
    assert soup.best_score.by(metric) == top
    uniform = score(evaluator.run(evaluator.mix(evaluator.pool.members), selection), selection).by(metric)
    assert soup.score.by(metric) >= (uniform if method == "pruned" else top)
    assert all(m in evaluator.pool.members for m in soup.members)


def whim(number: int, seed: int) -> tuple[Whimsical, PictureSet]:
    """A whimsical evaluator of so many members, and twelve pictures of three classes to select on."""
    members = tuple(Member(f"epoch {e}", Path(), f"{e:064x}", "run", e) for e in range(number))
    settings = tiny()
    run = Trajectory(Path(), "run", {}, settings, (LABEL,), settings.size, members, {})
    named = [f"{i}.png" for i in range(12)]
    selection = PictureSet(
        (LABEL,),
        tuple(named),
        tuple(named),
        torch.zeros(12, 3, 1, 1, dtype=torch.uint8),
        torch.eye(3)[torch.arange(12) % 3],
        torch.ones(12, 1, dtype=torch.bool),
    )
    return Whimsical(CheckpointPool((run,), members, ()), seed), selection


@pytest.mark.parametrize("metric", get_args(Metric))
@pytest.mark.parametrize("method", ["greedy", "window", "pruned"])
def test_choosing_soups_keep_their_promise(
    two: Evaluator, split: PictureSplit, method: str, metric: Metric
) -> None:
    soup = make_soup(two, split.selection, method, metric=metric)  # type: ignore[arg-type]
    again = score(two.run(soup.weights, split.selection), split.selection)
    assert again == soup.score
    if method != "pruned":
        floor = soup.best_score.by(metric)
    else:
        floor = make_soup(two, split.selection, "uniform", metric=metric).score.by(metric)
    assert soup.score.by(metric) >= floor


@pytest.mark.parametrize("method", METHODS)
def test_every_method_names_its_ingredients(evaluator: Evaluator, split: PictureSplit, method: str) -> None:
    soup = make_soup(evaluator, split.selection, method)  # type: ignore[arg-type]
    assert sum(soup.shares) == pytest.approx(1.0)
    assert {m["sha256"] for m in soup.ingredients()} <= {m.sha256 for m in evaluator.pool.members}
    assert all(torch.isfinite(w).all() for w in soup.weights.values() if w.is_floating_point())


def test_uniform_takes_everyone(evaluator: Evaluator, split: PictureSplit) -> None:
    soup = make_soup(evaluator, split.selection, "uniform")
    assert {m.name for m in soup.members} == {m.name for m in evaluator.pool.members}
    assert soup.shares == pytest.approx((1 / 3,) * 3)


def test_the_same_choice_gives_the_same_soup(evaluator: Evaluator, split: PictureSplit) -> None:
    for method in ("greedy", "learned"):
        one, other = (make_soup(evaluator, split.selection, method) for _ in range(2))
        assert all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)


def test_windows_are_the_last_checkpoints_and_the_ends_of_the_last_cycles(two: Evaluator) -> None:
    evaluator, _ = whim(7, 0)  # the recipe restarts after epochs 2 and 5
    found = {name: sorted(m.epoch for m in members) for name, members in windows(evaluator.pool)}
    assert found == {
        **{f"last {k}": list(range(7 - k, 7)) for k in (1, 2, 3, 4, 6, 7)},
        "ends of the last 1 cycles": [5],
        "ends of the last 2 cycles": [2, 5],
    }
    both = dict(windows(two.pool))["last 2"]
    assert sorted((m.trajectory, m.epoch) for m in both) == [
        (t.name, e) for t in two.pool.trajectories for e in (1, 2)
    ]
    flat = two.pool.settings.replace(training=two.pool.settings.training.replace(schedule="constant"))
    runs = tuple(replace(t, settings=flat) for t in two.pool.trajectories)
    assert not any("cycles" in name for name, _ in windows(replace(two.pool, trajectories=runs)))


def test_learned_shares_follow_the_slope_of_the_loss(
    evaluator: Evaluator, split: PictureSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against torch's own gradient through all members at once, for one step; whether weights are kept or not."""
    members = [m for m, _ in rank(evaluator, split.selection, "macro_f1")]
    network, rows = evaluator.network, torch.arange(len(split.selection))
    network.eval()
    for layer in batch_norms(network):
        layer.train()
    a = torch.zeros(len(members), requires_grad=True)
    names = [k for k, _ in network.named_parameters()]
    mixed = {
        k: torch.tensordot(
            torch.softmax(a, 0), torch.stack([evaluator.weights(m)[k] for m in members]), dims=1
        )
        for k in names
    }
    logits = functional_call(network, mixed, (split.selection.pixels.float() / 255.0,))[0]
    plain = FocalLoss(split.selection.properties, LossSettings(gamma=0.0, balance=0.0))
    plain(logits.float(), split.selection.target, split.selection.named[rows]).backward()
    network.eval()
    assert a.grad is not None
    after = torch.softmax(-learned.RATE * torch.sign(a.grad), dim=0)  # Adam's first step

    monkeypatch.setattr(learned, "STEPS", 1)
    monkeypatch.setattr(evaluation_module, "KEPT", 0)
    for each in (evaluator, Evaluator(evaluator.pool, split.learn, device="cpu")):
        soup = make_soup(each, split.selection, "learned")
        assert soup.members == tuple(members)
        assert soup.shares == pytest.approx(after.tolist(), abs=1e-3)


def test_a_soup_of_one_is_said_plainly(evaluator: Evaluator, split: PictureSplit) -> None:
    alone = CheckpointPool(evaluator.pool.trajectories, evaluator.pool.members[:1], ())
    soup = make_soup(Evaluator(alone, split.learn, device="cpu"), split.selection, "greedy")
    assert any(n.startswith("A soup of one") and "only one member" in n for n in soup.notes)


def test_a_collapse_is_detected_and_explained(
    two: Evaluator, split: PictureSplit, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worst mixture there is: whatever is averaged answers at random.
    def broken(self: Evaluator, _members: object, _shares: object = None) -> dict[str, torch.Tensor]:
        found = dict(self.weights(self.pool.members[0]))
        key = next(k for k in found if "head" in k and k.endswith("bias"))
        found[key] = found[key] + torch.tensor([50.0] + [0.0] * (len(found[key]) - 1))
        return found

    monkeypatch.setattr(Evaluator, "mix", broken)
    soup = make_soup(two, split.selection, "uniform", metric="loss")
    (said,) = [n for n in soup.notes if "collapsed" in n]
    assert "2 trainings that each began from random weights" in said


def test_duplicates_and_ties_are_said(runs: Path, split: PictureSplit, tmp_path: Path) -> None:
    copy = shutil.copytree(runs / "seed-0", tmp_path / "copy")
    pool = pool_members([read_trajectory(runs / "seed-0"), read_trajectory(Path(copy))])
    soup = make_soup(Evaluator(pool, split.learn, device="cpu"), split.selection, "uniform")
    assert len(soup.members) == 3
    assert sum("counts once" in note for note in soup.notes) == 3


def test_members_are_ranked_best_first(two: Evaluator, split: PictureSplit) -> None:
    ranked = rank(two, split.selection, "accuracy")
    scores = [s.accuracy for _, s in ranked]
    assert scores == sorted(scores, reverse=True)


def test_the_vote_is_the_mean_of_the_members(evaluator: Evaluator, split: PictureSplit) -> None:
    members = evaluator.pool.members
    mean = np.mean(
        [probabilities(evaluator.member_logits(m, split.scoring), split.scoring) for m in members], axis=0
    )
    vote = probabilities(evaluator.vote(split.scoring), split.scoring)
    np.testing.assert_allclose(vote, mean, atol=1e-6)


def test_what_cannot_be_made_is_refused(evaluator: Evaluator, split: PictureSplit) -> None:
    with pytest.raises(ClassifierError, match="there is no soup called 'minestrone'"):
        make_soup(evaluator, split.selection, "minestrone")  # type: ignore[arg-type]
    nobody = split.selection.subset(np.zeros(0, dtype=np.intp))
    with pytest.raises(ClassifierError, match="needs at least one member"):
        make_soup(evaluator, nobody, "greedy")
