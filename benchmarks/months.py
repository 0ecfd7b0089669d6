"""A year of nights and eighty models: what a night and a query cost as runs pile up, with and without pruning.

    python benchmarks/months.py --nights 365 --models 80 --out months.json --plot docs/figures/months.png
    python benchmarks/months.py --draw months.json --plot docs/figures/months.png

A made museum with 113 gaps is answered by one model after the other, then some six new gaps a night by the last.
With --steady no object comes: each night the titles of those with some six gaps change, and these are answered anew.
Every run goes through `enrich run`'s own function on an embedded store in memory. Times are of the processor;
requests are calls of the store. Each way is a process of its own.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import deque
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import matplotlib as mpl

mpl.use("Agg")

import matplotlib.pyplot as plt
from _requests import count_requests

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

from enrich.answering import run as pipeline  # noqa: E402
from enrich.classifiers.model.manifest import write_manifest  # noqa: E402
from enrich.demo.museum import graph_iri, object_quads, record_iri  # noqa: E402
from enrich.demo.objects import MadeObject, made_objects  # noqa: E402
from enrich.graph.stores import open_store  # noqa: E402
from enrich.ontology.terms import RDFS  # noqa: E402
from enrich.runs.prune import prune  # noqa: E402
from enrich.settings.loading import Settings  # noqa: E402
from enrich.show.named import run_named  # noqa: E402
from enrich.workspace import Workspace  # noqa: E402
from tests.museums import dummy_model, museum  # noqa: E402

GAPS, A_NIGHT = 113, 6


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--models", type=int, default=80)
    parser.add_argument(
        "--steady", action="store_true", help="titles change, and no objects come: the museum does not grow"
    )
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--plot", type=Path, help="PNG file for the plot")
    parser.add_argument("--draw", type=Path, help="figures of an earlier run, to be drawn again")
    parser.add_argument("--one", choices=("kept", "pruned"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(months(args.nights, args.models, pruned=args.one == "pruned", steady=args.steady)))
        return
    found = (
        json.loads(args.draw.read_text()) if args.draw else both(args.nights, args.models, steady=args.steady)
    )
    print(table(found))
    if args.out:
        args.out.write_text(json.dumps(found) + "\n")
    if args.plot:
        plot(found, args.plot)


def both(nights: int, models: int, *, steady: bool) -> dict[str, list[dict[str, Any]]]:
    """The rows of each way, one a run."""
    command = [sys.executable, __file__, "--nights", str(nights), "--models", str(models)]
    command += [*(["--steady"] if steady else []), "--one"]
    ways = {
        way: subprocess.Popen([*command, way], stdout=subprocess.PIPE, text=True)
        for way in ("kept", "pruned")
    }
    texts = {way: process.communicate()[0] for way, process in ways.items()}
    for way, process in ways.items():
        if process.returncode:
            sys.exit(f"{way}: failed")
    return {way: json.loads(text.splitlines()[-1]) for way, text in texts.items()}


def months(nights: int, models: int, *, pruned: bool, steady: bool) -> list[dict[str, Any]]:
    """One row a run: requests, seconds of processor of the run, of pruning and of two queries, quads in the store."""
    objects = iter(made_objects(10 * (GAPS + A_NIGHT * nights), 7))  # some lack nothing
    with tempfile.TemporaryDirectory() as folder, open_store() as store:
        first = dummy_model(museum(120), Path(folder) / "m0")
        folders = [first, *(version(first, n) for n in range(1, models))]
        workspace = Workspace(Settings(profile="linked-art", run={"kept_facts": f"{folder}/facts"}), store)
        here = deque(add(workspace, objects, GAPS))
        rows = []
        for number in range(models + nights):
            if number >= models:
                if steady:
                    retitle(workspace, here, number)
                else:
                    add(workspace, objects, A_NIGHT)
            rows.append(one_run(workspace, folders[min(number, models - 1)], pruned=pruned))
            rows[-1]["kind"] = "model" if number < models else "night"
        return rows


def version(model: Path, number: int) -> Path:
    """Another version of a model: the same answers under another digest."""
    folder = model.with_name(f"m{number}")
    shutil.copytree(model, folder)
    (folder / "README.md").write_text(f"Version {number}.\n")
    write_manifest(folder)
    return folder


def add(workspace: Workspace, objects: Iterator[MadeObject], gaps: int) -> list[MadeObject]:
    """Put objects with about so many gaps into the museum, and give them."""
    come = []
    while gaps > 0:
        (made,) = islice(objects, 1)
        gaps -= len(made.missing)
        workspace.store.insert(object_quads(made, pictures=False))
        come.append(made)
    return come


def retitle(workspace: Workspace, here: deque[MadeObject], night: int) -> None:
    """Give the objects that kept their title longest another, until they have about a night's gaps."""
    gaps = A_NIGHT
    while gaps > 0:
        made = here.popleft()
        here.append(made)
        gaps -= len(made.missing)
        title = f"GRAPH {graph_iri(made.keeper.name)} {{ {record_iri(made)} {RDFS.label}"
        workspace.store.update(
            f'DELETE {{ {title} ?t }} }} INSERT {{ {title} "Night {night}" }} }} WHERE {{ {title} ?t }} }}'
        )


