"""Reading the URL of a picture strictly: http(s) only, no credentials, one spelling per host."""

from __future__ import annotations

import ipaddress
import re
import unicodedata
from dataclasses import dataclass
from urllib.parse import quote, urljoin, urlsplit

from enrich.media.refusal import Refusal

MAX_LENGTH = 8000
_PORTS = {"http": 80, "https": 443}
_LABEL = re.compile(r"[a-z0-9_]([a-z0-9_-]{0,61}[a-z0-9_])?")
_NUMBER = re.compile(r"[0-9]+|0x[0-9a-f]*")
_KEPT = "%/:@!$&'()*+,;=~-._?"
_BLANK = "".join(map(chr, range(33)))


@dataclass(frozen=True, slots=True)
class Location:
    """A URL taken apart: `host` in lower-case ASCII (IPv6 without brackets), `target` path and query."""

    scheme: str
    host: str
    port: int
    target: str

    @property
    def origin(self) -> str:
        """Host and port: what failures are counted for."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The URL, put together again."""
        return f"{self.scheme}://{self.origin}{self.target}"

    def join(self, reference: str) -> Location:
        """Where a redirect from here leads. Raises Refusal."""
        try:
            joined = urljoin(self.url, trimmed(reference))
        except ValueError as error:
            raise Refusal(f"redirect to something that is no URL: {reference[:100]!r}") from error
        return parse(joined)


def trimmed(url: str) -> str:
    """The URL without the spaces and control characters around it (WHATWG URL, section 4.4)."""
    return url.strip(_BLANK)


def parse(url: str) -> Location:
    """Take a URL apart; the fragment is dropped, and spaces are percent-encoded as a browser does.

    Raises Refusal for whatever is not a plain http(s) URL.
    """
    url = trimmed(url)
    if len(url) > MAX_LENGTH:
        raise Refusal(f"URL is longer than {MAX_LENGTH} characters")
    if any(ord(c) < 32 or ord(c) == 127 for c in url) or "\\" in url:
        raise Refusal(f"URL holds a control character or a backslash: {url[:100]!r}")
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise Refusal(f"not a URL: {error}") from error
    if parts.scheme not in _PORTS:
        raise Refusal(f"only http and https are fetched, not {parts.scheme[:30] or 'a relative URL'!r}")
    if "@" in parts.netloc:
        raise Refusal("URL holds credentials")
    if port == 0:
        raise Refusal("URL names port 0")
    host = _host(parts.netloc, parts.hostname or "")
    target = quote(parts.path or "/", safe=_KEPT)
    if parts.query:
        target += "?" + quote(parts.query, safe=_KEPT)
    return Location(parts.scheme, host, port or _PORTS[parts.scheme], target)


def _host(netloc: str, name: str) -> str:
    if netloc.startswith("["):
        return _ipv6(name)
    host = re.sub("[。．｡]", ".", unicodedata.normalize("NFKC", name)).lower()
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii")
        except UnicodeError as error:
            raise Refusal(f"host {name[:100]!r} is not a valid international name") from error
    host = host.removesuffix(".")
    labels = host.split(".")
    if _NUMBER.fullmatch(labels[-1]):
        return _ipv4(host)
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):
        raise Refusal(f"host {name[:100]!r} is not a valid name")
    return host


def _ipv6(name: str) -> str:
    try:
        address = ipaddress.IPv6Address(name)
    except ValueError as error:
        raise Refusal(f"host [{name[:100]}] is not an IPv6 address") from error
    if address.scope_id is not None:
        raise Refusal(f"host [{name[:100]}] names a network interface")
    return str(address)


def _ipv4(host: str) -> str:
    """A host whose last label is a number is an address, and has one spelling: four decimal numbers.

    Others (`2130706433`, `0x7f.1`, `0177.0.0.1`, `127.1`) are read differently by different programs.
    Source: WHATWG URL, section 3.5 ("ends in a number").
    """
    try:
        return str(ipaddress.IPv4Address(host))
    except ValueError as error:
        raise Refusal(f"host {host[:100]!r} is an unusual spelling of an address") from error
