"""What an operator takes back: by real commands on a museum that several models answered in turn."""

from __future__ import annotations

import json
import shutil
from collections import Counter

import pytest

from enrich.classifiers.model.manifest import write_manifest
from tests.workers.museum import Museum
from tests.workers.small import GAPS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def version(museum: Museum, number: int) -> str:
    """A folder with another version of the model: the same answers under another digest."""
    folder = museum.folder / f"model-{number}"
    shutil.copytree(museum.folder / "model", folder)
    (folder / "README.md").write_text(f"Version {number}.\n")
    write_manifest(folder)
    return folder.name


def current(museum: Museum) -> Counter[str]:
    """How many current answers there are of each run; no gap may have two."""
    told = json.loads(museum.enrich("query", "current", "--format", "json").stdout)["results"]["bindings"]
    rows = [{name: term["value"] for name, term in row.items()} for row in told]
    gaps = [(row["record"], row["property"]) for row in rows]
    assert len(gaps) == len(set(gaps)), "a gap has two current answers"
    return Counter(row["run"] for row in rows)


def test_three_models_in_turn_taken_back_in_any_order(little: Museum) -> None:
    """Given three runs over the same gaps, when the second and then the third is taken back, then each gap has one
    current answer, of the newest that is left, and nothing is open to its model; a finished run is not cancelled, nor is
    a run meant by a few letters; what is pruned, after it was asked for with --yes, does not come back."""
    first, second, third = (
        little.json("run", "--model", version(little, number))["run"] for number in (1, 2, 3)
    )
    assert current(little) == {third: GAPS}
    little.enrich("retract", second, "--keep")
    assert current(little) == {third: GAPS}
    assert little.json("run", "--model", "model-3")["run"] is None, "nothing is open to the newest model"
    little.enrich("retract", third, "--yes")
    assert current(little) == {first: GAPS}
    assert little.json("run", "--model", "model-1")["run"] is None

    for name, words in ((first, "is done already"), ("", "at least 4 letters"), ("2", "at least 4 letters")):
        refused = little.enrich("cancel", name, check=False)
        assert refused.returncode != 0
        assert words in refused.stderr
    assert current(little) == {first: GAPS}

    again = little.json("run", "--model", "model-2")["run"]
    assert current(little) == {again: GAPS}
    assert little.json("prune", "--yes")["answers"] == 0, "nothing is old enough yet"
    assert "say --yes" in little.enrich("prune", "--older-than", "0", check=False).stderr
    assert set(little.json("prune", "--older-than", "0", "--yes")["runs"]) == {first, second}
    assert current(little) == {again: GAPS}
    little.enrich("retract", again, "--yes")
    assert not current(little), "what was pruned cannot come back"
    assert little.json("gaps")["properties"]["place"]["open"] == GAPS
