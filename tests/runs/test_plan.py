"""Plans, leases and commits on every kind of store: exactly one delivery of a batch counts."""

from __future__ import annotations

from contextlib import closing
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode, Quad

from enrich.graph.loading import load_file
from enrich.graph.stores import open_store
from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, Names
from enrich.runs.attempts import Attempt
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.jobs import committed
from enrich.runs.lease import Lease, current_lease, grant_lease, lease_graph, release_lease
from enrich.runs.model_entities import ModelEntity
from enrich.runs.plan import Batch, Plan
from enrich.runs.register import OPEN, Register, Run
from enrich.runs.request import JOB, Request, requested_runs
from tests import servers

NAMES = Names("https://data.example.org/enrich/")
LEASE = timedelta(minutes=5)
UNTIL = datetime(2026, 1, 1, tzinfo=UTC)
RECORDS = [NamedNode(f"https://museum.example.org/object/{n}") for n in range(5)]
COUNTS = {"records": 5, "predicted": 3, "abstained": 2, "failed": 0}


def open_run(store: Store, **said: object) -> NamedNode:
    """A run in the register, for workers."""
    request = Request(JOB, "/models/m", "d" * 64, ("place",), **said)  # type: ignore[arg-type]
    return Register(store, NAMES).open(
        actor=NamedNode("https://data.example.org/actor/museum"),
        software="0.1.0",
        models=[ModelEntity("d" * 64, "dummy")],
        snapshots=[],
        request=request.text(),
        lease=LEASE,
    )


@pytest.fixture
def plan(store: Store) -> Plan:
    """The plan of an open run, with one batch."""
    made = Plan(store, NAMES, open_run(store))
    token = made.begin()
    assert made.add(token, "0", 0, RECORDS, 5)
    made.complete(token)
    return made


def shard(plan: Plan, token: str) -> NamedNode:
    """A shard that holds something."""
    graph = plan.shard("0", token)
    plan.store.insert([Quad(RECORDS[0], ENR.about, RECORDS[0], graph)])
    return graph


def test_a_batch_is_given_back_as_it_was_planned(plan: Plan) -> None:
    found = plan.look("0")
    assert found == Batch("0", 0, tuple(RECORDS))
    assert plan.standing().planned
    assert plan.standing().pending == 1
    assert plan.gaps() == 5
    assert plan.names_pending(10) == ["0"]
    assert list(plan.planned_records()) == RECORDS
    assert plan.look("1") is None


def test_only_the_first_commit_counts(plan: Plan) -> None:
    lease = grant_lease(plan.store, NAMES, plan.run)
    first, second = shard(plan, "aa"), shard(plan, "bb")
    assert plan.commit("0", lease, first, COUNTS, UNTIL)
    assert plan.commit("0", lease, first, COUNTS, UNTIL), "saying it again is no error"
    assert not plan.commit("0", lease, second, COUNTS, UNTIL)
    assert plan.look("0") is None
    assert plan.pending() == 0
    assert list(plan.planned_records()) == RECORDS, "a planner that goes on must know them"
    assert committed(plan.store, NAMES, plan.run) == COUNTS
    assert Register(plan.store, NAMES).shards(plan.run) == {first.value}


@pytest.mark.parametrize("tokens", [("aa", "bb"), ("bb", "aa")])
def test_of_two_commits_that_did_not_see_each_other_one_counts(
    plan: Plan, monkeypatch: pytest.MonkeyPatch, tokens: tuple[str, str]
) -> None:
    """Given a server that carries out both, then the register names one shard, and whoever looks says which."""
    lease = grant_lease(plan.store, NAMES, plan.run)
    ours, theirs = (shard(plan, token) for token in tokens)
    late = (
        f"INSERT DATA {{ GRAPH {NAMES.runs} {{ {plan.run} {ENR.graph} {theirs} . {theirs} {ENR.predicted} 3 }} "
        f'GRAPH {plan.graph} {{ {plan.batch("0")} {ENR.done} "{theirs.value}" }} }}'
    )
    overtaken(monkeypatch, plan.store, late)

    assert plan.commit("0", lease, ours, COUNTS, UNTIL) == (tokens[0] == "aa")

    assert Register(plan.store, NAMES).shards(plan.run) == {plan.shard("0", "aa").value}
    assert committed(plan.store, NAMES, plan.run)["predicted"] == 3
    assert plan.commit("0", lease, plan.shard("0", "aa"), COUNTS, UNTIL)
    assert plan.pending() == 0


