"""A bounded folder of fetched pictures, kept by content, found by URL, shared by several processes.

    FOLDER/objects/ab/abcdef…     the bytes, named by their SHA-256; the time of the file is its last use
    FOLDER/urls/12/1234….json     what a URL gave, named by the SHA-256 of the URL and the size asked for
    FOLDER/parts/                 what is being written
    FOLDER/use                    locked, shared, to mark an object as used; alone, to remove one
    FOLDER/lock                   locked by the one process that evicts

Files appear whole or not at all (written apart, then renamed). An index entry whose object is gone or has
another length counts as absent.
"""

import fcntl
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import BinaryIO

from enrich.classifiers.digest import text_digest

KEPT_FOR = 600.0
"""Seconds for which an object just used is not evicted, so that a reader finds what it was promised."""
_STALE_PART = 3600.0


@dataclass(frozen=True, slots=True)
class Entry:
    """What a URL gave: digest and size in bytes of the content, the picture's format, when it came (epoch)."""

    url: str
    sha256: str
    size: int
    format: str
    fetched: float


class Cache:
    """The cache folder. `clock` gives seconds since the epoch; safe between threads and processes."""

    def __init__(
        self,
        folder: Path,
        max_bytes: int,
        *,
        max_age: float = 90 * 86400.0,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.folder = folder
        self.max_bytes = max_bytes
        self._max_age = max_age
        self._clock = clock
        self._counting = threading.Lock()
        self._written = max_bytes
        """Bytes added since the last look at the whole folder; the first addition looks at once."""
        (folder / "parts").mkdir(parents=True, exist_ok=True)

    def find(self, url: str) -> tuple[Path, Entry] | None:
        """The file and entry of a URL, marked as used now; None when it is absent or too old."""
        try:
            entry = Entry(**json.loads(self._index_path(url).read_text(encoding="utf-8")))
            path = self.object_path(entry.sha256)
            old = self._clock() - entry.fetched > self._max_age
        except (OSError, ValueError, TypeError):
            return None
        return None if entry.url != url or old or not self.use(path, entry.size) else (path, entry)

    def use(self, path: Path, size: int | None = None) -> bool:
        """Mark an object as used now; False when it is gone or has not the size that it should have."""
        try:
            with self._locked("use", fcntl.LOCK_SH):
                now = self._clock()
                os.utime(path, (now, now))
                return size is None or path.stat().st_size == size
        except OSError:
            return False

    @contextmanager
    def part(self) -> Iterator[BinaryIO]:
        """A temporary file to write into; it is gone afterwards unless `keep` took it."""
        parts = self.folder / "parts"
        parts.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=parts, delete=False) as file:
            try:
                yield file  # type: ignore[misc]
            finally:
                Path(file.name).unlink(missing_ok=True)

    def keep(self, part: Path, url: str, sha256: str, format: str) -> Path:
        """Make a finished temporary file the content of a URL; returns where it is now."""
        path = self.object_path(sha256)
        path.parent.mkdir(parents=True, exist_ok=True)
        entry = Entry(url, sha256, part.stat().st_size, format, self._clock())
        os.utime(part, (entry.fetched, entry.fetched))
        with self._locked("use", fcntl.LOCK_SH):
            part.replace(path)
        self._write_index(entry)
        with self._counting:
            self._written += entry.size
            due = self._written > self.max_bytes // 20
            if due:
                self._written = 0
        if due:
            self.evict(path)
        return path

    def object_path(self, sha256: str) -> Path:
        """Where content of this digest is, if it is there. Raises ValueError for what is no digest."""
        if len(sha256) != 64 or not set(sha256) <= set("0123456789abcdef"):
            raise ValueError(f"not a SHA-256: {sha256!r}")
        return self.folder / "objects" / sha256[:2] / sha256

    def evict(self, kept: Path | None = None) -> int:
        """Once over its size, remove what was used longest ago down to nine tenths of it; returns the bytes removed.

        What was used within KEPT_FOR seconds stays, unless the cache is over twice its size; `kept` stays always.
        """
        try:
            with self._locked("lock", fcntl.LOCK_EX | fcntl.LOCK_NB):
                removed = self._remove_oldest(kept)
                self._tidy(removed > 0)
                return removed
        except BlockingIOError:
            return 0

    def _remove_oldest(self, kept: Path | None) -> int:
        objects = sorted(_files(self.folder / "objects"))
        left = total = sum(size for _, size, _ in objects)
        now = self._clock()
        for used, size, path in objects if total > self.max_bytes else ():
            if left <= self.max_bytes * 9 // 10 or (now - used < KEPT_FOR and left <= 2 * self.max_bytes):
                break
            if path != kept and self._remove(path, used):
                left -= size
        return total - left

    def _remove(self, path: Path, used: float) -> bool:
        """Remove an object unless it was used since; False then."""
        with self._locked("use", fcntl.LOCK_EX):
            try:
                if path.stat().st_mtime != used:
                    return False
                path.unlink()
            except FileNotFoundError:
                pass
            return True

    def _tidy(self, evicted: bool) -> None:
        for written, _, path in _files(self.folder / "parts"):
            if self._clock() - written > _STALE_PART:
                path.unlink(missing_ok=True)
        for _, _, path in _files(self.folder / "urls") if evicted else ():
            try:
                gone = not self.object_path(json.loads(path.read_text(encoding="utf-8"))["sha256"]).exists()
            except (OSError, ValueError, KeyError, TypeError):
                gone = True
            if gone:
                path.unlink(missing_ok=True)

    @contextmanager
    def _locked(self, name: str, how: int) -> Iterator[None]:
        with (self.folder / name).open("w") as file:
            fcntl.flock(file, how)
            yield

    def _index_path(self, url: str) -> Path:
        key = text_digest(url)
        return self.folder / "urls" / key[:2] / f"{key}.json"

    def _write_index(self, entry: Entry) -> None:
        path = self._index_path(entry.url)
        path.parent.mkdir(parents=True, exist_ok=True)
        with self.part() as part:
            part.write(json.dumps(asdict(entry)).encode("utf-8"))
            part.flush()
            Path(part.name).replace(path)


def _files(folder: Path) -> Iterator[tuple[float, int, Path]]:
    """Time, size and path of every file below a folder; a file that vanishes meanwhile is passed over."""
    for path in folder.rglob("*"):
        try:
            state = path.stat()
        except FileNotFoundError:
            continue
        if path.is_file():
            yield state.st_mtime, state.st_size, path
