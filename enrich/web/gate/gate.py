"""From a query and a format to its answer, within the limits of the settings."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from enrich.ontology.sparql import clauses
from enrich.ontology.terms import is_iri
from enrich.settings.loading import Settings
from enrich.show.querying import of_the_facts
from enrich.web.gate.evaluating import Answered, Evaluators
from enrich.web.gate.guard import Passed, Refused, passed
from enrich.web.gate.snapshots import Snapshots
from enrich.workspace import Workspace

WorkspaceSource = Callable[[], AbstractContextManager[Workspace]]


class Gate:
    """The way of queries from outside to the store. `workspaces` gives a workspace to look up the fact graphs with."""

    def __init__(self, settings: Settings, workspaces: WorkspaceSource) -> None:
        self.settings = settings
        web = settings.web
        self.evaluators = Evaluators(web.queries, web.query_seconds)
        self._workspaces = workspaces
        self._snapshots = Snapshots(web.query_seconds)

    def passed(self, query: str) -> Passed:
        """The query, when it may be asked. Raises Refused."""
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
        with self._workspaces() as workspace:
            request = {
                "query": self._over(query.text, default_graphs, named_graphs, workspace),
                "original": query.text,
                "form": query.form,
                "format": form,
                "rows": min(rows or web.query_rows, web.query_rows),
                "bytes": web.query_bytes,
                "prefixes": {name: iri for name, iri in query.prefixes.items() if is_iri(iri)},
            }
            store = workspace.store
        with self._snapshots.current(store) as place:
            return self.evaluators.evaluate({**request, "store": place}, deadline)

    @staticmethod
    def _over(text: str, default: Sequence[str], named: Sequence[str], workspace: Workspace) -> str:
        for iri in (*default, *named):
            if not is_iri(iri):
                raise Refused(f"{iri!r} is no IRI of a graph")
        if not default and not named:
            return of_the_facts(text, workspace)
        said = [f"FROM <{iri}>" for iri in default] + [f"FROM NAMED <{iri}>" for iri in named]
        return clauses(text).text(datasets=" ".join(said))

    def close(self) -> None:
        """End the processes, and remove what they read."""
        self.evaluators.close()
        self._snapshots.close()