def test_a_turn_that_was_given_away_and_back_does_not_count(plan: Plan) -> None:
    before = grant_lease(plan.store, NAMES, plan.run)
    grant_lease(plan.store, NAMES, None)
    after = grant_lease(plan.store, NAMES, plan.run)
    assert after.token > before.token
    assert not plan.commit("0", before, shard(plan, "aa"), COUNTS, UNTIL)
    assert plan.commit("0", after, shard(plan, "bb"), COUNTS, UNTIL)


def test_of_two_who_saw_the_same_lease_one_gets_it(plan: Plan) -> None:
    """From the very first lease on."""
    other = open_run(plan.store)
    before = current_lease(plan.store, NAMES)
    for first, second in ((plan.run, other), (other, None)):
        granted = grant_lease(plan.store, NAMES, first, before)
        assert (granted.run, granted.token) == (first, before.token + 1)
        assert grant_lease(plan.store, NAMES, second, before) == granted
        assert plan.store.count(lease_graph(NAMES)) == 2, "its holder and its token"
        before = granted


def overtaken(monkeypatch: pytest.MonkeyPatch, store: Store, late: str) -> None:
    """The next update is followed by one that another process had begun before it, and that did not see it."""
    update = store.update

    def then_the_other(text: str, *, idempotent: bool = False) -> None:
        monkeypatch.undo()
        update(text, idempotent=idempotent)
        update(late)

    monkeypatch.setattr(store, "update", then_the_other)


def lease_said(run: NamedNode, token: int, holder: Attempt) -> str:
    graph = lease_graph(NAMES)
    return (
        f"INSERT DATA {{ GRAPH {graph} {{ {graph} {ENR.turn} {run} ; {ENR.token} {token} ; "
        f'{ENR.attempt} "{holder}" }} }}'
    )


