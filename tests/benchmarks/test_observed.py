"""The benchmark of what reviews say: on a made museum the interval holds the truth, and the plain mean does not."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.slow
def test_a_curator_who_judges_the_uncertain_first_measures_what_is_true(tmp_path: Path) -> None:
    out = tmp_path / "observed.json"
    asked = ["--objects", "1500", "--text-only", "--cards", "200", "400", "--out", str(out)]

    subprocess.run(
        [sys.executable, "benchmarks/observed.py", *asked], check=True, cwd=ROOT, capture_output=True
    )

    for row in json.loads(out.read_text())["rows"]:
        assert row["seeds"] == 100
        assert row["holds"] >= 93
        assert row["naive_holds"] <= 5
        assert abs(row["bias"]) < 0.02
