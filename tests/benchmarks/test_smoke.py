"""Every benchmark runs to its end at a small size, or says which data it misses; `make bench` runs the same."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path

import pytest

from benchmarks.__main__ import HERE, SMALL, run_small
from tests.warm import python

HELPERS = {"collections_baselines", "tabular_baselines"}
"""Modules beside the benchmarks that are none themselves."""
ELSEWHERE = {"answers", "architecture", "months", "observed", "pretraining", "soup"}
"""What the tests beside this one run at the same small size, and look at more closely."""


def test_no_benchmark_is_forgotten() -> None:
    found = {path.stem for path in HERE.glob("*.py") if not path.stem.startswith("_")}
    assert found - HELPERS == set(SMALL)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("name", sorted(set(SMALL) - ELSEWHERE))
def test_it_runs_to_its_end_and_says_something(name: str, tmp_path: Path) -> None:
    done = run_small(name, tmp_path, python())
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.strip()
    if done.stdout.startswith("skipped: no "):
        pytest.skip(done.stdout)
    assert len(done.stdout.splitlines()) > 1


@pytest.mark.parametrize("name", ["full_run", "workers"])
def test_its_default_arguments_are_enough(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(HERE)  # they import one another by their bare names
    assert vars(import_module(f"benchmarks.{name}").arguments([]))
