"""Connections to addresses that were checked: a name is resolved once, and what was checked is connected to.

A name that resolves to a public address when asked and to a private one when connected to (rebinding)
gains nothing, because the name is not resolved again. TLS still names and verifies the host, not the
address. Every read and write keeps to one deadline per request, so that a server sending a byte now and
then cannot hold a connection for longer.
"""

import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import Future, wait
from typing import Any

import httpcore2

from enrich.media.addresses import Address, AllowList, kind_of
from enrich.media.refusal import NoAnswer, Refusal

Resolver = Callable[[str, int, float], list[str]]
"""Called as resolver(host, port, timeout in seconds); gives addresses, raises OSError when there are none."""
MAX_ADDRESSES = 3
_SocketOptions = Iterable[Any]


def system_resolver(host: str, port: int, timeout: float) -> list[str]:
    """The addresses of a host by the system's resolver, which itself knows no time limit."""
    found: Future[list[Any]] = Future()

    def resolve() -> None:
        try:
            found.set_result(socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError) as error:
            found.set_exception(error)

    threading.Thread(target=resolve, daemon=True, name="resolver").start()
    if not wait([found], timeout).done:
        raise TimeoutError(f"no address within {timeout:g} s")
    return list(dict.fromkeys(str(address[0]) for *_, address in found.result()))


class PinnedBackend(httpcore2.NetworkBackend):
    """Connects to checked addresses only. `set_deadline` holds for the calling thread."""

    def __init__(
        self,
        allow: AllowList,
        *,
        connect_timeout: float,
        resolver: Resolver = system_resolver,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._allow = allow
        self._connect_timeout = connect_timeout
        self._resolver = resolver
        self._clock = clock
        self._sockets = httpcore2.SyncBackend()
        self._local = threading.local()

    def set_deadline(self, deadline: float) -> None:
        """The moment, on the clock, until which this thread's request must be done."""
        self._local.deadline = deadline

    def left(self, timeout: float | None = None) -> float:
        """Seconds that this thread's request still has, at most `timeout`. Raises NoAnswer when none."""
        left = float(getattr(self._local, "deadline", float("inf"))) - self._clock()
        if left <= 0:
            raise NoAnswer("the time for this picture ran out")
        return left if timeout is None else min(left, timeout)

    def addresses(self, host: str, port: int) -> list[Address]:
        """The checked addresses of a host. Raises Refusal if one of them may not be connected to."""
        try:
            found = [ipaddress.ip_address(host)]
        except ValueError:
            try:
                names = self._resolver(host, port, self.left(self._connect_timeout))
            except (OSError, UnicodeError) as error:
                raise NoAnswer(f"{host} has no address: {error}") from error
            found = [ipaddress.ip_address(name) for name in names]
        if not found:
            raise NoAnswer(f"{host} has no address")
        if not self._allow.allows_name(host):
            for address in found:
                kind = kind_of(address)
                if kind is not None and not self._allow.allows(address):
                    raise Refusal(f"{host} has the address {address}, which is {kind} and not allowed")
        return found[:MAX_ADDRESSES]

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: _SocketOptions | None = None,
    ) -> httpcore2.NetworkStream:
        """A connection to the first checked address that takes one."""
        failure: Exception | None = None
        for address in self.addresses(host, port):
            try:
                within = self.left(timeout)
                stream = self._sockets.connect_tcp(str(address), port, within, local_address, socket_options)
                return _DeadlineStream(stream, self)
            except (httpcore2.ConnectError, httpcore2.ConnectTimeout) as error:
                failure = error
        raise NoAnswer(f"{host} does not connect: {failure}")


class _DeadlineStream(httpcore2.NetworkStream):
    """A stream whose every step keeps to the deadline of the thread that uses it."""

    def __init__(self, stream: httpcore2.NetworkStream, backend: PinnedBackend) -> None:
        self._stream = stream
        self._backend = backend

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        return self._stream.read(max_bytes, self._backend.left(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        self._stream.write(buffer, self._backend.left(timeout))

    def close(self) -> None:
        self._stream.close()

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore2.NetworkStream:
        stream = self._stream.start_tls(ssl_context, server_hostname, self._backend.left(timeout))
        return _DeadlineStream(stream, self._backend)

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)
