"""Compares a profile with a graph: what each of its patterns finds, what lies outside, what to change."""

from collections import Counter
from collections.abc import Collection
from dataclasses import asdict, dataclass, field
from typing import Any

from pyoxigraph import Literal

from enrich.classifiers.digest import short_digest
from enrich.errors import ProfileError
from enrich.graph.classes import ClassMap, ValueMap
from enrich.graph.fact_graphs import NOTHING
from enrich.graph.numbers import mean_number
from enrich.graph.patterns import kind_test, onward
from enrich.graph.profile_hints import Hints
from enrich.graph.reading import Reader
from enrich.graph.stores.base import PAGE_TOKEN, Store, Term, first_of
from enrich.ontology.kinds import CONCEPT, DATE, LITERAL
from enrich.ontology.paths import Condition, Path, Step, condition_text, path_triples, steps, ways_along
from enrich.ontology.profiles import ContextProfile, Profile, PropertyProfile
from enrich.ontology.terms import Names, class_term

SHOWN = 20
"""Values outside the vocabulary, and hints, that a report names; the counts are of all."""


@dataclass(frozen=True, slots=True)
class PatternCount:
    """How many records a pattern of the profile finds something for. `kind` is records, node, predicate,
    value, class, several, stated, text, image, context or label; `name` the property's or context's."""

    kind: str
    name: str
    pattern: str
    records: int


@dataclass
class ProfileReport:
    """What a profile finds in a graph.

    `classes` counts records by class for each property, each once, `outside` those with a value that reaches no class, by
    raw value (the commonest SHOWN; `outside_total` is how many records have one); `advice` says in sentences what to change.
    """

    profile: str
    graphs: tuple[str, ...]
    records: int = 0
    patterns: list[PatternCount] = field(default_factory=list)
    classes: dict[str, dict[str, int]] = field(default_factory=dict)
    outside: dict[str, dict[str, int]] = field(default_factory=dict)
    outside_total: dict[str, int] = field(default_factory=dict)
    advice: list[str] = field(default_factory=list)

    @property
    def fits(self) -> bool:
        """Whether there are records, and every property finds a value for some of them."""
        found = {p.name for p in self.patterns if p.kind == "class" and p.records}
        return self.records > 0 and all(p.name in found for p in self.patterns if p.kind == "class")

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {"profile": self.profile, "fits": self.fits} | asdict(self)


def check_profile(store: Store, profile: Profile, names: Names) -> ProfileReport:
    """Count what every pattern of a profile finds in the store's facts. Raises StoreError."""
    check = _Check(Reader(store, profile, names))
    records = check.records()
    if not records:
        check.report.advice.extend(check.hints.no_records())
        return check.report
    for prop in profile.properties:
        check.property(prop)
        check.stated(prop)
    for text in profile.texts:
        check.path("text", text.name, text.path, "isLiteral(?end)")
    for number, image in enumerate(profile.images, 1):
        check.path("image", str(number), image.path, "(isIRI(?end) || isLiteral(?end))")
    for context in profile.contexts:
        if context.graph:
            check.count("context", context.name, "(named graph)", records)
        else:
            number = context.kind == "number"
            check.path("context", context.name, context.path, "isLiteral(?end)" if number else "")
            if number:
                check.numbers(context)
    for path in profile.labels:
        check.path("label", "", path, "isLiteral(?end)")
    return check.report


