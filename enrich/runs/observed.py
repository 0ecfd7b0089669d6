"""What reviews say of a promise: the share of answers that is right, with an interval, whatever order they were judged in.

Uncertain answers are judged first, and so the mean of the judgements is too low. What is drawn at random measures. A
random draw is uniform over the answers of its stratum (a property and a band of confidence) that were not judged yet,
so that each gives an unbiased estimate of the whole stratum: what was known before it, and for the rest what it shows
(Des Raj, 1956; for learning machines Farquhar, Gal and Rainforth, 2021). Draws are weighted by what they stand for: by
the probability with which they were drawn, and by the answers of their stratum. The interval is Wilson's (95 %) for an
effective number of draws, the lower of Kish's and the one that the spread within strata gives. benchmarks/observed.py
tries it.
"""

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt
from typing import Literal

BANDS = (1.0, 0.95, 0.9, 0.8, 0.7, 0.5, 0.0)
"""Bands of confidence, each by its lower end: .9 holds what is from .9 to below .95."""
ENOUGH = 30
"""Random draws without which nothing is said of a promise."""
SPOKEN_FOR = 0.9
"""Share of the answers that the draws speak for without which nothing is said either."""
_Z = 1.959964
"""Of the normal distribution, for an interval of 95 %."""

Stratum = tuple[Hashable, float]
"""A property, with what else tells answers apart, and the lower end of a band."""
Verdict = Literal["not enough yet", "kept", "not kept", "better", "nothing promised"]


def band(confidence: float) -> float:
    """The lower end of the band that a confidence is in."""
    return next((end for end in BANDS if confidence >= end), BANDS[-1])


@dataclass(frozen=True, slots=True)
class Judged:
    """An answer that a curator judged: `random` where chance put it before them, with which `probability` where that is known."""

    stratum: Stratum
    right: bool
    random: bool
    probability: float | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """The share of the answers that is right. `draws` are the random ones, `effective` how many equal ones they are worth,
    `judged` all that were judged; `covered` is the share of the answers that the estimate speaks for."""

    answers: int
    judged: int
    draws: int
    effective: float = 0.0
    right: float | None = None
    low: float = 0.0
    high: float = 1.0
    covered: float = 0.0

    @property
    def spoken_for(self) -> bool:
        """Whether it speaks for nearly all of the answers: else it is the share of a few of them."""
        return self.covered >= SPOKEN_FOR

    @property
    def enough(self) -> bool:
        """Whether something can be said: on so many draws that speak for nearly all, or because every answer was judged."""
        return self.spoken_for and (self.draws >= ENOUGH or self.judged == self.answers)

    def verdict(self, promised: float | None) -> Verdict:
        """What follows for a promise: not kept where the whole interval is below it, better where it is above."""
        if promised is None:
            return "nothing promised"
        if not self.enough:
            return "not enough yet"
        if self.high < promised:
            return "not kept"
        return "better" if self.low > promised else "kept"


@dataclass(slots=True)
class _Part:
    """A stratum: its answers, those judged and right, and of each random draw the outcome, its weight, and the shares of
    the stratum that were judged right, and not judged, before it."""

    size: int
    judged: int = 0
    right: int = 0
    draws: list[tuple[bool, float, float, float]] = field(default_factory=list)

    @property
    def rest(self) -> int:
        return self.size - self.judged


def estimate(sizes: Mapping[Stratum, int], judged: Sequence[Judged]) -> Estimate:
    """What judgements, in the order in which they were made, say of answers that are so many in each stratum.

    A band in which nothing was drawn is taken to be like the nearest band below it of the same property in which
    something was, or else above; a property of which nothing was drawn is not spoken for.
    """
    parts = _parts(sizes, judged)
    total, seen = sum(part.size for part in parts.values()), sum(part.judged for part in parts.values())
    draws = sum(len(part.draws) for part in parts.values())
    spoken = _spoken_for(parts)
    covered = sum(parts[h].size for h in spoken)
    if not covered:
        return Estimate(total, seen, draws)
    known, weights = _weighed(parts, spoken, covered)
    unknown = sum(u for own in weights.values() for _, u in own)
    least = sum(parts[h].right for h in spoken) / covered
    most = least + sum(parts[h].rest for h in spoken) / covered

    def within(share: float) -> float:
        return min(most, max(least, share))

    if unknown <= 0:
        return Estimate(total, seen, draws, float(draws), within(known), least, most, covered / total)
    mean = sum(u for own in weights.values() for right, u in own if right) / unknown
    effective = _effective(weights, mean, unknown)
    low, high = wilson(mean, effective)
    right, low, high = (within(known + unknown * share) for share in (mean, low, high))
    return Estimate(total, seen, draws, effective, right, min(low, right), max(high, right), covered / total)


