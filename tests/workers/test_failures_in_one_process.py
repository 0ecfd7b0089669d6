"""The service in one process, message by message: what breaks, and that a run is finalized whole or not at all."""

from __future__ import annotations

import shutil
import signal
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import batch_work, models, time_limit
from enrich.answering import finalize as finalizing
from enrich.answering import run as pipeline
from enrich.answering.finalize import finalize, sweep
from enrich.answering.models import load_model
from enrich.answering.planner import PlanResult
from enrich.answering.time_limit import TimeUp
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.model import Model
from enrich.errors import RunError, StoreUnavailable
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR
from enrich.runs.attempts import Attempt
from enrich.runs.jobs import describe, find_job
from enrich.runs.request import JOB, make_request, open_run
from enrich.workers import tasks
from enrich.workers.context import WorkerContext
from tests.workers.museum import answers_of
from tests.workers.small import EVERYTHING, GAPS, Queue, answered, ask, record, state
from tests.workers.test_telemetry import told


def dead_attempts(service: WorkerContext, run: NamedNode, name: str, number: int) -> None:
    """Note attempts of processes that have ended."""
    for token in range(number):
        here = Attempt.here(service.register.clock())
        service.plan(run).attempt(name, Attempt(f"dead{token}", here.host, 4_000_000, "1", here.at))


