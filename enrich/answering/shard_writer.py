"""Writes a shard: behind the caller where a server takes piece by piece, at once where the store is embedded."""

from __future__ import annotations

from typing import Self

from pyoxigraph import NamedNode

from enrich.answering.observer import Observer
from enrich.answering.write_behind import WriteBehind
from enrich.graph.stores.base import Store


class ShardWriter:
    """Takes the answers of a batch as they are made; all are written when the context is left.

    A server gets each piece while the next is worked out. The embedded store takes the whole shard in bulk,
    which costs it a third. No run names the graph until then, so what a failure leaves does not count.
    """

    def __init__(self, store: Store, shard: NamedNode, observer: Observer) -> None:
        self.store = store
        self.shard = shard
        self.observer = observer
        self._behind = WriteBehind()
        self._held: list[bytes] = []
        self._records = 0

    def __call__(self, triples: bytes, records: int) -> None:
        """Take the answers about so many records, as N-Triples."""
        if not records:
            return
        if self.store.exclusive:
            self._held.append(triples)
            self._records += records
        else:
            self._behind(self._write, triples, records)

    def _write(self, triples: bytes, records: int) -> None:
        with self.observer.timed("write") as counted:
            self.store.write_graph(self.shard, triples)
            counted(records)

    def __enter__(self) -> Self:
        self._behind.__enter__()
        return self

    def __exit__(self, kind: type[BaseException] | None, *exc: object) -> None:
        try:
            if kind is None and self._held:
                self._write(b"".join(self._held), self._records)
        finally:
            self._behind.__exit__(kind, *exc)
