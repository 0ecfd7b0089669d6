"""Writes a shard behind the caller: what was answered is said in RDF, and what was said is written, while the next is worked out."""

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Self

from pyoxigraph import NamedNode

from enrich.answering.observer import Observer
from enrich.graph.stores.base import Store


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


class ShardWriter:
    """Takes the answers of a batch as they are made; all are said and written when the context is left.

    They are said in a thread, and written in another: a server gets each piece while the next is said. The embedded
    store takes the whole shard in bulk at the end, which costs it a third. No run names the graph until then, so what
    a failure leaves does not count.
    """

    def __init__(self, store: Store, shard: NamedNode, observer: Observer) -> None:
        self.store = store
        self.shard = shard
        self.observer = observer
        self._saying, self._writing = WriteBehind(), WriteBehind()
        self._open = ExitStack()
        self._held: list[bytes] = []
        self._records = 0

    def __call__(self, say: Callable[[], bytes], records: int) -> None:
        """Take the answers about so many records; `say` gives them as N-Triples, in another thread."""
        if records:
            self._saying(self._take, say, records)

    def _take(self, say: Callable[[], bytes], records: int) -> None:
        triples = say()
        if self.store.exclusive:
            self._held.append(triples)
            self._records += records
        else:
            self._writing(self._write, triples, records)

    def _write(self, triples: bytes, records: int) -> None:
        with self.observer.timed("write") as counted:
            self.store.write_graph(self.shard, triples)
            counted(records)

    def __enter__(self) -> Self:
        self._open.enter_context(self._writing)
        self._open.enter_context(self._saying)  # left first
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._open.__exit__(kind, error, trace)
        if kind is None and self._held:
            self._write(b"".join(self._held), self._records)
