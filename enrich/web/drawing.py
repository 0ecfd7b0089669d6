"""Which cards a curator is given: some at random, which measure; the rest those that teach; some of colleagues' again."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace

from enrich.web.agreement import known_truth
from enrich.web.desk import Card, Desk
from enrich.web.index.asked import PENDING, Filters, Row
from enrich.web.index.index import Index
from enrich.web.who import User

AT_RANDOM = 0.2
"""Share of the cards that are drawn at random within property and band."""
A_SECOND_TIME = 0.1
"""Share of the cards at most that a colleague judged before; which those are, `is_for_two` says."""
CONTROLS = 1 / 40
"""Share of the cards that are controls, where there are any."""
STRATA = ("property", "band")
"""Within these chance draws; who chooses one of them still leaves it to chance within."""
ALIKE, AMONG = 3, 20
"""Of a curator's last cards, how many may be alike."""
LOOKED_AT = 200
"""The most uncertain answers, so many at once; of the first of them one unlike the last cards is sought."""
TRIES = 20


class Drawing:
    """Draws cards for one curator among the pending answers that fit some filters."""

    def __init__(self, index: Index, desk: Desk, user: User, filters: Filters, language: str) -> None:
        self.index, self.desk, self.user, self.language = index, desk, user, language
        self.chance = random.SystemRandom()
        by_name = sorted((name, sorted(values)) for name, values in filters.chosen.items())
        self.asked = json.dumps([by_name, filters.text])
        """The filters as a card keeps them."""
        chosen = {**filters.chosen, "state": (PENDING,), "outcome": ("Predicted",)}
        self.filters = replace(filters, chosen=chosen)
        self.narrowed = bool(filters.text) or not set(filters.chosen) <= {*STRATA, "state", "outcome"}
        """Whether more than a stratum was chosen, so that chance would draw from a part that measures nothing."""

    def give(self, count: int) -> list[Card]:
        """So many new cards, or as many as there are."""
        taken = self.desk.taken()
        alike = Counter(_kind(card) for card in self.desk.last(self.user.name, AMONG))
        uncertain = self._uncertain(taken, alike)
        given: list[Card] = []
        while len(given) < count:
            wanted = self._second() or self._control() or self._at_random(taken) or next(uncertain, None)
            if wanted is None:
                break
            taken.add(wanted.prediction)
            alike[_kind(wanted)] += 1
            if (card := self.desk.give(self.user.name, wanted)) is not None:
                given.append(card)
        return given

    def _second(self) -> Card | None:
        """Now and then what a colleague judged: the curator does not see that it was."""
        if self.narrowed or self.chance.random() >= A_SECOND_TIME:
            return None
        return self._again("Second", self.desk.for_a_second(self.user.name))

    def _control(self) -> Card | None:
        """Now and then what two colleagues judged alike: the curator does not see that it was."""
        if self.narrowed or self.chance.random() >= CONTROLS:
            return None
        twice = self.desk.judged_by_two(self.user.name)
        known = (card for card in twice if known_truth(self.desk.decided(card.prediction)) is not None)
        return self._again("Control", known)

    def _again(self, drawn: str, cards: Iterable[Card]) -> Card | None:
        """The first of others' cards that is of the strata chosen."""
        chosen = self.filters.chosen
        for card in cards:
            if all(getattr(card, name) in chosen[name] for name in STRATA if name in chosen):
                return replace(card, drawn=drawn, probability=None, asked=self.asked)
        return None

    def _at_random(self, taken: set[str]) -> Card | None:
        """One of a stratum, each of its pending answers as likely as any other."""
        if self.narrowed or self.chance.random() >= AT_RANDOM:
            return None
        strata = sorted((c.a, c.b) for c in self.index.cross(self.filters, *STRATA) if c.count)
        while strata:
            stratum = strata.pop(self.chance.randrange(len(strata)))
            chosen = {name: (value,) for name, value in zip(STRATA, stratum, strict=True)}
            within = replace(self.filters, chosen={**self.filters.chosen, **chosen})
            free = [row for row in self._sample(within) if row.prediction not in taken]
            if free:
                waiting = self.index.total(within) - self.desk.open(*stratum)
                return self._card(free[0], "Random", 1 / max(1, waiting))
        return None

    def _sample(self, within: Filters) -> list[Row]:
        return self.index.sample(within, TRIES, self.chance.getrandbits(31), self.language)

    def _uncertain(self, taken: set[str], alike: Counter[str]) -> Iterator[Card]:
        """The most uncertain first, but of those that are alike only a few."""
        page = self.index.page(self.filters, "margin", LOOKED_AT, None, self.language)
        passed = []
        for row in page.rows:
            card = self._card(row, "Uncertain", None)
            if row.prediction in taken:
                continue
            if alike[_kind(card)] >= ALIKE:
                passed.append(card)
            else:
                yield card
        yield from (card for card in passed if card.prediction not in taken)
        while page.after is not None:  # others have the first ones
            page = self.index.page(self.filters, "margin", LOOKED_AT, page.after, self.language)
            for row in page.rows:
                if row.prediction not in taken:
                    yield self._card(row, "Uncertain", None)

    def _card(self, row: Row, drawn: str, probability: float | None) -> Card:
        names = (row.record_name, row.value_name or "", self.asked, row.museum)
        return Card(
            "", "", row.prediction, row.record, row.property, row.band, *names, drawn, probability, 0.0
        )


def _kind(card: Card) -> str:
    """What cards that are alike have in common."""
    return f"{card.property} {card.value_name} {card.museum}"
