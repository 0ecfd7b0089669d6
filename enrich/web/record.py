"""The page of one record: what the museum says, and apart from it what models suggest and why."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator, Mapping
from typing import Any

from fastapi import APIRouter, Depends, HTTPException, Request
from fastapi.responses import FileResponse, HTMLResponse, Response
from pyoxigraph import NamedNode

from enrich.errors import InputError, ModelError
from enrich.ontology.terms import named_node
from enrich.show.explaining import explain_shown
from enrich.show.named import printed
from enrich.show.record import record_statements, show_record
from enrich.web.rdf import FORMS, rdf
from enrich.web.rendering import language_of, page, words_of
from enrich.web.site import Site, site_of
from enrich.web.who import reader
from enrich.workspace import Workspace

EXPLAINING = threading.Semaphore(1)
"""An explanation asks the model anew, for seconds and with all of its memory: one at a time."""
PATIENCE = 20.0
"""Seconds that another explanation is waited for."""
_SALIENCY = re.compile(r"[A-Za-z0-9_-]{1,250}\.png")
_log = logging.getLogger(__name__)

router = APIRouter(dependencies=[Depends(reader)])


@router.get("/record")
def record(request: Request, iri: str) -> HTMLResponse:
    """All that is known and suggested of one record."""
    site = site_of(request)
    with site.workspace() as workspace:
        shown = _shown(workspace, named_node(iri), language_of(request))
        return page(request, "record.html", **_said(site, workspace, shown))


@router.get("/record.{form}")
def record_file(request: Request, form: str, iri: str) -> Response:
    """The answers about a record, with all that they stand on, as RDF."""
    if form not in FORMS:
        raise HTTPException(404)
    with site_of(request).workspace() as workspace:
        found = record_statements(workspace, named_node(iri))
    if not found:
        raise HTTPException(404, f"no run has answered about {iri}")
    return rdf(found, form)


@router.get("/why")
def why(request: Request, iri: str, prediction: str) -> HTMLResponse:
    """Why one current answer about a record was given, asked of its model now."""
    site, t = site_of(request), words_of(request)
    with site.workspace() as workspace:
        shown = _shown(workspace, named_node(iri), t.language)
        shown["predictions"] = [
            a for a in shown["predictions"] if a["prediction"] == prediction and a["current"]
        ]
        if not shown["predictions"]:
            raise HTTPException(404, f"there is no current answer {prediction} about {iri}")
        problem = _explain(site, workspace, shown)
        said = _said(site, workspace, shown)
    answer = shown["predictions"][0]
    found = answer.get("explanation")
    words = _words(found) if found else set()
    marked = [{**text, "pieces": list(_pieces(text["value"], words))} for text in shown["texts"]]
    return page(request, "why.html", **said, answer=answer, explanation=found, marked=marked, problem=problem)


@router.get("/saliency/{name}")
def saliency(request: Request, name: str) -> Response:
    """A picture with what mattered in it, as an explanation drew it."""
    path = site_of(request).explanations / name
    if not _SALIENCY.fullmatch(name) or not path.is_file():
        raise HTTPException(404)
    return FileResponse(path, media_type="image/png")


def _shown(workspace: Workspace, iri: NamedNode, language: str) -> dict[str, Any]:
    try:
        return show_record(workspace, iri, language)
    except InputError as error:  # neither the facts nor any run know it
        raise HTTPException(404, str(error)) from error


def _said(site: Site, workspace: Workspace, shown: Mapping[str, Any]) -> dict[str, Any]:
    """What a page of a record says."""
    by_property: dict[str, list[Any]] = {}
    for answer in shown["predictions"]:
        by_property.setdefault(answer["property"], []).append(answer)
    return {
        "shown": shown,
        "name": shown["labels"].get(shown["record"], shown["record"]),
        "called": site.called,
        "current": {p: [a for a in found if a["current"]] for p, found in by_property.items()},
        "earlier": [a for a in shown["predictions"] if not a["current"]],
        "sparql": printed(workspace, "provenance", {"record": named_node(shown["record"])}),
        "forms": list(FORMS),
        "most_pictures": workspace.settings.media.per_record,
    }


def _explain(site: Site, workspace: Workspace, shown: dict[str, Any]) -> bool:
    """Add the explanation; True where the model is not at hand or cannot tell."""
    if not EXPLAINING.acquire(timeout=PATIENCE):
        raise HTTPException(503, "another answer is being explained", {"Retry-After": "10"})
    try:
        explain_shown(workspace, shown, out=site.explanations)
    except (InputError, ModelError) as error:
        _log.info("no explanation: %s", error)
        return True
    finally:
        EXPLAINING.release()
    return False


def _words(explanation: Mapping[str, Any]) -> set[str]:
    """The words that spoke for an answer."""
    contributions = (
        c for m in explanation["modalities"] if m["modality"] == "text" for c in m.get("contributions", ())
    )
    return {
        c["name"].strip().lower() for c in contributions if c["weight"] > 0 and len(c["name"].strip()) > 2
    }


def _pieces(text: str, words: set[str]) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it mattered."""
    for piece in re.split(r"(\w+)", text):
        if piece:
            yield piece, piece.lower() in words
