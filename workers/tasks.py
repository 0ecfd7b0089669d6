"""The tasks: thin skins that turn a message into a call, and an error into what becomes of the run."""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import wraps

import redis
from celery import Celery
from kombu.exceptions import OperationalError
from pyoxigraph import NamedNode

from enrich.answering.batch_work import DONE, GONE, WAITING, do_batch
from enrich.answering.finalize import tidy
from enrich.answering.models import Models
from enrich.answering.planner import make_plan
from enrich.answering.time_limit import TimeUp, time_up_on
from enrich.classifiers.base import ClassifierError
from enrich.classifiers.model.description import ModelDescription
from enrich.errors import BrokerError, EnrichError, RunError, SettingsError, StoreError, StoreUnavailable
from enrich.runs.blackout import zone
from enrich.runs.request import NIGHTLY, make_request, open_run
from enrich.settings.loading import Settings
from enrich.workers import metrics
from enrich.workers.broker import Broker
from enrich.workers.config import CONTROL_PRIORITY, JOB_PRIORITY, NIGHTLY_PRIORITY, soft_limit
from enrich.workers.context import WorkerContext
from enrich.workers.logs import about, log
from enrich.workers.reconcile import PLANNER_SECONDS, Reconciled, planner_lock, reconcile
from enrich.workers.schedule import last_slot, nightly_crontab
from enrich.workers.telemetry import tell

BROKER_ERRORS = (redis.RedisError, OperationalError, BrokerError, ConnectionError)
PLANNING_SHARE = 0.8
"""The share of a task's time that a planner takes before it lets another go on."""
TIDY_SECONDS = 15.0
"""So long after the death of a process that tidied another one may."""
TIDY_AFTER = 10.0
"""So long after a batch broke off, or a process came in the place of another, the store is tidied if no run does it."""
IDLE_PLANNERS = 2
"""So many planners in a row that found nothing to note stop the run."""


class Messages:
    """Puts our messages into the queues."""

    def __init__(self, app: Celery, settings: Settings) -> None:
        self.app = app
        self.settings = settings.workers

    def plan(self, run: str) -> None:
        """Have a run planned."""
        self.app.send_task("enrich.plan", [run], priority=CONTROL_PRIORITY)

    def batch(self, run: str, name: str, *, nightly: bool) -> None:
        """Have a batch done."""
        self.app.send_task(
            "enrich.batch",
            [run, name],
            queue=self.settings.batch_queue,
            priority=NIGHTLY_PRIORITY if nightly else JOB_PRIORITY,
        )

    def reconcile(self) -> None:
        """Have the open runs looked after."""
        self.app.send_task("enrich.reconcile", priority=CONTROL_PRIORITY)


class ProcessContext:
    """The worker context of this process: made anew in each process of a worker, around models read before."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self.settings = settings
        self.models = models
        self._context: WorkerContext | None = None

    @property
    def context(self) -> WorkerContext:
        """The worker context."""
        if self._context is None:
            self._context = WorkerContext(self.settings, self.models)
        return self._context

    def begin_process(self) -> None:
        """After a fork: connections are this process's own."""
        self._context = None

    def end_process(self) -> None:
        """Let go what this process holds."""
        if self._context is not None:
            self._context.close()
            self._context = None


def register_tasks(app: Celery, process: ProcessContext) -> None:
    """Add the tasks to the app."""
    messages = Messages(app, process.settings)

    def batch(run: str, name: str) -> str:  # each has a name: Celery writes a function's head from it
        return run_batch(process.context, messages, NamedNode(run), name)

    def plan(run: str) -> str:
        return run_plan(process.context, messages, NamedNode(run))

    def nightly() -> str:
        return run_nightly(process.context, messages)

    def reconcile_all() -> str:
        tell(process.context)
        holder = "nobody"
        with broker_may_fail("reconcile"):
            holder = run_reconcile(process.context, messages)
        return holder

    tasks: dict[str, Callable[..., str]] = {
        "batch": batch,
        "plan": plan,
        "reconcile": reconcile_all,
        "nightly": nightly,
    }
    for name, function in tasks.items():
        app.task(_timed(function), name=f"enrich.{name}", ignore_result=True, shared=False)


