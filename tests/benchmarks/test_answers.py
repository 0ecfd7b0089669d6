"""The benchmarks of answers and of months measure what they say, at a small size."""

from __future__ import annotations

import json
import re
from pathlib import Path

from benchmarks.__main__ import run_small
from tests.warm import python


def test_an_answer_of_three_modalities_is_at_most_sixty_quads_with_its_evidence(tmp_path: Path) -> None:
    told = run_small("answers", tmp_path).stdout

    assert float(re.findall(r"\n\| ([\d.]+) \|", told)[0]) < 60


def test_a_few_nights_and_models_are_measured_both_ways(tmp_path: Path) -> None:
    out, picture = tmp_path / "months.json", tmp_path / "months.png"

    assert run_small("months", tmp_path, python(), "--out", str(out), "--plot", str(picture)).returncode == 0

    found = json.loads(out.read_text())
    assert {way: len(rows) for way, rows in found.items()} == {"kept": 4, "pruned": 4}
    kept, pruned = ([(r["current_rows"], r["answers"]) for r in found[way]] for way in ("kept", "pruned"))
    assert kept == pruned
    assert found["pruned"][1]["quads"] < found["kept"][1]["quads"]
    assert picture.stat().st_size > 1_000
