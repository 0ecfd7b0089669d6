"""What is known about the hosts of this run: who does not answer, and who asked us to wait."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from enrich.media.refusal import NoAnswer, Refusal, ServerError

ERRORS_PER_FAILURE = 10
"""A host that answers, if only with errors, costs little: it may fail this many times more often."""


@dataclass
class _Host:
    silent: int = 0
    errors: int = 0
    not_before: float = 0.0
    aside: str | None = None


class Hosts:
    """Counts failures in a row per host, and sets a host aside for the run after `failures` of them.

    Safe between threads. `clock` and `sleep` are seconds, injected in tests.
    """

    def __init__(
        self,
        failures: int,
        max_wait: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._failures = failures
        self._max_wait = max_wait
        self._clock = clock
        self._sleep = sleep
        self._hosts: dict[str, _Host] = {}
        self._lock = threading.Lock()

    def admit(self, host: str) -> None:
        """Wait if the host asked for it. Raises Refusal when it is set aside or asked for too long a wait."""
        self.check(host)
        with self._lock:
            state = self._hosts.get(host)
            wait = 0.0 if state is None else state.not_before - self._clock()
        if wait > self._max_wait:
            raise Refusal(f"{host} asks to wait {wait:.0f} s, more than {self._max_wait:.0f} s", status=429)
        if wait > 0:
            self._sleep(wait)

    def check(self, host: str) -> None:
        """Raise Refusal when the host is set aside."""
        state = self._hosts.get(host)
        if state is not None and state.aside is not None:
            raise Refusal(f"{host} is set aside for this run: {state.aside}")

    def answered(self, host: str) -> None:
        """The host answered as it should: what it failed before is forgiven."""
        with self._lock:
            if (state := self._hosts.get(host)) is not None:
                state.silent = state.errors = 0

    def failed(self, host: str, refusal: NoAnswer | ServerError) -> None:
        """The host did not answer, or failed to; after enough of it in a row it is set aside."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            if isinstance(refusal, NoAnswer):
                state.silent += 1
            else:
                state.errors += 1
            count = max(state.silent, state.errors // ERRORS_PER_FAILURE)
            if count >= self._failures and state.aside is None:
                times = state.silent if state.silent >= self._failures else state.errors
                state.aside = f"{times} failures in a row, the last: {refusal.reason}"

    def wait(self, host: str, seconds: float) -> None:
        """The host asked for no request within the next seconds."""
        with self._lock:
            state = self._hosts.setdefault(host, _Host())
            state.not_before = max(state.not_before, self._clock() + seconds)

    def set_aside(self) -> dict[str, str]:
        """The hosts set aside so far, each with its reason."""
        with self._lock:
            return {host: state.aside for host, state in self._hosts.items() if state.aside is not None}
