"""What an answer costs: processor time and operations of one member, of a soup, and of the vote, on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from classifiers.neural.networks import parameter_count
from classifiers.soup.evaluation import Kitchen
from classifiers.soup.pictures import PictureSet
from classifiers.soup.pool import Weights
from classifiers.soup.trajectory import run

ROUNDS, PICTURES = 15, 64


def inference_cost(
    kitchen: Kitchen,
    pictures: PictureSet,
    *,
    member: Weights,
    soup: Weights,
    voters: Iterable[Weights],
    rounds: int = ROUNDS,
    most: int = PICTURES,
) -> dict[str, float]:
    """Milliseconds of processor time and floating-point operations per picture, and ratios to one member.

    Soup and voters each take turns with the member, so that a busy machine is as bad for both. The soup's
    ratio is the median over the rounds, the vote's is the sum over the voters. Loading weights is not
    counted: a voter of a real vote stays in memory. Operations (`flops`) are those of convolutions and
    products of matrices, counted as they run, and do not depend on the machine.
    """
    some = pictures.subset(np.arange(min(most, len(pictures))))

    def timed(weights: Weights) -> float:
        kitchen.network.load_state_dict(weights)
        began = time.process_time()
        run(kitchen.network, some, kitchen.pot.size, batch=16)
        return time.process_time() - began

    timed(member), timed(soup)
    turns = [_turn(r, lambda: timed(member), lambda: timed(soup)) for r in range(rounds)]
    alone = float(np.median([a for a, _ in turns]))
    ballots, vote_flops = [], 0.0
    for r, weights in enumerate(voters):
        ballots.append(_turn(r, lambda: timed(member), lambda w=weights: timed(w)))  # type: ignore[misc]
        vote_flops += operations(kitchen, some, weights)
    vote_ratio = len(ballots) * sum(b for _, b in ballots) / sum(a for a, _ in ballots)
    per_picture = 1000.0 / len(some)
    return {
        "parameters": parameter_count(kitchen.network),
        "member_ms": alone * per_picture,
        "soup_ms": float(np.median([b for _, b in turns])) * per_picture,
        "vote_ms": sum(b for _, b in ballots) * per_picture,
        "soup_ratio": float(np.median([b / a for a, b in turns])),
        "vote_ratio": vote_ratio,
        "member_flops": operations(kitchen, some, member),
        "soup_flops": operations(kitchen, some, soup),
        "vote_flops": vote_flops,
        "voters": len(ballots),
    }


def operations(kitchen: Kitchen, pictures: PictureSet, weights: Weights) -> float:
    """Floating-point operations per picture by these weights; a multiplication and its addition are two."""
    kitchen.network.load_state_dict(weights)
    with FlopCounterMode(display=False) as counter:
        run(kitchen.network, pictures.subset(np.arange(1)), kitchen.pot.size)
    return float(counter.get_total_flops())


def _turn(number: int, one: Callable[[], float], other: Callable[[], float]) -> tuple[float, float]:
    """Both results; every second time the other goes first."""
    if number % 2:
        return one(), other()
    second = other()
    return one(), second
