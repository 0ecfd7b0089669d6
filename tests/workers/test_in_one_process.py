"""The service in one process, message by message: plans, leases, nights, and the end."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import pytest
from pyoxigraph import NamedNode

from enrich.answering.planner import make_plan
from enrich.classifiers.model.description import ModelDescription
from enrich.cli import jobs as verbs
from enrich.errors import RunError
from enrich.ontology.terms import ENR
from enrich.runs.attempts import Attempt
from enrich.runs.jobs import cancel, describe, find_job, find_open_job, last_success, list_jobs
from enrich.runs.lease import current_lease, grant_lease
from enrich.runs.register import OPEN, RETRACTED, Run
from enrich.runs.request import RUN, make_request, open_run
from enrich.workers.context import WorkerContext
from enrich.workers.reconcile import next_run, planner_lock
from enrich.workers.tasks import run_nightly
from tests.workers.museum import answers_of
from tests.workers.small import EVERYTHING, GAPS, RISD, Queue, answered, ask, record, small_service, state


def test_a_job_from_its_plan_to_its_end(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    outcomes = queue.all()
    assert outcomes.count("done") == 5
    assert answered(service) == EVERYTHING
    job = describe(service.workspace, find_job(service.workspace, service.names.run_id(run)))
    assert (job.state, job.gaps, job.answered, job.failed) == ("done", GAPS, GAPS, 0)
    assert not any(g.value.endswith("/plan") for g in service.store.graphs())
    assert current_lease(service.store, service.names).run is None
    assert last_success(service.store, service.names) is not None


def test_no_more_is_under_way_than_may_be(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    while queue.messages:
        assert len([m for m in queue.messages if m[0] == "batch"]) <= 3
        assert service.in_flight(run).size() <= 3
        assert not answered(service)
        queue.one()
    assert answered(service) == EVERYTHING


def test_progress_is_told(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    queue.one()
    (job,) = list_jobs(service.workspace)
    assert (job.state, job.gaps, job.answered, job.batches_left, job.holds_lease) == (
        "running",
        GAPS,
        5,
        4,
        True,
    )
    assert json.loads(json.dumps(job.as_dict()))["run"] == run.value


def test_a_followed_job_tells_its_news_until_its_end(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ask(service)

    def work(_: float) -> None:
        queue.one() if queue.messages else queue.reconcile()

    monkeypatch.setattr(verbs, "time", SimpleNamespace(sleep=work))
    found = verbs.followed(service.workspace, service.names.run_id(run))
    told = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines() if " gaps" in line]
    assert found.state == "done"
    assert told[0] == "waiting: 0 gaps"
    assert told[-1] == "running: 20 gaps of 24 (83 %)"
    assert len(told) == len(set(told)), "only news is told where there is no terminal"


def test_all_messages_lost_and_everything_asked_again(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    queue.one()
    queue.drop(run)
    queue.all()
    assert answered(service) == EVERYTHING


def test_a_planner_that_died_is_taken_up(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    grant_lease(service.store, service.names, run)
    added = 0

    def die() -> None:
        nonlocal added
        added += 1
        if added == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_plan(service, run, die)
    assert not service.plan(run).standing().planned
    assert service.plan(run).pending() == 2
    assert queue.all().count("done") == 5
    assert answered(service) == EVERYTHING


def test_one_planner_at_a_time_and_none_when_all_is_planned(service: WorkerContext, queue: Queue) -> None:
    """Given a planner that waits long for the store, then it is not overtaken, and what was sent meanwhile
    does nothing."""
    run = ask(service)
    queue.reconcile()
    queue.plan(run.value)
    with service.broker.lock(planner_lock(service, run), 5):
        assert queue.one() == "held"
        service.broker.redis.delete(service.broker.key("once", planner_lock(service, run)))
        queue.messages.clear()
        queue.reconcile()
        assert not queue.messages, "a planner is at work"
    queue.plan(run.value)
    queue.plan(run.value)
    assert queue.one() == "complete"
    token = planner_token(service, run)
    assert queue.one() == "complete"
    assert planner_token(service, run) == token, "it was planned again"
    queue.all()
    assert answered(service) == EVERYTHING


def planner_token(service: WorkerContext, run: NamedNode) -> str:
    """Who planned a run last."""
    graph = service.plan(run).graph
    ((token,),) = service.store.select(f"SELECT ?t WHERE {{ GRAPH {graph} {{ {run} {ENR.planner} ?t }} }}")
    return str(token)


def test_a_planner_whose_time_is_up_is_asked_again(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrich.workers.tasks.soft_limit", lambda _: 0.0)
    ask(service)
    outcomes = queue.all()
    assert outcomes.count("begun") == 5
    assert outcomes.count("complete") == 1
    assert answered(service) == EVERYTHING


def test_records_limit_and_where_narrow_a_job(service: WorkerContext, queue: Queue) -> None:
    named = [record(3), record(40), record(5), NamedNode("https://museum.example.org/none")]
    ask(service, named)
    queue.all()
    assert {record(3).value, record(5).value} <= set(answered(service))
    assert record(40).value not in answered(service), "it lacks nothing"
    ask(service, limit=4)
    queue.all()
    ask(service, where=(f"museum={RISD.value}",))
    queue.all()
    found = answered(service)
    answers = [(r, name) for _, r, name, _ in answers_of(service.store)]
    assert len(answers) == len(set(answers))
    assert {record(n).value for n in range(0, GAPS, 3)} <= set(found)


def test_the_second_night_finds_nothing_new(service: WorkerContext, queue: Queue) -> None:
    ask(service)
    queue.all()
    run = ask(service)
    queue.all()
    assert answered(service) == EVERYTHING
    job = describe(service.workspace, find_job(service.workspace, run.value))
    assert (job.state, job.gaps, job.answered) == ("done", 0, 0)


def test_the_same_is_asked_once(service: WorkerContext) -> None:
    assert ask(service, priority=1) == ask(service, priority=9)
    assert ask(service, limit=3) != ask(service)
    for short in ("", "0", "00Z"):
        with pytest.raises(RunError, match="at least 4 letters"):
            find_job(service.workspace, short)
    with pytest.raises(RunError, match="no job"):
        find_job(service.workspace, "nothing")


def test_the_turn_goes_by_kind_priority_and_age(service: WorkerContext, queue: Queue) -> None:
    run_nightly(service, queue)  # type: ignore[arg-type]
    (nightly,) = list_jobs(service.workspace)
    assert nightly.holds_lease
    low, high = ask(service, limit=2, priority=1), ask(service, limit=3, priority=9)
    assert queue.reconcile() == high.value
    service.plan(high).pause()
    assert queue.reconcile() == low.value
    service.plan(low).fail("broken")
    assert queue.reconcile() == nightly.run
    assert state(service, low) == "failed"
    service.plan(high).resume()
    assert queue.reconcile() == high.value


def test_what_was_begun_before_the_turn_changed_does_not_count(service: WorkerContext, queue: Queue) -> None:
    first = ask(service)
    queue.reconcile()
    queue.one()
    waiting = queue.messages[0]
    second = ask(service, limit=2, priority=9)
    queue.reconcile()
    assert waiting[1] == first.value
    assert queue.one() == "waiting"
    queue.all()
    assert state(service, second) == state(service, first) == "done"
    assert answered(service) == EVERYTHING


def test_workers_wait_while_a_run_of_its_own_process_is_under_way(
    service: WorkerContext, queue: Queue
) -> None:
    run = ask(service)
    other = begun_elsewhere(service, Attempt.here(service.register.clock()))
    assert queue.reconcile() == other.value
    assert not queue.messages
    service.register.retract(other)
    assert queue.reconcile() == run.value


def test_a_run_whose_own_process_died_is_not_waited_for(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    here = Attempt.here(service.register.clock())
    begun_elsewhere(service, Attempt("dead", here.host, 4_000_000, "1", here.at))
    assert queue.reconcile() == run.value


def test_a_run_begun_while_the_runs_are_read_keeps_its_lease(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[NamedNode] = []
    read = service.register.runs

    def slowly(known: str | None = None) -> list[Run]:
        found = read(known)
        if known == OPEN and not begun:
            begun.append(begun_elsewhere(service, Attempt.here(service.register.clock())))
        return found

    monkeypatch.setattr(service.register, "runs", slowly)
    queue.reconcile()

    assert current_lease(service.store, service.names).run == begun[0]


def begun_elsewhere(service: WorkerContext, holder: Attempt) -> NamedNode:
    """A run of `enrich run` that another process has under way."""
    folder = Path(str(service.settings.workers.model))
    model = ModelDescription.read(folder)
    run, _ = open_run(service.workspace, model, make_request(service.workspace, RUN, folder, model))
    assert grant_lease(service.store, service.names, run, holder=holder).run == run
    return run


def test_of_nights_with_nothing_open_the_register_keeps_the_last(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the last one, then its night is not begun again, and the service is known to be alive."""
    job = ask(service)
    queue.all()
    for day in (1, 2, 3):
        slot = datetime(2026, 1, day, tzinfo=UTC)
        monkeypatch.setattr("enrich.workers.tasks.last_slot", lambda *_, slot=slot: slot)
        night = run_nightly(service, queue)  # type: ignore[arg-type]
        queue.all()
        assert state(service, NamedNode(night)) == "done"
        assert [j.run for j in list_jobs(service.workspace)] == [job.value, night]
    assert run_nightly(service, queue) == night  # type: ignore[arg-type]
    assert answered(service) == EVERYTHING


