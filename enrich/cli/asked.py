"""Who asked for what, in words: columns of the tables of runs and jobs."""

from collections.abc import Sequence

from enrich.runs.request import Request
from enrich.show.naming import short_names
from enrich.workspace import Workspace


def asked_for(
    workspace: Workspace, requests: Sequence[tuple[Request | None, str | None]], *, iris: bool
) -> list[tuple[str, str]]:
    """Of each request, with its actor, what was asked for and on whose behalf: by names, or by IRIs."""
    values = {
        pair.partition("=")[2] for request, _ in requests if request is not None for pair in request.where
    }
    actors = {actor for _, actor in requests if actor is not None}
    names = {} if iris else short_names(workspace, values | actors)
    return [
        ("–" if request is None else request.words(names), "–" if actor is None else names.get(actor, actor))
        for request, actor in requests
    ]


def minute(moment: str) -> str:
    """A moment of the register, to the minute; UTC."""
    return moment[:16].replace("T", " ")
