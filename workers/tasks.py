"""The tasks: thin skins that turn a message into a call, and an error into what becomes of the run."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any

import redis
from celery import Celery
from celery.exceptions import SoftTimeLimitExceeded
from kombu.exceptions import OperationalError
from pyoxigraph import NamedNode

from classifiers.base import ClassifierError
from classifiers.model.description import ModelDescription
from enrich.errors import BrokerError, EnrichError, SettingsError, StoreError, StoreUnavailable
from enrich.runs.jobs import NIGHTLY, Request, last_success, open_job
from enrich.settings.loading import Settings
from workers import metrics
from workers.batch import do_batch
from workers.config import CONTROL_PRIORITY, JOB_PRIORITY, NIGHTLY_PRIORITY
from workers.context import Service
from workers.logs import about, log
from workers.models import Models
from workers.planner import chosen_properties, make_plan
from workers.reconcile import PLANNER_SECONDS, Tended, planner_lock, tend
from workers.schedule import last_slot, nightly_crontab, zone

BROKER_ERRORS = (redis.RedisError, OperationalError, BrokerError, ConnectionError)


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

    def tend(self) -> None:
        """Have the open runs looked after."""
        self.app.send_task("enrich.tend", priority=CONTROL_PRIORITY)


class Hands:
    """What this process works with: made anew in each process of a worker, around models read before."""

    def __init__(self, settings: Settings, models: Models) -> None:
        self.settings = settings
        self.models = models
        self._service: Service | None = None

    @property
    def service(self) -> Service:
        """The service of this process."""
        if self._service is None:
            self._service = Service(self.settings, self.models)
        return self._service

    def begin_process(self) -> None:
        """After a fork: connections are this process's own."""
        self._service = None

    def end_process(self) -> None:
        """Let go what this process holds."""
        if self._service is not None:
            self._service.close()
            self._service = None


def register_tasks(app: Celery, hands: Hands) -> None:
    """Add the tasks to the app."""
    messages = Messages(app, hands.settings)

    def batch(run: str, name: str) -> str:
        return run_batch(hands.service, messages, NamedNode(run), name)

    def plan(run: str) -> str:
        return run_plan(hands.service, messages, NamedNode(run))

    def tend_all() -> str:
        tell(hands.service)
        return run_tend(hands.service, messages)

    def nightly() -> str:
        return run_nightly(hands.service, messages)

    for name, function in {"batch": batch, "plan": plan, "tend": tend_all, "nightly": nightly}.items():
        app.task(function, name=f"enrich.{name}", ignore_result=True, shared=False)


def run_batch(service: Service, messages: Messages, run: NamedNode, name: str) -> str:
    """Do a batch and see to what follows; a batch that could not be done is sent again later."""
    began = time.perf_counter()
    with about(run=run.value, batch=name):
        with broker_may_fail("touch"):
            service.flight(run).touch(name)
        outcome = "error"
        try:
            with run_may_fail(service, run):
                outcome = do_batch(service, run, name)
        finally:
            with broker_may_fail("land"):
                service.flight(run).land(name)
            seconds = time.perf_counter() - began
            metrics.BATCHES.labels(outcome).inc()
            metrics.BATCH_SECONDS.observe(seconds)
            log.info("batch", outcome=outcome, seconds=round(seconds, 3))
        if outcome != "error":
            _go_on(service, messages, run)
    return outcome


def _go_on(service: Service, messages: Messages, run: NamedNode) -> None:
    """Keep the queue filled, and close the run after its last batch."""
    with broker_may_fail("go on"):
        if service.flight(run).size() * 2 <= service.settings.workers.in_flight:
            run_tend(service, messages)


def run_plan(service: Service, messages: Messages, run: NamedNode) -> str:
    """Plan a run, unless somebody is at it; what is planned is sent at once."""
    outcome = "error"
    lock = service.broker.lock(planner_lock(service, run), PLANNER_SECONDS, renewed=True)
    with about(run=run.value), broker_may_fail("planner"):
        with lock as held:
            outcome = _plan(service, messages, run) if held else "held"
        if outcome == "begun":
            messages.plan(run.value)
        if outcome in ("complete", "begun", "overtaken"):
            run_tend(service, messages)
    return outcome


def _plan(service: Service, messages: Messages, run: NamedNode) -> str:
    def added() -> None:
        with broker_may_fail("planning"):
            if service.flight(run).size() * 2 <= service.settings.workers.in_flight:
                tend(service, messages)

    outcome = "error"
    with run_may_fail(service, run):
        result = make_plan(service, run, added)
        outcome = "overtaken" if result.overtaken else "complete" if result.complete else "begun"
        log.info("planned", outcome=outcome, batches=result.batches)
    return outcome


