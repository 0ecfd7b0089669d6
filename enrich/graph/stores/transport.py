"""Requests to a triplestore: SPARQLWrapper builds them, httpx sends them; time-outs, retries and errors.

A fault may pass or stay. What may pass (no answer, an answer cut short, a server or proxy that answers
500, 403, 404 or a page of HTML) is tried again with jitter and then raised as StoreUnavailable with its
reason; what another try cannot mend is raised at once.
"""

from __future__ import annotations

import os
import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import ClassVar, Literal, TypeVar
from urllib.parse import urlsplit
from urllib.request import Request

import httpx2 as httpx
import tenacity
from SPARQLWrapper import POST, SPARQLWrapper

from enrich.errors import (
    QueryRefused,
    ResultTruncated,
    SettingsError,
    StoreError,
    StoreTimeout,
    StoreUnavailable,
)
from enrich.graph.stores.embedded import one_line

T = TypeVar("T")
AUTHENTICATIONS = ("none", "basic", "digest", "bearer")
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504, 507})
_TURNED_AWAY = frozenset({403, 404, 410, 429, 503})
"""Statuses with which a request was not carried out, and may be once the server or proxy is well again."""
_VIRTUOSO_ERROR = re.compile(r"(?:Virtuoso |<h3>Error )(\w{5})")
_VIRTUOSO_TRANSIENT = ("40", "08", "S1T", "HT")  # deadlock, connection, time-out
_GUESSED = (
    "; a guess, and often wrong: leave MaxQueryCostEstimationTime out of virtuoso.ini (docs/virtuoso.md)"
)
_PARTIAL = ("X-SQL-State", "X-SQL-Message")
"""Headers with which Virtuoso says that it ran out of time and gives a part of the answer."""


class NotCarriedOut(StoreUnavailable):
    """The request never reached the store, or was turned away: any request may be sent again."""


class TooLarge(QueryRefused):
    """The request is larger than the server takes."""


