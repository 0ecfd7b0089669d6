"""A museum for the verbs."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from enrich.cli import main
from enrich.demo.museum import write_museum

RECORDS = 120


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A loaded museum with a model of class priors in the place that enrich.toml names; the current folder."""
    folder = tmp_path_factory.mktemp("museum")
    write_museum(folder, RECORDS)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("ENRICH_CONFIG", raising=False)
        patch.setenv("ENRICH_TRAIN__MODALITIES", "dummy")
        patch.setenv("ENRICH_DECISION__THRESHOLDS", '{"place": 0.0, "material": 0.0}')
        assert main(["init", ".", "--profile", "linked-art"]) == 0
        assert main(["load", "records.nq", "vocabulary.nq"]) == 0
        assert main(["train", "--splits", "splits.tsv"]) == 0
        yield folder
