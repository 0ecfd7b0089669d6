"""What stands between a document's quads and the store: what it cannot hold is left out, blank nodes are kept apart."""

from collections import Counter
from collections.abc import Iterable, Iterator
from uuid import uuid4

from pyoxigraph import BlankNode, NamedNode, Quad

from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import named

REMEMBERED = 2_000_000
"""Quads of one file among which repeats are counted, to keep memory bounded."""


class Sieve:
    """Lets the quads through that the store can hold, and counts them and the others."""

    def __init__(self, store: Store, target: NamedNode) -> None:
        self._store = store
        self._target = target
        self._seen: set[int] = set()
        self.left_out: Counter[str] = Counter()
        self.graphs: set[str] = set()
        self.written = 0
        self.repeated = 0

    def passing(self, quads: Iterable[Quad]) -> Iterator[Quad]:
        """The quads that fit, those without a graph in the target."""
        for quad in named(quads, self._target):
            nameless = isinstance(quad.graph_name, BlankNode)
            if why := "the graph is named by a blank node" if nameless else self._store.objection(quad):
                self.left_out[why.split(": ")[0]] += 1
                continue
            self.written += 1
            if len(self._seen) < REMEMBERED:
                before = len(self._seen)
                self._seen.add(hash(quad))
                self.repeated += len(self._seen) == before
            self.graphs.add(quad.graph_name.value)  # type: ignore[union-attr]  # never the default graph here
            yield quad

    def sentences(self) -> list[str]:
        """What was left out or loaded once only, in words."""
        said = [f"{count:,} quads were left out: {why}" for why, count in sorted(self.left_out.items())]
        if self.repeated:
            said.append(f"{self.repeated:,} triples stand in it more than once and were loaded once")
        return said


def apart(quads: Iterable[Quad]) -> Iterator[Quad]:
    """The quads with their blank nodes renamed, so that no other file has the same."""
    token = uuid4().hex[:16]
    for quad in quads:
        subject, value, graph = quad.subject, quad.object, quad.graph_name
        if isinstance(subject, BlankNode) or isinstance(value, BlankNode):
            if isinstance(subject, BlankNode):
                subject = BlankNode(f"{token}{subject.value}")
            if isinstance(value, BlankNode):
                value = BlankNode(f"{token}{value.value}")
            yield Quad(subject, quad.predicate, value, graph)
        else:
            yield quad
