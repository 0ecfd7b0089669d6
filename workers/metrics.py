"""What Prometheus is told. The processes of a worker tell their main process, which counts, through a pipe.

Nothing is kept in files: a full disk or a main process that is busy costs numbers, never a batch.
"""

from __future__ import annotations

import fcntl
import json
import os
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import Any, ClassVar

from prometheus_client import Counter, Gauge, Histogram, start_http_server, values

from enrich.media.refusal import Kind
from enrich.runs.shards import OUTCOMES
from enrich.workers.logs import log

PIPE_BYTES = 1 << 20
values.ValueClass = values.MutexValue  # in memory, whatever PROMETHEUS_MULTIPROC_DIR says


class Metric:
    """A metric of this worker. Its label values that are known are there from the start, at zero, so that an
    increase from the first event on can be seen."""

    there: ClassVar[dict[str, Metric]] = {}
    pipe: ClassVar[tuple[int, int] | None] = None
    """The writing end, and the process that reads."""
    lost: ClassVar[int] = 0

    def __init__(
        self, metric: Any, known: Iterable[str | tuple[str, ...]] = (), labels: Sequence[str] = ()
    ) -> None:
        self.metric = metric
        self._labels = tuple(labels)
        if not labels:
            self.there[metric._name] = self
        for value in known:
            metric.labels(*([value] if isinstance(value, str) else value))

    def labels(self, *said: str) -> Metric:
        """The metric with these label values."""
        return Metric(self.metric, labels=said)

    def inc(self, number: float = 1) -> None:
        """Count."""
        self._do("inc", number)

    def set(self, number: float) -> None:
        """Say what a gauge stands at."""
        self._do("set", number)

    def alone(self) -> None:
        """Say that these label values hold, and none that were said before."""
        self._do("alone", 1)

    def observe(self, number: float) -> None:
        """Add to a histogram."""
        self._do("observe", number)

    def _do(self, how: str, number: float) -> None:
        if self.pipe is None or self.pipe[1] == os.getpid():
            apply(self.metric._name, self._labels, how, number)
            return
        line = json.dumps([self.metric._name, self._labels, how, number]).encode()
        more = json.dumps([FAILURES.metric._name, ["metrics"], "inc", Metric.lost]).encode()
        try:  # at most 4,096 bytes are written whole or not at all
            os.write(self.pipe[0], line + b"\n" + (more + b"\n" if Metric.lost else b""))
            Metric.lost = 0
        except OSError:
            Metric.lost += 1


def apply(name: str, labels: Sequence[str], how: str, number: float) -> None:
    """Do to a metric what was told of it."""
    metric = Metric.there[name].metric
    if how == "alone":
        metric.clear()
        how = "set"
    getattr(metric.labels(*labels) if labels else metric, how)(number)


STAGES = ("read", "predict", "describe", "write")
DELIVERIES = ("done", "gone", "waiting", "lost", "bisected", "isolated", "error")
REASONS = (
    "store", "broker", "time", "message", "foreign", "task", "log", "metrics", "StoreError", "QueryRefused",
    "ResultTruncated", "ModelError", "ProfileError", "SettingsError", "RunError", "ClassifierFailure", "UnreadableRecord",
)  # fmt: skip
"""What went wrong with the service, the errors that stop a run, and the reasons of answers that are failures."""
STATES = ("running", "waiting", "resting", "paused", "stopped")
"""What an open run may do: wait for a run of another process, rest in a blackout, be stopped by an error."""

GAPS_FOUND = Metric(Counter("enrich_gaps_found_total", "Gaps that planners have put into batches."))
GAPS_OPEN = Metric(Gauge("enrich_gaps_open", "Gaps of open runs that are not answered yet."))
ANSWERS = Metric(Counter("enrich_answers_total", "Gaps answered, by outcome.", ["outcome"]), OUTCOMES)
STAGE_RECORDS = Metric(
    Counter("enrich_stage_records_total", "Records that went through a stage.", ["stage"]), STAGES
)
STAGE_SECONDS = Metric(Counter("enrich_stage_seconds_total", "Seconds spent in a stage.", ["stage"]), STAGES)
BATCHES = Metric(
    Counter("enrich_batches_total", "Deliveries of batches, by what became of them.", ["outcome"]), DELIVERIES
)
BATCH_SECONDS = Metric(
    Histogram("enrich_batch_seconds", "Seconds per batch.", buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000))
)
FAILURES = Metric(Counter("enrich_failures_total", "What went wrong, by reason.", ["reason"]), REASONS)
PICTURES = Metric(
    Counter("enrich_pictures_total", "Pictures by what became of them.", ["outcome", "kind"]),
    [("may come" if kind.may_come else "refused", kind.value) for kind in Kind],
)
CIRCUITS = Metric(Counter("enrich_picture_circuits_opened_total", "Hosts of pictures that failed too often."))
BISECTED = Metric(Counter("enrich_batches_bisected_total", "Batches halved because they were too much."))
POISON = Metric(
    Counter("enrich_poison_records_total", "Records quarantined because they ended their workers.")
)
QUEUE = Metric(Gauge("enrich_queue_length", "Messages waiting.", ["queue"]))
RUNS = Metric(Gauge("enrich_runs", "Runs that are not finalized, by what they do.", ["state"]), STATES)
MODEL = Metric(Gauge("enrich_model_info", "The model of the last batch.", ["digest"]))
LAST_SUCCESS = Metric(
    Gauge(
        "enrich_last_successful_run_timestamp_seconds",
        "When a run was last made active (Unix time); 0 for never.",
    )
)
BROKER_UP = Metric(Gauge("enrich_broker_up", "Whether the broker takes messages: 1 or 0."))
STORE_UP = Metric(
    Gauge("enrich_store_up", "Whether the store answers within seconds and can be written: 1 or 0.")
)
INSTALLED = Metric(Gauge("enrich_installed_timestamp_seconds", "Since when there are workers (Unix time)."))


def failed(kind: str, event: str, /, *, level: str = "warning", **said: object) -> None:
    """Count what went wrong, and say it in the log."""
    FAILURES.labels(kind).inc()
    getattr(log, level)(event, **said)


def serve(port: int, host: str) -> Callable[[], None]:
    """Serve the metrics of this worker and the processes that it is going to start. Returns what ends it.
    Where they cannot be served, that is logged, and work goes on without."""
    try:
        server, thread = start_http_server(port, host)
    except OSError as error:
        log.error("metrics are not served", host=host, port=port, reason=str(error))
        return lambda: None
    read, write = os.pipe()
    os.set_blocking(write, False)
    with suppress(OSError, AttributeError):
        fcntl.fcntl(write, fcntl.F_SETPIPE_SZ, PIPE_BYTES)
    Metric.pipe = (write, os.getpid())

    def listen() -> None:
        with os.fdopen(read, "rb") as lines:
            for line in lines:
                apply(*json.loads(line))

    threading.Thread(target=listen, daemon=True).start()

    def stop() -> None:
        Metric.pipe = None
        os.close(write)
        server.shutdown()
        server.server_close()
        thread.join()

    return stop
