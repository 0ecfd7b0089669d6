"""Runs of both engines that overlap: each gap has one answer in the end, and an older run takes nothing back."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.batch_work import WAITING, do_batch
from enrich.answering.finalize import finalize, sweep_orphans
from enrich.answering.planner import make_plan
from enrich.errors import RunError
from enrich.learn.training import train
from enrich.ontology.terms import ENR, RDF
from enrich.runs import narrowing
from enrich.runs.lease import grant_lease
from enrich.runs.plan import Plan
from enrich.runs.register import ACTIVE, new_run_id
from enrich.runs.shards import held_answers
from enrich.workers.context import WorkerContext
from tests.workers.museum import answers_of
from tests.workers.small import (
    EVERYTHING,
    GAPS,
    Queue,
    answered,
    ask,
    begun,
    doubled,
    facts,
    killed_run,
    model_of,
    record,
    state,
)


def test_a_job_that_goes_on_after_enrich_run_answered_all_adds_nothing(
    service: WorkerContext, queue: Queue
) -> None:
    job = begun(service, queue)
    service.register.renew(job, timedelta(minutes=-1))
    done = pipeline.run(service.workspace, model_of(service))
    assert done.predicted + done.abstained == GAPS
    queue.all()
    assert state(service, job) == "done"
    assert doubled(service) == []
    assert answered(service) == EVERYTHING
    assert service.register.get(job).records == 0


def test_enrich_run_that_died_goes_on_after_a_job_answered_all_and_adds_nothing(
    service: WorkerContext, queue: Queue
) -> None:
    died = killed_run(service)
    ask(service)
    queue.all()
    assert answered(service) == EVERYTHING
    again = pipeline.run(service.workspace, model_of(service))
    assert (again.run, again.resumed) == (died, True)
    assert doubled(service) == []
    assert answered(service) == EVERYTHING


@pytest.mark.parametrize("other", [{"limit": 7}, {"properties": ("place",)}], ids=["limit", "property"])
def test_enrich_run_that_died_goes_on_after_a_run_with_another_request(
    service: WorkerContext, other: dict[str, Any]
) -> None:
    died = killed_run(service)
    between = pipeline.run(service.workspace, model_of(service), **other)
    assert between.run != died
    assert between.records > 0
    again = pipeline.run(service.workspace, model_of(service))
    assert (again.run, again.resumed) == (died, True)
    assert doubled(service) == []
    assert answered(service) == EVERYTHING


def test_a_failed_job_resumed_after_a_second_one_adds_nothing(service: WorkerContext, queue: Queue) -> None:
    failed = begun(service, queue)
    service.plan(failed).fail("the model is gone")
    second = ask(service)
    queue.all()
    assert state(service, second) == "done"
    service.plan(failed).resume()
    queue.all()
    assert state(service, failed) == "done"
    assert doubled(service) == []
    assert answered(service) == EVERYTHING


def newer_model(service: WorkerContext, folder: Path) -> None:
    """A model of another digest: it was trained on one record more."""
    service.store.insert(list(facts(31))[-9:])
    train(service.workspace, None, folder, modalities=("dummy",))


def test_an_old_model_put_back_and_resumed_does_not_supersede_a_newer_one(
    service: WorkerContext, queue: Queue, tmp_path: Path
) -> None:
    old = begun(service, queue)
    service.plan(old).fail("the model is gone")
    newer_model(service, tmp_path / "newer")
    newer = pipeline.run(service.workspace, tmp_path / "newer")
    service.plan(old).resume()
    queue.all()
    assert state(service, old) == "done"
    assert {graph.split("/")[-2] for graph, *_ in answers_of(service.store)} == {
        service.names.run_id(NamedNode(str(newer.run)))
    }


def test_a_newer_model_takes_the_place_of_an_older_run_that_ended_first(
    service: WorkerContext, queue: Queue, tmp_path: Path
) -> None:
    ask(service)
    queue.all()
    newer_model(service, tmp_path / "newer")
    newer = pipeline.run(service.workspace, tmp_path / "newer")
    assert newer.records == GAPS


def test_a_limit_holds_when_a_run_is_taken_up(service: WorkerContext, queue: Queue) -> None:
    run = ask(service, limit=8)
    grant_lease(service.store, service.names, run)

    def die() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make_plan(service, run, die)
    queue.all()
    assert state(service, run) == "done"
    assert len(answered(service)) == 8


def test_a_limit_over_answered_records_ends_though_its_time_is_short(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("enrich.answering.open_gaps.CHUNK", 4)
    monkeypatch.setattr("enrich.workers.tasks.soft_limit", lambda _: 0.0)
    ask(service)
    queue.all()
    late = ask(service, limit=5)
    outcomes = queue.all()
    assert state(service, late) == "done"
    assert outcomes.count("begun") >= GAPS // 4
    assert service.register.get(late).records == 0


def test_what_a_late_write_left_is_dropped_and_nothing_else(service: WorkerContext, queue: Queue) -> None:
    done, under_way = ask(service, limit=3), ask(service, limit=4, priority=1)
    queue.reconcile()
    while state(service, done) == "running":
        queue.one()
    left = [
        service.plan(done).shard("0", "late"),
        NamedNode(f"{service.names.graph_prefix}run/2020-01-01T00-00-00Z-abcdef/7-late"),
    ]
    for graph in left:
        service.store.insert([Quad(record(0), RDF.type, ENR.Prediction, graph)])
    opening = service.plan(service.names.run(new_run_id(service.register.clock())))
    opening.list_records([record(0)])
    kept = set(service.store.graphs()) - set(left)
    assert sweep_orphans(service) == 2
    assert set(service.store.graphs()) == kept
    queue.all()
    assert state(service, under_way) == "done"


def test_tidying_leaves_what_is_just_being_put_in_a_shards_place(
    service: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a shard that is made smaller, when another process tidies before the new graph is named, then it stays; what a
    process left that was killed there goes once the lease is over."""
    run = NamedNode(str(pipeline.run(service.workspace, model_of(service)).run))
    (graph, *_) = [NamedNode(shard) for shard in sorted(service.register.shards(run))]
    (one, *rest) = held_answers(service.store, graph)
    exchange = narrowing.exchange_shard

    def tidied_first(*said: object, **named: object) -> bool:
        assert sweep_orphans(service) == 0
        return exchange(*said, **named)  # type: ignore[arg-type]

    monkeypatch.setattr(narrowing, "exchange_shard", tidied_first)
    left = narrowing.leave_out(service.register, run, graph, [one.prediction])

    assert left is not None
    assert left.graph is not None
    assert set(held_answers(service.store, left.graph)) == set(rest)
    service.store.update(
        f"DELETE WHERE {{ GRAPH {service.names.runs} {{ {run} {ENR.graph} {left.graph} }} }}"
    )
    assert sweep_orphans(service) == 0
    after = service.register.clock() + service.lease_time + timedelta(seconds=2)
    monkeypatch.setattr(service.register, "clock", lambda: after)
    assert sweep_orphans(service) == 1


