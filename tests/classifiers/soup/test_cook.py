"""Soups: chosen on the selection pictures, never worse there than their best member, and plain about it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from classifiers.base import ClassifierError
from classifiers.soup.cook import METHODS, cook, rank
from classifiers.soup.kitchen import METRICS, Kitchen, Metric, log_odds, probabilities, score
from classifiers.soup.members import Pot, gather, read_trajectory
from classifiers.soup.tasting import Table


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


@pytest.mark.parametrize("metric", METRICS)
@pytest.mark.parametrize("method", ["greedy", "pruned"])
def test_choosing_soups_keep_their_promise(two: Kitchen, table: Table, method: str, metric: Metric) -> None:
    soup = cook(two, table.selection, method, metric=metric)  # type: ignore[arg-type]
    again = score(two.run(soup.weights, table.selection), table.selection)
    assert again == soup.score
    if method == "greedy":
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
        one, other = (cook(kitchen, table.selection, method) for _ in range(2))  # type: ignore[arg-type]
        assert all(torch.equal(one.weights[k], other.weights[k]) for k in one.weights)


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
