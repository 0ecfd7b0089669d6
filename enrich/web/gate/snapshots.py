"""States of an embedded store that another process may read while this one goes on writing."""

from __future__ import annotations

import shutil
import tempfile
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

from enrich.graph.stores.embedded import EmbeddedStore


def folder_of(path: Path) -> Path:
    """Where the states of a store on disk are."""
    return path.with_name(f"{path.name}.asked")


def forget_states(path: Path) -> None:
    """Remove what a process that was killed has left."""
    shutil.rmtree(folder_of(path), ignore_errors=True)


class Snapshots:
    """Where a query process finds what a store holds now: a checkpoint beside the store, of hard links and so made in a
    tenth of a second, or a copy of what is in memory."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._numbers = count()
        self._folder: Path | None = None
        self._latest: tuple[int, Path] | None = None
        self._readers: Counter[Path] = Counter()

    @contextmanager
    def current(self, store: EmbeddedStore) -> Iterator[dict[str, Any]]:
        """What a process needs to open the store as it is now; it is there for as long as the context lasts."""
        with self._lock:
            snapshot = self._snapshot(store)
            self._readers[snapshot] += 1
        try:
            yield {"folder" if snapshot.is_dir() else "file": str(snapshot)}
        finally:
            with self._lock:
                self._readers[snapshot] -= 1
                self._tidy()

    def _snapshot(self, store: EmbeddedStore) -> Path:
        """The latest state, made anew when something was written since."""
        writes = store.writes
        if self._latest is None or self._latest[0] != writes:
            snapshot = self._made(store.path) / str(next(self._numbers))
            if store.path is not None:
                with store.errors():
                    store.store.backup(str(snapshot))
            else:
                with snapshot.open("wb") as target:
                    store.dump(target)
            self._latest = writes, snapshot
            self._readers[snapshot] += 0
            self._tidy()
        return self._latest[1]

    def _made(self, path: Path | None) -> Path:
        """The folder of the states: beside the store, for links reach no further than a file system."""
        if self._folder is None:
            if path is None:
                self._folder = Path(tempfile.mkdtemp(prefix="enrich-asked-"))
            else:
                self._folder = folder_of(path)
                forget_states(path)
                self._folder.mkdir(mode=0o700)
        return self._folder

    def _tidy(self) -> None:
        """Remove the states that nobody reads any more, but for the latest."""
        latest = self._latest[1] if self._latest else None
        for snapshot in [p for p, readers in self._readers.items() if not readers and p != latest]:
            del self._readers[snapshot]
            if snapshot.is_dir():
                shutil.rmtree(snapshot, ignore_errors=True)
            else:
                snapshot.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove them all."""
        with self._lock:
            if self._folder is not None:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._folder = self._latest = None