@pytest.mark.parametrize("first", ["states", "all_shards"])
def test_a_run_that_ends_while_another_process_tidies_keeps_its_answers(
    service: WorkerContext, queue: Queue, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Whatever of the register was read before it ended."""
    job = begun(service, queue)
    read = getattr(service.register, first)

    def then_it_ends() -> object:
        found = read()
        monkeypatch.undo()
        queue.all()
        return found

    monkeypatch.setattr(service.register, first, then_it_ends)
    sweep_orphans(service)

    assert state(service, job) == "done"
    assert answered(service) == EVERYTHING


def test_a_run_that_lost_its_lease_says_so_and_is_completed_later(
    service: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Plan.commit

    def overtaken(self: Plan, *said: object) -> bool:
        grant_lease(service.store, service.names, None)
        return commit(self, *said)  # type: ignore[arg-type]

    with monkeypatch.context() as patch:
        patch.setattr(Plan, "commit", overtaken)
        with pytest.raises(RunError, match="has taken the lease"):
            pipeline.run(service.workspace, model_of(service))
    again = pipeline.run(service.workspace, model_of(service))
    assert again.resumed
    assert answered(service) == EVERYTHING
    assert doubled(service) == []


def test_without_the_lease_nothing_is_done_or_finalized(service: WorkerContext, queue: Queue) -> None:
    run = ask(service)
    queue.reconcile()
    queue.one()
    name = service.plan(run).names_pending(1)[0]
    grant_lease(service.store, service.names, None)
    assert do_batch(service, run, name) == WAITING
    assert not finalize(service, run)
    assert service.register.runs(ACTIVE) == []


def test_a_cancelled_run_in_its_own_process_stops_and_leaves_nothing(
    service: WorkerContext, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = Plan.commit

    def cancelled(self: Plan, *said: object) -> bool:
        from enrich.runs.jobs import cancel

        cancel(service.store, service.names, self.run)
        return commit(self, *said)  # type: ignore[arg-type]

    monkeypatch.setattr(Plan, "commit", cancelled)
    with pytest.raises(RunError, match="was taken back while it was under way"):
        pipeline.run(service.workspace, model_of(service))
    assert not [g for g in service.store.graphs() if "/graph/run/" in g.value]
