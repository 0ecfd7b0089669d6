"""What goes wrong, said to whoever asked: a page for people, a problem (RFC 9457) for programs, never an empty result."""

from __future__ import annotations

import logging
from http import HTTPStatus

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, Response
from starlette.exceptions import HTTPException

from enrich.errors import EnrichError, InputError, RunError, StoreError, StoreTimeout
from enrich.ontology.errors import OntologyError
from enrich.web.guards import HEADERS
from enrich.web.languages import words
from enrich.web.negotiation import preferred
from enrich.web.rendering import page, words_of

PROBLEM = "application/problem+json"
_STATUS: tuple[tuple[type[Exception], int], ...] = (
    (StoreTimeout, 504),
    (StoreError, 502),
    (InputError, 400),
    (OntologyError, 400),
    (RunError, 404),
)
_log = logging.getLogger(__name__)


def install(app: FastAPI) -> None:
    """Let an application answer its faults in this way."""
    for kind in (EnrichError, OntologyError):
        app.add_exception_handler(kind, _ours)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unforeseen)


def fault(request: Request, status: int, detail: str = "", headers: dict[str, str] | None = None) -> Response:
    """The answer to a request that went wrong. Of a fault on our side nothing is told but that it happened."""
    t = words_of(request)
    known = str(status) if f"faults.{status}" in words() else "500" if status >= 500 else "400"
    said = "" if status >= 500 else detail
    if wants_page(request):
        response: Response = page(request, "fault.html", status, code=status, known=known, detail=said)
    else:
        problem = {"type": "about:blank", "title": t(f"faults.{known}"), "status": status}
        problem["detail"] = said or t(f"faults.{known}_todo")
        response = JSONResponse(problem, status, media_type=PROBLEM)
    response.headers.update(headers or {})
    response.headers["Cache-Control"] = "no-store"
    return response


def wants_page(request: Request) -> bool:
    """Whether the client would rather read a page than a problem as JSON."""
    programs = request.url.path.startswith("/api/") or request.method not in ("GET", "HEAD", "POST")
    offered = (
        (PROBLEM, "application/json", "text/html") if programs else ("text/html", PROBLEM, "application/json")
    )
    return preferred(request.headers.get("accept"), offered) in ("text/html", None)


def status_of(error: Exception) -> int:
    """The HTTP status of an error of ours."""
    return next((status for kind, status in _STATUS if isinstance(error, kind)), 500)


def _ours(request: Request, error: Exception) -> Response:
    status = status_of(error)
    if status >= 500:
        _log.warning("%s %s: %s", request.method, request.url.path, error)
    return fault(request, status, str(error))


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    detail = "" if error.detail == HTTPStatus(error.status_code).phrase else str(error.detail)
    return fault(request, error.status_code, detail, dict(error.headers or {}))


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    wrong = "; ".join(f"{'.'.join(map(str, e['loc'][1:]))}: {e['msg']}" for e in error.errors())
    return fault(request, 400, wrong)


def _unforeseen(request: Request, _error: Exception) -> Response:
    return fault(request, 500, headers=dict(HEADERS))  # what is unforeseen is answered outside of the guards
