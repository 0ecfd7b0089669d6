"""The study of transfer: each museum is left out in turn, and what only it has cannot be found."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from enrich.classifiers.data import Dataset, Record
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.learn.leave_out import having, values_of
from enrich.studies.study import Material, Study
from enrich.studies.transfer import WAYS, transfer_study
from tests.classifiers.museum import PLACES, PROPERTIES
from tests.studies.material import material
from tests.two_modalities import FAST

TABULAR = MemberSpec("tabular", FAST)


@pytest.fixture(scope="module")
def study() -> Study:
    return transfer_study(material(held_out=120), TABULAR, least=20)


def test_every_museum_has_a_row_and_then_the_mean(study: Study) -> None:
    assert sorted(str(row[0]) for row in study.rows[:-1]) == ["0", "1", "2"]
    assert study.rows[-1][0] == "mean"
    assert sum(int(row[1] or 0) for row in study.rows[:-1]) == 120
    assert set(study.panels[0].series) == set(WAYS)


def test_the_conclusion_holds_the_mean_difference(study: Study) -> None:
    assert str(study.rows[-1][6]) in study.conclusion
    assert "most frequent class" in study.conclusion
    json.dumps(study.to_json(), allow_nan=False)


def test_values_that_only_the_museum_has_are_counted_as_unseen() -> None:
    def records(n: int, start: int) -> list[Record]:
        return [
            Record(f"urn:{start + i}", {"place": (PLACES[i % 2],)}, {"museum": (f"urn:m:{i % 2}",)})
            for i in range(n)
        ]

    made = Material(
        Dataset(records(80, 0), PROPERTIES[:1]),
        records(60, 100),
        "dev",
        "museum",
        lambda i: {x: x for x in i},
    )
    found = transfer_study(made, TABULAR, least=20)
    assert {row[-1] for row in found.rows[:-1]} == {"100%"}
    for row in found.rows[:-1]:
        assert row[2] == 1.0  # trained with it
        assert row[3] == 0.0  # trained without it
    assert "clearly for the worse in 2 of 2" in found.conclusion


def test_a_group_that_states_too_little_is_left_out() -> None:
    """Given a keeper whose records state nineteen places and one with twenty, then the second alone is measured, and
    where there is only the first it is said before anything is learnt."""

    def held(places: dict[str, int]) -> Material:
        records = [
            Record(
                f"urn:{keeper}:{n}", {"place": (PLACES[n % 2],)} if n < stated else {}, {"keeper": (keeper,)}
            )
            for keeper, stated in places.items()
            for n in range(40)
        ]
        return Material(
            Dataset(records, PROPERTIES[:1]), records, "dev", "keeper", lambda i: {x: x for x in i}
        )

    found = transfer_study(held({"nineteen": 19, "twenty": 20}), TABULAR, least=30)

    assert [row[0] for row in found.rows] == ["twenty", "mean"]
    assert "nan" not in found.conclusion
    assert str(found.setting["measured"]).startswith("1 of 2: ")
    with pytest.raises(InputError, match=r"state 20 values of a property, .* with --over, or lower --least"):
        transfer_study(held({"nineteen": 19, "none": 0}), TABULAR, least=30)


def test_groups_need_enough_records() -> None:
    held = material(10, 60).held_out
    values = values_of(held, "museum", 1)
    assert len(values) == 3
    assert values_of(held, "museum", 61) == []
    assert having(held, "museum", values[0]).sum() >= having(held, "museum", values[2]).sum()
    with pytest.raises(InputError, match="context 'museum': there is no value with 500 records"):
        transfer_study(replace(material(40, 60)), TABULAR, least=500)
    with pytest.raises(InputError, match="context 'colour'"):
        transfer_study(material(40, 60), TABULAR, context="colour")
