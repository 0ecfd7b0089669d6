"""The graph side by size: scan, read, write and activate on a made museum, beside the naive way.

    python benchmarks/graph_side.py --sizes 10000 100000 --stores embedded oxigraph

Every measurement is a process of its own, so that its peak memory is its own. Times are of the processor,
ours and the server's together, which another program on the machine does not change. The naive way is what
a first script does: pages of gaps by ORDER BY and OFFSET, a query per record and property, an INSERT per answer.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

WRITTEN = 20_000
READ = 20_000
NAIVE_READ = NAIVE_WRITTEN = 300
NAIVE_PAGES = 2


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sizes", type=int, nargs="+", default=[10_000, 100_000])
    parser.add_argument("--stores", nargs="+", default=["embedded", "oxigraph"])
    parser.add_argument("--write", type=int, default=WRITTEN, help="records answered and written, at most")
    parser.add_argument("--naive", type=int, default=100_000, help="largest size at which the naive way runs")
    parser.add_argument("--out", type=Path, help="JSON file for the figures")
    parser.add_argument("--plot", type=Path, help="PNG file for the plot")
    parser.add_argument("--one", nargs=4, help=argparse.SUPPRESS)
    parser.add_argument(
        "--ways", type=int, nargs="+", help="only: ways to write shards of so many answers on disk"
    )
    args = parser.parse_args()
    if args.ways:
        for answers in args.ways:
            print(json.dumps(ways(answers)), flush=True)
        return
    if args.one:
        kind, size, write, naive = args.one[0], int(args.one[1]), int(args.one[2]), args.one[3] == "1"
        print(json.dumps(measure(kind, size, write, naive)))
        return
    rows = []
    for kind in args.stores:
        for size in args.sizes:
            naive = "1" if size <= args.naive else "0"
            command = [sys.executable, __file__, "--one", kind, str(size), str(args.write), naive]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                sys.exit(f"{kind} at {size}: {done.stderr[-2000:]}")
            rows.append(json.loads(done.stdout.splitlines()[-1]))
            print(line(rows[-1]), flush=True)
    print(table(rows))
    if args.out:
        args.out.write_text(json.dumps(rows, indent=1) + "\n")
    if args.plot:
        plot(rows, args.plot)


def measure(kind: str, size: int, write: int, naive: bool) -> dict[str, Any]:
    """One store at one size. Times are seconds; `memory` is the peak resident size in MB."""
    from enrich.answering import run as pipeline
    from enrich.demo.museum import museum_quads
    from enrich.graph.gaps import scan
    from enrich.ontology.queries import named_query
    from enrich.settings.loading import Settings
    from enrich.workspace import Workspace
    from tests.museums import dummy_model, museum

    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="enrich-bench-")))
        store = opened(kind, folder, stack)
        row: dict[str, Any] = {"store": kind, "size": size}
        with timed(row, "load"):
            quads = museum_quads(size, seed=1, texts=False, pictures=False)
            while chunk := list(islice(quads, 500_000)):
                store.insert(chunk, bulk=True)
        row["memory_loaded"] = peak()
        workspace = Workspace(Settings(profile="linked-art"), store)
        reader = workspace.reader
        row["classes"] = len(reader.classes)
        with timed(row, "scan"):
            row["gaps"] = sum(1 for _ in scan(reader, rough=True))
        with timed(row, "read"):
            row["records_read"] = sum(1 for _ in reader.read_all(islice(reader.iris(), READ)))
        model = dummy_model(museum(2000), folder / "model")
        with timed(row, "write"):
            summary = pipeline.run(workspace, model, limit=write)
        row["records_written"] = summary.records
        row["answers"] = summary.predicted + summary.abstained + summary.failed
        with timed(row, "query"):
            query = named_query("predictions").bind(**workspace.names.graphs)
            row["predictions"] = sum(1 for _ in store.select_by_key(query, "record"))
        row["memory"] = peak()
        if naive:
            row |= naive_way(workspace, size, row)
    return row


QUADS = 50
"""Quads of an answer."""


def ways(answers: int) -> dict[str, float]:
    """Milliseconds of processor an answer to write shards of so many answers to an Oxigraph on disk."""
    import pyoxigraph as ox

    from enrich.graph.stores.pieces import ntriples

    base = "https://data.example.org/enrich/"
    shards = max(3, 4_000 // answers)
    row: dict[str, float] = {"answers": answers}
    for way in ("load", "bulk_load", "insert"):
        with tempfile.TemporaryDirectory(prefix="enrich-bench-") as folder:
            store = ox.Store(folder)
            data = []
            for shard in range(shards):
                nodes = (
                    (ox.NamedNode(f"{base}prediction/{shard}-{n // QUADS}/{n % QUADS // 7}"), n)
                    for n in range(answers * QUADS)
                )
                data.append(
                    ntriples(
                        ox.Quad(node, ox.NamedNode(f"{base}ns#{n % 12}"), ox.Literal(n)) for node, n in nodes
                    )
                )
            began = processor()
            for number, lines in enumerate(data):
                graph = ox.NamedNode(f"{base}graph/run/r/{number}")
                if way == "insert":
                    store.update(f"INSERT DATA {{ GRAPH {graph} {{ {lines.decode()} }} }}")
                else:
                    getattr(store, way)(lines, ox.RdfFormat.N_TRIPLES, to_graph=graph)
            row[way] = round((processor() - began) / shards / answers * 1e3, 3)
    return row


def opened(kind: str, folder: Path, stack: ExitStack) -> Any:
    """An empty store of this kind."""
    from dataclasses import asdict

    from enrich.graph.stores import open_store
    from tests import servers

    if kind == "embedded":
        return stack.enter_context(open_store(path=folder / "store"))
    server = {"oxigraph": servers.oxigraph, "virtuoso": servers.virtuoso}[kind]
    return stack.enter_context(open_store(**asdict(stack.enter_context(server(folder / "store")))))


@contextmanager
def timed(row: dict[str, Any], name: str) -> Iterator[None]:
    """Processor seconds of this process and its servers into row[name], by the clock into name_wall."""
    wall, cpu = time.perf_counter(), processor()
    yield
    row[name], row[f"{name}_wall"] = processor() - cpu, time.perf_counter() - wall


def processor() -> float:
    """Seconds of processor time of this process and those that it started."""
    mine = psutil.Process()
    times = [p.cpu_times() for p in (mine, *mine.children(recursive=True))]
    return float(sum(t.user + t.system for t in times))


def naive_way(workspace: Any, size: int, ours: dict[str, Any]) -> dict[str, Any]:
    """The same work as a first script does it: some pages, records and answers, scaled to the whole.

    A page by OFFSET costs the same wherever it lies, since the store sorts all of them for each: the mean
    of a few stands for all.
    """
    from enrich.ontology.paths import path_pattern

    store, profile, dataset = workspace.store, workspace.profile, workspace.reader.dataset
    row: dict[str, Any] = {}
    pages, found = 0.0, []
    for prop in profile.properties:
        path = path_pattern("?r", prop.path, "?v")
        for number in range(NAIVE_PAGES):
            with timed(row, "page"):
                page = list(
                    store.select(
                        f"SELECT ?r {dataset} WHERE {{ {profile.is_record('?r')} "
                        f"OPTIONAL {{ {path} }} FILTER(!BOUND(?v)) }} ORDER BY ?r "
                        f"OFFSET {number * size // 50} LIMIT 1000"
                    )
                )
            found += [r[0] for r in page]
            pages += row["page"] / NAIVE_PAGES * max(1, missing_share(ours) * size / 1000)
    with timed(row, "reads"):
        for record in found[:NAIVE_READ]:
            for prop in profile.properties:
                path = path_pattern(str(record), prop.path, "?v")
                list(store.select(f"SELECT ?v {dataset} WHERE {{ {path} }}"))
    graph = "<https://data.example.org/naive>"
    with timed(row, "writes"):
        for n in range(NAIVE_WRITTEN):
            lines = " ".join(f"<https://p.example/{n}> <https://p.example/p{k}> {k} ." for k in range(55))
            store.update(f"INSERT DATA {{ GRAPH {graph} {{ {lines} }} }}")
    reads = row["reads"] / min(NAIVE_READ, len(found)) * ours["gaps"]
    writes = row["writes"] / NAIVE_WRITTEN * ours["answers"]
    whole = ours["scan"] + ours["read"] / ours["records_read"] * ours["gaps"] + ours["write"]
    return {
        "naive_pages": pages,
        "naive_reads": reads,
        "naive_writes": writes,
        "naive": pages + reads + writes,
        "ours": whole,
    }


def missing_share(ours: dict[str, Any]) -> float:
    """Gaps of one property per record, on the mean: pages to turn."""
    return float(ours["answers"] / max(1, ours["records_written"]) * ours["gaps"] / ours["size"] / 4)


def peak() -> float:
    """Peak resident memory of this process, MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def line(row: dict[str, Any]) -> str:
    return " ".join(f"{k}={v:.2f}" if isinstance(v, float) else f"{k}={v}" for k, v in row.items())


