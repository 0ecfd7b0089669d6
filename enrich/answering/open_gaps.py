"""The gaps that are open to a request: found at the cost of what is open, not of what was ever missing.

What is answered already is looked up in memory. The records of answered gaps are read only when a fact may
have changed since the model's answers were last compared with their inputs.
"""

from collections.abc import Callable, Collection, Iterator, Sequence
from itertools import islice

from pyoxigraph import NamedNode

from enrich.answering.context import Context, RunWork
from enrich.graph.gaps import GapRow, scan
from enrich.graph.where import records_where
from enrich.runs.existing_answers import ABSENT, CLOSED, AnsweredGaps
from enrich.runs.part import taken_since
from enrich.runs.request import requested_runs
from enrich.runs.reviews import REVIEWERS_CLOCKS, moment

CHUNK = 200
"""Records read at a time to see which of their gaps are open."""

Fresh = Callable[[NamedNode], bool]
Looked = Callable[[Sequence[NamedNode]], None]


def open_gaps(
    context: Context,
    work: RunWork,
    named: Iterator[NamedNode],
    facts: str | None,
    *,
    fresh: Fresh = lambda _: True,
    looked: Looked = lambda _: None,
) -> Iterator[GapRow]:
    """Stream the records of a request that have an open gap, with those gaps; no limit is kept here.

    `named` are the records of a request that names some, `facts` the fingerprint of the facts now. `fresh` is
    false for a record that was planned or looked at before. `looked` is told which records were read and have
    no open gap. Of a request with a limit, records that only await pictures come last: else the same ones
    could fill the limit of every run.
    """
    request = work.request
    later: list[GapRow] = []
    if request.records is None and not request.where:
        answered = AnsweredGaps(context.answers(work), _changed(context, work, facts))
        yield from _unanswered(context, work, answered, fresh, looked, later)
    else:
        wanted = named if request.records is not None else records_where(work.workspace.reader, request.where)
        yield from _read(context, work, filter(fresh, wanted), looked, later)
    yield from later


def _changed(context: Context, work: RunWork, facts: str | None) -> Collection[str] | None:
    """The records that may have changed, or were reviewed, since an active run of the same model looked at every gap;
    None when that is not known, as after answers were taken back: older ones count again."""
    if facts is None:
        return None
    for before in dict.fromkeys([facts, *context.kept_facts.kept()]):
        began = [
            moment(known.run.started)
            for known in requested_runs(context.register.active_on(before))
            if known.request.digest == work.request.digest
            and known.request.profile == work.request.profile
            and set(work.request.properties) <= set(known.request.properties)
        ]
        if began:
            if taken_since(work.workspace.store, work.workspace.names, max(began)):
                return None  # what is current now may not be what was compared then
            reader, reviews = work.workspace.reader, context.reviews(work)
            changed = () if before == facts else context.kept_facts.changed(reader, before, facts)
            if changed is None:
                return None
            return {*changed, *reviews.changed_since(max(began) - REVIEWERS_CLOCKS)}
    return None


def _unanswered(
    context: Context, work: RunWork, answered: AnsweredGaps, fresh: Fresh, looked: Looked, later: list[GapRow]
) -> Iterator[GapRow]:
    """Of all gaps those that are open. Records are read where an answer's inputs have to be compared, and where
    a limit has to be kept exactly."""
    reviews, exact = context.reviews(work), work.request.limit is not None
    to_read: list[NamedNode] = []
    for row in scan(work.workspace.reader, work.request.properties, rough=True):
        states = {
            name: answered.state(row.record, name)
            for name in row.missing
            if not reviews.settled(row.record.value, name)
        }
        left = tuple(name for name, state in states.items() if state != CLOSED)
        if not left or not fresh(row.record):
            continue
        if not exact and all(states[name] == ABSENT for name in left):
            yield GapRow(row.record, left)
            continue
        to_read.append(row.record)
        if len(to_read) >= CHUNK:
            yield from _read(context, work, iter(to_read), looked, later)
            to_read = []
    yield from _read(context, work, iter(to_read), looked, later)


def _read(
    context: Context, work: RunWork, records: Iterator[NamedNode], looked: Looked, later: list[GapRow]
) -> Iterator[GapRow]:
    """Of these records, which are read for that, those with an open gap; some are put into `later` instead."""
    batcher = None
    while chunk := list(islice(records, CHUNK)):
        batcher = batcher or context.batcher(work)
        found: dict[NamedNode, GapRow] = {}
        for question in batcher.questions(chunk):
            row = GapRow(question.subject.iri, question.properties)
            if question.only_awaits and work.request.limit is not None:
                later.append(row)
            else:
                found[row.record] = row
        if done := [record for record in chunk if record not in found]:
            looked(done)
        yield from found.values()
