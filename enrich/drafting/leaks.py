"""Contexts and texts that give a property away: by themselves nearly the value, or its name word for word."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from pyoxigraph import BlankNode

from enrich.drafting.walking import Values, Walk, Way
from enrich.graph.stores.base import Term

_SURE = 0.95
_FEWEST = 20
SHORT = 60
"""Characters of a text that may be a value in other words; a longer one is a description."""


@dataclass(frozen=True, slots=True)
class Leak:
    """`share` of the records that have both, in which the property follows; of the `gaps`, records that lack the
    property `target`, `at_gaps` have what gives it away, with a value that others have too."""

    told: str
    share: float
    word_for_word: bool
    at_gaps: int
    gaps: int

    @property
    def usable(self) -> bool:
        """Whether it stands where the property is missing too: it then answers, and takes nothing from a test."""
        return self.gaps >= _FEWEST and self.at_gaps >= 0.8 * self.gaps

    @property
    def reason(self) -> str:
        """In a sentence."""
        how = "holds it word for word" if self.word_for_word else "tells it by itself"
        return (
            f"gives {self.told} away: {how} in {self.share:.0%} of the records that have both, "
            f"and stands in {self.at_gaps:,} of the {self.gaps:,} sampled records that lack it"
        )


def leak(walk: Walk, path: Way, targets: Mapping[str, Way], length: float) -> Leak | None:
    """The first property that what stands at a path gives away; None when there is none. `length` is that of its
    literals in the mean: a description that names the value is what a text is there for."""
    here = walk.found[path]
    for name, target in targets.items():
        known = walk.found[target]
        both = here.keys() & known.keys()
        if len(both) < _FEWEST:
            continue
        named = _named(walk, here, known, both) if length <= SHORT else 0.0
        told, guessed = _determined(here, known, both)
        share = max(named, told)
        if share >= _SURE and (named >= _SURE or 1 - told <= 0.25 * (1 - guessed)):
            gaps = {r.value for r in walk.records} - known.keys()
            seen = {frozenset(here[record]) for record in both}
            at_gaps = sum(frozenset(here[record]) in seen for record in gaps & here.keys())
            return Leak(name, share, named >= told, at_gaps, len(gaps))
    return None


def _determined(here: Values, known: Values, both: set[str]) -> tuple[float, float]:
    """How often the property of a record is that of most other records with the same value, and how often the
    commonest would be right. Values of one record tell nothing; too few that repeat count as none right."""
    groups: dict[frozenset[Term], Counter[frozenset[Term]]] = defaultdict(Counter)
    overall: Counter[frozenset[Term]] = Counter()
    for record in both:
        value = frozenset(known[record])
        groups[frozenset(here[record])][value] += 1
        overall[value] += 1
    tried = right = 0
    for group in groups.values():
        if (size := group.total()) < 2:
            continue
        tried += size
        for value, number in group.items():
            others = max((n for v, n in group.items() if v != value), default=0)
            right += number if number > 1 and number - 1 >= others else 0
    if tried < _FEWEST or tried < 0.6 * len(both):
        return 0.0, 0.0
    return right / tried, max(overall.values()) / len(both)


def _named(walk: Walk, here: Values, known: Values, both: set[str]) -> float:
    """Of the records with both those where what stands here has the name of the value in it."""
    found = 0
    for record in both:
        texts = " \n".join(walk.label(t).casefold() for t in here[record])
        names = [walk.label(t).casefold() for t in known[record] if not isinstance(t, BlankNode)]
        found += any(len(name) > 2 and name in texts for name in names)
    return found / len(both)
