"""Writing behind the caller: what is ready is written by a thread while the next is worked out."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, Self


class WriteBehind:
    """Does calls one after the other in a thread of its own, one at a time and none waiting.

    What a call raises is raised by the next one or at the end, and nothing is done after it. Leaving
    because of an error waits for the call under way, so that nothing is written later.
    """

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="write")
        self._under_way: Future[Any] | None = None

    def __call__(self, work: Callable[..., Any], *arguments: Any) -> None:
        """Begin a call once the one before has ended."""
        self.wait()
        self._under_way = self._pool.submit(work, *arguments)

    def wait(self) -> None:
        """Wait for the call under way. Raises what it raised."""
        under_way, self._under_way = self._under_way, None
        if under_way is not None:
            under_way.result()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if kind is None:
                self.wait()
        finally:
            self._pool.shutdown(wait=True)
