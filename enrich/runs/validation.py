"""Checks what is about to be written against the SHACL shapes, fast enough to be always on.

The shapes of ontology/shapes.ttl are compiled once into checks over a plain index of the quads: the SHACL
Core constraints that they use, and a refusal to start at one that is not known here. Measured beside
pyshacl in benchmarks/validation.py; the tests hold both to the same verdicts.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from functools import cache
from importlib.resources import files

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, RdfFormat, Triple, parse

from enrich.errors import ValidationError
from enrich.graph.stores.base import Term
from ontology.terms import RDF, RDFS, SH, XSD

_IGNORED = {
    RDF.type, SH.message, SH.targetClass, SH.targetObjectsOf, SH.targetSubjectsOf, SH.path, RDFS.comment,
    RDFS.label,
}  # fmt: skip


class Index:
    """Quads by subject and predicate, by object and predicate, and by class; graph names are left out."""

    def __init__(self, quads: Iterable[Quad]) -> None:
        self.forward: dict[Term, dict[NamedNode, dict[Term, None]]] = {}
        self.backward: dict[Term, dict[NamedNode, dict[Term, None]]] = {}
        self.members: dict[Term, dict[Term, None]] = defaultdict(dict)
        self.by_predicate: dict[NamedNode, list[tuple[Term, Term]]] = defaultdict(list)
        for quad in quads:
            s, p, o = quad.subject, quad.predicate, quad.object
            if isinstance(s, Triple) or isinstance(o, Triple):
                raise ValidationError(f"a quoted triple cannot be checked: {quad}")
            self.forward.setdefault(s, {}).setdefault(p, {})[o] = None
            self.backward.setdefault(o, {}).setdefault(p, {})[s] = None
            self.by_predicate[p].append((s, o))
            if p == RDF.type:
                self.members[o][s] = None

    def values(self, focus: Term, predicate: NamedNode, inverse: bool = False) -> list[Term]:
        """What a path of one step reaches."""
        source = self.backward if inverse else self.forward
        return list(source.get(focus, {}).get(predicate, ()))


Check = Callable[[Index, Term], Iterator[str]]
"""Yields what is wrong with a focus node; nothing when it conforms."""


@dataclass(frozen=True)
class Problem:
    """A focus node that does not conform, and why."""

    focus: Term
    messages: tuple[str, ...]


@dataclass
class Shapes:
    """Compiled shapes: the check of every target."""

    by_class: list[tuple[NamedNode, Check]] = field(default_factory=list)
    by_objects: list[tuple[NamedNode, Check]] = field(default_factory=list)
    by_subjects: list[tuple[NamedNode, Check]] = field(default_factory=list)

    def problems(self, quads: Iterable[Quad]) -> list[Problem]:
        """The nodes among these quads that do not conform."""
        index = Index(quads)
        found: dict[Term, list[str]] = {}
        for focus, check in self._targets(index):
            for message in check(index, focus):
                found.setdefault(focus, []).append(message)
        return [Problem(focus, tuple(messages)) for focus, messages in found.items()]

    def _targets(self, index: Index) -> Iterator[tuple[Term, Check]]:
        for target, check in self.by_class:
            yield from ((focus, check) for focus in index.members.get(target, ()))
        for predicate, check in self.by_objects:
            yield from ((o, check) for o in dict.fromkeys(o for _, o in index.by_predicate[predicate]))
        for predicate, check in self.by_subjects:
            yield from ((s, check) for s in dict.fromkeys(s for s, _ in index.by_predicate[predicate]))


@cache
def shapes() -> Shapes:
    """The shapes that come with the package, compiled. Raises ValidationError for one not understood."""
    return compile_shapes((files("ontology") / "shapes.ttl").read_bytes())


def compile_shapes(turtle: bytes) -> Shapes:
    """Compile a Turtle document of SHACL Core shapes."""
    return _Compiler(Index(parse(turtle, RdfFormat.TURTLE))).shapes()


def validate(quads: Iterable[Quad]) -> None:
    """Raise ValidationError, naming the first node that does not conform to the shapes."""
    problems = shapes().problems(quads)
    if problems:
        first = problems[0]
        raise ValidationError(
            f"{len(problems)} node(s) do not conform to the shapes and were not written; "
            f"the first is {first.focus}: {'; '.join(first.messages)}"
        )


class _Compiler:
    def __init__(self, index: Index) -> None:
        self.index = index
        self.compiled: dict[Term, Check] = {}

    def shapes(self) -> Shapes:
        return Shapes(
            self.targets(SH.targetClass),
            self.targets(SH.targetObjectsOf),
            self.targets(SH.targetSubjectsOf),
        )

    def targets(self, kind: NamedNode) -> list[tuple[NamedNode, Check]]:
        """The class or predicate of each target of a kind, with the check of its shape."""
        pairs = self.index.by_predicate[kind]
        return [(value, self.node(shape)) for shape, value in pairs if isinstance(value, NamedNode)]

    def node(self, shape: Term) -> Check:
        """The check of a node shape or of a property shape, all its constraints together."""
        if shape not in self.compiled:
            constraints = [
                self.constraint(predicate, value)
                for predicate, values in self.index.forward.get(shape, {}).items()
                if predicate not in _IGNORED and (predicate not in _COUNTS)
                for value in values
            ]
            path = self.index.values(shape, SH.path)
            if not path and any(p in _COUNTS for p in self.index.forward.get(shape, {})):
                raise ValidationError(f"the shapes count values without a path: {shape}")
            check = _all(constraints)
            self.compiled[shape] = self.along(shape, path[0], check) if path else check
        return self.compiled[shape]

    def along(self, shape: Term, path: Term, check: Check) -> Check:
        """A property shape: the path's values are counted, looked for, and checked each."""
        inverse = isinstance(path, BlankNode)
        step = self.index.values(path, SH.inversePath)[0] if inverse else path
        if not isinstance(step, NamedNode):
            raise ValidationError(f"the shapes have a path that is not understood here: {path}")
        least = self.number(shape, SH.minCount, 0)
        most = self.number(shape, SH.maxCount, None)
        required = self.index.values(shape, SH.hasValue)
        said = self.index.values(shape, SH.message)
        name = step.value.rpartition("/")[2].rpartition("#")[2]

        def checked(index: Index, focus: Term) -> Iterator[str]:
            values = index.values(focus, step, inverse)
            told = f"{said[0].value}: " if said and not isinstance(said[0], BlankNode) else ""
            if len(values) < (least or 0):
                yield f"{told}{name} has {len(values)} values, at least {least} wanted"
            if most is not None and len(values) > most:
                yield f"{told}{name} has {len(values)} values, at most {most} allowed"
            for value in required:
                if value not in values:
                    yield f"{told}{name} lacks {value}"
            for value in values:
                for problem in check(index, value):
                    yield f"{told}{name} {_short(value)} {problem}"

        return checked

    def number(self, shape: Term, predicate: NamedNode, default: int | None) -> int | None:
        values = self.index.values(shape, predicate)
        return int(_text(values[0])) if values else default

    def constraint(self, predicate: NamedNode, value: Term) -> Check:
        if predicate in (SH.property, SH.node):
            return lambda index, focus: self.node(value)(index, focus)
        if predicate == SH.xone:
            return _exactly_one([self.node(member) for member in self.members(value)])
        if predicate == SH["class"]:
            return _simple(
                lambda index, focus: value in index.forward.get(focus, {}).get(RDF.type, ()),
                f"is no {_short(value)}",
            )
        if predicate == SH["in"]:
            allowed = set(self.members(value))
            return _simple(lambda _, focus: focus in allowed, "is not one of the values allowed")
        builder = _VALUE_CHECKS.get(predicate)
        if builder is None:
            raise ValidationError(f"the shapes use {predicate}, which is not understood here")
        return builder(value)

    def members(self, head: Term) -> list[Term]:
        """The members of an RDF list."""
        found = []
        while head != RDF.nil:
            found += self.index.values(head, RDF.first)
            head = self.index.values(head, RDF.rest)[0]
        return found


