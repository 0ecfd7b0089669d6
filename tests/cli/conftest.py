"""A museum for the verbs."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from enrich.cli import main
from enrich.demo.museum import write_museum
from enrich.demo.objects import made_objects

RECORDS = 120
MISSING = Counter(name for made in made_objects(RECORDS) for name in made.missing)
"""Gaps by property."""

Enrich = Callable[..., str]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A loaded museum with a model of class priors in the place that enrich.toml names; the current folder."""
    folder = tmp_path_factory.mktemp("museum")
    write_museum(folder, RECORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("ENRICH_CONFIG", raising=False)
        patch.setenv("ENRICH_TRAIN__MODALITIES", "dummy")
        assert main(["init", ".", "--profile", "linked-art"]) == 0
        with (folder / "enrich.toml").open("a") as settings:
            settings.write("thresholds = { place = 0.0, material = 0.0 }\n")
        assert main(["load", "records.nq", "vocabulary.nq"]) == 0
        assert main(["train", "--splits", "splits.tsv"]) == 0
        yield folder


@pytest.fixture
def succeeds(capsys: pytest.CaptureFixture[str]) -> Enrich:
    """Run a verb that succeeds; its stdout."""

    def run(*arguments: object) -> str:
        capsys.readouterr()
        code = main(list(map(str, arguments)))
        said = capsys.readouterr()
        assert code == 0, said.err
        return said.out

    return run


@pytest.fixture
def enrich(folder: Path, succeeds: Enrich) -> Enrich:  # noqa: ARG001
    """Run a verb that succeeds, in the museum; its stdout."""
    return succeeds


@pytest.fixture
def run_iri(enrich: Enrich) -> Iterator[str]:
    """A run over all gaps, taken back afterwards."""
    summary = json.loads(enrich("run", "--model", "model", "--json"))
    yield summary["run"]
    enrich("retract", summary["run"], "--yes")


def table(text: str) -> list[dict[str, str]]:
    """The rows of a csv."""
    return list(csv.DictReader(io.StringIO(text)))
