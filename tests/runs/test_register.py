"""The register of runs: one update makes a run visible, one takes it back, and neither is done twice."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import RunError
from enrich.graph.stores import Store, open_store
from enrich.graph.stores.pieces import ntriples
from enrich.ontology.terms import ENR, Names
from enrich.runs.finding import find
from enrich.runs.model_entities import ModelEntity, Snapshot
from enrich.runs.register import ACTIVE, OPEN, RETRACTED, Register, new_run_id, retract
from enrich.runs.request import withdraw_empty
from enrich.runs.shards import exchange_shard
from enrich.show.answers import Answer as Told
from enrich.workspace import Workspace
from tests.graph.stores.made_answers import store_at
from tests.hostile_http import Answer, hostile_server
from tests.museums import museum

NAMES = Names("https://data.example.org/enrich/")
ACTOR = NamedNode("https://data.example.org/actor/museum")
LEASE = timedelta(minutes=5)


def opened(register: Register, moment: datetime | None = None, run_id: str | None = None) -> NamedNode:
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
        run_id=run_id,
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

    shard(register, run, 0, 3)
    shard(register, run, 1, 5)
    register.activate(run, {"records": 2, "predicted": 1, "abstained": 1, "failed": 0})

    (active,) = register.counted()
    assert (active.state, active.shards, active.records, active.alive_until) == (ACTIVE, 2, 2, None)
    assert active.ended is not None
    register.retract(run)
    register.retract(run)
    assert register.get(run).state == RETRACTED
    assert register.purge(run) == 2
    assert register.purge(run) == 0
    assert store.count(NAMES.shard(NAMES.run_id(run), 1)) == 0


def test_of_runs_like_it_that_answered_nothing_only_one_stays(store: Store) -> None:
    register = Register(store, NAMES)
    runs = [opened(register, run_id=f"r{n}") for n in range(4)]
    shard(register, runs[0], 0, 3)
    for run, records in zip(runs[:3], (2, 0, 0), strict=True):
        register.activate(run, {"records": records, "predicted": 0, "abstained": 0, "failed": 0})

    withdraw_empty(register, '"limit": 7', runs[2])
    assert len(register.runs()) == 4
    withdraw_empty(register, '"limit": null', runs[2])

    assert [NamedNode(run.run) for run in register.runs()] == [runs[0], runs[2], runs[3]]


def test_a_run_of_which_all_was_taken_back_stays_in_the_register(store: Store) -> None:
    register = Register(store, NAMES)
    told, empty, last = (opened(register, run_id=name) for name in ("told", "empty", "last"))
    for run in (told, empty, last):
        register.activate(run, {"records": 0, "predicted": 0, "abstained": 0, "failed": 0})
    store.insert([Quad(NAMES.mint("taken-back", told), ENR.takenFrom, told, NAMES.runs)])

    withdraw_empty(register, '"limit": null', last)

    assert [NamedNode(run.run) for run in register.runs()] == [told, last]


def test_a_register_longer_than_what_a_server_gives_at_once_is_listed_whole() -> None:
    """Given a server that gives no more than 100 rows, when it holds 30 runs of some twenty statements each, then all are
    listed, each with all that is said of it, and so are the states of 130."""
    held = open_store()
    register = Register(held, NAMES)
    for number in range(30):
        opened(register, run_id=f"n{number:02}")
    whole = register.runs()

    with hostile_server(lambda request: giving(held, request.text, 100)) as server:
        capped = Register(store_at(server), NAMES)
        assert capped.runs() == whole
        held.insert(Quad(NAMES.run(f"o{n:03}"), ENR.runState, ENR.Open, NAMES.runs) for n in range(100))
        assert len(capped.states()) == 130


def giving(store: Store, query: str, most: int) -> Answer:
    """What a store says, cut after so many rows without a word."""
    if query.startswith("ASK"):
        return Answer(body=json.dumps({"head": {}, "boolean": store.ask(query)}).encode())
    rows, out = store.select(query), io.StringIO()
    Told(rows.variables, islice(rows, most)).write(out, "json")
    return Answer(body=out.getvalue().encode())


def test_a_run_is_withdrawn_only_while_it_is_open_and_has_written_nothing(store: Store) -> None:
    """Given a process that takes back the run that it opened, when another has gone on with it meanwhile, then it stays."""
    register = Register(store, NAMES)
    untouched, begun, ended = (opened(register, run_id=f"r{n}") for n in range(3))
    shard(register, begun, 0, 3)
    register.activate(ended, {"records": 0, "predicted": 0, "abstained": 0, "failed": 0})

    for run in (untouched, begun, ended):
        register.withdraw(run)

    assert [(run.run, run.state) for run in register.runs()] == [(begun.value, OPEN), (ended.value, ACTIVE)]


def shard(register: Register, run: NamedNode, number: int, size: int) -> NamedNode:
    """A shard that the register names, as a batch of a plan leaves it."""
    graph = register.names.shard(register.names.run_id(run), number)
    register.store.write_graph(graph, ntriples(quads(size)))
    register.store.insert([Quad(run, ENR.graph, graph, register.names.runs)])
    return graph


def test_a_retracted_run_is_not_activated(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    register.retract(run)

    with pytest.raises(RunError, match="is Retracted, not Open"):
        register.activate(run, {"records": 0})


@pytest.mark.parametrize("first", ["activate", "retract"])
def test_a_run_that_is_retracted_while_it_becomes_active_is_retracted(
    store: Store, monkeypatch: pytest.MonkeyPatch, first: str
) -> None:
    """Given a server that carries out both updates, neither of which saw the other, whichever was first."""
    register = Register(store, NAMES)
    run = opened(register)
    late = ENR.Retracted if first == "activate" else ENR.Active
    update, texts = store.update, []

    def then_the_other(text: str, *, idempotent: bool = False) -> None:
        update(text, idempotent=idempotent)
        if not texts:
            update(f"INSERT DATA {{ GRAPH {NAMES.runs} {{ {run} {ENR.runState} {late} }} }}")
        texts.append(text)

    monkeypatch.setattr(store, "update", then_the_other)
    if first == "activate":
        with pytest.raises(RunError, match="is Retracted, not Active"):
            register.activate(run, {"records": 0})
    else:
        register.retract(run)

    assert register.states() == {run.value: RETRACTED}
    assert register.runs(ACTIVE) == []


def test_a_run_that_was_left_in_two_states_is_retracted_by_retracting_it(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    register.retract(run)
    store.insert([Quad(run, ENR.runState, ENR.Active, NAMES.runs)])

    assert register.get(run).state == RETRACTED
    register.retract(run)

    assert register.runs(ACTIVE) == []
    assert register.get(run).state == RETRACTED


def test_a_smaller_shard_takes_the_place_of_one_in_one_update(store: Store) -> None:
    register = Register(store, NAMES)
    run = opened(register)
    old = shard(register, run, 0, 3)
    smaller = NAMES.shard(NAMES.run_id(run), 1)
    store.insert([Quad(old, ENR.predicted, Literal(3), NAMES.runs)])

    exchange_shard(store, NAMES, run, old, smaller, {"predicted": 2})
    exchange_shard(store, NAMES, run, old, smaller, {"predicted": 9})

    assert register.shards(run) == {smaller.value}
    assert not store.ask(f"ASK {{ GRAPH {NAMES.runs} {{ {old} ?p ?o }} }}")


def test_an_unnamed_shard_of_a_killed_run_is_dropped_with_it() -> None:
    store = open_store()
    register = Register(store, NAMES)
    run = opened(register)
    store.write_graph(NAMES.shard(NAMES.run_id(run), 7), ntriples(quads(4)))

    register.retract(run)

    assert register.shards(run) == set()
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


class TestShortIds:
    """What names a run to someone who types it, as the beginning of a commit does to git."""

    RUNS = ("2026-01-01T02-00-00Z-abc123", "2026-01-02T02-00-00Z-abc789", "2026-01-02T02-00-00Z-0123ab")

    @pytest.fixture
    def workspace(self) -> Workspace:
        workspace = museum(2)
        for run in self.RUNS:
            opened(Register(workspace.store, workspace.names), run_id=run)
        return workspace

    @pytest.mark.parametrize("text", ["abc1", "abc123", "2026-01-01", RUNS[0], str(NAMES.run(RUNS[0]).value)])
    def test_a_beginning_that_one_run_has_names_it(self, workspace: Workspace, text: str) -> None:
        assert find(workspace, text).run == NAMES.run(self.RUNS[0]).value

    def test_one_that_several_have_is_refused_with_their_names(self, workspace: Workspace) -> None:
        with pytest.raises(RunError, match=r"names 2 runs: abc789 \(open, .*\), 0123ab \(open, .*give more"):
            find(workspace, "2026-01-02T")

    def test_of_many_five_are_named(self, workspace: Workspace) -> None:
        for number in range(6):
            run_id = f"2025-01-0{number + 1}T00-00-00Z-feed0{number}"
            opened(Register(workspace.store, workspace.names), run_id=run_id)
        with pytest.raises(RunError, match="names 6 runs: ") as told:
            find(workspace, "2025")
        assert str(told.value).count("(open, ") == 5
        assert "…; give more of it" in str(told.value)

    @pytest.mark.parametrize("text", ["", "a", "abc", "/abc"])
    def test_too_few_letters_name_none(self, workspace: Workspace, text: str) -> None:
        with pytest.raises(RunError, match="no run is called"):
            find(workspace, text)

    def test_the_end_names_none(self, workspace: Workspace) -> None:
        with pytest.raises(RunError, match="no run is called 'c123'; `enrich runs` lists them"):
            find(workspace, "c123")


def test_retract_hides_and_drops_and_may_keep(store: Store) -> None:
    workspace = museum(2, store)
    register = Register(workspace.store, workspace.names)
    run = opened(register)
    shard(register, run, 0, 1)

    assert retract(workspace, run.value, purge=False) == 0
    assert retract(workspace, run.value) == 1


def test_an_unknown_run_is_named_in_the_error() -> None:
    with pytest.raises(RunError, match="run/none"):
        Register(open_store(), NAMES).get(NAMES.run("none"))
