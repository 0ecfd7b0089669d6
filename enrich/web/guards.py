"""What holds for every request and answer: the host is ours, headers that confine pages, and an audit of changes.

It is written for ASGI itself, so that a long answer streams through it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
import threading
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from enrich.web.who import Doors, User

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; "
    "connect-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cache-Control": "private, no-cache",
}
"""Headers of every answer that has none of this name of its own."""
UVICORN: Mapping[str, Any] = {"proxy_headers": False, "server_header": False}
"""What uvicorn is started with: who the peer is comes from the connection alone, never from what was sent."""


class Audit:
    """Lines of JSON about who changed what, at the end of a file that its owner alone reads."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.Lock()

    def write(self, **said: object) -> None:
        """A line. One that cannot be written to the file goes to stderr."""
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, **said}, ensure_ascii=False, default=str) + "\n"
        try:
            with self._lock:
                self.path.parent.mkdir(parents=True, exist_ok=True)
                flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND
                with os.fdopen(os.open(self.path, flags, 0o600), "a", encoding="utf-8") as file:
                    file.write(line)
        except OSError:
            sys.stderr.write(line)


class Guards:
    """The outermost layer of the site."""

    def __init__(self, app: ASGIApp, doors: Doors, audit: Audit) -> None:
        self.app, self.doors, self.audit = app, doors, audit
        hide_queries()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request on, and its answer back with the headers."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        state, method, status = scope.setdefault("state", {}), scope["method"], 500
        asked = {**scope, "method": "GET" if method == "HEAD" else method}  # the server leaves the body out

        async def guarded(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(raw=message["headers"])
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
                message["headers"] = headers.raw
            await send(message)

        try:
            if self.doors.knows_host(Headers(scope=scope).get("host", "")):
                await self.app(asked, receive, guarded)
            else:
                answer = PlainTextResponse("this site is called localhost or 127.0.0.1\n", 400)
                await answer(asked, receive, guarded)
        finally:
            scope.update(asked, method=method)  # by which route it was answered, for who counts
            user = state.get("user")
            if "changing" in state and isinstance(user, User):
                self.audit.write(
                    who=user.name,
                    role=user.role,
                    bearer=user.bearer,
                    what=f"{scope['method']} {scope['path']}",
                    outcome=status,
                    **state.get("audit", {}),
                )


class _WithoutQuery(logging.Filter):
    """Cuts the query off the path in a line of uvicorn's: a token may be in it, or somebody's question."""

    def filter(self, record: logging.LogRecord) -> bool:
        if isinstance(record.args, tuple) and len(record.args) == 5:
            client, method, path, *rest = record.args
            record.args = (client, method, str(path).partition("?")[0], *rest)
        return True


def hide_queries() -> None:
    """From now on no line about a request says its query."""
    log = logging.getLogger("uvicorn.access")
    if not any(isinstance(known, _WithoutQuery) for known in log.filters):
        log.addFilter(_WithoutQuery())
