"""The Celery app of one museum: its settings, its tasks, and what a worker does when it starts."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import redis
from celery import Celery, signals
from kombu.exceptions import OperationalError

from enrich.answering.models import Models
from enrich.errors import EnrichError
from enrich.runs.request import last_nightly
from enrich.settings.loading import Settings
from workers import config, metrics
from workers.broker import Broker
from workers.context import WorkerContext
from workers.logs import configure as configure_logs
from workers.logs import log
from workers.schedule import ENTRY, LOOK_SECONDS, nightly_crontab, windows
from workers.tasks import ProcessContext, register_tasks
from workers.threads import use_threads


def make_app(settings: Settings, models: Models | None = None) -> Celery:
    """The app with its tasks. Raises SettingsError for settings that do not fit together."""
    config.check(settings)
    windows(settings.workers)
    app = Celery("enrich", set_as_current=False)
    app.conf.update(config.celery_settings(settings))
    process = ProcessContext(settings, models or Models())
    register_tasks(app, process)
    schedule = nightly_crontab(settings.workers)
    if schedule is not None:
        options = {"expires": 2 * LOOK_SECONDS}  # beat asks again
        app.conf.beat_schedule = {ENTRY: {"task": "enrich.nightly", "schedule": schedule, "options": options}}
    app.nightly_started = lambda: nightly_started(process.context)
    app.enrich_broker = Broker(settings)
    app.process = process
    return app


def nightly_started(context: WorkerContext) -> datetime | None:
    """When the last nightly run of the register was due; None when it has none."""
    last = last_nightly(context.register)
    return datetime.fromisoformat(last.request.slot) if last and last.request.slot else None


def start_worker(
    app: Celery, settings: Settings, *, concurrency: int, threads: int, queues: str, name: str | None
) -> int:
    """Work in so many processes, of so many threads each, until told to stop (SIGTERM: finish what was
    begun). Returns the exit code."""
    process: ProcessContext = app.process
    _preload(process.models, settings)
    connections = _connect_signals(app, process, settings, threads)
    stop_metrics = (
        metrics.serve(settings.workers.metrics_port, settings.workers.metrics_host)
        if settings.workers.metrics_port
        else None
    )
    try:
        worker = app.Worker(
            concurrency=concurrency,
            queues=queues,
            hostname=name,
            pool="prefork",
            without_mingle=True,
            loglevel="INFO",
        )
        worker.start()
        return int(worker.exitcode or 0)
    finally:
        if stop_metrics is not None:
            stop_metrics()
        for signal, receiver in connections:
            signal.disconnect(receiver)


def _preload(models: Models, settings: Settings) -> None:
    """Read the nightly model once for all processes, where that is safe."""
    if settings.workers.model is None:
        return
    folder = settings.locate(settings.workers.model)
    try:
        shared = models.preload(folder)
    except EnrichError as error:
        log.warning("the nightly model cannot be read yet", reason=str(error))
        return
    log.info("model read", folder=str(folder), shared=shared)


def _connect_signals(
    app: Celery, process: ProcessContext, settings: Settings, threads: int
) -> list[tuple[Any, Any]]:
    def logging_set_up(**_: Any) -> None:
        configure_logs()

    def process_began(**_: Any) -> None:
        use_threads(threads)
        configure_logs()
        process.begin_process()

    def process_ended(pid: int | None = None, **_: Any) -> None:
        process.end_process()
        if pid is not None:
            metrics.process_ended(pid)

    def ready(sender: Any = None, **_: Any) -> None:
        log.info(
            "worker ready",
            queues=sorted(sender.task_consumer.queues and [q.name for q in sender.task_consumer.queues]),
        )
        sender.timer.call_repeatedly(settings.workers.tend_every, lambda: ask_to_tend(app, settings))
        ask_to_tend(app, settings)

    pairs = [
        (signals.setup_logging, logging_set_up),
        (signals.worker_process_init, process_began),
        (signals.worker_process_shutdown, process_ended),
        (signals.worker_ready, ready),
    ]
    for signal, receiver in pairs:
        signal.connect(receiver, weak=False)
    return pairs


def ask_to_tend(app: Celery, settings: Settings) -> None:
    """Have somebody look after the open runs, unless another worker has just asked for that."""
    broker: Broker = app.enrich_broker
    every = settings.workers.tend_every
    try:
        if broker.once_in("tend", every * 0.9):
            app.send_task("enrich.tend", expires=every * 3, retry=False)
    except (redis.RedisError, OperationalError, OSError) as error:
        metrics.FAILURES.labels("broker").inc()
        log.warning("the broker does not answer", reason=str(error))
