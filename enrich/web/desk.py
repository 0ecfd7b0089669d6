"""The desk: which curator has which card, and what was decided of it. It can be lost: what was judged is in the reviews.

A card is given to one curator for a while. Its token makes a decision one: sent twice it is one review, also when the
store failed in between, for the moment of the first try is kept, and a review's IRI follows from it.
"""

from __future__ import annotations

import json
import os
import secrets
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import astuple, dataclass, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from enrich.classifiers.digest import short_digest
from enrich.errors import InputError

LEASE = 15 * 60.0
"""Seconds for which a card is one curator's."""
LEFT_OUT = 86400.0
"""Seconds for which what could not be shown is not drawn."""
RECENT = 10
"""Decisions that stay editable on the page."""
TWICE = 20
"""One card in so many goes to two curators."""
AGAIN = ("Second", "Control")
"""How a card is drawn that somebody else judged before: it waits no more, and may be before several."""
KEPT = 400 * 86400.0
"""Seconds after which a card is forgotten."""

SETTLED = timedelta(hours=1)
"""How long after a decision the index is sure to have it."""

_SCHEMA = """
CREATE TABLE IF NOT EXISTS card (
  token TEXT PRIMARY KEY, curator TEXT NOT NULL, prediction TEXT NOT NULL, record TEXT NOT NULL, property TEXT NOT NULL,
  band TEXT NOT NULL,
  record_name TEXT NOT NULL, value_name TEXT NOT NULL, asked TEXT NOT NULL, museum TEXT NOT NULL, drawn TEXT NOT NULL, probability REAL, given REAL NOT NULL, until REAL NOT NULL,
  place INTEGER NOT NULL, done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS card_open ON card (done, until);
CREATE INDEX IF NOT EXISTS card_prediction ON card (prediction);
CREATE TABLE IF NOT EXISTS decision (
  token TEXT PRIMARY KEY, curator TEXT NOT NULL, prediction TEXT NOT NULL, said TEXT NOT NULL, at TEXT NOT NULL,
  outcome TEXT, fine INTEGER NOT NULL DEFAULT 0, undone INTEGER NOT NULL DEFAULT 0, place INTEGER NOT NULL);
CREATE INDEX IF NOT EXISTS decision_curator ON decision (curator, place);
CREATE INDEX IF NOT EXISTS decision_prediction ON decision (prediction);
"""


@dataclass(frozen=True, slots=True)
class Card:
    """A prediction that a curator is asked about. `asked` are the filters that it was given under."""

    token: str
    curator: str
    prediction: str
    record: str
    property: str
    band: str
    record_name: str
    value_name: str
    asked: str
    museum: str
    drawn: str
    probability: float | None
    given: float


@dataclass(frozen=True, slots=True)
class Decision:
    """What was sent with a token, and what came of it: None as long as nobody knows."""

    token: str
    curator: str
    prediction: str
    said: dict[str, Any]
    at: datetime
    outcome: dict[str, Any] | None
    undone: bool


_CARD = ", ".join(each.name for each in fields(Card))
_DECISION = ", ".join(each.name for each in fields(Decision))
_WRITTEN = "fine AND NOT undone AND json_extract(outcome, '$.review') IS NOT NULL"


