"""Answers are said in RDF and written behind who works them out: in order, all of them, and nothing after an error."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest
from pyoxigraph import NamedNode

from enrich.answering.observer import Observer
from enrich.answering.shard_writer import ShardWriter
from enrich.errors import QueryRefused
from enrich.graph.stores.embedded import EmbeddedStore

SHARD = NamedNode("https://loom.example.org/shard")
WAIT = 10


def triple(number: int) -> bytes:
    return f"<https://loom.example.org/{number}> <https://loom.example.org/is> <https://loom.example.org/a> .\n".encode()


@pytest.fixture(params=[True, False], ids=["embedded", "shared"])
def store(request: pytest.FixtureRequest) -> Iterator[EmbeddedStore]:
    """A store that takes the shard at once, and one that takes it piece by piece as a server does."""
    made = EmbeddedStore(shared=not request.param)
    yield made
    made.close()


def test_the_next_are_worked_out_while_those_before_are_said(store: EmbeddedStore) -> None:
    may_end = threading.Event()

    def slowly() -> bytes:
        assert may_end.wait(WAIT)
        return triple(0)

    with ShardWriter(store, SHARD, Observer()) as write:
        write(slowly, 1)
        assert store.count(SHARD) == 0
        may_end.set()
        write(lambda: triple(1), 1)
        write(lambda: b"nothing is said of no record", 0)
    assert store.count(SHARD) == 2


@pytest.mark.parametrize("after", [True, False])
def test_what_cannot_be_said_is_raised_and_nothing_is_said_after(after: bool, store: EmbeddedStore) -> None:
    said: list[bytes] = []

    def fail() -> bytes:
        raise MemoryError("too much")

    def use() -> None:
        with ShardWriter(store, SHARD, Observer()) as write:
            write(fail, 1)
            if after:
                write(lambda: said.append(triple(1)) or triple(1), 1)

    with pytest.raises(MemoryError, match="too much"):
        use()
    assert (said, store.count(SHARD)) == ([], 0)


def test_what_cannot_be_written_is_raised(store: EmbeddedStore) -> None:
    with pytest.raises(QueryRefused), ShardWriter(store, SHARD, Observer()) as write:
        write(lambda: b"this is no triple .\n", 1)
    assert store.count(SHARD) == 0


def test_every_stage_is_told(store: EmbeddedStore) -> None:
    told: list[tuple[str, int]] = []

    class Listener(Observer):
        def stage(self, name: str, records: int, seconds: float) -> None:  # noqa: ARG002
            told.append((name, records))

    with ShardWriter(store, SHARD, Listener()) as write:
        write(lambda: triple(0), 3)
        write(lambda: triple(1), 4)
    assert sum(records for name, records in told if name == "write") == 7
