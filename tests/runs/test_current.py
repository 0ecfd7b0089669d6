"""What is current follows from the runs alone: of the active runs that answered a gap, the newest counts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.stores import Store, open_store
from enrich.ontology.queries import named_query, query_names
from enrich.ontology.terms import ENR, PROV, XSD
from enrich.runs.existing_answers import ABSENT, CLOSED, AnsweredGaps, ExistingAnswers
from enrich.runs.lease import current_lease
from enrich.runs.register import Register
from enrich.runs.superseded import superseded
from enrich.settings.loading import Settings
from enrich.show.named import run_named
from enrich.workspace import Workspace
from tests import servers
from tests.runs.made_reviews import bring_up_to_date
from tests.runs.made_runs import NAMES, Gap, add_run, record

GAPS = st.tuples(st.integers(0, 2), st.sampled_from(["place", "time"]))
ANSWERS = st.dictionaries(GAPS, st.lists(st.sampled_from("abc"), max_size=2, unique=True), max_size=4)
RUNS = st.lists(
    st.tuples(
        ANSWERS, st.none() | st.integers(0, 3), st.sampled_from(["Active", "Active", "Open", "Retracted"])
    ),
    max_size=5,
)
Made = tuple[dict[Gap, list[str]], int | None, str]


def expected(runs: Sequence[Made]) -> dict[Gap, tuple[NamedNode, set[str]]]:
    """The newest active run of every gap and the values it gave: by order, 0 when it has none, then by IRI."""
    found: dict[Gap, tuple[tuple[int, str], set[str]]] = {}
    for number, (answers, order, state) in enumerate(runs):
        for gap, values in answers.items():
            mine = ((order or 0, NAMES.run(f"r{number}").value), set(values))
            if state == "Active" and (gap not in found or mine[0] > found[gap][0]):
                found[gap] = mine
    return {gap: (NamedNode(place[1]), values) for gap, (place, values) in found.items()}


def filled(store: Store, runs: Sequence[Made]) -> Store:
    for number, (answers, order, state) in enumerate(runs):
        add_run(store, f"r{number}", answers, order=order, state=state, per_shard=1)
    return store


def queried(store: Store, name: str) -> list[dict[str, str | None]]:
    query = named_query(name)
    text = query.bind(**NAMES.graphs)
    columns = text[text.index("SELECT") + 6 : text.index("WHERE")].replace("?", "").split()
    rows = store.select_by_key(text, query.key) if query.key else store.select(text)
    return [dict(zip(columns, (t.value if t else None for t in row), strict=True)) for row in rows]


def by_gap(rows: Sequence[dict[str, str | None]]) -> dict[Gap, tuple[NamedNode, set[str]]]:
    found: dict[Gap, tuple[NamedNode, set[str]]] = {}
    for row in rows:
        gap = (int(str(row["record"])[-1]), str(row["property"]))
        _, values = found.setdefault(gap, (NamedNode(str(row["run"])), set()))
        assert found[gap][0].value == row["run"]
        if row.get("value"):
            values.add(str(row["value"])[-1])
    return found


@settings(max_examples=50)
@given(RUNS)
def test_any_history_of_runs_leaves_each_gap_with_the_answers_of_its_newest_active_run(
    runs: list[Made],
) -> None:
    store = filled(open_store(), runs)
    wanted = expected(runs)

    current = by_gap(queried(store, "current"))
    predicted = by_gap(queried(store, "predictions"))
    abstained = by_gap(queried(store, "abstentions"))
    ranked = by_gap(queried(store, "candidates"))

    assert current == wanted
    assert predicted == {gap: found for gap, found in wanted.items() if found[1]}
    assert {gap: run for gap, (run, _) in abstained.items()} == {
        g: r for g, (r, v) in wanted.items() if not v
    }
    assert {gap: run for gap, (run, _) in ranked.items()} == {gap: run for gap, (run, _) in wanted.items()}


@settings(max_examples=30)
@given(RUNS)
def test_the_engine_takes_the_same_answers_for_current(runs: list[Made]) -> None:
    store = filled(open_store(), runs)

    found = ExistingAnswers(store, NAMES).current([record(n) for n in range(3)])

    assert {(int(iri[-1]), name): {a.run for a in answers} for (iri, name), answers in found.items()} == {
        gap: {run} for gap, (run, _) in expected(runs).items()
    }


def made_by(store: Store, runs: Sequence[NamedNode], digest: str) -> None:
    """Say of these runs that a model with this digest made them."""
    store.insert([Quad(run, PROV.used, NAMES.model(digest), NAMES.runs) for run in runs])


@settings(max_examples=30)
@given(RUNS)
def test_a_gap_is_closed_to_a_model_where_its_own_answer_is_the_current_one(runs: list[Made]) -> None:
    store = filled(open_store(), runs)
    own = [NAMES.run(f"r{number}") for number in range(0, len(runs), 2)]
    made_by(store, own, "mine")

    known = AnsweredGaps(ExistingAnswers(store, NAMES, "mine"), ())

    found = {(n, name): known.state(record(n), name) for n in range(3) for name in ("place", "time")}
    newest = {gap: run for gap, (run, _) in expected(runs).items()}
    assert found == {gap: CLOSED if newest.get(gap) in own else ABSENT for gap in found}


def test_the_answers_of_many_runs_are_within_what_every_server_lets_a_query_cost(store: Store) -> None:
    """Virtuoso as Debian ships it refuses a query that it estimates at more than 400 seconds."""
    for number in range(60):
        add_run(store, f"r{number}", {(n, "place"): ["a"] for n in range(20)}, order=number + 1)
    made_by(store, [NAMES.run("r59")], "mine")

    known = AnsweredGaps(ExistingAnswers(store, NAMES, "mine"), ())

    assert len(known) == 20
    assert {known.state(record(n), "place") for n in range(20)} == {CLOSED}


@settings(max_examples=30)
@given(RUNS)
def test_an_answer_of_an_active_run_is_either_current_or_superseded(runs: list[Made]) -> None:
    store = filled(open_store(), runs)

    older = [s.prediction for s in superseded(store, NAMES)]
    current = [row["prediction"] for row in queried(store, "current")]

    active = sum(max(1, len(v)) for answers, _, state in runs if state == "Active" for v in answers.values())
    assert len(older) == len(set(older))
    assert len(older) + len(current) == active
    assert not {p.value for p in older} & set(current)


def test_three_models_in_turn_leave_one_answer_to_a_gap_whichever_is_taken_back(store: Store) -> None:
    gaps = {(n, "place"): ["a"] for n in range(3)}
    runs = [add_run(store, f"r{n}", gaps, order=n + 1) for n in range(3)]

    for run, left in ((runs[1], runs[2]), (runs[2], runs[0])):
        state = f"{run} {ENR.runState}"
        store.update(
            f"DELETE DATA {{ GRAPH {NAMES.runs} {{ {state} {ENR.Active} }} }} ; "
            f"INSERT DATA {{ GRAPH {NAMES.runs} {{ {state} {ENR.Retracted} }} }}"
        )
        assert [row["run"] for row in queried(store, "current")] == [left.value] * 3


def test_a_run_without_an_order_is_older_than_any_that_has_one(store: Store) -> None:
    add_run(store, "z", {(0, "place"): ["a"]}, order=None)
    add_run(store, "a", {(0, "place"): ["b"]}, order=1)

    assert [row["value"] for row in queried(store, "current")] == ["https://c.example/b"]


def test_the_tenth_run_is_newer_than_the_ninth(store: Store) -> None:
    for order in (9, 10, 100):
        add_run(store, f"r{order}", {(0, "place"): ["a"]}, order=order)

    assert [row["run"] for row in queried(store, "current")] == [NAMES.run("r100").value]


def test_models_that_disagree_are_told_with_the_current_one_last(store: Store) -> None:
    add_run(store, "r1", {(0, "place"): ["a"], (1, "place"): ["a"], (2, "time"): ["a", "b"]}, order=1)
    add_run(store, "r2", {(0, "place"): ["b"], (1, "place"): ["a"], (2, "time"): ["b", "c"]}, order=2)

    rows = queried(store, "conflicts")

    told = {(str(r["record"])[-1], str(r["value1"])[-1], str(r["value2"])[-1]) for r in rows}
    assert told == {("0", "a", "b"), ("2", "a", "c"), ("2", "b", "c")}
    assert {(r["run1"], r["run2"]) for r in rows} == {(NAMES.run("r1").value, NAMES.run("r2").value)}


@pytest.mark.slow
@pytest.mark.slow
@pytest.mark.virtuoso
def test_what_is_asked_before_the_first_answer_does_not_slow_what_is_asked_later(tmp_path: Path) -> None:
    """Given a Virtuoso that was asked while it held no answer, by every named query, when three runs of 20,000 answers
    have come, of which each tenth has a word of its model, then all are told within seconds."""
    with (
        servers.virtuoso(tmp_path / "virtuoso") as endpoint,
        open_store(**asdict(endpoint), timeout=30) as store,
    ):
        workspace = Workspace(Settings(base=NAMES.base), store)
        asked = {"record": record(1), "prediction": NAMES.mint("prediction", record(1), "1")}
        register = Register(store, NAMES)
        assert (register.runs(), register.all_shards(), register.counted()) == ([], set(), [])
        assert current_lease(store, NAMES).run is None
        for name in query_names():
            terms = {key: term for key, term in asked.items() if key in named_query(name).parameters}
            assert list(run_named(workspace, name, terms).rows) == []

        for order in (1, 2, 3):
            run = add_run(store, f"r{order}", {}, order=order)
            shards = [NAMES.shard(f"r{order}", n) for n in range(40)]
            store.insert(Quad(run, ENR.graph, shard, NAMES.runs) for shard in shards)
            store.insert(
                Quad(NAMES.mint("prediction", run, str(n)), predicate, value, shards[n // 500])
                for n in range(20_000)
                for predicate, value in (
                    (ENR.about, record(n)),
                    (ENR.propertyName, Literal("place")),
                    (ENR.answers, NamedNode(f"https://c.example/{order if n % 10 == 0 else 'same'}")),
                    (ENR.confidence, Literal("0.5", datatype=XSD.decimal)),
                )
            )

        older = list(superseded(store, NAMES))
        assert len({answer.prediction for answer in older}) == len(older) == 40_000
        assert len(list(superseded(store, NAMES, run=NAMES.run("r1")))) == 20_000
        for name in ("predictions", "candidates", "by-model", "abstentions"):
            deque(run_named(workspace, name).rows, maxlen=0)
        answer = run_named(workspace, "conflicts")
        at = [answer.variables.index(name) for name in ("record", "value1", "value2")]
        told = [tuple(row[i] for i in at) for row in answer.rows]

    words = {word: NamedNode(f"https://c.example/{word}") for word in "123"}
    assert set(told) == {(record(n), words[one], words["3"]) for n in range(0, 20_000, 10) for one in "12"}
    assert len(told) == 4_000


@pytest.mark.parametrize("name", ["current", "predictions", "conflicts", "by-model"])
def test_eighty_models_over_the_same_gaps_are_asked_in_seconds(name: str) -> None:
    store = open_store()
    for number in range(80):
        add_run(store, f"r{number}", {(n, "place"): [f"{number % 7}"] for n in range(113)}, order=number + 1)
    began = time.process_time()

    rows = queried(store, name)

    assert time.process_time() - began < 5
    if name == "current":
        assert {row["run"] for row in rows} == {NAMES.run("r79").value}
        assert len(rows) == 113


def review(store: Store, number: int, decision: str, at: str) -> None:
    (row,) = queried(store, "current")
    prediction = row["prediction"]
    iri = f"<https://data.example.org/enrich/review/{number}>"
    time_ = Literal(at, datatype=NamedNode("http://www.w3.org/2001/XMLSchema#dateTime"))
    store.update(
        f"INSERT DATA {{ GRAPH {NAMES.reviews} {{ {iri} {ENR.reviews} <{prediction}> ; {ENR.decision} {ENR[decision]} ; "
        f"{ENR.about} <{row['record']}> ; {ENR.propertyName} {Literal(str(row['property']))} ; {ENR.answers} <{row['value']}> ; "
        f"<http://www.w3.org/ns/prov#endedAtTime> {time_} }} }}"
    )
    bring_up_to_date(store, NAMES)


def test_the_latest_review_is_the_latest_in_time_whatever_its_zone(store: Store) -> None:
    add_run(store, "r1", {(0, "place"): ["a"]}, order=1)
    review(store, 1, "Accepted", "2026-06-01T10:00:00+02:00")  # 08:00 in UTC
    review(store, 2, "Rejected", "2026-06-01T09:00:00Z")

    for name in ("current", "predictions"):
        assert [str(row["state"]).rpartition("#")[2] for row in queried(store, name)] == ["Rejected"]
