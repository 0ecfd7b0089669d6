"""What is said of a soup: each sentence when it holds, and only then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enrich.classifiers.data import Property
from enrich.classifiers.soup.notes import Ranked, notes_on
from enrich.classifiers.soup.pool import CheckpointPool, Member, Trajectory
from enrich.classifiers.soup.scores import Score
from enrich.classifiers.soup.trajectory import TrajectorySettings

LABEL = (Property("label", ("urn:a", "urn:b")),)


def pool(*runs: str, weights: str = "none", rates: tuple[float, ...] = (1e-3,)) -> CheckpointPool:
    """Trainings with two checkpoints each, of the epochs 0 and 9."""
    trajectories = []
    for i, name in enumerate(runs):
        members = tuple(Member(f"{name} epoch {e}", Path(), f"{i}{e}" * 32, name, e) for e in (0, 9))
        settings = TrajectorySettings(
            weights=weights,
            training=TrajectorySettings().training.replace(learning_rate=rates[i % len(rates)]),
        )
        trajectories.append(Trajectory(Path(), name, {}, settings, LABEL, 32, members, {}))
    everyone = tuple(m for t in trajectories for m in t.members)
    return CheckpointPool(tuple(trajectories), everyone, ())


def ranked(of: CheckpointPool, *accuracies: float) -> Ranked:
    return [(m, Score(a, a, 1 - a)) for m, a in zip(of.members, accuracies, strict=True)]


def said(of: CheckpointPool, order: Ranked, members: int, accuracy: float, **options: Any) -> list[str]:
    """The notes on the soup of the first `members`, which has this accuracy on selection."""
    chosen = [m for m, _ in order][:members]
    found = Score(accuracy, accuracy, 1 - accuracy)
    steps = options.get("steps", ())
    return list(notes_on(of, "accuracy", order, options.get("method", "uniform"), chosen, found, steps))


def test_a_soup_that_is_better_than_all_needs_no_note() -> None:
    one = pool("run")
    assert said(one, ranked(one, 0.8, 0.7), 2, 0.85) == []


def test_a_soup_of_one_says_why() -> None:
    one = pool("run")
    (note,) = said(one, ranked(one, 0.8, 0.7), 1, 0.8)
    assert note == (
        "A soup of one: run epoch 0 alone, batch norm and all. No mixture was better on the selection pictures."
    )
    alone = CheckpointPool(one.trajectories, one.members[:1], ())
    (note,) = said(alone, ranked(alone, 0.8), 1, 0.8)
    assert note.endswith("There was only one member.")


def test_a_soup_below_its_best_member_names_both_figures() -> None:
    one = pool("run")
    (note,) = said(one, ranked(one, 0.8, 0.6), 2, 0.7, method="pruned")
    assert note == (
        "The pruned soup is below its best member on the selection pictures (accuracy 0.7000 against 0.8000)."
    )


def test_ties_are_counted() -> None:
    one = pool("run")
    steps = [{"tie": False}, {"tie": True}, {"step": 10}]
    notes = said(one, ranked(one, 0.8, 0.8), 2, 0.9, steps=steps)
    assert notes == [
        "1 of 3 decisions were ties; a tie counts as no worse.",
        "1 more members score the same as the best; run epoch 0 is the latest of them.",
    ]


def test_duplicates_are_named() -> None:
    one = pool("run")
    doubled = CheckpointPool(one.trajectories, one.members, (("copy epoch 0", "run epoch 0"),))
    (note,) = said(doubled, ranked(doubled, 0.8, 0.7), 2, 0.9)
    assert note == "copy epoch 0 has the very weights of run epoch 0 and counts once."


@pytest.mark.parametrize(
    ("of", "reason"),
    [
        (pool("one", "two"), "2 trainings that each began from random weights"),
        (pool("one", "two", weights="hub", rates=(1e-3, 1e-4)), "learning rates from 0.0001 to 0.001"),
        (pool("one", "two", weights="hub"), "from the epochs 0 to 9 of one training"),
        (pool("one"), "from the epochs 0 to 9 of one training"),
    ],
)
def test_a_collapse_has_its_likely_reason(of: CheckpointPool, reason: str) -> None:
    members = len(of.members)
    (note,) = said(of, ranked(of, *(0.8 - 0.01 * i for i in range(members))), members, 0.2)
    worst = 0.8 - 0.01 * (members - 1)
    assert note.startswith(
        f"The soup collapsed: accuracy 0.2000 is worse than its worst member's {worst:.4f}."
    )
    assert reason in note
