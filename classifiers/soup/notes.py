"""What a person should know of a soup: ties, duplicates, a soup of one, a collapse and its likely reason."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from enrich.classifiers.soup.pool import CheckpointPool, Member
from enrich.classifiers.soup.scores import Metric, Score

Ranked = list[tuple[Member, Score]]
"""Members with their scores on the selection pictures, best first."""


def notes_on(
    pool: CheckpointPool,
    metric: Metric,
    ranked: Ranked,
    method: str,
    members: Sequence[Member],
    found: Score,
    steps: Sequence[Mapping[str, Any]],
) -> Iterator[str]:
    """Whole sentences on a soup of `members` that scores `found` on the selection pictures."""
    best, top = ranked[0]
    for name, other in pool.duplicates:
        yield f"{name} has the very weights of {other} and counts once."
    if len(members) == 1:
        why = (
            "There was only one member."
            if len(ranked) == 1
            else "No mixture was better on the selection pictures."
        )
        yield f"A soup of one: {members[0].name} alone, batch norm and all. {why}"
    ties = sum(1 for step in steps if step.get("tie"))
    if ties:
        yield f"{ties} of {len(steps)} decisions were ties; a tie counts as no worse."
    tied = sum(1 for _, s in ranked[1:] if s.by(metric) == top.by(metric))
    if tied:
        yield f"{tied} more members score the same as the best; {best.name} is the latest of them."
    worst = min(s.by(metric) for m, s in ranked if m in members)
    if len(members) > 1 and found.by(metric) < worst:
        yield (
            f"The soup collapsed: {metric} {abs(found.by(metric)):.4f} is worse than its worst member's "
            f"{abs(worst):.4f}. {_why_collapsed(pool, members)}"
        )
    elif len(members) > 1 and found.by(metric) < top.by(metric):
        yield (
            f"The {method} soup is below its best member on the selection pictures "
            f"({metric} {abs(found.by(metric)):.4f} against {abs(top.by(metric)):.4f})."
        )


def _why_collapsed(pool: CheckpointPool, members: Sequence[Member]) -> str:
    """Why a mixture is worse than every one of its members, as far as the members tell."""
    runs = {m.trajectory for m in members}
    if len(runs) > 1 and pool.settings.weights == "none":
        return (
            f"Its members come from {len(runs)} trainings that each began from random weights, which end in "
            "basins of their own: the loss between them is high. Average each trajectory by itself, or begin "
            "all from the same pretrained weights."
        )
    rates = {t.settings.training.learning_rate for t in pool.trajectories}
    if len(rates) > 1:
        return f"Its members were trained with learning rates from {min(rates):g} to {max(rates):g}."
    epochs = [m.epoch for m in members]
    return (
        f"Its members come from the epochs {min(epochs)} to {max(epochs)} of one training: the early ones lie "
        "far from the late ones. The greedy or the pruned soup leaves them out."
    )
