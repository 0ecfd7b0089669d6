"""What every study has: its files, its table, its records, and what it refuses."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from playwright.sync_api import Browser

from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import InputError
from enrich.learn.plots import Panel
from enrich.studies.study import Study, first_candidates, fit, gather
from tests.browser import DESK, PHONE, faults_at, faults_in_print
from tests.classifiers.museum import PROPERTIES
from tests.learn.test_training import FakeWorkspace, write_splits
from tests.studies.material import material
from tests.two_modalities import FAST, told

PANELS = [
    Panel("lines", "x", "y", {"a": [(0.0, 0.5, 0.4, 0.6), (1.0, 0.7, 0.6, 0.8)], "b": []}),
    Panel("bars", "y", "", {"a": [("one", 0.5, 0.4, 0.6), ("two", float("nan"), 0.0, 0.0)]}),
]


def made() -> Study:
    rows = [("a|b", 1, 0.12345), ("c", None, float("nan"))]
    return Study("made", "Why?", ("what", "records", "figure"), rows, "So.", {"seed": 0}, PANELS)


def test_it_writes_json_a_table_and_a_small_picture(tmp_path: Path) -> None:
    paths = made().write(tmp_path / "new" / "folder")
    assert [p.name for p in paths] == ["made.json", "made.html", "made.md", "made.png"]
    data = json.loads(paths[0].read_text())
    assert data["table"][0] == {"what": "a|b", "records": 1, "figure": 0.12345}
    assert data["table"][1]["figure"] is None
    assert data["conclusion"] in paths[2].read_text()
    assert paths[3].read_bytes().startswith(b"\x89PNG")
    assert paths[3].stat().st_size < 100_000


def test_its_page_begins_with_the_question_and_the_conclusion_and_fits(
    tmp_path: Path, browser: Browser
) -> None:
    rows = [(f"<b>setting {i}</b> with a long name", 1000 * i, *[0.12345] * 9) for i in range(30)]
    columns = ("what", "records", *(f"a figure of {i}" for i in range(8)), "ECE")
    setting = {
        "profile": "made-up",
        "data": "train sha256 " + "0a" * 32,
        "classes": {"place": ["one", "two"]},
    }
    study = Study("made", "Why?", columns, rows, "So.", setting, PANELS)
    page = study.write(tmp_path)[1]
    text = page.read_text()
    assert re.search(r"<title>Why\? made-up, \d{4}-\d\d-\d\d</title>", text)
    assert '<p class="verdict">So.</p>' in text
    assert "<dt>place</dt><dd>one, two</dd>" in text
    assert "<b>" not in text
    assert '<a href="#is-ece">ECE</a>' in text
    assert all(f'id="{anchor}"' in text for anchor in re.findall(r'href="#(.*?)"', text))
    for width in (PHONE, DESK):
        assert faults_at(browser, page, width) == []
    assert faults_in_print(browser, page) == []


def test_material_is_read_by_the_splits_and_drawn_for_the_seed(tmp_path: Path) -> None:
    records = told(200)
    workspace: Any = FakeWorkspace(records)
    splits = write_splits(tmp_path, records, dev=80)
    whole = gather(workspace, splits)
    assert [r.id for r in whole.train.records] == [r.id for r in records[80:]]
    assert [r.id for r in whole.held_out] == [r.id for r in records[:80]]
    some = gather(workspace, splits, records=50, seed=3)
    assert len(some.train) == 50
    assert some.train.records == gather(workspace, splits, records=50, seed=3).train.records
    assert not {r.id for r in some.train.records} & {r.id for r in some.held_out}
    assert some.setting()["train records"] == 50
    assert some.setting()["profile"] == "made-up"
    assert some.setting()["data"] != whole.setting()["data"]


def test_a_split_without_records_is_a_sentence(tmp_path: Path) -> None:
    workspace: Any = FakeWorkspace([])
    splits = write_splits(tmp_path, told(30), dev=10)
    with pytest.raises(InputError, match="no record in the split 'test'"):
        gather(workspace, splits, "test")
    with pytest.raises(InputError, match=r"none of the 20 records asked for, .* is in the graph"):
        gather(workspace, splits)


def test_only_some_rows_are_counted() -> None:
    held = material(60, 40)
    first = first_candidates(fit(MemberSpec("tabular", FAST), held.train, 0), held.held_out, held.train)
    rows = np.arange(40) < 20
    inside = held.scored(first, rows)
    assert set(inside) == {p.name for p in PROPERTIES}
    assert all(s.rows.max() < 20 for s in inside.values())
    assert held.scored(first, np.zeros(40, dtype=bool)) == {}
