"""Writes the index: answers into cells, and rows from cell to cell when runs, reviews or facts say something else."""

from __future__ import annotations

import json
import sqlite3
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from itertools import product

from enrich.runs.observed import band
from enrich.runs.register import Run
from enrich.web.index.asked import PENDING, UNKNOWN
from enrich.web.index.cells import DIMENSIONS
from enrich.web.index.database import meta, set_meta
from enrich.web.index.reading import About, Answer, GapOf, Vocabulary

Cell = tuple[int, ...]
"""A cell's columns in the order of DIMENSIONS."""
GONE = "Gone"
"""The state of a run that the register has no more."""
_SORTED = 80
"""Characters by which names are sorted."""
_PLACES = {name: place for place, name in enumerate(DIMENSIONS)}
_AT_ONCE = 500


class Writer:
    """Writes in one transaction; `done` brings the counts up to date at its end."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        self.execute = connection.execute
        self.version = int(meta(connection, "version") or 0) + 1
        self._terms: dict[str, int] = {}
        self._ids: dict[Cell, int] = {}
        self._cells: dict[int, Cell] = {}
        self._counts: Counter[int] = Counter()

    def done(self) -> None:
        """Count, and give what was written a version of its own."""
        changed = [(n, self.version, cell) for cell, n in self._counts.items() if n]
        self.connection.executemany("UPDATE cell SET n = n + ?, version = ? WHERE id = ?", changed)
        set_meta(self.connection, "version", str(self.version))

    def term(self, text: str) -> int:
        """The number of a term, a new one for a new term."""
        if text not in self._terms:
            self._terms[text] = self._number("term", "text", text)
        return self._terms[text]

    def _number(self, table: str, column: str, text: str) -> int:
        row = self.execute(f"SELECT id FROM {table} WHERE {column} = ?", (text,)).fetchone()
        if row is None:
            row = self.execute(f"INSERT INTO {table} ({column}) VALUES (?) RETURNING id", (text,)).fetchone()
        return int(row[0])

    def cell_id(self, cell: Cell) -> int:
        """The number of a cell, a new one for a new cell."""
        if cell not in self._ids:
            row = self.execute(
                f"SELECT id FROM cell WHERE ({', '.join(DIMENSIONS)}) = ({', '.join('?' * len(cell))})", cell
            ).fetchone()
            if row is None:
                row = self.execute(
                    f"INSERT INTO cell ({', '.join(DIMENSIONS)}, version) VALUES ({', '.join('?' * len(cell))}, ?) "
                    "RETURNING id",
                    (*cell, self.version),
                ).fetchone()
            self._ids[cell] = int(row[0])
            self._cells[self._ids[cell]] = cell
        return self._ids[cell]

    def cell(self, number: int) -> Cell:
        """The cell of a number."""
        if number not in self._cells:
            query = f"SELECT {', '.join(DIMENSIONS)} FROM cell WHERE id = ?"
            self._cells[number] = tuple(self.execute(query, (number,)).fetchone())
        return self._cells[number]

    def move(self, rows: Iterable[tuple[int, int]], **said: int) -> int:
        """Put answers, each with its cell, into those that differ from theirs in what is said. Returns how many moved."""
        moved = []
        for row, old in rows:
            told = list(self.cell(old))
            for name, value in said.items():
                told[_PLACES[name]] = value
            new = self.cell_id(tuple(told))
            if new != old:
                moved.append((new, row))
                self._counts[old] -= 1
                self._counts[new] += 1
        self.connection.executemany("UPDATE answer SET cell = ? WHERE id = ?", moved)
        return len(moved)

    # Runs and shards

    def runs(self, runs: Sequence[Run]) -> bool:
        """Put the register's runs in the place of those known. Returns whether any differs."""
        known = {
            row[1]: row for row in self.execute("SELECT id, iri, state, turn, ended, model, title FROM run")
        }
        differ = False
        for run in runs:
            title = run.title or ""
            told = (run.state, run.order, run.ended or run.started, self.term(run.model or UNKNOWN), title)
            if run.run not in known:
                self.execute(
                    "INSERT INTO run (iri, state, turn, ended, model, title) VALUES (?, ?, ?, ?, ?, ?)",
                    (run.run, *told),
                )
            elif tuple(known[run.run][2:]) != told:
                self.execute(
                    "UPDATE run SET state = ?, turn = ?, ended = ?, model = ?, title = ? WHERE iri = ?",
                    (*told, run.run),
                )
            else:
                continue
            differ = True
        gone = known.keys() - {run.run for run in runs}
        self.connection.executemany(
            "UPDATE run SET state = ? WHERE iri = ? AND state <> ?", [(GONE, r, GONE) for r in gone]
        )
        return differ or any(known[run][2] != GONE for run in gone)

    def shard(
        self,
        iri: str,
        run: int,
        answers: Sequence[Answer],
        about: Mapping[str, About],
        stated: Mapping[GapOf, Sequence[str]],
    ) -> None:
        """Add a shard's answers; of records that are new `about` says what the facts say, of all of them `stated`."""
        if self.execute("SELECT 1 FROM shard WHERE iri = ?", (iri,)).fetchone():
            return  # another process was first
        records = self.records(about)
        known = self._museums({a.record for a in answers})
        rows = []
        for answer in answers:
            record, museum = known[answer.record]
            cell = self.cell_id(
                self._cell_of(answer, run, museum, (answer.record, answer.property) in stated)
            )
            self._counts[cell] += 1
            said = (answer.confidence, answer.margin, answer.promised, answer.threshold, answer.prediction)
            rows.append((cell, record, *said))
        (last,) = self.execute("SELECT coalesce(max(id), 0) FROM answer").fetchone()
        self.connection.executemany(
            "INSERT INTO answer (id, cell, record, confidence, margin, promised, threshold, prediction) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            ((number, *row) for number, row in enumerate(rows, last + 1)),
        )
        self.execute("INSERT INTO shard VALUES (?, ?, ?, ?)", (iri, run, last + 1, last + len(rows)))
        self._know(stated, {iri: record for iri, (record, _) in known.items()})
        self.relate({record for record, _ in known.values()} | records)

    def _cell_of(self, answer: Answer, run: int, museum: int, filled: bool) -> Cell:
        key = (answer.record, answer.property, answer.value)
        words = (
            answer.property,
            answer.value,
            str(band(answer.confidence)),
            self._state(*key),
            answer.outcome,
            answer.reason,
            answer.regime,
        )
        return (*map(self.term, words), museum, self.term(answer.agreement), run, 0, int(filled))

    def _state(self, record: str, name: str, value: str) -> str:
        row = self.execute(
            "SELECT decision FROM verdict WHERE (record, property, value) = (?, ?, ?)", (record, name, value)
        ).fetchone()
        return PENDING if row is None else str(row[0])

    def drop_shard(self, iri: str) -> None:
        """Take a shard's answers out."""
        row = self.execute("SELECT first, last FROM shard WHERE iri = ?", (iri,)).fetchone()
        if row is None:
            return
        gone = self.execute("SELECT cell, record FROM answer WHERE id BETWEEN ? AND ?", row).fetchall()
        self._counts.subtract(cell for cell, _ in gone)
        self.execute("DELETE FROM answer WHERE id BETWEEN ? AND ?", row)
        self.execute("DELETE FROM shard WHERE iri = ?", (iri,))
        self.relate({record for _, record in gone})

    def relate(self, records: Iterable[int]) -> None:
        """Of the answers of records say which runs answered the same gap later."""
        order = {run: (turn, iri) for run, turn, iri in self.execute("SELECT id, turn, iri FROM run")}
        moves: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for rows in self._answers_of(records).values():
            gaps: dict[int, list[tuple[int, int]]] = defaultdict(list)
            for row in rows:
                gaps[self.cell(row[1])[_PLACES["property"]]].append(row)
            for found in gaps.values():
                by = sorted({self._run(cell) for _, cell in found}, key=order.__getitem__)
                for answer, cell in found:
                    later = by[by.index(self._run(cell)) + 1 :]
                    moves[self._later(later)].append((answer, cell))
        for later_id, moved in moves.items():
            self.move(moved, later=later_id)

    def _run(self, cell: int) -> int:
        return self.cell(cell)[_PLACES["run"]]

    def _later(self, runs: Sequence[int]) -> int:
        return self._number("later", "runs", json.dumps(sorted(runs))) if runs else 0

    def _answers_of(self, records: Iterable[int]) -> dict[int, list[tuple[int, int]]]:
        """By record its answers with their cells."""
        found: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for some in _parts(list(records)):
            query = f"SELECT id, cell, record FROM answer WHERE record IN ({','.join(map(str, some))})"
            for row, cell, record in self.execute(query):
                found[record].append((row, cell))
        return found

    # Records

    def records(self, about: Mapping[str, About]) -> set[int]:
        """Put what the facts say of records in the place of what was known. Returns those that were known and differ."""
        known = {row[1]: row for row in self._known(about)}
        changed: dict[int, int] = {}
        for iri, said in about.items():
            told = (said.name, _sort_key(said.name or iri), self.term(said.museum), said.picture)
            if iri not in known:
                self.execute(
                    "INSERT INTO record (iri, name, sort, museum, picture) VALUES (?, ?, ?, ?, ?)",
                    (iri, *told),
                )
            elif tuple(known[iri][2:]) != told:
                self.execute(
                    "UPDATE record SET name = ?, sort = ?, museum = ?, picture = ? WHERE iri = ?",
                    (*told, iri),
                )
                changed[known[iri][0]] = told[2]
        for record, rows in self._answers_of(changed).items():
            self.move(rows, museum=changed[record])
        return set(changed)

    def _known(self, iris: Iterable[str]) -> Iterable[tuple[int, str, str, str, int, str | None]]:
        for some in _parts(list(iris)):
            yield from self.execute(
                "SELECT id, iri, name, sort, museum, picture FROM record WHERE iri IN (SELECT value FROM json_each(?))",
                (json.dumps(some),),
            )

    def _museums(self, iris: Iterable[str]) -> dict[str, tuple[int, int]]:
        """The id and museum of each record; one that nothing is known of is added as it is."""
        found = {row[1]: (row[0], row[4]) for row in self._known(iris)}
        missing = {iri: About() for iri in iris if iri not in found}
        if missing:
            self.records(missing)
            found |= {row[1]: (row[0], row[4]) for row in self._known(missing)}
        return found

    def state(self, stated: Mapping[GapOf, Sequence[str]], records: Collection[str]) -> None:
        """Put what the facts state of records in the place of what was known: answers to the gaps that they fill go."""
        ids = {row[1]: row[0] for row in self._known(records)}
        self._know(stated, ids)
        iris = {number: iri for iri, number in ids.items()}
        moves: dict[int, list[tuple[int, int]]] = {0: [], 1: []}
        names = dict(self.execute("SELECT id, text FROM term WHERE id IN (SELECT property FROM cell)"))
        for record, rows in self._answers_of(iris).items():
            for row, cell in rows:
                gap = (iris[record], names[self.cell(cell)[_PLACES["property"]]])
                moves[int(gap in stated)].append((row, cell))
        for value, moved in moves.items():
            self.move(moved, filled=value)

    def _know(self, stated: Mapping[GapOf, Sequence[str]], ids: Mapping[str, int]) -> None:
        """The classes that the facts state."""
        properties = [number for (number,) in self.execute("SELECT DISTINCT property FROM known")]
        self.connection.executemany(
            "DELETE FROM known WHERE property = ? AND record = ?", product(properties, ids.values())
        )
        self.connection.executemany(
            "INSERT OR IGNORE INTO known VALUES (?, ?, ?)",
            [
                (ids[r], self.term(name), self.term(value))
                for (r, name), values in stated.items()
                for value in values
            ],
        )

    # Reviews

    def verdicts(
        self, found: Mapping[tuple[str, str, str], str], records: Collection[str] | None = None
    ) -> bool:
        """Put verdicts, all or those of some records, in the place of those known. Returns whether any differs."""
        some = "" if records is None else " WHERE record IN (SELECT value FROM json_each(:records))"
        given = {"records": json.dumps(list(records or ()))}
        known = {row[:3]: row[3] for row in self.execute(f"SELECT * FROM verdict{some}", given)}
        gone = [(key, PENDING) for key in known.keys() - found.keys()]
        came = [(key, decision) for key, decision in found.items() if known.get(key) != decision]
        self.connection.executemany(
            "DELETE FROM verdict WHERE (record, property, value) = (?, ?, ?)", [key for key, _ in gone]
        )
        self.connection.executemany(
            "INSERT OR REPLACE INTO verdict VALUES (?, ?, ?, ?)", [(*key, decision) for key, decision in came]
        )
        for key, decision in [*gone, *came]:
            self._judge(key, decision)
        return bool(gone or came)

    def _judge(self, key: tuple[str, str, str], decision: str) -> None:
        """Put a verdict on every answer that says this value, whichever run gave it."""
        record, name, value = key
        row = self.execute("SELECT id FROM record WHERE iri = ?", (record,)).fetchone()
        if row is None:
            return
        said = (self.term(name), self.term(value))
        rows = [row for rows in self._answers_of(row).values() for row in rows]
        self.move([(a, cell) for a, cell in rows if self.cell(cell)[:2] == said], state=self.term(decision))

    # Words

    def words(self, vocabulary: Vocabulary) -> None:
        """Put names and hierarchy in the place of those known."""
        self.execute("DELETE FROM name")
        self.execute("DELETE FROM above")
        names = [
            (self.term(t), tag, text) for t, said in vocabulary.names.items() for tag, text in said.items()
        ]
        self.connection.executemany("INSERT INTO name (term, language, text) VALUES (?, ?, ?)", names)
        above = [
            (self.term(t), place, self.term(concept))
            for t, concepts in vocabulary.above.items()
            for place, concept in enumerate(concepts)
        ]
        self.connection.executemany("INSERT INTO above VALUES (?, ?, ?)", above)
        set_meta(self.connection, "words", str(self.version))


def _sort_key(name: str) -> str:
    return name.casefold()[:_SORTED]


def _parts(items: Sequence[object]) -> Iterable[Sequence[object]]:
    for start in range(0, len(items), _AT_ONCE):
        yield items[start : start + _AT_ONCE]
