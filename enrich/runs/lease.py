"""Whose turn it is to write: one run per target, with a token that fences off whoever had the turn before.

The turn is two triples in `…/graph/turn` (the graph's own name stands for nobody), changed in one update that names the token it replaces. A batch
remembers the token it began with, and counts only while that token stands: a worker that was away while
another run answered cannot add its stale answers.
"""

from __future__ import annotations

from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import Store
from ontology.terms import ENR, XSD, Names


@dataclass(frozen=True, slots=True)
class Turn:
    """The run that may write (None for nobody), and the token of this turn."""

    run: NamedNode | None
    token: int

    def holds(self, names: Names) -> str:
        """A pattern that matches while this turn stands."""
        graph = turn_graph(names)
        return (
            f"GRAPH {graph} {{ {graph} {ENR.turn} {self.run or graph} ; {ENR.token} {_token(self.token)} }}"
        )


def turn_graph(names: Names) -> NamedNode:
    """The graph of the turn, which is its subject as well."""
    return NamedNode(names.graph_prefix + "turn")


def current_turn(store: Store, names: Names) -> Turn:
    """Whose turn it is."""
    graph = turn_graph(names)
    query = f"SELECT ?run ?token WHERE {{ GRAPH {graph} {{ {graph} {ENR.turn} ?run ; {ENR.token} ?token }} }}"
    found = [
        Turn(None if run == graph else run, int(token.value))
        for run, token in store.select(query)
        if isinstance(run, NamedNode) and isinstance(token, Literal)
    ]
    return max(found, key=lambda turn: turn.token, default=Turn(None, 0))


def give_turn(store: Store, names: Names, run: NamedNode | None) -> Turn:
    """Give the turn to a run, unless it has it. Returns whose turn it is then, which may be another's."""
    before = current_turn(store, names)
    if before.run == run:
        return before
    graph = turn_graph(names)
    said = f"{graph} {ENR.turn} {run or graph} ; {ENR.token} {_token(before.token + 1)}"
    if before.token == 0:
        condition = f"FILTER NOT EXISTS {{ GRAPH {graph} {{ {graph} {ENR.token} ?any }} }}"
        update = f"INSERT {{ GRAPH {graph} {{ {said} }} }} WHERE {{ {condition} }}"
    else:
        held = f"{graph} {ENR.turn} {before.run or graph} ; {ENR.token} {_token(before.token)}"
        update = (
            f"DELETE {{ GRAPH {graph} {{ {held} }} }} INSERT {{ GRAPH {graph} {{ {said} }} }} "
            f"WHERE {{ GRAPH {graph} {{ {held} }} }}"
        )
    store.update(update, idempotent=True)
    return current_turn(store, names)


def _token(number: int) -> Literal:
    return Literal(str(number), datatype=XSD.integer)
