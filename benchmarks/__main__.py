"""Runs the benchmarks at their small sizes, each in a folder of its own: whether they still run, in a few minutes.

    python -m benchmarks [NAME ...]

What a benchmark measures in earnest, its own help says: python benchmarks/NAME.py --help.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HERE = Path(__file__).resolve().parent
SMALL: dict[str, tuple[str, ...]] = {
    "answers": ("--records", "40"),
    "months": ("--nights", "2", "--models", "2"),
    "architecture": ("--pictures", "40", "--epochs", "1", "--backbone", "test_resnet", "--figure", "out.png"),
    "collections_text": ("--records", "300"),
    "end_to_end": (
        "--objects", "130", "--rounds", "1", "--drawn", "4", "--size", "320", "240", "--members", "image",
        "--backbone", "test_resnet",
    ),
    "explorer": ("--sizes", "400", "800", "--straight", "400", "--sparql", "400", "--rounds", "3"),
    "full_run": ("--objects", "200", "--stores", "memory", "disk"),
    "graph_side": ("--sizes", "300", "--write", "50", "--naive", "300", "--stores", "embedded"),
    "inference": (
        "--records", "2", "--backbone", "test_resnet", "--rounds", "1", "--size", "320", "240",
        "--threads", "1",
    ),
    "soup": (
        "--pictures", "60", "--epochs", "3", "--seeds", "0", "--parts", "one", "--figures", "figures",
    ),
    "observed": ("--objects", "1000", "--seeds", "4", "--cards", "60", "--text-only"),
    "peers": ("--problems", "silk", "--records", "150", "--tries", "1", "--rounds", "20"),
    "promise": ("--sets", "silk", "--kinds", "group", "split", "--records", "400", "--least", "30", "--plain"),
    "pretraining": (
        "--work", "work", "--size", "24", "--pictures", "60", "--pretrain", "1", "--few", "1", "--all", "1", "--seeds", "0",
    ),
    "review_import": ("--rows", "10", "40", "--rounds", "1"),
    "tabular": ("--records", "200", "--tries", "1", "--out", "out.json"),
    "thresholds": ("--draws", "3", "--answers", "300"),
    "validation": ("--records", "20"),
    "workers": ("gaps", "--gaps", "200", "--processes", "1"),
}  # fmt: skip
"""The arguments of each benchmark that make it small."""


def run_small(
    name: str, folder: Path, python: tuple[str, ...] = (sys.executable,), *more: str, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run one benchmark in a folder, with some arguments and variables more; what it said."""
    path = os.pathsep.join([str(HERE.parent), *filter(None, [os.environ.get("PYTHONPATH")])])
    return subprocess.run(
        [*python, str(HERE / f"{name}.py"), *SMALL[name], *more],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": path, **environment},
        capture_output=True,
        text=True,
        check=False,
    )


def main() -> int:
    """Run those that are named, or all; 1 when one fails."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of: {', '.join(SMALL)}")
    failed = 0
    for name in parser.parse_args().names or SMALL:
        print(f"== benchmarks/{name}.py {' '.join(SMALL[name])}", flush=True)
        began = time.monotonic()
        with tempfile.TemporaryDirectory(prefix="enrich-bench-") as folder:
            done = run_small(name, Path(folder))
        print(done.stdout, end="")
        if done.returncode:
            failed += 1
            print(done.stderr[-2000:], file=sys.stderr)
        print(
            f"   {'failed' if done.returncode else 'well'} after {time.monotonic() - began:.0f} s", flush=True
        )
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
