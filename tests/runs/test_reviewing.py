"""Reviews mean what they say: a value turned down is not proposed again, one accepted is stated, and all can be undone."""

from __future__ import annotations

import csv
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.answering import run as pipeline
from enrich.errors import InputError
from enrich.graph.gaps import count_gaps
from enrich.graph.stores import Store, open_store
from enrich.ontology.terms import ENR, Term
from enrich.runs import register as runs
from enrich.runs.reviewing import Judgement, Reviewed, Reviewer
from enrich.runs.reviews import Review, Reviews, read_reviews, verdicts
from enrich.show.named import run_named
from enrich.show.record import show_record
from enrich.show.review_table import read_table, write_table
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

MINUTES = itertools.count()
PLACE = "place"


def now() -> datetime:
    """Each time a minute later."""
    return datetime.now(UTC) + timedelta(minutes=next(MINUTES))


def judged(workspace: Workspace, *judgements: Judgement, by: str = "Ana Ruiz") -> Reviewed:
    done = Reviewer(workspace, by).write(judgements, now())
    assert not done.refused, done.refused
    return done


def predictions(workspace: Workspace, name: str = PLACE) -> list[dict[str, str]]:
    """The current predictions of a property, by record."""
    answer = run_named(workspace, "predictions")
    rows = [
        {k: "" if v is None else v.value for k, v in zip(answer.variables, row, strict=True)}
        for row in answer.rows
    ]
    return sorted((r for r in rows if r["property"] == name), key=lambda r: r["record"])


def state(workspace: Workspace, row: dict[str, str]) -> list[str]:
    """How the current values of a record's property stand."""
    return [
        r["state"].removeprefix(str(ENR))
        for r in predictions(workspace, row["property"])
        if r["record"] == row["record"]
    ]


def accepted(workspace: Workspace) -> set[str]:
    graph = workspace.names.accepted
    rows = workspace.store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}")
    return {" ".join(str(term) for term in row) for row in rows}


def answered(store: Store, tmp_path: Path, count: int = 40) -> Workspace:
    workspace = museum(count, store)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    return workspace


def test_a_value_turned_down_is_never_proposed_again_and_the_next_candidate_is(
    store: Store, tmp_path: Path
) -> None:
    workspace = answered(store, tmp_path)
    first = predictions(workspace)[0]
    before = count_gaps(workspace).properties[PLACE].open
    judged(workspace, Judgement(NamedNode(first["prediction"]), "Rejected"))
    assert count_gaps(workspace).properties[PLACE].open == before + 1

    again = pipeline.run(workspace, tmp_path / "m")

    assert again.records == 1, "the record whose answer was turned down, and no other"
    newest = [p for p in show_record(workspace, NamedNode(first["record"]))["predictions"] if p["current"]]
    (place,) = [p for p in newest if p["property"] == PLACE]
    assert first["value"] not in [place["value"], *(c["value"] for c in place["candidates"])]
    assert pipeline.run(workspace, tmp_path / "m").records == 0, "it was asked again once"
    other = dummy_model(workspace, tmp_path / "other", seed=1)
    pipeline.run(workspace, other)
    assert first["value"] not in [
        r["value"] for r in predictions(workspace) if r["record"] == first["record"]
    ]


def test_a_rejection_taken_back_lets_the_value_be_proposed(store: Store, tmp_path: Path) -> None:
    workspace = answered(store, tmp_path)
    first = predictions(workspace)[0]
    done = judged(workspace, Judgement(NamedNode(first["prediction"]), "Rejected"))
    pipeline.run(workspace, tmp_path / "m")

    Reviewer(workspace, "Ana Ruiz").withdraw(done.batch, now())

    assert Reviews.read(store, workspace.names, ()).rejected(first["record"], PLACE) == frozenset()
    pipeline.run(workspace, tmp_path / "m")
    assert [r["value"] for r in predictions(workspace) if r["record"] == first["record"]] == [first["value"]]


