"""The benchmarks on photographs, on a few made pictures where the photographs are not there."""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = [pytest.mark.timeout(900), pytest.mark.slow]
ROOT = Path(__file__).resolve().parents[2]


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


def run(script: str, data: Path, *arguments: object) -> str:
    environment = {**os.environ, "ENRICH_DATA": str(data), "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"}
    command = [sys.executable, str(ROOT / "benchmarks" / script), *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=850, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_study_of_soups_runs_to_its_end(data: Path, tmp_path: Path) -> None:
    small = ["--epochs", 2, "--constant-epochs", 1, "--seeds", 0, "--parts", "one", "constant"]
    said = run("soup.py", data, "--work", tmp_path / "w", "--figures", tmp_path / "figures", *small)
    assert "66 pictures to learn, 12 to select, 12 to score" in said
    for part in ("one", "constant"):
        assert f"## {part}:" in said
        assert list((tmp_path / "figures").glob(f"soup-{part}*.png"))


def test_pretraining_is_compared_and_what_is_there_is_not_done_again(data: Path, tmp_path: Path) -> None:
    small = [
        "--backbone",
        "test_resnet",
        "--size",
        24,
        "--pretrain",
        1,
        "--few",
        1,
        "--all",
        1,
        "--seeds",
        0,
        1,
    ]
    told = ["--work", tmp_path, *small]
    said = run("pretraining.py", data, *told)
    assert "SimSiam from random weights: 66 pictures, 1 epochs" in said
    table = [line.split(" | ") for line in said.splitlines() if line.startswith("| ")][1:]
    assert [(row[0], row[1]) for row in table] == [
        (f"| {name}", labels)
        for labels in ("6", "66")
        for name in ("random weights", "SimSiam from random weights")
    ]
    assert [" to " in row[2] for row in table] == [True, True, False, False]
    kept = {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}
    assert run("pretraining.py", data, *told).splitlines()[-6:] == said.splitlines()[-6:]
    assert kept == {file: file.stat().st_mtime_ns for file in tmp_path.rglob("*") if file.is_file()}


def test_the_image_classifier_is_trained_from_scratch(data: Path, tmp_path: Path) -> None:
    said = run("architecture.py", data, "--epochs", 1, "--figure", tmp_path / "a.png")
    assert "dev, 24 records: accuracy" in said
    assert (tmp_path / "a.png").is_file()
