"""Attempts at a batch: which process made them, and whether that process is surely dead."""

import os
import secrets
import socket
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Self

UNSEEN = "unseen"
"""The birth of a process that runs and cannot be looked at."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """A process that has begun a batch. `born` tells it from a later process of the same number."""

    token: str
    host: str
    pid: int
    born: str
    at: int
    """Unix time by the store's clock, seconds."""

    @classmethod
    def here(cls, now: datetime) -> Self:
        """An attempt of this process, now by the store's clock."""
        pid = os.getpid()
        return cls(secrets.token_hex(4), _host(), pid, process_birth(pid) or "0", int(now.timestamp()))

    @classmethod
    def parse(cls, text: str) -> Self:
        """The attempt that `str` wrote."""
        token, host, pid, born, at = text.split()
        return cls(token, host, int(pid), born, int(at))

    def __str__(self) -> str:
        return f"{self.token} {self.host} {self.pid} {self.born} {self.at}"

    def dead(self, time_limit: float, now: datetime) -> bool:
        """Whether its process has surely ended: it is gone from this machine, or past the time limit
        (seconds) after which any would have been killed, by the store's clock."""
        born = process_birth(self.pid) if self.host == _host() else UNSEEN
        if born == UNSEEN:
            return now.timestamp() - self.at > time_limit + 60
        return born != self.born


def process_birth(pid: int) -> str | None:
    """When a process of this machine was started, in ticks since boot; None when it has ended, UNSEEN when
    it runs and is hidden from us (`hidepid`, a system without `/proc`)."""
    try:
        said = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, PermissionError):
        return UNSEEN if _is_running(pid) else None
    except ProcessLookupError:
        return None
    fields = said.rpartition(")")[2].split()
    return None if fields[0] in "ZX" else fields[19]


def _is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _host() -> str:
    """Where a process number means one process: the machine's name, the boot it is in (a restart ends every
    process), and the namespace of process numbers (containers of one machine share the other two)."""
    boot, numbers = Path("/proc/sys/kernel/random/boot_id"), Path("/proc/self/ns/pid")
    suffix = boot.read_text(encoding="ascii")[:8] if boot.exists() else "0"
    space = numbers.readlink().name.strip("pid:[]") if numbers.is_symlink() else "0"
    return f"{socket.gethostname() or 'localhost'}/{suffix}/{space}"
