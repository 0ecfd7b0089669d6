"""From a query and a format to its answer, within the limits of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import AbstractContextManager, nullcontext
from typing import Any

from enrich.errors import QueryRefused, ResultTruncated, StoreError, StoreTimeout
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.graph.stores.remote import RemoteStore
from enrich.ontology.sparql import clauses
from enrich.ontology.terms import is_iri
from enrich.settings.loading import Settings
from enrich.show.querying import of_the_facts
from enrich.web.gate.evaluating import Answered, Evaluators
from enrich.web.gate.guard import Passed, QueryNotAllowed, passed
from enrich.web.gate.snapshots import Snapshots
from enrich.workspace import Workspace

LOOKUPS = 4
"""Queries whose graphs are looked up at the same time; a store that hangs holds no more threads."""
WorkspaceSource = Callable[[], AbstractContextManager[Workspace]]


class Gate:
    """The way of queries from outside to the store. `workspaces` gives a workspace to look up the fact graphs with."""

    def __init__(self, settings: Settings, workspaces: WorkspaceSource) -> None:
        self.settings = settings
        web = settings.web
        self.evaluators = Evaluators(web.queries, web.query_seconds)
        self._workspaces = workspaces
        self._snapshots = Snapshots()
        self._lookups = ThreadPoolExecutor(LOOKUPS, "sparql")

    def passed(self, query: str) -> Passed:
        """The query, when it may be asked. Raises QueryNotAllowed."""
        return passed(query, self.settings.store.services)

    def answer(
        self,
        query: Passed,
        form: str,
        default_graphs: Sequence[str] = (),
        named_graphs: Sequence[str] = (),
        rows: int | None = None,
    ) -> Answered:
        """The answer in a format: json, xml, csv or tsv; ttl, nt, rdf or jsonld for triples. Graphs that are named go
        before those of the query; where neither names any, the museum's facts are asked. `rows` asks for fewer than may be.

        Raises what `Evaluators.evaluate` does.
        """
        web = self.settings.web
        deadline = time.monotonic() + web.query_seconds
        looked_up = self._lookups.submit(self._over, query.text, default_graphs, named_graphs)
        try:
            text, where = looked_up.result(deadline - time.monotonic())
        except FutureTimeout:
            looked_up.cancel()
            raise StoreTimeout("the store does not answer in time") from None
        request = {
            "query": text,
            "original": query.text,
            "form": query.form,
            "format": form,
            "rows": min(rows or web.query_rows, web.query_rows),
            "bytes": web.query_bytes,
            "prefixes": {name: iri for name, iri in query.prefixes.items() if is_iri(iri)},
        }
        at = self._snapshots.current(where) if isinstance(where, EmbeddedStore) else nullcontext(where)
        with at as place:
            return self.evaluators.evaluate({**request, "store": place}, deadline)

    def _over(
        self, text: str, default: Sequence[str], named: Sequence[str]
    ) -> tuple[str, EmbeddedStore | dict[str, Any]]:
        """The query with the graphs that it goes over, and the store that has them, or how a server is reached."""
        for iri in (*default, *named):
            if not is_iri(iri):
                raise QueryNotAllowed(f"{iri!r} is no IRI of a graph")
        with self._workspaces() as workspace:
            where = _where(workspace.store, self.settings.web.query_seconds)
            if not default and not named:
                return _over_the_facts(text, workspace), where
            said = [f"FROM <{iri}>" for iri in default] + [f"FROM NAMED <{iri}>" for iri in named]
            return clauses(text).text(datasets=" ".join(said)), where

    def close(self) -> None:
        """End the processes, and remove what they read."""
        self._lookups.shutdown(wait=False, cancel_futures=True)
        self.evaluators.close()
        self._snapshots.close()


def _where(store: Store, seconds: float) -> EmbeddedStore | dict[str, Any]:
    if isinstance(store, RemoteStore):
        return store.described(seconds)
    assert isinstance(store, EmbeddedStore)
    return store


def _over_the_facts(text: str, workspace: Workspace) -> str:
    """The query over the facts. That the store refuses to say which graphs these are is no fault of the query."""
    try:
        return of_the_facts(text, workspace)
    except (QueryRefused, ResultTruncated) as error:
        raise StoreError(str(error)) from error
