"""Let other processes work with an embedded store that this one holds, by SPARQL over loopback.

A file beside the store says where, and has the token without which nobody is heard; its owner alone can read it.
"""

import hmac
import json
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import IO, cast
from urllib.parse import parse_qs, urlsplit

import pyoxigraph as ox
from pyoxigraph import DefaultGraph, NamedNode

from enrich.errors import InputError, QueryRefused, StoreError
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.served import SERVER, StoreService

PIECE = 1 << 16
MOST_BYTES = 1 << 28
"""A request larger than this is refused; pieces of a load are far smaller."""


@contextmanager
def hosted(store: EmbeddedStore, pages: str = "") -> Iterator[StoreService]:
    """Serve the store to other processes of this user for as long as the context lasts. `pages` is where people look
    at it."""
    assert store.path is not None
    server = _Server(store, secrets.token_urlsafe(32))
    thread = threading.Thread(target=server.serve_forever, args=(0.1,), name="store", daemon=True)
    thread.start()
    service = StoreService(f"http://127.0.0.1:{server.server_address[1]}", server.token, os.getpid(), pages)
    service.write(store.path)
    try:
        yield service
    finally:
        service.remove(store.path)
        server.shutdown()
        server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 64

    def __init__(self, store: EmbeddedStore, token: str) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.store = store
        self.path = store.path and store.path.resolve()
        self.token = token

    def handle_error(self, request: object, client_address: object) -> None:
        """A client that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    """SPARQL 1.1 Protocol and Graph Store Protocol, as far as RemoteStore speaks them."""

    protocol_version = "HTTP/1.1"
    server_version, sys_version = SERVER, ""
    disable_nagle_algorithm = True
    server: _Server

    def do_GET(self) -> None:
        self._answer({"/": self._say_which, "/store": self._dump})

    def do_POST(self) -> None:
        self._answer({"/query": self._query, "/update": self._update, "/store": self._add})

    def log_message(self, format: str, *args: object) -> None:
        """Nothing is said of single requests."""

    def _answer(self, routes: dict[str, Callable[[bytes], None]]) -> None:
        """Carry a request out. What fails before the first byte has a status; later, the connection breaks."""
        self.sent = False
        body = self._body() if self._known() else None
        if body is None:
            return
        address = urlsplit(self.path)
        route = routes.get(address.path)
        self.asked = parse_qs(address.query, keep_blank_values=True)
        try:
            if route is None:
                self._end(404, b"no such address")
            else:
                route(body)
        except (QueryRefused, InputError) as error:
            self._fail(400, error)
        except StoreError as error:
            self._fail(500, error)
        except OSError:
            self.close_connection = True

    def _body(self) -> bytes | None:
        length = self.headers.get("Content-Length", "0")
        if not length.isdigit() or int(length) > MOST_BYTES or "Transfer-Encoding" in self.headers:
            self.close_connection = True
            self._end(413, b"the request is too large")
            return None
        return self.rfile.read(int(length))

    def _known(self) -> bool:
        given = self.headers.get("Authorization", "").encode("utf-8", "replace")
        if hmac.compare_digest(given, f"Bearer {self.server.token}".encode()):
            return True
        self.close_connection = True  # whatever else a stranger sends is not read
        self._end(401, b"who asks?")
        return False

    def _say_which(self, _: bytes) -> None:
        self._end(200, json.dumps({"store": str(self.server.path)}).encode(), "application/json")

    def _query(self, body: bytes) -> None:
        store = self.server.store
        with store.errors():
            results = store.query(_field(body, "query"))
            if isinstance(results, ox.QueryTriples):
                with self._streamed("application/n-triples") as target:
                    results.serialize(target, ox.RdfFormat.N_TRIPLES)
            else:
                with self._streamed("application/sparql-results+json") as target:
                    results.serialize(target, ox.QueryResultsFormat.JSON)

    def _update(self, body: bytes) -> None:
        self.server.store.update(_field(body, "update"))
        self._end(204)

    def _add(self, body: bytes) -> None:
        self.server.store.write_graph(self._graph() or DefaultGraph(), body)
        self._end(204)

    def _dump(self, _: bytes) -> None:
        """A graph in the store's own order of its triples, so that digests agree; or all, as N-Quads."""
        store, graph = self.server.store, self._graph()
        form = ox.RdfFormat.N_QUADS if graph is None else ox.RdfFormat.N_TRIPLES
        with store.errors(), self._streamed(form.media_type) as target:
            store.store.dump(target, form, from_graph=graph)

    def _graph(self) -> NamedNode | DefaultGraph | None:
        if "default" in self.asked:
            return DefaultGraph()
        named = self.asked.get("graph")
        return NamedNode(named[0]) if named else None

    @contextmanager
    def _streamed(self, media_type: str) -> Iterator[IO[bytes]]:
        body = _Chunked(self, media_type)
        yield cast(IO[bytes], body)
        body.end()

    def _fail(self, status: int, error: Exception) -> None:
        if self.sent:
            self.close_connection = True
        else:
            self._end(status, str(error).encode())

    def _end(self, status: int, body: bytes = b"", media_type: str = "text/plain; charset=utf-8") -> None:
        with suppress(OSError):
            self.send_response(status)
            if status != 204:
                self.send_header("Content-Type", media_type)
                self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)


class _Chunked:
    """A body of unknown length, in chunks; the headers go with the first."""

    def __init__(self, handler: _Handler, media_type: str) -> None:
        self._handler = handler
        self._media_type = media_type
        self._held = bytearray()

    def write(self, data: bytes) -> int:
        self._held += data
        if len(self._held) >= PIECE:
            self._send()
        return len(data)

    def flush(self) -> None:
        """What is held goes when it is a piece, or at the end."""

    def end(self) -> None:
        if self._held or not self._handler.sent:
            self._send()
        self._handler.wfile.write(b"0\r\n\r\n")

    def _send(self) -> None:
        handler = self._handler
        if not handler.sent:
            handler.sent = True
            handler.send_response(200)
            handler.send_header("Content-Type", self._media_type)
            handler.send_header("Transfer-Encoding", "chunked")
            handler.end_headers()
        if self._held:
            handler.wfile.write(b"%x\r\n%b\r\n" % (len(self._held), bytes(self._held)))
            self._held.clear()


def _field(body: bytes, name: str) -> str:
    """A field of a form. Raises InputError when it is not there."""
    fields = parse_qs(body.decode("utf-8", "strict"), keep_blank_values=True)
    if len(fields.get(name, ())) != 1:
        raise InputError(f"the request has no {name}")
    return fields[name][0]
