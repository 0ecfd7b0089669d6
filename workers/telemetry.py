"""The metrics that are read from store and broker: what runs do, gaps that are open, when a run was last done."""

from collections import Counter
from datetime import datetime

import redis
from pyoxigraph import Literal

from enrich.errors import StoreError
from enrich.graph.stores.base import first_of
from enrich.ontology.terms import PROV
from enrich.runs.blackout import rests_until
from enrich.runs.jobs import committed, last_success
from enrich.runs.lease import current_lease
from enrich.runs.register import OPEN
from enrich.runs.request import NIGHTLY, RUN, RequestedRun, requested_runs
from enrich.workers import metrics
from enrich.workers.context import WorkerContext
from enrich.workers.logs import log
from enrich.workers.reconcile import in_process


def tell(context: WorkerContext) -> None:
    """Bring these metrics up to date; what cannot be read stays as it was."""
    try:
        for queue, length in context.broker.queue_lengths().items():
            metrics.QUEUE.labels(queue).set(length)
        _tell_of_runs(context)
        last = last_success(context.store, context.names)
        metrics.LAST_SUCCESS.set(last.timestamp() if last else 0)
        metrics.INSTALLED.set(min(context.broker.first_seen(), _first_run(context)))
    except redis.RedisError as error:
        metrics.failed("broker", "the broker does not answer", reason=str(error))
    except StoreError as error:
        metrics.failed("store", "the store does not answer", reason=str(error))


def _tell_of_runs(context: WorkerContext) -> None:
    open_ = context.register.runs(OPEN)
    known = [run for run in requested_runs(open_) if run.request.kind != RUN]
    elsewhere = in_process(context, open_, current_lease(context.store, context.names)) is not None
    states = Counter(state_of(context, run, elsewhere) for run in known)
    for state in metrics.STATES:
        metrics.RUNS.labels(state).set(states[state])
    metrics.GAPS_OPEN.set(sum(_left(context, run) for run in known))


def state_of(context: WorkerContext, run: RequestedRun, elsewhere: bool) -> str:
    """What an open run does: one of `metrics.STATES`. A night that rests is told once in the log."""
    standing = context.plan(run.iri).standing()
    if standing.failure:
        return "stopped"
    if standing.paused:
        return "paused"
    clock = context.register.clock()
    until = rests_until(context.settings.workers, clock) if run.request.kind == NIGHTLY else None
    if until is None:
        return "waiting" if elsewhere else "running"
    if context.broker.once_in(f"rests:{run.iri.value}", (until - clock).total_seconds()):
        log.info("the nightly run rests", run=run.iri.value, until=f"{until:%Y-%m-%dT%H:%M:%SZ}")
    return "resting"


def _left(context: WorkerContext, run: RequestedRun) -> int:
    done = committed(context.store, context.names, run.iri)
    return max(0, context.plan(run.iri).gaps() - sum(done.values()) + done["records"])


def _first_run(context: WorkerContext) -> float:
    """When the first run of the register was started (Unix time); infinite for none."""
    query = f"SELECT (MIN(?t) AS ?first) WHERE {{ GRAPH {context.names.runs} {{ ?run {PROV.startedAtTime} ?t }} }}"
    first = first_of(context.store.select(query))
    return datetime.fromisoformat(first.value).timestamp() if isinstance(first, Literal) else float("inf")
