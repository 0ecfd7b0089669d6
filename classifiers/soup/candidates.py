"""What is compared: the best member, every soup and the vote of one pot, with their answers on held-out pictures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError, FloatArray, Progress, no_progress
from classifiers.data import Property
from classifiers.neural import heads as head
from classifiers.soup.evaluation import Kitchen, Metric, log_odds, probabilities, score
from classifiers.soup.pictures import PictureSet
from classifiers.soup.pool import Member, Weights
from classifiers.soup.selection import METHODS, Method, Soup, cook, rank

BEST, VOTE = "best member", "vote"


@dataclass(frozen=True)
class Dish:
    """One way to answer with a pot: probabilities (n, ΣK) on selection and scoring pictures, and their scores.

    `weights` is None for the vote, which needs `inferences` networks.
    """

    name: str
    members: tuple[Member, ...]
    weights: Weights | None
    inferences: int
    selection: FloatArray
    scoring: FloatArray
    on_selection: dict[str, float]
    on_scoring: dict[str, float]
    notes: tuple[str, ...] = ()
    soup: Soup | None = None


@dataclass(frozen=True)
class Table:
    """The pictures that choose and those that judge; no picture is in both."""

    learn: PictureSet
    selection: PictureSet
    scoring: PictureSet

    def __post_init__(self) -> None:
        if set(self.selection.names) & set(self.scoring.names):
            raise ClassifierError(
                "a picture is among those that select and those that score; keep them apart"
            )

    @classmethod
    def apart(cls, learn: PictureSet, selection: PictureSet, scoring: PictureSet) -> Table:
        """The same three, less the selecting pictures that are learned from, and the scoring ones in either.

        Museums show one picture with several records: a file counts as the same by its SHA-256.
        """
        selection = selection.without(learn.digests)
        return cls(learn, selection, scoring.without((*learn.digests, *selection.digests)))


def dishes(
    kitchen: Kitchen,
    table: Table,
    *,
    metric: Metric = "macro_f1",
    methods: Sequence[Method] = METHODS,
    seed: int = 0,
    progress: Progress = no_progress,
) -> list[Dish]:
    """The best member, a soup by each method, and the vote of all members, in this order."""
    best = rank(kitchen, table.selection, metric, progress)[0][0]
    made = [_of_weights(kitchen, table, BEST, (best,), kitchen.weights(best))]
    for method in methods:
        soup = cook(kitchen, table.selection, method, metric=metric, seed=seed, progress=progress)
        made.append(_of_weights(kitchen, table, method, soup.members, soup.weights, soup))
    members = kitchen.pot.members
    votes = [kitchen.vote(members, pictures) for pictures in (table.selection, table.scoring)]
    made.append(
        Dish(
            VOTE,
            members,
            None,
            len(members),
            votes[0],
            votes[1],
            score(log_odds(votes[0], table.selection), table.selection).json(),
            score(log_odds(votes[1], table.scoring), table.scoring).json(),
        )
    )
    return made


def _of_weights(
    kitchen: Kitchen,
    table: Table,
    name: str,
    members: tuple[Member, ...],
    weights: Weights,
    soup: Soup | None = None,
) -> Dish:
    logits = [kitchen.run(weights, pictures) for pictures in (table.selection, table.scoring)]
    return Dish(
        name,
        members,
        weights,
        1,
        probabilities(logits[0], table.selection),
        probabilities(logits[1], table.scoring),
        score(logits[0], table.selection).json(),
        score(logits[1], table.scoring).json(),
        soup.notes if soup is not None else (),
        soup,
    )


@dataclass(frozen=True)
class Lens:
    """One property of a picture set: its columns, the pictures that name it, and their true classes (n,)."""

    prop: Property
    columns: slice
    rows: NDArray[np.bool_]
    truth: NDArray[np.intp]

    @classmethod
    def of(cls, pictures: PictureSet, name: str | None = None) -> Lens:
        """The property of this name, the first without one. ClassifierError when it may have several values."""
        for p, (prop, columns) in enumerate(
            zip(pictures.properties, head.slices(pictures.properties), strict=True)
        ):
            if name in (None, prop.name):
                if prop.many:
                    raise ClassifierError(f"{prop.name} may have several values; choose a property with one")
                rows: NDArray[np.bool_] = pictures.named[:, p].numpy()
                truth = pictures.target[:, columns].numpy()[rows].argmax(axis=1)
                return cls(prop, columns, rows, truth)
        raise ClassifierError(f"there is no property {name!r} among those of the trajectory")

    def see(self, p: FloatArray) -> FloatArray:
        """The property's part (n', K) of probabilities (n, ΣK)."""
        found: FloatArray = p[self.rows][:, self.columns]
        return found