class _Check:
    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self.hints = Hints(reader)
        self._store = reader.store
        self._profile = profile = reader.profile
        self._from = reader.dataset
        self._typed = f"{self._reader.is_record} FILTER(isIRI(?record))"
        self.report = ProfileReport(
            profile.name, tuple(graph.value for graph in reader.graphs if graph != NOTHING)
        )
        self._advice = self.report.advice
        self._numbers: dict[str, int] = {}

    def count(self, kind: str, name: str, pattern: str, records: int) -> int:
        self.report.patterns.append(PatternCount(kind, name, pattern, records))
        return records

    def records(self) -> int:
        self.report.records = self._number("")
        unnamed = self._one(
            f"SELECT (COUNT(DISTINCT ?record) AS ?n) {self._from} WHERE {{ {self._reader.is_record} FILTER(isBlank(?record)) }}"
        )
        if unnamed:
            self._advice.append(
                f"{unnamed:,} records are blank nodes and are left out: nothing can be said of them; give them IRIs."
            )
        return self.count("records", "", self._profile.record_text(self.hints.short), self.report.records)

    def path(self, kind: str, name: str, path: Path, test: str = "") -> None:
        """Count the records that a path leads on from; say what is there instead when it does not."""
        triples = path_triples("record", path, "end")
        found = self._number(f"{triples} FILTER({test})" if test else triples)
        self.count(kind, name, self.hints.shown(path), found)
        if not found:
            where = f"[{kind}s.{name}]" if kind in ("text", "context") else f"{kind}s"
            there = self.hints.ends(triples, "end") if test else None
            problem = (
                f"leads to {there}, not to literals" if there else f"leads nowhere: {self.hints.stops(path)}"
            )
            self._advice.append(f"{where}: {self.hints.shown(path)} {problem}.")

    def numbers(self, context: ContextProfile) -> None:
        """Name what is no number, and is left out."""
        found = self._reader.counted(path_triples("record", context.path, "end"), "end", LITERAL)
        wrong = {t: n for t, n in found.items() if mean_number([t], context.unit) is None}
        if wrong:
            first = max(wrong, key=lambda term: (wrong[term], str(term)))
            unit = f" in {context.unit}" if context.unit else ""
            self._advice.append(
                f"[contexts.{context.name}]: {len(wrong):,} of {len(found):,} values are no number{unit}, "
                f"first {first} ({wrong[first]:,})."
            )

    def property(self, prop: PropertyProfile) -> None:
        """Count step by step from the record to the class, and stop where nothing is found."""
        key = f"[properties.{prop.name}]"
        node = "node" if prop.node else "record"
        to_node = path_triples("record", prop.node, "node")
        stages = [("node", self.hints.shown(prop.node), to_node, "", "record")] if prop.node else []
        if prop.node_class is not None:
            to_node += f" ?{node} a {prop.node_class} ."
            stages.append(("node_class", f"a {self.hints.short(prop.node_class)}", to_node, "", ""))
        to_object = f"{to_node} {path_triples(node, (prop.predicate,), 'object')}"
        stages.append(("predicate", self.hints.shown((prop.predicate,)), to_object, to_node, node))
        to_value = f"{to_object} {path_triples('object', prop.value, 'value')}"
        value = "value" if steps(prop.value) or prop.begin else "object"
        if prop.begin:
            to_value = f"{to_node} {onward(prop, f'?{node}', '?value')}"
        found = f"{to_value} FILTER({kind_test(prop.kind, f'?{value}')})"
        ends = (
            " … ".join(map(self.hints.shown, (prop.begin, prop.end)))
            if prop.begin
            else self.hints.shown(prop.value)
        )
        stages.append(("begin" if prop.begin else "value", ends, found, to_object, "object"))
        for setting, shown, pattern, before, start in stages:
            if not self.count(setting.removesuffix("_class"), prop.name, shown, self._number(pattern)):
                if setting == "node_class":
                    self._advice.append(f"{key} node_class: no node is {shown}; change it or leave it out.")
                elif setting not in ("value", "begin") or not self._other_kind(prop, to_value, value, key):
                    backwards = setting == "node" or (setting == "predicate" and prop.kind == CONCEPT)
                    hint = self.hints.around(before, start, backwards=backwards)
                    self._advice.append(f"{key} {setting}: {shown} matches nothing; {hint}.")
                self.count("class", prop.name, "", 0)
                return
        self._values(prop, to_value, value, key)
        self._unsayable(prop, key)

    def _unsayable(self, prop: PropertyProfile, key: str) -> None:
        """Name conditions that a prediction cannot say of a node that is made for it."""
        paths = {"node": prop.node, "value": prop.value, "begin": prop.begin, "end": prop.end}
        for setting, path in paths.items():
            for way in ways_along(path)[-1:]:
                last = max(number for number, part in enumerate(way) if isinstance(part, Step))
                for part in way if setting == "node" else way[:last]:
                    if not isinstance(part, Condition) or part.sayable:
                        continue
                    if (
                        setting == "node"
                        and self._number(path_triples("record", path, "node")) == self.report.records
                    ):
                        continue  # none has to be made
                    self._advice.append(
                        f"{key} {setting}: {condition_text(part, self.hints.short)} cannot be said of a node that is made for "
                        "a prediction, where the facts have none, and the profile does not read it back; name a value."
                    )

    def stated(self, prop: PropertyProfile) -> None:
        """Count the records that state a value in other ways."""
        for path in prop.stated:
            found = self._number(path_triples("record", path, "stated"))
            self.count("stated", prop.name, self.hints.shown(path), found)

    def _other_kind(self, prop: PropertyProfile, pattern: str, value: str, key: str) -> bool:
        """Say so where the values are there, but of another kind than the profile says."""
        there = self.hints.ends(pattern, value)
        if there is None:
            return False
        leading = self.hints.around(pattern, value, backwards=False)
        if there.startswith("literals"):
            change = 'set kind = "literal", or "date" where they are dates'
        elif there == "blank nodes":
            change = f"no prediction can name them: lead on from them with node or value; {leading}"
        elif prop.kind == LITERAL:
            change = f'set kind = "concept", or lead on from them with node or value; {leading}'
        else:
            change = (
                f'lead on from them with value, or with begin and end, or set kind = "concept"; {leading}'
            )
        self._advice.append(f"{key} kind: these are {there}; {change}.")
        return True

    def _values(self, prop: PropertyProfile, pattern: str, value: str, key: str) -> None:
        found = self._tally(pattern, value, self._class_map(prop, key))
        self.report.classes[prop.name] = dict(found.classes.most_common())
        self.count("class", prop.name, f"{len(found.classes)} classes", len(found.by_record))
        self.count("several", prop.name, "more than one class", found.several)
        self._judge(prop, key, found)

    def _tally(self, pattern: str, value: str, classes: ValueMap) -> "_Tally":
        """The classes of all records, in one pass over their values."""
        query = (
            f"SELECT DISTINCT ?record ?{value} {self._from} WHERE {{ {self._typed} {pattern} "
            f"FILTER({kind_test(DATE, f'?{value}')}) {PAGE_TOKEN}\n}}"
        )
        found = _Tally()
        target: dict[Term, str | None] = {}
        for record, term in self._store.select_by_key(query, "record"):
            if record is None or term is None:
                continue
            if term not in target:
                target[term] = classes.of_term(term)
            name = target[term]
            if name is not None or not classes.says_nothing(term):
                found.add(short_digest(record.value), name, str(term))
        return found

    def _judge(self, prop: PropertyProfile, key: str, found: "_Tally") -> None:
        counts, outside = found.classes, found.outside
        if outside:
            shown = {_bare(term): number for term, number in outside.most_common(SHOWN)}
            self.report.outside[prop.name] = shown
            self.report.outside_total[prop.name] = len(found.beyond)
            first, number = outside.most_common(1)[0]
            self._advice.append(
                f"{key}: {len(outside):,} values of {len(found.beyond):,} records reach no class, first "
                f"{first} ({number:,}); {_to_reach_one(prop, outside)}."
            )
        for name in prop.class_names:
            if not counts[name]:
                self._advice.append(f"{key} classes: no record has {class_term(name)}; nothing can learn it.")
        rare = [iri for iri, number in counts.items() if number < prop.minimum]
        if rare:
            self._advice.append(
                f"{key} minimum: {len(rare):,} of {len(counts):,} classes have fewer than {prop.minimum} records "
                f"and are left out of a model; lower it to keep them."
            )
        if found.several and not prop.many:
            self._advice.append(
                f"{key} many: {found.several:,} records have more than one class; set many = true to learn and answer sets."
            )

    def _class_map(self, prop: PropertyProfile, key: str) -> ValueMap:
        """How raw values map to classes, by the vocabulary in every graph that is not ours."""
        try:
            return self._reader.value_map(prop)
        except ProfileError as error:
            self._advice.append(f"{key} scheme: {error}.")
            return ClassMap({})

    def _number(self, pattern: str) -> int:
        """Records for which a pattern holds; properties often share one, which is asked once."""
        if pattern not in self._numbers:
            self._numbers[pattern] = self._one(
                f"SELECT (COUNT(DISTINCT ?record) AS ?n) {self._from} WHERE {{ {self._typed} {pattern} }}"
            )
        return self._numbers[pattern]

    def _one(self, query: str) -> int:
        found = first_of(self._store.select(query))
        return int(found.value) if isinstance(found, Literal) else 0


