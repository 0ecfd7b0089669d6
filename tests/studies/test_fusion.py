"""The study of fusion: the members are fitted once, and every strategy meets the same records."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from enrich.errors import SettingsError
from enrich.studies.fusion import fusion_study
from enrich.studies.study import Study
from tests.studies.material import material
from tests.two_modalities import SPEC


@pytest.fixture(scope="module")
def study() -> Study:
    return fusion_study(material(), replace(SPEC, fusion="late"), strategies=("late", "hybrid"))


def test_members_alone_and_each_strategy_have_a_row(study: Study) -> None:
    assert [row[0] for row in study.rows] == ["tabular alone", "text alone", "late fusion", "hybrid fusion"]
    for row in study.rows:
        assert 0 <= float(row[1] or 0) <= 1
    assert study.rows[2][4] is None
    assert study.rows[0][5] is None


def test_the_conclusion_compares_with_late_fusion(study: Study) -> None:
    assert str(study.rows[3][4]) in study.conclusion
    assert "best single modality" in study.conclusion


def test_figures_by_property_are_kept(study: Study) -> None:
    data = json.loads(json.dumps(study.to_json(), allow_nan=False))
    assert set(data["figures"]["by property"]["late fusion"]) == {"place", "time", "material"}
    assert data["setting"]["members"] == ["tabular", "tfidf"]


def test_one_modality_is_refused() -> None:
    with pytest.raises(SettingsError, match="needs two modalities"):
        fusion_study(material(40, 20), replace(SPEC, members=SPEC.members[:1]))
