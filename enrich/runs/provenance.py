"""Says answers in RDF: the prediction, its candidates, and what each modality saw and held alone.

What is the same for all answers of a run is said on the run, in the register: who made it and on whose
behalf, that its content is AI generated, its models and which modality each looks at.
"""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import takewhile

from pyoxigraph import Literal, NamedNode

from enrich.answering.decision import Candidate, Decision
from enrich.classifiers.data import Picture
from enrich.classifiers.digest import json_digest
from enrich.classifiers.neural.formats import MEDIA_TYPES
from enrich.graph.records import Subject, input_digest, seen_digest
from enrich.ontology.kinds import DATE
from enrich.ontology.paths import Condition, Path, Step, path_text, steps, ways_along
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.spans import Span, edtf_year, span_of
from enrich.ontology.terms import (
    CRM,
    DCT,
    ECRM,
    ENR,
    PROV,
    RDF,
    XSD,
    Names,
    class_term,
    is_iri,
)
from enrich.runs.validation import Triple

MODALITIES = {"image": ENR.ImageModality, "text": ENR.TextModality, "tabular": ENR.TabularModality}
"""The term of each modality: of a piece of evidence, and of the model that looks at it."""
_TYPE = str(RDF.type)
_PREDICTION, _ASSIGNMENT = str(ENR.Prediction), str(CRM.E13_Attribute_Assignment)
_ABOUT, _PROPERTY_NAME, _OUTCOME, _REASON = (
    str(t) for t in (ENR.about, ENR.propertyName, ENR.outcome, ENR.reason)
)
_CONFIDENCE, _BELOW, _COVERAGE = (str(t) for t in (ENR.confidence, ENR.abstainBelow, ENR.coverage))
_REGIME, _PROMISED, _BROADER = (str(t) for t in (ENR.regime, ENR.promised, ENR.broader))
_INPUT, _SEEN, _DETAIL, _ANSWERS = (
    str(t) for t in (ENR.inputDigest, ENR.seenDigest, ENR.detail, ENR.answers)
)
_TO, _PREDICATE, _ASSIGNED, _PART_OF = (
    str(t) for t in (
        CRM.P140_assigned_attribute_to, CRM.P177_assigned_property_of_type, CRM.P141_assigned, CRM.P9i_forms_part_of,
    )
)  # fmt: skip
_GENERATED_BY, _USAGE, _ENTITY = (str(t) for t in (PROV.wasGeneratedBy, PROV.qualifiedUsage, PROV.entity))
_RANK, _VALUE, _PROBABILITY = (str(t) for t in (ENR.rank, ENR.value, ENR.probability))
_MODALITY, _SHA256, _SOURCE = (str(t) for t in (ENR.modality, ENR.sha256, PROV.wasDerivedFrom))


@dataclass(frozen=True, slots=True)
class MemberPrediction:
    """What one modality alone held likeliest for one gap: its calibrated first candidate."""

    value: str
    probability: float


@dataclass(slots=True)
class RunContext:
    """What the predictions of a run have in common.

    It keeps the evidence of the record at hand: the answers to its gaps share it.
    """

    names: Names
    run: NamedNode
    members: Mapping[str, NamedNode]
    """The model of each modality."""
    spellings: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    """How the classes of a property are written that are written otherwise than the model calls them."""
    _of: Subject | None = None
    _evidence: dict[str, tuple[str, list[Triple]]] = field(default_factory=dict)

    @property
    def run_id(self) -> str:
        """The run's id, the end of its IRI."""
        return self.names.run_id(self.run)

    def term(self, name: str, value: str) -> str:
        """A class of a property as N-Triples write it. Raises OntologyError for what is no class."""
        return _term(self.spellings.get(name, {}).get(value, value))

    def evidence(self, subject: Subject, modality: str) -> tuple[str, list[Triple]]:
        """The node of what a modality sees of a record, and what is said of it."""
        if self._of is not subject:
            self._of, self._evidence = subject, {}
        if modality not in self._evidence:
            self._evidence[modality] = _EVIDENCE[modality](self.names, subject)
        return self._evidence[modality]


