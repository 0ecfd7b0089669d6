"""A small made museum in memory, and a queue in a list: the service without processes."""

from __future__ import annotations

import os
import subprocess
from collections import Counter, deque
from collections.abc import Iterator
from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.classifiers.model.description import ModelDescription
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.profile_files import load_profile
from enrich.ontology.terms import RDF
from enrich.runs.jobs import describe, find_job
from enrich.runs.plan import Plan
from enrich.runs.register import OPEN
from enrich.runs.request import JOB, make_request, open_run
from enrich.settings.loading import Settings
from enrich.workers.context import WorkerContext
from enrich.workers.tasks import run_batch, run_plan, run_reconcile
from enrich.workspace import Workspace
from tests.warm import python
from tests.workers.museum import answers_of

ECRM = "http://erlangen-crm.org/current/"
VAM, RISD = (NamedNode(f"http://data.silknow.org/graph/{name}") for name in ("vam", "risd"))
GAPS = 24
"""Records that lack a place, and nothing else."""


def record(number: int) -> NamedNode:
    """A record's IRI."""
    return NamedNode(f"https://museum.example.org/object/{number:03d}")


def facts(whole: int = 30) -> Iterator[Quad]:
    """GAPS records that lack a place, a third of them of another museum, and some that lack nothing."""
    profile = load_profile("silknow")
    for number in range(GAPS + whole):
        graph = RISD if number % 3 == 0 else VAM
        thing, made = record(number), NamedNode(f"https://museum.example.org/production/{number:03d}")
        yield Quad(thing, RDF.type, NamedNode(f"{ECRM}E22_Man-Made_Object"), graph)
        yield Quad(made, NamedNode(f"{ECRM}P108_has_produced"), thing, graph)
        for prop in profile.properties:
            if prop.name != "place" or number >= GAPS:
                yield Quad(made, prop.predicate.predicate, prop.classes[number % 5 == 4], graph)


class Queue:
    """Messages, kept in order, and done one by one when told."""

    def __init__(self, service: WorkerContext) -> None:
        self.service = service
        self.messages: deque[tuple[str, ...]] = deque()

    def plan(self, run: str) -> None:
        """Keep the message."""
        self.messages.append(("plan", run))

    def batch(self, run: str, name: str, *, nightly: bool) -> None:
        """Keep the message."""
        del nightly
        self.messages.append(("batch", run, name))

    def reconcile(self) -> str:
        """Look after the open runs."""
        return run_reconcile(self.service, self)  # type: ignore[arg-type]

    def one(self) -> str:
        """Do the first message."""
        kind, run, *rest = self.messages.popleft()
        if kind == "plan":
            return run_plan(self.service, self, NamedNode(run))  # type: ignore[arg-type]
        return run_batch(self.service, self, NamedNode(run), *rest)  # type: ignore[arg-type]

    def all(self) -> list[str]:
        """Do messages until there are none; what became of them."""
        self.reconcile()
        outcomes = []
        while self.messages:
            outcomes.append(self.one())
        return outcomes

    def drop(self, run: NamedNode) -> None:
        """Lose all that was sent."""
        self.messages.clear()
        self.service.in_flight(run).clear()


def small_service(folder: Path, broker: str, store: Store | None = None, **workers: object) -> WorkerContext:
    """The service of the small museum, with a trained dummy model in `folder`/model."""
    settings = Settings(
        store={"query_url": f"http://127.0.0.1:1/{folder.name}"},  # type: ignore[arg-type]
        run={"batch": 5},  # type: ignore[arg-type]
        train={"modalities": ("dummy",)},  # type: ignore[arg-type]
        workers={  # type: ignore[arg-type]
            "broker": broker,
            "model": str(folder / "model"),
            "schedule": "0 2 * * *",
            "in_flight": 3,
            **workers,
        },
    )
    service = WorkerContext(settings)
    held = store or open_store()
    if store is None:
        held.insert(facts())
    service.workspace = Workspace(settings, held)
    if not (folder / "model").exists():
        train(service.workspace, None, folder / "model", modalities=("dummy",))
    service.broker.redis.delete(*(service.broker.redis.keys(f"{service.broker.prefix}:*") or ["nothing"]))
    return service


def ask(service: WorkerContext, records: list[NamedNode] | None = None, **said: object) -> NamedNode:
    """Queue a job."""
    folder = Path(str(service.settings.workers.model))
    model = ModelDescription.read(folder)
    request = make_request(service.workspace, JOB, folder, model, records=records, **said)  # type: ignore[arg-type]
    run, _ = open_run(service.workspace, model, request, records)
    return run


def model_of(service: WorkerContext) -> Path:
    """The model folder of the small museum."""
    return Path(str(service.settings.workers.model))


def begun(service: WorkerContext, queue: Queue, batches: int = 2, **said: object) -> NamedNode:
    """A job with some batches done, whose messages are lost."""
    run = ask(service, **said)
    queue.reconcile()
    for _ in range(batches + 1):
        queue.one()
    queue.drop(run)
    return run


def killed_run(service: WorkerContext) -> str:
    """A run of `enrich run` that was killed after two batches."""
    commit, left = Plan.commit, iter([True, True])

    def dies(self: Plan, *said: object) -> bool:
        if not next(left, False):
            raise KeyboardInterrupt
        return commit(self, *said)  # type: ignore[arg-type]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Plan, "commit", dies)
        with pytest.raises(KeyboardInterrupt):
            pipeline.run(service.workspace, model_of(service))
    (run,) = service.register.runs(OPEN)
    return run.run


def state(service: WorkerContext, run: NamedNode) -> str:
    """A job's state."""
    return describe(service.workspace, find_job(service.workspace, run.value)).state


def answered(service: WorkerContext) -> list[str]:
    """The records that have answers in active runs, one for each answer."""
    return sorted(found for _, found, *_ in answers_of(service.store))


def doubled(service: WorkerContext) -> list[tuple[str, str]]:
    """Gaps that have more than one answer in active runs."""
    counts = Counter((found, name) for _, found, name, _ in answers_of(service.store))
    return [gap for gap, number in counts.items() if number > 1]


EVERYTHING = sorted(record(n).value for n in range(GAPS))


def enrich_in(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """A verb in a process of its own and in a folder, to its end."""
    return subprocess.run(
        [*python(), "-m", "enrich", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(Path.cwd())},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
