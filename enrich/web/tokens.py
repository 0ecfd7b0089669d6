"""Bearer tokens of scripts: made once, shown once, kept as hashes in a file of one's own."""

from __future__ import annotations

import json
import os
import secrets
import stat
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from enrich.classifiers.digest import text_digest
from enrich.errors import InputError, SettingsError
from enrich.settings.models import Role

PREFIX = "enr_"
"""What a token begins with, so that one that leaked is found."""
LONGEST_NAME = 200


@dataclass(frozen=True, slots=True)
class Token:
    """Who bears it, what they may do, the hash of it, and when it was made. It has 256 random bits, which no search
    tries: a plain SHA-256 keeps it."""

    name: str
    role: Role
    sha256: str
    made: str


class Tokens:
    """The tokens of a site. The file is read again when it has changed: what is revoked ends at once."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._read: tuple[tuple[int, int] | None, dict[str, Token]] = (None, {})

    def all(self) -> list[Token]:
        """Those in the file, the oldest first. Raises SettingsError for a file that is not to be trusted."""
        return list(self._by_hash().values())

    def find(self, given: str) -> Token | None:
        """The token that somebody bears."""
        return self._by_hash().get(_hash(given))

    def add(self, name: str, role: Role) -> str:
        """Make a token, and return it: it is nowhere else. Raises InputError for a name that has one."""
        name = known_as(name)
        tokens = self.all()
        if any(token.name == name for token in tokens):
            raise InputError(f"{name} has a token: revoke it first, or choose another name")
        made = PREFIX + secrets.token_urlsafe(32)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        self._write([*tokens, Token(name, role, _hash(made), now)])
        return made

    def revoke(self, name: str) -> None:
        """End a token. Raises InputError when nobody of this name has one."""
        tokens = self.all()
        left = [token for token in tokens if token.name != name]
        if len(left) == len(tokens):
            raise InputError(f"{name} has no token; see: enrich web token list")
        self._write(left)

    def _by_hash(self) -> dict[str, Token]:
        try:
            found = self.path.stat()
        except FileNotFoundError:
            return {}
        if found.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
            raise SettingsError(f"others may write {self.path}: chmod 600 it, and see who is in it")
        state = (found.st_mtime_ns, found.st_ino)
        if self._read[0] != state:
            try:
                said = json.loads(self.path.read_text(encoding="utf-8"))
                self._read = state, {one["sha256"]: Token(**one) for one in said["tokens"]}
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise SettingsError(
                    f"{self.path} is no file of tokens: {error}; mend or remove it"
                ) from error
        return self._read[1]

    def _write(self, tokens: Sequence[Token]) -> None:
        beside = self.path.with_name(f"{self.path.name}.{secrets.token_hex(4)}")
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                json.dump({"tokens": [asdict(token) for token in tokens]}, file, indent=1)
            beside.replace(self.path)
        except OSError as error:
            beside.unlink(missing_ok=True)
            raise InputError(f"{self.path} cannot be written: {error.strerror}") from error


def known_as(name: str) -> str:
    """A person's name as it is kept. Raises InputError for one that cannot be."""
    name = " ".join(name.split())
    if not name or len(name) > LONGEST_NAME or not name.isprintable():
        raise InputError(f"a name has 1 to {LONGEST_NAME} characters that can be printed")
    return name


def _hash(token: str) -> str:
    return text_digest(token)
