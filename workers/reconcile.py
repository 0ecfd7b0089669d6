"""Reconciles open runs with what is in the queue: who has the lease, what has to be sent (again), planned or finalized.

Everything is read from the triplestore, so it makes no difference what was lost: messages, workers, the
whole of Redis. It is done every few seconds by the workers, and after whatever changes something.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from pyoxigraph import NamedNode

from enrich.answering.finalize import finalize
from enrich.errors import BrokerError, EnrichError, StoreUnavailable
from enrich.runs.blackout import resting
from enrich.runs.lease import Lease, current_lease, grant_lease
from enrich.runs.plan import Standing
from enrich.runs.register import OPEN, Run
from enrich.runs.request import NIGHTLY, RUN, RequestedRun, requested_runs
from enrich.workers import metrics
from enrich.workers.context import WorkerContext

PLANNER_SECONDS = 15.0
"""So long after a planner's death another one is sent."""
FINALIZER_SECONDS = 15.0
"""So long after the death of a process that was finalizing a run another one does it."""


class Sender(Protocol):
    """Puts messages into the queue."""

    def plan(self, run: str) -> None:
        """Have a run planned."""

    def batch(self, run: str, name: str, *, nightly: bool) -> None:
        """Have a batch done."""


@dataclass(frozen=True, slots=True)
class Reconciled:
    """What was found and done."""

    holder: str | None = None
    finalized: bool = False


def reconcile(context: WorkerContext, sender: Sender) -> Reconciled:
    """Grant the lease to the run that should have it, and see to it that it goes on."""
    # The lease first: whoever opens a run after the runs were read has got the lease since, and keeps it.
    before = current_lease(context.store, context.names)
    open_ = context.register.runs(OPEN)
    known = [k for k in requested_runs(open_) if k.request.kind != RUN]
    _keep_alive(context, known)
    other = in_process(context, open_, before)
    if other is not None:
        return Reconciled(other.run)
    standings = {k.run.run: context.plan(k.iri).standing() for k in known}
    chosen = next_run(context, known, standings)
    lease = grant_lease(context.store, context.names, chosen.iri if chosen else None, before)
    if chosen is None or lease.run != chosen.iri:
        return Reconciled(lease.run.value if lease.run else None)
    standing = standings[chosen.run.run]
    _take_up(context, chosen.iri, standing)
    if not standing.planned:
        ask_for_plan(context, sender, chosen.iri)
    dispatch(context, sender, chosen)
    finalized = standing.planned and standing.pending == 0 and _finalize(context, chosen.iri)
    return Reconciled(chosen.iri.value, finalized)


def _finalize(context: WorkerContext, run: NamedNode) -> bool:
    """Finalize a run, unless another process does. What keeps it from being finalized stops that run."""
    lock = context.broker.lock(f"finalize:{context.names.run_id(run)}", FINALIZER_SECONDS, renewed=True)
    with lock as held:
        if not held:
            return False
        try:
            done = finalize(context, run)
        except (StoreUnavailable, BrokerError):
            raise
        except EnrichError as error:
            metrics.failed(
                type(error).__name__,
                "the run cannot be finalized",
                level="error",
                run=run.value,
                reason=str(error),
            )
            context.plan(run).fail(str(error))
            return False
    if done:
        context.in_flight(run).clear()
    return done


def next_run(
    context: WorkerContext, known: Sequence[RequestedRun], standings: Mapping[str, Standing]
) -> RequestedRun | None:
    """The run that should have the lease: jobs before the nightly run, by priority, then by age."""
    resting_now = resting(context.settings.workers, context.register.clock())
    willing = [
        run
        for run in known
        if not standings[run.run.run].failure
        and not standings[run.run.run].paused
        and not (run.request.kind == NIGHTLY and resting_now)
    ]
    return min(willing, key=_precedence, default=None)


def _precedence(known: RequestedRun) -> tuple[bool, int, int, str]:
    return (known.request.kind == NIGHTLY, -known.request.priority, known.run.order, known.run.run)


def in_process(context: WorkerContext, open_: Sequence[Run], lease: Lease) -> Run | None:
    """The run that holds the lease in a process of its own, while that process may be alive."""
    for run in open_:
        if lease.run is not None and run.run == lease.run.value and lease.holder is not None:
            gone = lease.holder.dead(math.inf, context.register.clock())
            return run if context.register.alive(run) and not gone else None
    return None


def _take_up(context: WorkerContext, run: NamedNode, standing: Standing) -> None:
    """After `enrich resume` nothing of the run counts as sent."""
    if standing.resumed and context.broker.differs(f"resumed:{context.names.run_id(run)}", standing.resumed):
        context.in_flight(run).clear()
        context.broker.forget_once(planner_lock(context, run))


def ask_for_plan(context: WorkerContext, sender: Sender, run: NamedNode) -> None:
    """Send for a planner, unless one is at work or was lately sent for."""
    name = planner_lock(context, run)
    if not context.broker.is_held(name) and context.broker.once_in(name, PLANNER_SECONDS):
        sender.plan(run.value)


def planner_lock(context: WorkerContext, run: NamedNode) -> str:
    """The name of the lock that the planner of a run holds while it lives."""
    return f"plan:{context.names.run_id(run)}"


def dispatch(context: WorkerContext, sender: Sender, known: RequestedRun) -> None:
    """Send batches until as many are in flight as may be.

    Those that were begun longer ago than any task may take are sent again, and all of them when the queue
    was lost.
    """
    flight = context.in_flight(known.iri)
    settings = context.settings.workers
    if sum(context.broker.queue_lengths().values()) == 0:
        flight.drop_older(settings.time_limit + 5)
    room = settings.in_flight - flight.size()
    if room <= 0:
        return
    for name in context.plan(known.iri).names_pending(settings.in_flight * 2):
        if flight.claim(name):
            sender.batch(known.run.run, name, nightly=known.request.kind == NIGHTLY)
            room -= 1
            if not room:
                return


def _keep_alive(context: WorkerContext, known: Sequence[RequestedRun]) -> None:
    """Renew runs that wait for workers, so that no other process takes them for dead."""
    half = context.register.clock() + context.lease_time / 2
    for run in known:
        ends = run.run.alive_until
        if ends is None or datetime.fromisoformat(ends) <= half:
            context.register.renew(run.iri, context.lease_time)
