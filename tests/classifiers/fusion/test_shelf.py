"""Votes of records with neighbouring accession numbers: who votes, who does not, and where nobody is asked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose
from safetensors.numpy import load_file, save_file

from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.fusion.late import LateFusion
from enrich.classifiers.fusion.shelf import EACH_SIDE, NOWHERE, positions, votes
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.metrics import accuracy
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.numerals import museums_of

LOT = Property("place", ("urn:Lyon", "urn:Tours", "urn:Nîmes"))
QUICK = {"rounds": 20, "folds": 3, "depth": 3}


def on_shelf(number: str, museum: str = "north", place: int | None = None) -> Record:
    known = {} if place is None else {"place": (LOT.classes[place],)}
    return Record(f"https://m.example/{number}", known, {"museum": (museum,)}, (Text("a cloth"),))


def lots(n: int = 360, seed: int = 0) -> Dataset:
    """Twelve lots of neighbouring numbers, each from one place; nothing else tells the place."""
    order = np.random.default_rng(seed).permutation(n)
    places = np.random.default_rng(7).integers(0, 3, 12)
    return Dataset([on_shelf(f"T{1000 + i}", place=int(places[12 * i // n])) for i in order], (LOT,))


def unsure(dataset: Dataset) -> dict[str, dict[str, Distribution]]:
    """Members that know nothing."""
    even = Distribution.of(LOT, np.full((len(dataset), 3), 1 / 3), np.ones(len(dataset), dtype=bool))
    return {"text": {"place": even}, "tabular": {"place": even}}


def test_a_position_is_the_museum_and_the_number_within_it() -> None:
    records = [on_shelf("T40"), on_shelf("T41", "south"), on_shelf("1979-737"), on_shelf("1979-742")]
    known = museums_of(records, "museum")
    assert known == ("north", "south")
    found = positions(records, "museum", known)
    assert_allclose(found[:2], [[0, 40], [1, 41]])
    assert 1979 < found[2, 1] < found[3, 1] < 1980, "the second number orders a lot"


@pytest.mark.parametrize(
    "record",
    [
        Record("https://m.example/T40"),
        on_shelf("T40", "a museum that was never seen"),
        on_shelf("nameless"),
        on_shelf("0f8fad5b-d9cb-469f-a165-70867728950e"),
    ],
)
def test_without_museum_or_number_a_record_stands_nowhere(record: Record) -> None:
    assert (positions([record], "museum", ("north",)) == NOWHERE).all()
    assert (positions([on_shelf("T40")], None, ()) == NOWHERE).all()


def test_the_nearest_of_the_same_museum_vote_and_the_nearer_weighs_more() -> None:
    shelf = np.array([[0, 10], [0, 12], [0, 90], [1, 11]], dtype=float)
    targets = np.eye(4, dtype=np.float32)
    said = votes(np.array([[0.0, 11.0], [0.0, 13.0], [2.0, 11.0], [NOWHERE, NOWHERE]]), shelf, targets)
    assert_allclose(said[:2].sum(axis=1), 1.0)
    assert said[0, 3] == 0.0, "another museum's number says nothing"
    assert said[0, 0] == pytest.approx(said[0, 1])
    assert said[0, 2] < said[0, 0]
    assert said[1, 1] > said[1, 0]
    assert np.isnan(said[2:]).all()


def test_no_more_than_so_many_on_each_side_vote() -> None:
    shelf = np.column_stack([np.zeros(100), np.arange(100.0)])
    said = votes(np.array([[0.0, 49.5]]), shelf, np.eye(100, dtype=np.float32))
    assert np.flatnonzero(said[0]).tolist() == list(range(50 - EACH_SIDE, 50 + EACH_SIDE))


def test_a_fusion_learns_from_the_shelf_and_keeps_it(tmp_path: Path) -> None:
    train, asked = lots(), lots(360, 1).subset(np.arange(90))
    target, _ = asked.targets(LOT)
    found = {}
    for museum in ("museum", None):
        fuser = LateFusion(**QUICK, museum=museum)
        fuser.fit(train, unsure(train))
        found[museum] = fuser.predict(asked.records, unsure(asked))["place"].probabilities
    assert accuracy(target, found["museum"].argmax(axis=1)) > 0.85
    assert accuracy(target, found[None].argmax(axis=1)) < 0.7

    kept = LateFusion(**QUICK, museum="museum")
    kept.fit(train, unsure(train))
    config = kept.write(tmp_path)
    read = LateFusion.read(tmp_path, config, (LOT,))
    again = read.predict(asked.records, unsure(asked))["place"].probabilities
    assert_allclose(again, kept.predict(asked.records, unsure(asked))["place"].probabilities, atol=2e-3)
    said = read.explain(asked.records[0], unsure(asked), "place", int(target[0].argmax()))
    assert max(said, key=lambda c: c.weight).name == "shelf"


def test_positions_that_do_not_fit_the_votes_are_refused(tmp_path: Path) -> None:
    fuser = LateFusion(**QUICK, museum="museum")
    fuser.fit(lots(), unsure(lots()))
    config = fuser.write(tmp_path)
    arrays = load_file(tmp_path / "whole.safetensors")
    save_file(
        {k: v[1:] if k.endswith(".shelf") else v for k, v in arrays.items()}, tmp_path / "whole.safetensors"
    )
    with pytest.raises(ClassifierError, match="of another size"):
        LateFusion.read(tmp_path, config, (LOT,))


def test_the_shelf_is_not_asked_where_the_tabular_classifier_is_absent() -> None:
    train = lots()
    fuser = LateFusion(**QUICK, museum="museum")
    fuser.fit(train, unsure(train))
    alone = {"text": unsure(train)["text"]}
    said = fuser.predict(train.records, alone)["place"].probabilities
    assert np.ptp(said[:, 0]) < 0.05, "the same text, and no number that may be looked at"


@pytest.mark.parametrize(
    ("tabular", "fusion", "museum"),
    [
        ({}, {}, "museum"),
        ({"museum": "house"}, {}, "house"),
        ({"museum": None}, {}, None),
        ({"numerals": False}, {}, None),
        ({}, {"museum": None}, None),
    ],
)
def test_the_fusion_looks_at_the_numbers_that_the_tabular_classifier_reads(
    tabular: dict[str, Any], fusion: dict[str, Any], museum: str | None
) -> None:
    members = (MemberSpec("tabular", tabular | {"rounds": 3}), MemberSpec("tfidf"))
    spec = ModelSpec(members, folds=2, fusion_settings=QUICK | {"rounds": 3} | fusion, regimes=())
    assert fit_model(lots(120), spec).fuser.settings.museum == museum


def test_regimes_that_never_saw_the_numbers_do_without() -> None:
    members = (MemberSpec("tabular", {"rounds": 3}), MemberSpec("tfidf"))
    settings = QUICK | {"rounds": 3, "museum": "museum"}
    spec = ModelSpec(members, folds=2, fusion_settings=settings, groups=("museum",))
    records = [
        replace(r, context={"museum": ("north" if i % 2 else "south",)})
        for i, r in enumerate(lots(120).records)
    ]
    model = fit_model(Dataset(records, (LOT,)), spec)
    assert model.fuser.settings.museum == "museum"
    assert {r: part.fuser.settings.museum for r, part in model.regimes.items()} == {
        "unseen block": None,
        "unseen group": None,
    }


def test_a_whole_model_is_saved_with_its_shelf(tmp_path: Path) -> None:
    members = (MemberSpec("tabular", {"rounds": 5}), MemberSpec("tfidf"))
    spec = ModelSpec(members, folds=2, fusion_settings=QUICK, regimes=())
    train = lots()
    fit_model(train, spec).save(tmp_path / "model")
    read = Model.load(tmp_path / "model")
    asked = [on_shelf("T1003"), on_shelf("T1003", "a museum that was never seen"), Record("x")]
    said = read.predict(asked)["place"].fused
    assert said.probabilities[0].max() > said.probabilities[1].max()
