"""Curators and what is current, for tests: judge, look at what is predicted, how it stands, and what is accepted."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from pathlib import Path

from enrich.answering import run as pipeline
from enrich.graph.stores import Store
from enrich.ontology.terms import ENR
from enrich.runs.reviewing import Judgement, Reviewed, Reviewer
from enrich.show.named import run_named
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

MINUTES = itertools.count()
PLACE = "place"


def now() -> datetime:
    """Each time a minute later."""
    return datetime.now(UTC) + timedelta(minutes=next(MINUTES))


def judged(workspace: Workspace, *judgements: Judgement, by: str = "Ana Ruiz") -> Reviewed:
    done = Reviewer(workspace, by).write(judgements, now())
    assert not done.refused, done.refused
    return done


def predictions(workspace: Workspace, name: str = PLACE) -> list[dict[str, str]]:
    """The current predictions of a property, by record."""
    answer = run_named(workspace, "predictions")
    rows = [
        {k: "" if v is None else v.value for k, v in zip(answer.variables, row, strict=True)}
        for row in answer.rows
    ]
    return sorted((r for r in rows if r["property"] == name), key=lambda r: r["record"])


def state(workspace: Workspace, row: dict[str, str]) -> list[str]:
    """How the current values of a record's property stand."""
    return [
        r["state"].removeprefix(str(ENR))
        for r in predictions(workspace, row["property"])
        if r["record"] == row["record"]
    ]


def accepted(workspace: Workspace) -> set[str]:
    graph = workspace.names.accepted
    rows = workspace.store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}")
    return {" ".join(str(term) for term in row) for row in rows}


def answered(store: Store, tmp_path: Path, count: int = 40) -> Workspace:
    workspace = museum(count, store)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    return workspace
