"""What every verb works on: the settings, and the store, profile, names and reader made from them when asked."""

import shutil
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import Self

from enrich.errors import InputError, SettingsError, StoreHeld
from enrich.graph.reading import Reader
from enrich.graph.stores.base import Store
from enrich.graph.stores.opening import store_of
from enrich.ontology.checked import nearest
from enrich.ontology.profile_files import load_profile
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import Names
from enrich.settings.loading import FILE_NAME, Settings, load_settings


class Workspace:
    """One museum's settings with everything that hangs on them, made on first use and closed at the end."""

    def __init__(
        self,
        settings: Settings,
        store: Store | None = None,
        *,
        reading: bool = False,
        opened: Callable[[Settings], Store] = store_of,
    ) -> None:
        """`store` stands in for the one the settings name, for tests and for callers that have one open; `opened` opens
        that one. For who is only `reading`, an embedded store that another process holds is opened beside it, as it is
        then."""
        self.settings = settings
        self.beside = False
        """Whether the store is held by another process."""
        self._given = store
        self._reading = reading
        self._opened = opened

    @classmethod
    def open(cls, config: Path | None = None, *, reading: bool = False) -> Self:
        """The workspace of a settings file (see `settings.find_settings`)."""
        return cls(load_settings(config), reading=reading)

    @cached_property
    def store(self) -> Store:
        """The triplestore; StoreError when it cannot be opened."""
        if self._given is not None:
            return self._given
        try:
            return self._opened(self.settings)
        except StoreHeld:
            if not self._reading:
                raise
            self.beside = True
            return store_of(self.settings, read_only=True)

    @property
    def has_store(self) -> bool:
        """Whether there is a store to ask: a server, or the embedded one once something was loaded."""
        where = self.settings.store
        return bool(self._given is not None or where.query_url or self.settings.locate(where.path).exists())

    def expect_store(self) -> None:
        """Raises InputError when the embedded store that the settings name is not there."""
        if self.has_store:
            return
        if self.settings.source is None:
            raise InputError(
                f"there is no {FILE_NAME} here, and no store: call enrich in the museum's folder, or make one with: "
                "enrich init DIR"
            )
        raise InputError(
            f"there is no store at {self.settings.locate(self.settings.store.path)} yet: load the museum's graph with: enrich load FILE"
        )

    @cached_property
    def profile(self) -> Profile:
        """The profile that the settings name; a path is relative to enrich.toml. Raises SettingsError for a
        setting of a property that it does not have: what holds for nothing is not what was meant."""
        name = self.settings.profile
        found = load_profile(self.settings.locate(name) if name.endswith(".toml") else name)
        known = [prop.name for prop in found.properties]
        decision, workers = self.settings.decision, self.settings.workers
        by_property = {
            "decision.thresholds": decision.thresholds,
            "decision.floors": decision.floors,
            "workers.properties": workers.properties,
        }
        for key, asked in ((key, name) for key, names in by_property.items() for name in names):
            if asked not in known:
                raise SettingsError(
                    f"{key} names {asked!r}, and the profile {found.name} has no such property"
                    f"{nearest(asked, known)}"
                )
        return found

    @cached_property
    def names(self) -> Names:
        """Every IRI of our own, under the settings' base."""
        return Names(self.settings.base)

    @cached_property
    def reader(self) -> Reader:
        """Reads records of the profile from the store."""
        return Reader(self.store, self.profile, self.names)

    def forget_empty_store(self) -> None:
        """Remove the embedded store when it was made here and nothing was written to it."""
        if "store" in self.__dict__ and self._given is None and not self.store.count():
            self.close()
            shutil.rmtree(self.settings.locate(self.settings.store.path), ignore_errors=True)

    def close(self) -> None:
        """Let the store go, if it was opened here."""
        if "store" in self.__dict__ and self._given is None:
            self.store.close()
            del self.__dict__["store"]

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()
