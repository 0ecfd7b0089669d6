"""Cut a stream of quads into pieces of one graph each, small enough for one request."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from pyoxigraph import BlankNode, DefaultGraph, NamedNode, Quad

Graph = NamedNode | DefaultGraph


@dataclass(slots=True)
class Batch:
    """N-Triples lines of one graph. Lines of a batch with blank nodes belong in one request."""

    graph: Graph
    lines: list[str] = field(default_factory=list)
    size: int = 0
    ground: bool = True

    def add(self, line: str) -> None:
        self.lines.append(line)
        self.size += len(line)

    def halves(self) -> tuple[Batch, Batch]:
        middle = len(self.lines) // 2
        return _batch(self.graph, self.lines[:middle]), _batch(self.graph, self.lines[middle:])

    def text(self) -> str:
        return "\n".join(self.lines)


def batches(quads: Iterable[Quad], *, lines: int, size: int) -> Iterator[Batch]:
    """Pieces of at most `lines` triples and about `size` characters, in the order of the stream.

    At most 8 times `lines` triples wait at a time, whatever the number of graphs. Triples with blank
    nodes are held to the end, and those that a blank node joins go into one piece, however large.
    """
    waiting: dict[Graph, Batch] = {}
    held: dict[Graph, list[Quad]] = defaultdict(list)
    total = 0
    for quad in quads:
        graph = quad.graph_name
        if isinstance(graph, BlankNode):
            raise ValueError("a graph named by a blank node cannot be written to a server; name it by an IRI")
        if isinstance(quad.subject, BlankNode) or isinstance(quad.object, BlankNode):
            held[graph].append(quad)
            continue
        batch = waiting.setdefault(graph, Batch(graph))
        batch.add(line_of(quad))
        total += 1
        if len(batch.lines) >= lines or batch.size >= size:
            total -= len(batch.lines)
            yield waiting.pop(graph)
        elif total >= 8 * lines:
            largest = max(waiting, key=lambda name: len(waiting[name].lines))
            total -= len(waiting[largest].lines)
            yield waiting.pop(largest)
    yield from waiting.values()
    for graph, joined in held.items():
        yield from _packed(graph, joined, lines, size)


def line_batches(triples: bytes, graph: Graph, *, lines: int, size: int) -> Iterator[Batch]:
    """Pieces of N-Triples that hold no blank nodes, of at most `lines` triples and about `size` characters."""
    batch = Batch(graph)
    for line in triples.decode().split("\n"):
        if line:
            batch.add(line)
        if len(batch.lines) >= lines or batch.size >= size:
            yield batch
            batch = Batch(graph)
    if batch.lines:
        yield batch


def ntriples(quads: Iterable[Quad]) -> bytes:
    """The quads' triples as N-Triples, whatever their graph."""
    return "".join(f"{line_of(quad)}\n" for quad in quads).encode()


def line_of(quad: Quad) -> str:
    """The quad's triple as a line of N-Triples."""
    return f"{quad.subject} {quad.predicate} {quad.object} ."


def _packed(graph: Graph, quads: list[Quad], lines: int, size: int) -> Iterator[Batch]:
    """Pieces that keep together what blank nodes join, several small groups to a piece."""
    batch = Batch(graph, ground=False)
    for group in (list(map(line_of, joined)) for joined in groups(quads)):
        length = sum(map(len, group))
        if batch.lines and (len(batch.lines) + len(group) > lines or batch.size + length > size):
            yield batch
            batch = Batch(graph, ground=False)
        for line in group:
            batch.add(line)
    if batch.lines:
        yield batch


def groups(quads: Iterable[Quad]) -> list[list[Quad]]:
    """Triples with blank nodes, grouped by the blank nodes that join them (union-find)."""
    parent: dict[BlankNode, BlankNode] = {}

    def root(node: BlankNode) -> BlankNode:
        parent.setdefault(node, node)
        while parent[node] != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    quads = list(quads)
    for quad in quads:
        if isinstance(quad.subject, BlankNode) and isinstance(quad.object, BlankNode):
            parent[root(quad.subject)] = root(quad.object)
    found: dict[BlankNode, list[Quad]] = defaultdict(list)
    for quad in quads:
        node = quad.subject if isinstance(quad.subject, BlankNode) else quad.object
        if isinstance(node, BlankNode):
            found[root(node)].append(quad)
    return list(found.values())


def _batch(graph: Graph, lines: list[str]) -> Batch:
    return Batch(graph, lines, sum(map(len, lines)))
