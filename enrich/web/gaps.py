"""How many records lack each property: counted apart from the pages, since it is a pass over all records."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass

from enrich.errors import EnrichError
from enrich.graph.gaps import scan
from enrich.workspace import Workspace

AGAIN = 60.0
"""Seconds after which a count that failed is begun anew."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Counted:
    """Records without a value, by property; how many records there are; and when they were counted (since 1970)."""

    missing: dict[str, int]
    records: int
    at: float


class GapCounts:
    """The last count, and a thread that makes the next one when somebody asks and the facts have changed."""

    def __init__(self, workspaces: Callable[[], AbstractContextManager[Workspace]]) -> None:
        self._workspaces = workspaces
        self._lock = threading.Lock()
        self._found: Counted | None = None
        self._fresh, self._ended, self._due = False, False, 0.0
        self._thread: threading.Thread | None = None

    def latest(self) -> Counted | None:
        """The last count; None for as long as there is none. Another one is begun where the facts have changed since."""
        with self._lock:
            running = self._thread is not None and self._thread.is_alive()
            if not self._fresh and not running and not self._ended and time.monotonic() >= self._due:
                self._fresh = True
                self._thread = threading.Thread(target=self._count, name="gaps", daemon=True)
                self._thread.start()
            return self._found

    def forget(self) -> None:
        """The facts have changed."""
        self._fresh = False

    def close(self) -> None:
        """End a count that is under way."""
        self._ended = True
        if self._thread is not None:
            self._thread.join(30)

    def _count(self) -> None:
        try:
            with self._workspaces() as workspace:
                missing = {p.name: 0 for p in workspace.profile.properties}
                for row in scan(workspace.reader):
                    if self._ended:
                        return
                    for name in row.missing:
                        missing[name] += 1
                self._found = Counted(missing, workspace.reader.count(), time.time())
        except EnrichError as error:
            _log.warning("the gaps cannot be counted: %s", error)
            self._fresh, self._due = False, time.monotonic() + AGAIN
