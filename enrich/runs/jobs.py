"""Jobs: the runs that workers do, nightly or queued. A job is a run of the register, and its id the run's."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pyoxigraph import Literal, NamedNode

from enrich import __version__
from enrich.errors import RunError
from enrich.runs.lease import current_turn
from enrich.runs.lineage import model_entities, snapshots
from enrich.runs.plan import Plan
from enrich.runs.register import ACTIVE, OPEN, RETRACTED, Register, Run, new_run_id, now
from ontology.terms import ENR, PROV

if TYPE_CHECKING:
    from classifiers.model.description import ModelDescription
    from enrich.graph.stores.base import Store
    from enrich.workspace import Workspace
    from ontology.terms import Names

NIGHTLY, JOB = "nightly", "job"
DEFAULT_PRIORITY = 5
STATES = {OPEN: "running", ACTIVE: "done", RETRACTED: "cancelled"}
_COUNTED = ("records", "predicted", "abstained", "failed")


@dataclass(frozen=True, slots=True)
class Request:
    """What workers were asked for; kept as JSON in the run's `enr:request`.

    `records` is the digest of the records named, None for all; `where` context=IRI pairs; `priority` 0 to
    9, the highest first, the nightly run below them all; `slot` the time a nightly run was due; `pictures`
    whether the model looks at pictures.
    """

    kind: str
    model: str
    digest: str
    properties: tuple[str, ...]
    records: str | None = None
    where: tuple[str, ...] = ()
    limit: int | None = None
    priority: int = DEFAULT_PRIORITY
    slot: str | None = None
    pictures: bool = False

    def text(self) -> str:
        """The request as JSON, the same for the same request."""
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def parse(cls, text: str | None) -> Request | None:
        """The request in a run's JSON; None when the run is not one for workers."""
        try:
            said = json.loads(text or "null")
        except ValueError:
            return None
        if not isinstance(said, dict) or said.get("kind") not in (NIGHTLY, JOB):
            return None
        lists = {name: tuple(said.get(name) or ()) for name in ("properties", "where")}
        return cls(**{**{k: v for k, v in said.items() if k in cls.__slots__}, **lists})

    def same_work(self, other: Request) -> bool:
        """Whether both ask for the same, whatever their priority. There is one nightly run at a time."""
        if self.kind == other.kind == NIGHTLY:
            return True
        mine, others = ((r.kind, r.digest, r.properties, r.records, r.where, r.limit) for r in (self, other))
        return mine == others


@dataclass(frozen=True, slots=True)
class Job:
    """A job as it stands. `gaps` is None until they were counted; counts are of gaps."""

    job: str
    run: str
    state: str
    kind: str
    model: str
    priority: int
    started: str
    ended: str | None
    gaps: int | None
    answered: int
    failed: int
    predicted: int
    abstained: int
    records: int
    batches_left: int | None = None
    holds_turn: bool = False
    paused: bool = False
    reason: str | None = None
    per_second: float | None = None
    remaining_seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All that is known, for JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class WorkerRun:
    """An entry of the register that is for workers, with what was asked."""

    run: Run
    request: Request
    iri: NamedNode = field(compare=False)


def worker_runs(runs: Iterable[Run]) -> list[WorkerRun]:
    """Those of some runs that are for workers."""
    found = []
    for run in runs:
        request = Request.parse(run.request)
        if request is not None:
            found.append(WorkerRun(run, request, NamedNode(run.run)))
    return found


def open_runs(store: Store, names: Names) -> list[Run]:
    """The open runs, the oldest first: one small query, however long the register has grown."""
    query = (
        f"SELECT ?run ?started ?request ?until ?model WHERE {{ GRAPH {names.runs} {{ "
        f"?run {ENR.runState} {ENR.Open} ; {PROV.startedAtTime} ?started ; {PROV.used} ?model . "
        f"OPTIONAL {{ ?run {ENR.request} ?request }} OPTIONAL {{ ?run {ENR.aliveUntil} ?until }} }} }}"
    )
    found = {}
    for run, *said in store.select(query):
        started, request, until, model = (None if term is None else term.value for term in said)
        if run is not None:
            found[run.value] = Run(
                run.value, OPEN, started or "", ended=None, model=model, request=request, alive_until=until
            )
    return sorted(found.values(), key=lambda run: (run.started, run.run))


def last_success(store: Store, names: Names) -> datetime | None:
    """When a run was last made active; None for never."""
    query = (
        f"SELECT (MAX(?t) AS ?last) WHERE {{ GRAPH {names.runs} {{ ?run {ENR.runState} {ENR.Active} ; "
        f"{PROV.endedAtTime} ?t }} }}"
    )
    for (last,) in store.select(query):
        if isinstance(last, Literal):
            return datetime.fromisoformat(last.value)
    return None


def open_job(
    workspace: Workspace,
    model: ModelDescription,
    request: Request,
    records: Sequence[NamedNode] | None = None,
) -> tuple[NamedNode, bool]:
    """Enter a job into the register. Returns its run, and whether it is new: when the same is asked for
    already, that run is returned. The records named are kept first, so that an open run has them all.
    """
    register = Register(workspace.store, workspace.names)
    held = _same(register, request)
    if held is not None:
        return held, False
    run_id = new_run_id(now())
    if records is not None:
        Plan(workspace.store, workspace.names, workspace.names.run(run_id)).list_records(records)
    run = register.open(
        actor=NamedNode(workspace.settings.actor),
        software=__version__,
        models=model_entities(model),
        snapshots=snapshots(model),
        request=request.text(),
        lease=timedelta(seconds=workspace.settings.run.lease),
        run_id=run_id,
    )
    first = _same(register, request)
    if first is not None and first != run:
        withdraw(workspace.store, workspace.names, run)
        return first, False
    return run, True


