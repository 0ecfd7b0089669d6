"""Finalizes a run: what the store holds is counted against what the batches said, looked at once more, and made
visible all at once."""

from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from pyoxigraph import NamedNode

from enrich.answering.context import Context, RunWork
from enrich.answering.kept_facts import fingerprint
from enrich.classifiers.model.description import promises_of
from enrich.errors import RunError, StoreError
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.expectation import expectations, to_text
from enrich.runs.lease import current_lease, release_lease
from enrich.runs.narrowing import leave_out, written_since
from enrich.runs.prune import Pruning, prune
from enrich.runs.register import OPEN, new_run_id
from enrich.runs.request import NIGHTLY, OF_A_NIGHT, withdraw_empty
from enrich.runs.reviews import REVIEWERS_CLOCKS, moment
from enrich.runs.shards import COUNTED, HeldAnswer, held_answers, held_counts, noted_counts

AT_ONCE = 20
"""Shards counted by one query."""


def finalize(context: Context, run: NamedNode) -> bool:
    """Make a run visible when all its batches are done; False when some are not, or it is not open.

    Raises RunError, and leaves the run open, when the store holds other numbers of answers than were
    committed. Doing it twice, or twice at once, changes nothing.
    """
    register, plan = context.register, context.plan(run)
    if register.get(run).state != OPEN:
        return False
    standing = plan.standing()
    work = context.work(run)
    lease = current_lease(context.store, context.names)
    if not standing.planned or standing.pending or work is None or lease.run != run:
        return False
    check(context, work, run)
    if not look_again(context, work, run, standing.facts):
        return False
    sweep(context, run)
    total: Counter[str] = Counter(dict.fromkeys(COUNTED, 0))
    for counts in work.checked.values():
        total.update(counts)
    facts = standing.facts if work.request.looks_at_all else None
    promises = promises_of(Path(work.request.model), work.request.digest)
    shards = [NamedNode(shard) for shard in sorted(register.shards(run))]
    expected = to_text(expectations(context.store, shards, promises))
    register.activate(run, total, facts=facts, expected=expected, condition=lease.holds(context.names))
    if work.request.kind == NIGHTLY:
        withdraw_empty(register, OF_A_NIGHT, run)
    forget(context, run)
    context.observer.log("info", "run active", run=run.value, **total)
    return True


def check(context: Context, work: RunWork, run: NamedNode) -> None:
    """Count every shard, and raise RunError unless it holds what was noted when it was committed.

    The shards are counted a few at a time: a count over all of a large run would outlast any time-out.
    When the task's own time is up, the next one goes on where this one stopped.
    """
    named = context.register.shards(run)
    work.checked = {shard: counts for shard, counts in work.checked.items() if shard in named}
    left = iter(sorted(named - work.checked.keys()))
    while some := [NamedNode(graph) for graph in islice(left, AT_ONCE)]:
        noted, held = noted_counts(context.store, context.names, some), held_counts(context.store, some)
        for graph in some:
            if noted[graph.value] != held[graph.value]:
                raise RunError(
                    f"the graph {graph.value} does not hold what was written to it ({_words(held[graph.value])}, not "
                    f"{_words(noted[graph.value])}): restore the store, or take the run back with: "
                    f"enrich cancel {context.names.run_id(run)}"
                )
        work.checked.update(held)


def look_again(context: Context, work: RunWork, run: NamedNode, facts: str | None) -> bool:
    """Leave out what must not become current: answers to gaps that others have answered since, that a curator
    has settled, or whose answer one has turned down, or that a fact fills by now, and answers about records that are no longer there.

    Nothing is read when no run became active since this one was opened and no fact has changed. False when the
    run was cancelled meanwhile, or another process finalizes it too.
    """
    reader = work.workspace.reader
    changed = facts is None or fingerprint(reader) != facts
    began = context.register.get(run).started
    others = context.register.ended_since(began)
    reviews = context.reviews(work, anew=True)
    reviewed = reviews.changed_since(moment(began) - REVIEWERS_CLOCKS)
    if not changed and not others and not reviewed:
        return True
    answers = ExistingAnswers(context.store, context.names, work.request.digest, run)
    for shard in sorted(work.checked):
        held = held_answers(context.store, NamedNode(shard))
        stale = _stale(context, work, answers, held, changed=changed, others=others)
        if not stale:
            continue
        gone = {a.prediction for a in held if (a.record, a.property) in stale}
        left = leave_out(context.register, run, NamedNode(shard), gone)
        if left is None:  # the shard is no longer the run's
            return False
        del work.checked[shard]
        if left.graph is not None:
            work.checked[left.graph.value] = Counter({name: n for name, n in left.counts.items() if n})
        context.observer.log("info", "answers left out", run=run.value, gaps=len(stale))
    return True


