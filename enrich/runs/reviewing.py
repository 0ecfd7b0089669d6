"""Writes reviews: each is checked, appended to the register, and seen at once in verdicts and in `accepted`.

A judgement that cannot be written is refused with its reason, and costs no other.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from urllib.parse import quote

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.classifiers.base import Progress, no_progress
from enrich.errors import InputError, ValidationError
from enrich.graph.records import Subject
from enrich.graph.stores.base import PAGE_TOKEN
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import (
    CRM,
    ENR,
    PROV,
    RDF,
    RDFS,
    XSD,
    OntologyError,
    Term,
    class_name,
    class_term,
    is_iri,
    named_node,
    values_block,
)
from enrich.runs.provenance import Statement, decimal, statement_of
from enrich.runs.reviews import Gap, Review, Verdict, in_force, read_reviews, verdicts
from enrich.runs.validation import Triple, shapes
from enrich.runs.verdicts import VerdictGraphs, at_once
from enrich.workspace import Workspace

_FEW = 8
"""Records that are read together in one question."""
DECISIONS = ("Accepted", "Rejected", "Corrected", "Undecided")
OBJECTIONS = ("Wrong", "TooBroad", "TooNarrow", "NotOnThisObject", "CannotBeKnown")
ABOUT = (
    ENR.reviews, ENR.about, ENR.propertyName, CRM.P140_assigned_attribute_to, CRM.P177_assigned_property_of_type,
)  # fmt: skip
"""What every review is about: the prediction, the record, the property, and the node and predicate of the statement."""
KEPT = (CRM.P9i_forms_part_of, ENR.confidence, ENR.regime, ENR.promised)
"""What the register keeps of a prediction that was judged."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a curator says of one prediction: a decision, the value put in where it is Corrected, what is held against
    the old one, and how it was drawn. `again` writes it though the value stands so already, as an opinion of its own."""

    prediction: NamedNode
    decision: str
    value: Term | None = None
    objection: str | None = None
    note: str | None = None
    drawn: str = "Chosen"
    probability: float | None = None
    shown: bool = True
    began: datetime | None = None
    again: bool = False


@dataclass(frozen=True, slots=True)
class RefusedJudgement:
    """A judgement or review that was not written, and why."""

    what: NamedNode
    why: str


@dataclass(frozen=True, slots=True)
class Overruled:
    """A verdict of somebody else that no longer stands."""

    record: str
    property: str
    value: str
    decision: str


@dataclass(slots=True)
class Reviewed:
    """What was written, under one batch; what stood so already; what was refused; whom it overrules; the `gaps` it is about."""

    batch: NamedNode
    written: list[NamedNode] = field(default_factory=list)
    unchanged: int = 0
    refused: list[RefusedJudgement] = field(default_factory=list)
    overruled: list[Overruled] = field(default_factory=list)
    gaps: set[Gap] = field(default_factory=set)


@dataclass(frozen=True, slots=True)
class Predicted:
    """A prediction as the store has it. `state` is that of its run; `kept` what is kept of it with its reviews."""

    record: NamedNode
    property: str
    value: str | None
    state: str
    kept: tuple[Triple, ...]


class Reviewer:
    """Writes reviews of one curator, who is called by a name or an IRI."""

    def __init__(self, workspace: Workspace, curator: str) -> None:
        if not curator.strip():
            raise InputError("a review needs the name of its curator: say --by NAME")
        self.workspace, self.store, self.names = workspace, workspace.store, workspace.names
        self.many = workspace.profile.many_valued
        self.graphs = VerdictGraphs(self.store, self.names, self.many)
        self._in_graph: dict[NamedNode, bool] = {}
        slug = quote("-".join(curator.lower().split()), safe="")
        self.curator = named_node(curator if is_iri(curator) else f"{self.names.base}curator/{slug}")
        self._label = None if is_iri(curator) else Literal(" ".join(curator.split()))

    def write(
        self,
        judgements: Sequence[Judgement],
        now: datetime,
        progress: Progress = no_progress,
        *,
        dry_run: bool = False,
        batch: NamedNode | None = None,
    ) -> Reviewed:
        """Write reviews, of one `batch`. One that cannot be made is refused with its reason, and costs no other."""
        batch = batch or self.names.mint("review-batch", self.curator, now.isoformat(), str(len(judgements)))
        done = Reviewed(batch)
        step = at_once(self.store)
        for start in range(0, len(judgements), step):
            progress("reviews", start, len(judgements))
            moments = [now + timedelta(microseconds=n) for n in range(start, start + step)]
            some = list(zip(judgements[start : start + step], moments, strict=False))
            self._write(some, done, dry_run=dry_run)
        return done

    def withdraw(self, named: NamedNode, now: datetime, *, dry_run: bool = False) -> Reviewed:
        """Take back one review, or all of a batch. Raises InputError when there is none of this IRI."""
        decided = f"{named} {ENR.decision} ?decision"
        is_review = self.store.ask(f"ASK {{ GRAPH {self.names.reviews} {{ {decided} }} }}")
        which = values_block(["review"], [[named]]) if is_review else f"?review {ENR.reviewedWith} {named} ."
        query = (
            f"SELECT ?review ?p ?record ?name ?to ?predicate ?gone WHERE {{ GRAPH {self.names.reviews} {{ {which} "
            f"?review {ENR.reviews} ?p ; {ENR.about} ?record ; {ENR.propertyName} ?name ; "
            f"{CRM.P140_assigned_attribute_to} ?to ; {CRM.P177_assigned_property_of_type} ?predicate . "
            f"FILTER NOT EXISTS {{ ?review {ENR.withdraws} ?other }} "
            f"OPTIONAL {{ ?gone {ENR.withdraws} ?review }} {PAGE_TOKEN}\n }} }}"
        )
        rows = list(self.store.select_by_key(query, "review"))
        if not rows:
            raise InputError(f"no review or batch is called {named.value}; enrich review list has them")
        done = Reviewed(self.names.mint("review-batch", self.curator, now.isoformat(), named))
        done.gaps = {(about.value, name.value) for _, _, about, name, *_ in rows if about and name}
        done.unchanged = sum(row[-1] is not None for row in rows)
        left = [row for row in rows if row[-1] is None]
        step = at_once(self.store)
        for start in range(0, len(left), step):
            made: list[Review] = []
            triples: list[Triple] = []
            for review, prediction, record, name, to, predicate, _ in left[start : start + step]:
                if not isinstance(review, NamedNode) or record is None or name is None:
                    continue
                iri = self.names.mint("review", review, "Withdrawn", self.curator, now.isoformat())
                gap = record.value, name.value
                made.append(Review(iri.value, *gap, "Withdrawn", now, withdraws=review.value))
                triples += [
                    *self._said(iri, done.batch, "Withdrawn", now, (prediction, record, name, to, predicate)),
                    (str(iri), str(ENR.withdraws), str(review)),
                ]
                done.written.append(iri)
            if not dry_run:
                self.graphs.append(made, triples)
        return done

    def _write(
        self, judgements: Sequence[tuple[Judgement, datetime]], done: Reviewed, *, dry_run: bool
    ) -> None:
        predicted = self.predicted([j.prediction for j, _ in judgements])
        done.gaps |= {(p.record.value, p.property) for p in predicted.values()}
        records = list(dict.fromkeys(p.record for p in predicted.values()))
        reader = self.workspace.reader
        few = [s for s, _ in reader.read_few(records)] if len(records) <= _FEW else reader.read(records)
        subjects = {s.iri: s for s in few}
        before = read_reviews(self.store, self.names, records)
        in_place = {review.iri for review in in_force(before)}
        of_record: dict[str, list[Review]] = {}
        for review in before:
            of_record.setdefault(review.record, []).append(review)
        made: list[Review] = []
        triples: list[Triple] = []
        for judgement, now in judgements:
            about = predicted.get(judgement.prediction)
            try:
                standing = verdicts(of_record.get(about.record.value, []) if about else [], self.many)
                found = self._judged(judgement, predicted, subjects, standing, in_place, now, done.batch)
            except (InputError, OntologyError, ValidationError) as error:
                done.refused.append(RefusedJudgement(judgement.prediction, str(error)))
                continue
            if found is None:
                done.unchanged += 1
                continue
            review, said = found
            triples += said
            made.append(review)
            of_record.setdefault(review.record, []).append(review)
            done.written.append(NamedNode(review.iri))
        done.overruled += self._overruled(before, made)
        if not dry_run:
            self.graphs.append(made, triples)

    def _overruled(self, before: Sequence[Review], made: Sequence[Review]) -> Iterator[Overruled]:
        """Which verdicts of others no longer stand."""
        by = {review.iri: review.curator for review in before}
        after = verdicts([*before, *made], self.many)
        for gap, values in verdicts(before, self.many).items():
            for value, verdict in values.items():
                now = after[gap][value]
                if now.decision != verdict.decision and by[verdict.review] != self.curator.value:
                    yield Overruled(*gap, value, verdict.decision)

    def _judged(
        self,
        judgement: Judgement,
        predicted: Mapping[NamedNode, Predicted],
        subjects: Mapping[NamedNode, Subject],
        standing: Mapping[Gap, Mapping[str, Verdict]],
        in_place: Collection[str],
        now: datetime,
        batch: NamedNode,
    ) -> tuple[Review, list[Triple]] | None:
        """The review and its triples; None when the value stands so already, and this is none of those `in_place` sent again."""
        about = predicted.get(judgement.prediction)
        if about is None:
            raise InputError("no run has this prediction, or it was taken back")
        if about.state != "Active":
            raise InputError(f"its run is {about.state.lower()}: only what is current is reviewed")
        prop = self.workspace.profile.property(about.property)
        subject = subjects[about.record]
        if subject.problem is not None:
            raise InputError(f"{about.record.value}: {subject.problem}")
        value, instead = self._values(judgement, about, prop)
        gap = (about.record.value, about.property)
        iri = self.names.mint(
            "review", judgement.prediction, judgement.decision, value, self.curator, now.isoformat()
        )
        stands = _stands(standing.get(gap, {}), judgement.decision, value, instead)
        if stands and not (judgement.again or iri.value in in_place):
            return None
        statement = statement_of(self.names, str(iri), subject, prop, str(class_term(value)))
        states = _statement(statement, prop) if judgement.decision in ("Accepted", "Corrected") else ""
        of = judgement.prediction, about.record, Literal(prop.name), statement.node, prop.predicate.predicate
        triples = [
            *self._said(iri, batch, judgement.decision, now, of),
            (str(iri), str(CRM.P141_assigned), str(statement.assigned)),
            (str(iri), str(ENR.answers), str(class_term(value))),
            *([(str(iri), str(ENR.states), str(Literal(states)))] if states else []),
            *_told(iri, judgement, instead),
            *about.kept,
        ]
        self._check(triples)
        made = Review(
            iri.value, *gap, judgement.decision, now, value, instead, None, self.curator.value, states,
            drawn=judgement.drawn, probability=judgement.probability,
        )  # fmt: skip
        return made, triples

    def _values(
        self, judgement: Judgement, about: Predicted, prop: PropertyProfile
    ) -> tuple[str, str | None]:
        """What the review speaks of, and the predicted value in whose place it was put. Raises InputError."""
        if judgement.decision not in DECISIONS:
            raise InputError(f"{judgement.decision!r} is no decision; there are: {', '.join(DECISIONS)}")
        if judgement.objection is not None and judgement.objection not in OBJECTIONS:
            raise InputError(f"{judgement.objection!r} is no objection; there are: {', '.join(OBJECTIONS)}")
        if judgement.objection is not None and judgement.decision == "Accepted":
            raise InputError("an objection goes with reject, correct or undecided")
        if judgement.decision != "Corrected":
            if about.value is None:
                raise InputError("it abstained: there is no value to judge; correct it with the right one")
            return about.value, None
        if judgement.value is None:
            raise InputError("a correction names the right value")
        value = self.workspace.reader.classes[prop.name].named(judgement.value)
        if value is None:
            raise InputError(f"{class_name(judgement.value)} is no value of {prop.name}")
        if value == about.value:
            raise InputError("the right value is what was predicted: accept it")
        if isinstance(judgement.value, NamedNode) and not self._known(judgement.value):
            raise InputError(
                f"{value} is not in the graph: load the vocabulary that has it, or see its spelling"
            )
        return value, about.value

    def _known(self, value: NamedNode) -> bool:
        """Whether the facts or a vocabulary speak of a value."""
        if value not in self._in_graph:
            said = f"{{ {{ {value} ?p ?o }} UNION {{ ?s ?q {value} }} }}"
            self._in_graph[value] = any(
                self.store.ask(f"ASK {source} WHERE {said}") for source in self.workspace.reader.vocabulary
            )
        return self._in_graph[value]

    def predicted(self, predictions: Sequence[NamedNode]) -> dict[NamedNode, Predicted]:
        """Some predictions as the store has them; what no run has is left out."""
        query = (
            f"SELECT ?p ?record ?name ?value ?state ?run ?confidence ?regime ?promised WHERE {{ "
            f"GRAPH ?g {{ {values_block(['p'], ([p] for p in set(predictions)))} "
            f"?p {ENR.about} ?record ; {ENR.propertyName} ?name ; {CRM.P9i_forms_part_of} ?run . "
            f"OPTIONAL {{ ?p {ENR.answers} ?value }} OPTIONAL {{ ?p {ENR.confidence} ?confidence }} "
            f"OPTIONAL {{ ?p {ENR.regime} ?regime }} OPTIONAL {{ ?p {ENR.promised} ?promised }} }} "
            f"GRAPH {self.names.runs} {{ ?run {ENR.graph} ?g ; {ENR.runState} ?state }} }}"
        )
        return {
            p: Predicted(
                record, name.value, class_name(value) if isinstance(value, NamedNode | Literal) else None,
                state.value.removeprefix(str(ENR)), tuple(_kept(p, rest)) if value is not None else (),
            )
            for p, record, name, value, state, *rest in self.store.select(query)
            if isinstance(p, NamedNode) and isinstance(record, NamedNode) and name is not None and state is not None
        }  # fmt: skip

    def _said(
        self, iri: NamedNode, batch: NamedNode, decision: str, now: datetime, about: Sequence[object]
    ) -> Iterator[Triple]:
        """What is said of every review; `about` is what it is about (see `ABOUT`)."""
        for kind in (ENR.Review, CRM.E13_Attribute_Assignment, PROV.Activity):
            yield str(iri), str(RDF.type), str(kind)
        yield str(iri), str(ENR.decision), str(ENR[decision])
        yield str(iri), str(CRM.P14_carried_out_by), str(self.curator)
        yield str(iri), str(PROV.endedAtTime), _time(now)
        yield str(iri), str(ENR.reviewedWith), str(batch)
        for predicate, term in zip(ABOUT, about, strict=True):
            yield str(iri), str(predicate), str(term)
        if self._label is not None:
            yield str(self.curator), str(RDFS.label), str(self._label)

    def _check(self, triples: Sequence[Triple]) -> None:
        """Raise ValidationError for what does not conform, and InputError for what the store cannot hold."""
        if wrong := shapes().problems(triples):
            raise ValidationError("; ".join(wrong[0].messages))
        for quad in _quads(triples, self.names.reviews):
            if why := self.store.objection(quad):
                raise InputError(why)


def _stands(standing: Mapping[str, Verdict], decision: str, value: str, instead: str | None) -> bool:
    """Whether the values stand already as a decision would have them."""
    if decision != "Corrected":
        return value in standing and standing[value].decision == decision
    turned_down = instead is None or (instead in standing and standing[instead].put_in == value)
    return turned_down and value in standing and standing[value].decision == "Accepted"


def _statement(statement: Statement, prop: PropertyProfile) -> str:
    """A statement as N-Triples, with what is said of nodes of ours in it."""
    first = (statement.node, str(prop.predicate.predicate), str(statement.assigned))
    return "".join(f"{s} {p} {o} .\n" for s, p, o in (first, *statement.around))


def _kept(prediction: NamedNode, said: Sequence[object]) -> Iterator[Triple]:
    """What a promise is held against when the run is gone: the run, the confidence, the regime, what was promised."""
    for predicate, value in zip(KEPT, said, strict=True):
        if value is not None:
            yield str(prediction), str(predicate), str(value)


def _told(iri: NamedNode, judgement: Judgement, instead: str | None) -> Iterator[Triple]:
    """What is said of some reviews."""
    if instead is not None:
        yield str(iri), str(ENR.instead), str(class_term(instead))
    if judgement.objection is not None:
        yield str(iri), str(ENR.objection), str(ENR[judgement.objection])
    if judgement.note:
        yield str(iri), str(CRM.P3_has_note), str(Literal(judgement.note))
    yield str(iri), str(ENR.drawn), str(ENR[judgement.drawn])
    if judgement.probability is not None:
        yield str(iri), str(ENR.drawnWith), decimal(judgement.probability)
    yield str(iri), str(ENR.shown), str(Literal(judgement.shown))
    if judgement.began is not None:
        yield str(iri), str(PROV.startedAtTime), _time(judgement.began)


def _time(moment: datetime) -> str:
    """A moment in UTC, to the microsecond: the order of two reviews follows from it."""
    text = moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return str(Literal(text, datatype=XSD.dateTime))


def _quads(triples: Iterable[Triple], graph: NamedNode) -> Iterator[Quad]:
    text = "".join(f"{s} {p} {o} .\n" for s, p, o in triples)
    for quad in parse(text, RdfFormat.N_TRIPLES):
        yield Quad(quad.subject, quad.predicate, quad.object, graph)
