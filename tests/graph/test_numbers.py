"""Numbers as context: read in the unit that the profile asks for, and learnt from as what they are."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad

from enrich.classifiers.data import Record
from enrich.graph.numbers import mean_number, read_number
from enrich.graph.profile_check import check_profile
from enrich.graph.reading import Reader
from enrich.graph.records import input_digest
from enrich.graph.stores import open_store
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import CRM, RDF, XSD, Names, OntologyError
from enrich.settings.loading import Settings
from enrich.show.record import show_record
from enrich.workspace import Workspace

COIN = NamedNode("https://coins.example.org/ns/Coin")
PROFILE = """
record_class = "https://coins.example.org/ns/Coin"
[properties.metal]
predicate = "crm:P45_consists_of"
[contexts.weight]
kind = "number"
unit = "g"
path = ["crm:P43_has_dimension"]
"""


@pytest.mark.parametrize(
    ("text", "unit", "number"),
    [
        ("12.5", "g", 12.5), ("12,5", "g", 12.5), ("12.5 g", "g", 12.5), ("12,5 gr.", "g", 12.5), ("0.5 kg", "g", 500),
        ("weight: 3 grams", "g", 3), ("ca. 3 g", "g", 3), ("1 oz", "g", 28.349523125), ("12 cm", "g", None),
        ("12 cm", "mm", 120), ('5"', "cm", 12.7), ("5 inches", "cm", 12.7), ("2 feet", "m", 0.6096), ("12 x 15 cm", "mm", 120),
        ("12 × 15 cm", "cm", 12), ("1,500", None, 1500), ("1.500.000", None, 1500000), ("1 500,5", None, 1500.5),
        ("-3", None, -3), ("−3,5", None, -3.5), ("7 pages", "page", 7), ("7 pages", None, 7), ("none", None, None),
        ("0,750 kg", "g", 750), ("-0,125", None, -0.125), ("0,750 kg, 1,500 kg", "kg", 0.75), ("12,345,678 g", "g", 12345678),
        (".5 kg", "g", 500), ("ca. ,25 oz", "oz", 0.25), ("-.5", None, -0.5), ("no.5", None, 5), ("...5 g", "g", 5),
        ("", "g", None), ("1.2.3", None, None), ("9" * 400, None, None), ("12 pages", "g", None),
    ],
)  # fmt: skip
def test_a_number_is_read_in_its_unit(text: str, unit: str | None, number: float | None) -> None:
    found = read_number(Literal(text), unit)

    assert found == (None if number is None else pytest.approx(number))


def test_typed_literals_and_dates_are_numbers() -> None:
    assert read_number(Literal("1.25e1", datatype=XSD.double), "g") == 12.5
    assert read_number(Literal("12.50", datatype=XSD.decimal), "g") == 12.5
    assert read_number(Literal("1488-05-17", datatype=XSD.date)) == 1488
    assert read_number(Literal("-0044", datatype=XSD.gYear)) == -44
    assert mean_number([Literal("1"), Literal("2 g"), COIN, Literal("?")], "g") == 1.5
    assert mean_number([Literal("?")], None) is None


@given(st.text(max_size=30), st.sampled_from([None, "g", "cm"]))
def test_any_text_is_a_finite_number_or_none(text: str, unit: str | None) -> None:
    found = read_number(Literal(text.encode("utf-8", "ignore").decode()), unit)

    assert found is None or math.isfinite(found)


def coins(*weights: str) -> list[Quad]:
    quads = []
    for number, weight in enumerate(weights):
        coin = NamedNode(f"https://coins.example.org/coin/{number}")
        quads += [Quad(coin, RDF.type, COIN), Quad(coin, CRM.P43_has_dimension, Literal(weight))]
    return quads


def test_a_record_has_its_numbers_and_the_check_names_what_is_none(tmp_path: Path) -> None:
    """Given weights of which one is no number, then records have numbers and no texts for them, the digest of what a
    model sees changes with them, and the check names the one that is left out."""
    (tmp_path / "coins.toml").write_text(PROFILE, encoding="utf-8")
    store = open_store()
    store.insert(coins("3 g", "0.5 kg", "heavy"))
    workspace = Workspace(Settings(profile=str(tmp_path / "coins.toml")), store)

    records = {s.iri.value[-1]: s.record for s in workspace.reader.read_all()}

    assert [dict(records[n].numbers) for n in "012"] == [{"weight": 3.0}, {"weight": 500.0}, {}]
    assert not any(r.context for r in records.values())
    bare = Record("x")
    assert input_digest(Record("x", numbers={"weight": 3.0}), "metal") != input_digest(bare, "metal")
    assert show_record(workspace, NamedNode(records["1"].id))["context"] == {"weight": ["500"]}
    advice = check_profile(store, workspace.profile, workspace.names).advice
    assert '[contexts.weight]: 1 of 3 values are no number in g, first "heavy" (1).' in advice


def test_a_record_hides_its_numbers_with_its_contexts() -> None:
    record = Record("x", context={"museum": ("m",)}, numbers={"weight": 3.0})

    assert record.without_contexts(["weight"]).numbers == {}
    assert record.without_contexts(["weight"]).context == {"museum": ("m",)}


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (('kind = "number"\n', ""), "a unit is for numbers along a path"),
        (('kind = "number"', 'kind = "figure"'), "kind: must be 'text' or 'number'"),
        (("[contexts", 'many = true\n[contexts'), None),
        (("record_class", 'museum = "weight"\nrecord_class'), "is a number, and no group of records"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_a_sentence(change: tuple[str, str], told: str | None) -> None:
    text = PROFILE.replace(*change, 1)
    if told is None:
        assert Reader(open_store(), parse_profile(text, "coins", "c"), Names("https://a.example/")).profile
        return
    with pytest.raises(OntologyError, match=told):
        parse_profile(text, "coins", "coins.toml")
