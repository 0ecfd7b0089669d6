"""Why a picture is not to be had, as exceptions with one line for the record's evidence.

Refusal          what was asked for is refused, missing or not a picture: asking again would not help
├── NoAnswer     the host has no address, does not connect or does not answer in time
└── ServerError  the host answered that it is busy or failed, or hung up
"""

from __future__ import annotations

from enrich.errors import EnrichError


class Refusal(EnrichError):
    """A picture that is not to be had. `status` is the HTTP status where there was one."""

    def __init__(self, reason: str, *, status: int | None = None) -> None:
        super().__init__(" ".join(reason.split())[:300])
        self.status = status

    @property
    def reason(self) -> str:
        """The reason, on one line of at most 300 characters."""
        return str(self)


class NoAnswer(Refusal):
    """The host has no address, does not connect or does not answer in time."""


class ServerError(Refusal):
    """The host is busy, failed or hung up; `wait` is what it asked for, in seconds."""

    def __init__(self, reason: str, *, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(reason, status=status)
        self.wait = wait
