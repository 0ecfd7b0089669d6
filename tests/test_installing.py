"""What is installed: one package under a name of its own, small, and a sentence for whatever an extra would bring."""

from __future__ import annotations

import importlib.metadata
import os
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

from enrich.classifiers.extras import DISTRIBUTION, LIBRARIES, absent, needs
from tests.servers import missing

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
MOST_BYTES = 500_000_000
"""What the core may take on a disk."""


def brought_by(extra: str) -> set[str]:
    """The distributions that an extra asks for, those of other extras that it names among them."""
    found = set()
    for asked in PROJECT["optional-dependencies"][extra]:
        name, _, rest = re.split(r"[<>=;~! ]", asked)[0].partition("[")
        if name == DISTRIBUTION:
            found |= {d for other in rest.rstrip("]").split(",") for d in brought_by(other)}
        else:
            found.add(name)
    return found


@pytest.mark.parametrize("extra", LIBRARIES)
def test_the_libraries_of_an_extra_are_those_of_the_project_file(extra: str) -> None:
    by_module = importlib.metadata.packages_distributions()
    assert {by_module[module][0].lower().replace("_", "-") for module in LIBRARIES[extra]} - {"kombu"} <= {
        name.lower() for name in brought_by(extra)
    }


def test_the_core_asks_for_no_library_of_an_extra() -> None:
    core = {re.split(r"[<>=\[;~! ]", asked)[0] for asked in PROJECT["dependencies"]}
    assert not core & {name for extra in LIBRARIES for name in brought_by(extra)}


def test_what_is_not_installed_is_said_with_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    assert absent("image") is None
    monkeypatch.setitem(sys.modules, "timm", None)
    assert absent("image") == "timm is not installed; install it with: pip install 'museum-enrich[image]'"
    assert (
        needs("torch.nn", "text")
        == "torch is not installed; install it with: pip install 'museum-enrich[text]'"
    )
    assert needs("no_library_of_ours") is None


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with nothing in it but pip."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    return folder


@pytest.fixture(scope="module")
def wheel(empty: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    pip(empty, "wheel", "--no-deps", "--wheel-dir", folder, ROOT)
    return next(folder.glob("*.whl"))


def pip(environment: Path, command: str, *words: str | Path) -> None:
    """Run the pip of an environment. Without an index of packages there is nothing to try."""
    asked = [environment / "bin" / "pip", command, "--quiet", *words]
    done = subprocess.run(asked, capture_output=True, text=True, env=clean(), check=False)
    if done.returncode:
        missing(f"pip {command} cannot be done here: {done.stderr[-300:]}")


def test_a_wheel_claims_one_name_and_holds_all(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {
        "enrich",
        wheel.name.split("-py3")[0] + ".dist-info",
    }
    for folder in ("classifiers", "ontology", "workers"):
        here = {p.relative_to(ROOT).as_posix() for p in (ROOT / folder).rglob("*") if p.is_file()}
        kept = {name for name in here if "__pycache__" not in name}
        assert {f"enrich/{name}" for name in kept} <= set(names)


@pytest.fixture(scope="module")
def core(empty: Path, wheel: Path) -> Path:
    """An environment with the wheel, and nothing that an extra brings."""
    pip(empty, "install", "--no-compile", "--constraint", ROOT / "constraints.txt", wheel)
    return empty


def clean() -> dict[str, str]:
    """The surroundings without those of the tests' own environment."""
    return {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}


@pytest.mark.slow
@pytest.mark.slow
def test_the_core_is_small_and_answers_by_what_it_has(core: Path, tmp_path: Path) -> None:
    """Given the core alone, the demo learns from values and texts, and what is not there is said in a line."""
    libraries = core / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    assert sum(p.stat().st_size for p in libraries.rglob("*") if p.is_file()) < MOST_BYTES

    def enrich(*words: str) -> subprocess.CompletedProcess[str]:
        command = [str(core / "bin" / "enrich"), *words]
        return subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=clean(), check=False)

    made = enrich("demo", "museum", "--records", "200")
    assert made.returncode == 0, made.stderr
    assert "nothing is learnt from pictures: " in made.stderr
    assert re.search(r"records in .* s: \d+ values predicted", " ".join(made.stdout.split()))

    config = ("--config", "museum/enrich.toml")
    for words, extra in (
        (("worker", "--concurrency", "2"), "workers"),
        (("queue", "--model", "museum/model"), "workers"),
        (("soup", "train", "runs", "--seed", "1"), "soup"),
        (("train", "--model", "seeing", "--modality", "image"), "image"),
        (("evaluate", "--model", "museum/model", "--splits", "museum/splits.tsv", "--report", "r"), "report"),
        (("export", "--as", "plain", "out.parquet"), "parquet"),
    ):
        refused = enrich(*config, *words)
        assert refused.returncode in (2, 4), (words, refused)
        assert refused.stderr.count("\n") == 1, refused.stderr
        assert f"pip install 'museum-enrich[{extra}]'" in refused.stderr, words
    assert not (tmp_path / "out.parquet").exists()
