"""`enrich train --reviews` at a terminal."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from enrich.cli import main


def test_training_with_reviews_says_what_they_taught_and_what_they_change(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given answers that a curator judged in a table, when the museum trains with reviews, then it is told what they
    taught; with none there is nothing to train with."""
    assert main(["train", "--reviews", "--model", "second"]) == 2
    assert "no review says that a value is right or wrong" in capsys.readouterr().err
    assert main(["run"]) == 0
    assert main(["review", "export", "judge.csv", "--property", "place"]) == 0
    heads, *lines = (folder / "judge.csv").read_text("utf-8").splitlines()
    at = heads.split(",").index("decision")
    judged = [
        ",".join([*cells[:at], ("accept", "reject")[i % 2], *cells[at + 1 :]])
        for i, cells in enumerate(line.split(",") for line in lines)
    ]
    (folder / "judge.csv").write_text("\n".join([heads, *judged]) + "\n", "utf-8")
    assert main(["review", "import", "judge.csv", "--by", "Ana Ruiz"]) == 0
    capsys.readouterr()

    assert main(["train", "--splits", "splits.tsv", "--reviews", "--model", "second"]) == 0
    said = capsys.readouterr().err
    assert "turned down taught; 0 records, reviewed at random, were held out" in said
    assert "dummy cannot learn from values that were turned down" in said

    assert main(["train", "--reviews", "--no-compare", "--model", "third", "--json"]) == 0
    reviews = json.loads(capsys.readouterr().out)["reviews"]
    assert reviews["labels from reviews"] > 0
    assert main(["train", "--no-compare", "--model", "fourth"]) == 2
    assert "--no-compare goes with --reviews" in capsys.readouterr().err
