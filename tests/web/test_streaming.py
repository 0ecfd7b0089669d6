"""Files that are written as they are read: in one thread, whole or cut off, and never too many."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from fastapi import HTTPException

from enrich.errors import StoreUnavailable
from enrich.web.index.asked import Filters
from enrich.web.index.export import export
from enrich.web.site import Site
from enrich.web.streaming import AT_ONCE, in_one_thread


def test_a_page_can_be_asked_while_a_file_is_read(shared: Site) -> None:
    """Given a file of which one piece was read, in whatever thread; then the same thread can ask the index."""
    whole = b"".join(export(shared.index, Filters(), "csv"))
    pieces = in_one_thread(export(shared.index, Filters(), "csv"))
    first = next(pieces)
    assert shared.index.total(Filters()) == shared.index.held().answers
    assert first + b"".join(pieces) == whole


def test_what_fails_midway_is_no_whole_file() -> None:
    def failing() -> Iterator[bytes]:
        yield b"a"
        raise StoreUnavailable("gone")

    pieces = in_one_thread(failing())
    assert next(pieces) == b"a"
    with pytest.raises(StoreUnavailable):
        next(pieces)


def test_all_pieces_come_from_one_thread_and_leaving_ends_it() -> None:
    """Given files without an end; when so many are read as may be, one more is told to come back; when they are left,
    their threads end and others may begin."""
    threads: set[int] = set()
    ended = threading.Semaphore(0)

    def endless() -> Iterator[bytes]:
        try:
            while True:
                threads.add(threading.get_ident())
                yield b"x" * 1000
        finally:
            ended.release()

    files = [in_one_thread(endless()) for _ in range(AT_ONCE)]
    for file in files:
        assert len(b"".join(next(file) for _ in range(50))) == 50_000
    assert len(threads) == AT_ONCE
    assert threading.get_ident() not in threads
    with pytest.raises(HTTPException) as refused:
        in_one_thread(endless())
    assert refused.value.status_code == 503
    for file in files:
        file.close()  # type: ignore[attr-defined]
        assert ended.acquire(timeout=10)
    time.sleep(0.05)
    assert next(in_one_thread(iter([b"again"]))) == b"again"
