"""`enrich run`: the engine with one worker, in this process and without a broker."""

import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import chain, islice
from pathlib import Path
from typing import Self

from pyoxigraph import NamedNode

from enrich.answering.batch_work import LOST, WAITING, do_batch
from enrich.answering.context import Context
from enrich.answering.finalize import finalize, forget, tidy
from enrich.answering.observer import Observer
from enrich.answering.open_gaps import open_gaps
from enrich.answering.planner import make_plan
from enrich.answering.time_limit import SOFT, TimeUp, time_limit
from enrich.classifiers.base import ClassifierError, Progress, no_progress
from enrich.classifiers.model.description import ModelDescription
from enrich.errors import EnrichError, InputError, RunError, StoreError, StoreUnavailable
from enrich.graph.gaps import GapRow
from enrich.media.pictures import PictureTally
from enrich.ontology.terms import OntologyError, named_node
from enrich.runs.attempts import Attempt
from enrich.runs.expectation import Expectation, from_text
from enrich.runs.lease import Lease, current_lease, grant_lease, release_lease
from enrich.runs.prune import Pruning
from enrich.runs.register import ACTIVE, OPEN
from enrich.runs.request import RUN, Request, make_request, open_run, requested_runs
from enrich.workspace import Workspace

PENDING_AT_ONCE = 50
"""Names of batches that are looked up at a time."""
PAUSE_SECONDS = 2.0
"""Between two looks at a run that was paused."""


@dataclass(frozen=True, slots=True)
class RunSummary:
    """What a run did. `run` is None when no gap was open, and then nothing was written.

    `records` counts the records with an open gap; `predicted`, `abstained` and `failed` count gaps, of
    the whole run where an earlier one was resumed. `pictures` tells what became of them in this process,
    None when none were looked at; `pruned` which answers of other runs were dropped at the end, None for none.
    """

    run: str | None
    records: int
    predicted: int
    abstained: int
    failed: int
    seconds: float
    resumed: bool = False
    pictures: PictureTally | None = None
    expected: Mapping[str, Expectation] = field(default_factory=dict)
    pruned: Pruning | None = None


def run(
    workspace: Workspace,
    model: Path,
    *,
    properties: Sequence[str] = (),
    records: Iterable[str] | None = None,
    limit: int | None = None,
    progress: Progress = no_progress,
    observer: Observer | None = None,
) -> RunSummary:
    """Answer the open gaps in this process and make the run active at the end.

    `records` are IRIs to stay within; `limit` is a number of records with an open gap. A run of the same
    request that died is taken up again. Raises RunError when another process has a run under way.
    """
    began = time.monotonic()
    context = Context(workspace.settings, workspace=workspace, observer=observer)
    asked = _Request.of(workspace, model, properties, records, limit)
    engine = _InProcess(context, asked.request, progress)
    try:
        resumed = engine.take_up()
        if not resumed and not engine.open(asked.model, asked.records):
            return RunSummary(None, 0, 0, 0, 0, round(time.monotonic() - began, 3))
        return replace(engine.go(began, resumed=resumed), pictures=engine.pictures())
    finally:
        engine.release()
        context.let_go_of_runs()


@dataclass(frozen=True, slots=True)
class Preview:
    """What a run would be asked: how many records, and how many of their gaps by property."""

    records: int
    gaps: dict[str, int]


def preview(
    workspace: Workspace,
    model: Path,
    properties: Sequence[str] = (),
    records: Iterable[str] | None = None,
    limit: int | None = None,
) -> Preview:
    """Count the gaps that `run` would be asked, and write nothing."""
    context = Context(workspace.settings, workspace=workspace)
    asked = _Request.of(workspace, model, properties, records, limit)
    gaps, number = dict.fromkeys(asked.request.properties, 0), 0
    try:
        work = context.new_work(asked.request, None)
        rows = open_gaps(context, work, iter(asked.records or ()), None)
        for number, row in enumerate(islice(rows, limit), 1):  # noqa: B007
            for name in row.missing:
                gaps[name] += 1
    finally:
        context.let_go_of_runs()
    return Preview(number, gaps)


@dataclass(frozen=True, slots=True)
class _Request:
    """What a caller asks of a run: the request, the model as its folder says, and the records named."""

    request: Request
    model: ModelDescription
    records: Sequence[NamedNode] | None

    @classmethod
    def of(
        cls,
        workspace: Workspace,
        model: Path,
        properties: Sequence[str],
        records: Iterable[str] | None,
        limit: int | None,
    ) -> Self:
        described = ModelDescription.read(model)
        named = None if records is None else [_record(text) for text in dict.fromkeys(records)]
        request = make_request(
            workspace, RUN, model.resolve(), described, properties=properties, records=named, limit=limit
        )
        return cls(request, described, named)


def _record(text: str) -> NamedNode:
    try:
        return named_node(text)
    except OntologyError as error:
        raise InputError(f"a record is named by its absolute IRI, not {text!r}") from error


