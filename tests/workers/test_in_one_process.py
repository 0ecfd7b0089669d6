"""The service in one process, message by message: turns, plans, poison, failures, nights, and the end."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace

import pytest
from celery.exceptions import SoftTimeLimitExceeded
from pyoxigraph import NamedNode, Quad

from classifiers.description import ModelDescription
from enrich.errors import RunError, StoreUnavailable
from enrich.runs import RETRACTED
from ontology.terms import ENR
from tests.workers.museum import answers_of
from tests.workers.small import GAPS, RISD, Queue, record, small_service
from workers import batch as batch_module
from workers import cli, closing
from workers.attempts import Attempt
from workers.closing import close_run, sweep
from workers.jobs import JOB, Request, describe, find_job, last_success, list_jobs, open_job, records_digest
from workers.planner import chosen_properties, make_plan
from workers.service import Service
from workers.tasks import run_nightly
from workers.tending import cancel, next_run, planner_lock
from workers.turns import current_turn, give_turn


@pytest.fixture
def service(tmp_path: Path, redis_url: str) -> Service:
    """The service of the small museum."""
    return small_service(tmp_path, redis_url)


@pytest.fixture
def queue(service: Service) -> Queue:
    """Its messages."""
    return Queue(service)


def ask(service: Service, records: list[NamedNode] | None = None, **said: object) -> NamedNode:
    """Queue a job."""
    folder = Path(str(service.settings.workers.model))
    model = ModelDescription.read(folder)
    digest = None if records is None else records_digest(records)
    properties = chosen_properties(service.workspace, model.properties, ())
    request = Request(JOB, str(folder), model.digest, properties, digest, **said)  # type: ignore[arg-type]
    run, _ = open_job(service.workspace, model, request, records)
    return run


def state(service: Service, run: NamedNode) -> str:
    """A job's state."""
    return describe(service.workspace, find_job(service.workspace, run.value)).state


def answered(service: Service) -> list[str]:
    """The records that have answers in active runs, one for each answer."""
    return sorted(found for _, found, *_ in answers_of(service.store))


EVERYTHING = sorted(record(n).value for n in range(GAPS))


def test_a_job_from_its_plan_to_its_end(service: Service, queue: Queue) -> None:
    run = ask(service)
    outcomes = queue.all()
    assert outcomes.count("done") == 5
    assert answered(service) == EVERYTHING
    job = describe(service.workspace, find_job(service.workspace, service.names.run_id(run)))
    assert (job.state, job.gaps, job.answered, job.failed) == ("done", GAPS, GAPS, 0)
    assert not any(g.value.endswith("/plan") for g in service.store.graphs())
    assert current_turn(service.store, service.names).run is None
    assert last_success(service.store, service.names) is not None


