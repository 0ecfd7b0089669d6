"""Whether broker and store answer, looked at by a thread of a worker's main process.

Its tasks cannot tell: without a broker none comes and Celery's timers stand still, and one look at a store that hangs
takes all tries of all its time-outs.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import redis

from enrich.errors import EnrichError
from enrich.graph.stores.opening import shared_store_of
from enrich.settings.loading import Settings
from enrich.workers import metrics
from enrich.workers.broker import Broker

STORE_SECONDS = 3.0
"""A store that takes longer for a question that is none is away."""


@contextmanager
def watching(settings: Settings) -> Iterator[None]:
    """Look every `workers.tend_every` seconds while in here, if anybody is told."""
    ended = threading.Event()

    def watch() -> None:
        broker = Broker(settings)
        try:
            while not ended.wait(settings.workers.tend_every):
                look(broker, settings)
        finally:
            metrics.BROKER_UP.set(0)
            metrics.STORE_UP.set(0)

    if settings.workers.metrics_port:
        threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        ended.set()


def look(broker: Broker, settings: Settings) -> None:
    """Ask both once, and set their metrics."""
    metrics.BROKER_UP.set(_takes_messages(broker))
    metrics.STORE_UP.set(_takes_answers(settings))


def _takes_messages(broker: Broker) -> bool:
    """Whether something can be written: a Redis whose memory is full answers, and takes no message."""
    try:
        broker.once_in("watched", 1)
    except (redis.RedisError, OSError):
        return False
    return True


def _takes_answers(settings: Settings) -> bool:
    try:
        with shared_store_of(settings, timeout=STORE_SECONDS, retries=0) as store:
            found = store.health()
            return found.readable and found.writable
    except EnrichError:
        return False