def answer_triples(
    context: RunContext,
    subject: Subject,
    prop: PropertyProfile,
    decision: Decision,
    members: Mapping[str, MemberPrediction],
    rejected: Collection[str] = (),
) -> list[Triple]:
    """The triples of one gap's answer, by the pattern of docs/ontology.md, as N-Triples write their terms; `rejected`
    are the values that curators had turned down when it was asked.

    A property with many values has a prediction for each value asserted; every candidate belongs to the
    prediction that asserts it, the others to the first. Raises OntologyError for a value that is neither an IRI nor a literal.
    """
    names = context.names
    asserted: tuple[Candidate | None, ...] = decision.asserted or (None,)
    parts = (context.run_id, subject.iri.value, prop.name)
    keys = [names.key(*parts, *([str(n)] if n else [])) for n in range(len(asserted))]
    owner = {c.value: key for c, key in zip(asserted, keys, strict=True) if c is not None}
    digest = input_digest(subject.record, prop.name, rejected)
    seen = [m for m in context.members if m in members or (m == "image" and subject.record.pictures)]
    triples = [t for m in seen for t in context.evidence(subject, m)[1]]
    for key, value in zip(keys, asserted, strict=True):
        iri = f"<{names.base}prediction/{key}>"
        triples += _prediction(context, iri, subject, prop, decision, value, digest)
        for modality in seen:
            usage = f"<{names.base}usage/{key}-{modality}>"
            triples += [(iri, _USAGE, usage), (usage, _ENTITY, context.evidence(subject, modality)[0])]
            if (alone := members.get(modality)) is not None:
                triples += [
                    (usage, _VALUE, context.term(prop.name, alone.value)),
                    (usage, _PROBABILITY, decimal(alone.probability)),
                ]
    for candidate in decision.candidates:
        node = f"<{names.base}candidate/{keys[0]}-{candidate.rank}>"
        triples += [
            (node, _GENERATED_BY, f"<{names.base}prediction/{owner.get(candidate.value, keys[0])}>"),
            (node, _RANK, str(Literal(candidate.rank))),
            (node, _VALUE, context.term(prop.name, candidate.value)),
            (node, _PROBABILITY, decimal(candidate.probability)),
        ]
    return triples


def _prediction(
    context: RunContext,
    iri: str,
    subject: Subject,
    prop: PropertyProfile,
    decision: Decision,
    value: Candidate | None,
    digest: str,
) -> Iterator[Triple]:
    yield iri, _TYPE, _PREDICTION
    yield iri, _TYPE, _ASSIGNMENT
    term = context.term(prop.name, value.value) if value else None
    statement = statement_of(context.names, iri, subject, prop, term)
    yield from statement.around
    if statement.assigned is not None:
        yield iri, _ASSIGNED, statement.assigned
    yield iri, _TO, statement.node
    yield iri, _PREDICATE, str(prop.predicate.predicate)
    yield iri, _PART_OF, str(context.run)
    yield iri, _ABOUT, str(subject.iri)
    yield iri, _PROPERTY_NAME, str(Literal(prop.name))
    yield iri, _OUTCOME, str(decision.outcome)
    yield iri, _INPUT, f'"{digest}"'
    if (seen := seen_digest(subject.record)) is not None:
        yield iri, _SEEN, f'"{seen}"'
    yield iri, _CONFIDENCE, decimal(value.probability if value else decision.confidence)
    if (threshold := value.threshold if value else decision.threshold) is not None:
        yield iri, _BELOW, decimal(threshold)
    if decision.coverage is not None:
        yield iri, _COVERAGE, decimal(decision.coverage)
    if decision.regime is not None:
        yield iri, _REGIME, str(decision.regime)
    if decision.promised is not None:
        yield iri, _PROMISED, decimal(decision.promised)
    if decision.reason is not None:
        yield iri, _REASON, str(decision.reason)
    if decision.detail:
        yield iri, _DETAIL, str(Literal(decision.detail))
    if term is not None and value is not None:
        yield iri, _ANSWERS, term
        if value.broader:
            yield iri, _BROADER, f'"true"^^{XSD.boolean}'


@dataclass(frozen=True, slots=True)
class Statement:
    """What the facts would say were a value true: `node`, the profile's predicate and `assigned` (None without a
    value); and what is said `around` it of nodes of ours: a time-span, a production that is not there."""

    node: str
    assigned: str | None
    around: tuple[Triple, ...]


