"""The address of the Redis broker, read once for redis-py and for kombu, which read URLs differently."""

import socket
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from enrich.classifiers.digest import text_digest
from enrich.errors import SettingsError
from enrich.graph.stores.transport import redact_credentials
from enrich.settings.loading import Settings

TCP, TLS, SOCKETS = "redis", "rediss", ("unix", "redis+socket")
_FILES = ("ssl_ca_certs", "ssl_certfile", "ssl_keyfile")
_TLS_OPTIONS = ("ssl_cert_reqs", "ssl_check_hostname", *_FILES)
_ESCAPES = "in a password write / as %2F, # as %23, ? as %3F, @ as %40 and [ as %5B"
CONNECT_SECONDS, ANSWER_SECONDS, PING_SECONDS = 3.0, 5.0, 5.0
"""A connection that opens or answers no faster is given up; one that is idle is asked this often."""
_KEEPALIVE = {"TCP_KEEPIDLE": 10, "TCP_KEEPINTVL": 5, "TCP_KEEPCNT": 3}


def target(settings: Settings) -> str:
    """Twelve hexadecimal digits that tell this store and base from others on the same Redis."""
    where = settings.store
    store = where.update_url or where.query_url or str(settings.locate(where.path))
    return text_digest(f"{store} {settings.base}")[:12]


def connection(url: str) -> dict[str, Any]:
    """What a redis-py connection pool is made with. Raises SettingsError for an address that one of the two
    libraries would read in another way, or not at all."""
    try:
        parts = _split(url)
        return _limits(parts) | _place(parts, dict(parse_qsl(parts.query, keep_blank_values=True)))
    except ValueError as error:
        raise SettingsError(f"workers.broker is {redact_credentials(url)!r}: {error}") from error


def _split(url: str) -> SplitResult:
    """The parts of an address, the port read. What Python says of one that it cannot read may quote the password."""
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018
    except ValueError:
        raise ValueError(f"its host or port cannot be read; {_ESCAPES}") from None
    return parts


def _place(parts: SplitResult, options: dict[str, str]) -> dict[str, Any]:
    on_socket = parts.scheme in SOCKETS
    if parts.scheme not in (TCP, TLS, *SOCKETS) or ";" in parts.netloc:
        raise ValueError("it is one Redis: redis://HOST:PORT/DB, rediss://HOST:PORT/DB or unix:///PATH?db=DB")
    if "@" in parts.path + parts.query + parts.fragment:
        raise ValueError(f"it has an @ after its host; {_ESCAPES}")
    if on_socket and (parts.hostname or not parts.path):
        raise ValueError("a socket's path is absolute: unix:///run/redis.sock?db=0")
    numbers = [options.pop(name) for name in ("db", "virtual_host") if name in options]
    numbers += [] if on_socket or parts.path in ("", "/") else [parts.path[1:]]
    if len(numbers) > 1 or not all(number.isdecimal() for number in numbers):
        raise ValueError("the database is one number, such as /0")
    made: dict[str, Any] = {"db": int(numbers[0]) if numbers else 0}
    made |= {name: unquote(said) for name in ("username", "password") if (said := getattr(parts, name))}
    if parts.scheme == TLS:
        made |= _tls(options)
    if options:
        raise ValueError(f"nothing is known of {', '.join(options)}")
    if on_socket:
        return made | {"connection_class": redis.UnixDomainSocketConnection, "path": unquote(parts.path)}
    kind = redis.SSLConnection if parts.scheme == TLS else redis.Connection
    return made | {
        "connection_class": kind,
        "host": parts.hostname or "127.0.0.1",
        "port": parts.port or 6379,
    }


def _tls(options: dict[str, str]) -> dict[str, Any]:
    """The options of a secured connection; a certificate is required unless they say otherwise."""
    said = {name: options.pop(name) for name in _TLS_OPTIONS if name in options}
    for name in _FILES:
        if name in said and not Path(said[name]).is_file():
            raise ValueError(f"{name}: there is no file {said[name]}")
    checks = said.pop("ssl_cert_reqs", "required").lower().removeprefix("cert_")
    if checks not in ("required", "optional", "none"):
        raise ValueError("ssl_cert_reqs is required, optional or none")
    hostname = said.pop("ssl_check_hostname", "true").lower() != "false" and checks == "required"
    return {**said, "ssl_cert_reqs": checks, "ssl_check_hostname": hostname}


def _limits(parts: SplitResult) -> dict[str, Any]:
    """Time-outs with which a connection that has died is noticed within half a minute."""
    limits: dict[str, Any] = {
        "socket_timeout": ANSWER_SECONDS,
        "health_check_interval": PING_SECONDS,
        "retry": Retry(NoBackoff(), 1, supported_errors=(redis.ConnectionError,)),
    }
    if parts.scheme in SOCKETS:
        return limits
    options = {getattr(socket, name): value for name, value in _KEEPALIVE.items() if hasattr(socket, name)}
    limits |= {"socket_keepalive": True, "socket_keepalive_options": options}
    return limits | {"socket_connect_timeout": CONNECT_SECONDS}