def test_no_more_is_under_way_than_may_be(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    while queue.messages:
        assert len([m for m in queue.messages if m[0] == "batch"]) <= 3
        assert service.flight(run).size() <= 3
        assert not answered(service)
        queue.one()
    assert answered(service) == EVERYTHING


def test_progress_is_told(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    queue.one()
    (job,) = list_jobs(service.workspace)
    assert (job.state, job.gaps, job.answered, job.batches_left, job.holds_turn) == (
        "running",
        GAPS,
        5,
        4,
        True,
    )
    assert json.loads(json.dumps(job.as_dict()))["run"] == run.value


def test_a_followed_job_tells_its_news_until_its_end(
    service: Service, queue: Queue, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = ask(service)

    def work(_: float) -> None:
        queue.one() if queue.messages else queue.tend()

    monkeypatch.setattr(cli, "time", SimpleNamespace(sleep=work))
    found = cli._followed(service, service.names.run_id(run))
    told = [line.partition(",")[0] for line in capsys.readouterr().err.splitlines() if " gaps" in line]
    assert found.state == "done"
    assert told[0] == "waiting: 0 gaps"
    assert told[-1] == "running: 20 gaps of 24 (83 %)"
    assert len(told) == len(set(told)), "only news is told where there is no terminal"


def test_all_messages_lost_and_everything_asked_again(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    queue.one()
    queue.drop(run)
    queue.all()
    assert answered(service) == EVERYTHING


def test_a_planner_that_died_is_taken_up(service: Service, queue: Queue) -> None:
    run = ask(service)
    give_turn(service.store, service.names, run)
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


def test_one_planner_at_a_time_and_none_when_all_is_planned(service: Service, queue: Queue) -> None:
    """Given a planner that waits long for the store, then it is not overtaken, and what was sent meanwhile
    does nothing."""
    run = ask(service)
    queue.tend()
    queue.plan(run.value)
    with service.broker.lock(planner_lock(service, run), 5):
        assert queue.one() == "held"
        service.broker.redis.delete(service.broker.key("once", planner_lock(service, run)))
        queue.messages.clear()
        queue.tend()
        assert not queue.messages, "a planner is at work"
    queue.plan(run.value)
    queue.plan(run.value)
    assert queue.one() == "complete"
    token = planner_token(service, run)
    assert queue.one() == "complete"
    assert planner_token(service, run) == token, "it was planned again"
    queue.all()
    assert answered(service) == EVERYTHING


def planner_token(service: Service, run: NamedNode) -> str:
    """Who planned a run last."""
    graph = service.plan(run).graph
    ((token,),) = service.store.select(f"SELECT ?t WHERE {{ GRAPH {graph} {{ {run} {ENR.planner} ?t }} }}")
    return str(token)


def test_a_planner_whose_time_is_up_is_asked_again(
    service: Service, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("workers.planner.soft_limit", lambda _: 0.0)
    ask(service)
    outcomes = queue.all()
    assert outcomes.count("begun") == 5
    assert outcomes.count("complete") == 1
    assert answered(service) == EVERYTHING


def test_records_limit_and_where_narrow_a_job(service: Service, queue: Queue) -> None:
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


def test_the_second_night_finds_nothing_new(service: Service, queue: Queue) -> None:
    ask(service)
    queue.all()
    run = ask(service)
    queue.all()
    assert answered(service) == EVERYTHING
    job = describe(service.workspace, find_job(service.workspace, run.value))
    assert (job.state, job.gaps, job.answered) == ("done", 0, 0)


def test_the_same_is_asked_once(service: Service) -> None:
    assert ask(service, priority=1) == ask(service, priority=9)
    assert ask(service, limit=3) != ask(service)
    with pytest.raises(RunError, match="names 2 jobs"):
        find_job(service.workspace, "")
    with pytest.raises(RunError, match="no job"):
        find_job(service.workspace, "nothing")


def test_the_turn_goes_by_kind_priority_and_age(service: Service, queue: Queue) -> None:
    run_nightly(service, queue)  # type: ignore[arg-type]
    (nightly,) = list_jobs(service.workspace)
    assert nightly.holds_turn
    low, high = ask(service, limit=2, priority=1), ask(service, limit=3, priority=9)
    assert queue.tend() == high.value
    service.plan(high).pause(True)
    assert queue.tend() == low.value
    service.plan(low).fail("broken")
    assert queue.tend() == nightly.run
    assert state(service, low) == "failed"
    service.plan(high).pause(False)
    assert queue.tend() == high.value


def test_what_was_begun_before_the_turn_changed_does_not_count(service: Service, queue: Queue) -> None:
    first = ask(service)
    queue.tend()
    queue.one()
    waiting = queue.messages[0]
    second = ask(service, limit=2, priority=9)
    queue.tend()
    assert waiting[1] == first.value
    assert queue.one() == "waiting"
    queue.all()
    assert state(service, second) == state(service, first) == "done"
    assert answered(service) == EVERYTHING


def test_workers_wait_while_a_run_of_its_own_process_is_under_way(service: Service, queue: Queue) -> None:
    run = ask(service)
    other = _foreign_run(service)
    assert queue.tend() == "nobody"
    service.register.retract(other)
    assert queue.tend() == run.value


def _foreign_run(service: Service) -> NamedNode:
    from enrich.lineage import model_entities

    model = ModelDescription.read(Path(str(service.settings.workers.model)))
    return service.register.open(
        actor=NamedNode("https://data.example.org/actor/museum"),
        software="0.1.0",
        models=model_entities(model),
        snapshots=[],
        request='{"limit": null}',
        lease=timedelta(minutes=1),
    )


def test_the_nightly_run_rests_in_its_windows(tmp_path: Path, redis_url: str) -> None:
    service = small_service(tmp_path, redis_url, blackout=("00:00-23:59", "23:58-00:01"))
    queue = Queue(service)
    run_nightly(service, queue)  # type: ignore[arg-type]
    assert queue.tend() == "nobody"
    job = ask(service, limit=1)
    assert queue.tend() == job.value


def test_a_night_is_begun_once(service: Service, queue: Queue) -> None:
    first = run_nightly(service, queue)  # type: ignore[arg-type]
    assert run_nightly(service, queue) == first  # type: ignore[arg-type]
    queue.all()
    assert run_nightly(service, queue) == first, "the night is over"  # type: ignore[arg-type]
    assert len(list_jobs(service.workspace)) == 1
    with service.broker.lock("open", 5):
        assert run_nightly(service, queue) == "held"  # type: ignore[arg-type]


def dead_attempts(service: Service, run: NamedNode, name: str, number: int) -> None:
    """Note attempts of processes that have ended."""
    for token in range(number):
        here = Attempt.here()
        service.plan(run).attempt(name, Attempt(f"dead{token}", here.host, 4_000_000, "1", here.at))


def test_a_batch_that_kills_is_halved_down_to_the_record(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
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


def test_two_kills_are_forgiven(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    dead_attempts(service, run, queue.messages[0][2], 2)
    assert queue.one() == "done"


def test_too_much_memory_is_like_a_kill(
    service: Service, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(service, limit=2)
    answer = batch_module._answer

    def greedy(service, work, run, batch, turn, attempt):  # type: ignore[no-untyped-def]
        if record(0) in batch.records or len(batch.records) > 1:
            raise MemoryError
        return answer(service, work, run, batch, turn, attempt)

    monkeypatch.setattr(batch_module, "_answer", greedy)
    outcomes = queue.all()
    assert "bisected" in outcomes
    assert state(service, run) == "done"
    details = service.store.select(f"SELECT ?why WHERE {{ GRAPH ?g {{ ?p {ENR.detail} ?why }} }}")
    assert {why.value for (why,) in details if why} <= {"needs more memory than its worker has"}


def test_a_model_that_is_gone_stops_the_run_until_it_is_resumed(
    service: Service, queue: Queue, tmp_path: Path
) -> None:
    run = ask(service)
    queue.tend()
    shutil.move(tmp_path / "model", tmp_path / "elsewhere")
    service.models._by_digest.clear()
    queue.one()
    queue.all()
    assert state(service, run) == "failed"
    job = describe(service.workspace, find_job(service.workspace, run.value))
    assert "model folder" in str(job.reason)
    shutil.move(tmp_path / "elsewhere", tmp_path / "model")
    service.plan(run).fail(None)
    queue.drop(run)
    queue.all()
    assert state(service, run) == "done"
    assert answered(service) == EVERYTHING


def test_a_store_that_is_away_costs_nothing_but_time(
    service: Service, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = ask(service)
    queue.tend()
    queue.one()

    def away(*_: object, **__: object) -> None:
        raise StoreUnavailable("the store is away")

    with monkeypatch.context() as patch:
        patch.setattr(batch_module, "context_of", away)
        assert queue.one() == "error"
    assert state(service, run) == "running"
    assert service.plan(run).pending() == 5
    queue.all()
    assert answered(service) == EVERYTHING


def test_a_run_is_not_closed_when_the_store_has_lost_something(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    queue.one()
    shard = next(g for g in service.store.graphs() if "/graph/run/" in g.value and "plan" not in g.value)
    service.store.drop(shard)
    queue.all()
    assert state(service, run) == "failed"
    assert not answered(service)
    with pytest.raises(RunError, match="does not hold what was written"):
        close_run(service, run)


def test_a_closing_that_ran_out_of_time_goes_on(
    service: Service, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given more shards than can be counted within a task, then each task counts some more of them."""
    counted: list[int] = []

    def slow(service: Service, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
        if len(counted) in (1, 4):
            counted.append(0)
            raise SoftTimeLimitExceeded
        counted.append(len(shards))
        return held(service, shards)

    held = closing._held
    monkeypatch.setattr(closing, "AT_ONCE", 1)
    monkeypatch.setattr(closing, "_held", slow)
    run = ask(service)
    queue.all()
    assert state(service, run) == "running"
    queue.tend()
    assert state(service, run) == "running"
    queue.tend()
    assert state(service, run) == "done"
    assert counted == [1, 0, 1, 1, 0, 1, 1], "none was counted twice"
    assert answered(service) == EVERYTHING


def test_a_run_is_closed_by_one_process(service: Service, queue: Queue) -> None:
    run = ask(service)
    with service.broker.lock(f"close:{service.names.run_id(run)}", 30):
        queue.all()
        assert state(service, run) == "running"
    queue.tend()
    assert state(service, run) == "done"


def test_what_does_not_count_is_swept(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    name = queue.messages[0][2]
    lost = Attempt.here()
    service.plan(run).attempt(name, lost)
    graph = service.plan(run).shard(name, lost.token)
    service.store.insert([Quad(record(0), ENR.about, record(0), graph)])
    assert sweep(service, run) == 1
    assert graph not in service.store.graphs()


def test_a_cancelled_job_leaves_nothing(service: Service, queue: Queue) -> None:
    run = ask(service)
    queue.tend()
    queue.one()
    queue.one()
    assert cancel(service, run) == 2, "a shard and the plan"
    assert state(service, run) == "cancelled"
    assert set(queue.all()) == {"gone"}
    assert not [g for g in service.store.graphs() if "/graph/run/" in g.value]
    assert service.register.get(run).state == RETRACTED
    assert cancel(service, run) == 0


def test_a_lease_is_renewed_while_a_run_waits(service: Service, queue: Queue) -> None:
    run = ask(service)
    runs = service.names.runs
    service.store.update(
        f"DELETE {{ GRAPH {runs} {{ {run} {ENR.aliveUntil} ?t }} }} INSERT {{ GRAPH {runs} {{ {run} "
        f'{ENR.aliveUntil} "2026-01-01T00:00:00Z"^^<http://www.w3.org/2001/XMLSchema#dateTime> }} }} '
        f"WHERE {{ GRAPH {runs} {{ {run} {ENR.aliveUntil} ?t }} }}"
    )
    queue.tend()
    until = service.register.get(run).alive_until
    assert until is not None
    assert datetime.fromisoformat(until) > datetime.now(UTC)


def test_nothing_to_do(service: Service, queue: Queue) -> None:
    assert queue.all() == []
    assert next_run(service, []) is None
    assert queue.tend() == "nobody"
