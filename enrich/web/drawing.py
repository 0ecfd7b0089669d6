"""Which cards a curator is given: some at random, which measure; the rest those that teach; some of a colleague's again."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace

from enrich.web.desk import Card, Desk
from enrich.web.index.asked import PENDING, Filters, Row
from enrich.web.index.index import Index
from enrich.web.who import User

AT_RANDOM = 0.2
"""Share of the cards that are drawn at random within property and band."""
A_SECOND_TIME = 0.1
"""Share of the cards at most that a colleague judged before; which those are, `is_for_two` says."""
STRATA = ("property", "band")
"""Within these chance draws; who chooses one of them still leaves it to chance within."""
ALIKE, AMONG = 3, 20
"""Of a curator's last cards, how many may be alike."""
LOOKED_AT = 200
"""The most uncertain answers that are looked through for one that is unlike the last cards."""
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
            wanted = self._second() or self._at_random(taken) or next(uncertain, None) or self._left(taken)
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
        found = self.desk.for_a_second(self.user.name)
        return None if found is None else replace(found, drawn="Second", probability=None, asked=self.asked)

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
        rows = self.index.page(self.filters, "margin", LOOKED_AT, None, self.language).rows
        passed = []
        for row in rows:
            card = self._card(row, "Uncertain", None)
            if row.prediction in taken:
                continue
            if alike[_kind(card)] >= ALIKE:
                passed.append(card)
            else:
                yield card
        yield from (card for card in passed if card.prediction not in taken)

    def _left(self, taken: set[str]) -> Card | None:
        """Where others have the first ones: the next after them."""
        after = self.index.page(self.filters, "margin", LOOKED_AT, None, self.language).after
        while after is not None:
            page = self.index.page(self.filters, "margin", LOOKED_AT, after, self.language)
            for row in page.rows:
                if row.prediction not in taken:
                    return self._card(row, "Uncertain", None)
            after = page.after
        return None

    def _card(self, row: Row, drawn: str, probability: float | None) -> Card:
        names = (row.record_name, row.value_name or "", self.asked, row.museum)
        return Card(
            "", "", row.prediction, row.record, row.property, row.band, *names, drawn, probability, 0.0
        )


def _kind(card: Card) -> str:
    """What cards that are alike have in common."""
    return f"{card.property} {card.value_name} {card.museum}"
