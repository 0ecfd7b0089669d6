"""What an answer costs: processor time and operations of one member, of a soup, and of the vote, on the same pictures."""

import time
from collections.abc import Iterable, Sequence

import numpy as np
from torch.utils.flop_counter import FlopCounterMode

from enrich.classifiers.neural.networks import parameter_count
from enrich.classifiers.soup.candidates import BEST, VOTE, Candidate
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet
from enrich.classifiers.soup.pool import Weights
from enrich.classifiers.soup.trajectory import run

ROUNDS, PICTURES = 15, 64


def cost_of(evaluator: Evaluator, pictures: PictureSet, made: Sequence[Candidate]) -> dict[str, float]:
    """The cost of the best member, of the soup with the most members, and of the vote."""
    by_name = {c.name: c for c in made}
    soups = [c for c in made if c.soup is not None] or [by_name[BEST]]
    return inference_cost(
        evaluator,
        pictures,
        member=by_name[BEST].weights or {},
        soup=max(soups, key=lambda c: len(c.members)).weights or {},
        voters=map(evaluator.weights, by_name[VOTE].members),
    )


def inference_cost(
    evaluator: Evaluator,
    pictures: PictureSet,
    *,
    member: Weights,
    soup: Weights,
    voters: Iterable[Weights],
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Milliseconds of processor time and floating-point operations per picture, and ratios to one member.

    Soup and voters each take turns with the member, so that a busy machine is as bad for both. The soup's
    ratio is the median over the rounds, the vote's is the sum over the voters. Loading weights is not
    counted: a voter of a real vote stays in memory. Operations (`flops`) are those of convolutions and
    products of matrices, counted as they run, and do not depend on the machine.
    """
    some = pictures.subset(np.arange(min(PICTURES, len(pictures))))

    def seconds(weights: Weights) -> float:
        evaluator.network.load_state_dict(weights)
        began = time.process_time()
        run(evaluator.network, some, evaluator.pool.size, batch=16)
        return time.process_time() - began

    def turn(number: int, other: Weights) -> tuple[float, float]:
        """The member's time and the other's, who goes first every second time."""
        if number % 2:
            return seconds(member), seconds(other)
        second = seconds(other)
        return seconds(member), second

    seconds(member), seconds(soup)
    turns = [turn(r, soup) for r in range(rounds)]
    ballots, vote_flops = [], 0.0
    for r, weights in enumerate(voters):
        ballots.append(turn(r, weights))
        vote_flops += operations(evaluator, some, weights)
    vote = sum(b for _, b in ballots)
    per_picture = 1000.0 / len(some)
    return {
        "parameters": parameter_count(evaluator.network),
        "member_ms": float(np.median([a for a, _ in turns])) * per_picture,
        "soup_ms": float(np.median([b for _, b in turns])) * per_picture,
        "vote_ms": vote * per_picture,
        "soup_ratio": float(np.median([b / a for a, b in turns])),
        "vote_ratio": len(ballots) * vote / sum(a for a, _ in ballots),
        "member_flops": operations(evaluator, some, member),
        "soup_flops": operations(evaluator, some, soup),
        "vote_flops": vote_flops,
        "voters": len(ballots),
    }


def operations(evaluator: Evaluator, pictures: PictureSet, weights: Weights) -> float:
    """Floating-point operations per picture by these weights; a multiplication and its addition are two."""
    evaluator.network.load_state_dict(weights)
    with FlopCounterMode(display=False) as counter:
        run(evaluator.network, pictures.subset(np.arange(1)), evaluator.pool.size)
    return float(counter.get_total_flops())
