"""Whether two graphs say the same but for the names of their blank nodes, in a time that their size bounds.

A group of triples that blank nodes join is named anew by what is said of its nodes: colours are refined until each node
has its own. Where that leaves nodes alike, the first of them is told apart, as often as needed. Equal triples after that
prove equal groups. Unequal ones may be equal all the same: nodes that were alike, and that another choice would match.
"""

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence

from pyoxigraph import BlankNode, Quad

from enrich.classifiers.digest import text_digest
from enrich.graph.stores.pieces import groups

EFFORT = 50
"""How often each triple of a group may be looked at; of ten thousand nodes alike in a row none is told from another."""


def shapes(quads: Iterable[Quad]) -> Counter[str] | None:
    """How many groups there are of each shape, whatever the names of their blank nodes; None where one takes too long.

    The quads are of one graph, and in all of them the subject or the object is a blank node.
    """
    found: Counter[str] = Counter()
    for group in groups(quads):
        shape = _shape(group)
        if shape is None:
            return None
        found[shape] += 1
    return found


def _shape(group: Sequence[Quad]) -> str | None:
    nodes = {term for quad in group for term in (quad.subject, quad.object) if isinstance(term, BlankNode)}
    colours = dict.fromkeys(nodes, "_:")
    different = 1
    for _ in range(EFFORT):
        if different == len(nodes):
            return text_digest("\n".join(sorted(_line(quad, colours) for quad in group)))
        colours = _refined(group, colours)
        before, different = different, len(set(colours.values()))
        if different == before:
            alike = Counter(colours.values())
            chosen = next(
                node
                for quad in group
                for node in (quad.subject, quad.object)
                if isinstance(node, BlankNode) and alike[colours[node]] > 1
            )
            colours[chosen] += "*"
            different += 1
    return None


def _refined(group: Sequence[Quad], colours: dict[BlankNode, str]) -> dict[BlankNode, str]:
    """The colours, told apart by the triples that the nodes stand in."""
    said: dict[BlankNode, list[str]] = defaultdict(list)
    for quad in group:
        line = _line(quad, colours)
        for place, node in (("s", quad.subject), ("o", quad.object)):
            if isinstance(node, BlankNode):
                said[node].append(f"{place} {line}")
    return {node: f"_:{text_digest(chr(10).join(sorted(lines)))}" for node, lines in said.items()}


def _line(quad: Quad, colours: dict[BlankNode, str]) -> str:
    subject, value = (colours[t] if isinstance(t, BlankNode) else str(t) for t in (quad.subject, quad.object))
    return f"{subject} {quad.predicate} {value}"
