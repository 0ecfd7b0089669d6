"""HTTP to a triplestore: SPARQLWrapper builds the requests; authentication, time-outs, retries and errors.

SPARQLWrapper's own way of sending is not used, because it installs digest credentials for the whole
process and knows no bearer token; its requests go through an opener that belongs to one store.
"""

from __future__ import annotations

import http.client
import re
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from typing import ClassVar, Literal, TypeVar
from urllib.parse import urlsplit, urlunsplit

import tenacity
from SPARQLWrapper import POST, SPARQLWrapper

from enrich.errors import QueryRefused, SettingsError, StoreError, StoreUnavailable
from enrich.graph.stores.authentication import Authentication, Credentials, NoRedirect
from enrich.graph.stores.embedded import one_line

T = TypeVar("T")
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_NOT_CARRIED_OUT = frozenset({429, 503})
_VIRTUOSO_ERROR = re.compile(r"(?:Virtuoso |<h3>Error )(\w{5})")
_VIRTUOSO_TRANSIENT = ("40", "08", "S1T", "HT")  # deadlock, connection, time-out


class NotCarriedOut(StoreUnavailable):
    """The request never reached the store, or was turned away: any request may be sent again."""


class TooLarge(QueryRefused):
    """The request is larger than the server takes."""


class Transport:
    """Sends requests to one store. `timeout` in seconds; `retries` tries after the first, full jitter."""

    def __init__(
        self,
        credentials: Credentials | None = None,
        *,
        timeout: float = 60.0,
        retries: int = 4,
        backoff: float = 0.5,
    ) -> None:
        self.credentials = credentials or Credentials()
        self.timeout = timeout
        self.retries = retries
        self.backoff = backoff
        self.server = ""
        """What the server calls itself (the Server header), once it has answered."""
        self._opener = urllib.request.build_opener(NoRedirect(), Authentication(self.credentials))

    def query(self, url: str, text: str, accept: str, read: Callable[[Body], T]) -> T:
        """Send a query and let `read` take its answer, both again when the store was unavailable.

        `read` may keep the body and go on reading; it then closes it.
        """

        def once() -> T:
            client = _Client(url, "SELECT", text, accept, self)
            body = self._body(url, client.send)
            try:
                return read(body)
            except BaseException:
                body.close()
                raise

        return self._again(once, StoreUnavailable)

    def get(self, url: str, accept: str, read: Callable[[Body], T]) -> T:
        """Get a graph of the Graph Store Protocol and let `read` take it, again when it was unavailable."""

        def once() -> T:
            headers = {"Accept": accept, "Cache-Control": "no-cache"}
            with self._body(url, lambda: self.open(urllib.request.Request(url, headers=headers))) as body:
                return read(body)

        return self._again(once, StoreUnavailable)

    def update(self, url: str, text: str, *, idempotent: bool) -> None:
        """Send an update; again only when it is idempotent, or was surely not carried out."""

        def once() -> None:
            client = _Client(url, "INSERT", text, "*/*", self)
            with self._body(url, client.send) as body:
                body.read()

        self._again(once, StoreUnavailable if idempotent else NotCarriedOut)

    def send(
        self, url: str, method: str, data: bytes, headers: Mapping[str, str], *, idempotent: bool
    ) -> None:
        """Send a request of the Graph Store Protocol, which SPARQLWrapper does not speak."""

        def once() -> None:
            request = urllib.request.Request(url, data=data, headers=dict(headers), method=method)
            with self._body(url, lambda: self.open(request)) as body:
                body.read()

        self._again(once, StoreUnavailable if idempotent else NotCarriedOut)

    def open(self, request: urllib.request.Request) -> http.client.HTTPResponse:
        """Send one request once; what urllib raises is not turned into our errors here."""
        response: http.client.HTTPResponse = self._opener.open(request, timeout=self.timeout)
        self.server = response.headers.get("Server", "").strip() or "unnamed server"
        return response

    def _body(self, url: str, send: Callable[[], http.client.HTTPResponse]) -> Body:
        where = shown(url)
        try:
            return Body(send(), where, self)
        except urllib.error.HTTPError as error:
            self.server = error.headers.get("Server", "") or self.server
            raise self._refusal(error, where) from None
        except (OSError, http.client.HTTPException) as error:
            raise self.unavailable(error, where) from None

    def unavailable(self, error: Exception, where: str) -> StoreError:
        """The sentence for a connection that failed."""
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        if isinstance(reason, TimeoutError):
            return StoreUnavailable(
                f"{where} did not answer within {self.timeout:g} seconds; try again, or set store.timeout higher"
            )
        if isinstance(reason, ssl.SSLCertVerificationError):
            return StoreError(f"the certificate of {where} is not trusted: {one_line(reason)}")
        if isinstance(reason, ConnectionRefusedError | OSError) and isinstance(error, urllib.error.URLError):
            return NotCarriedOut(f"{where} cannot be reached ({one_line(reason)}); is the server running?")
        what = one_line(reason) if isinstance(reason, BaseException) else str(reason)
        return StoreUnavailable(f"{where} broke off ({what or type(reason).__name__}); try again")

    def _refusal(self, error: urllib.error.HTTPError, where: str) -> StoreError:
        """The error for an HTTP status, with the first words of what the server said."""
        try:
            said = error.read(4000).decode("utf-8", "replace")
        except (OSError, http.client.HTTPException):
            said = ""
        finally:
            error.close()
        words = one_line(ValueError(re.sub(r"<[^<>]*>", " ", said.split("SPARQL query:")[0])))
        what = self.credentials.hide(f"{where} answered {error.code}: {words or error.reason}")
        if error.code in (401, 403) or ":SECURITY:" in said:
            return StoreError(f"{what}; check store.auth, store.user and the rights of that user")
        if error.code == 413 or "memory exhausted" in said:
            return TooLarge(what)
        if error.code in _NOT_CARRIED_OUT:
            return NotCarriedOut(what)
        virtuoso = _VIRTUOSO_ERROR.search(said)
        if virtuoso and not virtuoso[1].startswith(_VIRTUOSO_TRANSIENT):
            return QueryRefused(what)
        if error.code in _TRANSIENT:
            return StoreUnavailable(what)
        if error.code in range(300, 400):
            target = shown(error.headers.get("Location", ""))
            return StoreError(f"{where} redirects to {target}; set the URL of the store to that")
        if error.code in (404, 410):
            return StoreError(f"{what}; check the URLs of the store")
        return QueryRefused(what)

    def _again(self, once: Callable[[], T], when: type[StoreUnavailable]) -> T:
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(self.retries + 1),
            wait=tenacity.wait_random_exponential(multiplier=self.backoff, max=30),
            retry=tenacity.retry_if_exception_type(when),
            reraise=True,
        )
        return retrying(once)


