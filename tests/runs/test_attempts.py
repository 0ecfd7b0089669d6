"""Which attempts at a batch are surely over: told by the process, where it can be seen, else by time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from enrich.runs import attempts
from enrich.runs.attempts import UNSEEN, Attempt, process_birth

NOW = datetime.now(UTC)
HERE = """
from datetime import UTC, datetime
from enrich.runs.attempts import Attempt
print(Attempt.here(datetime.now(UTC)))
"""


def test_this_process_is_not_dead() -> None:
    attempt = Attempt.here(NOW)
    assert Attempt.parse(str(attempt)) == attempt
    assert not attempt.dead(0, NOW)


def test_a_process_that_ended_is_dead_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = process_birth(child.pid)
    assert born is not None
    attempt = Attempt("t", Attempt.here(NOW).host, child.pid, born, int(NOW.timestamp()))
    assert not attempt.dead(1000, NOW)
    child.communicate(b"\n")
    assert attempt.dead(1000, NOW)
    assert Attempt("t", attempt.host, os.getpid(), "1", int(NOW.timestamp())).dead(1000, NOW), (
        "a number used again"
    )


def test_elsewhere_only_time_tells() -> None:
    """Given the store's time, then this machine's is of no account."""
    later = NOW + timedelta(days=1)
    assert not Attempt("t", "elsewhere", 1, "1", int(later.timestamp())).dead(10, later)
    assert Attempt("t", "elsewhere", 1, "1", int(NOW.timestamp())).dead(10, later)
    now = int(NOW.timestamp())
    assert not Attempt("t", "elsewhere", 1, "1", now - 50).dead(10, NOW)
    assert Attempt("t", "elsewhere", 1, "1", now - 100).dead(10, NOW)


def test_of_a_process_that_runs_and_is_hidden_only_time_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process of another user under `hidepid`, then it is not taken for dead."""
    now, host = int(NOW.timestamp()), Attempt.here(NOW).host
    monkeypatch.setattr(attempts, "Path", lambda _: Path("/nowhere/stat"))
    monkeypatch.setattr(attempts, "_host", lambda: host)
    assert process_birth(os.getpid()) == UNSEEN
    assert not Attempt("t", host, os.getpid(), "1", now).dead(10, NOW)
    assert Attempt("t", host, os.getpid(), "1", now - 100).dead(10, NOW)
    assert Attempt("t", host, 4_000_000, "1", now).dead(10, NOW), "none has this number"


def test_containers_with_one_name_and_one_boot_are_told_apart() -> None:
    """Given a process in a namespace of process numbers of its own, with this machine's name and boot, then
    it is not looked for among the processes here."""
    unshare = shutil.which("unshare")
    command = [str(unshare), "--pid", "--fork", "--mount-proc", sys.executable, "-c", HERE]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if unshare else None
    if done is None or done.returncode:
        pytest.skip("a namespace of process numbers cannot be made here")
    there, here = Attempt.parse(done.stdout.strip()), Attempt.here(NOW)
    assert there.host != here.host
    assert there.host.rpartition("/")[0] == here.host.rpartition("/")[0], "one machine, one boot"
    assert not there.dead(10, NOW)