def table(rows: list[dict[str, Any]]) -> str:
    """The figures as Markdown: µs per record for what should be constant, seconds for wholes."""
    head = (
        "| store | records | scan, µs a record | read, µs a record | found, answered and written, ms an answer "
        "| predictions query, s | peak memory, MB (when loaded) | naive, s | ours, s | ratio |\n"
        "|---|---|---|---|---|---|---|---|---|---|"
    )
    lines = [head]
    for r in rows:
        tail = (
            f"{r['naive']:.0f} | {r['ours']:.1f} | {r['naive'] / r['ours']:.0f}×"
            if "naive" in r
            else "– | – | –"
        )
        lines.append(
            f"| {r['store']} | {r['size']:,} | {r['scan'] / r['size'] * 1e6:.1f} "
            f"| {r['read'] / r['records_read'] * 1e6:.0f} | {r['write'] / r['answers'] * 1e3:.2f} "
            f"| {r['query']:.2f} | {r['memory']:.0f} ({r['memory_loaded']:.0f}) | {tail} |"
        )
    return "\n".join(lines)


def plot(rows: list[dict[str, Any]], file: Path) -> None:
    """Time per record against size, one line per store and stage."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(figsize=(7.5, 4))
    for kind in dict.fromkeys(r["store"] for r in rows):
        mine = [r for r in rows if r["store"] == kind]
        sizes = [r["size"] for r in mine]
        axes.plot(sizes, [r["scan"] / r["size"] * 1e3 for r in mine], "o-", label=f"{kind}: scan")
        axes.plot(sizes, [r["read"] / r["records_read"] * 1e3 for r in mine], "s-", label=f"{kind}: read")
        axes.plot(sizes, [r["write"] / r["answers"] * 1e3 for r in mine], "^-", label=f"{kind}: write")
    axes.set(xscale="log", yscale="log", xlabel="records in the graph", ylabel="ms a record (or answer)")
    axes.legend(fontsize=7, loc="upper left", bbox_to_anchor=(1, 1))
    figure.tight_layout()
    figure.savefig(file, dpi=90)


if __name__ == "__main__":
    main()
