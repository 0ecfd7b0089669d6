"""The benchmark of what reviews say: on a made museum the interval holds the truth, and the plain mean does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.__main__ import run_small
from tests.warm import python


@pytest.mark.slow
def test_a_curator_who_judges_the_uncertain_first_measures_what_is_true(tmp_path: Path) -> None:
    out = tmp_path / "observed.json"
    more = ["--objects", "1500", "--seeds", "100", "--cards", "200", "400", "--out", str(out)]

    assert run_small("observed", tmp_path, python(), *more).returncode == 0

    for row in json.loads(out.read_text())["rows"]:
        assert row["seeds"] == 100
        assert row["holds"] >= 93
        assert row["naive_holds"] <= 5
        assert abs(row["bias"]) < 0.02
