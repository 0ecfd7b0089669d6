"""The verbs of the service: worker, beat, health, queue, jobs, job, cancel, pause, resume."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from enrich.cli.common import Bars, Json, ModelFolder, open_workspace, say, write_json, write_table

if TYPE_CHECKING:
    from enrich.runs.jobs import Job
    from enrich.settings.loading import Settings
    from workers.context import Service
    from workers.tasks import Messages

EXAMPLES = {
    "worker": "enrich worker --concurrency 2",
    "beat": "enrich beat",
    "health": "enrich health --json",
    "queue": "enrich queue --model model --property place --limit 100 --json",
    "jobs": "enrich jobs --json",
    "job": "enrich job ID --follow",
    "cancel": "enrich cancel ID",
    "pause": "enrich pause ID",
    "resume": "enrich resume RUN",
}
"""The example at the end of each verb's help."""

JobId = Annotated[str, typer.Argument(metavar="ID", help="The job's id, or its run's IRI.")]


def worker(
    concurrency: Annotated[
        int | None, typer.Option("--concurrency", min=1, metavar="N", help="Processes; workers.concurrency.")
    ] = None,
    queues: Annotated[
        str | None,
        typer.Option("--queues", metavar="Q,…", help="Queues to serve; otherwise all of enrich.toml."),
    ] = None,
    name: Annotated[
        str | None, typer.Option("--name", help="Name among the workers of this machine, such as gpu@%h.")
    ] = None,
) -> None:
    """Work on runs until told to stop (Ctrl-C, SIGTERM).

    What was begun is finished first, or else done by another worker."""
    settings = _settings()
    processes = concurrency or settings.workers.concurrency
    from workers.models import stay_single_threaded

    threads = stay_single_threaded(processes)
    folder = _metrics_folder(settings)
    from workers import metrics
    from workers.app import make_app, start_worker
    from workers.logs import configure

    configure()
    app = make_app(settings)
    app.enrich_broker.check()
    served = queues or ",".join(dict.fromkeys((settings.workers.queue, settings.workers.batch_queue)))
    try:
        code = start_worker(app, settings, concurrency=processes, threads=threads, queues=served, name=name)
    finally:
        metrics.remove_folder(folder)
    raise typer.Exit(code)


def beat() -> None:
    """Start the nightly run when it is due, until told to stop.

    A run that was due while no beat was running is started at once. Two beats do no harm: a run is
    opened once for each time that it is due."""
    settings = _settings()
    from enrich.errors import SettingsError
    from workers.app import make_app
    from workers.logs import configure
    from workers.schedule import NightlyScheduler

    configure()
    app = make_app(settings)
    if settings.workers.schedule is None or settings.workers.model is None:
        raise SettingsError(
            "nothing is scheduled: set workers.schedule (such as 0 2 * * *) and workers.model in enrich.toml"
        )
    app.enrich_broker.check()
    app.Beat(scheduler_cls=NightlyScheduler, loglevel="INFO", redirect_stdouts=False, quiet=True).run()


