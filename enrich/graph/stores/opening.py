"""Open the store that the settings name."""

from __future__ import annotations

from pathlib import Path

from enrich.errors import SettingsError
from enrich.graph.stores.base import Store


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
        from enrich.graph.stores.embedded import EmbeddedStore

        return EmbeddedStore(path, read_only=read_only)
    if path is not None:
        raise SettingsError("the store is either at a path or behind a query_url; set one of the two")
    from enrich.graph.stores.authentication import Credentials
    from enrich.graph.stores.remote import RemoteStore
    from enrich.graph.stores.transport import Transport

    return RemoteStore(
        query_url,
        None if read_only else update_url,
        None if read_only else graph_store_url,
        transport=Transport(Credentials(auth, user, password, token), timeout=timeout, retries=retries),
    )
