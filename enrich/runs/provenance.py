"""Says a decision in RDF: the prediction, its candidates, and what each modality saw and said alone."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode, Quad

from classifiers.data import Picture
from classifiers.neural.formats import MEDIA_TYPES
from enrich.answering.decision import Candidate, Decision
from enrich.graph.records import Subject, digest_of, input_digest, seen_digest
from ontology.profiles import PropertyProfile
from ontology.terms import AI_GENERATED, CRM, DCT, ENR, PROV, RDF, XSD, Names, OntologyError, named_node

ROLES = {"image": ENR.ImageModality, "text": ENR.TextModality, "tabular": ENR.TabularModality}


@dataclass(frozen=True, slots=True)
class Said:
    """What one modality alone held likeliest for one gap: its calibrated first candidate."""

    value: str
    probability: float


@dataclass(frozen=True, slots=True)
class RunContext:
    """What the predictions of a run have in common."""

    names: Names
    run: NamedNode
    actor: NamedNode
    members: Mapping[str, NamedNode]
    """The model of each modality."""

    @property
    def run_id(self) -> str:
        """The run's id, the end of its IRI."""
        return self.names.run_id(self.run)


def prediction_iri(context: RunContext, subject: Subject, name: str, number: int = 0) -> NamedNode:
    """The IRI of a gap's answer; the further values of an answer with several are numbered from 1."""
    parts = [context.run_id, subject.iri.value, name, *([str(number)] if number else [])]
    return context.names.mint("prediction", *parts)


def answer_quads(
    context: RunContext,
    graph: NamedNode,
    subject: Subject,
    prop: PropertyProfile,
    decision: Decision,
    said: Mapping[str, Said],
    supersedes: tuple[NamedNode, ...] = (),
) -> list[Quad]:
    """The quads of one gap's answer, by the pattern of docs/ontology.md.

    A property with many values has a prediction for each value asserted; every candidate belongs to the
    prediction that asserts it, the others to the first.
    """
    asserted: tuple[Candidate | None, ...] = decision.asserted or (None,)
    predictions = [prediction_iri(context, subject, prop.name, n) for n in range(len(asserted))]
    owner = {c.value: iri for c, iri in zip(asserted, predictions, strict=True) if c is not None}
    evidence = list(_evidence(context, subject, prop.name, said))
    quads: list[tuple[NamedNode, NamedNode, NamedNode | Literal]] = []
    for iri, value in zip(predictions, asserted, strict=True):
        quads += _prediction(context, iri, subject, prop, decision, value)
        quads += [(iri, ENR.supersedes, older) for older in supersedes]
        for piece in evidence:
            quads += _usage(context, iri, piece)
    for candidate in decision.candidates:
        belongs = owner.get(candidate.value, predictions[0])
        node = context.names.mint("candidate", predictions[0], str(candidate.rank))
        quads += [
            (node, RDF.type, ENR.Candidate),
            (node, RDF.type, PROV.Entity),
            (node, PROV.wasGeneratedBy, belongs),
            (node, ENR.rank, Literal(str(candidate.rank), datatype=XSD.integer)),
            (node, ENR.value, NamedNode(candidate.value)),
            (node, ENR.probability, decimal(candidate.probability)),
        ]
    for piece in evidence:
        quads += piece.statements
    return [Quad(s, p, o, graph) for s, p, o in quads]


_Triple = tuple[NamedNode, NamedNode, NamedNode | Literal]


def _prediction(
    context: RunContext,
    iri: NamedNode,
    subject: Subject,
    prop: PropertyProfile,
    decision: Decision,
    value: Candidate | None,
) -> Iterator[_Triple]:
    yield iri, RDF.type, ENR.Prediction
    yield iri, RDF.type, CRM.E13_Attribute_Assignment
    yield iri, RDF.type, PROV.Activity
    yield iri, CRM.P140_assigned_attribute_to, subject.nodes.get(prop.name, subject.iri)
    yield iri, CRM.P177_assigned_property_of_type, prop.predicate
    yield iri, CRM.P2_has_type, AI_GENERATED
    yield iri, CRM.P14_carried_out_by, context.actor
    yield iri, CRM.P9i_forms_part_of, context.run
    yield iri, ENR.about, subject.iri
    yield iri, ENR.propertyName, Literal(prop.name)
    yield iri, ENR.outcome, decision.outcome
    yield iri, ENR.inputDigest, Literal(input_digest(subject.record, prop.name))
    if (seen := seen_digest(subject.record)) is not None:
        yield iri, ENR.seenDigest, Literal(seen)
    yield iri, ENR.confidence, decimal(value.probability if value else decision.confidence)
    if decision.threshold is not None:
        yield iri, ENR.abstainBelow, decimal(decision.threshold)
    if decision.coverage is not None:
        yield iri, ENR.coverage, decimal(decision.coverage)
    if decision.reason is not None:
        yield iri, ENR.reason, decision.reason
    if decision.detail:
        yield iri, ENR.detail, Literal(decision.detail)
    if value is not None:
        yield iri, ENR.answers, NamedNode(value.value)
        yield from _assignment(context, iri, prop, NamedNode(value.value))


