"""What all pages share: the settings, workspaces to ask the store with, the index, and whose site it is."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import cached_property
from pathlib import Path

from fastapi import Request

from enrich.classifiers.data import Picture
from enrich.errors import StoreError
from enrich.graph.stores.base import Health, Store
from enrich.graph.stores.opening import store_of
from enrich.media.pictures import PictureSource
from enrich.runs.reviews import batches_taken_back
from enrich.settings.loading import Settings
from enrich.web.desk import Desk
from enrich.web.gaps import GapCounts
from enrich.web.gate.gate import Gate
from enrich.web.index.index import Index
from enrich.web.places import Places
from enrich.web.values import Values
from enrich.workspace import Workspace

WORKSPACES = 8
"""Workspaces that are kept for the next request."""
HEALTH_SECONDS = 3.0
"""How long a look at whether a server is well waits for it."""
PAGE_SECONDS, PAGE_TRIES = 20.0, 2
"""How long a page waits for a server, and how often it asks."""


class Site:
    """One museum's site. `store` stands in for the one that the settings name; it is not closed here."""

    def __init__(self, settings: Settings, store: Store | None = None) -> None:
        self.settings = settings
        self._store = store
        self._spare: dict[bool, list[Workspace]] = {False: [], True: []}
        self._facts, self._lock = 0, threading.Lock()
        index = settings.locate(settings.web.index)
        self.index = Index(index, self.patient, self.forget, self._clear_desk)
        self.desk = Desk(index.with_name("desk.sqlite"))
        self.values, self.places = Values(), Places()
        self.gaps = GapCounts(self.patient)
        self.gate = Gate(settings, self.workspace)
        self.pictures_of: dict[str, tuple[float, tuple[Picture, ...]]] = {}
        """Until when the pictures of a record are remembered, and those."""

    @cached_property
    def pictures(self) -> PictureSource:
        """Where the pictures come from."""
        return PictureSource(self.settings.located_media)

    @cached_property
    def called(self) -> dict[str, str]:
        """The properties of the profile in words."""
        with self.workspace() as workspace:
            return {p.name: p.label for p in workspace.profile.properties}

    @property
    def explanations(self) -> Path:
        """The folder of the pictures that explanations draw."""
        return self.settings.locate(self.settings.web.index).with_name("explanations")

    def health(self) -> Health:
        """How the store is, asked once and not for long."""
        if self._store is not None:
            return self._store.health()
        try:
            with store_of(self.settings, timeout=HEALTH_SECONDS, retries=0) as store:
                return store.health()
        except StoreError as error:
            return Health(False, False, "", str(error))

    def workspace(self) -> AbstractContextManager[Workspace]:
        """A workspace that no other thread has; what it read of vocabularies is kept until the facts change. For pages:
        a server that is down or slow is soon given up."""
        return self._lent(patient=False)

    def patient(self) -> AbstractContextManager[Workspace]:
        """The same for what no page waits for: a server has the time and the tries that the settings give it."""
        return self._lent(patient=True)

    @contextmanager
    def _lent(self, *, patient: bool) -> Iterator[Workspace]:
        with self._lock:
            facts, spare = self._facts, self._spare[patient]
            found = spare.pop() if spare else None
        if found is None:
            found = Workspace(self.settings if patient else self._impatient, self._store)
        try:
            yield found
        except StoreError:
            found.close()
            raise
        except BaseException:
            self._keep(found, patient, facts)
            raise
        self._keep(found, patient, facts)

    @cached_property
    def _impatient(self) -> Settings:
        where = self.settings.store
        limits = {"timeout": min(where.timeout, PAGE_SECONDS), "retries": min(where.retries, PAGE_TRIES - 1)}
        return self.settings.model_copy(update={"store": where.model_copy(update=limits)})

    def _keep(self, workspace: Workspace, patient: bool, facts: int) -> None:
        """For the next request; but not where the `facts` have changed since it was lent, nor what was read with it."""
        with self._lock:
            same, spare = facts == self._facts, self._spare[patient]
            if same and len(spare) < WORKSPACES:
                spare.append(workspace)
                return
        workspace.close()
        if not same:
            self._forget_read()

    def forget(self) -> None:
        """Let the spare workspaces go, and those that are lent when they come back: the facts have changed, or the site
        closes."""
        with self._lock:
            self._facts += 1
            gone = [workspace for spare in self._spare.values() for workspace in spare]
            self._spare = {False: [], True: []}
        self._forget_read()
        self.gaps.forget()
        for workspace in gone:
            workspace.close()

    def _clear_desk(self) -> None:
        """Take what nobody stands by any more off the desk: it may have been taken back elsewhere, such as at a terminal."""
        with self.patient() as workspace:
            gone = batches_taken_back(workspace.store, workspace.names, self.desk.batches())
        for batch in gone:
            self.desk.undo(batch)

    def _forget_read(self) -> None:
        self.pictures_of.clear()
        self.values.forget()
        self.places.forget()

    def close(self) -> None:
        """Let everything go."""
        self.gaps.close()
        if "pictures" in self.__dict__:
            self.pictures.close()
        self.gate.close()
        self.index.close()
        self.desk.close()
        self.forget()


def site_of(request: Request) -> Site:
    """The site that a request came to."""
    site: Site = request.app.state.site
    return site
