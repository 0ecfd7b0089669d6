"""Cooks a soup: which members are averaged, in which shares, chosen on the selection pictures only.

Uniform and greedy soups: Wortsman et al. 2022, section 2. Pruned: from the uniform soup, members leave as
long as it gets no worse. Learned: mixing shares by gradient descent (ibid., appendix I).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch.func import functional_call

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.heads import FocalLoss, LossSettings
from classifiers.soup.averaging import batch_norms
from classifiers.soup.kitchen import Kitchen, Metric, Score, score
from classifiers.soup.members import Member, Weights
from classifiers.soup.pictures import PictureSet

Method = Literal["uniform", "greedy", "pruned", "learned"]
METHODS: tuple[Method, ...] = ("uniform", "greedy", "pruned", "learned")
LEARNED_STEPS, LEARNED_RATE, LEARNED_BATCH = 60, 0.1, 128


@dataclass(frozen=True)
class Soup:
    """A cooked soup: its weights, whom it was made of and in which shares, and its score on selection.

    `steps` tells each decision on the way, `notes` what a person should know, in whole sentences.
    """

    method: str
    metric: Metric
    weights: Weights
    members: tuple[Member, ...]
    shares: tuple[float, ...]
    score: Score
    best: Member
    best_score: Score
    steps: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = field(default=())

    def ingredients(self) -> list[dict[str, Any]]:
        """What a model folder says of the members: digest, name and share."""
        return [
            {"sha256": m.sha256, "name": m.name, "share": s}
            for m, s in zip(self.members, self.shares, strict=True)
        ]


def cook(
    kitchen: Kitchen,
    selection: PictureSet,
    method: Method,
    *,
    metric: Metric = "macro_f1",
    seed: int = 0,
    progress: Progress = no_progress,
) -> Soup:
    """Cook the members of the kitchen's pot. Raises ClassifierError for a method there is not, or no member."""
    if method not in METHODS:
        raise ClassifierError(f"there is no soup called {method!r}; there are: {', '.join(METHODS)}")
    if not kitchen.pot.members or not len(selection):
        raise ClassifierError("a soup needs at least one member and pictures to select on")
    ranked = rank(kitchen, selection, metric, progress)
    best, best_score = ranked[0]
    ways: dict[Method, Callable[[], tuple[list[Member], list[float], list[dict[str, Any]]]]] = {
        "uniform": lambda: ([m for m, _ in ranked], [1.0] * len(ranked), []),
        "greedy": lambda: _greedy(kitchen, selection, metric, ranked, progress),
        "pruned": lambda: _pruned(kitchen, selection, metric, ranked, progress),
        "learned": lambda: _learned(kitchen, selection, ranked, seed, progress),
    }
    members, shares, steps = ways[method]()
    weights = kitchen.mix(members, shares)  # the very call that was tasted: no other rounding
    shares = [s / sum(shares) for s in shares]
    tasted = score(kitchen.run(weights, selection), selection)
    notes = _notes(kitchen, metric, ranked, method, members, tasted, steps)
    return Soup(
        method, metric, weights, tuple(members), tuple(shares), tasted, best, best_score, tuple(steps), notes
    )


def rank(
    kitchen: Kitchen, selection: PictureSet, metric: Metric, progress: Progress = no_progress
) -> list[tuple[Member, Score]]:
    """The members with their scores on selection, best first; ties go to the later epoch, then by digest."""
    scored = []
    for done, member in enumerate(kitchen.pot.members, start=1):
        scored.append((member, score(kitchen.member_logits(member, selection), selection)))
        progress("tasting members", done, len(kitchen.pot.members))
    return sorted(scored, key=lambda pair: (-pair[1].by(metric), -pair[0].epoch, pair[0].sha256))


def _greedy(
    kitchen: Kitchen,
    selection: PictureSet,
    metric: Metric,
    ranked: Sequence[tuple[Member, Score]],
    progress: Progress,
) -> tuple[list[Member], list[float], list[dict[str, Any]]]:
    """From the best member on, add the next one when the soup's score on selection gets no worse."""
    chosen, now = [ranked[0][0]], ranked[0][1].by(metric)
    steps: list[dict[str, Any]] = [{"member": chosen[0].name, "score": now, "kept": True, "tie": False}]
    for done, (member, _) in enumerate(ranked[1:], start=1):
        tasted = score(kitchen.run(kitchen.mix([*chosen, member]), selection), selection).by(metric)
        kept = tasted >= now
        steps.append({"member": member.name, "score": tasted, "kept": kept, "tie": tasted == now})
        if kept:
            chosen, now = [*chosen, member], tasted
        progress("greedy soup", done, len(ranked) - 1)
    return chosen, [1.0] * len(chosen), steps


def _pruned(
    kitchen: Kitchen,
    selection: PictureSet,
    metric: Metric,
    ranked: Sequence[tuple[Member, Score]],
    progress: Progress,
) -> tuple[list[Member], list[float], list[dict[str, Any]]]:
    """From all members on, leave out the worst first, each when the soup's score gets no worse; one pass."""
    chosen = [m for m, _ in ranked]
    now = score(kitchen.run(kitchen.mix(chosen), selection), selection).by(metric)
    steps: list[dict[str, Any]] = [{"member": "all", "score": now, "kept": True, "tie": False}]
    for done, (member, _) in enumerate(reversed(ranked), start=1):
        rest = [m for m in chosen if m is not member]
        if not rest:
            break
        tasted = score(kitchen.run(kitchen.mix(rest), selection), selection).by(metric)
        left_out = tasted >= now
        steps.append({"member": member.name, "score": tasted, "kept": not left_out, "tie": tasted == now})
        if left_out:
            chosen, now = rest, tasted
        progress("pruned soup", done, len(ranked))
    return chosen, [1.0] * len(chosen), steps


