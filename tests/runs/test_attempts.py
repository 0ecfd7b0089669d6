"""Which attempts at a batch are surely over: told by the process, where it can be seen, else by time."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from enrich.runs import attempts
from enrich.runs.attempts import UNSEEN, Attempt, process_birth

HERE = "from enrich.runs.attempts import Attempt; print(Attempt.here())"


def test_this_process_is_not_dead() -> None:
    attempt = Attempt.here()
    assert Attempt.parse(str(attempt)) == attempt
    assert not attempt.dead(0)


def test_a_process_that_ended_is_dead_at_once() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    born = process_birth(child.pid)
    assert born is not None
    attempt = Attempt("t", Attempt.here().host, child.pid, born, int(time.time()))
    assert not attempt.dead(1000)
    child.communicate(b"\n")
    assert attempt.dead(1000)
    assert Attempt("t", attempt.host, os.getpid(), "1", int(time.time())).dead(1000), "a number used again"


def test_elsewhere_only_time_tells() -> None:
    now = int(time.time())
    assert not Attempt("t", "elsewhere", 1, "1", now - 50).dead(10)
    assert Attempt("t", "elsewhere", 1, "1", now - 100).dead(10)


def test_of_a_process_that_runs_and_is_hidden_only_time_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Given a process of another user under `hidepid`, then it is not taken for dead."""
    now, host = int(time.time()), Attempt.here().host
    monkeypatch.setattr(attempts, "Path", lambda _: Path("/nowhere/stat"))
    monkeypatch.setattr(attempts, "_host", lambda: host)
    assert process_birth(os.getpid()) == UNSEEN
    assert not Attempt("t", host, os.getpid(), "1", now).dead(10)
    assert Attempt("t", host, os.getpid(), "1", now - 100).dead(10)
    assert Attempt("t", host, 4_000_000, "1", now).dead(10), "none has this number"


def test_containers_with_one_name_and_one_boot_are_told_apart() -> None:
    """Given a process in a namespace of process numbers of its own, with this machine's name and boot, then
    it is not looked for among the processes here."""
    unshare = shutil.which("unshare")
    command = [str(unshare), "--pid", "--fork", "--mount-proc", sys.executable, "-c", HERE]
    done = subprocess.run(command, capture_output=True, text=True, check=False) if unshare else None
    if done is None or done.returncode:
        pytest.skip("a namespace of process numbers cannot be made here")
    there, here = Attempt.parse(done.stdout.strip()), Attempt.here()
    assert there.host != here.host
    assert there.host.rpartition("/")[0] == here.host.rpartition("/")[0], "one machine, one boot"
    assert not there.dead(10)
