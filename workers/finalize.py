"""Closes a run: what the store holds is counted against what the batches said, then all is made visible."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from itertools import islice

from pyoxigraph import Literal, NamedNode

from enrich.errors import RunError
from enrich.runs.lease import current_turn, give_turn
from enrich.runs.register import OPEN, Register
from ontology.terms import ENR, values_block
from workers.context import Service
from workers.logs import log

COUNTED = ("records", "predicted", "abstained", "failed")
AT_ONCE = 20
"""Shards counted by one query."""


def close_run(service: Service, run: NamedNode) -> bool:
    """Make a run visible when all its batches are done; False when some are not, or it is not open.

    Raises RunError, and leaves the run open, when the store holds other numbers of answers than were
    committed. Doing it twice, or twice at once, changes nothing.
    """
    register = service.register
    plan = service.plan(run)
    if register.get(run).state != OPEN:
        return False
    standing = plan.standing()
    if not standing.planned or standing.pending:
        return False
    held = checked(service, run)
    sweep(service, run)
    register.activate(run, held)
    finish(service, run)
    log.info("run active", run=run.value, **held)
    return True


def checked(service: Service, run: NamedNode) -> dict[str, int]:
    """The counts of a run, when every shard holds what was noted when it was committed; else RunError.

    The shards are counted a few at a time: a count over all of a large run would outlast any time-out.
    When the task's own time is up, the next one goes on where this one stopped.
    """
    work = service.work(run)
    counted = {} if work is None else work.counted
    named = _shards(service.register, run)
    left = iter(sorted(named - counted.keys()))
    while some := [NamedNode(graph) for graph in islice(left, AT_ONCE)]:
        noted, held = _noted(service, some), _held(service, some)
        for graph in some:
            if noted[graph.value] != held[graph.value]:
                raise RunError(
                    f"the graph {graph.value} does not hold what was written to it ({_words(held[graph.value])}, not "
                    f"{_words(noted[graph.value])}): restore the store, or take the run back with: "
                    f"enrich cancel {service.names.run_id(run)}"
                )
        counted.update(held)
    total = Counter(dict.fromkeys(COUNTED, 0))
    for name in named:
        total.update(counted[name])
    return dict(total)


def _noted(service: Service, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
    values = values_block(["g"], ([graph] for graph in shards))
    query = f"SELECT ?g ?p ?n WHERE {{ {values} GRAPH {service.names.runs} {{ ?g ?p ?n }} }}"
    found: dict[str, Counter[str]] = {graph.value: Counter() for graph in shards}
    for graph, name, number in service.store.select(query):
        if graph is not None and name is not None and isinstance(number, Literal) and int(number.value):
            found[graph.value][name.value.removeprefix(str(ENR))] = int(number.value)
    return found


def _held(service: Service, shards: Sequence[NamedNode]) -> dict[str, Counter[str]]:
    """What the shards hold: their records, and their answers to gaps by outcome; further values of an
    answer with several are not counted again."""
    values = values_block(["g"], ([graph] for graph in shards))
    found: dict[str, Counter[str]] = {graph.value: Counter() for graph in shards}
    records = f"SELECT DISTINCT ?g ?r WHERE {{ {values} GRAPH ?g {{ ?p {ENR.about} ?r }} }}"
    query = f"SELECT ?g (COUNT(?r) AS ?n) WHERE {{ {{ {records} }} }} GROUP BY ?g"
    for graph, number in service.store.select(query):
        if graph is not None and isinstance(number, Literal):
            found[graph.value]["records"] = int(number.value)
    answers = (
        f"SELECT DISTINCT ?g ?r ?name ?outcome WHERE {{ {values} GRAPH ?g {{ "
        f"?p {ENR.about} ?r ; {ENR.propertyName} ?name ; {ENR.outcome} ?outcome }} }}"
    )
    query = f"SELECT ?g ?outcome (COUNT(?r) AS ?n) WHERE {{ {{ {answers} }} }} GROUP BY ?g ?outcome"
    for graph, outcome, number in service.store.select(query):
        if graph is not None and outcome is not None and isinstance(number, Literal):
            found[graph.value][outcome.value.removeprefix(str(ENR)).lower()] = int(number.value)
    return found


def _words(counts: Counter[str]) -> str:
    return ", ".join(f"{number} {name}" for name, number in sorted(counts.items())) or "nothing"


def sweep(service: Service, run: NamedNode) -> int:
    """Drop the graphs of attempts that do not count: their processes died, or others were first."""
    named = _shards(service.register, run)
    dropped = 0
    for graph in service.plan(run).attempted():
        if graph.value not in named:
            service.store.drop(graph)
            dropped += 1
    return dropped


def finish(service: Service, run: NamedNode) -> None:
    """Forget the plan and what was under way; the turn is nobody's then."""
    service.plan(run).drop()
    service.flight(run).clear()
    if current_turn(service.store, service.names).run == run:
        give_turn(service.store, service.names, None)


def _shards(register: Register, run: NamedNode) -> set[str]:
    query = f"SELECT ?g WHERE {{ GRAPH {register.names.runs} {{ {run} {ENR.graph} ?g }} #PAGE#\n}}"
    return {g.value for (g,) in register.store.select_by_key(query, "g") if isinstance(g, NamedNode)}
