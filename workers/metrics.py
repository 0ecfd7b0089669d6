"""What Prometheus is told. The processes of a worker share their numbers through a folder of files."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, TypeVar

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram, start_http_server
from prometheus_client.multiprocess import MultiProcessCollector, mark_process_dead

if TYPE_CHECKING:
    from enrich.answering.decision import Decision

T = TypeVar("T")
FOLDER = "PROMETHEUS_MULTIPROC_DIR"

GAPS_FOUND = Counter("enrich_gaps_found_total", "Gaps that planners have put into batches.")
ANSWERS = Counter("enrich_answers_total", "Gaps answered, by outcome.", ["outcome"])
STAGE_RECORDS = Counter("enrich_stage_records_total", "Records that went through a stage.", ["stage"])
STAGE_SECONDS = Counter("enrich_stage_seconds_total", "Seconds spent in a stage.", ["stage"])
BATCHES = Counter("enrich_batches_total", "Deliveries of batches, by what became of them.", ["outcome"])
BATCH_SECONDS = Histogram(
    "enrich_batch_seconds", "Seconds per batch.", buckets=(0.1, 0.3, 1, 3, 10, 30, 100, 300, 1000)
)
FAILURES = Counter("enrich_failures_total", "What went wrong, by reason.", ["reason"])
BISECTED = Counter("enrich_batches_bisected_total", "Batches halved because they were too much.")
POISON = Counter("enrich_poison_records_total", "Records put aside because they ended their workers.")
QUEUE = Gauge("enrich_queue_length", "Messages waiting.", ["queue"], multiprocess_mode="mostrecent")
RUNS_OPEN = Gauge("enrich_runs_open", "Runs that are not closed.", multiprocess_mode="mostrecent")
MODEL = Gauge("enrich_model_info", "The model of the last batch.", ["digest"], multiprocess_mode="mostrecent")
LAST_SUCCESS = Gauge(
    "enrich_last_successful_run_timestamp_seconds",
    "When a run was last made active (Unix time).",
    multiprocess_mode="mostrecent",
)


def serve(port: int, host: str) -> Callable[[], None]:
    """Serve the metrics of all processes of this worker. Returns what ends it."""
    registry = REGISTRY
    if os.environ.get(FOLDER):
        registry = CollectorRegistry()
        MultiProcessCollector(registry)  # type: ignore[no-untyped-call]
    server, thread = start_http_server(port, host, registry)

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()

    return stop


def process_ended(pid: int) -> None:
    """Forget the gauges of a process that has ended; its counters still count."""
    if os.environ.get(FOLDER):
        mark_process_dead(pid)  # type: ignore[no-untyped-call]


def remove_folder(folder: str | None) -> None:
    """Remove the folder that the processes shared, when it was made for them."""
    if folder:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def stage(name: str) -> Iterator[Callable[[int], None]]:
    """Time a stage; what is yielded is told the number of records."""
    began = time.perf_counter()
    try:
        yield STAGE_RECORDS.labels(name).inc
    finally:
        STAGE_SECONDS.labels(name).inc(time.perf_counter() - began)


def timed(name: str, pieces: Iterable[T], records: Callable[[T], int]) -> Iterator[T]:
    """The pieces as a stage makes them, each timed and its records counted."""
    following = iter(pieces)
    while True:
        with stage(name) as counted:
            try:
                piece = next(following)
            except StopIteration:
                return
            counted(records(piece))
        yield piece


def count_answers(counts: Mapping[str, int]) -> None:
    """Count a batch's answers by outcome."""
    for outcome in ("predicted", "abstained", "failed"):
        if counts.get(outcome):
            ANSWERS.labels(outcome).inc(counts[outcome])


def count_failures(decisions: Iterable[Decision]) -> None:
    """Count the answers that are failures by their reason."""
    for decision in decisions:
        if decision.reason is not None and decision.outcome.value.endswith("Failed"):
            FAILURES.labels(decision.reason.value.rpartition("#")[2]).inc()
