"""One batch of a run: read, predicted, written to a graph of its own, and made to count in one update."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from pyoxigraph import NamedNode

from enrich.answering.batch import Answered, Batcher
from enrich.answering.context import Context, RunWork
from enrich.answering.decision import Decision
from enrich.answering.shard_writer import ShardWriter
from enrich.answering.time_limit import SOFT, TimeUp
from enrich.errors import StoreError
from enrich.ontology.terms import ENR
from enrich.runs.attempts import Attempt
from enrich.runs.lease import Lease, current_lease
from enrich.runs.plan import Batch, Plan
from enrich.runs.shards import OUTCOMES

GONE, WAITING, DONE, LOST, BISECTED, ISOLATED = "gone", "waiting", "done", "lost", "bisected", "isolated"
"""What can become of a delivery: the batch was done already; another run has the lease; it was done; it was
done but does not count; it was bisected; its one record was quarantined, that is recorded as failed."""


def do_batch(context: Context, run: NamedNode, name: str) -> str:
    """Do a batch as far as it is still to be done. Whatever is raised, the batch stays to be done."""
    work, plan = context.work(run), context.plan(run)
    if work is None:
        return GONE
    _report_ended(work, plan)
    lease = current_lease(context.store, context.names)
    batch = plan.look(name)
    if batch is None:
        return GONE
    if lease.run != run:
        return WAITING
    before = context.models.loads
    context.model(work)
    read_now = context.models.loads > before
    return _BatchWork(context, work, run, plan, lease, batch).do(read_now=read_now)


def tolerated(batch: Batch, kills: int) -> int:
    """How many processes a batch may kill. A part of a batch that killed so many is bisected after one more,
    until a record is alone: that one has all its chances again."""
    return 1 if batch.bisections and len(batch.records) > 1 else kills


def _report_ended(work: RunWork, plan: Plan) -> None:
    """Note that attempts of this process ended in an error and did not kill it: now, or when the store is
    back. What they wrote is left to finalizing the run."""
    while work.ended:
        name, attempt = work.ended[0]
        plan.give_up(name, attempt)
        work.ended.pop(0)


@dataclass(frozen=True, slots=True)
class _BatchWork:
    """A batch that this process answers, under one lease."""

    context: Context
    work: RunWork
    run: NamedNode
    plan: Plan
    lease: Lease
    batch: Batch

    def do(self, *, read_now: bool) -> str:
        """Answer it, bisect it when it is too much for its process, or quarantine its only record. When its task had
        to read the model first, the time that was left is no measure of it: it is done again."""
        limit, now = self.context.settings.workers.time_limit, self.context.register.clock()
        dead = [a for a in self.batch.attempts if a.dead(limit, now)]
        if len(dead) >= tolerated(self.batch, self.context.settings.workers.kills):
            return self._isolate(f"killed its worker process {len(dead)} times")
        attempt = self._begin()
        try:
            return self._answer(attempt)
        except TimeUp:
            self._let_go(attempt)
            if read_now:
                raise
            return self._isolate(f"takes longer than the {SOFT * limit:g} seconds that a task has")
        except MemoryError:
            self._let_go(attempt)
            return self._isolate("needs more memory than its worker has")
        except Exception:
            self._let_go(attempt)
            raise

    def _begin(self) -> Attempt:
        attempt = Attempt.here(self.context.register.clock())
        self.plan.attempt(self.batch.name, attempt)
        return attempt

    def _let_go(self, attempt: Attempt) -> None:
        self.work.ended.append((self.batch.name, attempt))
        try:
            _report_ended(self.work, self.plan)
        except StoreError as error:
            self.context.observer.log(
                "warning", "not noted that an attempt ended", batch=self.batch.name, reason=str(error)
            )

    def _answer(self, attempt: Attempt) -> str:
        observer = self.context.observer
        batcher = self.context.batcher(self.work)
        with observer.timed("read") as counted:
            questions = batcher.questions(self.batch.records)
            counted(len(self.batch.records))
        if not questions:
            return self._commit(None, 0, Counter(), [])
        shard = self.plan.shard(self.batch.name, attempt.token)
        counts: Counter[str] = Counter()
        failures: list[Decision] = []
        answered = 0
        with ShardWriter(self.context.store, shard, observer) as write:
            for piece in observer.each("predict", batcher.answer(questions), _records):
                write(partial(self._describe, batcher, piece, counts), _records(piece))
                answered += _records(piece)
                failures += [a.decision for a in piece if a.decision.outcome == ENR.Failed]
        return self._commit(shard if answered else None, answered, counts, failures)

    def _describe(self, batcher: Batcher, answered: Sequence[Answered], counts: Counter[str]) -> bytes:
        """The answers as N-Triples, counted by outcome."""
        with self.context.observer.timed("describe") as counted:
            counted(_records(answered))
            run_context = self.context.run_context(self.run, batcher.model)
            triples, some = batcher.describe(run_context, answered)
            counts.update(some)
            return triples

    def _commit(
        self, shard: NamedNode | None, records: int, counts: Counter[str], failures: Sequence[Decision]
    ) -> str:
        said = {"records": records, **{name: counts[name.capitalize()] for name in OUTCOMES}}
        if self.plan.commit(self.batch.name, self.lease, shard, said, self.context.until()):
            self.context.observer.committed(said, failures)
            return DONE
        if shard is not None:
            self.context.store.drop(shard)
        return LOST

    def _isolate(self, reason: str) -> str:
        """A batch that is too much for its process is halved; when one record is left, it is quarantined."""
        observer, batch = self.context.observer, self.batch
        if len(batch.records) > 1:
            halves = self.plan.bisect(batch)
            observer.log("warning", "batch bisected", batch=batch.name, halves=halves, reason=reason)
            observer.isolated(halved=True)
            return BISECTED
        record = batch.records[0].value
        observer.log("error", "record quarantined", batch=batch.name, record=record, reason=reason)
        batcher = self.context.batcher(self.work)
        questions = batcher.questions(batch.records)
        if not questions:
            return self._commit(None, 0, Counter(), [])
        shard = self.plan.shard(batch.name, self._begin().token)
        failed = Decision.failed(ENR.ClassifierFailure, reason)
        answered = [Answered(q.subject, name, failed) for q in questions for name in q.properties]
        counts: Counter[str] = Counter()
        with ShardWriter(self.context.store, shard, observer) as write:
            write(partial(self._describe, batcher, answered, counts), 1)
        observer.isolated(halved=False)
        done = self._commit(shard, 1, counts, [a.decision for a in answered])
        return ISOLATED if done == DONE else done


def _records(answered: Sequence[Answered]) -> int:
    return len({a.subject.iri for a in answered})
