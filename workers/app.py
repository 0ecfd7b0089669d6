"""The Celery app of one museum: its settings, its tasks, and what a worker does when it starts."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import celery.apps.worker as celery_worker
import redis
from celery import Celery, Task, signals
from celery.utils.nodenames import default_nodename, host_format
from kombu.exceptions import OperationalError

from enrich.answering.models import Models
from enrich.errors import EnrichError
from enrich.runs.blackout import windows, zone
from enrich.runs.request import last_nightly
from enrich.settings.loading import Settings
from enrich.workers import config, metrics
from enrich.workers.broker import Broker
from enrich.workers.context import WorkerContext
from enrich.workers.logs import be_careful, configure, log, say_at_once
from enrich.workers.schedule import ENTRY, Nightly, NightlyScheduler, nightly_crontab
from enrich.workers.tasks import ProcessContext, ask_to_tidy, broker_may_fail, register_tasks
from enrich.workers.threads import use_threads
from enrich.workers.watch import watching

TARGET = "enrich_target"
"""The header of a message that tells whose it is."""


class MuseumApp(Celery):  # type: ignore[misc]
    """Celery for one target. Its queues are named for it, and each message says whose it is."""

    enrich_broker: Broker

    def send_task(
        self, name: str, *args: Any, queue: str | None = None, headers: Any = None, **more: Any
    ) -> Any:
        """Send a message to a queue of the settings."""
        broker = self.enrich_broker
        said = {**(headers or {}), TARGET: broker.target}
        return super().send_task(
            name, *args, queue=broker.queue(queue or broker.queues[0]), headers=said, **more
        )

    def put_back(self, task: Task, target: str) -> None:
        """Put a message of another target into its own queue, where its workers find it."""
        request = task.request
        queue = f"{request.delivery_info['routing_key'].rpartition('.')[0]}.{target}"
        metrics.failed("foreign", "a message of another museum was put back", task=task.name, queue=queue)
        priority = request.delivery_info.get("priority") or 0
        headers = {TARGET: target}
        super().send_task(
            task.name, request.args, request.kwargs, queue=queue, priority=priority, headers=headers
        )


class MuseumTask(Task):  # type: ignore[misc]
    """A task that is done for its own target only."""

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Do it, or put it back."""
        target = (self.request.headers or {}).get(TARGET)
        if target is None or target == self.app.enrich_broker.target:
            return super().__call__(*args, **kwargs)
        return self.app.put_back(self, str(target))


def make_app(settings: Settings, models: Models | None = None, *, looking: bool = False) -> MuseumApp:
    """The app with its tasks. Raises SettingsError for settings that do not fit together, and, unless for somebody who is
    only `looking`, for a store on which several processes cannot work."""
    config.check(settings)
    if not looking:
        config.expect_shared_store(settings)
    windows(settings.workers)
    app = MuseumApp("enrich", set_as_current=False, task_cls=MuseumTask)
    app.conf.update(config.celery_settings(settings))
    app.enrich_broker = Broker(settings)
    process = ProcessContext(settings, models or Models())
    register_tasks(app, process)
    schedule = nightly_crontab(settings.workers)
    if schedule is not None:
        entry = {"task": "enrich.nightly", "schedule": Nightly(schedule, zone(settings.workers))}
        app.conf.beat_schedule = {ENTRY: entry}
    app.nightly_started = lambda: nightly_started(process.context)
    app.process = process
    return app


def nightly_started(context: WorkerContext) -> datetime | None:
    """When the last nightly run of the register was due; None when it has none."""
    last = last_nightly(context.register)
    return datetime.fromisoformat(last.request.slot) if last and last.request.slot else None


