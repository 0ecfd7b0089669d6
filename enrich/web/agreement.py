"""How far curators agree: what two of them said of the same answer, the second without seeing what the first had said; and
what a third says of answers on which two agree."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from enrich.runs.observed import wilson
from enrich.runs.reviews import Review, controls, in_force

OPINIONS = {"Accepted": "right", "Corrected": "wrong", "Rejected": "wrong", "Undecided": "unknown"}
"""What a decision says of the predicted value."""


@dataclass(frozen=True, slots=True)
class Pair:
    """What two curators said of one answer; `settled` once somebody has looked at it again."""

    first: Review
    second: Review
    settled: bool

    @property
    def agree(self) -> bool:
        """Whether they said the same, and put the same value in where both corrected."""
        if OPINIONS[self.first.decision] != OPINIONS[self.second.decision]:
            return False
        both = self.first.decision == self.second.decision == "Corrected"
        return not both or self.first.value == self.second.value


@dataclass(slots=True)
class Counts:
    """What a curator has done."""

    decisions: Counter[str] = field(default_factory=Counter)
    drawn: Counter[str] = field(default_factory=Counter)
    last: str = ""


@dataclass(frozen=True, slots=True)
class Agreement:
    """Two curators on one property: of so many answers that both judged, the share on which they agree, and Cohen's
    kappa; None where chance alone explains all of it (both always say the same one thing)."""

    curators: tuple[str, str]
    property: str
    n: int
    agree: float
    kappa: float | None


@dataclass(slots=True)
class Controlled:
    """A curator on controls: of how many they could tell, and how many they had right."""

    curator: str
    n: int = 0
    right: int = 0

    @property
    def interval(self) -> tuple[float, float]:
        """Of 95 %, for the share that is right."""
        return wilson(self.right / self.n, self.n)


def counts(reviews: Iterable[Review]) -> dict[str, Counts]:
    """What each curator has done; what was taken back does not count."""
    found: dict[str, Counts] = defaultdict(Counts)
    for review in in_force(reviews):
        if review.withdraws is None:
            one = found[review.curator]
            one.decisions[review.decision] += 1
            one.drawn[review.drawn] += 1
            one.last = max(one.last, review.time)
    return dict(found)


def pairs(reviews: Iterable[Review]) -> list[Pair]:
    """The answers that were given to a second curator, with what the first had said before."""
    of_answer: dict[str, list[Review]] = defaultdict(list)
    of_gap: dict[tuple[str, str], list[Review]] = defaultdict(list)
    for review in in_force(reviews):
        if review.withdraws is None and review.decision in OPINIONS:
            of_answer[review.prediction].append(review)
            of_gap[review.gap].append(review)
    found = []
    for made in of_answer.values():
        for place, second in enumerate(made):
            if second.drawn != "Second":
                continue
            before = [r for r in made[:place] if r.curator != second.curator and r.drawn != "Second"]
            if before:
                later = of_gap[second.gap][-1]
                found.append(Pair(before[-1], second, later.iri != second.iri))
    return found


def conflicts(found: Iterable[Pair]) -> list[Pair]:
    """Those on which two do not agree and nobody has decided since, the oldest first."""
    return sorted((p for p in found if not p.agree and not p.settled), key=lambda p: p.second.at)


def agreements(found: Iterable[Pair]) -> list[Agreement]:
    """By pair of curators and property."""
    said: dict[tuple[tuple[str, str], str], list[tuple[str, str]]] = defaultdict(list)
    for pair in found:
        opinions = {r.curator: OPINIONS[r.decision] for r in (pair.first, pair.second)}
        one, other = sorted(opinions)
        said[(one, other), pair.first.name].append((opinions[one], opinions[other]))
    return [
        Agreement(curators, name, len(both), sum(a == b for a, b in both) / len(both), kappa(both))
        for (curators, name), both in sorted(said.items())
    ]


def known_truth(said: Iterable[tuple[str, str]]) -> str | None:
    """Whether a predicted value is right or wrong, by what curators decided of it, in this order: the last opinion, where
    two of them have it; None where that is not so."""
    opinions: dict[str, str] = {}
    last = "unknown"
    for curator, decision in said:
        opinions[curator] = last = OPINIONS.get(decision, "unknown")
    return last if last != "unknown" and list(opinions.values()).count(last) > 1 else None


def controlled(reviews: Sequence[Review]) -> list[Controlled]:
    """How each curator did on controls: on those whose truth is known by what others say now, and of which they could tell."""
    of_answer: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for review in in_force(reviews):
        if review.shown:
            of_answer[review.prediction].append((review.curator, review.decision))
    found: dict[str, Controlled] = {}
    for review in controls(reviews):
        truth = known_truth(one for one in of_answer[review.prediction] if one[0] != review.curator)
        opinion = OPINIONS.get(review.decision, "unknown")
        if truth is not None and opinion != "unknown":
            own = found.setdefault(review.curator, Controlled(review.curator))
            own.n += 1
            own.right += opinion == truth
    return [found[curator] for curator in sorted(found)]


def kappa(both: Sequence[tuple[str, str]]) -> float | None:
    """Cohen's kappa (1960) of two people's opinions on the same things.

    >>> kappa([("right", "right")] * 45 + [("right", "wrong")] * 15 + [("wrong", "right")] * 25 + [("wrong", "wrong")] * 15)
    0.13043478260869568
    """
    n = len(both)
    if not n:
        return None
    one, other = Counter(a for a, _ in both), Counter(b for _, b in both)
    by_chance = sum(one[opinion] * other[opinion] for opinion in one) / (n * n)
    if by_chance == 1:
        return None
    return (sum(a == b for a, b in both) / n - by_chance) / (1 - by_chance)