class Desk:
    """One SQLite file beside the index."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock = threading.RLock()
        self._held: sqlite3.Connection | None = None
        self._tokens: dict[str, tuple[threading.Lock, int]] = {}

    def held(self, curator: str, asked: str) -> list[Card]:
        """The cards that a curator was given under some filters and has not decided of, in their order."""
        with self._db() as db:
            rows = db.execute(
                f"SELECT {_CARD} FROM card WHERE curator = ? AND asked = ? AND NOT done AND until > ? ORDER BY place",
                (curator, asked, time.time()),
            )
            return [Card(*row) for row in rows]

    def taken(self) -> set[str]:
        """The predictions that somebody has a card of, or decided of lately, or that could not be shown: the index may not
        have it yet."""
        with self._db() as db:
            rows = db.execute(
                "SELECT prediction FROM card WHERE until > ? AND (NOT done OR token NOT IN (SELECT token FROM decision)) "
                "UNION SELECT prediction FROM decision WHERE NOT undone AND at > ?",
                (time.time(), (datetime.now(UTC) - SETTLED).isoformat()),
            )
            return {prediction for (prediction,) in rows}

    def open(self, name: str, band: str) -> int:
        """How many predictions of a property and a band somebody has a card of."""
        with self._db() as db:
            query = (
                "SELECT count(*) FROM card WHERE NOT done AND until > ? AND property = ? AND band = ? "
                "AND drawn NOT IN ('Second', 'Control')"
            )
            (count,) = db.execute(query, (time.time(), name, band)).fetchone()
            return int(count)

    def last(self, curator: str, most: int) -> list[Card]:
        """The cards that a curator was given last, the latest first."""
        with self._db() as db:
            query = f"SELECT {_CARD} FROM card WHERE curator = ? ORDER BY place DESC LIMIT ?"
            return [Card(*row) for row in db.execute(query, (curator, most))]

    def give(self, curator: str, like: Card, *, first: bool = False) -> Card | None:
        """Give a curator a card, unless somebody else has it; `like` says all but its token. The `first` comes before
        those that the curator has."""
        now = time.time()
        with self._db() as db:
            if (
                like.drawn not in AGAIN
                and db.execute(
                    "SELECT 1 FROM card WHERE prediction = ? AND NOT done AND until > ?",
                    (like.prediction, now),
                ).fetchone()
            ):
                return None
            token = new_token()
            ends = db.execute("SELECT coalesce(min(place), 0), coalesce(max(place), 0) FROM card").fetchone()
            place = ends[0] - 1 if first else ends[1] + 1
            card = replace(like, token=token, curator=curator, given=now)
            said = (*astuple(card), now + LEASE, place)
            db.execute(
                f"INSERT INTO card ({_CARD}, until, place) VALUES ({', '.join('?' * len(said))})",
                said,
            )
            db.execute("DELETE FROM card WHERE given < ?", (now - KEPT,))
        return card

    def keep(self, curator: str, tokens: Sequence[str]) -> None:
        """A curator still has these cards before them."""
        with self._db() as db:
            db.executemany(
                "UPDATE card SET until = ? WHERE token = ? AND curator = ? AND NOT done",
                [(time.time() + LEASE, token, curator) for token in tokens],
            )

    def drop(self, token: str) -> None:
        """A card is nobody's any more: it cannot be judged, and is not drawn again for a while."""
        with self._db() as db:
            db.execute("UPDATE card SET done = 1, until = ? WHERE token = ?", (time.time() + LEFT_OUT, token))

    def card(self, token: str) -> Card | None:
        """The card of a token."""
        with self._db() as db:
            row = db.execute(f"SELECT {_CARD} FROM card WHERE token = ?", (token,)).fetchone()
        return None if row is None else Card(*row)

    def decision(self, token: str) -> Decision | None:
        """What was sent with a token."""
        with self._db() as db:
            row = db.execute(f"SELECT {_DECISION} FROM decision WHERE token = ?", (token,)).fetchone()
        return None if row is None else _decision(row)

    def recent(self, curator: str, most: int = RECENT) -> list[Decision]:
        """The last decisions of a curator, the latest first, without those undone or refused."""
        with self._db() as db:
            rows = db.execute(
                f"SELECT {_DECISION} FROM decision WHERE curator = ? AND NOT undone AND fine "
                "ORDER BY place DESC LIMIT ?",
                (curator, most),
            )
            return [_decision(row) for row in rows]

    @contextmanager
    def deciding(self, token: str) -> Iterator[None]:
        """Whoever sends the same token meanwhile waits."""
        with self._lock:
            lock, waiting = self._tokens.get(token, (threading.Lock(), 0))
            self._tokens[token] = (lock, waiting + 1)
        try:
            with lock:
                yield
        finally:
            with self._lock:
                lock, waiting = self._tokens.pop(token)
                if waiting > 1:
                    self._tokens[token] = (lock, waiting - 1)

    def begin(self, token: str, curator: str, prediction: str, said: dict[str, Any]) -> Decision:
        """Note that something was sent with a token. What was sent first stands, once something came of it: until then what
        is sent otherwise is of this moment, and what a store may have of the first is before it."""
        now = datetime.now(UTC).isoformat()
        told = json.dumps(said)
        with self._db() as db:
            place = db.execute("SELECT coalesce(max(place), 0) + 1 FROM decision").fetchone()[0]
            db.execute(
                "INSERT OR IGNORE INTO decision (token, curator, prediction, said, at, place) VALUES (?, ?, ?, ?, ?, ?)",
                (token, curator, prediction, told, now, place),
            )
            db.execute(
                "UPDATE decision SET said = ?, at = ? WHERE (token, curator, prediction) = (?, ?, ?) "
                "AND outcome IS NULL AND said <> ?",
                (told, now, token, curator, prediction, told),
            )
            row = db.execute(f"SELECT {_DECISION} FROM decision WHERE token = ?", (token,)).fetchone()
        return _decision(row)

    def end(self, token: str, outcome: dict[str, Any]) -> None:
        """Note what came of it."""
        with self._db() as db:
            db.execute(
                "UPDATE decision SET outcome = ?, fine = 1 WHERE token = ?", (json.dumps(outcome), token)
            )
            db.execute("UPDATE card SET done = 1 WHERE token = ?", (token,))

    def put_back(self, token: str) -> None:
        """What was sent was refused: its card is there for another decision, behind the curator's others."""
        with self._db() as db:
            db.execute("UPDATE card SET place = (SELECT max(place) + 1 FROM card) WHERE token = ?", (token,))

    def undo(self, named: str) -> None:
        """Note that a decision was taken back, by its token, or by its review or batch."""
        with self._db() as db:
            db.execute(
                "UPDATE decision SET undone = 1 WHERE ? IN (token, json_extract(outcome, '$.review'), "
                "json_extract(outcome, '$.batch'))",
                (named,),
            )

    def batches(self) -> set[str]:
        """The batches of all decisions that were not taken back."""
        with self._db() as db:
            rows = db.execute(
                "SELECT json_extract(outcome, '$.batch') FROM decision WHERE fine AND NOT undone"
            )
            return {batch for (batch,) in rows}

    def for_a_second(self, curator: str) -> list[Card]:
        """The cards of somebody else that are to be judged by two, and that nobody has judged or has a second time, the
        oldest first."""
        with self._db() as db:
            columns = ", ".join(f"card.{name}" for name in _CARD.split(", "))
            rows = db.execute(
                f"SELECT {columns} FROM card JOIN decision USING (token) WHERE card.curator != ? AND NOT undone "
                "AND card.drawn IN ('Random', 'Uncertain') AND fine AND NOT EXISTS (SELECT 1 FROM "
                "card AS other WHERE other.prediction = card.prediction AND (other.curator = ? OR "
                "(other.drawn = 'Second' AND (other.done OR other.until > ?)))) ORDER BY card.place",
                (curator, curator, time.time()),
            )
            return [card for card in (Card(*row) for row in rows) if is_for_two(card.prediction)]

    def judged_by_two(self, curator: str) -> list[Card]:
        """A card of each prediction that two others wrote a review of and this curator never had, in an order of chance."""
        with self._db() as db:
            rows = db.execute(
                f"SELECT {_CARD} FROM card WHERE prediction IN (SELECT prediction FROM decision WHERE {_WRITTEN} "
                "GROUP BY prediction HAVING count(DISTINCT curator) > 1) AND prediction NOT IN (SELECT prediction FROM card "
                "WHERE curator = ? UNION SELECT prediction FROM decision WHERE curator = ?) "
                "GROUP BY prediction ORDER BY random()",
                (curator, curator),
            )
            return [Card(*row) for row in rows]

    def decided(self, prediction: str) -> list[tuple[str, str]]:
        """Who decided what of a prediction, the latest last, controls aside."""
        with self._db() as db:
            query = (
                "SELECT decision.curator, json_extract(outcome, '$.decision') FROM decision LEFT JOIN card USING (token) "
                f"WHERE decision.prediction = ? AND {_WRITTEN} AND drawn IS NOT 'Control' ORDER BY decision.place"
            )
            return db.execute(query, (prediction,)).fetchall()

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            if self._held is not None:
                self._held.close()
                self._held = None

    @contextmanager
    def _db(self) -> Iterator[sqlite3.Connection]:
        """A transaction. Raises InputError when the file cannot be used."""
        with self._lock:
            try:
                db = self._held = self._held or self._open()
                db.execute("BEGIN IMMEDIATE")
                try:
                    yield db
                except BaseException:
                    db.rollback()
                    raise
                db.commit()
            except (sqlite3.Error, OSError) as error:
                raise InputError(f"the desk at {self.path} cannot be used: {error}; see web.index") from error

    def _open(self) -> sqlite3.Connection:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        os.close(
            os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600)
        )  # SQLite gives its other files the same rights
        db = sqlite3.connect(self.path, timeout=30, isolation_level=None, check_same_thread=False)
        db.executescript(f"PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; {_SCHEMA}")
        return db


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(18)


def is_for_two(prediction: str) -> bool:
    """Whether a prediction is one of those that two curators judge: always the same ones."""
    return short_digest(f"twice {prediction}") % TWICE == 0


def _decision(row: Sequence[Any]) -> Decision:
    token, curator, prediction, said, at, outcome, undone = row
    told = None if outcome is None else json.loads(outcome)
    return Decision(
        token, curator, prediction, json.loads(said), datetime.fromisoformat(at), told, bool(undone)
    )