def statement_of(
    names: Names, iri: str, subject: Subject, prop: PropertyProfile, value: str | None
) -> Statement:
    """The statement about a record that a prediction or review `iri` stands for; terms are as N-Triples write them."""
    node = str(subject.nodes.get(prop.name, subject.iri))
    if value is None:
        return Statement(node, None, ())
    assigned, around = object_of(names, iri, prop, value)
    if prop.predicate.inverse:
        node, assigned = assigned, node
    if prop.name in subject.minted:
        around = [*around, *_carrier(names, subject, prop)]
    return Statement(node, assigned, tuple(around))


def _carrier(names: Names, subject: Subject, prop: PropertyProfile) -> Iterator[Triple]:
    """How the record leads to a node of ours that stands for one that is not there, or that has no IRI: from the last node on
    the way that the facts name."""
    node, text = str(subject.nodes[prop.name]), path_text(prop.node)
    number, here = subject.reached.get(prop.name, (0, subject.iri))
    ways = ways_along(prop.node)
    between = [names.mint("node", subject.iri, text, str(n)) for n in range(number + 1, len(ways))]
    yield from _walked(str(here), ways[number:], [*map(str, between), node])
    if prop.node_class is not None:
        yield node, _TYPE, str(prop.node_class)


def _walked(start: str, ways: Sequence[Path], nodes: Sequence[str]) -> Iterator[Triple]:
    """That the ways along a path lead from `start` to these nodes, and what their conditions ask of nodes of ours among them."""
    here = start
    for way, there in zip(ways, nodes, strict=True):
        *_, last = (number for number, part in enumerate(way) if isinstance(part, Step))
        step = way[last]
        assert isinstance(step, Step)
        yield (there, str(step.predicate), here) if step.inverse else (here, str(step.predicate), there)
        yield from _conditions(there, way[last + 1 :])
        here = there


def _conditions(node: str, parts: Path) -> Iterator[Triple]:
    """What the conditions before the first step of a path, or without one, ask of a node of ours, as far as it can be said."""
    for condition in takewhile(lambda part: isinstance(part, Condition), parts):
        for step, values in condition.facts if isinstance(condition, Condition) else ():
            value = next((v for v in values if isinstance(v, NamedNode) or not step.inverse), None)
            if value is not None:
                term = str(value if isinstance(value, NamedNode) else Literal(value))
                yield (term, str(step.predicate), node) if step.inverse else (node, str(step.predicate), term)


def object_of(names: Names, iri: str, prop: PropertyProfile, value: str) -> tuple[str, list[Triple]]:
    """What `iri` says of a record for a value, and what is said of it: the value itself, or a node of ours where the data
    model puts one between (a time-span)."""
    node, ways = str(names.mint("node", iri, prop.name)), ways_along(prop.value)
    apart = prop.kind == DATE and (prop.begin or (prop.value_class and not ways))
    if apart and (span := _span(prop, value)) is not None:
        return node, list(_time_span(names, (iri, prop.name), prop, span))
    if not ways:
        return value, []
    said = [(node, _TYPE, str(prop.value_class))] if prop.value_class is not None else []
    return node, [*said, *_onward(names, (iri, prop.name), prop.value, value)]


def _onward(names: Names, key: tuple[str, str], path: Path, value: str) -> Iterator[Triple]:
    """That a path leads from the node of a value, of which all nodes of ours have `key`, to the value."""
    ways = ways_along(path) or (steps(path)[-1:],)
    between = [str(names.mint("node", *key, path_text(way))) for way in ways[:-1]]
    start = str(names.mint("node", *key))
    yield from _conditions(start, ways[0])
    # What must hold of the value itself is no statement of ours.
    bare = [*ways[:-1], steps(ways[-1])[-1:]]
    yield from _walked(start, bare, [*between, value])


def _span(prop: PropertyProfile, value: str) -> Span | None:
    """The years of a class of dates; None for a concept that stands for its years itself."""
    if value.startswith("<"):
        return prop.spans.get(NamedNode(value[1:-1])) if prop.begin else None
    term = class_term(value)
    return span_of(term) or prop.spans.get(term) if isinstance(term, Literal) else None


