"""Pruning drops what has not counted for long, and nothing that is current or may come back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import ENR, PROV, XSD
from enrich.runs import narrowing
from enrich.runs import prune as pruning
from enrich.runs.prune import drop, prune, to_prune
from enrich.runs.register import Register, timestamp
from enrich.runs.register import retract as take_back
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.runs.made_runs import NAMES, START, Gap, add_run
from tests.runs.test_current import ANSWERS, by_gap, expected, filled, queried

DAY = timedelta(days=1)
LATER = START + 100 * DAY


def workspace(store: Store) -> Workspace:
    return Workspace(Settings(profile="linked-art", base=NAMES.base), store)


def retract(store: Store, run: NamedNode, days: int = 0) -> None:
    state = f"{run} {ENR.runState}"
    store.update(
        f"DELETE {{ GRAPH {NAMES.runs} {{ {state} ?s }} }} WHERE {{ GRAPH {NAMES.runs} {{ {state} ?s }} }}"
    )
    said: list[tuple[NamedNode, Any]] = [
        (ENR.runState, ENR.Retracted),
        (ENR.retractedAtTime, timestamp(START + days * DAY)),
    ]
    store.insert([Quad(run, p, o, NAMES.runs) for p, o in said])


def current(store: Store) -> dict[Gap, tuple[NamedNode, set[str]]]:
    return by_gap(queried(store, "current"))


MADE = st.lists(
    st.tuples(ANSWERS, st.none() | st.integers(0, 3), st.sampled_from(["Active", "Active", "Open"])),
    max_size=5,
)


@settings(max_examples=60)
@given(MADE, st.lists(st.tuples(st.integers(0, 4), st.booleans()), max_size=4), st.integers(1, 2))
def test_any_order_of_runs_retractions_and_prunings_leaves_each_gap_with_its_newest_unpruned_answers(
    runs: list[Any], steps: list[tuple[int, bool]], per_shard: int
) -> None:
    store = open_store()
    for number, (answers, order, state) in enumerate(runs):
        add_run(store, f"r{number}", answers, order=order, state=state, per_shard=per_shard)
    left = list(runs)
    for number, pruned in steps:
        if pruned:
            prune(workspace(store), LATER, 90)
            newest = expected(left)
            left = [
                ({g: v for g, v in a.items() if s != "Active" or newest[g][0] == NAMES.run(f"r{n}")}, o, s)
                for n, (a, o, s) in enumerate(left)
            ]
        elif number < len(left):
            retract(store, NAMES.run(f"r{number}"))
            left[number] = (left[number][0], left[number][1], "Retracted")

    assert current(store) == expected(left)


def test_a_wholly_superseded_shard_is_dropped_and_a_partly_superseded_one_written_anew(store: Store) -> None:
    old = add_run(
        store,
        "r1",
        {(0, "place"): ["a"], (1, "place"): ["a"], (2, "place"): ["a", "b"]},
        order=1,
        per_shard=2,
    )
    add_run(store, "r2", {(0, "place"): ["b"], (2, "place"): ["b"]}, order=2)
    before = current(store)

    done = prune(workspace(store), LATER, 90)

    assert (dict(done.answers), done.dropped, done.rewritten) == ({old.value: 3}, 1, 1)
    assert current(store) == before
    (shard,) = Register(store, NAMES).shards(old)
    assert shard in {g.value for g in store.graphs()}
    assert not {NAMES.shard("r1", 0), NAMES.shard("r1", 1)} & set(store.graphs())
    assert store.count(NamedNode(shard)) == 14


def test_the_register_keeps_the_run_and_says_what_was_pruned_when(store: Store) -> None:
    old = add_run(store, "r1", {(0, "place"): ["a"], (1, "place"): ["a"]}, order=1)
    add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    prune(workspace(store), LATER, 90)
    add_run(store, "r3", {(1, "place"): ["b"]}, order=3)

    prune(workspace(store), LATER, 90)

    rows = store.select(
        f"SELECT ?n ?t ?ended WHERE {{ GRAPH {NAMES.runs} {{ {old} {ENR.pruned} ?n ; {ENR.prunedAtTime} ?t ; {PROV.endedAtTime} ?ended }} }}"
    )
    ((pruned, time, _),) = list(rows)
    assert isinstance(pruned, Literal)
    assert isinstance(time, Literal)
    assert (pruned.value, time.datatype) == ("2", XSD.dateTime)
    assert Register(store, NAMES).shards(old) == set()


def test_what_was_superseded_lately_stays_and_comes_back() -> None:
    store = open_store()
    old = add_run(store, "r1", {(0, "place"): ["a"]}, order=1)
    new = add_run(store, "r2", {(0, "place"): ["b"]}, order=2, ended=START + 20 * DAY)

    assert not prune(workspace(store), LATER, 90).answers
    retract(store, new)

    assert current(store) == {(0, "place"): (old, {"a"})}


def test_an_answer_superseded_long_ago_goes_even_when_a_newer_one_came_lately() -> None:
    store = open_store()
    old = add_run(store, "r1", {(0, "place"): ["a"]}, order=1)
    add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    add_run(store, "r3", {(0, "place"): ["c"]}, order=3, ended=LATER - DAY)

    assert dict(prune(workspace(store), LATER, 90).answers) == {old.value: 1}


def test_graphs_of_a_run_retracted_long_ago_are_dropped_and_of_one_retracted_lately_kept(
    store: Store,
) -> None:
    long_ago, lately = (add_run(store, name, {(0, "place"): ["a"]}, order=n) for n, name in enumerate("ab"))
    retract(store, long_ago)
    retract(store, lately, days=99)

    done = prune(workspace(store), LATER, 90)

    assert (dict(done.answers), done.dropped) == ({long_ago.value: 1}, 1)
    assert NAMES.shard("b", 0) in store.graphs()
    assert not prune(workspace(store), LATER, 90).answers


def test_what_another_dropped_meanwhile_is_not_counted_again() -> None:
    """Given a retracted run and superseded answers that two processes found, when both drop them, then they are counted
    once."""
    store = open_store()
    retracted = add_run(store, "a", {(0, "place"): ["a"]}, order=0)
    retract(store, retracted)
    old = add_run(store, "b", {(1, "place"): ["a"]}, order=1)
    add_run(store, "c", {(1, "place"): ["b"]}, order=2)
    first, second = (to_prune(workspace(store), LATER, 90) for _ in range(2))

    assert [drop(workspace(store), found).answers.total() for found in (first, second)] == [2, 0]
    for run in (retracted, old):
        assert store.ask(f"ASK {{ GRAPH {NAMES.runs} {{ {run} {ENR.pruned} 1 }} }}")


def test_looking_changes_nothing() -> None:
    store = open_store()
    add_run(store, "r1", {(0, "place"): ["a"]}, order=1)
    add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    before = set(store.graphs()), store.count()

    assert to_prune(workspace(store), LATER, 90).answers.total() == 1
    assert (set(store.graphs()), store.count()) == before


@pytest.mark.parametrize("after", ["write_graph", "update"])
def test_a_crash_on_the_way_leaves_the_old_graph_or_the_new_one(
    monkeypatch: pytest.MonkeyPatch, after: str
) -> None:
    store = open_store()
    add_run(store, "r1", {(0, "place"): ["a"], (1, "place"): ["a"]}, order=1)
    add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    before = current(store)
    whole = getattr(store, after)

    def crash(*given: Any, **named: Any) -> None:
        whole(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(store, after, crash)
        with pytest.raises(KeyboardInterrupt):
            prune(workspace(store), LATER, 90)

    assert current(store) == before
    prune(workspace(store), LATER, 90)
    assert current(store) == before


@pytest.mark.parametrize("steps", [1, 2])
def test_killed_in_the_middle_and_repeated_it_has_counted_what_went(
    store: Store, monkeypatch: pytest.MonkeyPatch, steps: int
) -> None:
    """Given a process that is killed after so many shards, when the next one prunes, then the register has all counted."""
    old = add_run(store, "r1", {(n, "place"): ["a"] for n in range(6)}, order=1, per_shard=2)
    add_run(store, "r2", {(n, "place"): ["b"] for n in range(5)}, order=2)
    left = iter(range(steps))

    def dying(*said: object, **named: object) -> object:
        if next(left, None) is None:
            raise KeyboardInterrupt
        return narrowing.leave_out(*said, **named)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(pruning, "leave_out", dying)
        with pytest.raises(KeyboardInterrupt):
            prune(workspace(store), LATER, 90)
    rest = prune(workspace(store), LATER, 90).answers.total()

    assert 0 < rest < 5
    assert store.ask(f"ASK {{ GRAPH {NAMES.runs} {{ {old} {ENR.pruned} 5 ; {ENR.prunedAtTime} ?t }} }}")


@pytest.mark.parametrize(
    "others", [{}, {(1, "place"): ["a"]}], ids=["wholly superseded", "partly superseded"]
)
def test_a_newer_run_retracted_while_the_older_is_pruned_brings_its_answers_back(
    store: Store, monkeypatch: pytest.MonkeyPatch, others: dict[Gap, list[str]]
) -> None:
    old = add_run(store, "r1", {(0, "place"): ["a"], **others}, order=1)
    new = add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    meanwhile(monkeypatch, "held_answers", lambda: retract(store, new))
    graphs = set(store.graphs())

    done = prune(workspace(store), LATER, 90)

    assert current(store) == {gap: (old, {"a"}) for gap in [(0, "place"), *others]}
    assert (done.answers.total(), done.dropped, done.rewritten) == (0, 0, 0)
    assert set(store.graphs()) == graphs


def test_a_run_retracted_while_it_is_pruned_leaves_no_graph(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = add_run(store, "r1", {(0, "place"): ["a"], (1, "place"): ["a"]}, order=1)
    new = add_run(store, "r2", {(0, "place"): ["b"]}, order=2)
    meanwhile(monkeypatch, "narrowed", lambda: take_back(workspace(store), old.value))

    prune(workspace(store), LATER, 90)

    assert current(store) == {(0, "place"): (new, {"b"})}
    assert {g for g in store.graphs() if "/run/" in g.value} == {NAMES.shard("r2", 0)}


def meanwhile(monkeypatch: pytest.MonkeyPatch, step: str, harm: Callable[[], object]) -> None:
    """Another process does something after this step of pruning a shard."""
    whole = getattr(narrowing, step)

    def then(*given: Any) -> Any:
        found = whole(*given)
        harm()
        return found

    monkeypatch.setattr(narrowing, step, then)


def test_a_store_of_twenty_nights_is_smaller_after_pruning() -> None:
    nights = [({(n % 3, "place"): ["a"]}, n + 1, "Active") for n in range(20)]
    store = filled(open_store(), nights)
    before = current(store)

    prune(workspace(store), LATER, 90)

    assert current(store) == before
    assert len([g for g in store.graphs() if g.value.startswith(f"{NAMES.graph_prefix}run/")]) == 3
