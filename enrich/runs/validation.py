"""Checks what is about to be written against the SHACL shapes, fast enough to be always on.

The shapes of ontology/shapes.ttl are compiled once into checks over a plain index of triples: the SHACL
Core constraints that they use, and a refusal to start at one that is not known here. Terms are their
N-Triples texts, as they are written. Measured beside pyshacl in benchmarks/validation.py; the tests hold
both to the same verdicts.
"""

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cache, lru_cache
from importlib.resources import files

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.errors import ValidationError
from enrich.ontology.terms import RDF, RDFS, SH, XSD

Text = str
"""A term as N-Triples write it: `<iri>`, `_:label`, `"text"@en`."""
Triple = tuple[Text, Text, Text]
Check = Callable[["Index", Text], Sequence[str]]
"""Says what is wrong with a focus node; nothing when it conforms."""

TYPE = str(RDF.type)
_COUNTS = {str(term) for term in (SH.minCount, SH.maxCount, SH.hasValue)}
_IGNORED = {str(t) for t in (
    RDF.type, SH.message, SH.targetClass, SH.targetObjectsOf, SH.targetSubjectsOf, SH.path, RDFS.comment, RDFS.label,
)} | _COUNTS  # fmt: skip
_REMEMBERED = 2_000
"""Values for which a check keeps its verdict: classes, models and roles come again and again."""


class Index:
    """Triples by subject and predicate, and by class; by object and predicate where `inverse` names it."""

    def __init__(self, triples: Iterable[Triple], inverse: Collection[Text] = ()) -> None:
        self.forward: dict[Text, dict[Text, dict[Text, None]]] = {}
        self.backward: dict[Text, dict[Text, dict[Text, None]]] = {}
        self.members: dict[Text, dict[Text, None]] = {}
        for s, p, o in triples:
            self.forward.setdefault(s, {}).setdefault(p, {})[o] = None
            if p == TYPE:
                self.members.setdefault(o, {})[s] = None
            elif p in inverse:
                self.backward.setdefault(o, {}).setdefault(p, {})[s] = None

    def values(self, focus: Text, predicate: Text, inverse: bool = False) -> Collection[Text]:
        """What a path of one step reaches."""
        source = self.backward if inverse else self.forward
        return source.get(focus, {}).get(predicate, ())

    def pairs(self, predicate: Text) -> Iterator[tuple[Text, Text]]:
        """The subjects and objects of a predicate."""
        return ((s, o) for s, said in self.forward.items() for o in said.get(predicate, ()))


@dataclass(frozen=True)
class Problem:
    """A focus node, as N-Triples write it, that does not conform, and why."""

    focus: Text
    messages: tuple[str, ...]


@dataclass(frozen=True)
class Shapes:
    """Compiled shapes: the check of every target, by class, or by predicate for its objects or subjects."""

    by_class: Sequence[tuple[Text, Check]]
    by_objects: Sequence[tuple[Text, Check]]
    by_subjects: Sequence[tuple[Text, Check]]
    inverse: frozenset[Text]
    """Predicates that a shape follows from object to subject."""

    def problems(self, triples: Iterable[Triple]) -> list[Problem]:
        """The nodes among these triples that do not conform."""
        index = Index(triples, self.inverse)
        found: dict[Text, list[str]] = {}
        for focus, check in self._targets(index):
            for message in check(index, focus):
                found.setdefault(focus, []).append(message)
        return [Problem(focus, tuple(dict.fromkeys(messages))) for focus, messages in found.items()]

    def _targets(self, index: Index) -> Iterator[tuple[Text, Check]]:
        for target, check in self.by_class:
            yield from ((focus, check) for focus in index.members.get(target, ()))
        for predicate, check in self.by_objects:
            yield from ((o, check) for o in dict.fromkeys(o for _, o in index.pairs(predicate)))
        for predicate, check in self.by_subjects:
            yield from ((s, check) for s in [s for s, said in index.forward.items() if predicate in said])


def texts(quads: Iterable[Quad]) -> list[Triple]:
    """Quads as texts, without their graphs. Raises ValidationError for a triple that holds a triple."""
    found = [(str(q.subject), str(q.predicate), str(q.object)) for q in quads]
    for s, _, o in found:
        if s.startswith("<<") or o.startswith("<<"):
            raise ValidationError(f"a quoted triple cannot be checked: {s} … {o}")
    return found


