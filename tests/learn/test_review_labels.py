"""Training with reviews: what stands of them teaches, and records reviewed at random only measure."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering.run import run
from enrich.classifiers.base import Distribution
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.fitting import fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.prediction import Prediction
from enrich.errors import InputError
from enrich.graph.stores import open_store
from enrich.learn.review_figures import measure_reviews
from enrich.learn.review_labels import ReviewLabels
from enrich.learn.training import train
from enrich.museum import Museum
from enrich.runs.lineage import snapshots
from enrich.runs.reviewing import Judgement, Reviewer
from enrich.runs.reviews import Review
from enrich.show.named import run_named
from enrich.workspace import Workspace
from tests.classifiers.museum import PROPERTIES
from tests.museums import dummy_model, museum
from tests.two_modalities import SPEC, told

MINUTES = itertools.count()
A, B = "https://o.example/a", "https://o.example/b"
FR, IT, JP = (f"https://c.example/{c}" for c in ("fr", "it", "jp"))
FAST = {"rounds": 5, "depth": 3, "eta": 0.3, "bins": 16, "patience": 5}
SMALL = {"folds": 2, "options": {"tabular": FAST}}


def said(decision: str, value: str | None, record: str = A, name: str = "place", **more: Any) -> Review:
    minute = next(MINUTES)
    at = datetime(2026, 3, 1, tzinfo=UTC) + timedelta(minutes=minute)
    return Review(f"urn:review:{minute}", record, name, decision, at, value, **more)


def of(*reviews: Review, many: tuple[str, ...] = ()) -> ReviewLabels:
    return ReviewLabels.of(reviews, many)


def test_what_stands_teaches_and_what_was_overruled_or_undecided_does_not() -> None:
    reviewed = of(
        said("Accepted", IT),
        said("Rejected", IT),
        said("Corrected", JP, instead=FR, record=B),
        said("Undecided", FR, name="time"),
    )
    assert reviewed.accepted == {B: {"place": (JP,)}}
    assert reviewed.rejected == {A: {"place": (IT,)}, B: {"place": (FR,)}}


def test_a_record_that_the_facts_state_keeps_the_fact() -> None:
    reviewed = of(said("Accepted", IT), said("Rejected", FR), said("Accepted", JP, name="time"))
    known = reviewed.labelled(Record(A, {"place": (FR,)}, outside=("time",)))
    assert (known.known, known.taught, known.refused) == ({"place": (FR,)}, {}, {})
    assert reviewed.labelled(Record(A)).taught == {"place": (IT,), "time": (JP,)}


def test_a_record_reviewed_at_random_is_held_out_whole_until_that_is_taken_back() -> None:
    drawn = said("Undecided", FR, drawn="Random", probability=0.25)
    chosen = [said("Accepted", JP, name="time"), said("Rejected", IT, record=B)]
    records = [Record(A, {"material": (FR,)}), Record(B)]

    reviewed = of(drawn, *chosen)
    assert [r.id for r in reviewed.training_records(records)] == [B], (
        "neither its facts nor other reviews of it teach"
    )
    assert reviewed.drawn == {(A, "place"): 4.0}

    back = of(drawn, *chosen, said("Withdrawn", None, withdraws=drawn.iri))
    assert [r.id for r in back.training_records(records)] == [A, B]


def test_gaps_weigh_alike_where_it_is_not_known_how_likely_each_was() -> None:
    reviewed = of(
        said("Accepted", FR, drawn="Random", probability=0.1), said("Accepted", FR, record=B, drawn="Random")
    )
    assert set(reviewed.drawn.values()) == {1.0}


# What a model does on the test set.

PLACE = Property("place", (FR, IT, JP))


class Answers(Model):
    """Answers every record with the first candidate that it was given, at 0.8."""

    def __init__(self, firsts: dict[str, str]) -> None:
        self.firsts, self.properties = firsts, (PLACE,)

    def predict(self, records: Any) -> dict[str, Prediction]:
        first = [PLACE.classes.index(self.firsts[r.id]) for r in records]
        p = np.full((len(first), 3), 0.1)
        p[np.arange(len(first)), first] = 0.8
        n = len(first)
        made = Distribution.of(PLACE, p, np.ones(n, dtype=bool))
        zero = np.zeros(n, dtype=np.int8)
        return {
            "place": Prediction(
                PLACE, made, {}, np.argsort(-p, axis=1, kind="stable"), np.zeros((n, 3), bool), np.ones(n),
                np.full((n, 3), 0.5), np.full(n, 0.9), zero, zero,
            )
        }  # fmt: skip


def test_what_nobody_judged_counts_as_wrong_and_is_told() -> None:
    """Given five gaps of which one says only what it is not, when a model answers otherwise there, then it may be right."""
    records = [
        Record("a", taught={"place": (FR,)}),
        Record("b", taught={"place": (IT,)}, refused={"place": (FR,)}),
        Record("c", refused={"place": (FR,)}),
        Record("d", refused={"place": (JP,)}),
        Record("e", taught={"place": ("https://c.example/elsewhere",)}),
    ]
    drawn = dict.fromkeys([(r.id, "place") for r in records], 1.0) | {("a", "place"): 4.0}
    ours = Answers({"a": FR, "b": IT, "c": FR, "d": FR, "e": FR})
    other = Answers({"a": IT, "b": IT, "c": JP, "d": JP, "e": FR})

    told = measure_reviews({"ours": ours, "other": other}, records, drawn)

    found = told["properties"]["place"]
    assert found["ours"]["accuracy"]["value"] == pytest.approx(5 / 8), "the gap drawn for four weighs four"
    assert found["ours"]["accuracy_at_most"] == pytest.approx(6 / 8)
    assert found["ours"]["precision"] == pytest.approx(5 / 8)
    assert found["ours"]["precision_at_most"] == pytest.approx(6 / 8)
    assert found["other"]["accuracy"]["value"] == pytest.approx(1 / 8)
    assert found["other"]["accuracy_at_most"] == pytest.approx(2 / 8)
    assert told["difference"]["other"]["accuracy"]["value"] == pytest.approx(4 / 8)
    assert told["gaps"] == 5


def test_a_fact_that_came_since_is_the_truth_and_gaps_not_drawn_are_not_measured() -> None:
    records = [Record("a", {"place": (IT,)}), Record("b", taught={"place": (FR,)})]
    told = measure_reviews({"ours": Answers({"a": IT, "b": IT})}, records, {("a", "place"): 1.0})
    assert told["properties"]["place"]["ours"]["accuracy"]["value"] == 1.0
    assert told["properties"]["place"]["ours"]["gaps"] == 1


def test_nothing_drawn_is_measured_as_nothing() -> None:
    told = measure_reviews({"ours": Answers({})}, [], {})
    assert (told["gaps"], told["mean"]) == (0, {})
    assert "difference" not in told


# A training of a museum.


@pytest.fixture
def answered(tmp_path: Path) -> Workspace:
    """A made museum whose gaps were answered."""
    workspace = museum(80, train=SMALL, decision={"thresholds": {"place": 0.1}})
    run(workspace, dummy_model(workspace, tmp_path / "first"))
    return workspace


def rows(workspace: Workspace) -> list[dict[str, str]]:
    answer = run_named(workspace, "predictions")
    found = [
        {k: "" if v is None else v.value for k, v in zip(answer.variables, row, strict=True)}
        for row in answer.rows
    ]
    one_each = {row["record"]: row for row in found if row["property"] == "place"}
    return [one_each[record] for record in sorted(one_each)]


def judge(workspace: Workspace, row: dict[str, str], decision: str, **more: Any) -> None:
    now = datetime.now(UTC) + timedelta(minutes=next(MINUTES))
    done = Reviewer(workspace, "Ana Ruiz").write(
        [Judgement(NamedNode(row["prediction"]), decision, **more)], now
    )
    assert not done.refused, done.refused


def taught(workspace: Workspace, folder: Path, **more: Any) -> Model:
    train(workspace, None, folder, modalities=("tabular",), reviews=True, compare=False, **more)
    return Model.load(folder)


def test_without_a_review_that_judges_there_is_nothing_to_learn_from_them(
    answered: Workspace, tmp_path: Path
) -> None:
    judge(answered, rows(answered)[0], "Undecided")
    with pytest.raises(InputError, match=r"judge some with enrich review .* or train without --reviews"):
        train(answered, None, tmp_path / "m", modalities=("dummy",), reviews=True)
    assert not (tmp_path / "m").exists()


def test_labels_and_refusals_are_counted_in_the_model_and_told_in_the_register(
    answered: Workspace, tmp_path: Path
) -> None:
    accepted, rejected, corrected, drawn, *_ = rows(answered)
    classes = Model.load(tmp_path / "first").properties[0].classes
    other = next(c for c in classes if c != corrected["value"])
    plain = train(answered, None, tmp_path / "plain", modalities=("tabular",))
    judge(answered, accepted, "Accepted")
    judge(answered, rejected, "Rejected")
    judge(answered, corrected, "Corrected", value=NamedNode(other))
    judge(answered, drawn, "Accepted", drawn="Random")

    model = taught(answered, tmp_path / "m")

    assert model.training["labels from reviews"] == 2
    assert model.training["values turned down in reviews"] == 2
    assert model.training["records held out for reviews"] == 1
    assert (
        model.training["snapshot"]["sha256"] != Model.load(tmp_path / "plain").training["snapshot"]["sha256"]
    )
    (told,) = snapshots(ModelDescription.read(tmp_path / "m"))
    assert (
        "2 values that curators put in and 2 that they turned down; held out: 1 reviewed at random"
        in told.title
    )
    assert model.metrics["reviews"]["gaps"] == 1
    assert "The museum's own test set" in (tmp_path / "m" / "README.md").read_text("utf-8")
    assert plain["records"] == 80


def test_nothing_of_a_record_reviewed_at_random_is_learnt(answered: Workspace, tmp_path: Path) -> None:
    """Given a record reviewed at random, then what was said of it, and its facts too, change nothing in what is learnt:
    a museum that lacks the record teaches the same."""
    drawn, chosen, *_ = rows(answered)
    judge(answered, chosen, "Accepted")
    judge(answered, drawn, "Accepted", drawn="Random", probability=0.2)
    first = taught(answered, tmp_path / "first-said")
    judge(answered, drawn, "Rejected")
    second = taught(answered, tmp_path / "then-said")
    assert first.training["snapshot"]["sha256"] == second.training["snapshot"]["sha256"]
    assert first.members["tabular"].digest == second.members["tabular"].digest

    bare = open_store()
    every = answered.store.select("SELECT ?s ?p ?o ?g WHERE { GRAPH ?g { ?s ?p ?o } }")
    reviews = answered.names.reviews
    bare.insert(
        Quad(s, p, o, g) for s, p, o, g in every if g == reviews or not s.value.startswith(drawn["record"])
    )
    third = taught(Workspace(answered.settings, bare), tmp_path / "without-it")
    assert third.training["snapshot"]["sha256"] == first.training["snapshot"]["sha256"]
    assert third.training["records"] == first.training["records"] == 79


def test_to_compare_a_model_is_trained_on_the_same_records_without_reviews(
    answered: Workspace, tmp_path: Path
) -> None:
    for i, row in enumerate(rows(answered)[:12]):
        judge(answered, row, "Accepted" if i % 2 else "Rejected", drawn="Random" if i % 3 == 0 else "Chosen")
    with Museum(answered) as made:
        account = made.train(tmp_path / "m", modalities=("tabular",), reviews=True)["reviews"]
    assert set(account["properties"]["place"]) == {"with", "without"}
    assert set(account["difference"]["without"]) == {"macro_f1", "accuracy"}
    assert account["records held out for reviews"] == 4
    assert account["seconds"] > 0
    card = (tmp_path / "m" / "README.md").read_text("utf-8")
    assert "| with − without | macro_f1 |" in card


def test_a_classifier_that_cannot_learn_from_refusals_is_named(answered: Workspace, tmp_path: Path) -> None:
    judge(answered, rows(answered)[0], "Rejected")
    found = train(answered, None, tmp_path / "m", modalities=("dummy",), reviews=True)
    assert found["reviews"]["learns nothing from values turned down"] == "dummy"
    assert found["reviews"]["gaps"] == 0


def test_a_training_without_reviews_is_what_it_was(answered: Workspace, tmp_path: Path) -> None:
    before = train(answered, None, tmp_path / "before", modalities=("tabular",))
    judge(answered, rows(answered)[0], "Accepted", drawn="Random")
    after = train(answered, None, tmp_path / "after", modalities=("tabular",))
    assert before["digest"] == after["digest"]
    assert "reviews" not in after


def test_of_a_property_that_only_curators_told_of_all_is_learnt_and_nothing_promised() -> None:
    """Promises are measured on facts: what somebody chose to look at is no sample."""
    told_by_curators = [
        replace(r.without("place"), taught={"place": r.known["place"]} if i % 3 == 0 and "place" in r.known else {})
        for i, r in enumerate(told(120))
    ]  # fmt: skip
    model = fit_model(Dataset(told_by_curators, PROPERTIES), SPEC)
    said = model.predict(told_by_curators)["place"]
    right = [r.known["place"] == (said.property.classes[k],) for r, k in zip(told(120), said.first(), strict=True) if "place" in r.known]  # fmt: skip
    assert sum(right) > 0.8 * len(right)
    assert not any(part.promises_anything("place") for part in model.parts().values())
