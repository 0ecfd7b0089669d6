"""The published predictions are read whole: each statement once, the plain facts beside them left out."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.runs.export.published import read_published
from ontology.terms import ECRM
from tests.ontology.pattern import museum_data

HEAD = """
@prefix ecrm: <http://erlangen-crm.org/current/> .
@prefix prov: <http://www.w3.org/ns/prov#> .
@prefix rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#> .
@prefix silk: <http://data.silknow.org/ontology/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
BLOCK = """
<https://d.org/statement/{n}> a rdf:Statement ;
    silk:L18 "{score}"^^xsd:float ;
    rdf:object {value} ;
    rdf:predicate ecrm:P32_used_general_technique ;
    rdf:subject <https://d.org/production/{node}> ;
    prov:wasGeneratedBy <https://d.org/activity/{n}> .

<https://d.org/activity/{n}> a prov:Activity ;
    prov:atTime "2021-05-21T00:00:00"^^xsd:dateTime ;
    prov:used <https://d.org/picture/{n}.jpg> ;
    prov:wasAssociatedWith <https://d.org/actor/cnn/> .

<https://d.org/actor/cnn/> a prov:SoftwareAgent ;
    ecrm:P70_documents "Predictions made using a CNN." .

<https://d.org/production/{node}> ecrm:P32_used_general_technique {value} .
"""


def dump(folder: Path, *blocks: tuple[int, int, str, str]) -> Path:
    file = folder / "dump.ttl"
    texts = [
        HEAD + BLOCK.format(n=n, node=node, value=value, score=score) for n, node, value, score in blocks
    ]
    file.write_text("".join(texts), encoding="utf-8")
    return file


def test_a_statement_is_read_with_its_activity(tmp_path: Path) -> None:
    report, (statement,) = read_published(dump(tmp_path, (1, 7, "<https://d.org/87>", "0.8721")))

    assert statement.statement == NamedNode("https://d.org/statement/1")
    assert statement.node == NamedNode("https://d.org/production/7")
    assert statement.predicate == ECRM.P32_used_general_technique
    assert statement.value == NamedNode("https://d.org/87")
    assert statement.score == Decimal("0.8721")
    assert statement.used == NamedNode("https://d.org/picture/1.jpg")
    assert statement.time == "2021-05-21T00:00:00"
    assert report.agents == {"https://d.org/actor/cnn/": "Predictions made using a CNN."}
    assert (report.statements, report.plain, report.plain_alone, report.several) == (1, 1, 0, 0)


def test_repeats_are_merged_and_conflicts_are_counted(tmp_path: Path) -> None:
    one, other = (1, 7, "<https://d.org/87>", "0.9"), (2, 7, "<https://d.org/379>", "0.6")

    report, statements = read_published(dump(tmp_path, one, one, other, one))

    assert len(statements) == 2
    assert report.several == 1
    assert report.account.duplicates == 3 + 3 + 2 * 1 + 1


def test_a_relative_iri_is_repaired_or_costs_its_statement(tmp_path: Path) -> None:
    file = dump(tmp_path, (1, 7, "<other_technique>", "0.9"), (2, 8, "<https://d.org/379>", "0.6"))

    report, repaired = read_published(file)
    strict, kept = read_published(file, repair=False)

    assert [s.value.value for s in repaired] == [
        "http://data.silknow.org/vocabulary/facet/other_technique",
        "https://d.org/379",
    ]
    assert dict(report.account.repaired) == {"other_technique": 2}
    assert [s.value.value for s in kept] == ["https://d.org/379"]
    assert sum(strict.account.dropped.values()) == 2


@pytest.mark.parametrize("score", ["1.5", "-1", "much", "NaN"])
def test_a_score_that_is_none_makes_a_statement_incomplete(tmp_path: Path, score: str) -> None:
    report, statements = read_published(dump(tmp_path, (1, 7, "<https://d.org/87>", score)))

    assert statements == []
    assert dict(report.incomplete) == {"no score": 1}
    assert report.to_json()["incomplete"] == {"no score": 1}


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    packed = tmp_path / "dump.ttl.gz"
    packed.write_bytes(b"not packed")
    for file in (packed, tmp_path / "nonesuch.ttl"):
        with pytest.raises(InputError, match="cannot read"):
            read_published(file)


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "statements", "torn", "several", "repaired"),
    [
        ("image_technique", 20700, 2, 1786, {"other_technique": 3610, "resist_dyeing": 955}),
        ("xgboost_technique", 8873, 1, 725, {"other_technique": 4936}),
        ("xgboost_time", 918, 0, 0, {}),
    ],
)
def test_the_published_dumps(
    name: str, statements: int, torn: int, several: int, repaired: dict[str, int]
) -> None:
    report, found = read_published(museum_data(f"silknow/published/{name}.ttl.gz"))

    assert len(found) == report.statements == statements
    assert (report.several, dict(report.account.repaired)) == (several, repaired)
    assert dict(report.incomplete) == ({"more than one subject": torn} if torn else {})
    assert not report.account.dropped
