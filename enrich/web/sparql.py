"""/sparql by the SPARQL 1.1 Protocol, its description, and a page to ask on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from http import HTTPStatus
from typing import IO, Any
from urllib.parse import parse_qsl

from fastapi import APIRouter, Depends, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse

from enrich.errors import EnrichError, InputError, QueryRefused, StoreError
from enrich.ontology.errors import OntologyError
from enrich.ontology.terms import Names
from enrich.web.faults import PROBLEM, status_of
from enrich.web.gate.description import as_json_ld, description
from enrich.web.gate.evaluating import Answered, Busy
from enrich.web.gate.examples import examples
from enrich.web.gate.guard import MOST_CHARACTERS, Passed, QueryNotAllowed
from enrich.web.negotiation import preferred
from enrich.web.rendering import page
from enrich.web.site import Site, site_of
from enrich.web.who import SAFE, doors_of, reader

router = APIRouter()
MOST_BYTES = 4 * MOST_CHARACTERS
"""Bytes of a request's body."""
SHOWN_ROWS = 1_000
"""Rows that the page shows of an answer."""
RETRY_AFTER = "2"
"""Seconds after which one of the queries being answered may have ended."""
ROWS = {
    "application/sparql-results+json": "json",
    "application/json": "json",
    "application/sparql-results+xml": "xml",
    "application/xml": "xml",
    "text/csv": "csv",
    "text/tab-separated-values": "tsv",
}
TRIPLES = {
    "text/turtle": "ttl",
    "application/n-triples": "nt",
    "application/rdf+xml": "rdf",
    "application/ld+json": "jsonld",
}
DESCRIPTIONS = ("text/turtle", "application/ld+json", "text/html")
HTML = "text/html"


