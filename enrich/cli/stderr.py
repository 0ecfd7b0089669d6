"""What the command says beside its answer: lines on stderr, fewer or more of them as was asked, and all in a log."""

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TextIO

from enrich.errors import InputError
from enrich.show.terminal import printable

QUIET, PLAIN, VERBOSE = range(3)


class Stderr:
    """Errors are always said; what a person should know, unless told to be quiet; details, when asked for."""

    def __init__(self) -> None:
        self.level = PLAIN
        self._log: TextIO | None = None

    def keep(self, file: Path) -> None:
        """Write all that is said to the end of a file too, each line with its time. Raises InputError."""
        try:
            self._log = file.open("a", encoding="utf-8", buffering=1)
        except OSError as error:
            raise InputError(
                f"--log {file} cannot be written: {error.strerror}; name another file"
            ) from error

    def say(self, text: str, level: int = PLAIN) -> None:
        """A line for a person, on stderr: stdout is for the answer."""
        line = printable(text)
        if self.level >= level:
            sys.stderr.write(f"{line}\n")
        if self._log is not None:
            self._log.write(f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ} {' '.join(line.split())}\n")

    def close(self) -> None:
        """Speak as at first, and let the log go."""
        if self._log is not None:
            self._log.close()
        self.level, self._log = PLAIN, None


STDERR = Stderr()
"""That of this process."""