def health(
    need_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether a worker must answer.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Say whether broker, store, workers and beat are well; for probes.

    The exit code is 0 when all is well, 7 without a broker, 3 without a store, else 1."""
    settings = _settings()
    from workers.app import make_app
    from workers.health import look

    found = look(make_app(settings), settings, need_worker=need_worker)
    if as_json:
        write_json(found.as_dict())
    else:
        for problem in found.problems:
            say(problem)
        rows = [(key, value) for key, value in found.as_dict().items() if key != "problems"]
        write_table(
            ("what", "found"), [(k, ", ".join(v) if isinstance(v, list) else str(v)) for k, v in rows]
        )
    raise typer.Exit(found.exit_code)


def queue(
    model: ModelFolder,
    properties: Annotated[
        list[str] | None,
        typer.Option("--property", metavar="P", help="Answer this property only; may be repeated."),
    ] = None,
    records: Annotated[
        Path | None,
        typer.Option(
            "--records", metavar="FILE", help="Only these: an IRI per line, or a table with a record column."
        ),
    ] = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="NAME=IRI", help="Only records with this context, such as museum=IRI."
        ),
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", min=1, metavar="N", help="At most this many records.")
    ] = None,
    priority: Annotated[
        int,
        typer.Option("--priority", min=0, max=9, help="The highest goes first; all pass the nightly run."),
    ] = 5,
    as_json: Json = False,
) -> None:
    """Queue a job for the workers, and print its id.

    A job passes before the nightly run. When the same is under way already, that job is named."""
    with _service() as (service, messages):
        run, new = _open(service, model, properties, records, where, limit, priority)
        messages.tend()
        job_id = service.names.run_id(run)
    if not new:
        say(f"the same is under way already: job {job_id} holds it ({run.value})")
    if as_json:
        write_json({"job": job_id, "run": run.value})
    else:
        sys.stdout.write(f"{job_id}\n")
        say(f"see: enrich job {job_id} --follow")


def _open(
    service: Service,
    model: Path,
    properties: list[str] | None,
    records: Path | None,
    where: list[str] | None,
    limit: int | None,
    priority: int,
) -> tuple[Any, bool]:
    from classifiers.model.description import ModelDescription
    from enrich.graph.record_files import read_records
    from enrich.runs.jobs import JOB, Request, open_job, records_digest
    from workers.planner import chosen_properties, parse_where

    folder = model.expanduser().resolve()
    described = ModelDescription.read(folder)
    named = None if records is None else read_records(records)
    parse_where(tuple(where or ()), service.workspace.profile.contexts)
    request = Request(
        JOB,
        str(folder),
        described.digest,
        chosen_properties(service.workspace, described.properties, tuple(properties or ())),
        None if named is None else records_digest(named),
        tuple(sorted(where or ())),
        limit,
        priority,
        pictures="image" in described.members,
    )
    deadline = time.monotonic() + 20
    while True:
        with service.broker.lock("open", 60) as held:
            if held or time.monotonic() > deadline:
                return open_job(service.workspace, described, request, named)
        time.sleep(0.2)


def jobs(as_json: Json = False) -> None:
    """List the jobs, nightly ones too, the oldest first."""
    from enrich.runs.jobs import list_jobs

    with _service() as (service, _):
        found = list_jobs(service.workspace)
    if as_json:
        write_json([job.as_dict() for job in found])
        return
    rows = [
        (j.job, j.kind, _state(j), j.started, j.gaps, j.answered, j.failed, j.remaining_seconds)
        for j in found
    ]
    heads = ("job", "kind", "state", "started", "gaps", "answered", "failed", "seconds left")
    write_table(heads, rows, numbers=(4, 5, 6, 7))


def job(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Show a job: its state, and how many of its gaps are answered.

    The exit code is 6 when it is followed and has failed."""
    from enrich.runs.jobs import describe, find_job

    with _service() as (service, _):
        found = (
            _followed(service, job_id)
            if follow
            else describe(service.workspace, find_job(service.workspace, job_id))
        )
    if as_json:
        write_json(found.as_dict())
    else:
        rows = [(key, value) for key, value in found.as_dict().items() if value is not None]
        write_table(("what", "value"), [(key, str(value)) for key, value in rows])
    if follow and found.state == "failed":
        raise typer.Exit(6)


def _state(found: Job) -> str:
    if found.state == "running":
        return "paused" if found.paused else ("running" if found.holds_turn else "waiting")
    return found.state


def _followed(service: Service, job_id: str) -> Job:
    """The job when it has ended. Until then a bar on a terminal, and elsewhere a line when there is news."""
    from enrich.runs.jobs import describe, find_job

    said = ""
    with Bars("job") as bars:
        while True:
            found = describe(service.workspace, find_job(service.workspace, job_id))
            if found.state != "running":
                return found
            done = found.answered + found.failed
            rate = f", {found.per_second:.1f} a second" if found.per_second else ""
            bars("gaps", done, found.gaps or 0, f"{_state(found)}{rate}")
            share = f" of {found.gaps:,} ({100 * done / found.gaps:.0f} %)" if found.gaps else ""
            left = f", {found.remaining_seconds:.0f} s left" if found.remaining_seconds else ""
            news = f"{_state(found)}: {done:,} gaps{share}"
            if not bars.wanted and news != said:
                said = news
                say(f"{news}{rate}{left}")
            time.sleep(2)


def cancel(job_id: JobId, as_json: Json = False) -> None:
    """Take a job back: nothing of it is visible, and its graphs are dropped."""
    from enrich.runs.jobs import find_job
    from workers.reconcile import cancel as take_back

    with _service() as (service, messages):
        found = find_job(service.workspace, job_id)
        dropped = take_back(service, found.iri)
        messages.tend()
    if as_json:
        write_json({"job": found.run.run.rpartition("/")[2], "state": "cancelled", "dropped": dropped})
    else:
        say(f"cancelled {found.run.run}; {dropped:,} graphs dropped")


def pause(job_id: JobId) -> None:
    """Let a job rest; others go on. `enrich resume` lets it go on."""
    with _service() as (service, messages):
        found = _open_job(service, job_id)
        service.plan(found.iri).pause(True)
        messages.tend()
    say(f"paused {found.run.run}; go on with: enrich resume {found.run.run.rpartition('/')[2]}")


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="A run's IRI, or its job's id.")],
    as_json: Json = False,
) -> None:
    """Let a run go on that was paused, that failed, or whose messages were lost with the broker.

    What is answered already is not answered again."""
    from workers.reconcile import planner_lock

    with _service() as (service, messages):
        found = _open_job(service, run)
        plan = service.plan(found.iri)
        plan.pause(False)
        plan.fail(None)
        service.flight(found.iri).clear()
        service.broker.redis.delete(service.broker.key("once", planner_lock(service, found.iri)))
        messages.tend()
        left = plan.pending()
    job_id = found.run.run.rpartition("/")[2]
    if as_json:
        write_json({"job": job_id, "run": found.run.run, "batches_left": left})
    else:
        say(f"resumed {found.run.run}; {left:,} batches left; see: enrich job {job_id} --follow")


