"""What the engine tells of its work while it goes on: to nobody, to a person, or to logs and metrics."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import TypeVar

from enrich.answering.decision import Decision

T = TypeVar("T")


class Observer:
    """Listens to the engine. This one ignores all; others override what they need."""

    def log(self, level: str, event: str, **fields: object) -> None:
        """Something to know: `level` is info, warning or error."""

    def stage(self, name: str, records: int, seconds: float) -> None:
        """So many records went through a stage: read, predict, describe or write."""

    def planned(self, gaps: int) -> None:
        """Open gaps were put into a batch."""

    def committed(self, counts: Mapping[str, int], failures: Iterable[Decision]) -> None:
        """A batch counts: its answers by outcome, and the decisions that are failures."""

    def isolated(self, halved: bool) -> None:
        """A batch was halved, or a record quarantined, because it was too much for its process."""

    def model(self, digest: str) -> None:
        """The model of a batch."""

    def picture(self, outcome: str, kind: str) -> None:
        """A picture was 'had', 'may come' or was 'refused': where from, or the kind of refusal."""

    def circuit_opened(self, host: str, reason: str) -> None:
        """A host of pictures failed so often that it is not asked for a while."""
        self.log("warning", "circuit of a picture host opened", host=host, reason=reason)

    @contextmanager
    def timed(self, stage: str) -> Iterator[Callable[[int], None]]:
        """Time a stage; what is yielded is told the number of records."""
        began, records = time.perf_counter(), 0

        def count(number: int) -> None:
            nonlocal records
            records += number

        try:
            yield count
        finally:
            self.stage(stage, records, time.perf_counter() - began)

    def each(self, stage: str, pieces: Iterable[T], records: Callable[[T], int]) -> Iterator[T]:
        """The pieces as a stage makes them, each timed and its records counted."""
        following = iter(pieces)
        while True:
            with self.timed(stage) as counted:
                try:
                    piece = next(following)
                except StopIteration:
                    return
                counted(records(piece))
            yield piece
