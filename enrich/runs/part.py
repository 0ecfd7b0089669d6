"""Takes back a part of a run: the values that it asserts of a property, in a museum, or within bounds of confidence.

What was asserted goes; abstentions stay, for they say nothing that could be wrong. The gaps are open again, unless an
older run has answered them. Each shard is exchanged in one update, which also counts what went, so that a process
that is killed leaves every count right, and the same command goes on where it stopped. The register keeps what was
taken back, when and by whom; what was taken back does not come back.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pyoxigraph import Literal, NamedNode, Quad

from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.model.description import promises_of
from enrich.errors import InputError, RunError
from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.graph.where import records_where
from enrich.ontology.terms import CRM, ENR, PROV, RDF, XSD, Names
from enrich.runs.expectation import expectations, to_text
from enrich.runs.narrowing import leave_out
from enrich.runs.provenance import decimal
from enrich.runs.register import ACTIVE, Register, number, timestamp
from enrich.runs.request import Request
from enrich.runs.shards import COUNTED
from enrich.runs.ticket import Ticket
from enrich.runs.validation import validate
from enrich.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Part:
    """Which values: of a property, with a confidence below one and not below another, about records of a museum; None
    for any."""

    property: str | None = None
    below: float | None = None
    above: float | None = None
    museum: str | None = None

    def holds(self, name: str, confidence: float, museum: str | None) -> bool:
        """Whether a value is in it."""
        return (
            self.property in (None, name)
            and (self.below is None or confidence < self.below)
            and (self.above is None or confidence >= self.above)
            and self.museum in (None, museum)
        )

    def words(self) -> str:
        """`place below 0.8 of https://m.example/1`."""
        said = [self.property or "every property"]
        said += [f"below {self.below:g}"] if self.below is not None else []
        said += [f"from {self.above:g} on"] if self.above is not None else []
        said += [f"of {self.museum}"] if self.museum is not None else []
        return " ".join(said)


@dataclass(frozen=True, slots=True)
class TakenBack:
    """What the register says of a part that was taken back."""

    iri: str
    run: str
    part: Part
    at: str
    by: str | None
    answers: int


@dataclass
class PartOfRun:
    """What a part holds: the predictions in it by shard, and how many there are of each property."""

    run: NamedNode
    part: Part
    shards: dict[NamedNode, set[NamedNode]] = field(default_factory=dict)
    by_property: Counter[str] = field(default_factory=Counter)

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "run": self.run.value,
            "values": self.by_property.total(),
            "properties": dict(self.by_property),
        }


def part_of(workspace: Workspace, run: NamedNode, part: Part) -> PartOfRun:
    """What is asserted in a part of an active run. Raises InputError for what is no part, RunError for another state."""
    register = Register(workspace.store, workspace.names)
    state = register.get(run).state
    if state != ACTIVE:
        raise RunError(f"run {run.value} is {state}: a part is taken back of a run that is {ACTIVE}")
    _check(workspace, part)
    found, about = PartOfRun(run, part), None
    if part.museum is not None:
        about = {r.value for r in records_where(workspace.reader, [_where(workspace, part.museum)])}
    for shard in sorted(register.shards(run)):
        graph = NamedNode(shard)
        for prediction, record, name, confidence in _asserted(workspace.store, graph):
            if part.holds(name, confidence, part.museum if about is None or record in about else None):
                found.shards.setdefault(graph, set()).add(prediction)
                found.by_property[name] += 1
    return found


def _check(workspace: Workspace, part: Part) -> None:
    if part == Part():
        raise InputError("say which part: --property, --below, --above or --museum")
    if part.property is not None:
        workspace.profile.property(part.property)
    if part.below is not None and part.above is not None and part.below <= part.above:
        raise InputError(f"nothing is below {part.below:g} and not below {part.above:g}")


def _where(workspace: Workspace, museum: str) -> str:
    """The museum as a condition on contexts. Raises InputError when the profile has none."""
    if not workspace.profile.museum:
        raise InputError(f"the profile {workspace.profile.name} does not say what a museum is (museum = …)")
    return f"{workspace.profile.museum}={museum}"


def _asserted(store: Store, graph: NamedNode) -> list[tuple[NamedNode, str, str, float]]:
    """The values that a shard asserts: prediction, record, property and confidence."""
    query = (
        f"SELECT ?p ?record ?name ?confidence WHERE {{ GRAPH {graph} {{ ?p {ENR.outcome} {ENR.Predicted} ; "
        f"{ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.confidence} ?confidence }} {PAGE_TOKEN}\n }}"
    )
    return [
        (p, record.value, name.value, float(confidence.value))
        for p, record, name, confidence in store.select_by_key(query, "p")
        if isinstance(p, NamedNode) and record is not None and name is not None and confidence is not None
    ]


def take_back(
    workspace: Workspace, found: PartOfRun, by: NamedNode | None = None, progress: Progress = no_progress
) -> int:
    """Take a part back, on behalf of `by`, or of the settings' actor. Returns how many values went. What another process
    has moved since `found` was looked at is looked for anew."""
    if not found.shards:
        return 0
    register = Register(workspace.store, workspace.names)
    with Ticket(register) as ticket:
        noted = _note(register, found, by or NamedNode(workspace.settings.actor))
        taken = 0
        while True:
            went = _leave_out(ticket, found, noted, progress)
            taken += sum(len(found.shards[graph]) for graph in went)
            if went == found.shards.keys() or register.get(found.run).state != ACTIVE:
                break
            seen, found = found.shards, part_of(workspace, found.run, found.part)
            if found.shards == seen:
                raise RunError(f"{found.part.words()} of {found.run.value} does not go: take it back again")
        _expect(workspace, register, found.run)
        # Now, whenever it began: what looked at answers meanwhile may have seen the old.
        register.replace(noted, {PROV.endedAtTime: timestamp(register.clock())})
    return taken


def _leave_out(ticket: Ticket, found: PartOfRun, noted: NamedNode, progress: Progress) -> set[NamedNode]:
    """Leave a part out of its shards. Returns those of which it went; another process has exchanged the others."""
    run = ticket.register.get(found.run)
    counted = [name for name in COUNTED if getattr(run, name) is not None]
    counter, went = (noted, ENR.answersTakenBack), set()
    for done, (graph, gone) in enumerate(found.shards.items()):
        progress("shards", done, len(found.shards))
        ticket.renew()
        if leave_out(ticket.register, found.run, graph, gone, counter=counter, counted=counted):
            went.add(graph)
    return went


def _note(register: Register, found: PartOfRun, by: NamedNode) -> NamedNode:
    """The register's entry of this part of the run, a new one when there is none."""
    part, names = found.part, register.names
    bounds = [None if bound is None else f"{bound:.6f}" for bound in (part.below, part.above)]
    iri = names.mint("taken-back", found.run, *(str(x) for x in (part.property, *bounds, part.museum)))
    if register.store.ask(f"ASK {{ GRAPH {names.runs} {{ {iri} {ENR.answersTakenBack} ?n }} }}"):
        return iri
    said: list[tuple[NamedNode, NamedNode, NamedNode | Literal]] = [
        (iri, RDF.type, ENR.TakenBack),
        (iri, RDF.type, PROV.Activity),
        (iri, ENR.takenFrom, found.run),
        (iri, ENR.answersTakenBack, Literal(0)),
        (iri, PROV.endedAtTime, timestamp(register.clock())),
        (iri, CRM.P14_carried_out_by, by),
    ]
    if part.property is not None:
        said.append((iri, ENR.propertyName, Literal(part.property)))
    for predicate, bound in ((ENR.takenBelow, part.below), (ENR.takenNotBelow, part.above)):
        if bound is not None:
            said.append((iri, predicate, Literal(decimal(bound).split('"')[1], datatype=XSD.decimal)))
    if part.museum is not None:
        said.append((iri, ENR.takenOfMuseum, Literal(part.museum)))
    quads = [Quad(s, p, o, names.runs) for s, p, o in said]
    validate(quads)
    register.store.insert(quads)
    return iri


