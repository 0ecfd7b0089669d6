"""Jobs: runs as they stand, with how far they have come; paused, resumed and cancelled. A job's id is its run's."""

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any

from pyoxigraph import Literal, NamedNode

from enrich.errors import RunError
from enrich.graph.stores.base import Store, first_of
from enrich.ontology.terms import ENR, PROV, Names
from enrich.runs.finding import named_by
from enrich.runs.lease import current_lease, release_lease
from enrich.runs.plan import Plan
from enrich.runs.register import ACTIVE, OPEN, RETRACTED, Register, number
from enrich.runs.request import Request, RequestedRun, requested_runs
from enrich.runs.shards import COUNTED
from enrich.workspace import Workspace

STATES = {OPEN: "running", ACTIVE: "done", RETRACTED: "cancelled"}


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
    request: Request
    actor: str | None = None
    batches_left: int | None = None
    holds_lease: bool = False
    paused: bool = False
    reason: str | None = None
    per_second: float | None = None
    remaining_seconds: float | None = None

    def as_dict(self) -> dict[str, Any]:
        """All that is known, for JSON."""
        return asdict(self)


def last_success(store: Store, names: Names) -> datetime | None:
    """When a run was last made active; None for never."""
    query = (
        f"SELECT (MAX(?t) AS ?last) WHERE {{ GRAPH {names.runs} {{ ?run {ENR.runState} {ENR.Active} ; "
        f"{PROV.endedAtTime} ?t }} }}"
    )
    last = first_of(store.select(query))
    return datetime.fromisoformat(last.value) if isinstance(last, Literal) else None


def find_job(workspace: Workspace, text: str) -> RequestedRun:
    """The job that an id, the beginning of one, or its run's IRI names. Raises RunError for none or several."""
    known = {k.run.run: k for k in requested_runs(Register(workspace.store, workspace.names).runs())}
    return known[named_by(text, [k.run for k in known.values()], "job", "enrich jobs").run]


def find_open_job(workspace: Workspace, text: str) -> RequestedRun:
    """The same, of a job that has not ended. Raises RunError for one that has."""
    found = find_job(workspace, text)
    if found.run.state != OPEN:
        raise RunError(
            f"job {found.run.run} is {STATES[found.run.state]} already; `enrich jobs` lists all, and "
            "`enrich retract` takes back a run that is done"
        )
    return found


def cancel(store: Store, names: Names, run: NamedNode) -> int:
    """Take an open run back: nothing of it is visible, its graphs are dropped. Returns how many there were."""
    register = Register(store, names)
    register.retract(run)
    release_lease(store, names, run)
    return register.purge(run)


def list_jobs(workspace: Workspace) -> list[Job]:
    """All jobs, as they were opened."""
    return [describe(workspace, k) for k in requested_runs(Register(workspace.store, workspace.names).runs())]


def describe(workspace: Workspace, known: RequestedRun) -> Job:
    """A job as it stands: finished ones from the register, running ones from their shards and plan."""
    store, names = workspace.store, workspace.names
    run = known.run
    if run.state != OPEN:
        counts = {name: getattr(run, name) or 0 for name in COUNTED}
        gaps = counts["predicted"] + counts["abstained"] + counts["failed"] if run.state == ACTIVE else None
        return _job(known, STATES[run.state], gaps, counts)
    plan = Plan(store, names, known.iri)
    standing = plan.standing()
    counts = committed(store, names, known.iri)
    gaps = plan.gaps() if standing.planned else None
    rate, remaining = _speed(known, gaps, counts, Register(store, names).clock())
    return _job(
        known,
        "failed" if standing.failure else "running",
        gaps,
        counts,
        batches_left=standing.pending,
        holds_lease=current_lease(store, names).run == known.iri,
        paused=standing.paused,
        reason=standing.failure,
        per_second=rate,
        remaining_seconds=remaining,
    )


def _job(known: RequestedRun, state: str, gaps: int | None, counts: dict[str, int], **standing: Any) -> Job:
    return Job(
        job=known.run.run.rpartition("/")[2],
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
        request=known.request,
        actor=known.run.actor,
        **standing,
    )


def _speed(
    known: RequestedRun, gaps: int | None, counts: dict[str, int], moment: datetime
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
    query = f"SELECT ?p (SUM(?n) AS ?sum) WHERE {{ GRAPH {names.runs} {{ {run} {ENR.graph} ?g . ?g ?p ?n }} }} GROUP BY ?p"
    found = {p.value: number(total) for p, total in store.select(query) if p is not None}
    return {name: found.get(ENR[name].value, 0) for name in COUNTED}
