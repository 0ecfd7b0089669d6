"""Soups: chosen on the selection pictures, never worse there than their best member, and plain about it."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import settings as examples
from hypothesis import strategies as st
from torch import Tensor
from torch.func import functional_call

from classifiers.base import ClassifierError
from classifiers.data import Property
from classifiers.neural.heads import FocalLoss, LossSettings
from classifiers.soup import evaluation as kitchens
from classifiers.soup import selection as module
from classifiers.soup.averaging import batch_norms
from classifiers.soup.candidates import Table
from classifiers.soup.evaluation import METRICS, Kitchen, Metric, log_odds, probabilities, score
from classifiers.soup.pictures import PictureSet
from classifiers.soup.pool import Member, Pot, Trajectory, Weights, gather, read_trajectory
from classifiers.soup.selection import METHODS, cook, rank, windows
from tests.classifiers.soup.conftest import COLOURS, tiny

LABEL = Property("label", tuple(f"urn:label:{c}" for c in COLOURS))


@pytest.fixture(scope="session")
def two(runs: Path, table: Table) -> Kitchen:
    """A kitchen of two trainings from random weights."""
    pot = gather([read_trajectory(runs / "seed-0"), read_trajectory(runs / "seed-1")])
    return Kitchen(pot, table.learn, device="cpu")


def test_one_member_stays_as_it_is(kitchen: Kitchen) -> None:
    member = kitchen.pot.members[1]
    for mixed in (kitchen.mix([member]), kitchen.mix([member, member, member])):
        assert all(torch.equal(mixed[k], v) for k, v in kitchen.weights(member).items())


def test_the_order_of_the_members_does_not_matter(kitchen: Kitchen) -> None:
    members = list(kitchen.pot.members)
    one, other = kitchen.mix(members), kitchen.mix(members[::-1])
    assert all(torch.equal(one[k], other[k]) for k in one)


class Whimsical(Kitchen):
    """A kitchen whose members and mixtures answer anything at all, the same every time."""

    def __init__(self, pot: Pot, seed: int) -> None:
        self.pot, self.seed = pot, seed
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
    st.sampled_from(METRICS),
    st.sampled_from(("greedy", "pruned", "window")),
)
@examples(max_examples=150, deadline=None)
def test_whatever_members_and_mixtures_answer_choosing_never_ends_below_its_floor(
    number: int, seed: int, metric: Metric, method: str
) -> None:
    """Greedy and window are never below the best member on selection, pruned never below the uniform soup."""
    kitchen, selection = whim(number, seed)
    soup = cook(kitchen, selection, method, metric=metric)  # type: ignore[arg-type]
    top = max(
        score(kitchen.run(kitchen.mix([m]), selection), selection).by(metric) for m in kitchen.pot.members
    )
    assert soup.best_score.by(metric) == top
    uniform = score(kitchen.run(kitchen.mix(kitchen.pot.members), selection), selection).by(metric)
    assert soup.score.by(metric) >= (uniform if method == "pruned" else top)
    assert all(m in kitchen.pot.members for m in soup.members)


def whim(number: int, seed: int) -> tuple[Whimsical, PictureSet]:
    """A whimsical kitchen of so many members, and twelve pictures of three classes to select on."""
    members = tuple(Member(f"epoch {e}", Path(), f"{e:064x}", "run", e, {}) for e in range(number))
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
    return Whimsical(Pot((run,), members, ()), seed), selection


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["greedy", "window", "pruned"])
def test_choosing_soups_keep_their_promise(two: Kitchen, table: Table, method: str, metric: Metric) -> None:
    soup = cook(two, table.selection, method, metric=metric)  # type: ignore[arg-type]
    again = score(two.run(soup.weights, table.selection), table.selection)
    assert again == soup.score
    if method != "pruned":
        floor = soup.best_score.by(metric)
    else:
        floor = cook(two, table.selection, "uniform", metric=metric).score.by(metric)
    assert soup.score.by(metric) >= floor


@pytest.mark.parametrize("method", METHODS)
def test_every_method_names_its_ingredients(kitchen: Kitchen, table: Table, method: str) -> None:
    soup = cook(kitchen, table.selection, method)  # type: ignore[arg-type]
    assert sum(soup.shares) == pytest.approx(1.0)
    assert {m["sha256"] for m in soup.ingredients()} <= {m.sha256 for m in kitchen.pot.members}
    assert all(torch.isfinite(w).all() for w in soup.weights.values() if w.is_floating_point())


def test_uniform_takes_everyone(kitchen: Kitchen, table: Table) -> None:
    soup = cook(kitchen, table.selection, "uniform")
    assert {m.name for m in soup.members} == {m.name for m in kitchen.pot.members}
    assert soup.shares == pytest.approx((1 / 3,) * 3)


def test_cooking_twice_gives_the_same_soup(kitchen: Kitchen, table: Table) -> None:
    for method in ("greedy", "learned"):
        one, other = (cook(kitchen, table.selection, method) for _ in range(2))
        assert all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)


def test_windows_are_the_last_checkpoints_and_the_ends_of_the_last_cycles(two: Kitchen) -> None:
    kitchen, _ = whim(7, 0)  # the recipe restarts after epochs 2 and 5
    found = {name: sorted(m.epoch for m in members) for name, members in windows(kitchen.pot)}
    assert found == {
        **{f"last {k}": list(range(7 - k, 7)) for k in (1, 2, 3, 4, 6, 7)},
        "ends of the last 1 cycles": [5],
        "ends of the last 2 cycles": [2, 5],
    }
    both = dict(windows(two.pot))["last 2"]
    assert sorted((m.trajectory, m.epoch) for m in both) == [
        (t.name, e) for t in two.pot.trajectories for e in (1, 2)
    ]
    flat = replace(two.pot.settings, training=replace(two.pot.settings.training, schedule="constant"))
    runs = tuple(replace(t, settings=flat) for t in two.pot.trajectories)
    assert not any("cycles" in name for name, _ in windows(replace(two.pot, trajectories=runs)))


def test_learned_shares_follow_the_slope_of_the_loss(
    kitchen: Kitchen, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against torch's own gradient through all members at once, for one step; whether weights are kept or not."""
    members = [m for m, _ in rank(kitchen, table.selection, "macro_f1")]
    network, rows = kitchen.network, torch.arange(len(table.selection))
    network.eval()
    for layer in batch_norms(network):
        layer.train()
    a = torch.zeros(len(members), requires_grad=True)
    names = [k for k, _ in network.named_parameters()]
    mixed = {
        k: torch.tensordot(torch.softmax(a, 0), torch.stack([kitchen.weights(m)[k] for m in members]), dims=1)
        for k in names
    }
    logits = functional_call(network, mixed, (table.selection.pixels.float() / 255.0,))[0]
    plain = FocalLoss(table.selection.properties, LossSettings(gamma=0.0, balance=0.0))
    plain(logits.float(), table.selection.target, table.selection.named[rows]).backward()
    network.eval()
    assert a.grad is not None
    after = torch.softmax(-module.LEARNED_RATE * torch.sign(a.grad), dim=0)  # Adam's first step

    monkeypatch.setattr(module, "LEARNED_STEPS", 1)
    monkeypatch.setattr(kitchens, "KEPT", 0)
    for cooks in (kitchen, Kitchen(kitchen.pot, table.learn, device="cpu")):
        soup = cook(cooks, table.selection, "learned")
        assert soup.members == tuple(members)
        assert soup.shares == pytest.approx(after.tolist(), abs=1e-3)


