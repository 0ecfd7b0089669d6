"""Answer queries in processes of their own, a few at a time, each within its time."""

from __future__ import annotations

import json
import os
import queue
import select
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from enrich.errors import QueryRefused, StoreTimeout, StoreUnavailable
from enrich.web.gate.guard import QueryNotAllowed

COMMAND = (sys.executable, "-m", "enrich.web.gate.worker")


class Busy(Exception):
    """As many queries are being answered as may be at once."""


class TooMuch(StoreTimeout):
    """A query was ended because it took more room than it may."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An answer, whole in a file that has no name any more; `cut` says which measure was full: rows, bytes or none."""

    file: IO[bytes]
    size: int
    cut: str | None


class Evaluators:
    """The processes, started when they are needed; `most` of them at once."""

    def __init__(self, most: int, seconds: float) -> None:
        self.seconds = seconds
        self._room = threading.Semaphore(most)
        self._idle: queue.LifoQueue[_Process] = queue.LifoQueue()

    def evaluate(self, request: dict[str, Any], deadline: float) -> Answered:
        """The answer to a request (see `worker`) before the deadline, a time of `time.monotonic`. Raises Busy, QueryNotAllowed,
        QueryRefused, StoreTimeout or StoreUnavailable; the process of a query that is late is ended."""
        if not self._room.acquire(blocking=False):
            raise Busy
        try:
            return self._answered(request, deadline)
        finally:
            self._room.release()

    def _answered(self, request: dict[str, Any], deadline: float) -> Answered:
        number, name = tempfile.mkstemp(prefix="enrich-answer-")
        file = os.fdopen(number, "rb")
        try:
            reply = self._reply({**request, "target": name}, deadline)
            if "kind" in reply:
                raise _error(reply)
            return Answered(file, os.fstat(number).st_size, reply["cut"])
        except BaseException:
            file.close()
            raise
        finally:
            Path(name).unlink()

    def _reply(self, request: dict[str, Any], deadline: float) -> dict[str, Any]:
        process = self._ready()
        try:
            reply = process.ask(request, deadline)
        except BaseException:
            process.end()
            raise
        if reply is None:
            process.end()
            late = time.monotonic() >= deadline
            if late:
                raise StoreTimeout(f"the query takes longer than {self.seconds:g} seconds, and was ended")
            raise TooMuch("the query takes more memory than it may, and was ended")
        self._idle.put(process)
        return reply

    def _ready(self) -> _Process:
        while True:
            try:
                process = self._idle.get_nowait()
            except queue.Empty:
                return _Process()
            if process.alive:
                return process
            process.end()

    def warm(self) -> None:
        """Start one, so that the first query does not wait for it."""
        self._idle.put(_Process())

    def close(self) -> None:
        """End them."""
        with suppress(queue.Empty):
            while True:
                self._idle.get_nowait().end()


class _Process:
    def __init__(self) -> None:
        self._process = subprocess.Popen(
            COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        )

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def ask(self, request: dict[str, Any], deadline: float) -> dict[str, Any] | None:
        """The reply; None when there is none before the deadline, or the process has ended."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(request).encode() + b"\n")
            self._process.stdin.flush()
        reply, out = b"", self._process.stdout.fileno()
        poll = select.poll()
        poll.register(out, select.POLLIN | select.POLLHUP)
        while not reply.endswith(b"\n"):
            left = deadline - time.monotonic()
            if left <= 0 or not poll.poll(left * 1000):
                return None
            data = os.read(out, 1 << 16)
            if not data:
                return None
            reply += data
        found: dict[str, Any] = json.loads(reply)
        return found

    def end(self) -> None:
        self._process.kill()
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                with suppress(OSError):
                    stream.close()
        self._process.wait()


def _error(reply: dict[str, Any]) -> Exception:
    kind, said = reply["kind"], str(reply["error"])
    if kind == "syntax":
        return QueryNotAllowed(said, reply["line"], reply["column"])
    kinds: dict[str, type[Exception]] = {
        "timeout": StoreTimeout,
        "memory": TooMuch,
        "unavailable": StoreUnavailable,
    }
    return kinds.get(kind, QueryRefused)(said)