def _learned(
    kitchen: Kitchen,
    selection: PictureSet,
    ranked: Sequence[tuple[Member, Score]],
    seed: int,
    progress: Progress,
) -> tuple[list[Member], list[float], list[dict[str, Any]]]:
    """Shares α = softmax(a) of all members by Adam on the cross-entropy of the selection pictures.

    Batch norm uses the batch's own statistics on the way, since those of the mix are not known before it
    is made. All weights are held at once.
    """
    members = [m for m, _ in ranked]
    network, size = kitchen.network, kitchen.pot.size
    stacks = {k: torch.stack([kitchen.weights(m)[k] for m in members]) for k, _ in network.named_parameters()}
    network.load_state_dict(kitchen.weights(members[0]))
    buffers = {k: v.clone() for k, v in network.state_dict().items() if k not in stacks}
    a = torch.zeros(len(members), requires_grad=True)
    optimiser = torch.optim.Adam([a], lr=LEARNED_RATE)
    loss_of = FocalLoss(selection.properties, LossSettings(gamma=0.0, balance=0.0))
    generator = torch.Generator().manual_seed(seed)
    steps: list[dict[str, Any]] = []
    network.eval()
    for layer in batch_norms(network):
        layer.train()
    for step in range(LEARNED_STEPS):
        rows = torch.randperm(len(selection), generator=generator)[:LEARNED_BATCH]
        shares = torch.softmax(a, dim=0)
        mixed = {k: torch.tensordot(shares, s, dims=1) for k, s in stacks.items()}
        pixels = selection.subset(rows.numpy()).pixels.float() / 255.0
        margin = (selection.side - size) // 2
        pixels = pixels[:, :, margin : margin + size, margin : margin + size]
        logits = functional_call(network, {**mixed, **{k: v.clone() for k, v in buffers.items()}}, (pixels,))[
            0
        ]
        loss = loss_of(logits.float(), selection.target[rows], selection.named[rows])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        if step % 10 == 0:
            steps.append({"step": step, "loss": float(loss.detach())})
        progress("learned soup", step + 1, LEARNED_STEPS)
    network.eval()
    return members, [float(s) for s in torch.softmax(a.detach().double(), dim=0)], steps


def _notes(
    kitchen: Kitchen,
    metric: Metric,
    ranked: Sequence[tuple[Member, Score]],
    method: Method,
    members: Sequence[Member],
    tasted: Score,
    steps: Sequence[dict[str, Any]],
) -> tuple[str, ...]:
    best, top = ranked[0]
    notes = [
        f"{name} has the very weights of {other} and counts once." for name, other in kitchen.pot.duplicates
    ]
    if len(members) == 1:
        notes.append(
            f"A soup of one: {members[0].name} alone, batch norm and all. "
            + (
                "There was only one member."
                if len(ranked) == 1
                else "No mixture was better on the selection pictures."
            )
        )
    ties = sum(1 for step in steps if step.get("tie"))
    if ties:
        notes.append(f"{ties} of {len(steps)} decisions were ties; a tie counts as no worse.")
    tied = sum(1 for _, s in ranked[1:] if s.by(metric) == top.by(metric))
    if tied:
        notes.append(f"{tied} more members score the same as the best; {best.name} is the latest of them.")
    notes += _collapse(kitchen, metric, ranked, members, tasted)
    if len(members) > 1 and tasted.by(metric) < top.by(metric) and not any("collapsed" in n for n in notes):
        notes.append(
            f"The {method} soup is below its best member on the selection pictures "
            f"({metric} {abs(tasted.by(metric)):.4f} against {abs(top.by(metric)):.4f})."
        )
    return tuple(notes)


def _collapse(
    kitchen: Kitchen,
    metric: Metric,
    ranked: Sequence[tuple[Member, Score]],
    members: Sequence[Member],
    tasted: Score,
) -> list[str]:
    """Why a mixture is worse than every one of its members, as far as the members tell."""
    inside = [s for m, s in ranked if m in members]
    worst = min(s.by(metric) for s in inside)
    if len(members) < 2 or tasted.by(metric) >= worst:
        return []
    runs = sorted({m.trajectory for m in members})
    said = f"The soup collapsed: {metric} {abs(tasted.by(metric)):.4f} is worse than its worst member's {abs(worst):.4f}."
    if len(runs) > 1 and kitchen.pot.settings.weights == "none":
        return [
            f"{said} Its members come from {len(runs)} trainings that each began from random weights, which end "
            "in basins of their own: the loss between them is high. Cook each trajectory by itself, or begin "
            "all from the same pretrained weights."
        ]
    rates = {t.settings.training.learning_rate for t in kitchen.pot.trajectories}
    if len(rates) > 1:
        return [f"{said} Its members were trained with learning rates from {min(rates):g} to {max(rates):g}."]
    spread = [m.epoch for m in members]
    return [
        f"{said} Its members come from the epochs {min(spread)} to {max(spread)} of one training: the early ones lie "
        "far from the late ones. The greedy or the pruned soup leaves them out."
    ]
