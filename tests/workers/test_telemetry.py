"""What the workers tell of runs: their states, open gaps, the last success, and a night that rests."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from prometheus_client import REGISTRY
from structlog.testing import capture_logs

from enrich.cli import jobs as verbs
from enrich.errors import StoreUnavailable
from enrich.runs.attempts import Attempt
from enrich.runs.jobs import list_jobs
from enrich.runs.register import OPEN
from enrich.workers.context import WorkerContext
from enrich.workers.metrics import STATES
from enrich.workers.observer import WorkerObserver
from enrich.workers.tasks import run_nightly
from enrich.workers.telemetry import tell
from tests.workers.small import GAPS, Queue, ask, small_service
from tests.workers.test_in_one_process import begun_elsewhere


def told(name: str, **labels: str) -> float:
    """What a metric stands at."""
    found = REGISTRY.get_sample_value(name, labels)
    assert found is not None, f"{name} {labels} is not there"
    return found


def states(service: WorkerContext) -> dict[str, float]:
    """How many runs there are in each state, where there are any."""
    tell(service)
    found = {state: told("enrich_runs", state=state) for state in STATES}
    assert sum(found.values()) == len(service.register.runs(OPEN))
    return {state: number for state, number in found.items() if number}


def test_the_state_of_each_open_run(service: WorkerContext, queue: Queue) -> None:
    assert states(service) == {}
    first, second = ask(service, priority=9), ask(service, limit=2)
    assert states(service) == {"running": 2}
    service.plan(first).fail("broken")
    service.plan(second).pause()
    assert states(service) == {"stopped": 1, "paused": 1}
    service.plan(first).resume()
    service.plan(second).resume()
    queue.all()
    assert states(service) == {}


def test_runs_wait_while_another_process_has_one_under_way(service: WorkerContext) -> None:
    ask(service)
    other = begun_elsewhere(service, Attempt.here(service.register.clock()))
    tell(service)
    assert told("enrich_runs", state="waiting") == 1
    service.register.retract(other)
    assert states(service) == {"running": 1}


def test_a_night_that_rests_says_so_once(tmp_path: Path, redis_url: str) -> None:
    service = small_service(tmp_path, redis_url, blackout=("00:00-12:00", "12:00-00:00"))
    run_nightly(service, Queue(service))  # type: ignore[arg-type]
    with capture_logs() as lines:
        assert states(service) == states(service) == {"resting": 1}
    (said,) = [line for line in lines if line["event"] == "the nightly run rests"]
    assert said["run"]
    assert said["until"].endswith("Z")
    (job,) = list_jobs(service.workspace)
    assert verbs._state(job, service.workspace).startswith("resting until ")


def test_open_gaps_and_the_last_success(service: WorkerContext, queue: Queue) -> None:
    tell(service)
    assert told("enrich_gaps_open") == told("enrich_last_successful_run_timestamp_seconds") == 0
    assert told("enrich_installed_timestamp_seconds") == pytest.approx(time.time(), abs=60)
    ask(service)
    queue.reconcile()
    queue.one()
    tell(service)
    assert told("enrich_gaps_open") == GAPS
    queue.one()
    tell(service)
    assert told("enrich_gaps_open") == GAPS - 5
    queue.all()
    tell(service)
    assert told("enrich_gaps_open") == 0
    assert told("enrich_last_successful_run_timestamp_seconds") == pytest.approx(time.time(), abs=60)


def test_a_redis_that_was_emptied_forgets_no_installation(service: WorkerContext, queue: Queue) -> None:
    """Given runs in the register, then the oldest tells since when there are workers."""
    ask(service)
    queue.all()
    time.sleep(1.1)
    service.broker.redis.delete(service.broker.key("installed"))
    before = time.time()
    tell(service)
    assert told("enrich_installed_timestamp_seconds") < before - 1


def test_what_cannot_be_read_is_counted(service: WorkerContext, monkeypatch: pytest.MonkeyPatch) -> None:
    def away(*_: object) -> None:
        raise StoreUnavailable("the store is away")

    before = told("enrich_failures_total", reason="store")
    monkeypatch.setattr("enrich.workers.telemetry.last_success", away)
    tell(service)
    assert told("enrich_failures_total", reason="store") == before + 1


def test_the_model_of_the_last_batch_is_told_and_no_other() -> None:
    for digest in ("a" * 64, "b" * 64, "b" * 64):
        WorkerObserver().model(digest)
    ((family,),) = [[f] for f in REGISTRY.collect() if f.name == "enrich_model_info"]
    assert [(s.labels, s.value) for s in family.samples] == [({"digest": "b" * 12}, 1)]


def test_pictures_and_open_circuits_are_counted() -> None:
    observer = WorkerObserver()
    before = told("enrich_pictures_total", outcome="may come", kind="login")
    circuits = told("enrich_picture_circuits_opened_total")
    observer.picture("may come", "login")
    observer.circuit_opened("images.example.org", "5 failures in a row")
    assert told("enrich_pictures_total", outcome="may come", kind="login") == before + 1
    assert told("enrich_picture_circuits_opened_total") == circuits + 1
