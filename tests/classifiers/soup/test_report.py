"""What a report gives out: the numbers keep the former name of candidates beside the new one."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser

from enrich.classifiers.soup.report import (
    analysis_verdict,
    comparison_verdict,
    numbers_json,
    write_comparison,
)
from tests.browser import DESK, PHONE, faults_at, faults_in_print


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
        "data": "scoring pictures, sha256 0a",
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
    assert re.search(r"<title>A comparison, label &lt;b&gt;, \d{4}-\d\d-\d\d</title>", text)
    assert "label &lt;b&gt;" in text
    assert "1,234 parameters, 2 seeds" in text
    assert "0.800 [0.700, 0.900]" in text
    assert "2 of 2" in text
    assert text.count("data:image/png;base64,") == 1
    written = json.loads((tmp_path / "report" / "numbers.json").read_text(encoding="utf-8"))
    assert written["networks"]["test_resnet"]["candidates"]["greedy"]["against_best"]["p"] == 0.04


def test_the_verdict_of_a_comparison_is_its_first_sentence(tmp_path: Path) -> None:
    # The interval of the gain touches zero: nothing is clear.
    text = write_comparison(comparison(), tmp_path).read_text(encoding="utf-8")
    assert (
        '<p class="verdict">In no network is a soup clearly better than the best member; the most is' in text
    )
    clear = comparison()
    clear["networks"]["test_resnet"]["candidates"]["greedy"]["against_best"]["difference"] = [0.1, 0.02, 0.2]
    assert comparison_verdict(clear) == (
        "A soup is clearly better than the best member of its network: test_resnet, greedy, "
        "by 0.100 [0.020, 0.200] in accuracy."
    )


@pytest.mark.parametrize(
    ("gain", "said"),
    [
        ([0.05, 0.01, 0.09], "A soup helps"),
        ([0.0, -0.01, 0.01], "a soup differs by nothing that is clear"),
        ([-0.05, -0.09, -0.01], "a soup is clearly worse"),
    ],
)
def test_the_verdict_of_an_analysis_is_on_the_soup_that_was_chosen_without_the_scoring_pictures(
    gain: list[float], said: str
) -> None:
    def made(name: str, selection: float, against: list[float] | None) -> dict[str, Any]:
        return {
            "name": name, "members": ["a", "b"], "scoring": {"accuracy": 0.75}, "against_best": against,
            "selection": {"loss": selection},
        }  # fmt: skip

    candidates = [
        made("best member", 0.5, None),
        made("greedy", 0.4, gain),
        made("uniform", 0.9, [0.2, 0.1, 0.3]),
    ]
    verdict = analysis_verdict({"metric": "loss", "candidates": candidates})
    assert said in verdict
    assert "greedy, of 2 members" in verdict
    assert "75% of the pictures" in verdict


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_a_comparison_fits_the_screen(tmp_path: Path, browser: Browser, width: int) -> None:
    assert faults_at(browser, write_comparison(comparison(), tmp_path), width) == []


def test_a_comparison_is_whole_on_paper(tmp_path: Path, browser: Browser) -> None:
    assert faults_in_print(browser, write_comparison(comparison(), tmp_path)) == []