def run_tend(service: Service, messages: Messages) -> str:
    """Look after the open runs; a run that cannot be closed is marked as failed."""
    tended: Tended | None = None
    holder = None
    try:
        tended = tend(service, messages)
        holder = tended.holder
        while tended.closed:
            tended = tend(service, messages)
    except StoreUnavailable as error:
        metrics.FAILURES.labels("store").inc()
        log.warning("the store does not answer", reason=str(error))
    except SoftTimeLimitExceeded:
        log.warning("time is up; the next look at the runs goes on")
    except EnrichError as error:
        from enrich.runs.lease import current_turn

        metrics.FAILURES.labels(type(error).__name__).inc()
        turn = current_turn(service.store, service.names)
        log.error("tending failed", run=turn.run.value if turn.run else None, reason=str(error))
        if turn.run is not None and not isinstance(error, BrokerError):
            service.plan(turn.run).fail(str(error))
    return holder or "nobody"


def tell(service: Service) -> None:
    """Bring the metrics up to date that are read from the store and the broker."""
    with broker_may_fail("queue length"):
        for queue, length in service.broker.queue_lengths().items():
            metrics.QUEUE.labels(queue).set(length)
    try:
        last = last_success(service.store, service.names)
    except StoreError as error:
        log.warning("the store does not answer", reason=str(error))
    else:
        if last is not None:
            metrics.LAST_SUCCESS.set(last.timestamp())


def run_nightly(service: Service, messages: Messages) -> str:
    """Open the nightly run of the last time that the schedule was due, unless it was opened already. What
    keeps it from being opened is said in the log; beat asks again."""
    try:
        return _open_nightly(service, messages)
    except (EnrichError, ClassifierError, *BROKER_ERRORS) as error:
        metrics.FAILURES.labels(type(error).__name__).inc()
        log.error("the nightly run could not be opened", reason=str(error))
        return "error"


def _open_nightly(service: Service, messages: Messages) -> str:
    settings = service.settings
    schedule = nightly_crontab(settings.workers)
    if settings.workers.model is None or schedule is None:
        raise SettingsError("a nightly run needs workers.model and workers.schedule")
    slot = last_slot(schedule, zone(settings.workers), datetime.now(UTC)) or datetime.now(UTC)
    with service.broker.lock("open", 60) as held:
        if not held:
            log.info("another worker is opening a run")
            return "held"
        folder = settings.locate(settings.workers.model)
        model = ModelDescription.read(folder)
        properties = chosen_properties(service.workspace, model.properties, settings.workers.properties)
        request = Request(
            NIGHTLY,
            str(folder),
            model.digest,
            properties,
            priority=0,
            slot=f"{slot:%Y-%m-%dT%H:%M:%SZ}",
            pictures="image" in model.members,
        )
        run, new = open_job(service.workspace, model, request)
    if new:
        log.info("nightly run opened", run=run.value, slot=request.slot)
    else:
        log.info("no second nightly run", held_by=run.value, slot=request.slot)
    run_tend(service, messages)
    return run.value


@contextmanager
def run_may_fail(service: Service, run: NamedNode) -> Iterator[None]:
    """What goes wrong for a time is left to be done again; what would go wrong again stops the run, which
    then says why until it is resumed."""
    try:
        yield
    except StoreUnavailable as error:
        metrics.FAILURES.labels("store").inc()
        log.warning("the store does not answer; to be done again", reason=str(error))
    except BROKER_ERRORS as error:
        metrics.FAILURES.labels("broker").inc()
        log.warning("the broker does not answer; to be done again", reason=str(error))
    except SoftTimeLimitExceeded:
        metrics.FAILURES.labels("time").inc()
        log.warning("time is up; to be done again")
    except (EnrichError, ClassifierError) as error:
        metrics.FAILURES.labels(type(error).__name__).inc()
        log.error("the run cannot go on", reason=str(error))
        _stop(service, run, str(error))
    except Exception as error:  # noqa: BLE001 - said in the log and in the run, which stops
        metrics.FAILURES.labels(type(error).__name__).inc()
        log.exception("unforeseen")
        _stop(service, run, f"unforeseen {type(error).__name__}: {error}; the worker's log has the trace")


def _stop(service: Service, run: NamedNode, reason: str) -> None:
    try:
        service.plan(run).fail(reason)
    except StoreError as error:
        log.warning("the run could not be marked as failed", reason=str(error))


@contextmanager
def broker_may_fail(what: str) -> Iterator[None]:
    """Redis holds nothing that must last: when it is away, its part is done when it is back."""
    try:
        yield
    except BROKER_ERRORS as error:
        metrics.FAILURES.labels("broker").inc()
        log.warning("the broker does not answer", at=what, reason=str(error))


def task_names(app: Any) -> list[str]:
    """Our tasks."""
    return sorted(name for name in app.tasks if name.startswith("enrich."))
