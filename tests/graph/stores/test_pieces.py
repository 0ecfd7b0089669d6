"""Quads cut into requests: nothing lost, nothing doubled, bounded, blank nodes together."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.graph.stores.pieces import batches, line_of

P = NamedNode("http://example.org/p")
NODES = st.integers(0, 6).map(lambda n: BlankNode(f"b{n}")) | st.integers(0, 30).map(
    lambda n: NamedNode(f"http://example.org/{n}")
)
GRAPHS = st.integers(0, 4).map(lambda n: NamedNode(f"http://example.org/g{n}"))
QUADS = st.lists(st.builds(lambda s, o, g: Quad(s, P, o, g), NODES, NODES, GRAPHS), max_size=120)


@given(QUADS, st.integers(1, 20))
def test_every_quad_is_in_one_batch_of_its_graph(quads: list[Quad], lines: int) -> None:
    found = [
        (batch.graph, line) for batch in batches(quads, lines=lines, size=10_000) for line in batch.lines
    ]
    assert sorted(map(str, found)) == sorted(str((q.graph_name, line_of(q))) for q in quads)


@given(QUADS, st.integers(1, 20))
def test_a_blank_node_of_a_graph_is_in_one_batch(quads: list[Quad], lines: int) -> None:
    seen: dict[tuple[str, str], int] = {}
    for number, batch in enumerate(batches(quads, lines=lines, size=10_000)):
        for line in batch.lines:
            for word in (w for w in line.split() if w.startswith("_:")):
                assert not batch.ground
                assert seen.setdefault((str(batch.graph), word), number) == number


@given(QUADS, st.integers(1, 20))
def test_ground_batches_are_bounded(quads: list[Quad], lines: int) -> None:
    assert all(len(b.lines) <= lines for b in batches(quads, lines=lines, size=10_000) if b.ground)


def test_batches_are_bounded_in_size_too() -> None:
    quads = [Quad(P, P, Literal("x" * 1_000), P) for _ in range(50)]
    assert max(b.size for b in batches(quads, lines=1_000, size=5_000)) < 7_000


def test_a_stream_of_many_graphs_is_not_held_in_memory() -> None:
    taken = 0

    def stream() -> object:
        nonlocal taken
        for n in range(10_000):
            taken += 1
            yield Quad(P, P, Literal(n), NamedNode(f"http://example.org/g{n % 500}"))

    next(batches(stream(), lines=10, size=10_000))  # type: ignore[arg-type]
    assert taken <= 81


def test_halves_make_the_whole() -> None:
    (batch,) = batches([Quad(P, P, Literal(n), P) for n in range(7)], lines=10, size=10_000)
    first, second = batch.halves()
    assert first.lines + second.lines == batch.lines
    assert first.size + second.size == batch.size
