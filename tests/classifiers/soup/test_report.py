"""What a report gives out: the numbers keep the former name of candidates beside the new one."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from enrich.classifiers.soup.report import numbers_json, write_comparison


def candidate(accuracy: float, p: float | None) -> dict[str, Any]:
    against = {"difference": [0.1, 0.0, 0.2], "t": 2.0, "p": p, "wins": 2, "seeds": 2}
    return {
        "accuracy": [accuracy, accuracy - 0.1, accuracy + 0.1],
        "accuracy_by_seed": [accuracy, accuracy],
        "members": [1, 2],
        "macro_f1": accuracy,
        "loss": 0.5,
        "ece": 0.1,
        "ece_calibrated": 0.05,
        "against_best": against if p is not None else None,
    }


def comparison() -> dict[str, Any]:
    cost = {"member_flops": 1e6, "soup_flops": 1e6, "vote_flops": 2e6, "member_ms": 1.0}
    network = {
        "parameters": 1234,
        "seeds": [0, 1],
        "checkpoints": [2, 2],
        "training_seconds": [1.0, 2.0],
        "cost": {**cost, "soup_ratio": 1.0, "vote_ratio": 2.0},
        "candidates": {"best member": candidate(0.7, None), "greedy": candidate(0.8, 0.04)},
    }
    pictures = {"learn": 3, "selection": 4, "scoring": 5}
    return {
        "property": "label <b>",
        "metric": "accuracy",
        "pictures": pictures,
        "networks": {"test_resnet": network},
        "against_first": [],
    }


def test_numbers_have_candidates_and_for_one_version_dishes() -> None:
    analysis = numbers_json({"candidates": [{"name": "greedy"}], "metric": "accuracy"})
    assert analysis["dishes"] == analysis["candidates"] == [{"name": "greedy"}]
    compared = numbers_json(comparison())["networks"]["test_resnet"]
    assert compared["dishes"] == compared["candidates"]
    assert "dishes" not in comparison()["networks"]["test_resnet"]


def test_a_comparison_is_one_page_with_its_numbers_beside_it(tmp_path: Path) -> None:
    page = write_comparison(comparison(), tmp_path / "report", "A comparison")
    text = page.read_text(encoding="utf-8")
    assert "<title>A comparison</title>" in text
    assert "label &lt;b&gt;" in text
    assert "1,234 parameters, 2 seeds" in text
    assert "0.800 [0.700, 0.900]" in text
    assert "2 of 2" in text
    assert text.count("data:image/png;base64,") == 1
    written = json.loads((tmp_path / "report" / "numbers.json").read_text(encoding="utf-8"))
    assert written["networks"]["test_resnet"]["candidates"]["greedy"]["against_best"]["p"] == 0.04
