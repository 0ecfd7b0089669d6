"""What the engine tells, as log lines and metrics."""

from collections.abc import Iterable, Mapping

from enrich.answering.decision import Decision
from enrich.answering.observer import Observer
from enrich.runs.shards import OUTCOMES
from enrich.workers import metrics
from enrich.workers.logs import log


class WorkerObserver(Observer):
    """Logs and counts what the engine does in a worker."""

    def log(self, level: str, event: str, **fields: object) -> None:
        """One line, at the level that the engine says."""
        getattr(log, level)(event, **fields)

    def stage(self, name: str, records: int, seconds: float) -> None:
        """Records and seconds of a stage."""
        metrics.STAGE_RECORDS.labels(name).inc(records)
        metrics.STAGE_SECONDS.labels(name).inc(seconds)

    def planned(self, gaps: int) -> None:
        """Open gaps found."""
        metrics.GAPS_FOUND.inc(gaps)

    def committed(self, counts: Mapping[str, int], failures: Iterable[Decision]) -> None:
        """Answers by outcome, and failures by reason."""
        for outcome in OUTCOMES:
            if counts.get(outcome):
                metrics.ANSWERS.labels(outcome).inc(counts[outcome])
        for decision in failures:
            if decision.reason is not None:
                metrics.FAILURES.labels(decision.reason.value.rpartition("#")[2]).inc()

    def isolated(self, halved: bool) -> None:
        """Batches bisected and records quarantined."""
        (metrics.BISECTED if halved else metrics.POISON).inc()

    def model(self, digest: str) -> None:
        """The model of the last batch."""
        metrics.MODEL.labels(digest[:12]).alone()

    def picture(self, outcome: str, kind: str) -> None:
        """Pictures by what became of them."""
        metrics.PICTURES.labels(outcome, kind).inc()

    def circuit_opened(self, host: str, reason: str) -> None:
        """Circuits that opened, which are logged too."""
        metrics.CIRCUITS.inc()
        super().circuit_opened(host, reason)