def _open_job(service: Service, text: str) -> Any:
    from enrich.errors import RunError
    from enrich.runs.jobs import STATES, find_job
    from enrich.runs.register import OPEN

    found = find_job(service.workspace, text)
    if found.run.state != OPEN:
        raise RunError(f"job {found.run.run} is {STATES[found.run.state]} already; `enrich jobs` lists all")
    return found


def _settings() -> Settings:
    with open_workspace() as workspace:
        return workspace.settings


@contextmanager
def _service() -> Iterator[tuple[Service, Messages]]:
    """The service and its messages; BrokerError within seconds when no broker answers."""
    settings = _settings()
    from workers.broker import Broker
    from workers.config import check

    check(settings)
    Broker(settings).check()
    from workers.app import make_app
    from workers.tasks import Messages

    app = make_app(settings)
    service = app.hands.service
    try:
        with _broker_errors(settings):
            yield service, Messages(app, settings)
    finally:
        service.close()
        app.close()


@contextmanager
def _broker_errors(settings: Settings) -> Iterator[None]:
    """A broker that goes away meanwhile is said in the same words."""
    import redis
    from kombu.exceptions import OperationalError

    from enrich.errors import BrokerError
    from workers.broker import shown

    try:
        yield
    except (redis.RedisError, OperationalError) as error:
        raise BrokerError(
            f"the broker at {shown(settings.workers.broker)} went away ({error}); when it is back: enrich jobs"
        ) from error


def _metrics_folder(settings: Settings) -> str | None:
    """The folder for the metrics of several processes, named before prometheus_client is imported."""
    import os
    import tempfile

    if not settings.workers.metrics_port or os.environ.get("PROMETHEUS_MULTIPROC_DIR"):
        return None
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = tempfile.mkdtemp(prefix="enrich-metrics-")
    return os.environ["PROMETHEUS_MULTIPROC_DIR"]
