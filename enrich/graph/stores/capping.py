"""How many rows a server gives at once: learned by a probe, so that an answer cut short is never believed."""

from collections.abc import Callable, Iterator
from typing import TypeVar

from enrich.errors import QueryRefused, ResultTruncated
from enrich.graph.stores.base import Rows
from enrich.ontology.sparql import clauses

T = TypeVar("T")
PROBE_ROWS = 11_000
"""Rows of the first probe: above the common caps, 10,000 the largest of them (Virtuoso's)."""
BELIEVED = 10
"""A shorter answer is believed before the cap is known: no server worth asking caps below it."""
FEW_ROWS = 125
"""Rows of the probe after an answer with fewer: it tells a cap below them, at a hundredth of the cost."""


class RowCap:
    """The most rows that a server gives at once: `rows`, or None while it was never seen to cut.

    The probe makes its rows by itself (a product of VALUES), so an empty store can be asked as well.
    """

    def __init__(self, select: Callable[[str], Rows], count: Callable[[str], int]) -> None:
        self.rows: int | None = None
        self._select = select
        self._count = count
        self._given_whole = 0
        self._unknown = False

    def lower(self, rows: int) -> None:
        """The server was seen to give no more than so many."""
        self.rows = min(rows, self.rows or rows)

    def learn(self, rows: int = FEW_ROWS) -> int | None:
        """The cap, after a probe of more than `rows` rows where none was large enough so far."""
        if self.rows is None and not self._unknown and rows >= self._given_whole:
            wanted = FEW_ROWS if rows < FEW_ROWS else max(PROBE_ROWS, 2 * rows)
            side = next(n for n in range(1, wanted) if n**3 >= wanted)
            try:
                answer = self._select(_probe(side))
                given = sum(1 for _ in answer)
                self._unknown = answer.variables != ("a",)
            except (QueryRefused, ResultTruncated):
                self._unknown = self.rows is None
            else:
                if not self._unknown and given < side**3:
                    self.lower(given)
                self._given_whole = given
        return self.rows

    def checked(self, rows: Iterator[T], query: str) -> Iterator[T]:
        """The rows of a SELECT; ResultTruncated at their end when the server cut them."""
        given = 0
        for row in rows:
            given += 1
            yield row
        if given < BELIEVED and self.rows is None:
            return
        cap = self.learn(given)
        if (cap is not None and given >= cap) or (cap is None and self._unknown and given >= FEW_ROWS):
            self._compare(given, count_of_select(query))

    def checked_construct(self, triples: Iterator[T], query: str) -> Iterator[T]:
        """The triples of a CONSTRUCT; a server caps the solutions behind them, and says nothing."""
        given = 0
        for triple in triples:
            given += 1
            yield triple
        if not given or (given < BELIEVED and self.rows is None):
            return
        cap = self.learn(given)
        counting = count_of_construct(query)
        if cap is not None and counting is not None:
            self._compare(cap, counting)
        elif cap is not None and given >= cap:
            raise self._truncated(given, "more")

    def _compare(self, given: int, counting: str) -> None:
        there = self._count(counting)
        if there > given:
            self.lower(given)
            raise self._truncated(given, f"{there:,}")

    @staticmethod
    def _truncated(given: int, there: str) -> ResultTruncated:
        return ResultTruncated(
            f"the store gave {given:,} of {there} results, the most that it gives at once; ask page by page "
            "(select_by_key), or ask less"
        )


def _probe(side: int) -> str:
    values = " ".join(map(str, range(side)))
    return "SELECT ?a WHERE { " + " ".join(f"VALUES ?{v} {{ {values} }}" for v in "abc") + " }"


def count_of_select(query: str) -> str:
    """A query for the number of rows that this SELECT has, its LIMIT included."""
    cut = clauses(query)
    return f"{cut.prologue} SELECT (COUNT(*) AS ?rows) {cut.datasets} WHERE {{ {{ {cut.head} WHERE {cut.where} }} }}"


def count_of_construct(query: str) -> str | None:
    """A query for the number of solutions of this CONSTRUCT; None for a DESCRIBE."""
    cut = clauses(query)
    if cut.form != "CONSTRUCT":
        return None
    return f"{cut.prologue} SELECT (COUNT(*) AS ?rows) {cut.datasets} WHERE {{ {{ SELECT * WHERE {cut.where} }} }}"
