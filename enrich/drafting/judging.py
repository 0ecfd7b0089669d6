"""Ranks the paths of a graph: what could be a property, a text, a picture, a context, or a leak."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from enrich.drafting.facts import PathFacts, facts_of
from enrich.drafting.leaks import leak
from enrich.drafting.naming import about, is_identifier, name_of, worth
from enrich.drafting.walking import FEW, Walk, Way
from ontology.terms import RDF

PROPERTIES = 8
"""Properties that a draft takes; those beyond it are named in comments."""
TEXTS = 6
CONTEXTS = 10
_GROUPS = ("keeper", "department")
_LEAST = 0.35
_FULL = 0.99
"""A property that this share of records states has hardly a gap; it serves better as context."""
_WANTED = 3
"""Properties with gaps that are enough to leave the full ones out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one path could be for the profile.

    `role` is property, text, picture, context, leak or label; `kind` of a property concept, literal or date, of a
    context concept, text or number. `taken` says whether the draft uses it, `reason` why (not).
    `ends` are the paths to begin and end from the object of a property that is dated by two.
    """

    role: str
    kind: str
    name: str
    facts: PathFacts
    score: float
    taken: bool
    reason: str
    ends: tuple[Way, Way] | None = None
    examples: tuple[str, ...] = field(default=())

    @property
    def path(self) -> Way:
        """Where it stands."""
        return self.facts.path


class Judge:
    """Judges every path of a walk, roles in the order in which they exclude each other."""

    def __init__(self, walk: Walk, resources: int) -> None:
        self.walk = walk
        share = len(walk.records) / max(resources, 1)
        self.tiny = resources < FEW
        self.minimum = 1 if self.tiny else 10 if resources >= 500 else max(2, resources // 50)
        floor = max(2, round(self.minimum * share))
        self.facts = self._distinct([facts_of(walk, path, floor) for path in walk.found])
        self._by_path = {fact.path: fact for fact in self.facts}
        self.findings: list[Finding] = []
        self._used: set[Way] = set()
        self._names: dict[str, set[str]] = {}

    def judge(self) -> list[Finding]:
        """All findings, the best of each role first."""
        self._pictures()
        self._properties()
        self._texts()
        self._contexts()
        return self.findings

    def _distinct(self, facts: list[PathFacts]) -> list[PathFacts]:
        """Paths that find the same values for the same records are one: the shortest, forwards rather than back."""
        found: dict[int, PathFacts] = {}
        order = sorted(facts, key=lambda f: (len(f.path), sum(s.inverse for s in f.path)))
        for fact in order:
            values = self.walk.found[fact.path]
            key = hash(frozenset((r, frozenset(terms)) for r, terms in values.items()))
            if not (fact.path[-1].predicate == RDF.type and fact.values == 1):
                found.setdefault(key, fact)
        return list(found.values())

    def _free(self) -> list[PathFacts]:
        return [f for f in self.facts if f.path not in self._used]

    def _add(
        self, role: str, kind: str, fact: PathFacts, score: float, taken: bool, reason: str,
        ends: tuple[Way, Way] | None = None,
    ) -> None:  # fmt: skip
        key = "context" if role == "leak" else role
        names = self._names.setdefault(key, set())
        given = (
            {f.name for f in self.findings if f.role == "property" and f.taken} if key == "context" else set()
        )
        name = name_of(fact.path, names | given)
        names.add(name)
        examples = tuple(self.walk.label(t)[:60] for t, _ in fact.counts.most_common(3))
        self.findings.append(Finding(role, kind, name, fact, round(score, 3), taken, reason, ends, examples))
        if taken:
            self._used.add(fact.path)

    def _pictures(self) -> None:
        found = [
            f for f in self._free() if f.pictures > 0.5 and not f.path[-1].inverse and not self._shared(f)
        ]
        for fact in sorted(found, key=lambda f: (-f.pictures, -f.share, len(f.path))):
            nested = any(fact.path == other.path[: len(fact.path)] for other in found if other is not fact)
            taken = fact.share >= 0.02 and not nested
            reason = f"{fact.pictures:.0%} of the values look like addresses of pictures"
            self._add("picture", "url", fact, fact.share * fact.pictures, taken, reason)
            self._used.add(fact.path)

    def _properties(self) -> None:
        ranked = sorted(self._candidates(), key=lambda c: (-c[0], len(c[2].path), str(c[2].path)))
        with_gaps = sum(c[0] >= _LEAST and c[2].share < _FULL for c in ranked)
        chosen: list[PathFacts] = []
        for score, kind, fact, ends in ranked:
            twin = next((o for o in chosen if self._twin(fact, o)), None)
            full = fact.share >= _FULL and kind != "date"
            if full and self._tells(fact, chosen):
                continue
            full = full and with_gaps >= _WANTED
            taken = len(chosen) < PROPERTIES and twin is None and score >= _LEAST and not full
            if taken:
                chosen.append(fact)
            if twin is not None:
                reason = "says the same as a property above in other words"
            elif full:
                reason = f"hardly a gap: {fact.share:.1%} of the sampled records state it"
            elif taken or score >= _LEAST:
                reason = self._why(fact, kind)
            else:
                reason = self._why_not(fact, kind)
            self._add("property", kind, fact, score, taken, reason, ends)
            if ends is not None and taken:
                self._used.update(fact.path[:-1] + end for end in ends)
                self._used.update(
                    f.path for f in self.facts if f.path[: len(fact.path) - 1] == fact.path[:-1]
                )

    def _candidates(self) -> list[tuple[float, str, PathFacts, tuple[Way, Way] | None]]:
        found: list[tuple[float, str, PathFacts, tuple[Way, Way] | None]] = []
        seen: set[Way] = set()
        for fact in self._free():
            if fact.path in seen or self._shared(fact) or fact.path[-1].inverse or self._identifies(fact):
                continue
            if fact.dates >= 0.8 and fact.literal:
                ends = self._ends(fact)
                if ends is not None:
                    seen.update(fact.path[:-1] + end for end in ends)
                found.append((self._score(fact, dated=True), "date", fact, ends))
            elif fact.iris >= 0.5 or (fact.blanks < 0.5 and fact.length <= 80 and fact.numbers < 0.8):
                kind = "concept" if fact.iris >= 0.5 else "literal"
                found.append((self._score(fact), kind, fact, None))
        found = [c for c in found if c[0] > 0.05]
        if not self.tiny:
            return found
        best = {about(c[2].path): c for c in sorted(found, key=lambda c: c[0])}
        return list(best.values())

    def _score(self, fact: PathFacts, *, dated: bool = False) -> float:
        if self.tiny:
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
        dated_node = any(p[:-1] == fact.path and facts.dates >= 0.8 for p, facts in self._by_path.items())
        known = (
            about(fact.path) is not None and worth(fact.path) > 1 and not any(s.inverse for s in fact.path)
        )
        if not known or dated_node or len(fact.path) > 3 or not re.search(r"produ|made|creat", through):
            return 0.0
        return 0.7 + 0.1 * fact.share - 0.1 * len(fact.path)

    def _ends(self, fact: PathFacts) -> tuple[Way, Way] | None:
        """Two dates of one node, by the words for begin and end in their predicates."""
        said = str(fact.path[-1].predicate.value)
        beginnings = ("P82a_begin_of_the_begin", "begin", "earliest", "notBefore", "start", "from")
        endings = ("P82b_end_of_the_end", "end", "latest", "notAfter", "end", "until")
        for first, last in zip(beginnings, endings, strict=True):
            for other in self._beside(fact.path) if first in said or last in said else ():
                theirs = other[-1].predicate.value
                if first in said and last in theirs:
                    return (fact.path[-1:], other[-1:])
                if last in said and first in theirs:
                    return (other[-1:], fact.path[-1:])
        return None

    def _beside(self, path: Way) -> list[Way]:
        """The other paths from the same node."""
        siblings = (
            p for p in self.walk.found if len(p) == len(path) > 1 and p[:-1] == path[:-1] and p != path
        )
        return [p for p in siblings if not p[-1].inverse]

    def _shared(self, fact: PathFacts) -> bool:
        return self.walk.shared_before(fact.path) and not self.tiny

    def _twin(self, fact: PathFacts, other: PathFacts) -> bool:
        """Whether two paths are stated together, and each follows from the other."""
        one, two = self.walk.found[fact.path], self.walk.found[other.path]
        together = len(one.keys() & two.keys()) / max(len(one.keys() | two.keys()), 1)
        return together >= 0.95 and self._tells(fact, [other])

    def _tells(self, fact: PathFacts, chosen: Sequence[PathFacts]) -> bool:
        """Whether a path gives one of the properties away."""
        targets = {str(n): other.path for n, other in enumerate(chosen)}
        return not self.tiny and leak(self.walk, fact.path, targets, fact.length) is not None

    def _why(self, fact: PathFacts, kind: str) -> str:
        said = f"{fact.share:.0%} of the sampled records state it"
        if self.tiny or kind == "date":
            return said
        return f"{said}, {fact.head:.0%} of them with one of the {fact.classes:,} values that repeat"

    def _why_not(self, fact: PathFacts, kind: str) -> str:
        if fact.first > 0.9 and fact.share >= 0.05:
            return f"{fact.first:.0%} of the records that state it have the same value"
        if fact.share < 0.1:
            return f"only {fact.share:.1%} of the sampled records state it"
        if kind != "date" and fact.head < 0.5:
            return f"a long tail: only {fact.head:.0%} of the records that state it have a value that repeats"
        return "full already, or not what a museum would ask to be predicted"

    def _texts(self) -> None:
        targets = {f.name: f.path for f in self.findings if f.role == "property" and f.taken}
        found = [f for f in self._free() if self._is_text(f) and self._inside(f, targets) is None]
        for number, fact in enumerate(sorted(found, key=lambda f: (-self._text_score(f), len(f.path)))):
            given = leak(self.walk, fact.path, targets, fact.length)
            if given is not None:
                self._add("leak", "text", fact, given.share, given.usable, given.reason)
                self._used.add(fact.path)
                continue
            languages = f", in {', '.join(fact.languages[:6])}" if fact.languages else ""
            reason = f"{fact.length:.0f} characters in the mean, {fact.values:,} different{languages}"
            self._add("text", "text", fact, self._text_score(fact), number < TEXTS, reason)
            self._used.add(fact.path)
            if number < TEXTS:
                self._drop_property(fact.path)

    def _is_text(self, fact: PathFacts) -> bool:
        if not fact.literal or fact.path[-1].inverse or self._shared(fact) or is_identifier(fact.path):
            return False
        if (fact.dates >= 0.8 and fact.length < 25) or fact.numbers >= 0.5 or fact.pictures > 0.5:
            return False
        varied = fact.values >= 0.3 * sum(fact.counts.values())
        named = about(fact.path) in ("title", "description")
        if self.tiny and (not named or len(fact.path) > 2 or any(s.inverse for s in fact.path)):
            return False
        title = about(fact.path) == "title" and fact.values > 20
        return fact.share >= 0.02 and (
            title or (varied and (fact.length >= 12 or named)) or fact.length >= 60
        )

    @staticmethod
    def _text_score(fact: PathFacts) -> float:
        named = 0.3 if about(fact.path) in ("title", "description") else 0.0
        return fact.share * min(1.0, fact.length / 60) + named

    def _contexts(self) -> None:
        properties = {f.name: f for f in self.findings if f.role == "property" and f.taken}
        targets = {name: f.path for name, f in properties.items()}
        found = [f for f in self._free() if self._is_context(f)]
        taken = 0
        for fact in sorted(found, key=lambda f: (-f.share * f.head, len(f.path))):
            kind = "number" if fact.literal and fact.numbers >= 0.8 else "text" if fact.literal else "concept"
            inside = self._inside(fact, targets)
            given = leak(self.walk, fact.path, targets, fact.length)
            if inside is not None:
                reason = (
                    f"gives {inside} away: it is said of its value, and is never there where that is missing"
                )
                self._add("leak", kind, fact, 1.0, False, reason)
            elif given is not None:
                self._add("leak", kind, fact, given.share, given.usable, given.reason)
            else:
                reason = f"{fact.share:.0%} of the sampled records state it, {fact.values:,} values"
                fits = taken < CONTEXTS and (worth(fact.path) > 0.3 or about(fact.path) in _GROUPS)
                self._add("context", kind, fact, fact.share * fact.head, fits, reason)
                taken += fits
            self._drop_property(fact.path)

    def _drop_property(self, path: Way) -> None:
        """What serves as text or context is not named again among the properties that were not taken."""
        self.findings = [f for f in self.findings if f.role != "property" or f.taken or f.path != path]

    @staticmethod
    def _inside(fact: PathFacts, targets: Mapping[str, Way]) -> str | None:
        """The property of whose value a path says something."""
        return next((n for n, path in targets.items() if fact.path[: len(path)] == path), None)

    @staticmethod
    def _identifies(fact: PathFacts) -> bool:
        return is_identifier(fact.path) or any("identified_by" in s.predicate.value for s in fact.path)

    def _is_context(self, fact: PathFacts) -> bool:
        """A value that repeats, and that most records have; a museum or department, also when most are of one."""
        group = about(fact.path) in _GROUPS and fact.iris >= 0.5 and fact.values > 1
        if (
            fact.path[-1].inverse
            or fact.share < 0.5
            or (fact.first > 0.98 and not group)
            or self._identifies(fact)
        ):
            return False
        if fact.literal and fact.numbers >= 0.8:
            return 5 < fact.values < 0.9 * sum(fact.counts.values()) and not self._names_a_value(fact)
        if fact.pictures > 0.5 or fact.blanks > 0.5 or (fact.literal and fact.length > 60):
            return False
        return fact.classes >= 2 and fact.head >= 0.5 and not self._names_a_value(fact)

    def _names_a_value(self, fact: PathFacts) -> bool:
        """Whether it is only another name of a shared node before it: as many values as nodes."""
        before = [fact.path[:n] for n in range(1, len(fact.path))]
        stated = self.walk.found[fact.path].keys()
        for path in before:
            if not self.walk.own(path):
                found = self.walk.found[path]
                nodes = {t for r in stated for t in found.get(r, ())}
                if fact.values >= 0.8 * len(nodes):
                    return True
        return False


def chosen(findings: Sequence[Finding], role: str) -> list[Finding]:
    """The findings of a role that the draft takes."""
    return [f for f in findings if f.role == role and f.taken]
