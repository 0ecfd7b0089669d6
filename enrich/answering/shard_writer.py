"""Writes a shard behind the caller: what was answered is said in RDF, and what was said is written, while the next is worked out."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from types import TracebackType
from typing import Self

from pyoxigraph import NamedNode

from enrich.answering.observer import Observer
from enrich.answering.write_behind import WriteBehind
from enrich.graph.stores.base import Store


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