def _all(checks: list[Check]) -> Check:
    def checked(index: Index, focus: Term) -> Iterator[str]:
        for check in checks:
            yield from check(index, focus)

    return checked


def _exactly_one(checks: list[Check]) -> Check:
    def checked(index: Index, focus: Term) -> Iterator[str]:
        fitting = sum(next(check(index, focus), None) is None for check in checks)
        if fitting != 1:
            yield f"fits {fitting} of the {len(checks)} forms, where it must fit one"

    return checked


def _simple(test: Callable[[Index, Term], bool], message: str) -> Check:
    def checked(index: Index, focus: Term) -> Iterator[str]:
        if not test(index, focus):
            yield message

    return checked


def _node_kind(kind: Term) -> Check:
    if kind != SH.IRI:
        raise ValidationError(f"the shapes use the node kind {kind}, which is not understood here")
    return _simple(lambda _, focus: isinstance(focus, NamedNode), "is not an IRI")


def _datatype(datatype: Term) -> Check:
    def fits(_: Index, focus: Term) -> bool:
        return isinstance(focus, Literal) and focus.datatype == datatype and _lexical(focus)

    return _simple(fits, f"is not a {_short(datatype)}")


def _pattern(pattern: Term) -> Check:
    compiled = re.compile(_text(pattern))
    return _simple(
        lambda _, focus: not isinstance(focus, BlankNode) and compiled.search(_text(focus)) is not None,
        f"does not match {compiled.pattern}",
    )


def _least_length(length: Term) -> Check:
    least = int(_text(length))
    return _simple(
        lambda _, focus: not isinstance(focus, BlankNode) and len(_text(focus)) >= least,
        f"is shorter than {least}",
    )


def _least(bound: Term) -> Check:
    least = Decimal(_text(bound))
    return _simple(lambda _, focus: (v := _decimal(focus)) is not None and v >= least, f"is below {least}")


def _most(bound: Term) -> Check:
    most = Decimal(_text(bound))
    return _simple(lambda _, focus: (v := _decimal(focus)) is not None and v <= most, f"is above {most}")


_VALUE_CHECKS: dict[NamedNode, Callable[[Term], Check]] = {
    SH.nodeKind: _node_kind,
    SH.datatype: _datatype,
    SH.pattern: _pattern,
    SH.minLength: _least_length,
    SH.minInclusive: _least,
    SH.maxInclusive: _most,
}
_COUNTS = (SH.minCount, SH.maxCount, SH.hasValue)
_LEXICAL = {
    XSD.decimal: re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)"),
    XSD.integer: re.compile(r"[+-]?\d+"),
    XSD.dateTime: re.compile(r"-?\d{4,}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)?"),
}


def _lexical(literal: Literal) -> bool:
    """Whether the literal's form is one of its datatype, for the datatypes that the pattern uses."""
    form = _LEXICAL.get(literal.datatype)
    return form is None or form.fullmatch(literal.value) is not None


def _decimal(term: Term) -> Decimal | None:
    try:
        return Decimal(term.value) if isinstance(term, Literal) else None
    except InvalidOperation:
        return None


def _text(term: Term) -> str:
    return term.value


def _short(term: Term) -> str:
    text = str(term)
    return text if len(text) <= 80 else f"{text[:77]}…"
