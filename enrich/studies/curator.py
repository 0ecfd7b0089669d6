"""A simulated curator, who knows the values that were hidden: judges what a model proposes, in one of four orders."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import Classifier
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.runs.observed import band

Place = tuple[int, str]
"""A record's row and a property."""
ALIKE = 3
"""Of one property, value and museum so many are looked at before others are."""
DOZEN = 12
"""Of a group so many are looked at; where none of them is wrong the rest is accepted unseen."""


@dataclass(frozen=True)
class Cards:
    """What a model proposes for each open gap: the place, the column of the value (n,), its confidence (n,), how far it
    is ahead of the next (n,), and what is alike: property, value and museum (n,)."""

    places: Sequence[Place]
    values: Rows
    confidence: FloatArray
    margin: FloatArray
    alike: NDArray[np.object_]

    def __len__(self) -> int:
        return len(self.places)


Chosen = tuple[list[int], list[int]]
"""The cards that are looked at, and those accepted with their group without a look."""
Judge = Callable[[int], bool]
Order = Callable[[Cards, int, np.random.Generator, Judge], Chosen]


def at_random(cards: Cards, count: int, rng: np.random.Generator, _right: Judge) -> Chosen:
    """As they come."""
    return rng.permutation(len(cards))[:count].tolist(), []


def by_margin(cards: Cards, count: int, _rng: np.random.Generator, _right: Judge) -> Chosen:
    """The least decided first (Scheffer et al. 2001)."""
    return np.argsort(cards.margin, kind="stable")[:count].tolist(), []


def with_diversity(cards: Cards, count: int, _rng: np.random.Generator, _right: Judge) -> Chosen:
    """The least decided first, a few alike at a time."""
    order = np.argsort(cards.margin, kind="stable")
    seen: dict[Any, int] = {}
    turn = np.zeros(len(cards), dtype=np.intp)
    for i in order:
        seen[cards.alike[i]] = seen.get(cards.alike[i], 0) + 1
        turn[i] = (seen[cards.alike[i]] - 1) // ALIKE
    return np.lexsort((cards.margin, turn))[:count].tolist(), []


def in_groups(cards: Cards, count: int, rng: np.random.Generator, right: Judge) -> Chosen:
    """The surest and then the largest group of what is alike first, those of more than a dozen before others: a dozen of
    it, and the rest unseen where all of those were right."""
    groups: dict[Any, list[int]] = {}
    for i, confidence in enumerate(cards.confidence):
        groups.setdefault((cards.alike[i], band(confidence)), []).append(i)
    looked: list[int] = []
    unseen: list[int] = []
    for _, members in sorted(
        groups.items(), key=lambda g: (len(g[1]) > DOZEN, g[0][1], len(g[1])), reverse=True
    ):
        if len(looked) >= count:
            break
        drawn = rng.permutation(members).tolist()
        sample = drawn[: min(DOZEN, count - len(looked))]
        looked += sample
        if len(sample) == DOZEN and all(map(right, sample)):
            unseen += drawn[DOZEN:]
    return looked, unseen


ORDERS: Mapping[str, Order] = {
    "random": at_random,
    "margin": by_margin,
    "margin, diverse": with_diversity,
    "groups": in_groups,
}


@dataclass
class Curator:
    """Judges proposals by `truth`, the hidden values by place. Of what is wrong a share `corrects` is put right, the rest
    turned down. `taught` and `refused` are what came of it; `wrong` counts values accepted unseen that are not true."""

    records: Sequence[Record]
    properties: tuple[Property, ...]
    truth: Mapping[Place, tuple[str, ...]]
    corrects: float
    rng: np.random.Generator
    museum: str = ""
    taught: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    refused: dict[Place, tuple[str, ...]] = field(default_factory=dict)
    reviews: int = 0
    unseen: int = 0
    wrong: int = 0

    def dataset(self) -> Dataset:
        """The records with what was judged so far."""
        taught: dict[int, dict[str, tuple[str, ...]]] = {}
        refused: dict[int, dict[str, tuple[str, ...]]] = {}
        for found, said in ((self.taught, taught), (self.refused, refused)):
            for (row, name), values in found.items():
                said.setdefault(row, {})[name] = values
        records = [
            replace(r, taught=taught.get(i, {}), refused=refused.get(i, {})) if i in taught or i in refused else r
            for i, r in enumerate(self.records)
        ]  # fmt: skip
        return Dataset(records, self.properties)

    def review(self, classifier: Classifier, order: Order, count: int) -> None:
        """Look at so many of what a classifier proposes for the gaps that are open."""
        cards = self.cards(classifier)

        def right(i: int) -> bool:
            return self._value(cards, i) in self.truth[cards.places[i]]

        looked, unseen = order(cards, count, self.rng, right)
        for i in looked:
            self._judge(cards.places[i], self._value(cards, i))
        for i in unseen:
            self.taught[cards.places[i]] = (self._value(cards, i),)
            self.wrong += not right(i)
        self.unseen += len(unseen)

    def cards(self, classifier: Classifier) -> Cards:
        """The best candidate of each open gap that was not turned down there."""
        rows = sorted({row for row, _ in self.truth})
        asked = [self.records[row] for row in rows]
        at = {row: i for i, row in enumerate(rows)}
        said = classifier.predict(asked)
        places, values, sure, margin, alike = [], [], [], [], []
        for prop in self.properties:
            index = prop.index()
            for row, name in self.truth:
                if name != prop.name or (row, name) in self.taught or not said[name].present[at[row]]:
                    continue
                p = said[name].probabilities[at[row]].copy()
                p[[index[v] for v in self.refused.get((row, name), ())]] = -1.0
                first, *rest = np.argsort(-p, kind="stable")
                if p[first] < 0:
                    continue
                places.append((row, name))
                values.append(int(first))
                sure.append(float(p[first]))
                margin.append(
                    abs(2 * p[first] - 1)
                    if prop.many
                    else float(p[first] - max(p[rest[0]], 0.0) if rest else 1.0)
                )
                alike.append((name, int(first), self.records[row].context.get(self.museum, ())))
        kinds = np.empty(len(alike), dtype=object)
        kinds[:] = alike
        return Cards(places, np.array(values, dtype=np.intp), np.array(sure), np.array(margin), kinds)

    def _value(self, cards: Cards, i: int) -> str:
        name = cards.places[i][1]
        classes = next(p.classes for p in self.properties if p.name == name)
        return classes[int(cards.values[i])]

    def _judge(self, place: Place, value: str) -> None:
        self.reviews += 1
        if value in self.truth[place]:
            self.taught[place] = (value,)
            return
        self.refused[place] = (*self.refused.get(place, ()), value)
        if self.rng.random() < self.corrects:
            self.taught[place] = (self.truth[place][0],)