def test_a_lease_that_two_were_granted_is_nobodys_and_granted_anew(
    plan: Plan, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a server that has granted the lease to two runs, neither of which saw the other, then a batch of neither
    counts; the next one to ask for it gets it, alone."""
    store, other = plan.store, open_run(plan.store)
    ours, theirs = Attempt.here(UNTIL), Attempt.here(UNTIL)
    before = grant_lease(store, NAMES, plan.run, holder=Attempt.here(UNTIL))
    lost = grant_lease(store, NAMES, plan.run, before, ours)
    store.update(lease_said(other, lost.token, theirs))

    assert current_lease(store, NAMES).run is None
    assert not plan.commit("0", lost, shard(plan, "aa"), COUNTS, UNTIL)
    before = current_lease(store, NAMES)
    overtaken(monkeypatch, store, lease_said(other, before.token + 1, theirs))
    held = grant_lease(store, NAMES, plan.run, before, ours)

    assert (held.run, held.holder) == (plan.run, ours)
    assert store.count(lease_graph(NAMES)) == 3
    assert plan.commit("0", held, shard(plan, "bb"), COUNTS, UNTIL)


def test_who_lets_a_lease_go_takes_it_from_nobody(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a run that ends, when another is granted the lease in the same moment, then that one holds it."""
    store, other, theirs = plan.store, open_run(plan.store), Attempt.here(UNTIL)
    before = grant_lease(store, NAMES, plan.run)
    overtaken(monkeypatch, store, lease_said(other, before.token + 1, theirs))

    release_lease(store, NAMES, plan.run)

    assert current_lease(store, NAMES) == Lease(other, before.token + 1, theirs)


def test_nothing_counts_in_a_run_that_was_retracted(plan: Plan) -> None:
    lease = grant_lease(plan.store, NAMES, plan.run)
    Register(plan.store, NAMES).retract(plan.run)
    assert plan.look("0") is None
    assert not plan.commit("0", lease, shard(plan, "aa"), COUNTS, UNTIL)
    assert not plan.add(plan.begin(), "1", 1, RECORDS, 5)


def test_a_batch_without_open_gaps_leaves_no_shard(plan: Plan) -> None:
    lease = grant_lease(plan.store, NAMES, plan.run)
    assert plan.commit("0", lease, None, {}, UNTIL)
    assert plan.pending() == 0
    assert Register(plan.store, NAMES).shards(plan.run) == set()


def test_a_planner_that_was_overtaken_adds_nothing(plan: Plan) -> None:
    old, new = plan.begin(), plan.begin()
    assert not plan.add(old, "1", 1, RECORDS, 5)
    assert plan.add(new, "1", 1, RECORDS, 5)
    assert plan.last_number() == 1
    assert plan.pending() == 2


def test_attempts_are_noted_and_taken_back(plan: Plan) -> None:
    first, second = Attempt.here(UNTIL), Attempt.here(UNTIL)
    plan.attempt("0", first)
    plan.attempt("0", second)
    plan.attempt("9", second)
    found = plan.look("0")
    assert found is not None
    assert set(found.attempts) == {first, second}
    plan.give_up("0", first)
    found = plan.look("0")
    assert found is not None
    assert found.attempts == (second,)
    assert set(plan.attempted()) == {plan.shard("0", first.token), plan.shard("0", second.token)}


def test_bisecting_twice_is_the_same_as_once(plan: Plan) -> None:
    whole = plan.look("0")
    assert whole is not None
    assert plan.bisect(whole) == plan.bisect(whole) == ("0a", "0b")
    halves = [plan.look("0a"), plan.look("0b")]
    assert [half.records for half in halves if half] == [tuple(RECORDS[:2]), tuple(RECORDS[2:])]
    assert [half.bisections for half in halves if half] == [1, 1]
    assert plan.look("0") is None
    assert plan.gaps() == 5


def test_records_are_listed_in_order(plan: Plan) -> None:
    many = [NamedNode(f"https://museum.example.org/o/{n}") for n in range(25)]
    plan.list_records(many, size=2)
    assert list(plan.listed()) == many


def test_pause_and_failure_are_said_and_taken_back(plan: Plan) -> None:
    plan.pause()
    plan.fail('the "model" is gone\nfor good')
    assert plan.standing().paused
    assert plan.failure() == 'the "model" is gone\nfor good'
    plan.resume()
    assert not plan.standing().paused
    assert plan.standing().failure is None


def test_the_turn_is_nobodys_at_first(store: Store) -> None:
    assert current_lease(store, NAMES) == Lease(None, 0)
    run = NAMES.run("a")
    assert grant_lease(store, NAMES, run) == Lease(run, 1)
    assert grant_lease(store, NAMES, run) == Lease(run, 1)
    assert grant_lease(store, NAMES, None) == Lease(None, 2)


def test_open_runs_are_found_with_what_was_asked(store: Store) -> None:
    run = open_run(store, limit=7)
    (found,) = Register(store, NAMES).runs(OPEN)
    assert found.run == run.value
    (known,) = requested_runs(
        [found, Run("x", "Open", "", request='{"properties": []}'), Run("y", "Open", "")]
    )
    assert known.request.limit == 7
    Register(store, NAMES).retract(run)
    assert Register(store, NAMES).runs(OPEN) == []


@given(st.lists(st.text(), max_size=4), st.one_of(st.none(), st.integers(1, 99)), st.text())
def test_a_request_survives_its_json(texts: list[str], limit: int | None, model: str) -> None:
    request = Request(JOB, model, "d", tuple(texts), None, tuple(texts), limit)
    assert Request.parse(request.text()) == request


@given(st.text())
def test_whatever_a_request_says_is_no_error(text: str) -> None:
    assert Request.parse(text) is None


def test_the_same_work_is_known_whatever_its_priority() -> None:
    first = Request(JOB, "m", "d", ("place",), priority=3)
    assert first.same_work(Request(JOB, "elsewhere", "d", ("place",), priority=9))
    assert not first.same_work(Request(JOB, "m", "d", ("time",)))


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.virtuoso
@pytest.mark.timeout(900)
def test_a_plan_of_hundreds_of_batches_over_many_facts_is_committed_under_debians_settings(
    tmp_path: Path, museum_data: Path
) -> None:
    """Virtuoso refuses an update whose join it expects to take for ever, as soon as there are many facts."""
    with (
        servers.virtuoso(tmp_path / "virtuoso") as endpoint,
        closing(open_store(**asdict(endpoint))) as store,
    ):
        load_file(store, museum_data / "silknow" / "records.nq.gz")
        plan, batches = Plan(store, NAMES, open_run(store)), 600
        holder = Attempt.here(Register(store, NAMES).clock())
        token = plan.begin()
        assert all(plan.add(token, str(n), n, RECORDS, 5) for n in range(batches))
        plan.complete(token)
        lease = grant_lease(store, NAMES, plan.run, holder=holder)
        for n in range(batches):
            plan.attempt(str(n), holder)
            assert n % 100 or ExistingAnswers(store, NAMES, "d" * 64, plan.run)
            assert plan.commit(str(n), lease, plan.shard(str(n), "aa"), COUNTS, UNTIL)
        assert plan.pending() == 0
        assert committed(store, NAMES, plan.run) == {name: n * batches for name, n in COUNTS.items()}
        Register(store, NAMES).activate(plan.run, COUNTS, condition=lease.holds(NAMES))
        release_lease(store, NAMES, plan.run, holder)
        assert current_lease(store, NAMES).run is None
