"""Verbs about jobs: jobs, job, cancel, pause, resume. They need the triplestore alone."""

import time
from datetime import UTC, datetime
from operator import attrgetter
from typing import Annotated

import typer

from enrich.cli.asked import asked_for, minute
from enrich.cli.common import Bars, Json, ask, open_workspace, say, write_json, write_table
from enrich.cli.options import DryRun, Iris, Yes
from enrich.runs.blackout import rests_until, zone
from enrich.runs.finding import short_id
from enrich.runs.jobs import Job, describe, find_job, find_open_job, list_jobs
from enrich.runs.jobs import cancel as take_back
from enrich.runs.plan import Plan
from enrich.runs.request import NIGHTLY
from enrich.workspace import Workspace

EXAMPLES = {
    "jobs": "enrich jobs --json",
    "job": "enrich job ID --follow",
    "pause": "enrich pause ID",
    "resume": "enrich resume RUN",
    "cancel": "enrich cancel ID\nenrich cancel ID --yes",
}
JobId = Annotated[
    str,
    typer.Argument(metavar="ID", help="A job's id, its beginning as enrich jobs shows it, or its run's IRI."),
]
FOLLOW_SECONDS = 2.0
_FIGURES = attrgetter("gaps", "answered", "failed", "remaining_seconds")


def jobs(iris: Iris = False, as_json: Json = False) -> None:
    """List the jobs, nightly ones too, the oldest first: who asked for what, and how far it is."""
    with open_workspace(reading=True) as workspace:
        found = list_jobs(workspace)
        asked = asked_for(workspace, [(j.request, j.actor) for j in found], iris=iris)
        rows = [
            (j.run if iris else short_id(j.run), j.kind, _state(j, workspace), minute(j.started), *who, *_FIGURES(j))
            for j, who in zip(found, asked, strict=True)
        ]  # fmt: skip
    if as_json:
        write_json({"jobs": [job.as_dict() for job in found]})
        return
    heads = (
        "job", "kind", "state", "started", "asked for", "on behalf of", "gaps", "answered", "failed", "seconds left"
    )  # fmt: skip
    write_table(heads, rows, numbers=(6, 7, 8, 9), spare=(5, 1, 8, 3))


def job(
    job_id: JobId,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    as_json: Json = False,
) -> None:
    """Show a job: its state, and how many of its gaps are answered.

    The exit code is 6 when it is followed and has failed."""
    with open_workspace(reading=True) as workspace:
        found = followed(workspace, job_id) if follow else describe(workspace, find_job(workspace, job_id))
    if as_json:
        write_json(found.as_dict())
    else:
        rows = [(key, value) for key, value in found.as_dict().items() if value is not None]
        write_table(("what", "value"), [(key, str(value)) for key, value in rows])
    if follow and found.state == "failed":
        raise typer.Exit(6)


def _state(found: Job, workspace: Workspace) -> str:
    if found.state != "running" or found.paused:
        return "paused" if found.state == "running" else found.state
    settings = workspace.settings.workers
    until = rests_until(settings, datetime.now(UTC)) if found.kind == NIGHTLY else None
    if until is not None:
        return f"resting until {until.astimezone(zone(settings)):%H:%M}"
    return "running" if found.holds_lease else "waiting"


def followed(workspace: Workspace, job_id: str) -> Job:
    """The job when it has ended. Until then a bar on a terminal, and elsewhere a line when there is news."""
    said = ""
    with Bars("job", lines=False) as bars:
        while True:
            found = describe(workspace, find_job(workspace, job_id))
            if found.state != "running":
                return found
            done = found.answered + found.failed
            rate = f", {found.per_second:.1f} a second" if found.per_second else ""
            bars("gaps", done, found.gaps or 0, f"{_state(found, workspace)}{rate}")
            share = f" of {found.gaps:,} ({100 * done / found.gaps:.0f} %)" if found.gaps else ""
            left = f", {found.remaining_seconds:.0f} s left" if found.remaining_seconds else ""
            news = f"{_state(found, workspace)}: {done:,} gaps{share}"
            if not bars.wanted and news != said:
                said = news
                say(f"{news}{rate}{left}")
            time.sleep(FOLLOW_SECONDS)


def cancel(job_id: JobId, dry_run: DryRun = False, yes: Yes = False, as_json: Json = False) -> None:
    """Take a job back: nothing of it is visible, and its graphs are dropped. Asks before that."""
    with open_workspace() as workspace:
        found = find_open_job(workspace, job_id)
        job = describe(workspace, found)
        what = f"{found.run.run}, {_state(job, workspace)}: {job.answered + job.failed:,} gaps answered"
        dropped = 0
        if not dry_run:
            ask(f"cancel {what}; they go for good?", yes)
            dropped = take_back(workspace.store, workspace.names, found.iri)
    if as_json:
        state = job.state if dry_run else "cancelled"
        write_json({"job": job.job, "state": state, "dropped": dropped, "dry_run": dry_run})
    elif dry_run:
        say(f"would be cancelled: {what}")
    else:
        say(f"cancelled {found.run.run}; {dropped:,} graphs dropped")


def pause(job_id: JobId, as_json: Json = False) -> None:
    """Let a job rest; others go on. `enrich resume` lets it go on."""
    with open_workspace() as workspace:
        found = find_open_job(workspace, job_id)
        Plan(workspace.store, workspace.names, found.iri).pause()
    job_id = found.run.run.rpartition("/")[2]
    if as_json:
        write_json({"job": job_id, "run": found.run.run, "state": "paused"})
    else:
        say(f"paused {found.run.run}; go on with: enrich resume {job_id}")


def resume(run: JobId, as_json: Json = False) -> None:
    """Let a run go on that was paused, that failed, or whose messages were lost with the broker.

    What is answered already is not answered again."""
    with open_workspace() as workspace:
        found = find_open_job(workspace, run)
        plan = Plan(workspace.store, workspace.names, found.iri)
        plan.resume()
        left = plan.pending()
    job_id = found.run.run.rpartition("/")[2]
    if as_json:
        write_json({"job": job_id, "run": found.run.run, "batches_left": left})
    else:
        say(f"resumed {found.run.run}; {left:,} batches left; see: enrich job {job_id} --follow")
