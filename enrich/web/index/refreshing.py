"""Brings the index up to date: what is new is read from the store and written in transactions of some thousand rows,
so that a review never waits long. What a run answered is shown once all of it was read."""

from __future__ import annotations

import json
import time
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import contextmanager

from enrich.graph.reading import BATCH
from enrich.runs.register import ACTIVE, OPEN, Run
from enrich.web.index.building import GONE, Writer
from enrich.web.index.database import Database, meta, set_meta
from enrich.web.index.reading import About, Answer, GapOf, IndexSource
from enrich.workspace import Workspace

_RECORDS = 2000


class Refresh:
    """One pass: it may end anywhere, and the next goes on from there. `note` is told how many shards were read, of how
    many."""

    def __init__(self, database: Database, workspace: Workspace, note: Callable[[int, int], None]) -> None:
        self.database, self.workspace, self.note = database, workspace, note
        self.source = IndexSource(workspace)
        self.facts_changed = False
        self.facts_seconds = 0.0
        self.register: list[Run] = []
        self.whole: set[str] = set()
        """The runs of which all answers were read."""

    @contextmanager
    def _writer(self) -> Iterator[Writer]:
        with self.database.writing() as connection:
            writer = Writer(connection)
            yield writer
            writer.done()

    def _said(self, key: str) -> str | None:
        with self.database.reading() as connection:
            return meta(connection, key)

    def run(self, *, facts: bool) -> bool:
        """Do what there is to do. Returns whether there was anything."""
        changed = self._runs()
        changed |= self._reviews()
        now = self._facts() if facts else None
        if now is not None:
            self._read_facts()
        loaded = False
        while self._shards():  # again: a shard may have been exchanged while it was read
            loaded = True
        if changed or loaded or now is not None:
            self._vocabulary(anew=now is not None)
            self._show(now)
        self._clear()
        return changed or loaded or now is not None

    def judged(self, records: Collection[str]) -> None:
        """Read how the values of some records stand."""
        wanted = sorted(records)
        for start in range(0, len(wanted), BATCH):
            some = wanted[start : start + BATCH]
            found = self.source.verdicts(some)
            with self._writer() as writer:
                writer.verdicts(found, some)

    def _runs(self) -> bool:
        """The register: a run that was taken back is hidden here."""
        runs = self.register = self.source.runs()
        with self.database.reading() as connection:
            query = "SELECT iri, state, turn, title FROM run WHERE state <> ?"
            known = set(connection.execute(query, (GONE,)))
        if {(r.run, r.state, r.order, r.title or "") for r in runs} == known:
            return False
        with self._writer() as writer:
            return writer.runs(runs)

    def _reviews(self) -> bool:
        now = self.source.reviewed()
        if now == (self._said("reviewed") or "0 0"):
            return False
        found = self.source.verdicts()
        with self.database.writing() as connection:
            writer = Writer(connection)
            if changed := writer.verdicts(found):
                writer.done()
            set_meta(connection, "reviewed", now)
        return changed

    def _facts(self) -> str | None:
        """The digest of the facts, where it differs from the one known."""
        began = time.monotonic()
        now = self.source.facts()
        self.facts_seconds = time.monotonic() - began
        before = self._said("facts")
        self.facts_changed = before is not None and now != before
        return None if now == before else now

    def _read_facts(self) -> None:
        """Read again what the facts say of every record that has an answer."""
        last = 0
        while True:
            with self.database.reading() as connection:
                (end,) = connection.execute(
                    "SELECT max(id) FROM (SELECT id FROM record WHERE id > ? ORDER BY id LIMIT ?)",
                    (last, _RECORDS),
                ).fetchone()
                if end is None:
                    return
                rows = connection.execute(
                    "SELECT iri FROM record WHERE id > ? AND id <= ? AND id IN (SELECT record FROM answer)",
                    (last, end),
                ).fetchall()
            last, records = end, [iri for (iri,) in rows]
            about, stated = self.source.about(records), self.source.stated(records)
            with self._writer() as writer:
                writer.records(about)
                writer.state(stated, records)

    def _shards(self) -> bool:
        """Read the shards that are new, and let those go that are no longer named."""
        with self.database.reading() as connection:
            runs = {iri: (number, shown) for number, iri, shown in connection.execute(
                "SELECT id, iri, shown FROM run WHERE state = ?", (ACTIVE,)
            )}  # fmt: skip
            known = dict(connection.execute("SELECT iri, run FROM shard").fetchall())
        named = self.source.shards()
        ids = {number: iri for iri, (number, _) in runs.items()}
        gone = {shard for shard, run in known.items() if run in ids and shard not in named[ids[run]]}
        new = [
            (shard, run)
            for run, shards in named.items()
            if run in runs
            for shard in sorted(shards - known.keys())
        ]
        self.whole = runs.keys() & {run.run for run in self.register if run.state == ACTIVE}
        self.note(len(known), len(known) + len(new))
        hidden = [(shard, run) for shard, run in new if not runs[run][1]]
        shown = [(shard, run) for shard, run in new if runs[run][1]]
        for number, (shard, run) in enumerate(hidden, 1):
            read = self._read(shard)
            with self._writer() as writer:
                writer.shard(shard, runs[run][0], *read)
            self.note(len(known) + number, len(known) + len(new))
        if gone or shown:
            held = [(shard, run, self._read(shard)) for shard, run in shown]
            with self._writer() as writer:
                for shard, run, read in held:
                    writer.shard(shard, runs[run][0], *read)
                for shard in sorted(gone):
                    writer.drop_shard(shard)
        return bool(new or gone)

    def _read(self, shard: str) -> tuple[Sequence[Answer], dict[str, About], dict[GapOf, tuple[str, ...]]]:
        """A shard's answers; what the facts say of records that are new; what they state of all of them."""
        answers = self.source.answers(shard)
        records = list(dict.fromkeys(answer.record for answer in answers))
        with self.database.reading() as connection:
            known = connection.execute(
                "SELECT iri FROM record WHERE iri IN (SELECT value FROM json_each(?))", (json.dumps(records),)
            )
            there = {iri for (iri,) in known}
        about = self.source.about([record for record in records if record not in there])
        return answers, about, self.source.stated(records)

    def _vocabulary(self, *, anew: bool) -> None:
        """Read names and hierarchy again where there are new terms, or other facts."""
        with self.database.reading() as connection:
            (terms,) = connection.execute("SELECT count(*) FROM term").fetchone()
            if not anew and str(terms) == meta(connection, "terms"):
                return
            values: dict[str, set[str]] = defaultdict(set)
            for name, value in connection.execute(
                "SELECT DISTINCT p.text, v.text FROM (SELECT DISTINCT property, value FROM cell WHERE value <> 0) "
                "JOIN term AS p ON p.id = property JOIN term AS v ON v.id = value"
            ):
                values[name].add(value)
            museums = connection.execute(
                "SELECT text FROM term WHERE id IN (SELECT museum FROM record)"
            ).fetchall()
        found = self.source.vocabulary(values, [museum for (museum,) in museums])
        with self._writer() as writer:
            writer.words(found)
            (terms,) = writer.execute("SELECT count(*) FROM term").fetchone()
            set_meta(writer.connection, "terms", str(terms))

    def _show(self, facts: str | None) -> None:
        """Let the answers of the runs that were read whole be seen, all at once."""
        with self._writer() as writer:
            writer.connection.executemany(
                "UPDATE run SET shown = 1 WHERE iri = ?", [(run,) for run in self.whole]
            )
            set_meta(writer.connection, "complete", "1")
            if facts is not None:
                set_meta(writer.connection, "facts", facts)

    def _clear(self) -> None:
        """Let the answers go of runs that were taken back; they are hidden already."""
        with self.database.reading() as connection:
            gone = connection.execute(
                "SELECT iri FROM shard WHERE run IN (SELECT id FROM run WHERE state NOT IN (?, ?)) ORDER BY iri",
                (ACTIVE, OPEN),
            ).fetchall()
        for (shard,) in gone:
            with self._writer() as writer:
                writer.drop_shard(shard)