@cache
def shapes() -> Shapes:
    """The shapes that come with the package, compiled. Raises ValidationError for one not understood."""
    return compile_shapes((files("enrich.ontology") / "shapes.ttl").read_bytes())


def compile_shapes(turtle: bytes) -> Shapes:
    """Compile a Turtle document of SHACL Core shapes."""
    return _Compiler(Index(texts(parse(turtle, RdfFormat.TURTLE)))).shapes()


def validate(quads: Iterable[Quad]) -> None:
    """Raise ValidationError, naming the first node that does not conform to the shapes."""
    problems = shapes().problems(texts(quads))
    if problems:
        first = problems[0]
        raise ValidationError(
            f"{len(problems)} node(s) do not conform to the shapes and were not written; "
            f"the first is {first.focus}: {'; '.join(first.messages)}"
        )


class _Compiler:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.compiled: dict[Text, Check] = {}
        self.inverse: set[Text] = set()

    def shapes(self) -> Shapes:
        by_class, by_objects, by_subjects = (
            [(value, self.node(shape)) for shape, value in self.index.pairs(str(kind))]
            for kind in (SH.targetClass, SH.targetObjectsOf, SH.targetSubjectsOf)
        )
        return Shapes(by_class, by_objects, by_subjects, frozenset(self.inverse))

    def node(self, shape: Text) -> Check:
        """The check of a node shape or of a property shape, all its constraints together."""
        if shape not in self.compiled:
            said = self.index.forward.get(shape, {})
            check = _all([self.constraint(p, v) for p, vs in said.items() if p not in _IGNORED for v in vs])
            path = self.first(shape, SH.path)
            if path is None and any(p in _COUNTS for p in said):
                raise ValidationError(f"the shapes count values without a path: {shape}")
            self.compiled[shape] = check if path is None else self.along(shape, path, check)
        return self.compiled[shape]

    def along(self, shape: Text, path: Text, check: Check) -> Check:
        """A property shape: the path's values are counted, looked for, and checked each."""
        inverse = path.startswith("_:")
        step = self.first(path, SH.inversePath) if inverse else path
        if step is None or not step.startswith("<"):
            raise ValidationError(f"the shapes have a path that is not understood here: {path}")
        if inverse:
            self.inverse.add(step)
        least, most = self.number(shape, SH.minCount, 0), self.number(shape, SH.maxCount, 1 << 30)
        required = list(self.index.values(shape, str(SH.hasValue)))
        message = self.first(shape, SH.message)
        name = step[1:-1].rpartition("/")[2].rpartition("#")[2]
        told = f"{_lexical(message)}: {name}" if message is not None else name

        def checked(index: Index, focus: Text) -> Sequence[str]:
            values = index.values(focus, step, inverse)
            wrong = [f"{told} {_short(v)} {problem}" for v in values for problem in check(index, v)]
            if len(values) < least:
                wrong.append(f"{told} has {len(values)} values, at least {least} wanted")
            if len(values) > most:
                wrong.append(f"{told} has {len(values)} values, at most {most} allowed")
            wrong += [f"{told} lacks {value}" for value in required if value not in values]
            return wrong

        return checked

    def first(self, shape: Text, predicate: NamedNode) -> Text | None:
        return next(iter(self.index.values(shape, str(predicate))), None)

    def number(self, shape: Text, predicate: NamedNode, default: int) -> int:
        value = self.first(shape, predicate)
        return default if value is None else int(_lexical(value))

    def constraint(self, predicate: Text, value: Text) -> Check:
        if predicate in (str(SH.property), str(SH.node)):
            return self.node(value)
        if predicate == str(SH.xone):
            return _exactly_one([self.node(member) for member in self.members(value)])
        if predicate == str(SH["class"]):
            said = f"is no {_short(value)}"
            return lambda index, focus: () if value in index.values(focus, TYPE) else (said,)
        if predicate == str(SH["in"]):
            return _simple(frozenset(self.members(value)).__contains__, "is not one of the values allowed")
        builder = _VALUE_CHECKS.get(predicate)
        if builder is None:
            raise ValidationError(f"the shapes use {predicate}, which is not understood here")
        return builder(value)

    def members(self, head: Text) -> list[Text]:
        """The members of an RDF list."""
        found: list[Text] = []
        while head != str(RDF.nil):
            found += self.index.values(head, str(RDF.first))
            head = next(iter(self.index.values(head, str(RDF.rest))))
        return found


