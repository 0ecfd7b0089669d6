"""Reads the predictions that SILKNOW published: reified statements, three dumps of them not valid Turtle.

The dumps also assert every predicted value as a plain fact; those triples are counted, and not given back.
"""

from __future__ import annotations

import gzip
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import IO, Any, cast

from pyoxigraph import BlankNode, Literal, NamedNode, Quad, Triple

from enrich.errors import InputError
from enrich.graph.turtle_recovery import SalvageAccount, salvage
from ontology.terms import AAT, ECRM, PROV, RDF, SILK

Term = NamedNode | BlankNode | Literal | Triple

KNOWN_RELATIVE: Mapping[str, NamedNode] = {
    "other_technique": NamedNode("http://data.silknow.org/vocabulary/facet/other_technique"),
    "resist_dyeing": NamedNode("http://data.silknow.org/vocabulary/facet/resist_dyeing"),
    "fifteenth_century_(dates_CE)": AAT["300404465"],
}
"""What the relative IRIs of the published dumps stand for: facets of the thesaurus, a century of the AAT."""


@dataclass(frozen=True, slots=True)
class PublishedStatement:
    """One published prediction: `value` of `predicate` for `node`, with its score from 0 to 1."""

    statement: NamedNode
    node: NamedNode
    predicate: NamedNode
    value: NamedNode
    score: Decimal
    activity: NamedNode | None = None
    time: str | None = None
    used: NamedNode | None = None
    agent: NamedNode | None = None


@dataclass
class PublishedReport:
    """What a dump held: the account of its reading, whole statements, those without exactly one of each part,
    plain facts that repeat a prediction or stand alone, agents' descriptions, and nodes with several
    values of one property (`several`)."""

    path: Path
    account: SalvageAccount
    statements: int = 0
    incomplete: Counter[str] = field(default_factory=Counter)
    plain: int = 0
    plain_alone: int = 0
    several: int = 0
    agents: dict[str, str] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """The report as plain JSON values."""
        return {
            "path": str(self.path),
            "account": self.account.to_json(),
            "statements": self.statements,
            "incomplete": dict(self.incomplete),
            "plain": self.plain,
            "plain_alone": self.plain_alone,
            "several": self.several,
            "agents": dict(self.agents),
        }


def read_published(path: Path, *, repair: bool = True) -> tuple[PublishedReport, list[PublishedStatement]]:
    """The statements of a dump (Turtle, also .gz), each once, by IRI, and the report.

    With `repair`, the relative IRIs known in these dumps are replaced by what they stand for; without it
    the statements that hold one are dropped. Raises InputError when the file cannot be read at all.
    """
    parts: _Parts = {}
    plain: set[tuple[str, str, str]] = set()
    try:
        with _opened(path) as stream:
            quads, account = salvage(stream, None, repairs=KNOWN_RELATIVE if repair else None)
            for quad in quads:
                _sort(quad, parts, plain)
    except (OSError, EOFError) as error:
        raise InputError(
            f"cannot read {path}: {error}; is it a Turtle file, or one packed by gzip?"
        ) from error
    report = PublishedReport(path, account)
    statements = list(_statements(parts, report))
    said = {(s.node.value, s.predicate.value, s.value.value) for s in statements}
    report.statements = len(statements)
    report.plain, report.plain_alone = len(plain), len(plain - said)
    values = Counter((node, predicate) for node, predicate, _ in said)
    report.several = sum(number > 1 for number in values.values())
    return report, statements


def _opened(path: Path) -> IO[bytes]:
    return cast("IO[bytes]", gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


_Parts = dict[NamedNode, dict[NamedNode, set[Term]]]

_OF_THE_PATTERN = {
    RDF.type, RDF.subject, RDF.predicate, RDF.object, SILK.L18, ECRM.P70_documents,
    PROV.wasGeneratedBy, PROV.atTime, PROV.used, PROV.wasAssociatedWith,
}  # fmt: skip


def _sort(quad: Quad, parts: _Parts, plain: set[tuple[str, str, str]]) -> None:
    """Put a triple with what it describes; all that is not of the pattern is a plain fact."""
    if not isinstance(quad.subject, NamedNode):
        return
    if quad.predicate in _OF_THE_PATTERN:
        parts.setdefault(quad.subject, {}).setdefault(quad.predicate, set()).add(quad.object)
    elif isinstance(quad.object, NamedNode):
        plain.add((quad.subject.value, quad.predicate.value, quad.object.value))


def _statements(parts: _Parts, report: PublishedReport) -> list[PublishedStatement]:
    found = []
    for iri, said in sorted(parts.items(), key=lambda item: item[0].value):
        one = {predicate: next(iter(terms)) for predicate, terms in said.items() if len(terms) == 1}
        kind = one.get(RDF.type)
        if kind == PROV.SoftwareAgent and isinstance(text := one.get(ECRM.P70_documents), Literal):
            report.agents[iri.value] = text.value
        if kind == RDF.Statement:
            node, predicate, value = (_iri(one.get(p)) for p in (RDF.subject, RDF.predicate, RDF.object))
            score = _score(one.get(SILK.L18))
            if node is None or predicate is None or value is None or score is None:
                report.incomplete[_lacking(said, node, predicate, value)] += 1
                continue
            activity = _iri(one.get(PROV.wasGeneratedBy))
            did = _Activity.of(parts.get(activity, {}) if activity else {})
            found.append(
                PublishedStatement(
                    iri, node, predicate, value, score, activity, did.time, did.used, did.agent
                )
            )
    return found


@dataclass(frozen=True, slots=True)
class _Activity:
    time: str | None
    used: NamedNode | None
    agent: NamedNode | None

    @classmethod
    def of(cls, said: Mapping[NamedNode, set[Term]]) -> _Activity:
        """What an activity says; of several values, the first in order."""
        first = {predicate: min(terms, key=str) for predicate, terms in said.items()}
        time = first.get(PROV.atTime)
        return cls(
            time.value if isinstance(time, Literal) else None,
            _iri(first.get(PROV.used)),
            _iri(first.get(PROV.wasAssociatedWith)),
        )


def _lacking(said: Mapping[NamedNode, set[Term]], node: object, predicate: object, value: object) -> str:
    """What is wrong with a statement that has not one of each: `no score`, `more than one subject`."""
    parts = (
        ("subject", RDF.subject, node),
        ("predicate", RDF.predicate, predicate),
        ("object", RDF.object, value),
    )
    name, term = next(((n, t) for n, t, found in parts if found is None), ("score", SILK.L18))
    return f"more than one {name}" if len(said.get(term, ())) > 1 else f"no {name}"


def _iri(term: Term | None) -> NamedNode | None:
    return term if isinstance(term, NamedNode) else None


def _score(term: Term | None) -> Decimal | None:
    if not isinstance(term, Literal):
        return None
    try:
        score = Decimal(term.value)
    except InvalidOperation:
        return None
    return score if score.is_finite() and 0 <= score <= 1 else None