def _time_span(names: Names, key: tuple[str, str], prop: PropertyProfile, span: Span) -> Iterator[Triple]:
    """A time-span of ours with its begin and its end, said as the profile reads them."""
    model = ECRM if prop.predicate.predicate in ECRM else CRM
    yield str(names.mint("node", *key)), _TYPE, str(prop.value_class or model["E52_Time-Span"])
    for year, path, usual, rest in (
        (span.begin, prop.begin, model.P82a_begin_of_the_begin, "01-01T00:00:00"),
        (span.end, prop.end, model.P82b_end_of_the_end, "12-31T23:59:59"),
    ):
        if year is not None:
            moment = f'"{edtf_year(year)}-{rest}"^^{XSD.dateTime}'
            yield from _onward(names, key, path or (Step(usual),), moment)


def _entity(names: Names, digest: str) -> tuple[str, list[Triple]]:
    iri = str(names.mint("evidence", digest))
    return iri, [(iri, _SHA256, f'"{digest}"')]


def _pictures(names: Names, subject: Subject) -> tuple[str, list[Triple]]:
    """The one picture, or the set of several with each of them; a refused one has its reason."""
    pictures = subject.record.pictures
    members = [_picture(names, picture) for picture in pictures]
    if len(members) == 1:
        iri, triples = members[0]
    else:
        iri, triples = _entity(names, json_digest([[p.url, p.sha256, p.failure] for p in pictures]))
        for member, said in members:
            triples += [*said, (iri, str(PROV.hadMember), member)]
            triples += [(iri, _SOURCE, source) for _, predicate, source in said if predicate == _SOURCE]
    return iri, [(iri, _MODALITY, str(ENR.ImageModality)), *triples]


def _picture(names: Names, picture: Picture) -> tuple[str, list[Triple]]:
    iri, triples = _entity(names, picture.sha256 or json_digest([picture.url, picture.failure]))
    url = _iri(picture.url.strip().replace(" ", "%20"))
    if url is not None:
        triples.append((iri, _SOURCE, url))
    if picture.format in MEDIA_TYPES:
        triples.append((iri, str(DCT.format), f'"{MEDIA_TYPES[picture.format]}"'))
    if picture.failure:
        triples.append((iri, _DETAIL, str(Literal(picture.failure))))
    return iri, triples


def _texts(names: Names, subject: Subject) -> tuple[str, list[Triple]]:
    texts = subject.record.texts
    iri, triples = _entity(names, json_digest([subject.iri.value, [[t.language, t.value] for t in texts]]))
    triples += [(iri, _MODALITY, str(ENR.TextModality)), (iri, _SOURCE, str(subject.iri))]
    for tag in sorted({t.language for t in texts if t.language}):
        triples.append((iri, str(DCT.language), str(Literal(tag))))
    for source in sorted({t.source for t in texts if t.source}):
        triples.append((iri, str(ENR.property), str(NamedNode(source))))
    return iri, triples


def _known(names: Names, subject: Subject) -> tuple[str, list[Triple]]:
    """The known values and the context, which all gaps of a record have in common."""
    known = {k: sorted(v) for k, v in subject.record.known.items()}
    context = {k: sorted(v) for k, v in subject.record.context.items()}
    numbers = [dict(subject.record.numbers)] if subject.record.numbers else []
    iri, triples = _entity(names, json_digest([subject.iri.value, known, context, *numbers]))
    triples += [(iri, _MODALITY, str(ENR.TabularModality)), (iri, _SOURCE, str(subject.iri))]
    values = {v for group in (*known.values(), *context.values()) for v in group}
    if iris := " ".join(value for value in sorted(values) if _iri(value) is not None):
        triples.append((iri, str(ENR.values), str(Literal(iris))))
    return iri, triples


_EVIDENCE = {"image": _pictures, "text": _texts, "tabular": _known}


def decimal(number: float) -> str:
    """A share as xsd:decimal with at most six decimals: `"0.86"`, `"0.0"`, `"1.0"` and the datatype."""
    whole, _, part = f"{number:.6f}".partition(".")
    return f'"{whole}.{part.rstrip("0") or "0"}"^^{XSD.decimal}'


@lru_cache(10_000)
def _term(name: str) -> str:
    """A class, an IRI or a literal, as N-Triples write it."""
    return str(class_term(name))


def _iri(text: str) -> str | None:
    """The text as an http(s) IRI, None when it is none."""
    return str(NamedNode(text)) if text.startswith(("http://", "https://")) and is_iri(text) else None
