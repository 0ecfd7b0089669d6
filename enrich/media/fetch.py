"""Fetching of one URL: checked addresses, re-checked redirects, and limits on bytes, time and tries.

Proxies named in the environment are not used: what they connect to could not be checked.
"""

from __future__ import annotations

import random
import re
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import BinaryIO, Self

import httpcore2

from enrich.errors import SettingsError
from enrich.media.addresses import AllowList
from enrich.media.connection import PinnedBackend, Resolver, system_resolver
from enrich.media.hosts import Hosts
from enrich.media.locations import Location, parse
from enrich.media.refusal import NoAnswer, Refusal, ServerError
from enrich.settings.models import MediaSettings

MAX_REDIRECTS = 5
_REDIRECTS = (301, 302, 303, 307, 308)
_BUSY = (408, 425, 429, 500, 502, 503, 504)


@dataclass(frozen=True, slots=True)
class Fetched:
    """What came: the URL after redirects, the size in bytes and the media type the server claims."""

    url: str
    size: int
    media_type: str


@dataclass(frozen=True, slots=True)
class _Answer:
    location: Location
    status: int
    headers: Mapping[str, str]
    size: int = 0


@dataclass
class _Budget:
    """What one picture may still cost: seconds of requests, over all redirects and tries, and bytes."""

    seconds: float
    max_bytes: int


class Fetcher:
    """Fetches over http(s) for one run; safe between threads.

    `resolver`, `clock` and `sleep` are replaced in tests.
    """

    def __init__(
        self,
        settings: MediaSettings,
        *,
        resolver: Resolver = system_resolver,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.settings = settings
        self.hosts = Hosts(settings.host_failures, settings.max_wait, clock=clock, sleep=sleep)
        self._clock = clock
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

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections that are kept open."""
        self._pool.close()

    def get(self, url: str, sink: BinaryIO, *, accept: str = "*/*", max_bytes: int | None = None) -> Fetched:
        """Write the body that this URL gives into `sink`, from its start. Raises Refusal with the reason."""
        budget = _Budget(self.settings.timeout, self.settings.max_bytes if max_bytes is None else max_bytes)
        location = parse(url)
        for _ in range(MAX_REDIRECTS + 1):
            answer = self._with_retries(location, sink, accept, budget)
            if answer.status not in _REDIRECTS:
                return Fetched(location.url, answer.size, _media_type(answer.headers))
            if "location" not in answer.headers:
                raise Refusal(f"{location.origin} redirects to nowhere", status=answer.status)
            location = location.join(answer.headers["location"])
        raise Refusal(f"more than {MAX_REDIRECTS} redirects")

    def check(self, url: str) -> None:
        """Raise the Refusal that needs no network: a URL that is not fetched, a host that is set aside."""
        self.hosts.check(parse(url).origin)

    def _with_retries(self, location: Location, sink: BinaryIO, accept: str, budget: _Budget) -> _Answer:
        for attempt in range(self.settings.retries + 1):
            self.hosts.admit(location.origin)
            try:
                answer = self._once(location, sink, accept, budget)
            except NoAnswer as refusal:
                self.hosts.failed(location.origin, refusal)
                raise
            except ServerError as refusal:
                if refusal.wait is not None:
                    self.hosts.wait(location.origin, refusal.wait)
                if attempt == self.settings.retries:
                    self.hosts.failed(location.origin, refusal)
                    raise
                if refusal.wait is None:
                    self._sleep(0.25 * 2**attempt * (1 + random.random()))
            except Refusal as refusal:
                if refusal.status is not None:
                    self.hosts.answered(location.origin)
                raise
            else:
                self.hosts.answered(location.origin)
                return answer
        raise AssertionError("unreachable: the last try returns or raises")

    def _once(self, location: Location, sink: BinaryIO, accept: str, budget: _Budget) -> _Answer:
        """One request and its body, within the time limits."""
        start = self._clock()
        self._backend.set_deadline(start + min(self.settings.header_timeout, budget.seconds))
        url = httpcore2.URL(
            scheme=location.scheme, host=location.host, port=location.port, target=location.target
        )
        headers = [
            ("Host", location.origin),
            ("User-Agent", self.settings.user_agent),
            ("Accept", accept),
            ("Accept-Encoding", "identity"),
        ]
        limits = {
            "connect": self.settings.connect_timeout,
            "read": self.settings.timeout,
            "write": self.settings.timeout,
            "pool": self.settings.timeout,
        }
        try:
            with self._pool.stream("GET", url, headers=headers, extensions={"timeout": limits}) as response:
                self._backend.set_deadline(start + budget.seconds)
                return self._body(location, response, sink, budget.max_bytes)
        except httpcore2.TimeoutException as error:
            raise NoAnswer(f"{location.origin} does not answer in time") from error
        except httpcore2.ConnectError as error:
            raise NoAnswer(f"{location.origin} does not connect: {error}") from error
        except (httpcore2.NetworkError, httpcore2.ProtocolError, UnicodeError) as error:
            raise ServerError(f"{location.origin} hung up or does not speak HTTP: {error}") from error
        finally:
            budget.seconds -= self._clock() - start

    def _body(self, location: Location, response: httpcore2.Response, sink: BinaryIO, limit: int) -> _Answer:
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers
        }
        status = response.status
        if status in _REDIRECTS:
            return _Answer(location, status, headers)
        if status in _BUSY:
            raise ServerError(
                f"{location.origin} answers {status}", status=status, wait=_retry_after(headers)
            )
        if status != 200:
            raise Refusal(f"{location.origin} answers {status}", status=status)
        if headers.get("content-encoding", "identity").lower() not in ("identity", ""):
            raise Refusal(f"{location.origin} sends it compressed, unasked", status=status)
        length = headers.get("content-length", "")
        if re.fullmatch("[0-9]{1,18}", length) and int(length) > limit:
            raise Refusal(f"{length} bytes, more than {limit}", status=status)
        sink.seek(0)
        sink.truncate()
        size = 0
        for chunk in response.iter_stream():
            size += len(chunk)
            if size > limit:
                raise Refusal(f"more than {limit} bytes", status=status)
            sink.write(chunk)
            self._backend.left()
        return _Answer(location, status, headers, size)


def _tls(settings: MediaSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ca_file)
    except (OSError, ssl.SSLError) as error:
        raise SettingsError(f"media.ca_file {settings.ca_file} holds no certificates: {error}") from error


def _media_type(headers: Mapping[str, str]) -> str:
    return headers.get("content-type", "").split(";")[0].strip().lower()


def _retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds of a Retry-After header, given as such or as a date (RFC 9110, section 10.2.3)."""
    value = headers.get("retry-after", "").strip()
    if re.fullmatch("[0-9]{1,9}", value):
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, OverflowError):
        return None
