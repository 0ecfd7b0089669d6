"""The benchmarks on photographs, on a few made pictures where the photographs are not there."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from benchmarks.__main__ import run_small
from tests.warm import python

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two kinds of pictures of 64 pixels, as the archive of the photographs has them."""
    folder = tmp_path_factory.mktemp("data")
    (folder / "architecture").mkdir()
    random = np.random.default_rng(0)
    lines, files = ["file,label,split"], {}
    for i in range(90):
        kind = ("dome", "vault")[i % 2]
        pixels = random.integers(0, 128, (64, 64, 3), dtype=np.uint8)
        pixels[16:48, 16:48, i % 2] += 100
        drawn = io.BytesIO()
        Image.fromarray(pixels).save(drawn, "PNG")
        files[f"{kind}/{i}.png"] = drawn.getvalue()
        lines.append(f"{kind}/{i}.png,{kind},{'train' if i < 66 else 'dev'}")
    with tarfile.open(folder / "architecture" / "images.tar", "w") as tar:
        for name, content in {"labels.csv": "\n".join(lines).encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return folder


@pytest.fixture
def run(data: Path, tmp_path: Path) -> Callable[..., str]:
    """Run a benchmark at its small size on these pictures, with some arguments more; what it says."""

    def called(name: str, *more: object) -> str:
        done = run_small(name, tmp_path, python(), *map(str, more), ENRICH_DATA=str(data))
        assert done.returncode == 0, done.stderr
        return done.stdout

    return called


def test_the_study_of_soups_runs_to_its_end(run: Callable[..., str], tmp_path: Path) -> None:
    said = run("soup", "--work", "w", "--constant-epochs", 1, "--parts", "one", "constant")
    assert "60 pictures to learn, 12 to select, 12 to score" in said
    for part in ("one", "constant"):
        assert f"## {part}:" in said
        assert list((tmp_path / "figures").glob(f"soup-{part}*.png"))


def test_pretraining_is_compared_and_what_is_there_is_not_done_again(
    run: Callable[..., str], tmp_path: Path
) -> None:
    told = ["--backbone", "test_resnet", "--seeds", 0, 1]
    said = run("pretraining", *told)
    assert "SimSiam from random weights: 60 pictures, 1 epochs" in said
    table = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")][1:]
    assert [(row[0], row[1]) for row in table] == [
        (f"| {name}", labels)
        for labels in ("6", "60")
        for name in ("random weights", "SimSiam from random weights")
    ]
    assert [" to " in row[2] for row in table] == [True, True, False, False]
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert run("pretraining", *told).splitlines()[-6:] == said.splitlines()[-6:]
    assert kept == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}


def test_the_image_classifier_is_trained_from_scratch(run: Callable[..., str], tmp_path: Path) -> None:
    said = run("architecture")
    assert "dev, 24 records: accuracy" in said
    assert (tmp_path / "out.png").is_file()
