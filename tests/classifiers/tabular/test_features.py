"""Columns: one-hot for nominal values, numerals from identifiers, and nothing numbered that is a name."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Picture, Record
from enrich.classifiers.numerals import numerals
from enrich.classifiers.tabular.features import FeatureMap
from tests.classifiers.museum import BASE, museum


@pytest.mark.parametrize(
    ("iri", "found"),
    [
        ("https://m.example/media/T001720_REV.jpg", (1720.0,)),
        ("https://m.example/object/ch-18065731", (18065731.0,)),
        ("https://m.example/chndm_1971-32-1_0.jpg", (1971.0, 32.0)),
        ("https://m.example/O77024_0.jpg?size=400", (77024.0, 0.0)),
        ("http://data.example/object/00008c5f-3ee8-39e4-a936-c605ccc4aefb", ()),
        ("http://data.example/4928_1ba73374969727e8_z.jpg", ()),
        ("https://m.example/velvet", ()),
        ("http://[broken/12", ()),
        ("", ()),
    ],
)
def test_numerals_are_accession_numbers_and_not_digests(iri: str, found: tuple[float, ...]) -> None:
    assert numerals(iri) == found


@given(st.text(max_size=300))
def test_numerals_of_any_text_are_few_and_finite(text: str) -> None:
    found = numerals(text)
    assert len(found) <= 2
    assert all(np.isfinite(v) and v >= 0 for v in found)


def test_a_record_with_several_values_has_several_ones() -> None:
    record = Record("urn:r", {"technique": ("urn:a", "urn:b")}, {"museum": ("urn:m",)})
    features = FeatureMap.learn([record] * 2)
    table = features.matrix([record, Record("urn:bare")]).toarray()[:, : len(features.columns)]
    assert table.tolist() == [[1.0, 1.0, 1.0], [0.0, 0.0, 0.0]]
    assert features.matrix([]).shape == (0, 5)


def test_values_that_too_few_records_have_get_no_column() -> None:
    records = [*museum(50), Record("urn:odd", {"place": ("urn:once",)})]
    assert not any("urn:once" in column for column in FeatureMap.learn(records).columns)


def test_the_property_asked_for_has_no_column() -> None:
    features = FeatureMap.learn(museum(100), "museum")
    names = np.asarray(features.names(), dtype=object)[features.keep("place")]
    assert not any(str(n).startswith("place = ") for n in names)
    assert any(str(n).startswith("time = ") for n in names)


def test_positions_keep_museums_apart_and_numbers_in_order() -> None:
    def record(house: int, number: int) -> Record:
        return Record(f"{BASE}object/{number}", {}, {"museum": (f"urn:m{house}",)})

    records = [record(house, n) for house in (0, 1) for n in range(100, 200)]
    features = FeatureMap.learn(records, "museum")
    column = len(features.columns) + features.numeric.index("record position")
    position = features.matrix(records).toarray()[:, column]
    assert (np.diff(position) > 0).all()
    assert position[100] - position[99] > 0.1


def test_of_an_unknown_or_hidden_museum_numerals_are_not_read() -> None:
    features = FeatureMap.learn(museum(100), "museum")
    known = next(r for r in museum(10) if r.pictures)
    for context in ({}, {"museum": ("urn:elsewhere",)}):
        table = features.matrix([Record(known.id, known.known, context, pictures=known.pictures)])
        numbers = table.toarray()[0, len(features.columns) + 2 :]
        assert not numbers.any()


def test_without_a_museum_to_belong_to_there_are_no_numerals() -> None:
    assert FeatureMap.learn(museum(100)).numeric == ("number of pictures", "number of texts")


def test_counts_tell_none_from_unknown() -> None:
    features = FeatureMap.learn(museum(10))
    bare, two = Record("urn:a"), Record("urn:b", pictures=(Picture("urn:1"), Picture("urn:2")))
    counts = features.matrix([bare, two]).toarray()[:, len(features.columns)]
    assert counts.tolist() == [1.0, 3.0]


def test_json_brings_back_the_same_columns() -> None:
    features = FeatureMap.learn(museum(100), "museum")
    again = FeatureMap.read(json.loads(json.dumps(features.to_json())))
    records = museum(20, seed=9)
    assert np.array_equal(again.matrix(records).toarray(), features.matrix(records).toarray())


def test_a_damaged_map_is_refused() -> None:
    good = FeatureMap.learn(museum(50), "museum").to_json()
    for damage in ({"columns": 3}, {"columns": [["a", "b"]]}, {"museums": []}, {"knots": None}):
        with pytest.raises(ClassifierError):
            FeatureMap.read({**good, **damage})


@given(st.text(max_size=40), st.text(max_size=40), st.text(max_size=60))
@settings(max_examples=50)
def test_hostile_values_are_only_names_of_columns(name: str, value: str, url: str) -> None:
    record = Record(value, {name: (value,)}, {"museum": (value,)}, pictures=(Picture(url),))
    features = FeatureMap.learn([record, record], "museum")
    again = FeatureMap.read(json.loads(json.dumps(features.to_json())))
    table = again.matrix([record])
    assert np.isfinite(table.toarray()).all()
