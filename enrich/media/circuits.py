"""What is known of the hosts of a run: whose circuit is open because they fail, and who asked us to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from enrich.media.refusal import Kind, NoAnswer, Refusal, ServerError

ERRORS_PER_FAILURE = 10
"""A host that answers, if only with errors, costs little: it may fail this many times more often."""
HALF_OPEN_AFTER = 300.0
"""Seconds after which a host with an open circuit is asked once more."""


@dataclass
class _Host:
    silent: int = 0
    errors: int = 0
    not_before: float = 0.0
    probe_at: float = 0.0
    open: str | None = None
    """Why the circuit is open; None while it is closed."""


class Circuits:
    """Counts failures in a row per host, and opens the circuit of a host after `failures` of them.

    A host with an open circuit is not asked for HALF_OPEN_AFTER seconds. Then one request is let through:
    an answer closes the circuit, a failure keeps it open for as long again. Safe between threads. `opened`
    is told of each host whose circuit opens, and why; `clock` and `sleep` are seconds, injected in tests.
    """

    def __init__(
        self,
        failures: int,
        max_wait: float,
        *,
        opened: Callable[[str, str], None] = lambda _host, _why: None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._failures = failures
        self._max_wait = max_wait
        self._opened = opened
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def admit(self, host: str) -> None:
        """Let a request through, after the wait that the host asked for.

        Raises Refusal when its circuit is open or the wait is longer than `max_wait`.
        """
        with self._lock:
            state = self._hosts.get(host)
            if state is None:
                return
            if state.open is not None:
                if self._clock() < state.probe_at:
                    raise Refusal(f"circuit of {host} is open: {state.open}", Kind.CIRCUIT)
                state.probe_at = self._clock() + HALF_OPEN_AFTER
            wait = state.not_before - self._clock()
        if wait > self._max_wait:
            reason = f"{host} asks to wait {wait:.0f} s, more than {self._max_wait:.0f} s"
            raise Refusal(reason, Kind.BUSY, status=429)
        if wait > 0:
            self._sleep(wait)

    def answered(self, host: str) -> None:
        """The host answered as it should: its failures are forgotten and its circuit is closed."""
        with self._lock:
            if (state := self._hosts.get(host)) is not None:
                state.silent = state.errors = 0
                state.open = None

    def failed(self, host: str, refusal: NoAnswer | ServerError) -> None:
        """The host did not answer, or failed to; after enough of it in a row its circuit is opened."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            if isinstance(refusal, NoAnswer):
                state.silent += 1
            else:
                state.errors += 1
            count = max(state.silent, state.errors // ERRORS_PER_FAILURE)
            if count >= self._failures and state.open is None:
                times = state.silent if state.silent >= self._failures else state.errors
                state.open = f"{times} failures in a row, the last: {refusal}"
                state.probe_at = self._clock() + HALF_OPEN_AFTER
                self._opened(host, state.open)

    def wait(self, host: str, seconds: float) -> None:
        """The host asked for no request within the next seconds."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            state.not_before = max(state.not_before, self._clock() + seconds)

    def open(self) -> dict[str, str]:
        """The hosts whose circuit is open, each with its reason."""
        with self._lock:
            return {host: state.open for host, state in self._hosts.items() if state.open is not None}