def test_what_a_curator_decides_holds_for_whatever_run_says_the_value(tmp_path: Path) -> None:
    """Given an accepted value, when its run is retracted and another says the same, then it stands as accepted."""
    workspace = museum(40)
    run = pipeline.run(workspace, dummy_model(workspace, tmp_path / "m")).run
    first = predictions(workspace)[0]
    judged(workspace, Judgement(NamedNode(first["prediction"]), "Undecided"))
    assert state(workspace, first) == ["Undecided"]
    assert run is not None
    runs.retract(workspace, run)
    pipeline.run(workspace, tmp_path / "m")
    assert state(workspace, first) == ["Undecided"]


def test_an_accepted_value_is_stated_as_a_fact_would_be_and_closes_the_gap(
    store: Store, tmp_path: Path
) -> None:
    workspace = answered(store, tmp_path)
    for name in (PLACE, "time"):
        row = predictions(workspace, name)[0]
        judged(workspace, Judgement(NamedNode(row["prediction"]), "Accepted"))
        assert state(workspace, row) == ["Accepted"]
        assert Reviews.read(store, workspace.names, ()).settled(row["record"], name)
    told = accepted(workspace)
    assert any(f"<{row['value']}>" in line and "P86_falls_within" in line for line in told)
    Reviewer(workspace, "Ana").graphs.rebuild()
    assert accepted(workspace) == told, "what is accepted follows from the reviews"
    assert state(workspace, row) == ["Accepted"]


def test_each_value_of_a_set_is_judged_alone(tmp_path: Path) -> None:
    workspace = museum(60)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    many = sorted(workspace.profile.many_valued)
    assert many, "the museum has a property with many values"
    row = predictions(workspace, many[0])[0]
    judged(workspace, Judgement(NamedNode(row["prediction"]), "Accepted"))
    assert not Reviews.read(workspace.store, workspace.names, many).settled(row["record"], many[0])


def test_a_correction_turns_the_predicted_value_down_and_states_the_other(
    store: Store, tmp_path: Path
) -> None:
    workspace = answered(store, tmp_path)
    rows = predictions(workspace)
    first = rows[0]
    right = next(
        c["value"]
        for p in show_record(workspace, NamedNode(first["record"]))["predictions"]
        for c in p["candidates"]
        if p["property"] == PLACE and c["value"] != first["value"]
    )
    judged(
        workspace,
        Judgement(NamedNode(first["prediction"]), "Corrected", NamedNode(right), "Wrong", "seen it"),
    )

    found = Reviews.read(store, workspace.names, ())
    assert found.rejected(first["record"], PLACE) == {first["value"]}
    assert found.settled(first["record"], PLACE)
    assert state(workspace, first) == ["Corrected"]
    assert any(line.endswith(f"<{right}>") for line in accepted(workspace))
    (told,) = [
        p for p in show_record(workspace, NamedNode(first["record"]))["predictions"] if p["property"] == PLACE
    ]
    assert [(r["decision"], r["objection"], r["note"]) for r in told["reviews"]] == [
        ("Corrected", "Wrong", "seen it")
    ]

    judged(workspace, Judgement(NamedNode(first["prediction"]), "Accepted"), by="Lead")
    assert not any(line.endswith(f"<{right}>") for line in accepted(workspace)), "one value stands"
    assert state(workspace, first) == ["Accepted"]