def _timed(function: Callable[..., str]) -> Callable[..., str]:
    """The function with Celery's soft time limit as TimeUp, which no `except Exception` of a library swallows."""

    @wraps(function)
    def timed(*arguments: str) -> str:
        with time_up_on(signal.SIGUSR1):
            try:
                return function(*arguments)
            except TimeUp:
                metrics.failed("time", "time is up; to be done again")
                return "error"

    return timed


def run_batch(context: WorkerContext, messages: Messages, run: NamedNode, name: str) -> str:
    """Do a batch and see to what follows; a batch that could not be done is sent again later."""
    began = time.perf_counter()
    with about(run=run.value, batch=name):
        with broker_may_fail("heartbeat"):
            context.in_flight(run).heartbeat(name)
        outcome = "error"
        try:
            with run_may_fail(context, run):
                outcome = do_batch(context, run, name)
        finally:
            with broker_may_fail("ack"):
                context.in_flight(run).ack(name)
            seconds = time.perf_counter() - began
            metrics.BATCHES.labels(outcome).inc()
            metrics.BATCH_SECONDS.observe(seconds)
            log.info("batch", outcome=outcome, seconds=round(seconds, 3))
        if outcome not in (DONE, GONE, WAITING):
            with broker_may_fail("ask to tidy"):
                ask_to_tidy(context.broker)
        if outcome != "error":
            with broker_may_fail(
                "go on"
            ):  # the queue is kept filled, and the run finalized after its last batch
                if _is_low(context, run):
                    run_reconcile(context, messages)
    return outcome


def _is_low(context: WorkerContext, run: NamedNode) -> bool:
    """Whether no more than half of the batches that may be in flight are."""
    return context.in_flight(run).size() * 2 <= context.settings.workers.in_flight


def run_plan(context: WorkerContext, messages: Messages, run: NamedNode) -> str:
    """Plan a run, unless somebody is at it; what is planned is sent at once."""
    outcome = "error"
    lock = context.broker.lock(planner_lock(context, run), PLANNER_SECONDS, renewed=True)
    with about(run=run.value), broker_may_fail("planner"):
        with lock as held:
            outcome = _plan(context, messages, run) if held else "held"
        if outcome == "begun":
            messages.plan(run.value)
        if outcome in ("complete", "begun", "overtaken"):
            run_reconcile(context, messages)
    return outcome


def _plan(context: WorkerContext, messages: Messages, run: NamedNode) -> str:
    def added() -> None:
        with broker_may_fail("planning"):
            if _is_low(context, run):
                reconcile(context, messages)

    outcome = "error"
    with run_may_fail(context, run):
        seconds = PLANNING_SHARE * soft_limit(context.settings)
        result = make_plan(context, run, added, seconds=seconds)
        idle = context.broker.in_a_row(f"idle:{context.names.run_id(run)}", not result.progress)
        if idle >= IDLE_PLANNERS:
            raise RunError(
                f"planning made no progress {idle} times within {seconds:g} s: raise workers.time_limit, "
                "or narrow the request"
            )
        outcome = "overtaken" if result.overtaken else "complete" if result.complete else "begun"
        log.info("planned", outcome=outcome, batches=result.batches)
    return outcome


def run_reconcile(context: WorkerContext, messages: Messages) -> str:
    """Reconcile the open runs with the queue until nothing more is finalized. Returns who holds the lease."""
    found = Reconciled()
    try:
        found = reconcile(context, messages)
        while found.finalized:
            _tidy(context)
            found = reconcile(context, messages)
        if found.holder is None and context.broker.is_due("tidy"):
            _tidy(context)
    except StoreUnavailable as error:
        metrics.failed("store", "the store does not answer", reason=str(error))
    except TimeUp:
        log.warning("time is up; the next look at the runs goes on")
    except BrokerError:
        raise
    except EnrichError as error:
        metrics.failed(
            type(error).__name__, "the open runs could not be reconciled", level="error", reason=str(error)
        )
    return found.holder or "nobody"


