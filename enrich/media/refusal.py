"""Why a picture is not to be had, as exceptions with one line for the record's evidence.

Refusal          a picture is not to be had; its kind tells whether it may come later
├── NoAnswer     the host has no address, does not connect or does not answer in time
└── ServerError  the host answered that it is busy or failed, or hung up
"""

from enum import StrEnum

from enrich.errors import EnrichError


class Kind(StrEnum):
    """The kinds of refusal, as metrics and run summaries count them."""

    ADDRESS = "address"
    """No http(s) address, or one that may not be connected to."""
    MISSING = "missing"
    """The host answers, and has no such picture."""
    SIZE = "too large"
    CONTENT = "not accepted"
    """What came is no picture, or one that is damaged or of a format that is not accepted."""
    LOGIN = "login"
    """The host asks who we are, or forbids it."""
    BUSY = "server error"
    SILENT = "no answer"
    CIRCUIT = "circuit open"
    """The host failed so often that it is not asked for a while."""
    STORAGE = "not kept"
    """It came and could not be written to the cache."""

    @property
    def may_come(self) -> bool:
        """Whether the same address may give the picture at a later run; else it is refused for good."""
        return self in (Kind.LOGIN, Kind.BUSY, Kind.SILENT, Kind.CIRCUIT, Kind.STORAGE)


class Refusal(EnrichError):
    """A picture that is not to be had. `status` is the HTTP status where there was one."""

    wait: float | None = None
    """Seconds within which the host asked for no request."""

    def __init__(self, reason: str, kind: Kind = Kind.ADDRESS, *, status: int | None = None) -> None:
        super().__init__(" ".join(reason.split())[:300])
        self.kind = kind
        self.status = status


class NoAnswer(Refusal):
    """The host has no address, does not connect or does not answer in time."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason, Kind.SILENT)


class ServerError(Refusal):
    """The host is busy, failed or hung up."""

    def __init__(self, reason: str, *, status: int | None = None, wait: float | None = None) -> None:
        super().__init__(reason, Kind.BUSY, status=status)
        self.wait = wait
