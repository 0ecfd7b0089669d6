"""One batch of a run: read, predicted, written to a graph of its own, and made to count in one update."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from celery.exceptions import SoftTimeLimitExceeded
from pyoxigraph import NamedNode, Quad

from enrich.answering.batch import Answered, Batcher
from enrich.answering.decision import Decision
from enrich.answering.write_behind import WriteBehind
from enrich.errors import StoreError
from enrich.runs.attempts import Attempt
from enrich.runs.existing_answers import Answers
from enrich.runs.jobs import open_runs, worker_runs
from enrich.runs.lease import Turn, current_turn
from enrich.runs.plan import Batch
from enrich.runs.provenance import RunContext
from enrich.runs.reviews import Reviews
from ontology.terms import ENR
from workers import metrics
from workers.config import soft_limit
from workers.context import RunWork, Service
from workers.logs import log

if TYPE_CHECKING:
    from classifiers.model.model import Model

GONE, WAITING, DONE, LOST, BISECTED, ISOLATED = "gone", "waiting", "done", "lost", "bisected", "isolated"
"""What can become of a delivery: the batch was done already; it is another run's turn; it was done; it was
done but does not count; it was put aside in halves; its one record was recorded as failed."""


def do_batch(service: Service, run: NamedNode, name: str) -> str:
    """Do a batch as far as it is still to be done. Whatever is raised, the batch stays to be done."""
    work = service.work(run)
    if work is not None:
        _report_ended(work)
    turn = current_turn(service.store, service.names)
    batch = work.plan.look(name) if work is not None else None
    if work is None or batch is None:
        return GONE
    if turn.run != run:
        return WAITING
    limit = service.settings.workers.time_limit
    dead = [a for a in batch.attempts if a.dead(limit)]
    if len(dead) >= tolerated(batch, service.settings.workers.kills):
        return _put_aside(service, work, run, batch, turn, f"killed its worker process {len(dead)} times")
    attempt = Attempt.here()
    work.plan.attempt(name, attempt)
    try:
        return _answer(service, work, run, batch, turn, attempt)
    except (SoftTimeLimitExceeded, MemoryError) as error:
        _let_go(work, batch, attempt)
        return _put_aside(service, work, run, batch, turn, _too_much(service, error))
    except Exception:
        _let_go(work, batch, attempt)
        raise


def _too_much(service: Service, error: BaseException) -> str:
    if isinstance(error, MemoryError):
        return "needs more memory than its worker has"
    return f"takes longer than the {soft_limit(service.settings):g} seconds that a task has"


def tolerated(batch: Batch, kills: int) -> int:
    """How many workers a batch may kill. A part of a batch that killed so many is bisected after one more,
    until a record is alone: that one has all its chances again."""
    return 1 if batch.suspect and len(batch.records) > 1 else kills


def _report_ended(work: RunWork) -> None:
    """Note that attempts of this process ended in an error and did not kill it: now, or when the store is
    back. What they wrote is left to the closing of the run."""
    while work.ended:
        name, attempt = work.ended[0]
        work.plan.give_up(name, attempt)
        work.ended.pop(0)


def _let_go(work: RunWork, batch: Batch, attempt: Attempt) -> None:
    work.ended.append((batch.name, attempt))
    try:
        _report_ended(work)
    except StoreError as error:
        log.warning("not noted that an attempt ended", batch=batch.name, reason=str(error))


def _answer(
    service: Service, work: RunWork, run: NamedNode, batch: Batch, turn: Turn, attempt: Attempt
) -> str:
    batcher = batcher_of(service, work, run)
    with metrics.stage("read") as counted:
        questions = batcher.questions(batch.records)
        counted(len(batch.records))
    shard = work.plan.shard(batch.name, attempt.token)
    if not questions:
        return _commit(service, work, batch, turn, None, {})
    context = context_of(service, run, batcher.model)
    counts: Counter[str] = Counter()
    failures: list[Decision] = []
    total = 0
    with WriteBehind() as write:
        for piece in metrics.timed("predict", batcher.answer(questions), _records):
            records = _records(piece)
            total += records
            with metrics.stage("say") as counted:
                quads, some = batcher.quads(context, shard, piece)
                counted(records)
            write(_write, service, quads, records)
            counts += some
            failures += [a.decision for a in piece if a.decision.outcome == ENR.Failed]
    return _commit(service, work, batch, turn, shard if total else None, _counts(total, counts), failures)


def _write(service: Service, quads: Sequence[Quad], records: int) -> None:
    with metrics.stage("write") as counted:
        service.store.insert(quads)
        counted(records)


def _records(answered: Sequence[Answered]) -> int:
    return len({a.subject.iri for a in answered})


def _counts(records: int, counts: Counter[str]) -> dict[str, int]:
    outcomes = {name: counts.get(name.capitalize(), 0) for name in ("predicted", "abstained", "failed")}
    return {"records": records, **outcomes}


def _commit(
    service: Service,
    work: RunWork,
    batch: Batch,
    turn: Turn,
    shard: NamedNode | None,
    counts: dict[str, int],
    failures: Sequence[Decision] = (),
) -> str:
    lease = timedelta(seconds=service.settings.run.lease)
    if work.plan.commit(batch.name, turn, shard, counts, lease):
        metrics.count_answers(counts)
        metrics.count_failures(failures)
        return DONE
    if shard is not None:
        service.store.drop(shard)
    return LOST


def batcher_of(service: Service, work: RunWork, run: NamedNode) -> Batcher:
    """What answers batches of a run, knowing all that was answered until now: by runs that are under way
    as well, so that a job that overtakes the nightly run answers no gap a second time."""
    request = work.request
    model = service.models.get(Path(request.model), request.digest)
    metrics.MODEL.labels(model.digest[:12]).set(1)
    pictures = service.pictures if "image" in model.members else None
    others = [k.iri for k in worker_runs(open_runs(service.store, service.names)) if k.iri != run]
    also = [other for other in others if service.plan(other).failure() is None]
    answers = Answers(service.store, service.names, model.digest, run, also)
    reviews = work.reviews or Reviews.read(service.store, service.names)
    return Batcher(work.workspace, model, request.properties, answers, reviews, pictures)


def context_of(service: Service, run: NamedNode, model: Model) -> RunContext:
    """What the predictions of a run have in common."""
    members = {name: service.names.model(member.digest) for name, member in model.members.items()}
    return RunContext(service.names, run, NamedNode(service.settings.actor), members)


def _put_aside(service: Service, work: RunWork, run: NamedNode, batch: Batch, turn: Turn, reason: str) -> str:
    """A batch that is too much for its workers: halved, or when one record is left, recorded as failed."""
    if len(batch.records) > 1:
        halves = work.plan.bisect(batch)
        log.warning("batch bisected", batch=batch.name, halves=halves, reason=reason)
        metrics.BISECTED.inc()
        return BISECTED
    log.error("record put aside", batch=batch.name, record=batch.records[0].value, reason=reason)
    batcher = batcher_of(service, work, run)
    questions = batcher.questions(batch.records)
    attempt = Attempt.here()
    work.plan.attempt(batch.name, attempt)
    shard = work.plan.shard(batch.name, attempt.token)
    answered = [
        Answered(q.subject, p, Decision.failed(ENR.ClassifierFailure, reason), {}, q.supersedes.get(p, ()))
        for q in questions
        for p in q.properties
    ]
    quads: list[Quad]
    quads, counts = batcher.quads(context_of(service, run, batcher.model), shard, answered)
    service.store.insert(quads)
    metrics.POISON.inc()
    failures = [a.decision for a in answered]
    done = _commit(service, work, batch, turn, shard, _counts(len(questions), counts), failures)
    return ISOLATED if done == DONE else done
