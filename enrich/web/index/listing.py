"""Lists: answers page by page in an order, all of them, or some at random.

A page goes on after a key, never after a count, so that the last page costs what the first does. Where few of the rows
in question fit, those are looked up by their cells and sorted; else rows are walked in order and tested by their cell.
"""

from __future__ import annotations

import base64
import json
import random
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from enrich.errors import InputError
from enrich.runs.observed import BANDS
from enrich.web.index.asked import ORDERS, Filters, Order, Page, Row
from enrich.web.index.cells import Mask
from enrich.web.index.facets import Counting
from enrich.web.index.rows import rows_of
from enrich.web.index.words import with_text

_FEW, _SHARE = 3000, 0.02
"""Rows that are sorted rather than walked to: so many, or such a share of all."""
_FIRST, _WALK = 60, 2000
"""Rows that are walked at a time: few at first."""
Key = tuple[float | int | str, ...]
"""What a row is ordered by; its last part is the row's id."""


@dataclass(frozen=True, slots=True)
class Stretch:
    """A part of an order: a condition on its rows, and the cells that have rows there."""

    condition: str
    given: tuple[float | int | str, ...]
    cells: Mask


class Listing:
    """Lists the answers that fit, of one version of the index."""

    def __init__(self, counting: Counting, filters: Filters) -> None:
        self.counting, self.cells, self.filters = counting, counting.cells, filters
        self.connection = counting.connection
        self.fits = counting.matching(filters)
        self.weights = np.where(self.fits, counting.weights(filters), 0)
        self.text, self.given = "", list[str]()
        if filters.text.strip():
            self.text, self.given = with_text(self.connection, self.cells, filters.text)

    def page(self, order: Order, limit: int, after: str | None) -> Page:
        """So many rows, from `after` on."""
        found = list(islice(self.keys(order, decoded(after, order)), limit + 1))
        more = encoded(order, found[limit - 1]) if len(found) > limit else None
        rows = rows_of(self.counting, [int(key[-1]) for key in found[:limit]])
        return Page(rows, int(self.weights.sum()), more)

    def ids(self, order: Order) -> array[int]:
        """The ids of all rows, in order."""
        return array("q", (int(key[-1]) for key in self.keys(order, None)))

    def sample(self, n: int, seed: int) -> list[Row]:
        """So many rows at random, each as likely as any other; the same seed, the same rows."""
        dice = random.Random(seed)
        if self.text:
            rows = self.connection.execute(
                f"SELECT id, cell FROM answer WHERE {self.text} ORDER BY id", self.given
            )
            ids = [row for row, cell in rows if self.fits[cell - 1]]
            return rows_of(self.counting, dice.sample(ids, min(n, len(ids))))
        ends = np.cumsum(self.weights)
        total = int(ends[-1]) if len(ends) else 0
        ids = []
        for place in dice.sample(range(total), min(n, total)):
            cell = int(np.searchsorted(ends, place, side="right"))
            inside = place - (int(ends[cell - 1]) if cell else 0)
            query = "SELECT id FROM answer WHERE cell = ? ORDER BY id LIMIT 1 OFFSET ?"
            ids += [row for (row,) in self.connection.execute(query, (cell + 1, inside))]
        return rows_of(self.counting, ids)

    def keys(self, order: Order, after: Key | None) -> Iterator[Key]:
        """The keys of the rows that fit, in order, after one."""
        if order == "record":
            yield from self._by_record(after)
        elif order == "-time":
            yield from self._by_time(after)
        elif order == "margin":
            yield from self._in(Stretch("1", (), self.fits), "margin", after)
        else:
            yield from self._by_confidence(after, down=order == "-confidence")

    def _by_confidence(self, after: Key | None, *, down: bool) -> Iterator[Key]:
        """Band by band, so that nothing is walked through that holds no row that fits."""
        column = self.cells.column("band")
        stretches = list(zip(BANDS, (2.0, *BANDS), strict=False))
        for lower, upper in stretches if down else reversed(stretches):
            cells = self.fits & (column == self.cells.term_ids.get(str(lower), -1))
            if not cells.any():
                continue
            stretch = Stretch("confidence >= ? AND confidence < ?", (lower, upper), cells)
            yield from self._in(stretch, "confidence", after, down=down)

    def _in(self, stretch: Stretch, column: str, after: Key | None, *, down: bool = False) -> Iterator[Key]:
        """The keys of a stretch by one column of the answer, then by id."""
        wanted, given = stretch.condition, list(stretch.given)
        if after is not None:
            wanted += f" AND ({column}, id) {'<' if down else '>'} (?, ?)"
            given += after
        way = "DESC" if down else "ASC"
        yield from self._found(
            f"SELECT {column}, id, cell FROM answer",
            f"INDEXED BY answer_{column}",
            f"WHERE {wanted}",
            f"ORDER BY {column} {way}, id {way}",
            given,
            stretch.cells,
        )

    def _by_record(self, after: Key | None) -> Iterator[Key]:
        wanted, given = "1", list[float | int | str]()
        if after is not None:
            wanted = "(sort, record.id, answer.id) > (?, ?, ?) AND sort >= ?"
            given += [*after, after[0]]
        few = self._few(self.fits)
        joined = "answer CROSS JOIN record" if few else "record CROSS JOIN answer"
        yield from self._found(
            f"SELECT sort, record.id, answer.id, answer.cell FROM {joined}",
            "",
            f"ON answer.record = record.id WHERE {wanted}",
            "ORDER BY sort, record.id, answer.id",
            given,
            self.fits,
        )

    def _by_time(self, after: Key | None) -> Iterator[Key]:
        """Run by run, the newest first."""
        column = self.cells.column("run")
        for run in sorted(self.cells.runs.values(), key=lambda run: (run.ended, run.iri), reverse=True):
            cells = self.fits & (column == run.id)
            key = (run.ended, run.iri)
            if not cells.any() or (after is not None and key > (str(after[0]), str(after[1]))):
                continue
            first = int(after[2]) + 1 if after is not None and key == (after[0], after[1]) else run.first
            for (row,) in self._found(
                "SELECT id, cell FROM answer",
                "NOT INDEXED",
                "WHERE id >= ? AND id <= ?",
                "ORDER BY id",
                [first, run.last],
                cells,
            ):
                yield (*key, row)

    def _few(self, cells: Mask) -> bool:
        return int(self.weights[cells].sum()) <= max(_FEW, _SHARE * int(self.cells.n.sum()))

    def _found(
        self,
        selected: str,
        walked: str,
        where: str,
        order: str,
        given: Sequence[float | int | str],
        cells: Mask,
    ) -> Iterator[Key]:
        """The rows of a query, whose last column is the cell, that are in one of these cells and have the text: sorted
        where they are few, else walked to by the index of their order."""
        conditions, more = where, list(self.given)
        if self.text:
            conditions += f" AND {self.text}"
        if few := self._few(cells):
            walked = "" if self.text or "JOIN" in selected else "INDEXED BY answer_cell"
            conditions += " AND answer.cell IN (SELECT value FROM json_each(?))"
            more.append(json.dumps((np.flatnonzero(cells) + 1).tolist()))
        rows = self.connection.execute(f"{selected} {walked} {conditions} {order}", [*given, *more])
        step = _FIRST
        while some := rows.fetchmany(step):
            step = min(2 * step, _WALK)
            yield from (row[:-1] for row in some if few or cells[row[-1] - 1])


def encoded(order: Order, key: Key) -> str:
    """A key as a page asks for what comes after it."""
    return base64.urlsafe_b64encode(json.dumps([order, *key]).encode()).decode().rstrip("=")


def decoded(after: str | None, order: Order) -> Key | None:
    """The key in an `after`. Raises InputError for what is none, or is of another order."""
    if order not in ORDERS:
        raise InputError(f"no order is called {order!r}; there are: {', '.join(ORDERS)}")
    if after is None:
        return None
    kinds = {"record": (str, int, int), "-time": (str, str, int)}.get(order, (float, int))
    try:
        padded = after.encode("ascii") + b"=" * (-len(after) % 4)
        told, *key = json.loads(base64.urlsafe_b64decode(padded))
        json.dumps(key, ensure_ascii=False).encode()  # a ValueError for half a character
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError("the address of this page is not whole: begin with the first page") from error
    if told != order or len(key) != len(kinds) or not all(map(_is, key, kinds)):
        raise InputError("the address of this page is of another list: begin with the first page")
    return tuple(key)


def _is(part: object, kind: type) -> bool:
    if isinstance(part, bool):
        return False
    return isinstance(part, kind) and (kind is not int or -(2**63) <= part < 2**63)  # type: ignore[operator]