def _expect(workspace: Workspace, register: Register, run: NamedNode) -> None:
    """Say anew what is expected of the run's answers; nothing, where its model is not there to say it."""
    request = Request.parse(register.get(run).request)
    text = ""
    if request is not None:
        try:
            promises = promises_of(Path(request.model), request.digest)
        except (ClassifierError, OSError):
            promises = {}
        if promises:
            shards = [NamedNode(shard) for shard in sorted(register.shards(run))]
            text = to_text(expectations(workspace.store, shards, promises))
    register.replace(run, {ENR.expected: Literal(text) if text else None})


def taken_back(store: Store, names: Names, run: NamedNode | None = None) -> list[TakenBack]:
    """The parts of runs, or of one, that were taken back, the first first."""
    only = f"VALUES ?run {{ {run} }} " if run is not None else ""
    query = f"SELECT ?iri ?p ?o WHERE {{ GRAPH {names.runs} {{ {only}?iri {ENR.takenFrom} ?run ; ?p ?o }} }}"
    said: dict[str, dict[NamedNode, str]] = {}
    for iri, predicate, value in store.select(query):
        if iri is not None and isinstance(predicate, NamedNode) and value is not None:
            said.setdefault(iri.value, {})[predicate] = value.value
    return sorted((_taken(iri, stated) for iri, stated in said.items()), key=lambda t: (t.at, t.iri))


def taken_since(store: Store, names: Names, moment: datetime) -> bool:
    """Whether a run was retracted, or a part of one taken back, at this moment or later."""
    parts = f"?part {ENR.takenFrom} ?run ; {PROV.endedAtTime} ?at"
    return any(
        store.ask(f"ASK {{ GRAPH {names.runs} {{ {what} FILTER(?at >= {timestamp(moment)}) }} }}")
        for what in (f"?run {ENR.retractedAtTime} ?at", parts)
    )


def _taken(iri: str, stated: Mapping[NamedNode, str]) -> TakenBack:
    def bound(predicate: NamedNode) -> float | None:
        return float(stated[predicate]) if predicate in stated else None

    part = Part(
        stated.get(ENR.propertyName),
        bound(ENR.takenBelow),
        bound(ENR.takenNotBelow),
        stated.get(ENR.takenOfMuseum),
    )
    return TakenBack(
        iri,
        stated[ENR.takenFrom],
        part,
        stated.get(PROV.endedAtTime, ""),
        stated.get(CRM.P14_carried_out_by),
        number(Literal(stated.get(ENR.answersTakenBack, "0"))),
    )