def test_the_nightly_run_rests_in_its_windows(tmp_path: Path, redis_url: str) -> None:
    service = small_service(tmp_path, redis_url, blackout=("00:00-23:59", "23:58-00:01"))
    queue = Queue(service)
    run_nightly(service, queue)  # type: ignore[arg-type]
    assert queue.reconcile() == "nobody"
    job = ask(service, limit=1)
    assert queue.reconcile() == job.value


def test_a_night_is_begun_once(service: WorkerContext, queue: Queue) -> None:
    first = run_nightly(service, queue)  # type: ignore[arg-type]
    assert run_nightly(service, queue) == first  # type: ignore[arg-type]
    queue.all()
    assert run_nightly(service, queue) == first, "the night is over"  # type: ignore[arg-type]
    assert len(list_jobs(service.workspace)) == 1
    with service.broker.lock("open", 5):
        assert run_nightly(service, queue) == "held"  # type: ignore[arg-type]


def test_a_cancelled_job_leaves_nothing(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    queue.one()
    assert cancel(service.store, service.names, run) == 2, "a shard and the plan"
    assert state(service, run) == "cancelled"
    assert set(queue.all()) == {"gone"}
    assert not [g for g in service.store.graphs() if "/graph/run/" in g.value]
    assert service.register.get(run).state == RETRACTED
    with pytest.raises(RunError, match="is cancelled already"):
        find_open_job(service.workspace, run.value)


def test_a_lease_is_renewed_while_a_run_waits(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    runs = service.names.runs
    service.store.update(
        f"DELETE {{ GRAPH {runs} {{ {run} {ENR.aliveUntil} ?t }} }} INSERT {{ GRAPH {runs} {{ {run} "
        f'{ENR.aliveUntil} "2026-01-01T00:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> }} }} '
        f"WHERE {{ GRAPH {runs} {{ {run} {ENR.aliveUntil} ?t }} }}"
    )
    queue.reconcile()
    until = service.register.get(run).alive_until
    assert until is not None
    assert datetime.fromisoformat(until) > datetime.now(UTC)


def test_nothing_to_do(service: WorkerContext, queue: Queue) -> None:
    assert queue.all() == []
    assert next_run(service, [], {}) is None
    assert queue.reconcile() == "nobody"
