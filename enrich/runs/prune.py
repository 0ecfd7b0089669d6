"""Drops answers that have not counted for long: those that a newer run superseded, and those of retracted runs.

The register keeps the runs with their counts, and says how many answers were pruned and when. Until it is
pruned an answer comes back when the newer run is retracted. A shard that is superseded whole is dropped; of
one that is in part the rest is written to a new graph, which the register names in the old one's place in one
update, unless a run that superseded it was retracted meanwhile. What a crash leaves unnamed is dropped by the first tidying
after `run.lease`: that of a run that ends, or of a worker that starts.
"""

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, Names
from enrich.runs.narrowing import leave_out
from enrich.runs.register import Register, number, timestamp
from enrich.runs.superseded import Superseded, superseded
from enrich.runs.ticket import Ticket
from enrich.workspace import Workspace


@dataclass
class Pruning:
    """What is to be dropped, or was: answers by run, and graphs dropped or written anew."""

    before: datetime
    answers: Counter[str] = field(default_factory=Counter)
    shards: dict[NamedNode, list[Superseded]] = field(default_factory=dict)
    """Each shard of an active run with superseded answers: those."""
    retracted: list[NamedNode] = field(default_factory=list)
    dropped: int = 0
    rewritten: int = 0

    @property
    def text(self) -> str:
        """How many answers of how many runs, and since when they have not counted."""
        runs = f"{len(self.answers)} run{'s' if len(self.answers) != 1 else ''}"
        return f"{self.answers.total():,} answers of {runs}, superseded or retracted before {self.before:%Y-%m-%d}"

    def to_json(self) -> dict[str, Any]:
        """The figures as plain JSON values."""
        return {
            "before": self.before.isoformat(),
            "answers": self.answers.total(),
            "runs": dict(self.answers),
            "graphs_dropped": self.dropped,
            "graphs_rewritten": self.rewritten,
        }


def to_prune(workspace: Workspace, moment: datetime | None = None, days: int | None = None) -> Pruning:
    """What has not counted for so many days (`run.keep_days` unless given); nothing is changed."""
    store, names = workspace.store, workspace.names
    kept = workspace.settings.run.keep_days if days is None else days
    found = Pruning((moment or Register(store, names).clock()) - timedelta(days=kept))
    for answer in superseded(store, names, before=found.before):
        found.shards.setdefault(answer.shard, []).append(answer)
        found.answers[answer.run.value] += 1
    for run, answers in _retracted(store, names, found.before):
        found.retracted.append(run)
        found.answers[run.value] += answers
    return found


def prune(workspace: Workspace, moment: datetime | None = None, days: int | None = None) -> Pruning:
    """Find what has not counted for so many days, and drop it."""
    return drop(workspace, to_prune(workspace, moment, days))


def drop(workspace: Workspace, done: Pruning) -> Pruning:
    """Drop what was found, but for what counts again or is gone by now. Doing it twice, or again after a crash, changes
    nothing more."""
    register = Register(workspace.store, workspace.names)
    for run in done.retracted:
        dropped = register.purge(run)
        done.dropped += dropped
        if dropped:
            _note(register, run, done.answers[run.value])
        else:
            del done.answers[run.value]
    if done.shards:
        with Ticket(register) as ticket:
            _drop_superseded(ticket, done)
    return done


def _drop_superseded(ticket: Ticket, done: Pruning) -> None:
    """Leave superseded answers out of the shards of active runs."""
    register, pruned = ticket.register, set()
    runs = register.names.runs
    for run in sorted({answers[0].run for answers in done.shards.values()}, key=lambda run: run.value):
        if not register.store.ask(f"ASK {{ GRAPH {runs} {{ {run} {ENR.pruned} ?n }} }}"):
            _note(register, run, 0)
    for graph, answers in done.shards.items():
        ticket.renew()
        run = answers[0].run
        gone, by = {a.prediction for a in answers}, {a.by for a in answers}
        left = leave_out(register, run, graph, gone, by=by, counter=(run, ENR.pruned))
        if left is None:
            done.answers -= Counter({run.value: len(answers)})
            continue
        done.rewritten += left.graph is not None
        done.dropped += left.graph is None
        pruned.add(run)
    for run in pruned:
        register.replace(run, {ENR.prunedAtTime: timestamp(register.clock())})


def _retracted(store: Store, names: Names, before: datetime) -> list[tuple[NamedNode, int]]:
    """The runs retracted before that time that still hold answers, and how many."""
    query = (
        f"SELECT ?run (COUNT(?p) AS ?n) WHERE {{ GRAPH {names.runs} {{ ?run {ENR.runState} {ENR.Retracted} ; "
        f"{ENR.retractedAtTime} ?t ; {ENR.graph} ?g FILTER(?t < {timestamp(before)}) }} "
        f"GRAPH ?g {{ ?p {ENR.about} ?record }} }} GROUP BY ?run"
    )
    rows = [(run, number(n)) for run, n in store.select(query) if isinstance(run, NamedNode)]
    return sorted(((run, n) for run, n in rows if n), key=lambda row: row[0].value)


def _note(register: Register, run: NamedNode, answers: int) -> None:
    """Say in the register that so many more answers of a run were pruned, now."""
    query = f"SELECT ?n WHERE {{ GRAPH {register.names.runs} {{ {run} {ENR.pruned} ?n }} }}"
    total = Literal(answers + sum(number(n) for (n,) in register.store.select(query)))
    register.replace(run, {ENR.pruned: total, ENR.prunedAtTime: timestamp(register.clock())})
