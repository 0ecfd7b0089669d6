"""The index: built from the store, brought up to date, and asked for lists and counts."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

from enrich.web.index.asked import FacetValue, Filters, Order, Page
from enrich.workspace import Workspace


class Index:
    """The current answers of a museum in SQLite. `workspaces` gives a workspace to read the store with."""

    def __init__(self, path: Path, workspaces: Callable[[], AbstractContextManager[Workspace]]) -> None:
        self.path = path
        self.workspaces = workspaces

    def refresh(self) -> bool:
        """Bring the index up to date with runs, retractions, reviews and facts. Returns whether anything had changed."""
        raise NotImplementedError

    def facets(self, filters: Filters, limit: int = 50) -> dict[str, list[FacetValue]]:
        """The values of every facet with their counts, the most frequent first; each facet leaves out its own choice."""
        raise NotImplementedError

    def page(
        self, filters: Filters, order: Order = "-confidence", limit: int = 50, after: str | None = None
    ) -> Page:
        """The answers that fit, in an order, from `after` on."""
        raise NotImplementedError

    def close(self) -> None:
        """Let the file go."""
