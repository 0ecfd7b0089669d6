"""The register of runs: one update makes a run visible, one takes it back, and neither is done twice."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import RunError
from enrich.graph.stores import Store, open_store
from enrich.runs.register import (
    ACTIVE,
    OPEN,
    RETRACTED,
    ModelEntity,
    Register,
    Snapshot,
    find,
    new_run_id,
    retract,
)
from ontology.terms import ENR, Names
from tests.museums import museum

NAMES = Names("https://data.example.org/enrich/")
ACTOR = NamedNode("https://data.example.org/actor/museum")
LEASE = timedelta(minutes=5)


def opened(register: Register, moment: datetime | None = None) -> NamedNode:
    return register.open(
        actor=ACTOR,
        software="0.0.1",
        models=[
            ModelEntity("a" * 64, "fusion", ("b" * 64,), "place: vector"),
            ModelEntity("b" * 64, "tabular"),
        ],
        snapshots=[Snapshot("c" * 64, "2026-01-31")],
        request='{"limit": null}',
        lease=LEASE,
        started=moment,
    )


def quads(n: int) -> list[Quad]:
    node = NamedNode("https://p.example/1")
    return [
        Quad(node, ENR.confidence, Literal(str(i)), NamedNode("https://g.example/ignored")) for i in range(n)
    ]


def test_a_run_goes_from_open_to_active_to_retracted(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    assert (register.get(run).state, register.get(run).alive_until is not None) == (OPEN, True)

    register.commit_shard(run, 0, quads(3), LEASE)
    register.commit_shard(run, 1, quads(5), LEASE)
    register.activate(run, {"records": 2, "predicted": 1, "abstained": 1, "failed": 0})

    active = register.get(run)
    assert (active.state, active.shards, active.records, active.alive_until) == (ACTIVE, 2, 2, None)
    assert active.ended is not None
    register.retract(run)
    register.retract(run)
    assert register.get(run).state == RETRACTED
    assert register.purge(run) == 2
    assert register.purge(run) == 0
    assert store.count(NAMES.shard(NAMES.run_id(run), 1)) == 0


def test_writing_a_shard_again_leaves_it_as_it_is_now(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    shard = NAMES.shard(NAMES.run_id(run), 0)

    for number in (5, 5, 2):
        register.commit_shard(run, 0, quads(number), LEASE)

    assert store.count(shard) == 2
    assert register.shards(run) == [0]


def test_a_retracted_run_takes_no_more_shards_and_is_not_activated(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    register.retract(run)

    with pytest.raises(RunError, match="no longer open"):
        register.commit_shard(run, 0, quads(1), LEASE)
    with pytest.raises(RunError, match="is Retracted, not Open"):
        register.activate(run, {"records": 0})
    assert register.purge(run) == 1


def test_an_unnamed_shard_of_a_killed_run_is_dropped_with_it() -> None:
    store = open_store()
    register = Register(store, NAMES)
    run = opened(register)
    store.replace_graph(NAMES.shard(NAMES.run_id(run), 7), quads(4))

    register.retract(run)

    assert register.shards(run) == []
    assert register.purge(run) == 1


def test_only_a_retracted_run_is_purged() -> None:
    register = Register(open_store(), NAMES)

    with pytest.raises(RunError, match="is Open, not Retracted"):
        register.purge(opened(register))


def test_runs_are_listed_as_they_were_opened_whatever_the_clock_says_and_ids_differ_within_a_second() -> None:
    register = Register(open_store(), NAMES)
    days = [datetime(2026, 1, day, tzinfo=UTC) for day in (3, 1, 2)]
    for day in days:
        opened(register, day)

    assert [r.started[:10] for r in register.runs()] == ["2026-01-03", "2026-01-01", "2026-01-02"]
    assert [r.order for r in register.runs()] == [1, 2, 3]
    assert len({new_run_id(days[0]) for _ in range(50)}) == 50


def test_a_run_is_found_by_the_end_of_its_iri() -> None:
    workspace = museum(2)
    register = Register(workspace.store, workspace.names)
    first, second = opened(register), opened(register)

    assert find(workspace, first.value[-6:]).run == first.value
    with pytest.raises(RunError, match="names 2 runs"):
        find(workspace, "Z-" + first.value[-6:] if first.value[-6:] == second.value[-6:] else "")
    with pytest.raises(RunError, match="no run is called 'nothing'"):
        find(workspace, "nothing")


def test_retract_hides_and_drops_and_may_keep(store: Store) -> None:
    workspace = museum(2, store)
    register = Register(workspace.store, workspace.names)
    run = opened(register)
    register.commit_shard(run, 0, quads(1), LEASE)

    assert retract(workspace, run.value, purge=False) == 0
    assert retract(workspace, run.value) == 1


def test_an_unknown_run_is_named_in_the_error() -> None:
    with pytest.raises(RunError, match="run/none"):
        Register(open_store(), NAMES).get(NAMES.run("none"))