def test_a_soup_of_one_is_said_plainly(kitchen: Kitchen, table: Table) -> None:
    alone = Pot(kitchen.pot.trajectories, kitchen.pot.members[:1], ())
    soup = cook(Kitchen(alone, table.learn, device="cpu"), table.selection, "greedy")
    assert any(n.startswith("A soup of one") and "only one member" in n for n in soup.notes)


def test_a_collapse_is_detected_and_explained(
    two: Kitchen, table: Table, monkeypatch: pytest.MonkeyPatch
) -> None:
    # The worst mixture there is: whatever is averaged answers at random.
    def broken(self: Kitchen, _members: object, _shares: object = None) -> dict[str, torch.Tensor]:
        found = dict(self.weights(self.pot.members[0]))
        key = next(k for k in found if "head" in k and k.endswith("bias"))
        found[key] = found[key] + torch.tensor([50.0] + [0.0] * (len(found[key]) - 1))
        return found

    monkeypatch.setattr(Kitchen, "mix", broken)
    soup = cook(two, table.selection, "uniform", metric="loss")
    (said,) = [n for n in soup.notes if "collapsed" in n]
    assert "2 trainings that each began from random weights" in said


def test_duplicates_and_ties_are_said(runs: Path, table: Table, tmp_path: Path) -> None:
    copy = shutil.copytree(runs / "seed-0", tmp_path / "copy")
    pot = gather([read_trajectory(runs / "seed-0"), read_trajectory(Path(copy))])
    soup = cook(Kitchen(pot, table.learn, device="cpu"), table.selection, "uniform")
    assert len(soup.members) == 3
    assert sum("counts once" in note for note in soup.notes) == 3


def test_members_are_ranked_best_first(two: Kitchen, table: Table) -> None:
    ranked = rank(two, table.selection, "accuracy")
    scores = [s.accuracy for _, s in ranked]
    assert scores == sorted(scores, reverse=True)


def test_the_vote_is_the_mean_of_the_members(kitchen: Kitchen, table: Table) -> None:
    members = kitchen.pot.members
    mean = np.mean(
        [probabilities(kitchen.member_logits(m, table.scoring), table.scoring) for m in members], axis=0
    )
    vote = kitchen.vote(members, table.scoring)
    np.testing.assert_allclose(vote, mean)
    np.testing.assert_allclose(probabilities(log_odds(vote, table.scoring), table.scoring), vote, atol=1e-6)


def test_what_cannot_be_cooked_is_refused(kitchen: Kitchen, table: Table) -> None:
    with pytest.raises(ClassifierError, match="there is no soup called 'minestrone'"):
        cook(kitchen, table.selection, "minestrone")  # type: ignore[arg-type]
    nobody = table.selection.subset(np.zeros(0, dtype=np.intp))
    with pytest.raises(ClassifierError, match="needs at least one member"):
        cook(kitchen, nobody, "greedy")
