"""What is compared: the best member, every soup and the vote of one pool, with their answers on held-out pictures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from torch import Tensor

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.soup.averaging import batch_norms
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet, PictureSplit
from enrich.classifiers.soup.pool import Member, Weights
from enrich.classifiers.soup.scores import Metric, probabilities, score
from enrich.classifiers.soup.selection import METHODS, Method, Soup, make_soup, rank

BEST, RENEWED, VOTE = "best member", "best member, renewed", "vote"


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
    progress: Progress = no_progress,
) -> list[Candidate]:
    """The best member, a soup by each method, and the vote of all members, in this order.

    A network with batch norm also has the best member with statistics taken anew, as every soup's are: what a soup has
    over that, it has by averaging.
    """
    best = rank(evaluator, split.selection, metric, progress)[0][0]
    weights = evaluator.weights(best)
    made = [_candidate(BEST, split, (best,), partial(evaluator.run, weights), weights)]
    if batch_norms(evaluator.network):
        weights = evaluator.renewed(weights)
        made.append(_candidate(RENEWED, split, (best,), partial(evaluator.run, weights), weights))
    for method in methods:
        soup = make_soup(evaluator, split.selection, method, metric=metric, progress=progress)
        answer = partial(evaluator.run, soup.weights)
        made.append(_candidate(method, split, soup.members, answer, soup.weights, soup))
    return [*made, _candidate(VOTE, split, evaluator.pool.members, evaluator.vote)]


def _candidate(
    name: str,
    split: PictureSplit,
    members: tuple[Member, ...],
    answer: Callable[[PictureSet], Tensor],
    weights: Weights | None = None,
    soup: Soup | None = None,
) -> Candidate:
    asked = [(answer(pictures), pictures) for pictures in (split.selection, split.scoring)]
    p, scores = [probabilities(*one) for one in asked], [score(*one).json() for one in asked]
    return Candidate(name, members, weights, p[0], p[1], scores[0], scores[1], soup)
