"""One whole run over every gap of the silk graph, by `enrich run` on each kind of store, and by workers on each
that several processes may share: the same answers, candidate by candidate, and the facts untouched. Then a night
with nothing open.

    python benchmarks/full_run.py [--model DIR] [--data DIR] [--objects N] [--stores memory disk served oxigraph virtuoso]
        [--no-workers]

The model is a folder that `enrich train` wrote; without one, a tabular model is trained on the records that
state a value. `served` is a store on disk that another program holds, as `enrich web` does. --objects N asks a
made museum of N objects instead of the silk graph, as do missing data. Exits 1 when two runs disagree or a fact
changed.
"""

from __future__ import annotations

import argparse
import hashlib
import io
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from _data import FOLDER
from _requests import count_requests

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enrich.answering import run as pipeline
from enrich.demo.museum import write_museum
from enrich.graph.loading import load_file
from enrich.graph.stores import open_store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
from enrich.learn.training import train
from enrich.ontology.queries import named_query
from enrich.runs.register import retract
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests import servers
from tests.workers import museum as m

ROOT = Path(__file__).resolve().parent.parent


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--model", type=Path)
    parser.add_argument("--objects", type=int, help="of a made museum, instead of the data")
    parser.add_argument("--limit", type=int, help="records, at most")
    parser.add_argument("--stores", nargs="+", default=["memory", "disk", "served", "oxigraph", "virtuoso"])
    parser.add_argument("--no-workers", dest="workers", action="store_false", help="by enrich run alone")
    return parser.parse_args(given)


def main() -> int:
    args = arguments()
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
    first = None
    print(
        "| store | by | run, s | our processor, s | requests | records | predicted | abstained | failed | answers | facts |"
    )
    print("|---|---|---|---|---|---|---|---|---|---|---|")
    whole = True
    for kind in args.stores:
        with ExitStack() as stack:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="enrich-run-")))
            for row in runs_on(kind, folder, source, args, stack):
                first = first or row["answers"]
                same = row["answers"] == first
                whole = whole and same and row["facts"]
                print(
                    f"| {kind} | {row['by']} | {row['seconds']:.1f} | {row.get('processor', '')} "
                    f"| {row.get('requests', '')} | {row['records']:,} | {row['predicted']:,} "
                    f"| {row['abstained']:,} | {row['failed']:,} | {'the same' if same else 'OTHERS'} "
                    f"| {'untouched' if row['facts'] else 'CHANGED'} |",
                    flush=True,
                )
    return 0 if whole else 1


def runs_on(
    kind: str, folder: Path, source: Source, args: argparse.Namespace, stack: ExitStack
) -> Iterator[dict[str, Any]]:
    """Load, run by each engine, and digest what the store then holds; the first run is taken back before."""
    where = opened(kind, folder, stack)
    store = stack.enter_context(open_store(**where))
    load_file(store, source.records)
    workspace = Workspace(Settings(profile=source.profile, run={"batch": 500}), store)  # type: ignore[arg-type]
    before = facts(workspace)
    done, cost = counted_run(workspace, source, args)
    yield {**asdict(done), **cost, **found(workspace, before), "by": "enrich run"}
    if args.limit is None:
        again, cost = counted_run(workspace, source, args)
        yield {**asdict(again), **cost, **found(workspace, before), "by": "enrich run, nothing open"}
    if args.workers and not store.exclusive:
        retract(workspace, done.run or "")
        job = by_workers(folder, where, source, args, stack)
        seconds = (moment(job["ended"]) - moment(job["started"])).total_seconds()
        predicted = {"seconds": seconds, "by": "two workers"}
        yield {**job, **predicted, **found(workspace, before)}


def counted_run(
    workspace: Workspace, source: Source, args: argparse.Namespace
) -> tuple[pipeline.RunSummary, dict[str, Any]]:
    """A run, the seconds of our processor that it took, and the requests that it made of the store."""
    began, requests = time.process_time(), count_requests(workspace.store)
    done = pipeline.run(Workspace(workspace.settings, workspace.store), source.model, limit=args.limit)
    return done, {"requests": requests(), "processor": round(time.process_time() - began, 1)}


def found(workspace: Workspace, before: str) -> dict[str, Any]:
    """What the store holds after a run."""
    return {"answers": answers(workspace), "facts": facts(workspace) == before}


def by_workers(
    folder: Path, where: dict[str, Any], source: Source, args: argparse.Namespace, stack: ExitStack
) -> dict[str, Any]:
    """A job that a worker with two processes does, as `enrich job` shows it when it is done."""
    server, broker = m.redis_server(folder / "redis")
    stack.enter_context(m.running(server))
    lines = [f'{key} = "{value}"' for key, value in where.items() if value is not None]
    (folder / "enrich.toml").write_text(
        f'profile = "{source.profile}"\n[store]\n' + "\n".join(lines) + f'\n[workers]\nbroker = "{broker}"\n'
    )
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")}
    museum = m.Museum(folder, {**environment, "PYTHONPATH": str(ROOT)})
    stack.callback(museum.end)
    museum.worker(2)
    limit = [] if args.limit is None else ["--limit", str(args.limit)]
    job = museum.json("queue", "--model", str(source.model.resolve()), *limit)["job"]
    while True:
        told: dict[str, Any] = museum.json("job", job)
        if told["state"] != "running":
            return told
        time.sleep(1)


def moment(text: str) -> datetime:
    """A time of the register."""
    return datetime.fromisoformat(text)


def opened(kind: str, folder: Path, stack: ExitStack) -> dict[str, Any]:
    """Where an empty store of this kind is, its server started when it needs one."""
    if kind in ("memory", "disk"):
        return {"path": folder / "store" if kind == "disk" else None}
    if kind == "served":
        stack.enter_context(hosted(stack.enter_context(EmbeddedStore(folder / "store", shared=True))))
        return {"path": folder / "store"}
    server = {"oxigraph": servers.oxigraph, "virtuoso": servers.virtuoso}[kind]
    return asdict(stack.enter_context(server(folder / "store")))


def answers(workspace: Any) -> str:
    """A digest of all candidates, their probabilities and outcomes, the run's name left out."""
    query = named_query("candidates").bind(**workspace.names.graphs)
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