class _InProcess:
    """A run that this process does alone, under a lease of its own."""

    def __init__(self, context: Context, request: Request, progress: Progress) -> None:
        self.context = context
        self.request = request
        self.progress = progress
        self.holder = Attempt.here(context.register.clock())
        self.run: NamedNode | None = None
        self.rows: Iterator[GapRow] | None = None
        """The open gaps of a new run."""
        self.renewed = time.monotonic()

    def take_up(self) -> bool:
        """Go on with a run of the same request that died; False when there is none."""
        for known in requested_runs(self.context.register.runs(OPEN)):
            if known.request.kind == RUN and known.request.same_work(self.request):
                self._acquire(known.iri)
                self.context.plan(known.iri).resume()
                self.run = known.iri
                return True
        return False

    def open(self, described: ModelDescription, records: Sequence[NamedNode] | None) -> bool:
        """Open a run when a gap is open; False when none is."""
        context = self.context
        self._check_lease()
        work = context.new_work(self.request, None)
        facts = context.kept_facts.take(work.workspace.reader) if self.request.looks_at_all else None
        rows = open_gaps(context, work, iter(records or ()), facts)
        first = next(rows, None)
        if first is None:
            return False
        run, new = open_run(context.workspace, described, self.request, records)
        try:
            self._acquire(run)
        except RunError:
            if new and current_lease(context.store, context.names).run != run:  # else another goes on with it
                context.register.withdraw(run)
                context.plan(run).drop()
            raise
        if facts:
            context.plan(run).note_facts(facts)
        self.run, self.rows = run, chain([first], rows)
        return True

    def _check_lease(self) -> Lease:
        """The lease as it stands. Raises RunError when a process may be at work under it."""
        context = self.context
        lease = current_lease(context.store, context.names)
        if lease.run is None or context.store.exclusive:
            return lease
        holder = next((r for r in context.register.runs(OPEN) if r.run == lease.run.value), None)
        if holder is None or not context.register.alive(holder):
            return lease
        if lease.holder is not None and lease.holder.dead(math.inf, context.register.clock()):
            return lease
        standing = context.plan(lease.run).standing()
        if standing.paused or standing.failure:
            return lease
        raise RunError(
            f"run {holder.run} is under way (alive until {holder.alive_until}): wait for it to end, "
            f"or take it back with: enrich retract {holder.run}"
        )

    def _acquire(self, run: NamedNode) -> None:
        """Get the lease for a run. Raises RunError when a process is at work, or was faster."""
        context = self.context
        before = self._check_lease()
        context.register.renew(run, self.context.lease_time)
        lease = grant_lease(context.store, context.names, run, before, self.holder)
        if lease.run != run or lease.holder != self.holder:
            raise RunError(
                f"another process has begun a run: {lease.run or 'it has ended already'}; try again"
            )

    def go(self, began: float, *, resumed: bool) -> RunSummary:
        """Plan, do every batch, and finalize."""
        assert self.run is not None
        context, run = self.context, self.run
        try:
            make_plan(context, run, self._renew, rows=self.rows)
            self._do_batches(run)
            if not context.register.shards(run) and not resumed:
                context.register.withdraw(run)
                forget(context, run)
                return RunSummary(None, 0, 0, 0, 0, round(time.monotonic() - began, 3))
            if not finalize(context, run):
                raise self._lost(run)
        except StoreUnavailable:
            raise
        except (EnrichError, ClassifierError) as error:
            context.plan(run).fail(str(error))
            raise
        pruned = tidy(context)
        done = context.register.get(run)
        return RunSummary(
            run=run.value,
            records=done.records or 0,
            predicted=done.predicted or 0,
            abstained=done.abstained or 0,
            failed=done.failed or 0,
            seconds=round(time.monotonic() - began, 3),
            resumed=resumed,
            expected=from_text(done.expected),
            pruned=pruned,
        )

    def release(self) -> None:
        """Let others have the lease, however this process ends."""
        if self.run is not None:
            with suppress(StoreError):
                release_lease(self.context.store, self.context.names, self.run, self.holder)

    def pictures(self) -> PictureTally | None:
        """What became of the pictures of the run; None when none were looked at."""
        work = self.context.known_work(self.run) if self.run is not None else None
        return None if work is None or work.pictures is None else work.pictures.tally()

    def _do_batches(self, run: NamedNode) -> None:
        plan = self.context.plan(run)
        done, total = 0, plan.pending()
        while names := plan.names_pending(PENDING_AT_ONCE):
            for name in names:
                self._wait_while_paused(run)
                if self._do_batch(run, name) in (LOST, WAITING):
                    raise self._lost(run)
                done += 1
                self.progress("batches", min(done, total), total)

    def _do_batch(self, run: NamedNode, name: str) -> str:
        """Do a batch within its time, in which no model is read."""
        work = self.context.work(run)
        if work is not None:
            self.context.model(work)
        try:
            with time_limit(SOFT * self.context.settings.workers.time_limit):
                return do_batch(self.context, run, name)
        except TimeUp:
            return "begun again"

    def _wait_while_paused(self, run: NamedNode) -> None:
        if self.context.store.exclusive:
            return
        while self.context.plan(run).standing().paused:
            self._renew()
            time.sleep(PAUSE_SECONDS)

    def _renew(self) -> None:
        """Keep the run alive while no batch is committed."""
        lease = self.context.lease_time
        if self.run is not None and time.monotonic() - self.renewed > lease.total_seconds() / 4:
            self.context.register.renew(self.run, lease)
            self.renewed = time.monotonic()

    def _lost(self, run: NamedNode) -> RunError:
        state = self.context.register.get(run).state
        if state == ACTIVE:
            return RunError(f"another process has taken the lease of run {run.value} and completed it")
        if state != OPEN:
            return RunError(
                f"run {run.value} was taken back while it was under way; nothing of it is visible"
            )
        return RunError(
            f"another process has taken the lease of run {run.value}: what is answered is kept; start the same run "
            "again to complete it"
        )
