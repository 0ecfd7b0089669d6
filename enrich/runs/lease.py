"""The lease on a target: one run may write at a time, with a fencing token that stops the holder before.

The lease is a few triples in `…/graph/turn` (the graph's own name stands for nobody), changed in one update
that names the token it replaces. Oxigraph behind a server may carry out two such updates, neither of which sees the
other: the lease is nobody's then, and whoever sees it after an update of its own tries again. A batch remembers the token
it began with, and counts only while that token stands: a process that was away while another run answered cannot add its
stale answers. A process that holds the lease for itself (`enrich run`) is named in it, so that the next one on the same
machine sees that it died.
"""

import random
import time
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import Store
from enrich.ontology.terms import ENR, Names
from enrich.runs.attempts import Attempt

TRIES = 5
"""How often a lease is asked for that was granted to two at once."""
TRY_AGAIN = 0.5
"""So many seconds at most lie between two tries: as many as chance says, so that two do not meet again."""


@dataclass(frozen=True, slots=True)
class Lease:
    """The run that may write (None for nobody), the fencing token, and the process that holds it alone."""

    run: NamedNode | None
    token: int
    holder: Attempt | None = None

    def holds(self, names: Names) -> str:
        """A filter that passes while this lease stands, for use beside a pattern. Joined to it, Virtuoso would expect
        an update of a large plan to take for ever, and refuse it."""
        graph = lease_graph(names)
        run = self.run or graph
        held = f"{graph} {ENR.turn} {run} ; {ENR.token} {Literal(self.token)}"
        other = f"{graph} {ENR.turn} ?other FILTER(?other != {run})"
        return f"FILTER EXISTS {{ GRAPH {graph} {{ {held} }} }} FILTER NOT EXISTS {{ GRAPH {graph} {{ {other} }} }}"


def lease_graph(names: Names) -> NamedNode:
    """The graph of the lease, which is its subject as well."""
    return NamedNode(names.graph_prefix + "turn")


def current_lease(store: Store, names: Names) -> Lease:
    """The lease as it stands; nobody's, while it is granted to two at once."""
    return _standing(store, names)[0]


def _standing(store: Store, names: Names) -> tuple[Lease, bool]:
    """The lease as it stands, and whether it is granted to two at once."""
    graph = lease_graph(names)
    query = (
        f"SELECT ?run ?token ?by WHERE {{ GRAPH {graph} {{ {graph} {ENR.turn} ?run ; {ENR.token} ?token "
        f"OPTIONAL {{ {graph} {ENR.attempt} ?by }} }} }}"
    )
    found = [
        Lease(
            None if run == graph else run,
            int(token.value),
            Attempt.parse(by.value) if isinstance(by, Literal) else None,
        )
        for run, token, by in store.select(query)
        if isinstance(run, NamedNode) and isinstance(token, Literal)
    ]
    last = max(found, key=lambda lease: lease.token, default=Lease(None, 0))
    several = len({(lease.run, lease.holder) for lease in found}) > 1
    return (Lease(None, last.token) if several else last), several


def grant_lease(
    store: Store,
    names: Names,
    run: NamedNode | None,
    before: Lease | None = None,
    holder: Attempt | None = None,
) -> Lease:
    """Grant the lease to a run, unless it has it, or another was granted since `before` was read.

    A `holder` always gets a token of its own. Returns the lease as it stands then, which may be another's.
    """
    before = before or current_lease(store, names)
    if before.run == run and holder is None:
        return before
    for _ in range(TRIES):
        _grant(store, names, run, before.token, holder)
        before, several = _standing(store, names)
        if not several:
            break
        if run is None:  # whoever gets it goes before whoever lets it go
            graph = lease_graph(names)
            store.update(f"DELETE DATA {{ GRAPH {graph} {{ {graph} {ENR.turn} {graph} }} }}", idempotent=True)
            return current_lease(store, names)
        time.sleep(random.uniform(0, TRY_AGAIN))
    return before


def _grant(store: Store, names: Names, run: NamedNode | None, token: int, holder: Attempt | None) -> None:
    """Put a run's lease in the place of all that is said of the lease, while this token stands."""
    graph = lease_graph(names)
    by = f" ; {ENR.attempt} {Literal(str(holder))}" if holder else ""
    said = f"{graph} {ENR.turn} {run or graph} ; {ENR.token} {Literal(token + 1)}{by}"
    update = f"INSERT {{ GRAPH {graph} {{ {said} }} }} WHERE {{ {_stands(graph, token)} }}"
    if token:
        every = f"GRAPH {graph} {{ {graph} ?p ?o }}"
        update = f"DELETE {{ {every} }} {update.removesuffix('}')}{every} }}"
    store.update(update, idempotent=True)


def _stands(graph: NamedNode, token: int) -> str:
    """A pattern that matches while this token stands: one that needs no join, which Virtuoso may refuse, and no
    FILTER on its own, which Virtuoso does not heed."""
    if token:
        return f"GRAPH {graph} {{ {graph} {ENR.token} {Literal(token)} }}"
    any_token = f"GRAPH {graph} {{ {graph} {ENR.token} ?any }}"
    return f"{{ SELECT (COUNT(*) AS ?n) WHERE {{ {any_token} }} }} FILTER(?n = 0)"


def release_lease(store: Store, names: Names, run: NamedNode, holder: Attempt | None = None) -> None:
    """Nobody holds the lease then; nothing happens when another run, or another process for it, does."""
    lease = current_lease(store, names)
    if lease.run == run and (holder is None or lease.holder == holder):
        grant_lease(store, names, None, lease)
