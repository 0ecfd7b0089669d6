"""Run the site: hold and serve the embedded store, keep the index up to date, and answer until told to end."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import uvicorn

from enrich.errors import InputError, StoreHeld
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.hosting import hosted
from enrich.graph.stores.served import service_of
from enrich.settings.loading import Settings
from enrich.web.app import make_app
from enrich.web.gate.snapshots import forget_states
from enrich.web.guards import UVICORN
from enrich.web.site import Site
from enrich.web.who import Doors

LAST_REQUESTS = 3
"""Seconds that requests have to come to their end when the site is told to."""
_log = logging.getLogger(__name__)


def serve_site(settings: Settings, by: str | None, ready: Callable[[str], None]) -> None:
    """Serve the site until Ctrl-C or SIGTERM. `ready` is told the address that lets the person at this computer in.

    Raises InputError where the port or the store is another's, SettingsError for settings that let anybody pass for
    somebody.
    """
    doors = Doors(settings, by)
    with ExitStack() as stack:
        listener = stack.enter_context(_listener(settings.web.host, settings.web.port))
        address = _address(settings, listener)
        store = stack.enter_context(_held(settings, address))
        site = Site(settings, store)
        stack.callback(site.close)
        site.gate.evaluators.warm()
        stack.enter_context(_kept_fresh(site))
        config = uvicorn.Config(
            make_app(site, doors),
            log_level="warning",
            access_log=False,
            lifespan="off",
            timeout_graceful_shutdown=LAST_REQUESTS,
            **UVICORN,
        )
        entry = address + doors.invitation() if doors.local else address
        with _terminated_as_interrupted():
            _Server(config, lambda: ready(entry)).run(sockets=[listener])


class _Server(uvicorn.Server):
    """Says when it answers."""

    def __init__(self, config: uvicorn.Config, ready: Callable[[], None]) -> None:
        super().__init__(config)
        self._ready = ready

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if not self.should_exit:
            self._ready()


@contextmanager
def _listener(host: str, port: int) -> Iterator[socket.socket]:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host.strip("[]"), port), family=family, backlog=128)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            raise InputError(
                f"port {port} of {host} is taken; take another with --port, or set web.port in enrich.toml"
            ) from error
        raise InputError(f"the site cannot be served on {host}, port {port}: {error.strerror}") from error
    with listener:
        yield listener


def _address(settings: Settings, listener: socket.socket) -> str:
    """The address for browsers, without the last slash."""
    if settings.web.address is not None:
        return settings.web.address.rstrip("/")
    host = settings.web.host
    return f"http://{f'[{host}]' if ':' in host else host}:{listener.getsockname()[1]}"


@contextmanager
def _held(settings: Settings, address: str) -> Iterator[EmbeddedStore | None]:
    """The embedded store, held here and served to every other process; None where a server has the graph."""
    if settings.store.query_url is not None:
        yield None
        return
    path = settings.locate(settings.store.path)
    try:
        store = EmbeddedStore(path, shared=True)
    except StoreHeld as error:
        service = service_of(path)
        if service is None:
            raise InputError(
                f"another process works with the store at {path}, such as a run; start enrich web when it has ended"
            ) from error
        where = f" at {service.pages}" if service.pages else ""
        raise InputError(f"enrich web shows this museum already{where} (process {service.pid})") from error
    forget_states(path)
    with store, hosted(store, address):
        yield store


@contextmanager
def _kept_fresh(site: Site) -> Iterator[None]:
    """Bring the index up to date now and then, in a thread of its own. An outage is said once, and tried again."""
    ended = threading.Event()

    def look() -> None:
        failed: str | None = None
        while not ended.is_set():
            try:
                site.index.refresh()
                failed = None
            except Exception as error:  # noqa: BLE001 - whatever it is, the pages go on with the index as it was
                if repr(error) != failed:
                    said = str(error) or type(error).__name__
                    _log.warning("the index is not brought up to date, and is tried again: %s", said)
                failed = repr(error)
            ended.wait(site.settings.web.refresh_every)

    thread = threading.Thread(target=look, name="index", daemon=True)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join(LAST_REQUESTS)


@contextmanager
def _terminated_as_interrupted() -> Iterator[None]:
    """Being told to end is no failure: neither by Ctrl-C, nor by a terminal that closes, nor by SIGTERM, which uvicorn
    raises again at its end."""
    told = (signal.SIGTERM, signal.SIGHUP)
    before = [signal.signal(number, signal.default_int_handler) for number in told]
    try:
        yield
    except KeyboardInterrupt:
        return
    finally:
        for number, handler in zip(told, before, strict=True):
            signal.signal(number, handler)