def _same(register: Register, request: Request) -> NamedNode | None:
    """The first open run that does the same work, or did the nightly run of the same slot."""
    for known in worker_runs(register.runs()):
        if request.slot is not None and (known.request.slot or "") >= request.slot:
            return known.iri
        if known.run.state == OPEN and known.request.same_work(request):
            plan = Plan(register.store, register.names, known.iri)
            if plan.standing().failure is None:
                return known.iri
    return None


def withdraw(store: Store, names: Names, run: NamedNode) -> None:
    """Take a run that was never begun out of the register, as if it had not been opened."""
    store.update(
        f"DELETE WHERE {{ GRAPH {names.runs} {{ {run} ?p ?o }} }}",
        idempotent=True,
    )
    Plan(store, names, run).drop()


def records_digest(records: Sequence[NamedNode]) -> str:
    """The digest of a list of records, whatever their order."""
    return sha256("\n".join(sorted(record.value for record in records)).encode()).hexdigest()


def find_job(workspace: Workspace, text: str) -> WorkerRun:
    """The job that an id, the end of one, or its run's IRI names. Raises RunError for none or several."""
    known = worker_runs(Register(workspace.store, workspace.names).runs())
    exact = [k for k in known if k.run.run == text or k.run.run.endswith(f"/{text}")]
    found = exact or [k for k in known if k.run.run.endswith(text)]
    if len(found) == 1:
        return found[0]
    if not found:
        raise RunError(f"no job is called {text!r}; `enrich jobs` lists them")
    raise RunError(
        f"{text!r} names {len(found)} jobs: {', '.join(k.run.run for k in found)}; give more of it"
    )


def list_jobs(workspace: Workspace) -> list[Job]:
    """All jobs, the oldest first."""
    return [describe(workspace, k) for k in worker_runs(Register(workspace.store, workspace.names).runs())]


def describe(workspace: Workspace, known: WorkerRun) -> Job:
    """A job as it stands: finished ones from the register, running ones from their shards and plan."""
    store, names = workspace.store, workspace.names
    run = known.run
    job_id = names.run_id(known.iri)
    if run.state != OPEN:
        counts = {name: getattr(run, name) or 0 for name in _COUNTED}
        gaps = counts["predicted"] + counts["abstained"] + counts["failed"] if run.state == ACTIVE else None
        return _job(job_id, known, STATES[run.state], gaps, counts)
    plan = Plan(store, names, known.iri)
    standing = plan.standing()
    counts = committed(store, names, known.iri)
    gaps = plan.gaps() if standing.planned else None
    job = _job(job_id, known, "failed" if standing.failure else "running", gaps, counts)
    rate, remaining = _speed(known, gaps, counts, now())
    return Job(
        **{
            **asdict(job),
            "batches_left": standing.pending,
            "holds_turn": current_turn(store, names).run == known.iri,
            "paused": standing.paused,
            "reason": standing.failure,
            "per_second": rate,
            "remaining_seconds": remaining,
        }
    )


def _job(job_id: str, known: WorkerRun, state: str, gaps: int | None, counts: dict[str, int]) -> Job:
    return Job(
        job=job_id,
        run=known.run.run,
        state=state,
        kind=known.request.kind,
        model=known.request.model,
        priority=known.request.priority,
        started=known.run.started,
        ended=known.run.ended,
        gaps=gaps,
        answered=counts["predicted"] + counts["abstained"],
        failed=counts["failed"],
        predicted=counts["predicted"],
        abstained=counts["abstained"],
        records=counts["records"],
    )


def _speed(
    known: WorkerRun, gaps: int | None, counts: dict[str, int], moment: datetime
) -> tuple[float | None, float | None]:
    """Gaps per second since the start, and the seconds that the others will take at that rate."""
    done = counts["predicted"] + counts["abstained"] + counts["failed"]
    seconds = (moment - datetime.fromisoformat(known.run.started)).total_seconds()
    if done == 0 or seconds <= 0:
        return None, None
    rate = done / seconds
    return round(rate, 2), None if gaps is None else round(max(0, gaps - done) / rate, 1)


def committed(store: Store, names: Names, run: NamedNode) -> dict[str, int]:
    """What the shards of a run are said to hold, by the notes made when each was committed."""
    counts = dict.fromkeys(_COUNTED, 0)
    for name in _COUNTED:
        rows = store.select(
            f"SELECT (SUM(?n) AS ?sum) WHERE {{ GRAPH {names.runs} {{ {run} {ENR.graph} ?g . ?g {ENR[name]} ?n }} }}"
        )
        for (value,) in rows:
            counts[name] = int(float(value.value)) if isinstance(value, Literal) else 0
    return counts


def request_of(workspace: Workspace, run: NamedNode) -> Request | None:
    """What workers were asked to do in a run; None when the run is not open, or not for workers."""
    runs = workspace.names.runs
    query = (
        f"SELECT ?request WHERE {{ GRAPH {runs} {{ {run} {ENR.runState} {ENR.Open} ; {ENR.request} ?request ; "
        f"a {PROV.Activity} }} }}"
    )
    for (text,) in workspace.store.select(query):
        if isinstance(text, Literal):
            return Request.parse(text.value)
    return None


def model_folder(workspace: Workspace, given: Path) -> Path:
    """A model folder as the workers are told of it: absolute, links resolved, so that a link may be turned
    to a newer model while a run goes on."""
    return workspace.settings.locate(given)
