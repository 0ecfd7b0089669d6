"""An HTTP proxy before a store that loses answers after the store has acted, or delivers requests twice."""

from __future__ import annotations

import http.client
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PASS, LOSE, TWICE = "pass", "lose", "twice"
_HOP = ("connection", "keep-alive", "transfer-encoding", "content-length")


class StoreProxy(ThreadingHTTPServer):
    """Passes requests on; `mode` says what is done with every `every`-th that may write.

    Where several write at once, chance may meddle with each try of one request: the second try is let through.
    """

    daemon_threads = True

    def __init__(self, target: int) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.target = target
        self.mode = PASS
        self.every = 3
        self.meddled = 0
        self.writes = 0
        self.touched: set[bytes] = set()
        self.lock = threading.Lock()
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def treatment(self, method: str, path: str, body: bytes) -> str:
        """What to do with a request."""
        if method == "GET" or path.startswith("/query"):
            return PASS
        with self.lock:
            self.writes += 1
            if self.mode == PASS or self.writes % self.every or body in self.touched:
                return PASS
            self.touched.add(body)
            self.meddled += 1
            return self.mode


class _Handler(BaseHTTPRequestHandler):
    server: StoreProxy
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer()

    do_POST = do_PUT = do_DELETE = do_HEAD = do_GET  # noqa: N815 - the names that the library calls

    def _answer(self) -> None:
        body = self._body()
        how = self.server.treatment(self.command, self.path, body)
        status, headers, answer = self._ask(body)
        if how == TWICE:
            status, headers, answer = self._ask(body)
        self.close_connection = True
        if how == LOSE:
            return
        self.send_response(status)
        for name, value in headers:
            if name.lower() not in _HOP:
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)

    def _body(self) -> bytes:
        if "chunked" not in self.headers.get("Transfer-Encoding", ""):
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = b""
        while size := int(self.rfile.readline().strip() or b"0", 16):
            found += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return found

    def _ask(self, body: bytes) -> tuple[int, list[tuple[str, str]], bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.server.target, timeout=60)
        headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP}
        connection.request(self.command, self.path, body or None, headers)
        answer = connection.getresponse()
        try:
            return answer.status, answer.getheaders(), answer.read()
        finally:
            connection.close()

    def log_message(self, *_: object) -> None:
        """Nothing."""


@contextmanager
def store_proxy(target: int) -> Iterator[StoreProxy]:
    """A proxy that is gone when left."""
    made = StoreProxy(target)
    thread = threading.Thread(target=made.serve_forever, daemon=True)
    thread.start()
    try:
        yield made
    finally:
        made.shutdown()
        made.server_close()
        thread.join()
