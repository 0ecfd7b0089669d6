"""What curators decided: an append-only register that outlives the runs it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import InputError
from enrich.graph.stores.base import Store
from ontology.terms import CRM, ENR, PROV, RDF, XSD, Names

DECISIONS = ("Accepted", "Rejected", "Corrected")
_NEVER = datetime.min.replace(tzinfo=UTC)


def moment(text: str) -> datetime:
    """An xsd:dateTime as a moment, which compares with others whatever their zones; a time without a zone is
    taken as UTC, and what is no time is before all others."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Review:
    """One decision about one prediction: `value` was accepted, rejected, or put in its place."""

    prediction: NamedNode
    record: NamedNode
    property: str
    node: NamedNode
    predicate: NamedNode
    value: NamedNode
    decision: str
    actor: NamedNode
    time: datetime


@dataclass(frozen=True)
class Reviews:
    """The reviews in force, by record and property name: the latest word on each value counts."""

    rejected_values: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    settled_gaps: frozenset[tuple[str, str]] = frozenset()

    def rejected(self, record: str, name: str) -> frozenset[str]:
        """The classes that a curator rejected for this property of this record."""
        return self.rejected_values.get((record, name), frozenset())

    def settled(self, record: str, name: str) -> bool:
        """Whether a curator accepted or put in a value, so that the gap is closed."""
        return (record, name) in self.settled_gaps

    @classmethod
    def read(cls, store: Store, names: Names) -> Reviews:
        """Read the register whole: it grows with what people do, not with the collection."""
        query = (
            f"SELECT ?record ?name ?value ?decision ?time ?review WHERE {{ GRAPH {names.reviews} {{ "
            f"?review {ENR.about} ?record ; {ENR.propertyName} ?name ; {CRM.P141_assigned} ?value ; "
            f"{ENR.decision} ?decision ; {PROV.endedAtTime} ?time #PAGE#\n }} }}"
        )
        latest: dict[tuple[str, str, str], tuple[datetime, str, str]] = {}
        for row in store.select_by_key(query, "review"):
            record, name, value, decision, time, review = (term.value if term else "" for term in row)
            key, said = (record, name, value), (moment(time), review, decision)
            latest[key] = max(latest.get(key, said), said)
        rejected: dict[tuple[str, str], set[str]] = {}
        settled: set[tuple[str, str]] = set()
        for (record, name, value), (_, _, decision) in latest.items():
            if decision == ENR.Rejected.value:
                rejected.setdefault((record, name), set()).add(value)
            else:
                settled.add((record, name))
        return cls({key: frozenset(values) for key, values in rejected.items()}, frozenset(settled))


def add_review(store: Store, names: Names, review: Review) -> NamedNode:
    """Append a review; the same review twice adds nothing. Returns its IRI.

    Raises InputError for a decision that is none, or a time without a zone.
    """
    if review.decision not in DECISIONS:
        raise InputError(f"a review's decision is one of {', '.join(DECISIONS)}, not {review.decision!r}")
    if review.time.tzinfo is None:
        raise InputError("a review's time needs its time zone")
    time = review.time.isoformat()
    iri = names.mint("review", review.prediction, review.value, review.decision, review.actor, time)
    statements: list[tuple[NamedNode, NamedNode | Literal]] = [
        (RDF.type, ENR.Review),
        (RDF.type, CRM.E13_Attribute_Assignment),
        (RDF.type, PROV.Activity),
        (ENR.reviews, review.prediction),
        (ENR.about, review.record),
        (ENR.propertyName, Literal(review.property)),
        (ENR.decision, ENR[review.decision]),
        (CRM.P140_assigned_attribute_to, review.node),
        (CRM.P177_assigned_property_of_type, review.predicate),
        (CRM.P141_assigned, review.value),
        (CRM.P14_carried_out_by, review.actor),
        (PROV.endedAtTime, Literal(time, datatype=XSD.dateTime)),
    ]
    store.insert(Quad(iri, predicate, value, names.reviews) for predicate, value in statements)
    return iri
