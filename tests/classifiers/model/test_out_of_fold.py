"""Predictions by classifiers that did not see the records: where folds teach nothing."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.out_of_fold import MemberSpec
from tests.classifiers.conftest import COLOUR, IMAGE, TEXT

QUICK: dict[str, Any] = {"runtime": "torch", "device": "cpu", "training": {"epochs": 1, "batch": 8}}
VALUES = MemberSpec("tabular", {"rounds": 3}, fold_settings={"refit": False})
PICTURES = MemberSpec("image", {**IMAGE, **QUICK})
TEXTS = MemberSpec("text", {**TEXT, **QUICK})


def abbeys(records: list[Record], *, looked_at: str = "") -> list[Record]:
    """Three abbeys, of which only the one that is named has pictures and texts."""
    found = []
    for i, record in enumerate(records):
        abbey = ("Cluny", "Fulda", "Melk")[i % 3]
        shown = record if abbey == looked_at else replace(record, pictures=(), texts=())
        found.append(replace(shown, context={"museum": (f"urn:{abbey}",)}))
    return found


@pytest.mark.parametrize("member", [PICTURES, TEXTS])
def test_what_only_one_museum_has_says_nothing_of_it_as_an_unseen_group(
    records: list[Record], member: MemberSpec
) -> None:
    """Given three museums of which one has pictures and texts, when whole museums are left out, then the network is
    absent for the fold that has them all, and the model is trained."""
    data = Dataset(abbeys(records, looked_at="Fulda"), (COLOUR,))
    model = fit_model(data, ModelSpec((VALUES, member), groups=("museum",), folds=2))
    assert set(model.regimes) >= {"unseen group"}
    there = [bool(r.pictures) for r in data.records]
    assert model.predict(data.records)["colour"].fused.present[there].all()
    alone = fit_model(data, ModelSpec((member,), groups=("museum",), folds=2))
    answer = alone.regimes["unseen group"].answer(data.records)["colour"]
    assert np.array_equal(answer.fused.present, there)
    assert (answer.thresholds > 1).all()  # nothing was seen of how well it does in another museum


@pytest.mark.parametrize("member", [PICTURES, TEXTS])
def test_a_network_that_nothing_teaches_is_refused_or_gone_without(
    records: list[Record], member: MemberSpec
) -> None:
    data = Dataset(abbeys(records), (COLOUR,))
    spec = ModelSpec((VALUES, member), groups=("museum",), folds=2)
    with pytest.raises(NothingToLearn, match="no record of the training data has"):
        fit_model(data, spec)
    assert set(fit_model(data, replace(spec, go_without=True)).members) == {"tabular"}
    with pytest.raises(NothingToLearn):
        fit_model(data, replace(spec, members=(member,), go_without=True))
