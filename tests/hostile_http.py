"""A small HTTP server that misbehaves as told: errors, silence, bodies cut short, capped results."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs

JSON = "application/sparql-results+json"


@dataclass
class Request:
    """What the server was asked."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """The query or update in the form, or the body itself."""
        form = parse_qs(self.body.decode(), keep_blank_values=True)
        return (form.get("query") or form.get("update") or [self.body.decode()])[0]


@dataclass
class Answer:
    """What it is to answer. `length` is what Content-Length claims (None: the truth, -1: none is sent)."""

    status: int = 200
    body: bytes = b""
    media_type: str = JSON
    headers: dict[str, str] = field(default_factory=dict)
    length: int | None = None
    chunks: list[bytes] | None = None
    """Sent as a chunked body, which ends without its last chunk when `cut`."""
    cut: bool = False
    cut_headers: bool = False
    """The connection is closed within the headers."""
    hang_up: bool = False
    """The connection is closed without a word, after the request was read."""
    wait: threading.Event | None = None
    """Nothing is answered before this is set."""


Script = Callable[[Request], Answer]


@dataclass
class HostileServer:
    """Where the server is, and every request that it was sent."""

    url: str
    requests: list[Request]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False

    def handle_error(self, *_: object) -> None:
        """A client that hangs up is expected here."""


@contextmanager
def hostile_server(script: Script) -> Iterator[HostileServer]:
    """A server on a free port of 127.0.0.1 that answers each request as the script says."""
    requests: list[Request] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            request = Request(self.command, self.path, dict(self.headers.items()), body)
            requests.append(request)
            answer = script(request)
            if answer.wait is not None:
                answer.wait.wait(20)
            self.close_connection = True
            if answer.hang_up or answer.cut_headers:
                self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Ty" if answer.cut_headers else b"")
                return
            self.send_response(answer.status)
            self.send_header("Content-Type", answer.media_type)
            self.send_header("Connection", "close")
            for name, value in answer.headers.items():
                self.send_header(name, value)
            if answer.chunks is not None:
                self.send_header("Transfer-Encoding", "chunked")
            elif answer.length != -1:
                length = len(answer.body) if answer.length is None else answer.length
                self.send_header("Content-Length", str(length))
            self.end_headers()
            if answer.chunks is None:
                self.wfile.write(answer.body)
                return
            for chunk in answer.chunks:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(chunk), chunk))
            if not answer.cut:
                self.wfile.write(b"0\r\n\r\n")

        do_GET = do_POST = do_PUT = do_DELETE = _serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            """Nothing: tests are quiet."""

        def version_string(self) -> str:
            return "Hostile/1"

    server = _Server(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield HostileServer(f"http://127.0.0.1:{server.server_address[1]}", requests)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def results(variables: list[str], rows: list[list[str]]) -> bytes:
    """JSON results whose values are all IRIs."""
    bindings = [
        {name: {"type": "uri", "value": value} for name, value in zip(variables, row, strict=True)}
        for row in rows
    ]
    return json.dumps({"head": {"vars": variables}, "results": {"bindings": bindings}}).encode()


def count_result(number: int) -> bytes:
    """JSON results with one count."""
    value = {"type": "literal", "datatype": "http://www.w3.org/2001/XMLSchema#integer", "value": str(number)}
    return json.dumps({"head": {"vars": ["rows"]}, "results": {"bindings": [{"rows": value}]}}).encode()
