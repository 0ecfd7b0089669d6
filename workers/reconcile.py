"""Looks after open runs: whose turn it is, what has to be sent (again), planned or closed.

Everything is read from the triplestore, so it makes no difference what was lost: messages, workers, the
whole of Redis. It is done every few seconds by the workers, and after whatever changes something.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Protocol

from pyoxigraph import NamedNode

from enrich.runs.jobs import NIGHTLY, Request, WorkerRun, open_runs, worker_runs
from enrich.runs.lease import give_turn
from enrich.runs.register import Run, now, timestamp
from ontology.terms import ENR
from workers import metrics
from workers.context import Service
from workers.finalize import close_run, finish
from workers.logs import log
from workers.schedule import resting

PLANNER_SECONDS = 15.0
"""So long after a planner's death another one is sent."""
CLOSER_SECONDS = 15.0
"""So long after the death of a process that was closing a run another one does it."""


class Sender(Protocol):
    """Puts messages into the queue."""

    def plan(self, run: str) -> None:
        """Have a run planned."""

    def batch(self, run: str, name: str, *, nightly: bool) -> None:
        """Have a batch done."""


@dataclass(frozen=True, slots=True)
class Tended:
    """What was found and done."""

    open_runs: int
    holder: str | None = None
    sent: int = 0
    closed: bool = False


def tend(service: Service, sender: Sender) -> Tended:
    """Give the turn to the run that should have it, and see to it that it goes on."""
    open_ = open_runs(service.store, service.names)
    known = worker_runs(open_)
    metrics.RUNS_OPEN.set(len(known))
    _keep_alive(service, known)
    chosen = next_run(service, known, foreign(open_))
    turn = give_turn(service.store, service.names, chosen.iri if chosen else None)
    if chosen is None or turn.run != chosen.iri:
        return Tended(len(known), turn.run.value if turn.run else None)
    standing = service.plan(chosen.iri).standing()
    if not standing.planned:
        ask_for_plan(service, sender, chosen.iri)
    sent = dispatch(service, sender, chosen)
    closed = False
    if standing.planned and standing.pending == 0:
        lock = service.broker.lock(f"close:{service.names.run_id(chosen.iri)}", CLOSER_SECONDS, renewed=True)
        with lock as held:
            closed = held and close_run(service, chosen.iri)
    return Tended(len(known), chosen.iri.value, sent, closed)


def next_run(service: Service, known: Sequence[WorkerRun], other: Run | None = None) -> WorkerRun | None:
    """The run whose turn it should be: jobs before the nightly run, by priority, then by age.

    None while `other`, a run in a process of its own (`enrich run`), is under way.
    """
    if other is not None:
        return None
    resting_now = resting(service.settings.workers, now())
    willing = []
    for run in known:
        standing = service.plan(run.iri).standing()
        if standing.failure or standing.paused or (run.request.kind == NIGHTLY and resting_now):
            continue
        willing.append(run)
    return min(willing, key=_rank, default=None)


def _rank(known: WorkerRun) -> tuple[int, int, str, str]:
    return (known.request.kind == NIGHTLY, -known.request.priority, known.run.started, known.run.run)


def foreign(open_: Sequence[Run]) -> Run | None:
    """Of the open runs one that another process than a worker has under way."""
    for run in open_:
        alive = run.alive_until is not None and datetime.fromisoformat(run.alive_until) > now()
        if alive and Request.parse(run.request) is None:
            return run
    return None


def ask_for_plan(service: Service, sender: Sender, run: NamedNode) -> None:
    """Send for a planner, unless one is at work or was lately sent for."""
    name = planner_lock(service, run)
    if not service.broker.is_held(name) and service.broker.once_in(name, PLANNER_SECONDS):
        sender.plan(run.value)


def planner_lock(service: Service, run: NamedNode) -> str:
    """The name of the lock that the planner of a run holds while it lives."""
    return f"plan:{service.names.run_id(run)}"


def dispatch(service: Service, sender: Sender, known: WorkerRun) -> int:
    """Send batches until as many are under way as may be. Returns how many were sent.

    Those that were begun longer ago than any task may take are sent again, and all of them when the queue
    was lost.
    """
    flight = service.flight(known.iri)
    settings = service.settings.workers
    if sum(service.broker.queue_lengths().values()) == 0:
        flight.drop_older(settings.time_limit + 5)
    room = settings.in_flight - flight.size()
    if room <= 0:
        return 0
    sent = 0
    for name in service.plan(known.iri).names_pending(settings.in_flight * 2):
        if sent >= room:
            break
        if flight.take(name):
            sender.batch(known.run.run, name, nightly=known.request.kind == NIGHTLY)
            sent += 1
    return sent


def _keep_alive(service: Service, known: Sequence[WorkerRun]) -> None:
    """Renew the lease of runs that wait for workers, so that no other process takes them for dead."""
    lease = timedelta(seconds=service.settings.run.lease)
    until = timestamp(now() + lease)
    for run in known:
        ends = run.run.alive_until
        if ends is not None and datetime.fromisoformat(ends) - now() > lease / 2:
            continue
        runs = service.names.runs
        service.store.update(
            f"DELETE {{ GRAPH {runs} {{ {run.iri} {ENR.aliveUntil} ?until }} }} "
            f"INSERT {{ GRAPH {runs} {{ {run.iri} {ENR.aliveUntil} {until} }} }} "
            f"WHERE {{ GRAPH {runs} {{ {run.iri} {ENR.runState} {ENR.Open} "
            f"OPTIONAL {{ {run.iri} {ENR.aliveUntil} ?until }} }} }}",
            idempotent=True,
        )


def cancel(service: Service, run: NamedNode) -> int:
    """Take a job back: nothing of it is visible, its graphs are dropped. Returns how many there were."""
    service.register.retract(run)
    dropped = service.register.purge(run)
    finish(service, run)
    log.info("run cancelled", run=run.value, dropped=dropped)
    return dropped
