"""Reviews as a curator's tool would write them, for tests."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import Store
from enrich.ontology.terms import CRM, ENR, PROV, RDF, XSD, Names
from enrich.runs.reviews import read_reviews, verdicts
from enrich.runs.verdicts import verdict_triples


@dataclass(frozen=True, slots=True)
class Review:
    """One decision about one prediction: `value` was accepted, rejected, or put in the place of `instead`."""

    prediction: NamedNode
    record: NamedNode
    property: str
    node: NamedNode
    predicate: NamedNode
    value: NamedNode
    decision: str
    actor: NamedNode
    time: datetime
    instead: NamedNode | None = None


def add_review(store: Store, names: Names, review: Review) -> NamedNode:
    """Append a review; the same review twice adds nothing. How values stand follows. Returns its IRI."""
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
        (ENR.answers, review.value),
        *([(ENR.instead, review.instead)] if review.instead else []),
        (CRM.P14_carried_out_by, review.actor),
        (PROV.endedAtTime, Literal(time, datatype=XSD.dateTime)),
    ]
    store.insert(Quad(iri, predicate, value, names.reviews) for predicate, value in statements)
    bring_up_to_date(store, names)
    return iri


def bring_up_to_date(store: Store, names: Names) -> None:
    """Write how values stand anew."""
    store.drop(names.verdicts)
    triples = verdict_triples(names, verdicts(read_reviews(store, names), ()))
    store.write_graph(names.verdicts, "".join(f"{s} {p} {o} .\n" for s, p, o in triples).encode())