def test_whoever_is_overruled_is_told(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    first = predictions(workspace)[0]
    judged(workspace, Judgement(NamedNode(first["prediction"]), "Accepted"))
    done = judged(workspace, Judgement(NamedNode(first["prediction"]), "Rejected"), by="Ben")
    assert [(o.value, o.decision) for o in done.overruled] == [(first["value"], "Accepted")]


def test_a_value_turned_down_while_a_run_is_under_way_is_left_out(tmp_path: Path) -> None:
    """Given a run that is open, when a curator rejects a value that it has answered, then it is not made current."""
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    first = predictions(workspace)[0]
    other = dummy_model(workspace, tmp_path / "other", seed=1)
    waiting = [first]

    def reject(_: str, done: int, *__: object) -> None:
        if waiting and done:
            judged(workspace, Judgement(NamedNode(waiting.pop()["prediction"]), "Rejected"))

    pipeline.run(workspace, other, progress=reject)
    assert not waiting, "it was rejected in the middle"
    assert [r["state"] for r in predictions(workspace) if r["value"] == first["value"]
            and r["record"] == first["record"]] in ([], [str(ENR) + "Rejected"])  # fmt: skip
    pipeline.run(workspace, other)
    assert first["value"] not in [
        r["value"] for r in predictions(workspace) if r["record"] == first["record"]
    ]


def refusals(first: dict[str, str]) -> dict[str, Judgement]:
    prediction = NamedNode(first["prediction"])
    return {
        "no run has": Judgement(NamedNode("https://p.example/none"), "Accepted"),
        "is no decision": Judgement(prediction, "Liked"),
        "is no objection": Judgement(prediction, "Rejected", objection="Ugly"),
        "names the right value": Judgement(prediction, "Corrected"),
        "accept it": Judgement(prediction, "Corrected", NamedNode(first["value"])),
        "goes with reject": Judgement(prediction, "Accepted", objection="Wrong"),
        "is not in the graph": Judgement(prediction, "Corrected", NamedNode("https://v.example/nowhere")),
    }


def test_a_judgement_that_cannot_be_is_refused_and_costs_no_other(tmp_path: Path) -> None:
    workspace = museum(40)
    run = pipeline.run(workspace, dummy_model(workspace, tmp_path / "m")).run
    first, second = predictions(workspace)[:2]
    wrong = refusals(first)
    done = Reviewer(workspace, "Ana").write(
        [*wrong.values(), Judgement(NamedNode(second["prediction"]), "Accepted")], now()
    )
    for why, refused in zip(wrong, done.refused, strict=True):
        assert why in refused.why
    assert len(done.written) == 1
    assert run is not None
    runs.retract(workspace, run)
    (gone,) = (
        Reviewer(workspace, "Ana")
        .write([Judgement(NamedNode(first["prediction"]), "Accepted")], now())
        .refused
    )
    assert gone.why == "no run has this prediction, or it was taken back"


def test_a_review_needs_a_name_and_a_withdrawal_something_to_withdraw() -> None:
    workspace = museum(10)
    with pytest.raises(InputError, match="needs the name of its curator"):
        Reviewer(workspace, " ")
    with pytest.raises(InputError, match="no review or batch is called"):
        Reviewer(workspace, "Ana").withdraw(NamedNode("https://r.example/1"), now())


def test_a_dry_run_says_all_and_writes_nothing(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    first = predictions(workspace)[0]
    before = workspace.store.count()
    done = Reviewer(workspace, "Ana").write(
        [Judgement(NamedNode(first["prediction"]), "Accepted")], now(), dry_run=True
    )
    assert (len(done.written), workspace.store.count()) == (1, before)


def test_a_table_goes_out_is_filled_in_and_comes_back_once(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    file = tmp_path / "judge.csv"
    given: dict[str, Term] = {"state": ENR.Pending}
    count = write_table(workspace, file, given)
    rows = list(csv.DictReader(file.read_text().splitlines()))
    assert count == len(rows) > 4
    fill: list[Callable[[dict[str, str]], object]] = [
        lambda r: r.update(decision="accept"),
        lambda r: r.update(decision="x", objection="too broad", note="a region, no town"),
        lambda r: r.update(decision="maybe"),
        lambda r: r.update(decision="correct", right_value="Nowhere at all"),
    ]
    for change, row in zip(fill, rows, strict=False):
        change(row)
    with file.open("w", newline="", encoding="utf-8-sig") as filled:
        writer = csv.DictWriter(filled, rows[0].keys(), delimiter=";")
        writer.writeheader()
        writer.writerows(rows)

    judgements, unread = read_table(workspace, file)

    assert [(u.line, u.why.split(":")[0]) for u in unread] == [
        (4, "'maybe' is no decision"), (5, "no value is called 'Nowhere at all'"),
    ]  # fmt: skip
    done = judged(workspace, *judgements)
    assert [j.objection for j in judgements] == [None, "TooBroad"]
    again = Reviewer(workspace, "Ana Ruiz").write(judgements, now())
    assert (len(done.written), len(again.written), again.unchanged) == (2, 0, 2)
    assert write_table(workspace, file, given) == count - 2, "what has a verdict is not asked again"


def test_a_name_with_a_line_separator_loses_no_judgement(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    first = predictions(workspace)[0]
    with (tmp_path / "t.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows(
            [("recordName", "prediction", "decision"), ("a\u2028vase\x0b", first["prediction"], "accept")]
        )
    judgements, unread = read_table(workspace, tmp_path / "t.csv")
    assert ([j.decision for j in judgements], unread) == (["Accepted"], [])


def test_the_same_twice_in_one_batch_is_one(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    judgement = Judgement(NamedNode(predictions(workspace)[0]["prediction"]), "Accepted")
    done = judged(workspace, judgement, judgement)
    assert (len(done.written), done.unchanged) == (1, 1)


def test_nothing_of_what_was_taken_back_is_left_in_what_is_accepted(store: Store, tmp_path: Path) -> None:
    """Given accepted values, when they are all taken back, also after all was made anew, then nothing is stated."""
    workspace = answered(store, tmp_path)
    rows = [predictions(workspace, name)[0] for name in (PLACE, "time")]
    done = judged(workspace, *(Judgement(NamedNode(r["prediction"]), "Accepted") for r in rows))
    assert accepted(workspace)
    reviewer = Reviewer(workspace, "Ana Ruiz")
    reviewer.graphs.rebuild()
    reviewer.withdraw(done.written[0], now())
    reviewer.withdraw(done.batch, now())
    assert accepted(workspace) == set()


def test_of_two_who_write_at_once_neither_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a curator whose review comes between another's look and write, then the verdicts know of both."""
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    times = {r["record"]: r for r in predictions(workspace, "time")}
    place = next(r for r in predictions(workspace) if r["record"] in times)
    time = times[place["record"]]
    ben, waiting = Reviewer(workspace, "Ben"), [time]
    update = workspace.store.update

    def meanwhile(text: str, *, idempotent: bool = False) -> None:
        if waiting:
            ben.write([Judgement(NamedNode(waiting.pop()["prediction"]), "Accepted")], now())
        update(text, idempotent=idempotent)

    monkeypatch.setattr(workspace.store, "update", meanwhile)
    judged(workspace, Judgement(NamedNode(place["prediction"]), "Accepted"))
    assert (state(workspace, place), state(workspace, time)) == (["Accepted"], ["Accepted"])


def test_a_right_value_that_is_turned_down_in_its_turn_leaves_none() -> None:
    day = datetime(2026, 1, 1, tzinfo=UTC)
    said = [
        Review("r1", "x", PLACE, "Corrected", day, "b", "a"),
        Review("r2", "x", PLACE, "Rejected", day + timedelta(days=1), "b"),
    ]
    (found,) = verdicts(said, ()).values()
    assert {value: v.decision for value, v in found.items()} == {"a": "Rejected", "b": "Rejected"}
    again = [*said, Review("r3", "x", PLACE, "Corrected", day + timedelta(days=2), "c", "b")]
    (found,) = verdicts(again, ()).values()
    assert {value: (v.decision, v.put_in) for value, v in found.items()} == {
        "a": ("Corrected", "c"), "b": ("Corrected", "c"), "c": ("Accepted", None),
    }  # fmt: skip


def test_the_correction_of_an_abstention_is_shown(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    value = predictions(workspace, "time")[0]["value"]
    found = run_named(workspace, "current")
    rows = [dict(zip(found.variables, row, strict=True)) for row in found.rows]
    said = [{k: v.value for k, v in row.items() if v is not None} for row in rows]
    first = next(r for r in said if "value" not in r)
    judged(workspace, Judgement(NamedNode(first["prediction"]), "Corrected", NamedNode(value)))
    shown = show_record(workspace, NamedNode(first["record"]))["predictions"]
    (answer,) = [a for a in shown if a["prediction"] == first["prediction"]]
    assert [(r["decision"], r["value"]) for r in answer["reviews"]] == [("Corrected", value)]


def test_a_table_without_its_columns_is_refused(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("record,verdict\n")
    with pytest.raises(InputError, match="has no column 'prediction'"):
        read_table(museum(10), tmp_path / "t.csv")


MADE = st.lists(
    st.tuples(st.sampled_from(["Accepted", "Rejected", "Corrected", "Undecided"]), st.sampled_from("abc"),
              st.sampled_from("abc"), st.integers(0, 5)),
    max_size=6,
)  # fmt: skip


def made(said: list[tuple[str, str, str, int]]) -> list[Review]:
    return [
        Review(f"r{n}", "x", PLACE, decision, datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=at), value,
               instead if decision == "Corrected" else None)
        for n, (decision, value, instead, at) in enumerate(said)
    ]  # fmt: skip


@given(MADE, st.randoms(use_true_random=False))
def test_how_values_stand_follows_from_the_reviews_in_whatever_order_they_are_read(
    said: list[tuple[str, str, str, int]], chance: object
) -> None:
    reviews = made(said)
    mixed = list(reviews)
    chance.shuffle(mixed)  # type: ignore[attr-defined]
    assert verdicts(mixed, ()) == verdicts(reviews, ())
    assert (
        sum(v.decision == "Accepted" for found in verdicts(reviews, ()).values() for v in found.values()) <= 1
    )


@given(MADE, MADE)
def test_reviews_taken_back_are_as_if_never_made(
    kept: list[tuple[str, str, str, int]], taken: list[tuple[str, str, str, int]]
) -> None:
    reviews = made([*kept, *taken])
    late = datetime(2027, 1, 1, tzinfo=UTC)
    gone = [Review(f"w{r.iri}", "x", PLACE, "Withdrawn", late, withdraws=r.iri) for r in reviews[len(kept) :]]
    assert verdicts([*reviews, *gone], ()) == verdicts(reviews[: len(kept)], ())


def test_how_an_answer_was_drawn_is_read_back_with_its_probability(tmp_path: Path) -> None:
    workspace = answered(open_store(), tmp_path)
    first, second, *_ = predictions(workspace)
    judged(
        workspace,
        Judgement(NamedNode(first["prediction"]), "Accepted", drawn="Random", probability=0.25),
        Judgement(NamedNode(second["prediction"]), "Rejected"),
    )
    found = {r.record: (r.drawn, r.probability) for r in read_reviews(workspace.store, workspace.names)}
    assert found == {first["record"]: ("Random", 0.25), second["record"]: ("Chosen", None)}


def test_a_second_opinion_is_kept_though_the_value_stands_so_already(store: Store, tmp_path: Path) -> None:
    workspace = answered(store, tmp_path)
    row = predictions(workspace)[0]
    about = NamedNode(row["prediction"])
    judged(workspace, Judgement(about, "Accepted"))
    assert judged(workspace, Judgement(about, "Accepted"), by="Leo Marin").unchanged == 1
    second = Judgement(about, "Accepted", drawn="Second", again=True)
    assert len(judged(workspace, second, by="Leo Marin").written) == 1
    assert [r.drawn for r in read_reviews(workspace.store, workspace.names)].count("Second") == 1
    assert state(workspace, row) == ["Accepted"]