@dataclass(frozen=True, slots=True)
class Credentials:
    """How to authenticate: auth is none, basic, digest (user and password) or bearer (token)."""

    auth: str = "none"
    user: str | None = None
    password: str | None = field(default=None, repr=False)
    token: str | None = field(default=None, repr=False)
    direct: bool = False
    """Whether no proxy of the environment is to stand between."""

    def __post_init__(self) -> None:
        if self.auth not in AUTHENTICATIONS:
            raise SettingsError(f"store.auth is {self.auth!r}; it is one of {', '.join(AUTHENTICATIONS)}")
        if self.auth in ("basic", "digest") and (self.user is None or self.password is None):
            raise SettingsError(f"store.auth = {self.auth} needs store.user and store.password")
        if self.auth == "bearer" and not self.token:
            raise SettingsError("store.auth = bearer needs store.token")

    def hide(self, text: str) -> str:
        """The text with the password and the token blotted out."""
        for secret in (self.password, self.token):
            if secret:
                text = text.replace(secret, "***")
        return text

    def client(self, timeout: float) -> httpx.Client:
        """A client that authenticates like this, keeps connections, and follows no redirect."""
        auth: httpx.Auth | None = None
        if self.auth == "basic":
            auth = httpx.BasicAuth(self.user or "", self.password or "")
        elif self.auth == "digest":
            auth = httpx.DigestAuth(self.user or "", self.password or "")
        headers = {"Accept-Encoding": "identity"}
        if self.auth == "bearer":
            headers["Authorization"] = f"Bearer {self.token}"
        return httpx.Client(auth=auth, headers=headers, timeout=timeout, trust_env=not self.direct)


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
        self._client: httpx.Client | None = None
        self._process = 0

    def query(self, url: str, text: str, accept: str, read: Callable[[Body], T]) -> T:
        """Send a query and let `read` take its answer, both again when the store was unavailable.

        `read` may keep the body and go on reading; it then closes it. Raises ResultTruncated for an
        answer that the server calls partial (status 206, or Virtuoso's X-SQL-State), whatever the query.
        """

        def once() -> T:
            body = self._body(url, _Builder(url, "SELECT", text, accept).request())
            try:
                body.refuse_partial()
                return read(body)
            except BaseException:
                body.close()
                raise

        return self._again(once, StoreUnavailable)

    def update(self, url: str, text: str, *, idempotent: bool) -> None:
        """Send an update; again only when it is idempotent, or was surely not carried out."""
        self._write(url, _Builder(url, "INSERT", text, "*/*").request(), idempotent=idempotent)

    def get(self, url: str, accept: str, read: Callable[[Body], T]) -> T:
        """Get a graph of the Graph Store Protocol and let `read` take it, again when it was unavailable."""

        def once() -> T:
            headers = {"Accept": accept, "Cache-Control": "no-cache"}
            with self._body(url, Request(url, headers=headers, method="GET")) as body:
                body.refuse_partial()
                return read(body)

        return self._again(once, StoreUnavailable)

    def post(self, url: str, turtle: str, *, idempotent: bool) -> None:
        """Add triples to a graph by the Graph Store Protocol, which SPARQLWrapper does not speak."""
        headers = {"Content-Type": "text/turtle"}
        self._write(url, Request(url, turtle.encode(), headers, method="POST"), idempotent=idempotent)

    def close(self) -> None:
        """Let the connections go."""
        client, self._client = self._client, None
        if client is not None and self._process == os.getpid():
            client.close()

    def _write(self, url: str, request: Request, *, idempotent: bool) -> None:
        def once() -> None:
            with self._body(url, request) as body:
                while body.read(1 << 16):
                    pass

        self._again(once, StoreUnavailable if idempotent else NotCarriedOut)

    def _connected(self) -> httpx.Client:
        """The client of this process: a connection must not be shared with a forked one."""
        if self._client is None or self._process != os.getpid():
            self._client, self._process = self.credentials.client(self.timeout), os.getpid()
        return self._client

    def _body(self, url: str, request: Request) -> Body:
        where = redact_credentials(url)
        try:
            client = self._connected()
            data = request.data if isinstance(request.data, bytes) else None
            sent = client.build_request(
                request.get_method(), request.full_url, content=data, headers=request.headers
            )
            response = client.send(sent, stream=True)
        except (httpx.TransportError, httpx.InvalidURL) as error:
            raise self.unavailable(error, where) from None
        self.server = response.headers.get("Server", "").strip() or self.server or "unnamed server"
        body = Body(response, where, self)
        if response.is_success:
            return body
        with body:
            raise self._refusal(body, response)

    def unavailable(self, error: Exception, where: str) -> StoreError:
        """The sentence for a connection that failed."""
        what = one_line(error) or type(error).__name__
        if isinstance(error.__cause__ or error, ssl.SSLCertVerificationError) or "CERTIFICATE_" in what:
            return StoreError(f"the certificate of {where} is not trusted: {what}")
        if isinstance(error, httpx.ConnectError | httpx.ConnectTimeout | httpx.InvalidURL | httpx.ProxyError):
            return NotCarriedOut(f"{where} cannot be reached ({what}); is the server running?")
        if isinstance(error, httpx.TimeoutException):
            return StoreTimeout(
                f"{where} did not answer within {self.timeout:g} seconds; try again, or set store.timeout higher"
            )
        return StoreUnavailable(f"{where} broke off ({what}); try again")

    def _refusal(self, body: Body, response: httpx.Response) -> StoreError:
        """The error for an HTTP status, with the first words of what the server said."""
        status, where = response.status_code, body.where
        try:
            said = body.read(4000).decode("utf-8", "replace")
        except StoreError:
            said = ""
        words = one_line(ValueError(re.sub(r"<[^<>]*>", " ", said.split("SPARQL query:")[0])))
        what = self.credentials.hide(f"{where} answered {status}: {words or response.reason_phrase}")
        virtuoso = _VIRTUOSO_ERROR.search(said)
        if status == 401 or ":SECURITY:" in said:
            return StoreError(f"{what}; check store.auth, store.user and the rights of that user")
        if status == 413 or "memory exhausted" in said:
            return TooLarge(what)
        if virtuoso and not virtuoso[1].startswith(_VIRTUOSO_TRANSIENT):
            return QueryRefused(what + (_GUESSED if "estimated execution time" in said else ""))
        if status in _TURNED_AWAY:
            advice = {403: "; check the rights of store.user", 404: "; check the URLs of the store"}
            return NotCarriedOut(what + advice.get(status, ""))
        if status in _TRANSIENT:
            return StoreUnavailable(what)
        if status in range(300, 400):
            target = redact_credentials(response.headers.get("Location", "").partition("?")[0])
            return StoreError(f"{where} redirects to {target}; set the URL of the store to that")
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

    def __init__(self, response: httpx.Response, where: str, transport: Transport) -> None:
        self.headers = response.headers
        self.where = where
        self.problem: StoreError | None = None
        self.framed = "content-length" in response.headers or "transfer-encoding" in response.headers
        """Whether the end of the body is marked, so that a body cut short can be told."""
        self._response = response
        self._transport = transport
        self._chunks = response.iter_bytes(1 << 16)
        self._left = b""

    @property
    def media_type(self) -> str:
        return str(self.headers.get("Content-Type", "")).partition(";")[0].strip().lower()

    def refuse_partial(self) -> None:
        """Raise ResultTruncated when the server says that this is a part of the answer."""
        state = next((self.headers[name] for name in _PARTIAL if name in self.headers), None)
        if state is not None:
            raise ResultTruncated(f"{self.where} ran out of time and gave a part of the answer; ask less")
        if self._response.status_code == 206:
            raise ResultTruncated(f"{self.where} gave a part of the answer (206); ask less")

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes (all that is left when negative); empty at the end of a complete body."""
        try:
            while not self._left or size < 0:
                chunk = next(self._chunks, b"")
                self._left += chunk
                if not chunk:
                    break
        except (httpx.TransportError, httpx.DecodingError, httpx.StreamError) as error:
            self.problem = self._transport.unavailable(error, self.where)
            raise self.problem from None
        end = len(self._left) if size < 0 else size
        data, self._left = self._left[:end], self._left[end:]
        return data

    def close(self) -> None:
        self._response.close()

    def __enter__(self) -> Body:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()


class _Builder(SPARQLWrapper):  # type: ignore[misc]
    """One SPARQL request by POST, as SPARQLWrapper writes it."""

    kind: ClassVar[str] = "SELECT"

    def __init__(self, url: str, kind: Literal["SELECT", "INSERT"], text: str, accept: str) -> None:
        super().__init__(url, updateEndpoint=url)
        self.kind = kind  # type: ignore[misc]
        self.setMethod(POST)
        self.setOnlyConneg(True)
        self.addCustomHttpHeader("Accept", accept)
        self.setQuery(text)

    def _parseQueryType(self, query: str) -> str:  # noqa: N802, ARG002
        return self.kind  # known; SPARQLWrapper's guess is misled by comments and IRIs

    def request(self) -> Request:
        made: Request = self._createRequest()
        return made


def checked_url(url: str, setting: str) -> str:
    """The URL, when it is http(s) and carries no credentials; else SettingsError."""
    try:
        parts = urlsplit(url)
        usable = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        usable = False
    if not usable:
        raise SettingsError(f"{setting} is not an http or https URL")
    if "@" in url:
        raise SettingsError(
            f"{setting} holds a password; set store.auth, store.user and store.password instead (an @ of a path is %40)"
        )
    return url


def redact_credentials(url: str) -> str:
    """The URL for a message: without user, password, query and fragment, whether it is well formed or not.

    A password may hold any character, so all goes that stands before the last @, wherever that is."""
    bare = re.sub(r"^([\w+.-]+://)?.*@", r"\1", url, flags=re.DOTALL)
    return re.split(r"[?#]", bare, maxsplit=1)[0]