def _parts(sizes: Mapping[Stratum, int], judged: Sequence[Judged]) -> dict[Stratum, _Part]:
    counted = Counter(each.stratum for each in judged)
    parts = {h: _Part(max(sizes.get(h, 0), counted[h])) for h in {**sizes, **counted}}
    for each in judged:
        part = parts[each.stratum]
        if each.random:
            left = part.rest / part.size
            weight = 1 / (left * left * (each.probability or 1 / part.rest))
            part.draws.append((each.right, weight, part.right / part.size, left))
        part.judged += 1
        part.right += each.right
    return {h: part for h, part in parts.items() if part.size}


def _spoken_for(parts: Mapping[Stratum, _Part]) -> dict[Stratum, Stratum]:
    """Each stratum that something is known of, and the one whose draws speak for it."""
    found = {}
    for name, end in parts:
        drawn = [other for of, other in parts if of == name and parts[of, other].draws]
        if not parts[name, end].rest or end in drawn:
            found[name, end] = (name, end)
        elif drawn:
            below = [other for other in drawn if other < end]
            found[name, end] = (name, max(below) if below else min(drawn))
    return found


def _weighed(
    parts: Mapping[Stratum, _Part], spoken: Mapping[Stratum, Stratum], covered: int
) -> tuple[float, dict[Stratum, list[tuple[bool, float]]]]:
    """The share of all that is right for certain, and by stratum the draws, each with the share that it stands for."""
    known, weights = 0.0, dict[Stratum, list[tuple[bool, float]]]()
    for h, by in spoken.items():
        part, share = parts[h], parts[h].size / covered
        draws = parts[by].draws
        if not part.rest:
            known += part.right / covered
            continue
        whole = sum(weight for _, weight, _, _ in draws)
        own = weights.setdefault(by, [(right, 0.0) for right, _, _, _ in draws])
        for place, (right, weight, before, left) in enumerate(draws):
            if h != by:
                before, left = part.right / part.size, part.rest / part.size
            known += share * weight / whole * before
            own[place] = (right, own[place][1] + share * weight / whole * left)
    return known, weights


def _effective(weights: Mapping[Stratum, Sequence[tuple[bool, float]]], mean: float, unknown: float) -> float:
    """How many draws of equal weight these are worth. Where few were drawn a share is drawn towards the mean and one half,
    for it is seldom as sure as few draws look."""
    kish = unknown * unknown / sum(u * u for own in weights.values() for _, u in own)
    usual = (mean * kish + 1) / (kish + 2)
    spread = 0.0
    for own in weights.values():
        rate = (sum(right for right, _ in own) + usual + 0.5) / (len(own) + 2)
        spread += sum(u * u for _, u in own) * rate * (1 - rate)
    return min(kish, unknown * unknown * usual * (1 - usual) / spread)


def wilson(share: float, count: float) -> tuple[float, float]:
    """Wilson's interval (1927) of 95 % for a share of so many, with Student's t, of which two terms are taken.

    >>> [round(end, 3) for end in wilson(0.9, 100)]
    [0.825, 0.945]
    """
    t = _Z + (_Z**3 + _Z) / (4 * max(count - 1, 1))
    square = t * t / count
    middle = (share + square / 2) / (1 + square)
    half = sqrt(square * (share * (1 - share) + square / 4)) / (1 + square)
    return max(0.0, middle - half), min(1.0, middle + half)
