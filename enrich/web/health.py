"""Whether the site is well (/health), and what Prometheus is told of it (/metrics)."""

from __future__ import annotations

import logging
import math
import time
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse
from prometheus_client import (
    CONTENT_TYPE_LATEST,
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from enrich.web.site import Site, site_of

METHODS = ("GET", "HEAD", "POST", "OPTIONS")

router = APIRouter()
_log = logging.getLogger(__name__)


def _age(site: Site) -> float:
    """Seconds since the index was found to be what the store says; infinite before it was built."""
    checked = site.index.held().checked
    return time.time() - checked if checked else math.inf


class Metrics:
    """Requests by route and status with their seconds, and how old the index is."""

    def __init__(self, site: Site) -> None:
        self.registry = CollectorRegistry()
        labels = ("method", "route", "status")
        self.requests = Counter("enrich_web_requests", "Requests answered.", labels, registry=self.registry)
        self.seconds = Histogram(
            "enrich_web_request_seconds", "Seconds to answer a request.", ("route",), registry=self.registry
        )
        age = Gauge(
            "enrich_web_index_age_seconds",
            "Seconds since the index was brought up to date.",
            registry=self.registry,
        )
        age.set_function(lambda: _age(site))

    def count(self, scope: Scope, status: int, seconds: float) -> None:
        """Count a request by the pattern of its route, never by its address or method: those are anybody's to choose."""
        found = getattr(scope.get("route"), "path", None)
        route = "none" if found is None else scope.get("root_path", "") + found
        method = scope["method"] if scope["method"] in METHODS else "other"
        self.requests.labels(method, route, str(status)).inc()
        self.seconds.labels(route).observe(seconds)


class Measured:
    """The layer that counts, written for ASGI itself, so that a long answer streams through it."""

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self.app, self.metrics = app, metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on and count its answer."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        began, status = time.perf_counter(), 500

        async def noted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self.app(scope, receive, noted)
        finally:
            self.metrics.count(scope, status, time.perf_counter() - began)


@router.get("/health")
def health(request: Request) -> JSONResponse:
    """Whether the store can be read and written: 200 when it is so, otherwise 503. What is wrong with it, its address
    perhaps among it, is for the log; anybody may look here."""
    site = site_of(request)
    store, age = site.health(), _age(site)
    if store.problem:
        _log.warning("/health: %s", store.problem)
    wrong = {"read": store.readable, "written": store.writable}
    found: dict[str, Any] = {
        "ok": store.readable and store.writable,
        "store_readable": store.readable,
        "store_writable": store.writable,
        "index_age_seconds": None if math.isinf(age) else round(age, 1),
        "problems": [f"the store cannot be {what}" for what, well in wrong.items() if not well],
    }
    return JSONResponse(found, 200 if found["ok"] else 503, {"Cache-Control": "no-store"})


@router.get("/metrics")
def metrics(request: Request) -> Response:
    """What was counted, in Prometheus' text format."""
    counted: Metrics = request.app.state.metrics
    return Response(generate_latest(counted.registry), media_type=CONTENT_TYPE_LATEST)