def _all(checks: list[Check]) -> Check:
    if len(checks) == 1:
        return checks[0]
    return lambda index, focus: [problem for check in checks for problem in check(index, focus)]


def _exactly_one(checks: list[Check]) -> Check:
    def checked(index: Index, focus: Text) -> Sequence[str]:
        fitting = sum(not check(index, focus) for check in checks)
        return () if fitting == 1 else (f"fits {fitting} of the {len(checks)} forms, where it must fit one",)

    return checked


def _simple(test: Callable[[Text], bool], message: str) -> Check:
    remembered = lru_cache(_REMEMBERED)(test)
    return lambda _, focus: () if remembered(focus) else (message,)


def _node_kind(kind: Text) -> Check:
    known = {str(SH.IRI): ("<", "is not an IRI"), str(SH.Literal): ('"', "is not a literal")}
    if kind not in known:
        raise ValidationError(f"the shapes use the node kind {kind}, which is not understood here")
    first, said = known[kind]
    return _simple(lambda focus: focus.startswith(first), said)


def _datatype(datatype: Text) -> Check:
    form = _FORMS.get(datatype)

    def fits(focus: Text) -> bool:
        literal = _literal(focus)
        if literal is None or literal[1] != datatype:
            return False
        return form is None or form.fullmatch(literal[0]) is not None

    return _simple(fits, f"is not a {_short(datatype)}")


def _pattern(pattern: Text) -> Check:
    compiled = re.compile(_lexical(pattern))
    return _simple(
        lambda focus: not focus.startswith("_:") and compiled.search(_lexical(focus)) is not None,
        f"does not match {compiled.pattern}",
    )


def _least_length(length: Text) -> Check:
    least = int(_lexical(length))
    return _simple(
        lambda focus: not focus.startswith("_:") and len(_lexical(focus)) >= least, f"is shorter than {least}"
    )


def _least(bound: Text) -> Check:
    least = Decimal(_lexical(bound))
    return _simple(lambda focus: (v := _decimal(focus)) is not None and v >= least, f"is below {least}")


def _most(bound: Text) -> Check:
    most = Decimal(_lexical(bound))
    return _simple(lambda focus: (v := _decimal(focus)) is not None and v <= most, f"is above {most}")


_VALUE_CHECKS: dict[Text, Callable[[Text], Check]] = {
    str(SH.nodeKind): _node_kind,
    str(SH.datatype): _datatype,
    str(SH.pattern): _pattern,
    str(SH.minLength): _least_length,
    str(SH.minInclusive): _least,
    str(SH.maxInclusive): _most,
}
_FORMS = {
    str(XSD.decimal): re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)"),
    str(XSD.integer): re.compile(r"[+-]?\d+"),
    str(XSD.dateTime): re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"),
}
"""The forms of the datatypes that the pattern uses."""


_PLAIN = re.compile(r'"([^"\\]*)"(?:\^\^(<[^<>]*>))?')


@lru_cache(_REMEMBERED)
def _literal(text: Text) -> tuple[str, Text] | None:
    """The lexical form and the datatype of a literal; None for an IRI or a blank node."""
    if not text.startswith('"'):
        return None
    if plain := _PLAIN.fullmatch(text):
        return plain[1], plain[2] or str(XSD.string)
    found = next(iter(parse(f"<x:x> <x:x> {text} .", RdfFormat.N_TRIPLES))).object
    return (found.value, str(found.datatype)) if isinstance(found, Literal) else None


def _lexical(text: Text) -> str:
    """The value of a term without its quotation marks, brackets, language and datatype."""
    literal = _literal(text)
    return text[1:-1] if literal is None else literal[0]


def _decimal(text: Text) -> Decimal | None:
    literal = _literal(text)
    try:
        return None if literal is None else Decimal(literal[0])
    except InvalidOperation:
        return None


def _short(text: Text) -> str:
    return text if len(text) <= 80 else f"{text[:77]}…"
