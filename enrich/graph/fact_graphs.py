"""Which graphs hold the museum's facts, and the FROM clauses that name them."""

from collections.abc import Iterable, Sequence

from pyoxigraph import NamedNode, Quad

from enrich.errors import ProfileError
from enrich.graph.stores.base import DEFAULT_GRAPH, Store
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import RDF

MOST_GRAPHS = 500
"""More fact graphs than this do not fit into one query."""
NOTHING = NamedNode("urn:enrich:nothing")
"""A graph that nobody fills."""


def fact_graphs(store: Store, profile: Profile, others: Sequence[NamedNode]) -> tuple[NamedNode, ...]:
    """Of the named graphs that are not ours those that hold facts, and DEFAULT_GRAPH where it holds some too;
    empty when all facts are in the default graph. Where the profile names graphs and none of them is there, a graph
    that holds nothing: without a name, a server would be asked about all that it has.

    Raises ProfileError for more graphs than a query can name, and for records both in the default graph and in
    named ones on a server that cannot ask them together.
    """
    found = tuple(g for g in others if profile.holds_facts(g.value))
    if len(found) > MOST_GRAPHS:
        raise ProfileError(
            f"{len(found)} named graphs hold facts, and a query can name {MOST_GRAPHS}: "
            f"narrow `facts` in the profile {profile.name}, or load the facts into fewer graphs"
        )
    if not found and others and _names_graphs(profile):
        return (NOTHING,)
    is_record = profile.is_record()
    if not found or not _default_graph_has_records(store, profile):
        return found
    if store.ask(f"ASK {from_clause([DEFAULT_GRAPH])} WHERE {{ {is_record} }}"):
        return (*found, DEFAULT_GRAPH)
    if store.ask(f"ASK {from_clause(found)} WHERE {{ {is_record} }}"):
        raise ProfileError(
            f"the default graph and named graphs both hold records ({profile.record_text()}), and this server cannot ask them together: "
            "load the records of the default graph into a named one"
        )
    return ()


def _default_graph_has_records(store: Store, profile: Profile) -> bool:
    """Whether records stand in the default graph only. (On some servers it is the union of the named ones.)"""
    is_record = profile.is_record()
    if profile.record_graphs or _names_graphs(profile):
        return False
    return has_default_graph(store) and store.ask(
        f"ASK {{ {is_record} FILTER(isIRI(?record)) FILTER NOT EXISTS {{ GRAPH ?g {{ {is_record} }} }} }}"
    )


def _names_graphs(profile: Profile) -> bool:
    return any(not pattern.startswith("!") for pattern in profile.facts)


def has_default_graph(store: Store) -> bool:
    """Whether triples may stand in no graph: Virtuoso has no such place."""
    return store.objection(Quad(RDF.type, RDF.type, RDF.type)) is None


def from_clause(graphs: Iterable[NamedNode]) -> str:
    """`FROM <g> …`, which makes the default graph of a query the union of these graphs."""
    return " ".join(f"FROM {graph}" for graph in graphs)
