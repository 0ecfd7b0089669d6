"""Cooks a soup: which members are averaged, in which shares, chosen on the selection pictures only.

Uniform and greedy soups: Wortsman et al. 2022, section 2. Pruned: from the uniform soup, members leave as
long as it gets no worse. Window: the last checkpoints, as many as score best (Izmailov et al. 2018; Kaddour
2022). Learned: mixing shares by gradient descent (Wortsman et al., appendix I).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor
from torch.func import functional_call

from classifiers.base import ClassifierError, Progress, no_progress
from classifiers.neural.heads import FocalLoss, LossSettings
from classifiers.soup.averaging import batch_norms
from classifiers.soup.evaluation import Kitchen, Metric, Score, score
from classifiers.soup.pictures import PictureSet
from classifiers.soup.pool import Member, Pot, Weights

Method = Literal["uniform", "greedy", "pruned", "window", "learned"]
METHODS: tuple[Method, ...] = ("uniform", "greedy", "pruned", "window", "learned")
WINDOWS = tuple(sorted({1, *(2**i for i in range(1, 12)), *(3 * 2**i for i in range(12))}))
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
        "window": lambda: _window(kitchen, selection, metric, ranked, progress),
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


def windows(pot: Pot) -> list[tuple[str, list[Member]]]:
    """The last k checkpoints of each training, and the ends of its last k cycles under restarts; with names.

    k is 1, 2, 3, 4, 6, 8, 12 and so on, and all there are: few, since many would fit the selection pictures
    by luck. Each set once, the shorter ones first.
    """
    ends = [m for m in pot.members if _ends_a_cycle(pot, m)]
    found: dict[frozenset[str], tuple[str, list[Member]]] = {}
    for name, members in (("last {}", list(pot.members)), ("ends of the last {} cycles", ends)):
        runs: dict[str, list[Member]] = {}
        for member in sorted(members, key=lambda m: m.epoch):
            runs.setdefault(member.trajectory, []).append(member)
        longest = max(map(len, runs.values()), default=0)
        for k in [*(s for s in WINDOWS if s < longest), *([longest] if longest else [])]:
            chosen = [m for run in runs.values() for m in run[-k:]]
            found.setdefault(frozenset(m.sha256 for m in chosen), (name.format(k), chosen))
    return list(found.values())


def _ends_a_cycle(pot: Pot, member: Member) -> bool:
    """Whether the learning rate was at its lowest after this epoch, just before a restart."""
    (said,) = [t.settings.training for t in pot.trajectories if t.name == member.trajectory][:1]
    return said.schedule == "restarts" and not said.warmup and (member.epoch + 1) % said.restart_every == 0


def _window(
    kitchen: Kitchen,
    selection: PictureSet,
    metric: Metric,
    ranked: Sequence[tuple[Member, Score]],
    progress: Progress,
) -> tuple[list[Member], list[float], list[dict[str, Any]]]:
    """The best of the windows, or the best member alone where each is worse; of equals the later in the list."""
    chosen, now = [ranked[0][0]], ranked[0][1].by(metric)
    steps: list[dict[str, Any]] = [{"member": chosen[0].name, "score": now, "kept": True, "tie": False}]
    tried = [(name, members) for name, members in windows(kitchen.pot) if members != chosen]
    for done, (name, members) in enumerate(tried, start=1):
        tasted = score(kitchen.run(kitchen.mix(members), selection), selection).by(metric)
        kept = tasted >= now
        steps.append({"member": name, "score": tasted, "kept": kept, "tie": tasted == now})
        if kept:
            chosen, now = members, tasted
        progress("windows", done, len(tried))
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
    is made. The slope of the loss along a share is that along the weights times the member's weights, so the
    members are read one after another, twice a step, and never held together (but see kitchen.KEPT).
    """
    members = [m for m, _ in ranked]
    network, size = kitchen.network, kitchen.pot.size
    device = next(network.parameters()).device
    learned = [k for k, _ in network.named_parameters()]
    network.load_state_dict(kitchen.weights(members[0]))
    buffers = {k: v.clone() for k, v in network.state_dict().items() if k not in learned}
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
        mixed = _mixture(kitchen, members, shares.detach(), learned)
        pixels = selection.subset(rows.numpy()).pixels.float() / 255.0
        margin = (selection.side - size) // 2
        pixels = pixels[:, :, margin : margin + size, margin : margin + size]
        state = {k: v.to(device) for k, v in mixed.items()} | {k: v.clone() for k, v in buffers.items()}
        logits = functional_call(network, state, (pixels.to(device),))[0].float().cpu()
        loss = loss_of(logits, selection.target[rows], selection.named[rows])
        slopes = torch.autograd.grad(loss, [mixed[k] for k in learned])
        optimiser.zero_grad()
        shares.backward(_along(kitchen, members, learned, slopes))  # type: ignore[no-untyped-call]
        optimiser.step()
        if step % 10 == 0:
            steps.append({"step": step, "loss": float(loss.detach())})
        progress("learned soup", step + 1, LEARNED_STEPS)
    network.eval()
    return members, [float(s) for s in torch.softmax(a.detach().double(), dim=0)], steps


def _mixture(
    kitchen: Kitchen, members: Sequence[Member], shares: Tensor, names: Sequence[str]
) -> dict[str, Tensor]:
    """The members' weights of these names in these shares, as leaves that gradients are asked of."""
    mixed: dict[str, Tensor] = {}
    for member, share in zip(members, shares.tolist(), strict=True):
        weights = kitchen.weights(member)
        for name in names:
            part = weights[name] * share
            mixed[name] = mixed[name].add_(part) if name in mixed else part
    return {name: tensor.requires_grad_() for name, tensor in mixed.items()}


def _along(
    kitchen: Kitchen, members: Sequence[Member], names: Sequence[str], slopes: Sequence[Tensor]
) -> Tensor:
    """The slope of the loss along each member's share, from its slopes along the weights of these names."""
    found = []
    for weights in map(kitchen.weights, members):
        parts = [torch.sum(slope * weights[k]) for k, slope in zip(names, slopes, strict=True)]
        found.append(torch.stack(parts).sum())
    return torch.stack(found)


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
