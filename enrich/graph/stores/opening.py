"""Open the store that the settings name."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from enrich.errors import SettingsError, StoreHeld, StoreUnavailable
from enrich.graph.stores.base import Store

if TYPE_CHECKING:
    from enrich.settings.loading import Settings


def open_store(
    *,
    path: Path | None = None,
    query_url: str | None = None,
    update_url: str | None = None,
    graph_store_url: str | None = None,
    auth: str = "none",
    user: str | None = None,
    password: str | None = None,
    token: str | None = None,
    timeout: float = 60.0,
    retries: int = 4,
    read_only: bool = False,
) -> Store:
    """The store behind `query_url`, or the embedded one at `path` (in memory when both are None).

    `auth` is none, basic, digest or bearer; `timeout` is in seconds, for connecting and for each wait
    on the server; `retries` counts the tries after the first. Raises SettingsError for settings that do
    not fit together, StoreError when the embedded store is held by another process. A remote store is
    not asked anything yet: `Store.health` does that.
    """
    if query_url is None:
        if update_url or graph_store_url:
            raise SettingsError("an update or graph store URL needs a query_url; set store.query_url as well")
        return _embedded(path, read_only, retries)
    if path is not None:
        raise SettingsError("the store is either at a path or behind a query_url; set one of the two")
    from enrich.graph.stores.remote import RemoteStore
    from enrich.graph.stores.transport import Credentials, Transport

    return RemoteStore(
        query_url,
        None if read_only else update_url,
        None if read_only else graph_store_url,
        transport=Transport(Credentials(auth, user, password, token), timeout=timeout, retries=retries),
    )


def _embedded(path: Path | None, read_only: bool, retries: int) -> Store:
    """The store at `path`: our own, or through the process that holds and serves it."""
    from enrich.graph.stores.embedded import EmbeddedStore

    try:
        return EmbeddedStore(path, read_only=read_only)
    except StoreHeld:
        from enrich.graph.stores.served import ServedStore, service_of

        service = service_of(path) if path is not None else None
        if path is None or service is None:
            raise
        return ServedStore(path, service, retries=retries)


def shared_store_of(settings: Settings, **changes: Any) -> Store:
    """The store that the settings name, for processes of which several work at once: an embedded one is never held, only
    used through the process that holds and serves it. Raises StoreUnavailable when there is none."""
    if settings.store.query_url is not None:
        return store_of(settings, **changes)
    from enrich.graph.stores.served import ServedStore, service_of

    path = settings.locate(settings.store.path)
    service = service_of(path)
    if service is None:
        raise StoreUnavailable(f"nobody serves the store at {path}; start: enrich web")
    return ServedStore(path, service, **{"retries": settings.store.retries, **changes})


def store_of(settings: Settings, **changes: Any) -> Store:
    """The store that the settings name, with changes to the arguments of `open_store`."""
    where = settings.store
    arguments: dict[str, Any] = {
        "path": None if where.query_url else settings.locate(where.path),
        "query_url": where.query_url,
        "update_url": (where.update_url or where.query_url) if where.query_url else None,
        "graph_store_url": where.graph_store_url,
        "auth": where.auth,
        "user": where.user,
        "password": where.password.get_secret_value() if where.password else None,
        "token": where.token.get_secret_value() if where.token else None,
        "timeout": where.timeout,
        "retries": where.retries,
    }
    return open_store(**{**arguments, **changes})