def one_run(workspace: Workspace, model: Path, *, pruned: bool) -> dict[str, Any]:
    requests = count_requests(workspace.store)
    row: dict[str, Any] = {}
    with Workspace(workspace.settings, workspace.store) as fresh:
        row["seconds"], done = timed(lambda: pipeline.run(fresh, model))
        row["requests"] = requests()
        row["answers"] = done.predicted + done.abstained
        row["prune"] = (
            timed(lambda: prune(fresh, datetime.now(UTC) + timedelta(days=1), 0))[0] if pruned else 0.0
        )
        for name in ("current", "predictions"):
            row[name], rows = timed(lambda name=name: len(list(run_named(fresh, name).rows)))
            row[f"{name}_rows"] = rows
    row["quads"] = workspace.store.count()
    return row


def timed(work: Any) -> tuple[float, Any]:
    """Seconds of processor that the work took, and what it gave."""
    began = time.process_time()
    given = work()
    return time.process_time() - began, given


def mean(rows: Sequence[dict[str, Any]], key: str) -> float:
    return sum(row[key] for row in rows) / len(rows)


def table(found: dict[str, list[dict[str, Any]]]) -> str:
    """The first and the last ten runs of each kind."""
    lines = [
        "| runs | superseded answers | requests | run, s | prune, s | `current`, s | `predictions`, s | quads |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for kind in ("model", "night"):
        for way, rows in found.items():
            mine = [row for row in rows if row["kind"] == kind]
            for title, some in ((f"first {kind}s", mine[:10]), (f"last {kind}s", mine[-10:])):
                cells = [f"{mean(some, key):.3f}" for key in ("seconds", "prune", "current", "predictions")]
                lines.append(
                    f"| {title} | {way} | {mean(some, 'requests'):.0f} | {' | '.join(cells)} | {mean(some, 'quads'):,.0f} |"
                )
    return "\n".join(lines)


def plot(found: dict[str, list[dict[str, Any]]], file: Path) -> None:
    """Seconds of each run and of the query `current` after it, one line for each way."""
    figure, (above, below) = plt.subplots(2, 1, figsize=(7.5, 5.5), sharex=True)
    for way, rows in found.items():
        above.plot(
            [row["seconds"] + row["prune"] for row in rows], label=f"superseded answers {way}", linewidth=0.9
        )
        below.plot([row["current"] for row in rows], label=f"superseded answers {way}", linewidth=0.9)
    models = sum(row["kind"] == "model" for row in next(iter(found.values())))
    for axes, title in ((above, "a run (and pruning)"), (below, "query current")):
        axes.axvline(models, color="grey", linestyle=":", linewidth=0.8)
        axes.set(ylabel=f"{title}, s", ylim=(0, None))
        axes.legend(fontsize=8)
    below.set_xlabel(
        f"runs: {models} models over {GAPS} gaps each, then nights with about {A_NIGHT} new gaps"
    )
    figure.tight_layout()
    figure.savefig(file, dpi=90)


if __name__ == "__main__":
    main()
