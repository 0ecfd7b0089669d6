"""Ranks the paths of a graph: what could be a property, a text, a picture, a context, or a leak."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from enrich.drafting.candidates import GROUPS, Candidate, Candidates, Ends, text_score
from enrich.drafting.facts import PathFacts, facts_of
from enrich.drafting.leaks import leak
from enrich.drafting.naming import about, name_of, worth
from enrich.drafting.walking import FEW, Walk, Way
from enrich.ontology.terms import RDF

PROPERTIES = 8
"""Properties that a draft takes; those beyond it are named in comments."""
TEXTS = 6
CONTEXTS = 10
_LEAST = 0.35
_FULL = 0.99
"""A property that this share of records states has hardly a gap; it serves better as context."""
_WANTED = 3
"""Properties with gaps that are enough to leave the full ones out."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What one path could be for the profile.

    `role` is property, text, picture, context or leak; `kind` of a property concept, literal or date, of a
    context concept, text or number. `taken` says whether the draft uses it, `reason` why (not).
    """

    role: str
    kind: str
    name: str
    facts: PathFacts
    score: float
    taken: bool
    reason: str
    examples: tuple[str, ...]
    ends: Ends | None = None

    @property
    def path(self) -> Way:
        """Where it stands."""
        return self.facts.path


class Judge:
    """Judges every path of a walk, roles in the order in which they exclude each other. Properties and contexts are given
    other names than those `taken`."""

    def __init__(self, walk: Walk, resources: int, taken: Iterable[str] = ()) -> None:
        self.walk = walk
        share = len(walk.records) / max(resources, 1)
        self.tiny = resources < FEW
        self.minimum = 1 if self.tiny else 10 if resources >= 500 else max(2, resources // 50)
        floor = max(2, round(self.minimum * share))
        self.facts = self._distinct([facts_of(walk, path, floor) for path in walk.found])
        self._candidates = Candidates(walk, self.facts, tiny=self.tiny)
        self.findings: list[Finding] = []
        self._used: set[Way] = set()
        self._names = {role: set(taken) for role in ("property", "context")}

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
        ends: Ends | None = None,
    ) -> None:  # fmt: skip
        key = "context" if role == "leak" else role
        names = self._names.setdefault(key, set())
        given = self._targets().keys() if key == "context" else set()
        name = name_of(fact.path, names | given)
        names.add(name)
        examples = tuple(self.walk.label(t)[:60] for t, _ in fact.counts.most_common(3))
        self.findings.append(Finding(role, kind, name, fact, round(score, 3), taken, reason, examples, ends))
        if taken:
            self._used.add(fact.path)

    def _pictures(self) -> None:
        found = list(filter(self._candidates.is_picture, self._free()))
        for fact in sorted(found, key=lambda f: (-f.pictures, -f.share, len(f.path))):
            nested = any(fact.path == other.path[: len(fact.path)] for other in found if other is not fact)
            taken = fact.share >= 0.02 and not nested
            reason = f"{fact.pictures:.0%} of the values look like addresses of pictures"
            self._add("picture", "url", fact, fact.share * fact.pictures, taken, reason)
            self._used.add(fact.path)

    def _properties(self) -> None:
        ranked = self._candidates.properties(self._free())
        with_gaps = sum(c.score >= _LEAST and c.facts.share < _FULL for c in ranked)
        chosen: list[PathFacts] = []
        for candidate in ranked:
            fact, good = candidate.facts, candidate.score >= _LEAST
            twin = any(self._twin(fact, other) for other in chosen)
            full = fact.share >= _FULL and candidate.kind != "date"
            if full and self._tells(fact, chosen):
                continue
            full = full and with_gaps >= _WANTED
            taken = len(chosen) < PROPERTIES and not twin and good and not full
            if taken:
                chosen.append(fact)
            if twin:
                reason = "says the same as a property above in other words"
            elif full:
                reason = f"hardly a gap: {fact.share:.1%} of the sampled records state it"
            else:
                reason = self._why(candidate) if good else _why_not(candidate)
            self._add("property", candidate.kind, fact, candidate.score, taken, reason, candidate.ends)
            if taken and candidate.ends is not None:
                self._use_node(fact.path[:-1])

    def _use_node(self, node: Way) -> None:
        """All that stands at a node that two dates were taken from."""
        self._used.update(fact.path for fact in self.facts if fact.path[: len(node)] == node)

    def _twin(self, fact: PathFacts, other: PathFacts) -> bool:
        """Whether two paths are stated together, and each follows from the other."""
        one, two = self.walk.found[fact.path], self.walk.found[other.path]
        together = len(one.keys() & two.keys()) / max(len(one.keys() | two.keys()), 1)
        return together >= 0.95 and self._tells(fact, [other])

    def _tells(self, fact: PathFacts, chosen: Sequence[PathFacts]) -> bool:
        """Whether a path gives one of the properties away."""
        targets = {str(n): other.path for n, other in enumerate(chosen)}
        return not self.tiny and leak(self.walk, fact.path, targets, fact.length) is not None

    def _why(self, candidate: Candidate) -> str:
        fact = candidate.facts
        said = f"{fact.share:.0%} of the sampled records state it"
        if self.tiny or candidate.kind == "date":
            return said
        return f"{said}, {fact.head:.0%} of them with one of the {fact.classes:,} values that repeat"

    def _targets(self) -> dict[str, Way]:
        """The properties that the draft takes, by name."""
        return {f.name: f.path for f in chosen(self.findings, "property")}

    def _texts(self) -> None:
        targets = self._targets()
        found = [f for f in self._free() if self._candidates.is_text(f) and _inside(f, targets) is None]
        for number, fact in enumerate(sorted(found, key=lambda f: (-text_score(f), len(f.path)))):
            self._used.add(fact.path)
            given = leak(self.walk, fact.path, targets, fact.length)
            if given is not None:
                self._add("leak", "text", fact, given.share, given.usable, given.reason)
                continue
            languages = f", in {', '.join(fact.languages[:6])}" if fact.languages else ""
            reason = f"{fact.length:.0f} characters in the mean, {fact.values:,} different{languages}"
            self._add("text", "text", fact, text_score(fact), number < TEXTS, reason)
            if number < TEXTS:
                self._drop_property(fact.path)

    def _contexts(self) -> None:
        targets = self._targets()
        found = filter(self._candidates.is_context, self._free())
        taken = 0
        for fact in sorted(found, key=lambda f: (-f.share * f.head, len(f.path))):
            kind = "number" if fact.literal and fact.numbers >= 0.8 else "text" if fact.literal else "concept"
            if (inside := _inside(fact, targets)) is not None:
                reason = (
                    f"gives {inside} away: it is said of its value, and is never there where that is missing"
                )
                self._add("leak", kind, fact, 1.0, False, reason)
            elif (given := leak(self.walk, fact.path, targets, fact.length)) is not None:
                self._add("leak", kind, fact, given.share, given.usable, given.reason)
            else:
                reason = f"{fact.share:.0%} of the sampled records state it, {fact.values:,} values"
                fits = taken < CONTEXTS and (worth(fact.path) > 0.3 or about(fact.path) in GROUPS)
                self._add("context", kind, fact, fact.share * fact.head, fits, reason)
                taken += fits
            self._drop_property(fact.path)

    def _drop_property(self, path: Way) -> None:
        """What serves as text or context is not named again among the properties that were not taken."""
        self.findings = [f for f in self.findings if f.role != "property" or f.taken or f.path != path]


def chosen(findings: Sequence[Finding], role: str) -> list[Finding]:
    """The findings of a role that the draft takes."""
    return [f for f in findings if f.role == role and f.taken]


def _inside(fact: PathFacts, targets: Mapping[str, Way]) -> str | None:
    """The property of whose value a path says something."""
    return next((n for n, path in targets.items() if fact.path[: len(path)] == path), None)


def _why_not(candidate: Candidate) -> str:
    fact = candidate.facts
    if fact.first > 0.9 and fact.share >= 0.05:
        return f"{fact.first:.0%} of the records that state it have the same value"
    if fact.share < 0.1:
        return f"only {fact.share:.1%} of the sampled records state it"
    if candidate.kind != "date" and fact.head < 0.5:
        return f"a long tail: only {fact.head:.0%} of the records that state it have a value that repeats"
    return "full already, or not what a museum would ask to be predicted"
