"""A draft of a graph whose values are literals: what repeats is a property, and it says how."""

from __future__ import annotations

import tomllib

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.drafting.draft import Draft
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import open_store
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import RDF
from tests.drafting.made import BASE, GRAPH, NAMES, drafted, pot, term

TOWNS = ("Delft", "Faenza", "Meissen", "[Delft]")


def literal_pots() -> list[Quad]:
    """Two hundred pots, all literals: town (with "unknown"), year of firing, weight, and the name of a finder."""
    made = []
    for n in range(200):
        said = [(RDF.type, term("Pot")), (term("label"), Literal(f"Pot {n}"))]
        if n % 5:
            said.append((term("town"), Literal("unknown" if n % 20 == 1 else TOWNS[n * 7 % 11 % 4])))
        if n % 4:
            said.append((term("fired"), Literal(str(1500 + n * 13 % 400))))
        said.append((term("weight"), Literal(f"{n * 37 % 90 + 10}.5")))
        said.append((term("finder"), Literal(f"Finder {n}")))
        made += [Quad(pot(n), p, o, GRAPH) for p, o in said]
    return made


def draft() -> Draft:
    return drafted(quads=iter(literal_pots()))


def test_literals_that_repeat_are_a_property_with_rules_for_their_spelling() -> None:
    said = tomllib.loads(draft().toml())["properties"]

    (town,) = [p for p in said.values() if p["predicate"].endswith(":town")]
    assert town["kind"] == "literal"
    assert town["unknown"] == ["unknown"]
    assert "keep" in town


def test_values_of_each_record_alone_are_none() -> None:
    made = draft()

    assert not any(f.role == "property" and f.path[-1].predicate == term("finder") for f in made.findings)


def test_years_are_dates_and_weights_numbers() -> None:
    kinds = {
        f.path[-1].predicate.value.rpartition("#")[2]: (f.role, f.kind) for f in draft().findings if f.taken
    }

    assert kinds["fired"] == ("property", "date")
    assert kinds["weight"] == ("context", "number")


@pytest.mark.parametrize(
    ("dates", "by"),
    [
        (("1810", "1823", "1837", "1842"), "decade"),
        (("1700", "1760", "1830", "1880"), "half-century"),
        (("1700s", "1800s", "late 1700s", "1800s"), "century"),
        (("first half of the 1800s", "1850-1899", "1842", "1801-1849"), "half-century"),
        (("1810", "1823", "19th century", "1842"), "century"),
        (("1811", "early 19th century", "1840-1849", "1825"), "half-century"),
    ],
)
def test_periods_are_no_shorter_than_most_dates(dates: tuple[str, ...], by: str) -> None:
    fired = (
        Quad(q.subject, q.predicate, Literal(dates[int(q.object.value) // 4 % 4]), GRAPH)
        if q.predicate == term("fired") and isinstance(q.object, Literal)
        else q
        for q in literal_pots()
    )

    said = tomllib.loads(drafted(quads=fired).toml())["properties"]

    assert [p["by"] for p in said.values() if p["predicate"].endswith(":fired")] == [by]


def test_the_two_ends_of_a_date_are_judged_together() -> None:
    """Given firings that lasted forty years as their two ends say, then a decade would hold none of them."""
    spans = []
    for n in range(0, 200, 3):
        firing = NamedNode(f"{BASE}pot/{n}/firing")
        year = 1800 + n % 40
        spans += [
            Quad(pot(n), term("firing"), firing, GRAPH),
            Quad(firing, term("notBefore"), Literal(str(year)), GRAPH),
            Quad(firing, term("notAfter"), Literal(str(year + 40)), GRAPH),
        ]

    said = tomllib.loads(drafted(quads=iter([*literal_pots(), *spans])).toml())["properties"]

    assert [p["by"] for p in said.values() if "begin" in p] == ["half-century"]


def test_the_draft_counts_what_means_unknown_as_a_gap() -> None:
    """Given 40 pots without a town and 10 with "unknown", then 150 state one."""
    with open_store() as store:
        store.insert(literal_pots())
        report = check_profile(store, parse_profile(draft().toml(), "draft", "draft.toml"), NAMES)

    (found,) = [p for p in report.patterns if p.kind == "class" and p.name == "town"]
    assert found.records == 150
    assert report.classes["town"] == {'"Delft"': 69, '"Faenza"': 41, '"Meissen"': 40}


def test_a_value_that_is_an_iri_of_unknown_is_said_too() -> None:
    def with_makers() -> list[Quad]:
        makers = [NamedNode(f"{BASE}maker/{name}") for name in ("unknown", "ada", "bo", "cy")]
        return [*literal_pots(), *(Quad(pot(n), term("maker"), makers[n % 4], GRAPH) for n in range(150))]

    said = tomllib.loads(drafted(quads=iter(with_makers())).toml())

    assert said["properties"]["maker"]["unknown"] == ["maker:unknown"]
