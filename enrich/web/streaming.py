"""A file that is written as it is read, in one thread from its first piece to its last."""

from __future__ import annotations

import queue
import threading
import weakref
from collections.abc import Iterator

from fastapi import HTTPException

AT_ONCE = 4
"""Files that are written at the same time; of more the client is told to come back."""
AHEAD = 8
"""Pieces that are ready before they are sent."""
_files = threading.BoundedSemaphore(AT_ONCE)


def in_one_thread(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """The same pieces, each made in a thread of the file's own: an iterator that holds a transaction of its thread
    must not go from one to another, nor keep that thread from other requests. Leaving it early ends the thread.

    Raises HTTPException 503, before the first piece, where too many files are written already.
    """
    if not _files.acquire(blocking=False):
        raise HTTPException(503, "too many files are being written", {"Retry-After": "10"})
    ready: queue.Queue[bytes | BaseException | None] = queue.Queue(AHEAD)
    left = threading.Event()

    def put(piece: bytes | BaseException | None) -> bool:
        while not left.is_set():
            try:
                ready.put(piece, timeout=0.5)
            except queue.Full:
                continue
            return True
        return False

    def write() -> None:
        try:
            for piece in pieces:
                if not put(piece):
                    return
            put(None)
        except BaseException as error:  # noqa: BLE001 - it is raised where the file is read
            put(error)
        finally:
            close = getattr(pieces, "close", None)
            if close is not None:
                close()
            _files.release()

    threading.Thread(target=write, name="file", daemon=True).start()
    found = _read(ready, left)
    weakref.finalize(found, left.set)  # also where nobody ever begins to read it
    return found


def _read(ready: queue.Queue[bytes | BaseException | None], left: threading.Event) -> Iterator[bytes]:
    try:
        while (piece := ready.get()) is not None:
            if isinstance(piece, BaseException):
                raise piece
            yield piece
    finally:
        left.set()
