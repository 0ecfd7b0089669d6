"""The verbs of the service that need a broker: worker, beat, health, queue."""

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import redis
import typer
from kombu.exceptions import OperationalError
from pyoxigraph import NamedNode

from enrich.classifiers.model.description import ModelDescription
from enrich.cli.common import model_folder, open_workspace, records_named, say, write_json, write_table
from enrich.cli.options import Json, Limit, ModelFolder, Properties, RecordsFile
from enrich.errors import BrokerError, InputError, SettingsError
from enrich.graph.stores.transport import redact_credentials
from enrich.graph.where import records_where
from enrich.runs.request import JOB, make_request, open_run
from enrich.settings.loading import Settings
from enrich.workers.app import make_app, start_beat, start_worker
from enrich.workers.context import WorkerContext
from enrich.workers.health import look
from enrich.workers.tasks import Messages
from enrich.workers.threads import stay_single_threaded

EXAMPLES = {
    "worker": "enrich worker --concurrency 2",
    "beat": "enrich beat",
    "health": "enrich health --json",
    "queue": "enrich queue --model model --property place --limit 100 --json",
}

OPEN_SECONDS = 20.0
"""How long `queue` waits for another process that is opening a run."""


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
    threads = stay_single_threaded(processes)
    app = make_app(settings)
    app.enrich_broker.check()
    served = app.enrich_broker.served(queues)
    raise typer.Exit(
        start_worker(app, settings, concurrency=processes, threads=threads, queues=served, name=name)
    )


def beat() -> None:
    """Start the nightly run when it is due, until told to stop.

    A run that was due while no beat was running is started at once. Two beats do no harm: a run is
    opened once for each time that it is due."""
    settings = _settings()
    app = make_app(settings)
    if settings.workers.schedule is None:
        raise SettingsError("nothing is scheduled: set workers.schedule (such as 0 2 * * *) in enrich.toml")
    app.enrich_broker.check()
    start_beat(app)


def health(
    need_worker: Annotated[
        bool, typer.Option("--worker/--no-worker", help="Whether a worker must answer.")
    ] = True,
    as_json: Json = False,
) -> None:
    """Say whether broker, store, workers and beat are well; for probes.

    The exit code is 0 when all is well, 7 without a broker, 3 without a store, else 1."""
    with open_workspace(new_store=True) as workspace:
        settings = workspace.settings
    found = look(make_app(settings, looking=True), settings, need_worker=need_worker)
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
    model: ModelFolder = None,
    properties: Properties = None,
    records: RecordsFile = None,
    where: Annotated[
        list[str] | None,
        typer.Option(
            "--where", metavar="NAME=IRI", help="Only records with this context, such as museum=IRI."
        ),
    ] = None,
    limit: Limit = None,
    priority: Annotated[
        int,
        typer.Option("--priority", min=0, max=9, help="The highest goes first; all pass the nightly run."),
    ] = 5,
    as_json: Json = False,
) -> None:
    """Queue a job for the workers, and print its id.

    A job passes before the nightly run. When the same is under way already, that job is named."""
    with _worker_context() as (context, messages):
        run, new = _open(context, model, properties, records, where, limit, priority)
        messages.reconcile()
        job_id = context.names.run_id(run)
    if not new:
        say(f"the same is under way already: job {job_id} holds it ({run.value})")
    if as_json:
        write_json({"job": job_id, "run": run.value})
    else:
        sys.stdout.write(f"{job_id}\n")
        say(f"see: enrich job {job_id} --follow")


def _open(
    context: WorkerContext,
    model: Path | None,
    properties: list[str] | None,
    records: Path | None,
    where: list[str] | None,
    limit: int | None,
    priority: int,
) -> tuple[NamedNode, bool]:
    folder = model_folder(context.workspace, model).resolve()
    described = ModelDescription.read(folder)
    context.workspace.reader.expect_records(something=True)
    named = records_named(context.workspace, records)
    request = make_request(
        context.workspace,
        JOB,
        folder,
        described,
        properties=tuple(properties or ()),
        records=named,
        where=tuple(where or ()),
        limit=limit,
        priority=priority,
    )
    if where and next(records_where(context.workspace.reader, where), None) is None:
        raise InputError(f"no record has {' and '.join(where)}: give the value's IRI as the graph writes it")
    deadline = time.monotonic() + OPEN_SECONDS
    while True:
        with context.broker.lock("open", 60) as held:
            if held or time.monotonic() > deadline:
                return open_run(context.workspace, described, request, named)
        time.sleep(0.2)


def _settings() -> Settings:
    with open_workspace() as workspace:
        return workspace.settings


@contextmanager
def _worker_context() -> Iterator[tuple[WorkerContext, Messages]]:
    """The worker context and its messages; BrokerError when no broker answers within seconds, or when it goes away."""
    settings = _settings()
    app = make_app(settings)
    app.enrich_broker.check()
    context = app.process.context
    try:
        yield context, Messages(app, settings)
    except (redis.RedisError, OperationalError) as error:
        raise BrokerError(
            f"the broker at {redact_credentials(settings.workers.broker)} went away ({error}); when it is back: enrich jobs"
        ) from error
    finally:
        context.close()
        app.close()