class Body:
    """The body of an answer, read as it arrives; one that ends early raises StoreUnavailable.

    `problem` keeps the error, because a parser that reads from here may wrap or lose it.
    """

    def __init__(self, response: http.client.HTTPResponse, where: str, transport: Transport) -> None:
        self.headers = response.headers
        self.where = where
        self.problem: StoreError | None = None
        self._response = response
        self._transport = transport
        self.framed = response.chunked or response.length is not None
        """Whether the end of the body is marked, so that a body cut short can be told."""

    @property
    def media_type(self) -> str:
        return self.headers.get_content_type()

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes; empty at the end of a complete body."""
        try:
            data = self._response.read(None if size < 0 else size)
        except (OSError, http.client.HTTPException) as error:
            self.problem = self._transport.unavailable(error, self.where)
            raise self.problem from None
        if not data and size and self._response.length:
            self.problem = StoreUnavailable(
                f"{self.where} cut its answer short by {self._response.length} bytes; try again"
            )
            raise self.problem
        return data

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Client(SPARQLWrapper):  # type: ignore[misc]
    """One SPARQL request by POST, sent through a transport."""

    kind: ClassVar[str] = "SELECT"

    def __init__(
        self, url: str, kind: Literal["SELECT", "INSERT"], text: str, accept: str, transport: Transport
    ):
        self.transport = transport
        super().__init__(url, updateEndpoint=url)
        self.kind = kind  # type: ignore[misc]
        self.setMethod(POST)
        self.setOnlyConneg(True)
        self.addCustomHttpHeader("Accept", accept)
        self.setQuery(text)

    def _parseQueryType(self, query: str) -> str:  # noqa: N802, ARG002
        return self.kind  # known; SPARQLWrapper's guess is misled by comments and IRIs

    def send(self) -> http.client.HTTPResponse:
        response: http.client.HTTPResponse = self.query().response
        return response

    def _query(self) -> tuple[http.client.HTTPResponse, str]:
        return self.transport.open(self._createRequest()), self.returnFormat


def checked_url(url: str, setting: str) -> str:
    """The URL, when it is http(s) and carries no credentials; else SettingsError."""
    parts = urlsplit(url)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise SettingsError(f"{setting} is not an http or https URL")
    if parts.username or parts.password:
        raise SettingsError(
            f"{setting} holds a password; set store.auth, store.user and store.password instead"
        )
    return url


def shown(url: str) -> str:
    """The URL for a message: without query and credentials."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    return urlunsplit((parts.scheme, f"{host}:{parts.port}" if parts.port else host, parts.path, "", ""))
