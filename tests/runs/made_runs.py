"""Runs with small made answers, written as a run would write them, for tests of what is current."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta

from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores.base import Store
from enrich.ontology.terms import CRM, ENR, PROV, RDF, XSD, Names
from enrich.runs.register import timestamp

NAMES = Names("https://data.example.org/enrich/")
Gap = tuple[int, str]
START = datetime(2026, 1, 1, tzinfo=UTC)


def record(number: int) -> NamedNode:
    return NamedNode(f"https://museum.example.org/object/{number}")


def add_run(
    store: Store,
    name: str,
    answers: Mapping[Gap, Sequence[str]],
    *,
    order: int | None,
    state: str = "Active",
    ended: datetime = START,
    per_shard: int = 2_000,
) -> NamedNode:
    """A run that answered each gap with these values, none for an abstention. Returns its IRI."""
    run = NAMES.run(name)
    shards = [NAMES.shard(name, n) for n in range(-(-len(answers) // per_shard))]
    said: list[tuple[NamedNode, NamedNode | Literal]] = [
        (RDF.type, PROV.Activity),
        (ENR.runState, ENR[state]),
        (PROV.startedAtTime, timestamp(ended - timedelta(hours=1))),
        (PROV.endedAtTime, timestamp(ended)),
        *((ENR.graph, shard) for shard in shards),
    ]
    if order is not None:
        said.append((ENR.order, Literal(str(order), datatype=XSD.integer)))
    store.insert([Quad(run, predicate, value, NAMES.runs) for predicate, value in said])
    for number, (gap, values) in enumerate(answers.items()):
        store.insert(answer_quads(run, shards[number // per_shard], gap, values))
    return run


def answer_quads(run: NamedNode, shard: NamedNode, gap: Gap, values: Sequence[str]) -> list[Quad]:
    """A prediction for each value of an answer, or one abstention, each with a candidate."""
    quads = []
    for number, value in enumerate(values or [None]):
        iri = NAMES.mint("prediction", run, str(gap[0]), gap[1], str(number))
        candidate = NAMES.mint("candidate", iri)
        said = [
            (iri, RDF.type, ENR.Prediction),
            (iri, ENR.about, record(gap[0])),
            (iri, ENR.propertyName, Literal(gap[1])),
            (iri, ENR.outcome, ENR.Predicted if value else ENR.Abstained),
            (iri, ENR.confidence, Literal("0.5", datatype=XSD.decimal)),
            (iri, ENR.inputDigest, Literal("sha256:" + "0" * 64)),
            (iri, CRM.P9i_forms_part_of, run),
            (iri, CRM.P140_assigned_attribute_to, record(gap[0])),
            (iri, CRM.P177_assigned_property_of_type, CRM[f"P_{gap[1]}"]),
            (iri, ENR.answers, NamedNode(f"https://c.example/{value}")) if value else (iri, ENR.reason, ENR.NoEvidence),
            (candidate, PROV.wasGeneratedBy, iri),
            (candidate, ENR.rank, Literal("1", datatype=XSD.integer)),
            (candidate, ENR.value, NamedNode(f"https://c.example/{value or 'unsure'}")),
            (candidate, ENR.probability, Literal("0.5", datatype=XSD.decimal)),
        ]  # fmt: skip
        quads += [Quad(s, p, o, shard) for s, p, o in said]
    return quads
