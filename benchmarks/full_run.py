"""One whole run over every gap of the silk graph, on each kind of store: the same answers, facts untouched.

    python benchmarks/full_run.py [--model DIR] [--data DIR] [--objects N] [--stores memory disk oxigraph virtuoso]

The model is a folder that `enrich train` wrote; without one, a tabular model is trained on the records that
state a value. --objects N asks a made museum of N objects instead of the silk graph, as do missing data. Exits 1 when two stores disagree or a fact changed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from _data import FOLDER

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enrich.answering import run as pipeline
from enrich.demo.museum import write_museum
from enrich.graph.loading import load_file
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from ontology.queries import named_query
from tests import servers


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--objects", type=int, help="of a made museum, instead of the data")
    parser.add_argument("--limit", type=int, help="records, at most")
    parser.add_argument("--stores", nargs="+", default=["memory", "disk", "oxigraph", "virtuoso"])
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="enrich-run-") as made:
        return compare(args, source(args, Path(made)))


@dataclass(frozen=True)
class Source:
    """A file of records, the profile that reads it, and the model that answers it."""

    records: Path
    profile: str
    model: Path


def source(args: argparse.Namespace, folder: Path) -> Source:
    """The silk graph, or a made museum; and the model given, or one trained on it."""
    records, profile = args.data / "silknow" / "records.nq.gz", "silknow"
    if args.objects or not records.is_file():
        write_museum(folder, args.objects or 500, 0)
        records, profile = folder / "records.nq", "linked-art"
    if args.model is None:
        with Workspace(Settings(profile=profile), open_store()) as workspace:
            load_file(workspace.store, records)
            train(workspace, None, folder / "model", modalities=("tabular",))
    return Source(records, profile, args.model or folder / "model")


def compare(args: argparse.Namespace, source: Source) -> int:
    """Run on each kind of store, and tell whether all answered alike."""
    told: dict[str, str] = {}
    print("| store | load, s | run, s | records | predicted | abstained | failed | answers | facts |")
    print("|---|---|---|---|---|---|---|---|---|")
    whole = True
    for kind in args.stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="enrich-run-")))
            row = run_on(kind, folder, source, args.limit, stack)
        told[kind] = row["answers"]
        same = row["answers"] == told[args.stores[0]]
        whole = whole and same and row["facts"]
        print(
            f"| {kind} | {row['load']:.1f} | {row['run']:.1f} | {row['records']:,} | {row['predicted']:,} "
            f"| {row['abstained']:,} | {row['failed']:,} | {'the same' if same else 'OTHERS'} "
            f"| {'untouched' if row['facts'] else 'CHANGED'} |",
            flush=True,
        )
    return 0 if whole else 1


def run_on(kind: str, folder: Path, source: Source, limit: int | None, stack: ExitStack) -> dict[str, Any]:
    """Load, run, and digest what the store then holds."""
    store = opened(kind, folder, stack)
    began = time.perf_counter()
    load_file(store, source.records)
    loaded = time.perf_counter()
    workspace = Workspace(Settings(profile=source.profile), store)
    before = facts(workspace)
    started = time.perf_counter()
    summary = pipeline.run(workspace, source.model, limit=limit)
    ended = time.perf_counter()
    return {
        **asdict(summary),
        "load": loaded - began,
        "run": ended - started,
        "answers": answers(workspace),
        "facts": facts(workspace) == before,
    }


def opened(kind: str, folder: Path, stack: ExitStack) -> Any:
    """An empty store of this kind, its server started when it needs one."""
    if kind in ("memory", "disk"):
        return stack.enter_context(open_store(path=folder / "store" if kind == "disk" else None))
    server = {"oxigraph": servers.oxigraph, "virtuoso": servers.virtuoso}[kind]
    return stack.enter_context(open_store(**asdict(stack.enter_context(server(folder / "store")))))


def answers(workspace: Any) -> str:
    """A digest of all candidates, their probabilities and outcomes, the run's name left out."""
    query = named_query("candidates").bind(runs=workspace.names.runs, reviews=workspace.names.reviews)
    lines = sorted(
        "\t".join([*(t.value for t in row[:4]), f"{float(row[4].value):.6f}", row[5].value])
        for row in workspace.store.select_by_key(query, "record")
    )
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def facts(workspace: Any) -> str:
    """A digest of the fact graphs' statements, sorted: stores give them in no order."""
    digest = hashlib.sha256()
    for graph in workspace.reader.graphs:
        target = io.BytesIO()
        workspace.store.dump(target, graph)
        digest.update(b"\n".join(sorted(target.getvalue().splitlines())))
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main())
