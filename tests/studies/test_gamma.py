"""The study of γ: which classes are rare, a row per setting, and a conclusion that follows the intervals."""

from __future__ import annotations

import json

import numpy as np
import pytest

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.studies.gamma import gamma_study, rare_classes
from enrich.studies.study import Study
from tests.classifiers.museum import PLACES, PROPERTIES
from tests.studies.material import material
from tests.two_modalities import FAST


@pytest.fixture(scope="module")
def study() -> Study:
    return gamma_study(material(rare=True), MemberSpec("tabular", FAST), gammas=(0.0, 2.0), folds=2)


def test_a_class_is_rare_below_half_of_an_even_share() -> None:
    records = [Record(str(i), {"place": (PLACES[i % 10 == 0],)}) for i in range(100)]
    assert rare_classes(Dataset(records, PROPERTIES), PROPERTIES[0]).tolist() == [False, True, True]


def test_there_is_a_row_per_gamma_and_weighting_and_one_for_the_tuned_order(study: Study) -> None:
    assert [row[:2] for row in study.rows] == [
        ("0", "none"),
        ("2", "none"),
        ("0", "1/count"),
        ("2", "1/count"),
        ("0", "none, order tuned"),
    ]
    assert all(0 <= float(row[2]) <= 1 for row in study.rows if row[2] is not None)
    assert study.rows[0][-1] == "+0.000 [+0.000, +0.000]"


def test_the_conclusion_holds_the_figures(study: Study) -> None:
    assert "γ 2" in study.conclusion
    assert str(study.rows[4][-1]) in study.conclusion
    assert "tuned order of candidates without weights" in study.conclusion


def test_the_rare_classes_are_named(study: Study) -> None:
    rare = study.setting["rare"]
    held = material(rare=True).train
    for prop in PROPERTIES:
        assert len(rare.get(prop.name, [])) == int(np.sum(rare_classes(held, prop)))
    assert rare["place"] == ["jp"]


def test_without_rare_classes_it_says_so() -> None:
    with pytest.raises(InputError, match="no class is rare"):
        gamma_study(material(60, 20), MemberSpec("tabular", FAST))


def test_it_is_json_and_has_panels(study: Study) -> None:
    json.dumps(study.to_json(), allow_nan=False)
    assert [len(panel.series) for panel in study.panels] == [4, 2]
