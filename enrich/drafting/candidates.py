"""What a path could be by itself: a property, a text, a picture, a context; and how good a one."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from enrich.drafting.facts import PathFacts
from enrich.drafting.naming import about, is_identifier, worth
from enrich.drafting.walking import Walk, Way

GROUPS = ("keeper", "department")
"""What a context is about that may say within which records a property is recorded alike."""
_BOUNDS = (
    ("P82a_begin_of_the_begin", "P82b_end_of_the_end"),
    ("begin", "end"),
    ("earliest", "latest"),
    ("notBefore", "notAfter"),
    ("start", "end"),
    ("from", "until"),
)
"""Words for begin and end in the predicates of two dates."""
Ends = tuple[Way, Way]
"""The paths to begin and end from the object of a property that is dated by two."""


@dataclass(frozen=True, slots=True)
class Candidate:
    """A path that could be a property of a kind, the better the higher its score."""

    score: float
    kind: str
    facts: PathFacts
    ends: Ends | None = None


class Candidates:
    """Looks at the paths of a walk one by one. Of a `tiny` graph nothing shows that it repeats: names count."""

    def __init__(self, walk: Walk, facts: Sequence[PathFacts], *, tiny: bool) -> None:
        self._walk = walk
        self._tiny = tiny
        self._dated = {fact.path[:-1] for fact in facts if fact.dates >= 0.8}

    def is_picture(self, fact: PathFacts) -> bool:
        """Addresses that look like those of pictures."""
        return fact.pictures > 0.5 and not fact.path[-1].inverse and not self._shared(fact)

    def properties(self, facts: Iterable[PathFacts]) -> list[Candidate]:
        """Those of these paths that could be a property, the best first; two dates of one node are one."""
        found: list[Candidate] = []
        seen: set[Way] = set()
        for fact in facts:
            if fact.path in seen or self._shared(fact) or fact.path[-1].inverse or _identifies(fact):
                continue
            if fact.dates >= 0.8 and fact.literal:
                ends = self._ends(fact)
                if ends is not None:
                    seen.update(fact.path[:-1] + end for end in ends)
                found.append(Candidate(self._score(fact, dated=True), "date", fact, ends))
            elif fact.iris >= 0.5 or (fact.blanks < 0.5 and fact.length <= 80 and fact.numbers < 0.8):
                kind = "concept" if fact.iris >= 0.5 else "literal"
                found.append(Candidate(self._score(fact), kind, fact))
        found = [c for c in found if c.score > 0.05]
        if self._tiny:
            found = list({about(c.facts.path): c for c in sorted(found, key=lambda c: c.score)}.values())
        return sorted(found, key=lambda c: (-c.score, len(c.facts.path), str(c.facts.path)))

    def is_text(self, fact: PathFacts) -> bool:
        """Literals that are long, that vary, or are titles by name; no dates, numbers, addresses or identifiers."""
        if not fact.literal or fact.path[-1].inverse or self._shared(fact) or is_identifier(fact.path):
            return False
        if (fact.dates >= 0.8 and fact.length < 25) or fact.numbers >= 0.5 or fact.pictures > 0.5:
            return False
        varied = fact.values >= 0.3 * sum(fact.counts.values())
        named = about(fact.path) in ("title", "description")
        if self._tiny and (not named or len(fact.path) > 2 or any(s.inverse for s in fact.path)):
            return False
        title = about(fact.path) == "title" and fact.values > 20
        return fact.share >= 0.02 and (
            title or (varied and (fact.length >= 12 or named)) or fact.length >= 60
        )

    def is_context(self, fact: PathFacts) -> bool:
        """Values that repeat, and that most records have; a museum or department, also when most are of one."""
        group = about(fact.path) in GROUPS and fact.iris >= 0.5 and fact.values > 1
        if (
            fact.path[-1].inverse
            or fact.share < 0.5
            or (fact.first > 0.98 and not group)
            or _identifies(fact)
        ):
            return False
        if fact.literal and fact.numbers >= 0.8:
            return 5 < fact.values < 0.9 * sum(fact.counts.values()) and not self._names_a_value(fact)
        if fact.pictures > 0.5 or fact.blanks > 0.5 or (fact.literal and fact.length > 60):
            return False
        return fact.classes >= 2 and fact.head >= 0.5 and not self._names_a_value(fact)

    def _score(self, fact: PathFacts, *, dated: bool = False) -> float:
        if self._tiny:
            return self._score_by_name(fact) if fact.iris or dated else 0.0
        if not dated and (fact.classes < 2 or fact.values > 0.8 * sum(fact.counts.values())):
            return 0.0
        head = 1.0 if dated else fact.head
        stated = min(1.0, fact.share / 0.3)
        gap = 1.0 if fact.share <= 0.99 else 0.75 if fact.share < 1 else 0.5
        balance = 1.0 if fact.first <= 0.9 else 0.3 if fact.first <= 0.98 else 0.1
        literal = 1.0 if fact.iris >= 0.5 or dated else 0.85
        return head * stated * gap * balance * literal * worth(fact.path) * 0.97 ** len(fact.path)

    def _score_by_name(self, fact: PathFacts) -> float:
        """Of a few records: what its predicates say, the nearest to the record first."""
        through = fact.path[0].predicate.value if len(fact.path) > 1 else "made"
        known = (
            about(fact.path) is not None and worth(fact.path) > 1 and not any(s.inverse for s in fact.path)
        )
        if (
            not known
            or fact.path in self._dated
            or len(fact.path) > 3
            or not re.search(r"produ|made|creat", through)
        ):
            return 0.0
        return 0.7 + 0.1 * fact.share - 0.1 * len(fact.path)

    def _ends(self, fact: PathFacts) -> Ends | None:
        """Two dates of one node, by the words for begin and end in their predicates."""
        said = fact.path[-1].predicate.value
        for first, last in _BOUNDS:
            for other in self._beside(fact.path) if first in said or last in said else ():
                theirs = other[-1].predicate.value
                if first in said and last in theirs:
                    return (fact.path[-1:], other[-1:])
                if last in said and first in theirs:
                    return (other[-1:], fact.path[-1:])
        return None

    def _beside(self, path: Way) -> list[Way]:
        """The other paths onward from the same node; none from the record itself."""
        return [
            p
            for p in self._walk.found
            if len(p) == len(path) > 1 and p[:-1] == path[:-1] and p != path and not p[-1].inverse
        ]

    def _shared(self, fact: PathFacts) -> bool:
        return not self._tiny and self._walk.shared_before(fact.path)

    def _names_a_value(self, fact: PathFacts) -> bool:
        """Whether it is only another name of a shared node before it: as many values as nodes."""
        before = [fact.path[:n] for n in range(1, len(fact.path))]
        stated = self._walk.found[fact.path].keys()
        for path in before:
            if not self._walk.own(path):
                found = self._walk.found[path]
                nodes = {t for r in stated for t in found.get(r, ())}
                if fact.values >= 0.8 * len(nodes):
                    return True
        return False


def text_score(fact: PathFacts) -> float:
    """How much a text says: long, of many records, and a title or description by name."""
    named = 0.3 if about(fact.path) in ("title", "description") else 0.0
    return fact.share * min(1.0, fact.length / 60) + named


def _identifies(fact: PathFacts) -> bool:
    return is_identifier(fact.path) or any("identified_by" in s.predicate.value for s in fact.path)
