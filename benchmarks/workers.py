"""Measures the workers beside the in-process run: records per second, overhead, memory, and runs of many gaps.

    python benchmarks/workers.py throughput [--data DIR] [--records N] [--modality M,…]
    python benchmarks/workers.py batches    [--data DIR] [--records N]
    python benchmarks/workers.py gaps       [--gaps 10000 100000 1000000]

Each starts its own Oxigraph and Redis. Tables are printed as Markdown, for docs/operating.md.
"""

from __future__ import annotations

import argparse
import io
import json
import multiprocessing
import os
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from itertools import pairwise
from pathlib import Path
from statistics import median

import psutil
import pyoxigraph as ox
import redis
from _data import FOLDER, data_or_skip

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from enrich.answering import run as pipeline
from enrich.learn.training import train
from enrich.settings.loading import load_settings
from enrich.workspace import Workspace
from tests.workers import museum as m
from tests.workers.museum import Museum, Server

LIMITS = """
[decision]
target_precision = 0.8
"""


@dataclass
class Watch:
    """Samples, once a second, the memory of processes (MB, the largest seen) and what Redis holds."""

    broker: str
    worker: psutil.Process | None = None
    children: float = 0.0
    parent: float = 0.0
    redis_bytes: list[int] = field(default_factory=list)
    planner: list[float] = field(default_factory=list)
    done: list[float] = field(default_factory=list)
    spent: tuple[float, ...] = ()
    _ended: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Watch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *exc: object) -> None:
        self._ended.set()
        self._thread.join()

    def _watch(self) -> None:
        connection = redis.Redis.from_url(self.broker)
        while not self._ended.wait(1):
            self.redis_bytes.append(int(connection.info("memory")["used_memory"]))
            if self.worker is None:
                continue
            try:
                self.parent = max(self.parent, unshared(self.worker))
                sizes = [unshared(child) for child in self.worker.children()]
            except psutil.NoSuchProcess:
                continue
            if sizes:
                self.children = max(self.children, *sizes)
                self.planner.append(max(sizes))


def unshared(process: psutil.Process) -> float:
    """Megabytes of a process, what it shares with others counted in part (PSS)."""
    return float(process.memory_full_info().pss) / 1e6


@dataclass
class Bench:
    """A museum with servers of its own and a trained model; its broker's address; a copy of its store."""

    made: Museum
    broker: str
    server: Server
    loaded: Path

    def store(self) -> psutil.Process:
        """The process of the store."""
        assert self.server.process is not None
        return psutil.Process(self.server.process.pid)

    def keep(self) -> None:
        """Copy the store as it is now."""
        self.server.end()
        shutil.copytree(self.server.folder, self.loaded)
        self.server.start()

    def renew(self) -> None:
        """Put the store back as it was kept: dropping graphs would leave the next run their compaction."""
        self.server.end()
        shutil.rmtree(self.server.folder)
        shutil.copytree(self.loaded, self.server.folder)
        self.server.start()

    def add(self, quads: Iterable[ox.Quad]) -> None:
        """Load what the model need not learn from, while the server is down: ten times as fast."""
        self.server.end()
        ox.Store(self.server.folder).bulk_extend(quads)
        self.server.start()


