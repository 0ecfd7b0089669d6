"""Which answers are written as plain statements: what is current, and what curators accepted of whatever run."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path

from pyoxigraph import NamedNode

from enrich.graph.gaps import filled
from enrich.graph.stores.base import Row, Term
from enrich.ontology.queries import named_query
from enrich.ontology.terms import CRM, ENR, class_term, values_block
from enrich.runs.reviews import Review, Reviews, read_reviews, verdicts
from enrich.runs.shards import store_of_answers
from enrich.runs.superseded import superseded
from enrich.workspace import Workspace

BATCH = 500
SETTLED = ("Accepted", "Corrected")
_Key = tuple[str, str, str]
"""A record, the name of a property, and a value as N-Triples spell it."""


@dataclass(frozen=True, slots=True)
class Choice:
    """Which answers: of one run, of some properties, accepted ones only, and those that are at least so sure.

    What a curator accepted or put in is sure.
    """

    run: NamedNode | None = None
    properties: tuple[str, ...] = ()
    accepted: bool = False
    above: float = 0.0


@dataclass(slots=True)
class PlainReport:
    """How many values and statements were written, and how many answers were left out and why."""

    target: Path
    values: int = 0
    statements: int = 0
    left_out: dict[str, int] = field(default_factory=dict)

    def leave_out(self, why: str) -> None:
        """Count an answer that is not written."""
        self.left_out[why] = self.left_out.get(why, 0) + 1


@dataclass(frozen=True, slots=True)
class Predicted:
    """An answer that is wanted, with the value that counts, the curator's where one was put in, and the one `predicted`. Where
    its review alone is left of it, `prediction` is that review, and `states` what it states, as N-Triples."""

    prediction: NamedNode
    record: NamedNode
    property: str
    value: Term
    predicted: Term
    confidence: float | None
    state: str
    run: str
    states: str = ""


def answers_of(workspace: Workspace, choice: Choice, report: PlainReport) -> Iterator[list[Predicted]]:
    """The answers that are wanted, in batches as they come from the store: those that are current, then what curators
    accepted and no current answer says, since its run was taken back or a newer one says something else."""
    names = workspace.names
    made = {review.iri: review for review in read_reviews(workspace.store, names)}
    many = workspace.profile.many_valued
    standing = Reviews(verdicts(made.values(), many), many)
    query = named_query("current").bind(**names.graphs)
    rows = store_of_answers(workspace.store, names).select_by_key(query, "record")
    columns = [rows.variables.index(n) for n in (
        "prediction", "record", "property", "value", "confidence", "state", "run")]  # fmt: skip
    said: set[_Key] = set()
    while batch := list(islice(rows, BATCH)):
        wanted = (_wanted(tuple(row[c] for c in columns), choice, standing, report) for row in batch)
        found = with_put_in(workspace, [answer for answer in wanted if answer], report)
        said |= {(a.record.value, a.property, str(a.value)) for a in found if a.state in SETTLED}
        yield _unfilled(workspace, found, report)
    accepted = [
        (value, made[verdict.review])
        for gap, values in sorted(standing.of.items())
        for value, verdict in sorted(values.items())
        if verdict.decision == "Accepted" and (*gap, str(class_term(value))) not in said
    ]
    for start in range(0, len(accepted), BATCH):
        left = list(_reviewed(workspace, choice, accepted[start : start + BATCH], report))
        yield _unfilled(workspace, left, report)
    if choice.run is not None:
        written = {review.prediction for _, review in accepted}
        for _ in range(_overtaken(workspace, choice.run, choice.properties, written)):
            report.leave_out("of a gap that a newer run has answered")


def _overtaken(
    workspace: Workspace, run: NamedNode, properties: Collection[str], but: Collection[str]
) -> int:
    """How many values of a run do not count any more, since a newer run has answered their gaps."""
    older = (
        a.prediction
        for a in superseded(workspace.store, workspace.names, run=run)
        if a.prediction.value not in but
    )
    count = 0
    while some := list(islice(older, BATCH)):
        block = values_block(["p"], ([prediction] for prediction in some))
        query = f"SELECT ?name WHERE {{ {block} GRAPH ?g {{ ?p {ENR.answers} ?any ; {ENR.propertyName} ?name }} }}"
        names = (name.value for (name,) in workspace.store.select(query) if name is not None)
        count += sum(not properties or name in properties for name in names)
    return count


def _unfilled(workspace: Workspace, found: list[Predicted], report: PlainReport) -> list[Predicted]:
    """The answers whose gap the facts have not filled since."""
    stated = filled(workspace.reader, ((a.record, a.property) for a in found))
    left = [a for a in found if (a.record.value, a.property) not in stated]
    for _ in range(len(found) - len(left)):
        report.leave_out("stated by the facts since")
    return left


def _reviewed(
    workspace: Workspace, choice: Choice, accepted: Sequence[tuple[str, Review]], report: PlainReport
) -> Iterator[Predicted]:
    """Values that were accepted, each with its review, as answers."""
    kept = _kept(workspace, [review for _, review in accepted])
    for value, review in accepted:
        run, confidence = kept.get(review.prediction, ("", None))
        other = choice.run is not None and run != choice.run.value
        if other or (choice.properties and review.name not in choice.properties):
            continue
        if not review.states:
            report.leave_out("accepted, and the review does not say of what")
            continue
        term = class_term(value)
        things = NamedNode(review.iri), NamedNode(review.record), review.name, term, term, confidence
        state = "Corrected" if review.decision == "Corrected" else "Accepted"
        yield Predicted(*things, state, run, review.states)


def _kept(workspace: Workspace, reviews: Sequence[Review]) -> dict[str, tuple[str, float | None]]:
    """The run and the confidence of predictions, as the register of reviews keeps them."""
    block = values_block(["p"], ([NamedNode(r.prediction)] for r in reviews if r.prediction))
    query = (
        f"SELECT ?p ?run ?confidence WHERE {{ {block} GRAPH {workspace.names.reviews} {{ "
        f"?p {CRM.P9i_forms_part_of} ?run OPTIONAL {{ ?p {ENR.confidence} ?confidence }} }} }}"
    )
    return {
        p.value: (run.value, None if confidence is None else float(confidence.value))
        for p, run, confidence in workspace.store.select(query)
        if p is not None and run is not None
    }


def with_put_in(workspace: Workspace, found: list[Predicted], report: PlainReport) -> list[Predicted]:
    """The answers, of those that were corrected with the value that a curator put in."""
    put_in = _put_in(workspace, corrected := [a for a in found if a.state == "Corrected"])
    lost = {a.prediction for a in corrected} - put_in.keys()
    for _ in lost:
        report.leave_out("corrected, and the right value is not there: enrich review rebuild")
    return [replace(a, value=put_in.get(a.prediction, a.value)) for a in found if a.prediction not in lost]


def _wanted(row: Row, choice: Choice, standing: Reviews, report: PlainReport) -> Predicted | None:
    prediction, record, name, value, confidence, state, run = row
    if value is None or not isinstance(prediction, NamedNode) or not isinstance(record, NamedNode):
        return None
    said = state.value.removeprefix(str(ENR)) if state else ""
    sure = float(confidence.value) if confidence else 0.0
    answer = Predicted(
        prediction, record, name.value if name else "", value, value, sure, said, run.value if run else ""
    )
    if (choice.run is not None and run != choice.run) or (
        choice.properties and answer.property not in choice.properties
    ):
        return None
    if said == "Rejected":
        report.leave_out("rejected by a curator")
    elif said in SETTLED:
        return answer
    elif choice.accepted:
        report.leave_out("not accepted")
    elif standing.settled(record.value, answer.property):
        report.leave_out("of another value than a curator accepted")
    elif sure < choice.above:
        report.leave_out(f"less sure than {choice.above:g}")
    else:
        return answer
    return None


def _put_in(workspace: Workspace, answers: list[Predicted]) -> dict[NamedNode, Term]:
    """The values that curators put in the place of these answers'."""
    if not answers:
        return {}
    query = (
        f"SELECT ?record ?name ?value ?put WHERE {{ {values_block(['record'], ([a.record] for a in answers))} "
        f"GRAPH {workspace.names.verdicts} {{ ?verdict {ENR.about} ?record ; {ENR.propertyName} ?name ; "
        f"{ENR.answers} ?value ; {ENR.putIn} ?put }} }}"
    )
    found = {
        (record, name.value, value): put
        for record, name, value, put in workspace.store.select(query)
        if name is not None and put is not None
    }
    asked = ((a.prediction, (a.record, a.property, a.value)) for a in answers)
    return {prediction: found[key] for prediction, key in asked if key in found}
