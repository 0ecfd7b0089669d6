"""Loopback HTTP servers that behave as badly as a test needs."""

from __future__ import annotations

import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO

import numpy as np
from PIL import Image

Answer = Callable[["Handler"], None]


class Handler(BaseHTTPRequestHandler):
    """Looks the path up in the server's routes; anything else is 404."""

    protocol_version = "HTTP/1.1"
    server: HttpServer

    def do_GET(self) -> None:
        self.server.seen.append(self.path)
        answer = self.server.routes.get(self.path) or self.server.default
        try:
            if answer is None:
                self.reply(404, b"not here")
            else:
                answer(self)
        except (BrokenPipeError, ConnectionResetError, ssl.SSLError):
            self.close_connection = True

    def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
        """Answer whole, with a length; header names are written with `_` for `-`."""
        self.send_response(status)
        headers.setdefault("Content_Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_arguments: object) -> None:
        pass


class HttpServer(ThreadingHTTPServer):
    """Remembers the paths it was asked for."""

    daemon_threads = True
    block_on_close = False

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.routes: dict[str, Answer] = {}
        self.default: Answer | None = None
        self.seen: list[str] = []
        self.stopping = threading.Event()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def url(self, path: str, host: str = "127.0.0.1", scheme: str = "http") -> str:
        return f"{scheme}://{host}:{self.port}{path}"

    def gives(self, path: str, body: bytes, status: int = 200, **headers: str) -> None:
        """This path always gives this."""
        self.routes[path] = lambda handler: handler.reply(status, body, **headers)

    def redirects(self, path: str, to: str, status: int = 302) -> None:
        self.routes[path] = lambda handler: handler.reply(status, Location=to)

    def handle_error(self, *_arguments: object) -> None:
        pass


@contextmanager
def server(context: ssl.SSLContext | None = None) -> Iterator[HttpServer]:
    """A running server, stopped afterwards."""
    running = HttpServer()
    if context is not None:
        running.socket = context.wrap_socket(running.socket, server_side=True)
    thread = threading.Thread(target=running.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield running
    finally:
        running.stopping.set()
        running.shutdown()
        running.server_close()
        thread.join()


@dataclass
class Clock:
    """A clock that moves only when somebody sleeps on it."""

    now: float = 1000.0
    slept: list[float] = field(default_factory=list)

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.now += seconds


def picture(
    width: int = 60, height: int = 40, format: str = "JPEG", seed: int = 0, **options: object
) -> bytes:
    """A picture of smooth noise, as a file."""
    small = np.random.default_rng(seed).integers(0, 255, (6, 8, 3), dtype=np.uint8)
    image = Image.fromarray(small).resize((width, height))
    file = BytesIO()
    image.save(file, format, **options)
    return file.getvalue()
