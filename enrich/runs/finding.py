"""Finds the run that a person means by an IRI, an id, or the beginning of one."""

from collections.abc import Sequence

from enrich.errors import InputError, RunError
from enrich.ontology.terms import is_iri
from enrich.runs.register import Register, Run
from enrich.workspace import Workspace

SHORTEST = 4
"""Letters that name a run, at least."""
NAMED = 5
"""Runs that are named where a text means several."""


def list_runs(workspace: Workspace) -> list[Run]:
    """All runs of the workspace's store, the oldest first."""
    return Register(workspace.store, workspace.names).counted()


def short_id(run: str) -> str:
    """What names a run to a person who has to type it: the letters at the end of its id, that no other run has."""
    return run.rpartition("/")[2].rpartition("-")[2]


def find(workspace: Workspace, text: str) -> Run:
    """The run that a text names (see `named_by`). Raises RunError for none or several."""
    return named_by(text, list_runs(workspace), "run", "enrich runs")


def run_meant(workspace: Workspace, text: str) -> Run | None:
    """The run that a text names; None for the IRI of anything else. Raises InputError for what names nothing."""
    if is_iri(text) and not text.startswith(f"{workspace.names.base}run/"):
        return None
    try:
        return find(workspace, text)
    except RunError as error:
        if is_iri(text):
            raise
        raise InputError(f"not an absolute IRI of a record, and {error}") from error


def named_by(text: str, runs: Sequence[Run], kind: str, verb: str) -> Run:
    """The one of some runs that `text` names: its IRI or id, or the beginning, of at least `SHORTEST` letters, of its
    id or of its short id."""

    def begins(run: Run) -> bool:
        return run.run.rpartition("/")[2].startswith(text) or short_id(run.run).startswith(text)

    found = [run for run in runs if text and (run.run == text or run.run.endswith(f"/{text}"))]
    found = found or [run for run in runs if len(text) >= SHORTEST and begins(run)]
    if len(found) == 1:
        return found[0]
    if not found:
        hint = f" (give at least {SHORTEST} letters)" if len(text) < SHORTEST else ""
        raise RunError(f"no {kind} is called {text!r}{hint}; `{verb}` lists them")
    names = [f"{short_id(run.run)} ({run.state.lower()}, {run.started})" for run in found[:NAMED]]
    more = ["…"] if len(found) > NAMED else []
    raise RunError(f"{text!r} names {len(found)} {kind}s: {', '.join(names + more)}; give more of it")