def start_worker(
    app: MuseumApp,
    settings: Settings,
    *,
    concurrency: int,
    threads: int,
    queues: Sequence[str],
    name: str | None,
) -> int:
    """Work in so many processes, of so many threads each, until told to stop (SIGTERM: finish what was
    begun). Returns the exit code."""
    be_careful(metrics.FAILURES.labels("log").inc)
    configure()
    _preload(app.process.models, settings)
    where = settings.workers
    stop_metrics = metrics.serve(where.metrics_port, where.metrics_host) if where.metrics_port else None
    try:
        with _receivers(app, settings, threads), watching(settings):
            celery_worker.safe_say = say_at_once
            worker = app.Worker(
                concurrency=concurrency,
                queues=[app.enrich_broker.queue(queue) for queue in queues],
                hostname=node_name(app.enrich_broker, name),
                pool="prefork",
                without_mingle=True,
                loglevel="INFO",
                quiet=True,
            )
            worker.start()
            return int(worker.exitcode or 0)
    finally:
        if stop_metrics is not None:
            stop_metrics()


def start_beat(app: MuseumApp) -> None:
    """Start the nightly run when it is due, until told to stop."""
    be_careful(metrics.FAILURES.labels("log").inc)
    configure()
    app.Beat(scheduler_cls=NightlyScheduler, loglevel="INFO", redirect_stdouts=False, quiet=True).run()


def node_name(broker: Broker, name: str | None) -> str:
    """What a worker is called among all on this Redis: `gpu@%h` is gpu, with its target, on this host. One that is given
    no name has its process in it: two of one name would be counted as one."""
    left, _, host = (name or f"enrich-{os.getpid()}").partition("@")
    named: str = host_format(default_nodename(f"{left}.{broker.target}@{host or '%h'}"))
    return named


def _preload(models: Models, settings: Settings) -> None:
    """Read the nightly model once for all processes, where that is safe."""
    if settings.workers.model is None and settings.workers.schedule is None:
        return
    folder = settings.nightly_model
    try:
        shared = models.preload(folder)
    except EnrichError as error:
        log.warning("the nightly model cannot be read yet", reason=str(error))
        return
    log.info("model read", folder=str(folder), shared=shared)


@contextmanager
def _receivers(app: MuseumApp, settings: Settings, threads: int) -> Iterator[None]:
    """What is done when Celery signals something, while in here."""
    process: ProcessContext = app.process

    def process_began(**_: Any) -> None:
        use_threads(threads)
        configure()
        process.begin_process()
        with broker_may_fail("ask to tidy"):
            ask_to_tidy(app.enrich_broker)

    def ready(sender: Any = None, **_: Any) -> None:
        log.info("worker ready", queues=sorted(queue.name for queue in sender.task_consumer.queues))
        sender.timer.call_repeatedly(settings.workers.tend_every, lambda: ask_to_reconcile(app, settings))
        ask_to_reconcile(app, settings)

    receivers: Mapping[Any, Any] = {
        signals.setup_logging: lambda **_: configure(),
        signals.worker_process_init: process_began,
        signals.worker_process_shutdown: lambda **_: process.end_process(),
        signals.worker_ready: ready,
        signals.task_failure: lambda **_: metrics.FAILURES.labels("task").inc(),
        signals.task_unknown: lambda **_: metrics.FAILURES.labels("message").inc(),
        signals.task_rejected: lambda **_: metrics.FAILURES.labels("message").inc(),
    }
    for signal, receiver in receivers.items():
        signal.connect(receiver, weak=False)
    try:
        yield
    finally:
        for signal, receiver in receivers.items():
            signal.disconnect(receiver)


def ask_to_reconcile(app: MuseumApp, settings: Settings) -> None:
    """Have somebody look after the open runs, unless another worker has just asked for that. Raises
    TimeoutError when Redis has fallen silent: Celery then opens all of its connections anew."""
    every = settings.workers.tend_every
    try:
        if app.enrich_broker.once_in("reconcile", every * 0.9) and not app.enrich_broker.control_waits():
            app.send_task("enrich.reconcile", retry=False)
    except (redis.RedisError, OperationalError, OSError) as error:
        metrics.failed("broker", "the broker does not answer", reason=str(error))
        if isinstance(error, redis.TimeoutError):
            raise
