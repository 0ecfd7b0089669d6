"""What an answer costs: processor time of one member, of a soup, and of the vote, on the same pictures."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

import numpy as np

from classifiers.networks import parameter_count
from classifiers.soup.kitchen import Kitchen
from classifiers.soup.members import Weights
from classifiers.soup.pictures import PictureSet
from classifiers.soup.trajectory import run

ROUNDS, PICTURES = 15, 64


def inference_cost(
    kitchen: Kitchen,
    pictures: PictureSet,
    *,
    member: Weights,
    soup: Weights,
    voters: Sequence[Weights],
    rounds: int = ROUNDS,
    most: int = PICTURES,
) -> dict[str, float]:
    """Milliseconds of processor time per picture, and ratios to one member.

    Member and soup take turns, so that a busy machine is as bad for both; the ratios are medians over the
    rounds. Loading weights is not counted: a voter of a real vote stays in memory.
    """
    some = pictures.subset(np.arange(min(most, len(pictures))))
    size = kitchen.pot.size

    def timed(weights: Weights) -> Callable[[], float]:
        def once() -> float:
            kitchen.network.load_state_dict(weights)
            began = time.process_time()
            run(kitchen.network, some, size, batch=16)
            return time.process_time() - began

        return once

    one, mixed = timed(member), timed(soup)
    one(), mixed()
    turns = [(one(), mixed()) if r % 2 else (mixed(), one())[::-1] for r in range(rounds)]
    alone = float(np.median([a for a, _ in turns]))
    all_voters = sum(timed(weights)() for weights in voters)
    per_picture = 1000.0 / len(some)
    return {
        "parameters": parameter_count(kitchen.network),
        "member_ms": alone * per_picture,
        "soup_ms": float(np.median([b for _, b in turns])) * per_picture,
        "vote_ms": all_voters * per_picture,
        "soup_ratio": float(np.median([b / a for a, b in turns])),
        "vote_ratio": all_voters / alone,
        "voters": len(voters),
    }
