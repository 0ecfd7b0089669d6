"""Plans a run: streams the records with open gaps into batches in the triplestore, in memory that stays the same."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

from pyoxigraph import NamedNode

from enrich.answering.context import Context, RunWork
from enrich.answering.open_gaps import open_gaps
from enrich.graph.gaps import GapRow
from enrich.graph.records import Seen
from enrich.runs.plan import Plan


@dataclass(frozen=True, slots=True)
class PlanResult:
    """How planning ended: complete; not, for its time was up; or overtaken by another planner.

    `progress` tells whether a batch was added or a record looked at.
    """

    complete: bool
    overtaken: bool = False
    batches: int = 0
    progress: bool = True


def make_plan(
    context: Context,
    run: NamedNode,
    added: Callable[[], None],
    *,
    seconds: float | None = None,
    rows: Iterator[GapRow] | None = None,
) -> PlanResult:
    """Plan a run, or go on where a planner before stopped; nothing is done when it is planned already.

    `added` is called after each batch; `rows` are the open gaps, where they are known. Stops after `seconds`, so that
    it can be called again. Raises InputError for a `where` that the profile does not know, ModelError for a model that is not there.
    """
    work = context.work(run)
    if work is None:
        return PlanResult(False, overtaken=True)
    plan = context.plan(run)
    standing = plan.standing()
    if standing.planned:
        return PlanResult(True)
    until = None if seconds is None else time.monotonic() + seconds
    facts = standing.facts
    if facts is None and work.request.looks_at_all:
        facts = context.kept_facts.take(work.workspace.reader)
    if facts and not standing.facts:
        plan.note_facts(facts)
    planning = _Planning(context, work, plan, added, until)
    return planning.go(planning.rows(facts) if rows is None else planning.unseen(rows))


class _OutOfTime(Exception):
    """The planner stops here; the next one goes on."""


class _Planning:
    """One planner's work."""

    def __init__(
        self, context: Context, work: RunWork, plan: Plan, added: Callable[[], None], until: float | None
    ) -> None:
        self.context = context
        self.work = work
        self.plan = plan
        self.added = added
        self.until = until
        self.token = plan.begin()
        self.number = plan.last_number() + 1
        self.batches = 0
        self.looked = 0
        self.seen = Seen()

    def go(self, rows: Iterator[GapRow]) -> PlanResult:
        """Add batches until all is planned, the time is up, or another planner has begun."""
        planned = sum(self.seen.add(record) for record in self.plan.planned_records())
        for record in self.plan.looked_records():
            self.seen.add(record)
        limit = self.work.request.limit
        rows = islice(rows, None if limit is None else max(0, limit - planned))
        size = self.context.batch_size(self.work.request)
        try:
            while chunk := list(islice(rows, size)):
                if not self._add(chunk):
                    return PlanResult(False, overtaken=True, batches=self.batches)
                self._look_at_the_clock()
        except _OutOfTime:
            return PlanResult(False, batches=self.batches, progress=self.batches + self.looked > 0)
        self.plan.complete(self.token)
        return PlanResult(True, batches=self.batches)

    def rows(self, facts: str | None) -> Iterator[GapRow]:
        """The open gaps of the run's request."""
        return open_gaps(
            self.context, self.work, self.plan.listed(), facts, fresh=self.seen.add, looked=self._note
        )

    def unseen(self, rows: Iterator[GapRow]) -> Iterator[GapRow]:
        """The rows whose records were not planned before."""
        return (row for row in rows if self.seen.add(row.record))

    def _note(self, records: Sequence[NamedNode]) -> None:
        self.plan.note_looked(records)
        self.looked += len(records)
        self._look_at_the_clock()

    def _look_at_the_clock(self) -> None:
        if self.until is not None and time.monotonic() > self.until:
            raise _OutOfTime

    def _add(self, chunk: list[GapRow]) -> bool:
        gaps = sum(len(row.missing) for row in chunk)
        records = [row.record for row in chunk]
        if not self.plan.add(self.token, str(self.number), self.number, records, gaps):
            return False
        self.number += 1
        self.batches += 1
        self.context.observer.planned(gaps)
        self.added()
        return True