def ask_to_tidy(broker: Broker) -> None:
    """Have the store tidied in a while: something may have been written for a run that had ended."""
    broker.ask_later("tidy", TIDY_AFTER)


def _tidy(context: WorkerContext) -> None:
    """Tidy the store, or have it tidied later: another may be at it, or may have died at it."""
    done = False
    try:
        with context.broker.lock("tidy", TIDY_SECONDS, renewed=True) as held:
            if held:
                tidy(context)
                done = True
    finally:
        if not done:
            ask_to_tidy(context.broker)


def run_nightly(context: WorkerContext, messages: Messages) -> str:
    """Open the nightly run of the last time that the schedule was due, unless it was opened already. What
    keeps it from being opened is said in the log; beat asks again."""
    try:
        return _open_nightly(context, messages)
    except (EnrichError, ClassifierError, *BROKER_ERRORS) as error:
        metrics.failed(
            type(error).__name__, "the nightly run could not be opened", level="error", reason=str(error)
        )
        return "error"


def _open_nightly(context: WorkerContext, messages: Messages) -> str:
    settings = context.settings
    schedule = nightly_crontab(settings.workers)
    if schedule is None:
        raise SettingsError("a nightly run needs workers.schedule")
    slot = last_slot(schedule, zone(settings.workers), datetime.now(UTC)) or datetime.now(UTC)
    with context.broker.lock("open", 60) as held:
        if not held:
            log.info("another worker is opening a run")
            return "held"
        folder = settings.nightly_model
        model = ModelDescription.read(folder)
        request = make_request(
            context.workspace,
            NIGHTLY,
            folder,
            model,
            properties=settings.workers.properties,
            priority=0,
            slot=f"{slot:%Y-%m-%dT%H:%M:%SZ}",
        )
        run, new = open_run(context.workspace, model, request)
    if new:
        log.info("nightly run opened", run=run.value, slot=request.slot)
    else:
        log.info("no second nightly run", held_by=run.value, slot=request.slot)
    run_reconcile(context, messages)
    return run.value


@contextmanager
def run_may_fail(context: WorkerContext, run: NamedNode) -> Iterator[None]:
    """What goes wrong for a time is left to be done again; what would go wrong again stops the run, which
    then says why until it is resumed."""
    try:
        yield
    except StoreUnavailable as error:
        metrics.failed("store", "the store does not answer; to be done again", reason=str(error))
    except BROKER_ERRORS as error:
        metrics.failed("broker", "the broker does not answer; to be done again", reason=str(error))
    except TimeUp:
        metrics.failed("time", "time is up; to be done again")
    except (EnrichError, ClassifierError) as error:
        metrics.failed(type(error).__name__, "the run cannot go on", level="error", reason=str(error))
        _stop(context, run, str(error))
    except Exception as error:  # noqa: BLE001 - said in the log and in the run, which stops
        metrics.failed(type(error).__name__, "unforeseen", level="exception")
        _stop(context, run, f"unforeseen {type(error).__name__}: {error}; the worker's log has the trace")


def _stop(context: WorkerContext, run: NamedNode, reason: str) -> None:
    try:
        context.plan(run).fail(reason)
    except StoreError as error:
        log.warning("the run could not be marked as failed", reason=str(error))


@contextmanager
def broker_may_fail(what: str) -> Iterator[None]:
    """Redis holds nothing that must last: when it is away, its part is done when it is back."""
    try:
        yield
    except BROKER_ERRORS as error:
        metrics.failed("broker", "the broker does not answer", at=what, reason=str(error))
