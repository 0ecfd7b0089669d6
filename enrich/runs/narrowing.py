"""Leaves predictions out of a shard: what stays is written to a new graph, which the register names in the old one's place.

Until then nothing names the new graph. Its own name says since when, so that tidying leaves it alone while it is young.
"""

import re
import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime

from pyoxigraph import NamedNode

from enrich.graph.stores.pieces import ntriples
from enrich.ontology.terms import ENR
from enrich.runs.export.run_graphs import shard as shard_quads
from enrich.runs.register import Register
from enrich.runs.shards import counts_of, exchange_shard, held_answers, narrowed


@dataclass(frozen=True, slots=True)
class Rest:
    """What is left of a shard: its new graph, None where nothing is left, and what that holds."""

    graph: NamedNode | None
    counts: Mapping[str, int]


def leave_out(
    register: Register,
    run: NamedNode,
    graph: NamedNode,
    gone: Collection[NamedNode],
    *,
    by: Collection[NamedNode] = (),
    counter: tuple[NamedNode, NamedNode] | None = None,
    counted: Collection[str] = (),
) -> Rest | None:
    """Put a graph without these predictions in a shard's place. None when the shard stays: the run or one of `by` was
    retracted meanwhile, or the shard exchanged.

    `counter`, a subject of the register and its predicate, which has a value, counts what goes, and the run's counts named
    in `counted` become smaller, in the same update.
    """
    store, names = register.store, register.names
    held = held_answers(store, graph)
    kept = [answer for answer in held if answer.prediction not in gone]
    new = None
    if kept:
        new = _successor(graph, register.clock())
        quads = narrowed(shard_quads(store, graph), [answer.prediction for answer in kept], names)
        store.write_graph(new, ntriples(quads))
    before, after = counts_of(held), counts_of(kept)
    changed = (name for name in counted if before[name] != after[name])
    less = [(run, ENR[name], before[name] - after[name]) for name in changed]
    if counter is not None:
        less.append((*counter, len(kept) - len(held)))
    if not exchange_shard(store, names, run, graph, new, after if kept else {}, by=by, less=less):
        if new is not None:
            store.drop(new)
        return None
    store.drop(graph)
    return Rest(new, after)


def _successor(graph: NamedNode, now: datetime) -> NamedNode:
    """A graph for what is left of a shard: the shard's name, `-p`, and in hexadecimal the time and a number of its own."""
    first = re.sub(r"-p[0-9a-f]+$", "", graph.value)
    return NamedNode(f"{first}-p{int(now.timestamp()):08x}{secrets.token_hex(4)}")


def written_since(graph: NamedNode, moment: datetime) -> bool:
    """Whether a graph is what was left of a shard at this moment or later, by the store's clock."""
    found = re.search(r"-p([0-9a-f]{8})[0-9a-f]{8}$", graph.value)
    return found is not None and int(found[1], 16) >= moment.timestamp()