def _assignment(
    context: RunContext, iri: NamedNode, prop: PropertyProfile, value: NamedNode
) -> Iterator[_Triple]:
    """The value itself, or a node of ours where the data model puts one between (a time-span)."""
    if not prop.value:
        yield iri, CRM.P141_assigned, value
        return
    between = context.names.mint("node", iri, prop.name)
    yield iri, CRM.P141_assigned, between
    if prop.value_class is not None:
        yield between, RDF.type, prop.value_class
    here = between
    for number, step in enumerate(prop.value, start=1):
        last = number == len(prop.value)
        there = value if last else context.names.mint("node", iri, prop.name, str(number))
        yield (there, step.predicate, here) if step.inverse else (here, step.predicate, there)
        here = there


@dataclass(frozen=True, slots=True)
class _Evidence:
    modality: str
    iri: NamedNode
    said: Said | None
    statements: tuple[_Triple, ...]


def _evidence(
    context: RunContext, subject: Subject, name: str, said: Mapping[str, Said]
) -> Iterator[_Evidence]:
    """One piece of evidence for each modality that looked, its IRI derived from what it held."""
    for modality in context.members:
        if modality not in said and not (modality == "image" and subject.record.pictures):
            continue
        triples: list[_Triple] = []
        if modality == "image":
            iri = _pictures(context.names, subject.record.pictures, triples)
        elif modality == "text":
            iri = _texts(context.names, subject, triples)
        else:
            iri = _known(context.names, subject, name, triples)
        yield _Evidence(modality, iri, said.get(modality), tuple(triples))


def _entity(names: Names, digest: str, triples: list[_Triple]) -> NamedNode:
    iri = names.mint("evidence", digest)
    triples += [(iri, RDF.type, PROV.Entity), (iri, ENR.sha256, Literal(digest))]
    return iri


def _pictures(names: Names, pictures: tuple[Picture, ...], triples: list[_Triple]) -> NamedNode:
    """The set of pictures, with each picture seen, and each refused with its reason."""
    whole = _entity(names, digest_of([[p.url, p.sha256, p.failure] for p in pictures]), triples)
    for picture in pictures:
        url = _iri(picture.url.strip().replace(" ", "%20"))
        part = _entity(names, picture.sha256 or digest_of([picture.url, picture.failure]), triples)
        triples.append((whole, PROV.hadMember, part))
        if url is not None:
            triples += [(part, PROV.wasDerivedFrom, url), (whole, PROV.wasDerivedFrom, url)]
        if picture.format in MEDIA_TYPES:
            triples.append((part, DCT.format, Literal(MEDIA_TYPES[picture.format])))
        if picture.failure:
            triples.append((part, ENR.detail, Literal(picture.failure)))
    return whole


def _texts(names: Names, subject: Subject, triples: list[_Triple]) -> NamedNode:
    texts = subject.record.texts
    iri = _entity(names, digest_of([[t.language, t.value] for t in texts]), triples)
    triples.append((iri, PROV.wasDerivedFrom, subject.iri))
    triples += [
        (iri, DCT.language, Literal(tag)) for tag in sorted({t.language for t in texts if t.language})
    ]
    sources = sorted({t.source for t in texts if t.source})
    triples += [(iri, ENR.property, NamedNode(source)) for source in sources]
    return iri


def _known(names: Names, subject: Subject, name: str, triples: list[_Triple]) -> NamedNode:
    known = {k: sorted(v) for k, v in subject.record.known.items() if k != name}
    context = {k: sorted(v) for k, v in subject.record.context.items()}
    iri = _entity(names, digest_of([subject.iri.value, known, context]), triples)
    triples.append((iri, PROV.wasDerivedFrom, subject.iri))
    values = {v for group in (*known.values(), *context.values()) for v in group}
    triples += [(iri, ENR.value, node) for v in sorted(values) if (node := _iri(v)) is not None]
    return iri


def _usage(context: RunContext, prediction: NamedNode, piece: _Evidence) -> Iterator[_Triple]:
    usage = context.names.mint("usage", prediction, piece.modality)
    yield prediction, PROV.used, piece.iri
    yield prediction, PROV.qualifiedUsage, usage
    yield usage, RDF.type, PROV.Usage
    yield usage, PROV.entity, piece.iri
    yield usage, PROV.hadRole, ROLES[piece.modality]
    yield usage, ENR.byModel, context.members[piece.modality]
    if piece.said is not None:
        yield usage, ENR.value, NamedNode(piece.said.value)
        yield usage, ENR.probability, decimal(piece.said.probability)


def decimal(number: float) -> Literal:
    """A share as xsd:decimal with at most six decimals: `0.86`, `0.0`, `1.0`."""
    whole, _, part = f"{number:.6f}".partition(".")
    return Literal(f"{whole}.{part.rstrip('0') or '0'}", datatype=XSD.decimal)


def _iri(text: str) -> NamedNode | None:
    """The text as an http(s) IRI, None when it is none."""
    if not text.startswith(("http://", "https://")):
        return None
    try:
        return named_node(text)
    except OntologyError:
        return None
