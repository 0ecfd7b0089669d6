"""What a card shows: the record's pictures, texts and known values, the candidates, and what each modality alone said.

Some cards are read together, with as many questions to the store as one.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from pyoxigraph import Literal, NamedNode

from enrich.graph.labels import best_label, labels, short_iri
from enrich.graph.records import Subject
from enrich.graph.stores.base import Term
from enrich.ontology.terms import CRM, ENR, PROV, class_name, is_iri, named_node, values_block
from enrich.show.naming import number_of
from enrich.web.desk import Card
from enrich.workspace import Workspace

CANDIDATES = 5
"""Those that have a key."""


@dataclass(frozen=True, slots=True)
class Named:
    """A value, as models call it, with its name. `predicted` is what the model answered."""

    value: str
    name: str
    probability: float | None = None
    predicted: bool = False


@dataclass(frozen=True, slots=True)
class Shown:
    """A card as a page shows it."""

    card: Card
    name: str
    texts: tuple[tuple[str, str | None], ...]
    pictures: int
    known: tuple[tuple[str, tuple[str, ...]], ...]
    value: Named
    confidence: float
    promised: float | None
    candidates: tuple[Named, ...]
    alone: tuple[tuple[str, Named], ...]


@dataclass(slots=True)
class _Answer:
    """What the store says of one prediction."""

    value: str | None = None
    confidence: float = 0.0
    promised: float | None = None
    candidates: dict[int, tuple[str, float]] = field(default_factory=dict)
    alone: dict[str, tuple[str, float]] = field(default_factory=dict)


def shown(workspace: Workspace, cards: Sequence[Card], language: str) -> list[Shown]:
    """What the cards show; those whose prediction is no longer current, or whose record cannot be read, are left out."""
    if not cards:
        return []
    records = [named_node(iri) for iri in dict.fromkeys(card.record for card in cards)]
    read = workspace.reader.read_few(records)
    subjects = {subject.iri.value: subject for subject, _ in read}
    own = {s.iri.value: name for s, called in read if (name := best_label(called, language))}
    answer = _answers(workspace, [card.prediction for card in cards])
    ready = [
        card for card in cards if card.prediction in answer and subjects[card.record].problem is None
        and answer[card.prediction].value is not None
    ]  # fmt: skip
    used = {iri for card in ready for iri in _used(subjects[card.record], answer[card.prediction])}
    names = labels(workspace.store, used, language) | own
    prefixes = workspace.profile.prefixes
    return [_shown(card, subjects[card.record], answer[card.prediction], names, prefixes) for card in ready]


def _answers(workspace: Workspace, predictions: Iterable[str]) -> dict[str, _Answer]:
    block = values_block(["p"], ([named_node(iri)] for iri in dict.fromkeys(predictions)))
    own = (
        f"{block} ?p {CRM.P9i_forms_part_of} ?run ."  # in each branch: a store else looks through all answers
    )
    query = (
        f"SELECT ?p ?value ?probability ?rank ?role ?modality ?promised WHERE {{ "
        f"GRAPH {workspace.names.runs} {{ ?run {ENR.graph} ?g ; {ENR.runState} {ENR.Active} }} GRAPH ?g {{ "
        f"{{ {own} ?p {ENR.answers} ?value ; {ENR.confidence} ?probability OPTIONAL {{ ?p {ENR.promised} ?promised }} }} UNION "
        f"{{ {own} ?c {PROV.wasGeneratedBy} ?p ; {ENR.rank} ?rank ; {ENR.value} ?value ; {ENR.probability} ?probability }} UNION "
        f"{{ {own} ?p {PROV.qualifiedUsage} ?u . ?u {ENR.value} ?value ; {ENR.probability} ?probability "
        f"OPTIONAL {{ ?u {PROV.hadRole} ?role }} OPTIONAL {{ ?u {PROV.entity} ?saw . ?saw {ENR.modality} ?modality }} }} }} }}"
    )
    found: dict[str, _Answer] = defaultdict(_Answer)
    for p, value, probability, rank, role, modality, promised in workspace.store.select(query):
        if p is None or not isinstance(value, NamedNode | Literal):
            continue
        answer, share = found[p.value], float(number_of(probability) or 0.0)
        if rank is not None:
            answer.candidates[int(number_of(rank) or 0)] = (class_name(value), share)
        elif (alone := role or modality) is not None:
            answer.alone[_modality(alone)] = (class_name(value), share)
        else:
            answer.value, answer.confidence = class_name(value), share
            answer.promised = None if promised is None else float(number_of(promised) or 0.0)
    return found


def _modality(term: Term) -> str:
    return term.value.removeprefix(str(ENR)).removesuffix("Modality").lower()


def _used(subject: Subject, answer: _Answer) -> set[str]:
    """The IRIs that want a name."""
    record = subject.record
    values = {v for known in (record.known, record.context) for own in known.values() for v in own}
    values |= {v for v, _ in (*answer.candidates.values(), *answer.alone.values())} | {answer.value or ""}
    return {v for v in values if is_iri(v)}


def _shown(
    card: Card, subject: Subject, answer: _Answer, names: Mapping[str, str], prefixes: Mapping[str, str]
) -> Shown:
    def called(value: str) -> str:
        is_term = is_iri(value) or value.startswith('"')
        return names.get(value) or (short_iri(value, prefixes) if is_term else value)

    record, value = subject.record, answer.value or ""
    ranked = [answer.candidates[place] for place in sorted(answer.candidates)]
    some = ranked[:CANDIDATES]
    if all(v != value for v, _ in some):
        some = [(value, answer.confidence), *some[: CANDIDATES - 1]]
    known = {name: own for name, own in {**record.known, **record.context}.items() if name != card.property}
    numbers = tuple((name, (f"{number:g}",)) for name, number in record.numbers.items())
    return Shown(
        card,
        names.get(card.record) or short_iri(card.record, prefixes),
        tuple((text.value, text.language) for text in record.texts),
        len(record.pictures),
        (*((name, tuple(map(called, own))) for name, own in known.items() if own), *numbers),
        Named(value, called(value), answer.confidence, predicted=True),
        answer.confidence,
        answer.promised,
        tuple(Named(v, called(v), share, v == value) for v, share in some),
        tuple((m, Named(v, called(v), share)) for m, (v, share) in sorted(answer.alone.items())),
    )