def test_a_batch_that_kills_is_halved_down_to_the_record(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    poison = record(7).value
    outcomes = []
    while queue.messages:
        name = queue.messages[0][2]
        found = service.plan(run).look(name)
        if found is not None and poison in {r.value for r in found.records}:
            dead_attempts(service, run, name, 3)
        outcomes.append(queue.one())
    assert outcomes.count("isolated") == 1
    assert outcomes.count("bisected") in (2, 3)
    assert answered(service) == EVERYTHING
    failed = {found for _, found, _, outcome in answers_of(service.store) if outcome == "Failed"}
    assert failed == {poison}


def test_two_kills_are_forgiven(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    dead_attempts(service, run, queue.messages[0][2], 2)
    assert queue.one() == "done"


def test_too_much_memory_is_like_a_kill(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(service, limit=2)
    answer = batch_work._BatchWork._answer

    def greedy(work, attempt):  # type: ignore[no-untyped-def]
        if record(0) in work.batch.records or len(work.batch.records) > 1:
            raise MemoryError
        return answer(work, attempt)

    monkeypatch.setattr(batch_work._BatchWork, "_answer", greedy)
    outcomes = queue.all()
    assert "bisected" in outcomes
    assert state(service, run) == "done"
    details = service.store.select(f"SELECT ?why WHERE {{ GRAPH ?g {{ ?p {ENR.detail} ?why }} }}")
    assert {why.value for (why,) in details if why} <= {"needs more memory than its worker has"}


def test_a_model_that_is_gone_stops_the_run_until_it_is_resumed(
    service: WorkerContext, queue: Queue, tmp_path: Path
) -> None:
    run = ask(service)
    queue.reconcile()
    shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    service.models._by_digest.clear()
    queue.one()
    queue.all()
    assert state(service, run) == "failed"
    job = describe(service.workspace, find_job(service.workspace, run.value))
    assert "model folder" in str(job.reason)
    shutil.move(tmp_path / "elsewhere", tmp_path / "model")
    service.plan(run).resume()
    queue.drop(run)
    queue.all()
    assert state(service, run) == "done"
    assert answered(service) == EVERYTHING


def test_enrich_run_reads_its_model_outside_a_batchs_time(
    service: WorkerContext, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model that takes longer to read than a batch may, then no record is blamed for it."""

    long = iter([True])

    def slowly(folder: Path) -> Model:
        if signal.getsignal(signal.SIGALRM) is time_limit._raise and next(long, False):
            raise TimeUp
        return load_model(folder)

    monkeypatch.setattr(models, "load_model", slowly)
    service.settings.run.__dict__["batch"] = 1
    done = pipeline.run(service.workspace, tmp_path / "model")
    assert (done.records, done.failed) == (GAPS, 0)


def test_a_batch_whose_task_read_the_model_first_is_done_again_when_its_time_is_up(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a worker that reads the model in its first task, and no time left after that, then no record is blamed."""
    ask(service, limit=1)
    queue.reconcile()
    queue.one()
    service.models._by_digest.clear()
    answer, left = batch_work._BatchWork._answer, iter([True])

    def late(work, attempt):  # type: ignore[no-untyped-def]
        if next(left, False):
            raise TimeUp
        return answer(work, attempt)

    monkeypatch.setattr(batch_work._BatchWork, "_answer", late)
    assert queue.one() == "error"
    assert queue.all() == ["done"]
    assert {outcome for *_, outcome in answers_of(service.store)} <= {"Predicted", "Abstained"}


def test_a_model_that_takes_all_of_a_tasks_time_stops_the_run(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    def for_ever(_: Path) -> Model:
        raise TimeUp

    run = ask(service, limit=1)
    service.models._by_digest.clear()
    with monkeypatch.context() as patch:
        patch.setattr(models, "load_model", for_ever)
        queue.all()
    job = describe(service.workspace, find_job(service.workspace, run.value))
    assert (job.state, job.failed) == ("failed", 0)
    assert "raise workers.time_limit" in str(job.reason)


def test_a_run_whose_planners_find_nothing_to_note_stops_with_a_reason(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After the second in a row, not after the first: time that was up says nothing yet."""
    results = [PlanResult(False, progress=worth) for worth in (False, True, False, False)]
    run = ask(service)
    monkeypatch.setattr(tasks, "make_plan", lambda *_, **__: results.pop(0))
    assert queue.all() == ["begun", "begun", "begun", "error"]
    assert state(service, run) == "failed"
    assert "made no progress 2 times" in str(service.plan(run).failure())


def test_a_failure_is_marked_on_the_run_that_failed_and_not_on_the_one_under_way(
    service: WorkerContext, queue: Queue, tmp_path: Path
) -> None:
    """Given a run that waits and whose model is gone, when its plan is asked for while another one holds the lease."""
    folder = tmp_path / "gone"
    shutil.copytree(tmp_path / "model", folder)
    model = ModelDescription.read(folder)
    request = make_request(service.workspace, JOB, folder, model, limit=3, priority=1)
    waits, _ = open_run(service.workspace, model, request)
    shutil.rmtree(folder)
    under_way = ask(service)
    assert queue.reconcile() == under_way.value
    service.models._by_digest.clear()
    queue.messages.appendleft(("plan", waits.value))
    assert queue.one() == "error"
    assert (state(service, waits), state(service, under_way)) == ("failed", "running")
    assert service.plan(under_way).failure() is None
    queue.all()
    assert state(service, under_way) == "done"


def test_a_store_that_is_away_costs_nothing_but_time(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store is away")

    before = told("enrich_failures_total", reason="store")
    with monkeypatch.context() as patch:
        patch.setattr(WorkerContext, "run_context", away)
        assert queue.one() == "error"
    assert told("enrich_failures_total", reason="store") == before + 1, "the alert counts these"
    assert state(service, run) == "running"
    assert service.plan(run).pending() == 5
    queue.all()
    assert answered(service) == EVERYTHING


def test_a_run_is_not_closed_when_the_store_has_lost_something(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    queue.one()
    shard = next(g for g in service.store.graphs() if "/graph/run/" in g.value and "plan" not in g.value)
    service.store.drop(shard)
    queue.all()
    assert state(service, run) == "failed"
    assert not answered(service)
    with pytest.raises(RunError, match="does not hold what was written"):
        finalize(service, run)


def test_a_finalization_that_ran_out_of_time_goes_on(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more shards than can be counted within a task, then each task counts some more of them."""
    counted: list[int] = []

    def slow(store: Store, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
        if len(counted) in (1, 4):
            counted.append(0)
            raise TimeUp
        counted.append(len(shards))
        return held(store, shards)

    held = finalizing.held_counts
    monkeypatch.setattr(finalizing, "AT_ONCE", 1)
    monkeypatch.setattr(finalizing, "held_counts", slow)
    run = ask(service)
    queue.all()
    assert state(service, run) == "running"
    queue.reconcile()
    assert state(service, run) == "running"
    queue.reconcile()
    assert state(service, run) == "done"
    assert counted == [1, 0, 1, 1, 0, 1, 1], "none was counted twice"
    assert answered(service) == EVERYTHING


def test_a_run_is_closed_by_one_process(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    with service.broker.lock(f"finalize:{service.names.run_id(run)}", 30):
        queue.all()
        assert state(service, run) == "running"
    queue.reconcile()
    assert state(service, run) == "done"


def test_what_does_not_count_is_swept(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    name = queue.messages[0][2]
    lost = Attempt.here(service.register.clock())
    service.plan(run).attempt(name, lost)
    graph = service.plan(run).shard(name, lost.token)
    service.store.insert([Quad(record(0), ENR.about, record(0), graph)])
    assert sweep(service, run) == 1
    assert graph not in service.store.graphs()


def test_tidying_that_could_not_be_done_is_done_later(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a process that died while it tidied, when another is asked to tidy before that one's lock is out, then it
    does so afterwards: what is left of an ended run is dropped though nobody asks again."""
    monkeypatch.setattr(tasks, "TIDY_AFTER", 0.05)
    run = ask(service)
    queue.all()
    left = NamedNode(f"{run.value.replace('/run/', '/graph/run/')}/late")
    service.store.write_graph(left, b"<https://m.example/a> <https://m.example/b> <https://m.example/c> .")
    service.broker.redis.set(service.broker.key("lock", "tidy"), "of the dead", px=300)
    tasks.ask_to_tidy(service.broker)
    time.sleep(0.06)
    queue.reconcile()
    assert left in service.store.graphs(), "the lock of the dead process holds"
    time.sleep(0.35)
    queue.reconcile()
    assert left not in service.store.graphs()
