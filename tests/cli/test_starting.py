"""Fast to start: what a verb costs before its work begins, on a museum with a model of real classifiers."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from enrich.cli import main
from enrich.demo.configuration import write_settings
from enrich.demo.museum import write_museum
from enrich.demo.objects import made_objects
from tests.test_imports import children_cpu

RECORDS = 200
FIRST = f"https://museum.example.org/object/{next(made_objects(1)).id}"
BUSY = 1.5
"""How much more of the processor the same work takes where others keep it busy, at most."""
BUDGETS = {
    "gaps": 1.0,
    "runs": 1.0,
    "jobs": 1.0,
    "models": 1.0,
    f"show {FIRST}": 1.0,
    "query": 1.0,
    "query predictions --format csv": 1.0,
    "query predictions --format table": 1.0,
    "run": 1.5,
    "profile check": 2.0,
}
"""Seconds of CPU."""
HEAVY = (
    "torch",
    "xgboost",
    "sklearn",
    "scipy",
    "matplotlib",
    "transformers",
    "onnxruntime",
    "celery",
    "jinja2",
    "edtf",
)


@pytest.fixture(scope="module")
def museum(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A museum whose gaps are all answered, by trees over words and known values, quickly grown."""
    folder = tmp_path_factory.mktemp("museum")
    write_museum(folder, RECORDS)
    settings = write_settings(folder, pictures=False)
    quick = "folds = 2\n\n[train.options.tabular]\nrounds = 6\n"
    settings.write_text(settings.read_text().replace("\n[train.options.tabular]\n", quick))
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        for words in (["load", "records.nq", "vocabulary.nq"], ["train"], ["run"]):
            assert main(words) == 0
        yield folder


@pytest.mark.parametrize("words", BUDGETS)
def test_a_question_takes_little_of_the_processor(museum: Path, words: str) -> None:
    command = [sys.executable, "-m", "enrich", *words.split()]
    assert min(children_cpu(command, museum) for _ in range(3)) < BUSY * BUDGETS[words]


@pytest.mark.parametrize("words", BUDGETS)
def test_a_question_loads_nothing_that_learns(museum: Path, words: str) -> None:
    """Given answers to every gap, when something is asked, or a run finds nothing to do, then no library is loaded
    that only a model in use needs, or a report."""
    code = (
        f"import sys\nfrom enrich.cli import main\nassert main({words.split()!r}) == 0\n"
        f"print('loaded:', *(m for m in {HEAVY!r} if m in sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, cwd=museum
    )
    assert done.stdout.splitlines()[-1] == "loaded:"
