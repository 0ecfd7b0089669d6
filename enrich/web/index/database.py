"""The file of the index: a connection for each thread, one transaction at a time that writes, and a new file for one
that is damaged or gone."""

from __future__ import annotations

import secrets
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

from enrich.classifiers.digest import text_digest
from enrich.errors import StoreUnavailable

_BUSY_SECONDS = 60
_DAMAGE = (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


class Connection(sqlite3.Connection):
    """One that weak references may hold."""


class Damaged(Exception):
    """The file is no index, or not a whole one; it is to be made anew."""


class Database:
    """One SQLite file. Any number of threads read, each in a transaction of its own, while one writes."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.schema = (files("enrich.web.index") / "schema.sql").read_text(encoding="utf-8")
        self.version = text_digest(self.schema)
        self._own = threading.local()
        self._all: weakref.WeakSet[Connection] = weakref.WeakSet()
        """A connection goes with its thread."""
        self._lock = threading.Lock()
        self._turn = threading.Lock()

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """A transaction that sees one state of the index, whatever is written meanwhile."""
        with self._transaction("BEGIN") as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """A transaction that writes all or nothing."""
        with self._turn, self._transaction("BEGIN IMMEDIATE") as connection:
            yield connection

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[sqlite3.Connection]:
        try:
            connection = self._connection()
            connection.execute(begin)
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException:
                if connection.in_transaction:
                    with suppress(sqlite3.Error):
                        connection.execute("ROLLBACK")
                raise
        except sqlite3.Error as error:
            self._refuse(error)

    def _refuse(self, error: sqlite3.Error) -> None:
        code = getattr(error, "sqlite_errorcode", None)
        if code is not None and code & 0xFF in _DAMAGE:
            raise Damaged(str(error)) from error
        if isinstance(error, sqlite3.OperationalError):
            raise StoreUnavailable(
                f"the index at {self.path} cannot be used: {error}; see web.index in enrich.toml"
            ) from error
        raise error

    def _connection(self) -> sqlite3.Connection:
        """This thread's connection to the file that is at the path now."""
        held: tuple[Connection, int] | None = getattr(self._own, "held", None)
        if held is not None:
            with suppress(OSError):
                if self.path.stat().st_ino == held[1]:
                    return held[0]
            self._forget(held[0])
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise StoreUnavailable(f"the index at {self.path} cannot be written: {error}") from error
        connection = sqlite3.connect(
            self.path,
            timeout=_BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            factory=Connection,
        )
        for pragma in (
            "journal_mode = WAL",
            "synchronous = NORMAL",
            "temp_store = MEMORY",
            "cache_size = -16000",
        ):
            connection.execute(f"PRAGMA {pragma}")
        self._own.held = (connection, self.path.stat().st_ino)
        with self._lock:
            self._all.add(connection)
        return connection

    def _forget(self, connection: Connection) -> None:
        self._own.held = None
        with self._lock:
            self._all.discard(connection)
        with suppress(sqlite3.Error):
            connection.close()

    def said(self, key: str) -> str | None:
        """What the index says of itself; None where there is none."""
        with self.reading() as connection:
            there = connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'meta'").fetchone()
            return meta(connection, key) if there else None

    def check(self) -> None:
        """Look through the whole file. Raises Damaged."""
        with self.reading() as connection:
            (said,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if said != "ok":
            raise Damaged(str(said))

    def make(self, identity: str) -> None:
        """Empty tables for an index of this identity, in the place of all that is there."""
        with self.writing() as connection:
            kept = (
                "SELECT type, name FROM sqlite_master WHERE sql LIKE 'CREATE {}%' AND name NOT LIKE 'sqlite%'"
            )
            for kind in ("VIRTUAL TABLE", "TABLE"):
                for _, name in connection.execute(kept.format(kind)).fetchall():
                    quoted = name.replace('"', '""')
                    connection.execute(f'DROP TABLE IF EXISTS "{quoted}"')
            for statement in _statements(self.schema):
                connection.execute(statement)
            set_meta(connection, "identity", identity)
            set_meta(connection, "made", secrets.token_hex(8))

    def discard(self) -> None:
        """Let a damaged file go."""
        with self._turn:
            held = getattr(self._own, "held", None)
            if held is not None:
                self._forget(held[0])
            for end in ("-wal", "-shm", ""):
                with suppress(OSError):
                    self.path.with_name(self.path.name + end).unlink()

    def close(self) -> None:
        """Let the connections of all threads go."""
        with self._lock:
            held, self._all = list(self._all), weakref.WeakSet()
        self._own = threading.local()
        for connection in held:
            with suppress(sqlite3.Error):
                connection.close()


def _statements(script: str) -> Iterator[str]:
    """The statements of a script; those of a trigger hold semicolons of their own."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""


def meta(connection: sqlite3.Connection, key: str) -> str | None:
    """What the index says of itself."""
    row = connection.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return None if row is None else str(row[0])


def set_meta(connection: sqlite3.Connection, key: str, value: str) -> None:
    """Note something of the index."""
    connection.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (key, value))
