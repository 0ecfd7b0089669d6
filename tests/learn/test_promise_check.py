"""`check-promise`: what is hidden is learnt without as `enrich train` would, and what cannot be is told."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.classifiers.data import Record, Text
from enrich.cli.promise import show_kept
from enrich.learn.promise_check import check_promise
from tests.classifiers.conftest import TEXT
from tests.learn.test_training import PROFILE, FakeWorkspace, property_profile

BASE = "https://weavers.example.org/"
BROADER = NamedNode("http://www.w3.org/2004/02/skos/core#broader")
SATIN, TWILL, WOVEN, LACE = (f"{BASE}{name}" for name in ("satin", "twill", "woven", "lace"))


def cloths(town: str, technique: str, number: int, *, told: bool = False) -> list[Record]:
    """Pieces of one town and technique, which their form gives away; with a text, if it is told."""
    return [
        Record(
            f"{BASE}{town}/{technique.rsplit('/', 1)[1]}-{i}",
            {"technique": (technique,)},
            {"museum": (f"{BASE}{town}",), "form": (f"{BASE}form/{technique == LACE}",)},
            texts=(Text(f"a piece of {technique}"),) if told else (),
        )
        for i in range(number)
    ]


def weavers(records: list[Record], *modalities: str) -> Any:
    """A workspace in which satin and twill are woven, and a class needs ten records."""
    options = {
        "tabular": {"rounds": 5},
        "text": {"back_end": "transformer", **TEXT, "training": {"epochs": 1, "batch": 16}},
    }
    workspace: Any = FakeWorkspace(
        records, folds=2, modalities=modalities, options={m: options[m] for m in modalities}
    )
    workspace.profile = replace(PROFILE, properties=(property_profile("technique", minimum=10),))
    workspace.store.insert(Quad(NamedNode(v), BROADER, NamedNode(WOVEN)) for v in (SATIN, TWILL))
    return workspace


RECORDS = [
    *cloths("Lyon", SATIN, 30),
    *cloths("Como", SATIN, 6),
    *cloths("Como", TWILL, 6),
    *cloths("Como", LACE, 40),
]


def test_a_value_that_hiding_makes_rare_is_learnt_as_its_broader_concept(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Given satin of which Lyon has most, when Lyon's is hidden, then what is left of it is learnt as woven, and Lyon's
    is asked; without Como's there is one technique, of which nothing is learnt, and that is told."""
    found = check_promise(weavers(RECORDS, "tabular"), least=30, blocks=False)
    assert [(k["group"], k["asked"]) for k in found["hidden"]] == [(f"{BASE}Lyon", 30)]
    assert found["hidden"][0]["first_right"] == 1.0
    assert found["not_learned"] == [{"kind": "group", "group": f"{BASE}Como", "property": "technique"}]
    show_kept(found)
    told = capsys.readouterr().err
    assert (
        "not asked, since too little is left to learn from: technique of …/weavers.example.org/Como" in told
    )


def test_without_the_only_texts_the_values_answer() -> None:
    """Given texts in Lyon alone, when its techniques are hidden, then no text teaches, and the values are asked; where
    nothing but texts is asked, it is told that nothing is learnt."""
    records = [
        *cloths("Lyon", SATIN, 20, told=True),
        *cloths("Lyon", LACE, 20, told=True),
        *cloths("Como", SATIN, 15),
        *cloths("Como", LACE, 15),
    ]
    found = check_promise(weavers(records, "tabular", "text"), least=40, blocks=False)
    assert [k["asked"] for k in found["hidden"]] == [40]
    found = check_promise(weavers(records, "text"), least=40, blocks=False)
    assert (found["hidden"], len(found["not_learned"])) == ([], 1)
