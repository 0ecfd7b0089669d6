"""Blank nodes have no names: what says the same by other names is the same, and what only looks so is not."""

from __future__ import annotations

import random
import time

from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import BlankNode, CanonicalizationAlgorithm, Dataset, Literal, NamedNode, Quad

from enrich.graph.blank_nodes import EFFORT, shapes

E = "http://m.example/"
Triples = list[tuple[str, str, str]]


def quads_of(triples: Triples, prefix: str = "b") -> list[Quad]:
    """Triples of short names; those that begin with `_` are blank nodes."""

    def term(name: str) -> NamedNode | BlankNode:
        return BlankNode(prefix + name[1:]) if name.startswith("_") else NamedNode(E + name)

    return [Quad(term(s), NamedNode(E + p), term(o)) for s, p, o in triples]


def ring(*nodes: str) -> Triples:
    return [(one, "next", other) for one, other in zip(nodes, nodes[1:] + nodes[:1], strict=True)]


def test_other_names_and_another_order_are_the_same() -> None:
    """Two parts alike, in which two are alike again."""
    made: Triples = [("vase", "part", "_1"), ("vase", "part", "_2")]
    for part in ("1", "2"):
        for piece in ("a", "b"):
            made += [(f"_{part}", "piece", f"_{part}{piece}"), (f"_{part}{piece}", "of", "clay")]
    given = shapes(quads_of(made))

    assert given is not None
    assert given == shapes(quads_of(made[::-1], "other"))
    assert given != shapes(quads_of([*made, ("_1a", "of", "gold")]))
    assert given != shapes(quads_of([*made[:-1], ("_2b", "of", "gold")]))


def test_rings_of_three_are_no_ring_of_six() -> None:
    """All nodes are alike in both, and no neighbourhood tells them apart; joined by one node, so are the groups."""
    threes, six = ring("_1", "_2", "_3") + ring("_4", "_5", "_6"), ring("_1", "_2", "_3", "_4", "_5", "_6")
    for hub in ([], [("_hub", "has", f"_{n}") for n in range(1, 7)]):
        assert shapes(quads_of(threes + hub)) == shapes(quads_of(hub + threes, "other"))
        assert shapes(quads_of(threes + hub)) != shapes(quads_of(six + hub))


def test_hostile_nodes_cost_no_more_than_their_number() -> None:
    names = [f"_{n}" for n in range(EFFORT + 10)]
    everything: Triples = [(one, "next", other) for one in names for other in names if one != other]
    began = time.process_time()

    assert shapes(quads_of(everything)) is None
    assert time.process_time() - began < 20


NODES = st.sampled_from(["_1", "_2", "_3", "_4", "x", "y"])
GRAPHS = st.lists(st.tuples(NODES, st.sampled_from("pq"), NODES), max_size=8, unique=True)


def canonical(quads: list[Quad]) -> set[str]:
    dataset = Dataset(quads)
    dataset.canonicalize(CanonicalizationAlgorithm.UNSTABLE)
    return {str(quad) for quad in dataset}


@given(GRAPHS, GRAPHS, st.randoms())
def test_equal_shapes_are_equal_graphs(one: Triples, other: Triples, chance: random.Random) -> None:
    first, second, again = (
        [q for q in quads if BlankNode in (type(q.subject), type(q.object))]
        for quads in (quads_of(one), quads_of(other), quads_of(one, "again"))
    )
    chance.shuffle(again)

    if shapes(first) == shapes(second):
        assert canonical(first) == canonical(second)
    if shapes(first) == shapes(again):
        assert canonical(first) == canonical(again)


def test_a_literal_is_no_blank_node_of_that_name() -> None:
    (edge,) = quads_of([("_1", "next", "_2")])
    named = Quad(edge.subject, edge.predicate, Literal("_:"))

    assert shapes([edge]) != shapes([named])