def _stale(
    context: Context,
    work: RunWork,
    answers: ExistingAnswers,
    held: Sequence[HeldAnswer],
    *,
    changed: bool,
    others: bool,
) -> set[tuple[NamedNode, str]]:
    """The gaps of a shard whose answers must not become current."""
    gaps = {(a.record, a.property): a for a in held}
    records = list(dict.fromkeys(a.record for a in held))
    reviews = context.reviews(work)
    stale = {gap for gap in gaps if reviews.settled(gap[0].value, gap[1])}
    stale |= {(a.record, a.property) for a in held if a.value in reviews.rejected(a.record.value, a.property)}
    if others:
        rivals = answers.others(records)
        stale |= {
            gap
            for gap, answer in gaps.items()
            if any(answers.closes(r, answer.digest) for r in rivals.get((gap[0].value, gap[1]), ()))
        }
    if changed:
        read = work.workspace.reader.read(records)
        missing = {s.iri: set(s.missing) for s in read if s.problem is None or s.absent}
        stale |= {(record, name) for record, name in gaps if name not in missing.get(record, {name})}
    return stale


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "nothing"


def sweep(context: Context, run: NamedNode) -> int:
    """Drop the graphs of attempts that do not count: their processes died, or others were first."""
    named = context.register.shards(run)
    dropped = 0
    for graph in context.plan(run).attempted():
        if graph.value not in named:
            context.store.drop(graph)
            dropped += 1
    return dropped


def sweep_orphans(context: Context) -> int:
    """Drop our run graphs that no run and no open plan names: what a killed process's connection wrote late.

    Those of a run that may just be about to be opened are left, and those that may just be put in a shard's place.
    States are read before shards, so that what a run that ends meanwhile has written is named by then.
    """
    prefix = f"{context.names.graph_prefix}run/"
    oldest = context.register.clock() - context.lease_time
    states = {context.names.run_id(NamedNode(run)): state for run, state in context.register.states().items()}
    kept, dropped = context.register.all_shards(), 0
    for graph in context.store.graphs():
        run_id = graph.value.removeprefix(prefix).partition("/")[0]
        opening = run_id not in states and run_id > new_run_id(oldest)
        if (
            graph.value.startswith(prefix)
            and graph.value not in kept
            and states.get(run_id) != OPEN
            and not opening
            and not written_since(graph, oldest)
        ):
            context.store.drop(graph)
            dropped += 1
    return dropped


def tidy(context: Context) -> Pruning | None:
    """What follows a run: orphan graphs are dropped, and answers that have not counted for `run.keep_days`. Returns
    which answers, None for none.

    A store that fails meanwhile, or another process that takes answers out, is no fault of the run; the next one does it.
    """
    try:
        orphans, pruned = sweep_orphans(context), prune(context.workspace)
    except (StoreError, RunError) as error:
        context.observer.log("warning", "not tidied; the next run does it", reason=str(error))
        return None
    if orphans:
        context.observer.log("info", "graphs of attempts that do not count dropped", graphs=orphans)
    if not pruned.answers:
        return None
    context.observer.log("info", "answers pruned", text=pruned.text, **pruned.to_json())
    return pruned


def forget(context: Context, run: NamedNode) -> None:
    """Forget the plan; nobody holds the lease then."""
    context.plan(run).drop()
    release_lease(context.store, context.names, run)