class _Wrong(Exception):
    """A request that is not of the protocol."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(detail)
        self.status, self.detail, self.headers = status, detail, dict(headers or {})


@dataclass(frozen=True, slots=True)
class SparqlRequest:
    """What a request asks: no query is the description of the service."""

    query: str | None
    default_graphs: Sequence[str]
    named_graphs: Sequence[str]
    form: str
    """The format by its name, where the request says it so."""


@router.api_route("/sparql", methods=["GET", "POST"], dependencies=[Depends(reader)])
async def sparql(request: Request) -> Response:
    """Answer a query, or say what can be asked."""
    body = b""
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MOST_BYTES:
                raise _Wrong(413, f"a request has at most {MOST_BYTES:,} bytes")
        response = await run_in_threadpool(_respond, request, _asked(request, body))
    except _Wrong as error:
        response = _problem(error.status, error.detail, error.headers)
    return _for_others(request, response)


@router.options("/sparql")
def options(request: Request) -> Response:
    """Which methods there are."""
    return _for_others(request, Response(status_code=204, headers={"Allow": "GET, HEAD, POST, OPTIONS"}))


def _for_others(request: Request, response: Response) -> Response:
    """Let pages elsewhere read the answer, where everybody may. On somebody's own computer a page that they look at
    must not read what is not published."""
    if doors_of(request).local or site_of(request).settings.web.reading != "open":
        return response
    if request.method in SAFE:
        response.headers["Access-Control-Allow-Origin"] = "*"
        response.headers["Access-Control-Allow-Methods"] = "GET, HEAD"
        response.headers["Access-Control-Expose-Headers"] = "X-Enrich-Cut, Retry-After"
    return response


def _asked(request: Request, body: bytes) -> SparqlRequest:
    """What the request asks, in one of the three ways of the protocol. Raises _Wrong."""
    said = list(request.query_params.multi_items())
    if request.method == "POST":
        kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
        try:
            text = body.decode()
            if kind == "application/x-www-form-urlencoded":
                said = parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=1000)
            elif kind == "application/sparql-query":
                said.append(("query", text))
            elif kind == "application/sparql-update":
                raise _Wrong(400, "this address answers queries; it takes no updates")
            else:
                raise _Wrong(415, "send application/sparql-query, or a form with the field query")
        except ValueError as error:
            raise _Wrong(400, f"the request is not UTF-8, or not a form: {error}") from error
    found = {name: [value for key, value in said if key == name] for name, _ in said}
    if "update" in found:
        raise _Wrong(400, "this address answers queries; it takes no updates")
    queries = found.get("query", [])
    if len(queries) > 1 or (request.method == "POST" and not queries):
        raise _Wrong(400, "send one query")
    return SparqlRequest(
        queries[0] if queries else None,
        found.get("default-graph-uri", []),
        found.get("named-graph-uri", []),
        "".join(found.get("format", [])),
    )


def _respond(request: Request, asked: SparqlRequest) -> Response:
    site = site_of(request)
    accept = request.headers.get("accept")
    if asked.query is None:
        return _described(request, site, accept)
    html = preferred(accept, (*ROWS, *TRIPLES, HTML)) == HTML and asked.form in ("", "html")
    if html or asked.form == "html":
        return _page(request, site, asked)
    try:
        query = site.gate.passed(asked.query)
        media, form = _format(query.form, asked.form, accept)
        found = site.gate.answer(query, form, asked.default_graphs, asked.named_graphs)
    except (EnrichError, OntologyError, Busy) as error:
        status, detail = _said(error)
        return _problem(status, detail, {"Retry-After": RETRY_AFTER} if status == 503 else {})
    return _answer(site, found, media, form if asked.form else "")


def _format(query_form: str, named: str, accept: str | None) -> tuple[str, str]:
    """The media type and the name of the format. Raises _Wrong where the request takes none that there is."""
    offered = TRIPLES if query_form in ("CONSTRUCT", "DESCRIBE") else ROWS
    if named:
        media = next((media for media, name in offered.items() if name == named), None)
    else:
        media = preferred(accept, tuple(offered))
    if media is None:
        raise _Wrong(406, f"a {query_form} is answered as {', '.join(offered)}")
    return media, offered[media]


def _answer(site: Site, found: Answered, media: str, download: str) -> Response:
    text = media.startswith("text/")
    headers = {
        "Content-Type": f"{media}; charset=utf-8" if text else media,
        "Content-Length": str(found.size),
        "Vary": "Accept",
    }
    if found.cut:
        headers["X-Enrich-Cut"] = _cut(site, found.cut)
    if download:
        headers["Content-Disposition"] = f'attachment; filename="answer.{download}"'
    return StreamingResponse(_pieces(found.file), headers=headers)


def _cut(site: Site, measure: str) -> str:
    web = site.settings.web
    return f"rows={web.query_rows}" if measure == "rows" else f"bytes={web.query_bytes}"


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    with file:
        while piece := file.read(1 << 16):
            yield piece


def _said(error: Exception) -> tuple[int, str]:
    """The status of what went wrong with a query, and the sentence; of a store that fails nothing more is told."""
    if isinstance(error, Busy):
        return 503, "as many queries are being answered as may be at once; ask again in a moment"
    if isinstance(error, QueryNotAllowed | QueryRefused | InputError | OntologyError):
        return 400, str(error)
    status = status_of(error)
    if status == 504:
        return 504, str(error)
    return status, "the store does not answer; this says nothing about what it holds" if isinstance(
        error, StoreError
    ) else HTTPStatus(status).phrase


def _problem(status: int, detail: str, headers: Mapping[str, str]) -> Response:
    said = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    return JSONResponse(said, status, {"Cache-Control": "no-store", **headers}, PROBLEM)


def _described(request: Request, site: Site, accept: str | None) -> Response:
    """The description of the service, or the page for people."""
    media = preferred(accept, DESCRIPTIONS)
    if media == HTML:
        return _page(request, site, None)
    if media is None:
        raise _Wrong(406, f"the description is there as {', '.join(DESCRIPTIONS)}")
    held = site.index.held()
    endpoint = f"{doors_of(request).origin(request)}/sparql"
    turtle = description(site.settings, endpoint, held.answers if held.complete else None)
    text = turtle if media == "text/turtle" else as_json_ld(turtle)
    return PlainTextResponse(text, media_type=media, headers={"Vary": "Accept"})


def _page(request: Request, site: Site, asked: SparqlRequest | None) -> Response:
    """The page: a text to ask with, what it answered, or what was wrong beside it."""
    shown = examples(Names(site.settings.base))
    said: dict[str, Any] = {
        "query": asked.query if asked and asked.query else shown[0].text,
        "examples": shown,
        "web": site.settings.web,
        "result": None,
        "error": None,
    }
    status, headers = 200, {}
    if asked is not None and asked.query is not None:
        try:
            said["result"] = _result(site, asked)
        except (EnrichError, OntologyError, Busy) as error:
            status, detail = _said(error)
            headers = {"Retry-After": RETRY_AFTER} if status == 503 else {}
            place = error if isinstance(error, QueryNotAllowed) and error.line else None
            said["error"] = {
                "status": status,
                "detail": error.why if isinstance(error, QueryNotAllowed) else detail,
                "line": place.line if place else None,
                "column": place.column if place else None,
                "text": _line(asked.query, place.line) if place else "",
            }
    response = page(request, "sparql.html", status, **said)
    response.headers.update(headers)
    return response


def _line(query: str, number: int) -> str:
    lines = query.split("\n")
    return lines[number - 1] if number <= len(lines) else ""


def _result(site: Site, asked: SparqlRequest) -> dict[str, Any]:
    """What the page shows of an answer."""
    assert asked.query is not None
    query: Passed = site.gate.passed(asked.query)
    graph = query.form in ("CONSTRUCT", "DESCRIBE")
    found = site.gate.answer(
        query, "ttl" if graph else "json", asked.default_graphs, asked.named_graphs, SHOWN_ROWS
    )
    with found.file:
        content = found.file.read()
    formats = list(dict.fromkeys((TRIPLES if graph else ROWS).values()))
    shown: dict[str, Any] = {"cut": found.cut, "shown": SHOWN_ROWS, "formats": formats, "query": asked.query}
    if graph:
        return {**shown, "turtle": content.decode()}
    answer = json.loads(content)
    if "boolean" in answer:
        return {**shown, "truth": answer["boolean"]}
    return {**shown, "variables": answer["head"]["vars"], "rows": answer["results"]["bindings"]}
