"""Structured logs: one JSON object per line on stderr, with the run and the batch that it is about."""

import io
import json
import logging
import os
import sys
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

import structlog

log: Any = structlog.get_logger("enrich")

_SHARED: list[Any] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.format_exc_info,
]
_JSON = structlog.processors.JSONRenderer(ensure_ascii=False)


class Careful(io.TextIOBase):
    """A stream whose lines are lost and counted when they cannot be written: logs are worth no batch."""

    def __init__(self, stream: TextIO, lost: Callable[[], None]) -> None:
        self.stream = stream
        self.lost = lost

    def write(self, text: str) -> int:
        """Write."""
        try:
            return self.stream.write(text)
        except (OSError, ValueError):
            self.lost()
        return len(text)

    def flush(self) -> None:
        """Write what is left."""
        try:
            self.stream.flush()
        except (OSError, ValueError):
            self.lost()

    def fileno(self) -> int:
        """The stream's own."""
        return self.stream.fileno()


def be_careful(lost: Callable[[], None]) -> None:
    """From now on nothing that this process says can stop it; `lost` is called for each line that is lost."""
    sys.stdout, sys.stderr = (Careful(stream, lost) for stream in (sys.stdout, sys.stderr))


def configure(level: int = logging.INFO) -> None:
    """Send our own log and that of Celery and the libraries to stderr, in one form."""
    structlog.configure(
        processors=[*_SHARED, _JSON],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: structlog.WriteLogger(sys.stderr),  # what stderr is then, not now
        cache_logger_on_first_use=False,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_SHARED, structlog.stdlib.add_logger_name],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, _JSON],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    for name in ("celery.worker.strategy", "celery.app.trace", "httpx2"):  # a line for each task and request
        logging.getLogger(name).setLevel(logging.WARNING)
    logging.captureWarnings(True)


def say_at_once(text: str, _stream: object = None) -> None:
    """A line of the log from within a signal handler, where the streams may be in use: what Celery would print."""
    said = {"event": text, "level": "info", "timestamp": datetime.now(UTC).isoformat()}
    with suppress(OSError):
        os.write(2, f"{json.dumps(said)}\n".encode())


def about(**names: str) -> Any:
    """A context whose log lines all carry these names."""
    return structlog.contextvars.bound_contextvars(**names)
