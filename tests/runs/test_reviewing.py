"""Reviews mean what they say: a value turned down is not proposed again, one accepted is stated, and all can be undone."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import Literal, NamedNode

from enrich.answering import run as pipeline
from enrich.errors import InputError
from enrich.graph.gaps import count_gaps
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.spans import EDTF
from enrich.ontology.terms import ENR, XSD
from enrich.runs import register as runs
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.runs.reviews import Reviews, batches_taken_back, read_reviews
from enrich.show.named import run_named
from enrich.show.record import show_record
from tests.graph.test_dates import PLAIN, coins, within
from tests.museums import dummy_model, museum
from tests.runs.judging import PLACE, accepted, answered, judged, now, predictions, state


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


@pytest.mark.parametrize(
    ("rule", "kind"),
    [('language = "de"', {"language": "de"}), ('datatype = "xsd:gYear"', {"datatype": XSD.gYear})],
)
def test_a_date_is_put_in_as_its_class_whatever_dates_the_profile_asks_for(
    tmp_path: Path, rule: str, kind: dict[str, Any]
) -> None:
    """Given dates of one language or datatype, when a class is put in as an answer says it, or a date in any spelling, then
    it is that class, and states its years; what has no class is refused."""
    dates = [Literal(year, **kind) for year in ("1888", "1888", "1444")]
    text = f'{PLAIN}by = "century"\n{rule}\n'
    workspace = coins(open_store(), tmp_path, text, *(within(date) for date in dates * 4), [])
    train(workspace, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(workspace, tmp_path / "m")
    (about,) = (NamedNode(row["prediction"]) for row in predictions(workspace, "time"))

    for value in (Literal("1500/1599", datatype=EDTF), Literal("um 1777"), Literal("1699", **kind)):
        judged(workspace, Judgement(about, "Corrected", value))
    wrong = [Judgement(about, "Corrected", Literal(text)) for text in ("kürzlich", "1650-1849", "1888")]
    refused = [r.why for r in Reviewer(workspace, "Ana").write(wrong, now()).refused]

    put_in = {review.value for review in read_reviews(workspace.store, workspace.names)}
    assert put_in == {f'"{years}"^^{EDTF}' for years in ("1500/1599", "1700/1799", "1600/1699")}
    assert any('"1600/1699"^^' in line for line in accepted(workspace))
    assert [why.rpartition(" ")[2] for why in refused] == ["time", "time", "it"]


def test_a_batch_is_taken_back_once_none_of_it_stands_and_says_what_it_is_about(
    store: Store, tmp_path: Path
) -> None:
    """Given two batches, when the reviews of one are taken back one after the other, then it is gone with the last, and the
    other is not; what each writing was about is said, also where it changes nothing."""
    workspace = answered(store, tmp_path)
    one, two, three = predictions(workspace)[:3]
    first = judged(workspace, *(Judgement(NamedNode(p["prediction"]), "Undecided") for p in (one, two)))
    other = judged(workspace, Judgement(NamedNode(three["prediction"]), "Accepted"))
    again = judged(workspace, Judgement(NamedNode(one["prediction"]), "Undecided"))
    assert first.gaps == {(one["record"], PLACE), (two["record"], PLACE)}
    assert (again.gaps, again.written) == ({(one["record"], PLACE)}, [])

    batches = [first.batch.value, other.batch.value]
    gone = []
    for review in first.written:
        undone = Reviewer(workspace, "Leo").withdraw(review, now())
        gone.append(batches_taken_back(store, workspace.names, batches))
        assert undone.gaps < first.gaps
    assert gone == [[], batches[:1]]
    assert batches_taken_back(store, workspace.names, batches[1:]) == []
    assert Reviewer(workspace, "Leo").withdraw(first.batch, now()).gaps == first.gaps


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


def test_the_same_twice_in_one_batch_is_one(tmp_path: Path) -> None:
    workspace = museum(40)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    judgement = Judgement(NamedNode(predictions(workspace)[0]["prediction"]), "Accepted")
    done = judged(workspace, judgement, judgement)
    assert (len(done.written), done.unchanged) == (1, 1)


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
