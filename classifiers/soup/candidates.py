"""What is compared: the best member, every soup and the vote of one pool, with their answers on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from classifiers.base import FloatArray, Progress, no_progress
from classifiers.soup.evaluation import Evaluator
from classifiers.soup.pictures import PictureSplit
from classifiers.soup.pool import Member, Weights
from classifiers.soup.scores import Metric, log_odds, probabilities, score
from classifiers.soup.selection import METHODS, Method, Soup, make_soup, rank

BEST, VOTE = "best member", "vote"


@dataclass(frozen=True)
class Candidate:
    """One way to answer with a pool: probabilities (n, ΣK) on selection and scoring pictures, and their scores.

    `weights` is None for the vote, which needs a network per member.
    """

    name: str
    members: tuple[Member, ...]
    weights: Weights | None
    selection: FloatArray
    scoring: FloatArray
    on_selection: dict[str, float]
    on_scoring: dict[str, float]
    soup: Soup | None = None

    @property
    def inferences(self) -> int:
        """Networks that run for one answer."""
        return 1 if self.weights is not None else len(self.members)

    @property
    def notes(self) -> tuple[str, ...]:
        """What a person should know of it."""
        return self.soup.notes if self.soup is not None else ()


def candidates(
    evaluator: Evaluator,
    split: PictureSplit,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Candidate]:
    """The best member, a soup by each method, and the vote of all members, in this order."""
    best = rank(evaluator, split.selection, metric, progress)[0][0]
    made = [_of_weights(evaluator, split, BEST, (best,), evaluator.weights(best))]
    for method in methods:
        soup = make_soup(evaluator, split.selection, method, metric=metric, seed=seed, progress=progress)
        made.append(_of_weights(evaluator, split, method, soup.members, soup.weights, soup))
    return [*made, _vote(evaluator, split)]


def _vote(evaluator: Evaluator, split: PictureSplit) -> Candidate:
    members, parts = evaluator.pool.members, (split.selection, split.scoring)
    p = [evaluator.vote(members, pictures) for pictures in parts]
    scores = [score(log_odds(q, pictures), pictures).json() for q, pictures in zip(p, parts, strict=True)]
    return Candidate(VOTE, members, None, p[0], p[1], scores[0], scores[1])


def _of_weights(
    evaluator: Evaluator,
    split: PictureSplit,
    name: str,
    members: tuple[Member, ...],
    weights: Weights,
    soup: Soup | None = None,
) -> Candidate:
    parts = (split.selection, split.scoring)
    logits = [evaluator.run(weights, pictures) for pictures in parts]
    p = [probabilities(found, pictures) for found, pictures in zip(logits, parts, strict=True)]
    scores = [score(found, pictures).json() for found, pictures in zip(logits, parts, strict=True)]
    return Candidate(name, members, weights, p[0], p[1], scores[0], scores[1], soup)
