"""The index: built from the store, brought up to date, and asked for lists and counts."""

from __future__ import annotations

import json
import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path

from enrich.classifiers.digest import text_digest
from enrich.errors import StoreUnavailable
from enrich.runs.promise_table import Measured
from enrich.web.index.asked import Cross, FacetValue, Filters, Group, Held, Named, Order, Page, Row, Together
from enrich.web.index.cells import Cells
from enrich.web.index.database import Damaged, Database, meta
from enrich.web.index.facets import Counting
from enrich.web.index.listing import Listing
from enrich.web.index.naming import about, named
from enrich.web.index.promises import measured
from enrich.web.index.refreshing import Refresh
from enrich.web.index.rows import rows_of
from enrich.workspace import Workspace

_BATCH = 500
_FIRST_PAGE = 100
"""First pages with at most so many rows are kept until something changes."""
_FACTS_SHARE = 50
"""The facts are looked at again when so many times as much time has passed as looking at them took."""


class Index:
    """The current answers of a museum in SQLite. `workspaces` gives a workspace to read the store with; `when_facts_change`
    is called once other facts are known, `when_reviews_change` once other reviews are.

    Any number of threads, and processes, may ask it; one at a time brings it up to date. What is asked of an index
    that is not there yet waits until it is built.
    """

    def __init__(
        self,
        path: Path,
        workspaces: Callable[[], AbstractContextManager[Workspace]],
        when_facts_change: Callable[[], None] = lambda: None,
        when_reviews_change: Callable[[], None] = lambda: None,
    ) -> None:
        self.path = path
        self.workspaces = workspaces
        self._when_facts_change, self._when_reviews_change = when_facts_change, when_reviews_change
        self._reviewed: str | None = None
        self._database = Database(path)
        self._refreshing = threading.RLock()
        self._cells = Cells()
        self._identity: str | None = None
        self._prefixes: Mapping[str, str] = {}
        self._checked = 0.0
        self._facts_due = 0.0
        self._progress = (0, 0)
        self._looked_through = False

    # Bringing up to date

    def refresh(self, *, facts: bool = False) -> bool:
        """Bring the index up to date with runs, retractions, reviews and facts. Returns whether anything had changed.

        The facts are looked at when it is their turn (it costs a pass over them), or when `facts` asks for it.
        """
        with self._refreshing:
            try:
                return self._refresh(facts=facts)
            except Damaged:
                self._database.discard()
                self._looked_through = True
                return self._refresh(facts=True)

    def _refresh(self, *, facts: bool) -> bool:
        with self.workspaces() as workspace:
            self._ready(workspace)
            due = facts or time.monotonic() >= self._facts_due
            refresh = Refresh(self._database, workspace, self._note)
            changed = refresh.run(facts=due)
        if due:
            self._facts_due = time.monotonic() + _FACTS_SHARE * refresh.facts_seconds
        self._checked = time.time()
        if refresh.facts_changed:
            self._when_facts_change()
        reviewed = self._database.said("reviewed")
        if reviewed != self._reviewed:
            self._when_reviews_change()
            self._reviewed = reviewed
        return changed

    def _note(self, read: int, shards: int) -> None:
        self._progress = (read, shards)

    def _ready(self, workspace: Workspace) -> None:
        """See to it that there is an index of this profile and base."""
        if self._identity is None:
            self._identity = json.dumps(
                [self._database.version, text_digest(repr(workspace.profile)), workspace.names.base]
            )
            self._prefixes = workspace.profile.prefixes
        if self._database.said("identity") != self._identity:
            self._database.make(self._identity)
            self._facts_due = 0.0
        elif not self._looked_through:
            self._database.check()
        self._looked_through = True

    def judged(self, gaps: Iterable[tuple[str, str]]) -> None:
        """Take over how the values of these gaps, each a record and a property, stand: called after a review."""
        records = {record for record, _ in gaps}
        self._ensure()
        with self.workspaces() as workspace:
            Refresh(self._database, workspace, self._note).judged(records)

    # Asking

    def _ensure(self) -> None:
        """Build the index where there is none."""
        try:
            there = self._database.said("complete") is not None
        except Damaged:
            there = False
        if not there:
            self.refresh()

    @contextmanager
    def _counting(self, language: str) -> Iterator[Counting]:
        self._ensure()
        try:
            with self._database.reading() as connection:
                yield Counting(connection, self._seen(connection), language, self._prefixes)
        except Damaged as error:
            self._looked_through = False
            raise StoreUnavailable(
                f"the index at {self.path} is damaged, and is built anew: ask again"
            ) from error

    def _seen(self, connection: sqlite3.Connection) -> Cells:
        """The cells as a transaction sees them; the newest are kept for the next."""
        before = self._cells
        found = Cells.read(connection, before)
        if found.made != before.made or found.version > before.version:
            self._cells = found
        return found

    def facets(self, filters: Filters, limit: int = 50, language: str = "en") -> dict[str, list[FacetValue]]:
        """The values of every facet with their counts, the most frequent first; each facet leaves out its own choice.
        What was chosen is there even where it counts 0, or is beyond the limit."""
        with self._counting(language) as counting:
            key = ("facets", filters.key, limit, language)
            found = counting.cells.once(key, lambda: counting.facets(filters, limit))
            return {facet: list(values) for facet, values in found.items()}

    def page(
        self,
        filters: Filters,
        order: Order = "-confidence",
        limit: int = 50,
        after: str | None = None,
        language: str = "en",
    ) -> Page:
        """The answers that fit, in an order, from `after` on. Raises InputError for an `after` of another list."""
        with self._counting(language) as counting:

            def found() -> Page:
                return Listing(counting, filters).page(order, limit, after)

            if after is not None or limit > _FIRST_PAGE:
                return found()
            return counting.cells.once(("page", filters.key, order, limit, language), found)

    def rows(self, filters: Filters, order: Order = "-confidence", language: str = "en") -> Iterator[Row]:
        """All answers that fit, as they come. Which, is settled at the beginning; those that no longer fit when it is their
        turn are left out, so that a slow reader holds nothing up."""
        with self._counting(language) as counting:
            ids = Listing(counting, filters).ids(order)
        for start in range(0, len(ids), _BATCH):
            with self._counting(language) as counting:
                some = rows_of(counting, ids[start : start + _BATCH], counting.matching(filters))
            yield from some

    def total(self, filters: Filters) -> int:
        """How many answers fit."""
        with self._counting("en") as counting:
            return counting.total(filters)

    def sample(self, filters: Filters, n: int, seed: int, language: str = "en") -> list[Row]:
        """So many of the answers that fit, at random, each as likely as any other; the same seed, the same ones."""
        with self._counting(language) as counting:
            return Listing(counting, filters).sample(n, seed)

    def cross(self, filters: Filters, a: str, b: str) -> list[Cross]:
        """How many answers have each two values of two facets together, the most frequent first."""
        with self._counting("en") as counting:
            key = ("cross", filters.key, a, b)
            return list(counting.cells.once(key, lambda: counting.cross(filters, a, b)))

    def together(self, filters: Filters, a: str, b: str, language: str = "en") -> list[Together]:
        """How many records have each two values of two properties, such as place and century, at least one of them a
        suggestion that fits; which values, and of which properties, the filters do not say here."""
        with self._counting(language) as counting:
            key = ("together", filters.key, a, b, language)
            return list(counting.cells.once(key, lambda: counting.together(filters, a, b)))

    def grouped(self, filters: Filters, limit: int = 100, language: str = "en") -> list[Group]:
        """The pending predictions that fit, by property, value, band and museum; the largest groups first."""
        with self._counting(language) as counting:
            return counting.grouped(filters, limit)

    def promises(self) -> Measured:
        """What is promised of the current answers, and what reviews say of them: measured once until something changes."""
        with self._counting("en") as counting:

            def found() -> Measured:
                with self.workspaces() as workspace:
                    return measured(workspace, counting.connection, counting.cells)

            key = ("promises", meta(counting.connection, "reviewed"))
            return counting.cells.once(key, found)

    def names(self, terms: Collection[str], language: str = "en") -> dict[str, str]:
        """What values and museums are called in a language; those without a name are left out."""
        with self._counting(language) as counting:
            ids = {t: counting.cells.term_ids[t] for t in terms if t in counting.cells.term_ids}
            return {t: counting.names[n] for t, n in ids.items() if n in counting.names}

    def named(
        self, text: str, kinds: Sequence[str] = (), limit: int = 10, language: str = "en"
    ) -> list[Named]:
        """Records and values that are called so, the nearest first (see `naming.named`)."""
        with self._counting(language) as counting:
            return named(counting, text, kinds, limit)

    def is_record(self, iri: str) -> bool:
        """Whether it is a record that was answered about."""
        with self._counting("en") as counting:
            query = "SELECT 1 FROM record WHERE iri = ?"
            return counting.connection.execute(query, (iri,)).fetchone() is not None

    def about(self, records: Collection[str], language: str = "en") -> list[Row]:
        """The current answers about some records."""
        with self._counting(language) as counting:
            return about(counting, records)

    def held(self) -> Held:
        """How old the index is, and what it holds."""
        nothing = Held(False, *self._progress, 0.0, 0)
        try:
            if self._database.said("identity") is None:
                return nothing
            with self._database.reading() as connection:
                cells = self._seen(connection)
                complete = meta(connection, "complete") is not None
        except Damaged:
            return nothing
        return Held(complete, *self._progress, self._checked, int(cells.weights.sum()))

    def close(self) -> None:
        """Let the file go."""
        self._database.close()