@contextmanager
def museum(data: bytes, batch: int, modality: str, lease: int = 600) -> Iterator[Bench]:
    """Load, train, and start the servers."""
    with tempfile.TemporaryDirectory(prefix="enrich-bench-") as name:
        folder = Path(name)
        store, url = m.oxigraph_server(folder / "store")
        broker, broker_url = m.redis_server(folder / "redis")
        with m.running(store, broker):
            remote = ox_store(url)
            m.load(remote, data)
            settings = m.SETTINGS.replace("timeout = 4", "timeout = 120").replace(
                "visibility_timeout = 5\ntime_limit = 4",
                f"visibility_timeout = {lease}\ntime_limit = {lease // 2}",
            )
            folder = folder / "museum"
            folder.mkdir()
            text = settings.format(base=m.BASE, store=url, broker=broker_url, batch=batch, more=LIMITS)
            (folder / "enrich.toml").write_text(text)
            environment = {k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")}
            environment |= {"TEST_STORE": url, "PYTHONPATH": str(Path.cwd())}
            made = Museum(folder, environment)
            with Workspace(load_settings(folder / "enrich.toml"), remote) as workspace:
                train(workspace, None, folder / "model", modalities=tuple(modality.split(",")))
            try:
                yield Bench(made, broker_url, store, Path(name) / "loaded")
            finally:
                made.end()


def ox_store(url: str):  # type: ignore[no-untyped-def]
    """The store at an address, with a long time-out."""
    return m.open_store(
        query_url=f"{url}/query", update_url=f"{url}/update", graph_store_url=f"{url}/store", timeout=300
    )


def in_process(made: Museum) -> tuple[int, float]:
    """(records, seconds) of `enrich run` in this process."""
    with Workspace(load_settings(made.folder / "enrich.toml"), made.store(timeout=300)) as workspace:
        done = pipeline.run(workspace, made.folder / "model")
    return done.records, done.seconds


def by_workers(bench: Bench, processes: int, seconds: float = 7200) -> tuple[int, float, Watch]:
    """(records, seconds, memory) of a job done by one worker with so many processes: from when the job was
    entered in the register until it was active there."""
    made, broker = bench.made, bench.broker
    worker = made.worker(processes)
    m.wait_for(lambda: made.logs("worker ready"), 120, "the worker")
    time.sleep(2)
    with Watch(broker, psutil.Process(worker.pid)) as watch:
        began = time.monotonic()
        job = made.json("queue", "--model", "model")["job"]
        spent = Spent(psutil.Process(worker.pid), bench.store())
        while not made.logs("run active") and time.monotonic() < began + seconds:
            time.sleep(1)
        watch.spent = spent()
    found = made.job(job)
    if found["state"] != "done":
        raise SystemExit(f"the job is {found}")
    started, ended = (datetime.fromisoformat(found[name]) for name in ("started", "ended"))
    taken = (ended - started).total_seconds()
    watch.done = sorted(
        datetime.fromisoformat(json.loads(line)["timestamp"]).timestamp()
        for line in made.logs('"event": "batch"')
    )
    made.kill(worker)
    for log in made.folder.glob("worker-*.log"):
        log.unlink()
    return found["records"], taken, watch


class Spent:
    """Seconds of processor that each of some processes took, with its children, since this was made: what other
    programs do on the machine does not change them much."""

    def __init__(self, *processes: psutil.Process) -> None:
        self.processes = processes
        self.before = self._all()

    def __call__(self) -> tuple[float, ...]:
        return tuple(after - before for before, after in zip(self.before, self._all(), strict=True))

    def _all(self) -> list[float]:
        each = [{process, *process.children(recursive=True)} for process in self.processes]
        others = [set(self.processes) - {process} for process in self.processes]
        return [
            sum(sum(p.cpu_times()[:2]) for p in some - other)
            for some, other in zip(each, others, strict=True)
        ]


def spin(_: int = 0) -> float:
    """Seconds of a loop that does nothing but count."""
    began = time.perf_counter()
    for _number in range(30_000_000):
        pass
    return time.perf_counter() - began


def ceiling() -> float:
    """What two processes do beside one on this machine when they share nothing: 2 on two free cores."""
    with multiprocessing.Pool(2) as pool:
        pool.map(spin, [0, 0])
        alone = pool.map(spin, [0])[0]
        return 2 * alone / max(pool.map(spin, [0, 0]))


def throughput(data: bytes, modality: str, batch: int, rounds: int, wait: float) -> None:
    """In-process beside one and two worker processes; the median of some rounds. Where the model of workers waits, the
    workers only."""
    found: dict[int, list[tuple[int, float, Sequence[float], float, float]]] = {1: [], 2: []}
    ceilings = []
    with museum(data, batch, modality) as bench:
        bench.keep()
        if wait:
            bench.made.slow(wait)
        for _ in range(rounds):
            if not wait:
                bench.renew()
                spent = Spent(psutil.Process(), bench.store())
                records, seconds = in_process(bench.made)
                found.setdefault(0, []).append((records, seconds, spent(), 0, 0))
            ceilings.append(ceiling())
            for processes in (1, 2):
                bench.renew()
                records, seconds, watch = by_workers(bench, processes)
                found[processes].append((records, seconds, watch.spent, watch.children, watch.parent))
            print([rows[-1] for rows in found.values()], file=sys.stderr, flush=True)
    print(
        "| run | records | seconds | records/s | beside the first | ms of processor a record: ours | the store's | "
        "MB per process | MB of the parent |\n|---|---|---|---|---|---|---|---|---|"
    )
    base = None
    for processes, rows in sorted(found.items()):
        records, seconds, (ours, store), child, parent = sorted(rows, key=lambda row: row[1])[len(rows) // 2]
        rate = records / seconds
        base = base or rate
        name = ("in-process", "one worker process", "two worker processes")[processes]
        print(
            f"| {name} | {records:,} | {seconds:.1f} | {rate:.0f} | {rate / base:.2f} | {1000 * ours / records:.2f} | "
            f"{1000 * store / records:.2f} | {child:.0f} | {parent:.0f} |",
            flush=True,
        )
    ratios = [one[1] / two[1] for one, two in zip(found[1], found[2], strict=True)]
    print(
        f"\nTwo processes beside one: {', '.join(f'{ratio:.2f}' for ratio in ratios)} times the records per second, where "
        f"two that share nothing and only count did {median(ceilings):.2f} times."
    )


def batches(data: bytes, sizes: list[int]) -> None:
    """Milliseconds per record by batch size: one worker process beside the in-process run."""
    print("| records in a batch | in-process ms/record | one worker ms/record | overhead ms/record |")
    print("|---|---|---|---|")
    for size in sizes:
        with museum(data, size, "dummy") as bench:
            bench.keep()
            records, seconds = in_process(bench.made)
            bench.renew()
            again, taken, _ = by_workers(bench, 1)
            alone, worker = 1000 * seconds / records, 1000 * taken / again
            print(f"| {size} | {alone:.2f} | {worker:.2f} | {worker - alone:+.2f} |", flush=True)


PREFIXES = {"object": "https://museum.example.org/object/", "thing": "https://museum.example.org/production/"}


def generated(numbers: range, *, whole: bool) -> Iterator[ox.Quad]:
    """Objects of the silk model that have all that is asked for, or all but a place."""
    ecrm = "http://erlangen-crm.org/current/"
    graph = ox.NamedNode("http://data.silknow.org/graph/generated")
    kind = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
    values = {
        "P8_took_place_on_or_within": (
            "https://sws.geonames.org/3017382/",
            "https://sws.geonames.org/3175395/",
        ),
        "P4_has_time-span": ("http://vocab.getty.edu/aat/300404513", "http://vocab.getty.edu/aat/300404512"),
        "P32_used_general_technique": (
            "http://data.silknow.org/vocabulary/168",
            "http://data.silknow.org/vocabulary/379",
        ),
        "P126_employed": ("http://data.silknow.org/vocabulary/210", "http://data.silknow.org/vocabulary/497"),
    }
    for i in numbers:
        thing = ox.NamedNode(f"{PREFIXES['object']}{i:08d}")
        made = ox.NamedNode(f"{PREFIXES['thing']}{i:08d}")
        yield ox.Quad(thing, kind, ox.NamedNode(f"{ecrm}E22_Man-Made_Object"), graph)
        yield ox.Quad(made, ox.NamedNode(f"{ecrm}P108_has_produced"), thing, graph)
        for position, (name, pair) in enumerate(values.items()):
            if whole or position > 0:
                yield ox.Quad(made, ox.NamedNode(f"{ecrm}{name}"), ox.NamedNode(pair[i % 10 == 9]), graph)


def many_gaps(numbers: list[int], processes: int) -> None:
    """Runs of many gaps: memory of the planner and of Redis, and time per record."""
    print(
        "| gaps | seconds | ms per record | by quarter of the batches | MB per process, by quarter of the time | "
        "Redis MB, at rest and at most |"
    )
    print("|---|---|---|---|---|---|")
    for number in numbers:
        known = ox.serialize(generated(range(200), whole=True), format=ox.RdfFormat.N_QUADS) or b""
        with museum(known, 500, "dummy", lease=1800) as bench:
            bench.add(generated(range(200, 200 + number), whole=False))
            records, seconds, watch = by_workers(bench, processes, seconds=6 * 3600)
            assert records == number, (records, number)
            sizes = watch.redis_bytes or [0]
            most = [size / 1e6 for size in (sizes[0], max(sizes))]
            pace = ", ".join(f"{4000 * part / records:.2f}" for part in quarters(watch.done))
            size = max(1, len(watch.planner) // 4)
            memory = ", ".join(
                f"{max(watch.planner[i * size : (i + 1) * size], default=0):.0f}" for i in range(4)
            )
            print(
                f"| {number:,} | {seconds:.0f} | {1000 * seconds / records:.2f} | {pace} | {memory} | "
                f"{most[0]:.1f}, {most[1]:.1f} |",
                flush=True,
            )


def quarters(times: list[float]) -> list[float]:
    """The seconds that each quarter of the batches took, from when each was done."""
    marks = [times[round(share * (len(times) - 1))] for share in (0, 0.25, 0.5, 0.75, 1)]
    return [after - before for before, after in pairwise(marks)]


def arguments(given: Sequence[str] | None = None) -> argparse.Namespace:
    """What the command line says."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("what", nargs="?", choices=("throughput", "batches", "gaps"), default="gaps")
    parser.add_argument("--data", type=Path, default=FOLDER)
    parser.add_argument("--records", type=int, default=8_000)
    parser.add_argument("--modality", default="tabular,text", help="one, or several with commas")
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument(
        "--wait", type=float, default=0, help="seconds that the dummy classifier waits for 64 records"
    )
    parser.add_argument("--sizes", type=int, nargs="*", default=[10, 50, 250, 500])
    parser.add_argument("--gaps", type=int, nargs="*", default=[10_000, 100_000])
    parser.add_argument("--processes", type=int, default=2)
    return parser.parse_args(given)


def main() -> None:
    """Run what the command line says."""
    given = arguments()
    if given.what == "gaps":
        many_gaps(given.gaps, given.processes)
        return
    folder = data_or_skip("silknow", given.data).parent
    buffer = io.BytesIO(m.subset(folder / "silknow" / "records.nq.gz", given.records))
    data = buffer.getvalue() + m.vocabulary(folder)
    if given.what == "throughput":
        throughput(data, given.modality, given.batch, given.rounds, given.wait)
    else:
        batches(data, given.sizes)


if __name__ == "__main__":
    main()
