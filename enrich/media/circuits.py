"""What is known of the hosts of a run: whose circuit is open because they fail, and who asked us to wait."""

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
    failures: int = 0
    weight: int = 0
    """Of the failures in a row: one for each error, ERRORS_PER_FAILURE where there was no answer."""
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
                state.failures = state.weight = 0
                state.open = None

    def refused(self, host: str, refusal: Refusal, *, again: bool = False) -> None:
        """What a request met. No answer and errors count as failures, unless the host is asked `again`.

        After enough of them in a row the circuit is opened. A host that asked for a wait gets it.
        """
        if not isinstance(refusal, NoAnswer | ServerError):
            if refusal.status is not None:
                self.answered(host)
            return
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            if refusal.wait is not None:
                state.not_before = max(state.not_before, self._clock() + refusal.wait)
            if again:
                return
            state.failures += 1
            state.weight += ERRORS_PER_FAILURE if isinstance(refusal, NoAnswer) else 1
            if state.weight >= self._failures * ERRORS_PER_FAILURE and state.open is None:
                state.open = f"{state.failures} failures in a row, the last: {refusal}"
                state.probe_at = self._clock() + HALF_OPEN_AFTER
                self._opened(host, state.open)

    def open(self) -> dict[str, str]:
        """The hosts whose circuit is open, each with its reason."""
        with self._lock:
            return {host: state.open for host, state in self._hosts.items() if state.open is not None}
