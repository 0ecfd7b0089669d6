"""Fetching of one URL: checked addresses, re-checked redirects, and limits on bytes, time and tries.

Proxies named in the environment are not used: what they connect to could not be checked.
"""

import random
import re
import ssl
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import BinaryIO
from urllib.parse import quote

import httpcore2

from enrich.errors import SettingsError
from enrich.media.addresses import AllowList
from enrich.media.circuits import Circuits
from enrich.media.connection import PinnedBackend, Resolver, system_resolver
from enrich.media.locations import Location, parse
from enrich.media.refusal import Kind, NoAnswer, Refusal, ServerError
from enrich.settings.models import MediaSettings

MAX_REDIRECTS = 5
_ASCII = "".join(map(chr, range(128)))
_REDIRECTS = (301, 302, 303, 307, 308)
_LOGIN = (401, 402, 403, 407)
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass
class Budget:
    """The seconds of requests that one picture may still cost, over all addresses, redirects and tries."""

    seconds: float


@dataclass(frozen=True)
class _Ask:
    accept: str
    budget: Budget
    max_bytes: int


class Fetcher:
    """Fetches over http(s) for one run; safe between threads.

    `opened` is told of each host whose circuit opens, and why. `resolver`, `clock` and `sleep` are replaced
    in tests.
    """

    def __init__(
        self,
        settings: MediaSettings,
        *,
        opened: Callable[[str, str], None] = lambda _host, _why: None,
        resolver: Resolver = system_resolver,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.circuits = Circuits(
            settings.host_failures, settings.max_wait, opened=opened, clock=clock, sleep=sleep
        )
        self.clock = clock
        self._sleep = sleep
        self._backend = PinnedBackend(
            AllowList(settings.allow),
            connect_timeout=settings.connect_timeout,
            resolver=resolver,
            clock=clock,
        )
        self._pool = httpcore2.ConnectionPool(
            ssl_context=_tls(settings),
            max_connections=2 * settings.parallel,
            max_keepalive_connections=settings.parallel,
            keepalive_expiry=10.0,
            network_backend=self._backend,
        )

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.close()

    def budget(self) -> Budget:
        """What a picture may cost."""
        return Budget(self.settings.timeout)

    def get(
        self,
        url: str,
        sink: BinaryIO,
        budget: Budget | None = None,
        *,
        accept: str = "*/*",
        max_bytes: int | None = None,
    ) -> None:
        """Write the body that this URL gives into `sink`, from its start, within what is left of a budget.

        Raises Refusal with the reason.
        """
        ask = _Ask(accept, budget or self.budget(), max_bytes or self.settings.max_bytes)
        location = parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            target = self._with_retries(location, sink, ask)
            if target is None:
                return
            location = location.join(target)
        raise Refusal(f"more than {MAX_REDIRECTS} redirects", Kind.MISSING)

    def _with_retries(self, location: Location, sink: BinaryIO, ask: _Ask) -> str | None:
        host = location.origin
        for attempt in range(self.settings.retries + 1):
            self.circuits.admit(host)
            try:
                target = self._once(location, sink, ask)
            except Refusal as refusal:
                again = isinstance(refusal, ServerError) and attempt < self.settings.retries
                self.circuits.refused(host, refusal, again=again)
                if not again:
                    raise
                if refusal.wait is None:
                    self._sleep(0.25 * 2**attempt * (1 + random.random()))
            else:
                self.circuits.answered(host)
                return target
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, location: Location, sink: BinaryIO, ask: _Ask) -> str | None:
        """One request within the time limits: its body goes into `sink`, or it tells where it redirects to."""
        start = self.clock()
        self._backend.set_deadline(start + min(self.settings.header_timeout, ask.budget.seconds))
        url = httpcore2.URL(
            scheme=location.scheme, host=location.host, port=location.port, target=location.target
        )
        headers = [
            ("Host", location.origin),
            ("User-Agent", self.settings.user_agent),
            ("Accept", ask.accept),
            ("Accept-Encoding", "identity"),
        ]
        limits = dict.fromkeys(("read", "write", "pool"), self.settings.timeout)
        limits["connect"] = self.settings.connect_timeout
        try:
            with self._pool.stream("GET", url, headers=headers, extensions={"timeout": limits}) as response:
                self._backend.set_deadline(start + ask.budget.seconds)
                return self._body(location.origin, response, sink, ask.max_bytes)
        except httpcore2.TimeoutException as error:
            raise NoAnswer(f"{location.origin} does not answer in time") from error
        except httpcore2.ConnectError as error:
            raise NoAnswer(f"{location.origin} does not connect: {error}") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, UnicodeError) as error:
            raise ServerError(f"{location.origin} hung up or does not speak HTTP: {error}") from error
        finally:
            ask.budget.seconds -= self.clock() - start

    def _body(self, host: str, response: httpcore2.Response, sink: BinaryIO, limit: int) -> str | None:
        status = response.status
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        if status in _REDIRECTS:
            if "location" in headers:
                return quote(headers["location"].encode("latin-1"), safe=_ASCII)  # as browsers do
            raise Refusal(f"{host} redirects to nowhere", Kind.MISSING, status=status)
        if status not in (200, 203):
            raise _refusal(host, status, headers)
        length = headers.get("content-length", "")
        if re.fullmatch("[0-9]{1,18}", length) and int(length) > limit:
            raise Refusal(f"{length} bytes, more than {limit}", Kind.SIZE, status=status)
        unpack = _unpacker(host, headers.get("content-encoding", "").strip().lower(), status)
        sink.seek(0)
        sink.truncate()
        left = limit
        for chunk in response.iter_stream():
            self._backend.left()
            try:
                content = unpack(chunk, left + 1)
            except zlib.error as error:
                raise Refusal(
                    f"{host} sends what cannot be unpacked: {error}", Kind.CONTENT, status=status
                ) from error
            left -= len(content)
            if left < 0:
                raise Refusal(f"more than {limit} bytes", Kind.SIZE, status=status)
            sink.write(content)
        return None


def _refusal(host: str, status: int, headers: Mapping[str, str]) -> Refusal:
    reason = f"{host} answers {status}"
    if status in _BUSY:
        return ServerError(reason, status=status, wait=_retry_after(headers))
    kind = Kind.LOGIN if status in _LOGIN else Kind.BUSY if status >= 500 else Kind.MISSING
    return Refusal(reason, kind, status=status)


def _unpacker(host: str, encoding: str, status: int) -> Callable[[bytes, int], bytes]:
    """What gives the bytes of a piece of the body, at most so many. Raises Refusal."""
    if encoding in ("", "identity"):
        return lambda chunk, _most: chunk
    if encoding in ("gzip", "x-gzip", "deflate"):
        return zlib.decompressobj(zlib.MAX_WBITS | 32).decompress
    raise Refusal(f"{host} sends it packed as {encoding[:30]!r}, unasked", Kind.CONTENT, status=status)


def _tls(settings: MediaSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"media.ca_file {settings.ca_file} holds no certificates: {error}") from error


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
