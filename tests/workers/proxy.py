"""A TCP proxy before a server, which passes on, answers 500 or 404, hangs, refuses or falls silent, as it is told."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

PASS, ERROR, MISSING, HANG, DOWN = "pass", "error", "missing", "hang", "down"
_REFUSALS = {
    mode: f"HTTP/1.1 {status}\r\nContent-Type: text/plain\r\nContent-Length: 9\r\nConnection: close\r\n\r\nnot now.\n"
    for mode, status in ((ERROR, "500 Internal Server Error"), (MISSING, "404 Not Found"))
}


class Proxy:
    """Passes connections on to a port of 127.0.0.1; `mode` says how it treats new ones."""

    def __init__(self, target: int, tls: ssl.SSLContext | None = None) -> None:
        self.target = target
        self.tls = tls
        self._mode = PASS
        self.refused = 0
        self.every = 1
        """In the modes ERROR and MISSING, of so many connections one is refused."""
        self._count = 0
        self._silenced: set[socket.socket] = set()
        self._passing: set[socket.socket] = set()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._ended = threading.Event()
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def mode(self) -> str:
        """How new connections are treated. A change ends those that there are: clients keep theirs open."""
        return self._mode

    @mode.setter
    def mode(self, mode: str) -> None:
        self._mode = mode
        for connection in list(self._passing):
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)

    def _accept(self) -> None:
        while not self._ended.is_set():
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        if self.tls is not None:
            try:
                client = self.tls.wrap_socket(client, server_side=True)
            except OSError:
                self.refused += 1
                return
        with client:
            mode = self.mode
            self._count += 1
            if mode in _REFUSALS and self._count % self.every:
                mode = PASS
            if mode == PASS:
                self._pass(client)
                return
            self.refused += 1
            if mode == HANG:
                self._ended.wait(30)
            elif mode in _REFUSALS:
                with suppress(OSError):
                    client.settimeout(2)
                    client.recv(1_000_000)
                    client.sendall(_REFUSALS[mode].encode())
            # DOWN: closed at once

    def _pass(self, client: socket.socket) -> None:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.target)) as server:
            back = threading.Thread(target=self._pump, args=(server, client), daemon=True)
            self._passing |= {server, client}
            back.start()
            self._pump(client, server)
            back.join()

    def silence(self) -> int:
        """Pass nothing more on in the connections that there are, and leave them open, as when a cable is
        pulled. Returns how many there were."""
        self._silenced |= self._passing
        return len(self._silenced) // 2

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                if source not in self._silenced:
                    target.sendall(data)
        self._passing.discard(source)
        with suppress(OSError):
            target.shutdown(socket.SHUT_WR)

    def close(self) -> None:
        """Stop listening."""
        self._ended.set()
        self._listener.close()


@contextmanager
def proxy(target: int, tls: ssl.SSLContext | None = None) -> Iterator[Proxy]:
    """A proxy that is gone when left; with `tls`, those who come must speak it."""
    made = Proxy(target, tls)
    try:
        yield made
    finally:
        made.close()