@dataclass(slots=True)
class _Tally:
    """Records by class and by value outside all classes, each once. `by_record` has the classes of a record, which is kept as the
    digest of its IRI, as are the records of `beyond`, with a value outside."""

    classes: Counter[str] = field(default_factory=Counter)
    outside: Counter[str] = field(default_factory=Counter)
    by_record: dict[int, tuple[str, ...]] = field(default_factory=dict)
    beyond: set[int] = field(default_factory=set)
    several: int = 0

    def add(self, record: int, name: str | None, term: str) -> None:
        """Count a value of a record, that comes once, by the name of its class."""
        if name is None:
            self.outside[term] += 1
            self.beyond.add(record)
            return
        before = self.by_record.get(record, ())
        if name not in before:
            self.classes[name] += 1
            self.several += len(before) == 1
            self.by_record[record] = (*before, name)


def _to_reach_one(prop: PropertyProfile, outside: Collection[str]) -> str:
    """What to change where values reach no class."""
    if prop.kind == CONCEPT and any(term.startswith('"') for term in outside):
        return "add them to classes, or load the vocabulary that leads up from them; texts, which are no concepts, to unknown"
    if prop.kind == LITERAL:
        return "add them to classes, or to synonyms or unknown"
    if prop.kind != DATE:
        return "add them to classes, or load the vocabulary that leads up from them"
    longer = "" if prop.by in (None, "century") else "use a longer by, "
    spans = "give spans in classes instead of by" if prop.by else "add spans to classes"
    return f"{longer}{spans}, or say in synonyms or unknown what they mean"


def _bare(term: str) -> str:
    """An IRI without its brackets; a literal as N-Triples spell it."""
    return term.removeprefix("<").removesuffix(">") if term.startswith("<") else term
