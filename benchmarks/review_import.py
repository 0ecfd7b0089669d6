"""What `enrich review import` takes for a row of a table, with many rows and with few: it should grow with the rows alone.

    python benchmarks/review_import.py [--rows N …] [--rounds N] [--stores disk oxigraph …]

A made museum is answered by a model of class priors that asserts whatever it thinks. Its answers are written as a table, as
`enrich review export` does, and so many rows of it, drawn at random, filled in: accepted, rejected, corrected by name, and cannot
tell. Each round imports the table of each size into a register without reviews, and into one that has them all already, where it
adds nothing. Medians of the seconds, of CPU where the store is in this process, so that others on the machine do not count.
Starting the command is not counted.
"""

from __future__ import annotations

import argparse
import csv
import random
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

from full_run import opened

from enrich.answering import run as pipeline
from enrich.demo.museum import museum_quads, vocabulary_quads
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.ontology.terms import ENR
from enrich.runs.reviewing import Reviewed, Reviewer
from enrich.settings.loading import Settings
from enrich.show.review_table import read_table, write_table
from enrich.workspace import Workspace

WORDS = ("accept", "reject", "undecided", "correct")
PROPERTIES = ("place", "time", "technique", "material")
ANSWERS = 0.75
"""Values that are asserted of an object, a little fewer than there are gaps."""

Row = dict[str, str]
Clock = Callable[[], float]


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--rows", type=int, nargs="+", default=[100, 1_000, 10_000])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--stores", nargs="+", default=["disk"], help="memory, disk, oxigraph, virtuoso")
    args = parser.parse_args()
    print("| store | rows | import, s | a row, ms | beside the fewest | once more, s |")
    print("|---|---|---|---|---|---|")
    for kind in args.stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="enrich-import-")))
            workspace = answered(kind, folder, max(args.rows), stack)
            first = None
            clock = time.process_time if kind in ("memory", "disk") else time.perf_counter
            for size, spent, again in measured(workspace, folder, args.rows, args.rounds, clock):
                first = first or spent / size
                print(
                    f"| {kind} | {size:,} | {spent:.2f} | {1000 * spent / size:.2f} | {spent / size / first:.2f} "
                    f"| {again:.2f} |",
                    flush=True,
                )


def answered(kind: str, folder: Path, values: int, stack: ExitStack) -> Workspace:
    """A made museum in which so many values at least are current."""
    store = stack.enter_context(open_store(**opened(kind, folder, stack)))
    store.insert(museum_quads(int(values / ANSWERS) + 20))
    store.insert(vocabulary_quads())
    settings = Settings(profile="linked-art", decision={"thresholds": dict.fromkeys(PROPERTIES, 0.0)})  # type: ignore[arg-type]
    workspace = Workspace(settings, store)
    train(workspace, None, folder / "model", modalities=("dummy",))
    pipeline.run(workspace, folder / "model")
    return workspace


def measured(
    workspace: Workspace, folder: Path, sizes: list[int], rounds: int, clock: Clock
) -> list[tuple[int, float, float]]:
    """For each size the seconds of an import, and of the same once more."""
    write_table(workspace, folder / "all.csv", {"state": ENR.Pending})
    with (folder / "all.csv").open(encoding="utf-8", newline="") as file:
        rows = list({(row["record"], row["property"]): row for row in csv.DictReader(file)}.values())
    if len(rows) < max(sizes):
        sys.exit(f"{len(rows):,} values are current: too few for {max(sizes):,} rows")
    spent: dict[int, list[tuple[float, float]]] = {size: [] for size in sizes}
    for number in range(rounds + 1):
        for size in sizes if number else [min(sizes)]:  # a first import warms up
            table = filled(folder / f"{size}.csv", rows, size, random.Random(number))
            for graph in (workspace.names.reviews, workspace.names.verdicts, workspace.names.accepted):
                workspace.store.drop(graph)
            once, done = timed(workspace, table, clock)
            twice, again = timed(workspace, table, clock)
            if len(done.written) != size or again.written or again.unchanged != size:
                sys.exit(f"{len(done.written):,} of {size:,} were written, then {len(again.written):,}")
            if number:
                spent[size].append((once, twice))
    return [
        (size, median(once for once, _ in found), median(twice for _, twice in found))
        for size, found in spent.items()
    ]


def filled(path: Path, rows: list[Row], size: int, dice: random.Random) -> Path:
    """A table with so many rows, each decided; a correction takes the name of another row's value."""
    some = [dict(row) for row in dice.sample(rows, size)]
    called: dict[str, set[str]] = {}
    for row in rows:
        called.setdefault(row["property"], set()).add(row["valueLabel"])
    for number, row in enumerate(some):
        row["decision"] = WORDS[number % len(WORDS)]
        others = sorted(called[row["property"]] - {row["valueLabel"]})
        if row["decision"] == "correct" and others:
            row["right_value"] = dice.choice(others)
        elif row["decision"] == "correct":
            row["decision"] = "reject"
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, some[0].keys())
        writer.writeheader()
        writer.writerows(some)
    return path


def timed(workspace: Workspace, table: Path, clock: Clock) -> tuple[float, Reviewed]:
    """The seconds of an import, and what came of it."""
    began = clock()
    judgements, unread = read_table(workspace, table)
    done = Reviewer(workspace, "Ana Ruiz").write(judgements, datetime.now(UTC))
    spent = clock() - began
    if unread or done.refused:
        sys.exit(f"refused: {[*unread, *done.refused][0]}")
    return spent, done


if __name__ == "__main__":
    main()
