"""Which graphs came from which path, noted in a graph of our own: `GRAPH prov:wasDerivedFrom <urn:enrich:loaded:PATH>`."""

from collections import defaultdict
from collections.abc import Iterable

from pyoxigraph import NamedNode, Quad

from enrich.graph.stores.base import Store
from enrich.ontology.terms import PROV

Origins = dict[NamedNode, set[NamedNode]]
"""The sources of each graph."""


class LoadRegister:
    """The register of loads in the graph `graph`. A graph that has the name of its source is not noted."""

    def __init__(self, store: Store, graph: NamedNode) -> None:
        self._store = store
        self.graph = graph

    def origins(self) -> Origins:
        """The sources of every graph that has some."""
        query = f"SELECT ?g ?source WHERE {{ GRAPH {self.graph} {{ ?g {PROV.wasDerivedFrom} ?source }} }}"
        found: Origins = defaultdict(set)
        for graph, source in self._store.select(query):
            if isinstance(graph, NamedNode) and isinstance(source, NamedNode):
                found[graph].add(source)
        return found

    def quads(self, origins: Origins) -> list[Quad]:
        """The notes for these."""
        return [
            Quad(graph, PROV.wasDerivedFrom, source, self.graph)
            for graph, sources in origins.items()
            for source in sources
            if graph != source
        ]

    def forgetting(self, graphs: Iterable[NamedNode]) -> str:
        """The update that takes out what is noted of these graphs."""
        return " ;\n".join(
            f"DELETE WHERE {{ GRAPH {self.graph} {{ {graph} {PROV.wasDerivedFrom} ?source }} }}"
            for graph in graphs
        )

    def noting(self, origins: Origins) -> str:
        """The update that puts the notes for these in the place of what is noted of their graphs."""
        lines = "\n".join(f"{q.subject} {q.predicate} {q.object} ." for q in self.quads(origins))
        put = f" ;\nINSERT DATA {{ GRAPH {self.graph} {{\n{lines}\n}} }}" if lines else ""
        return self.forgetting(origins) + put


def register_of(store: Store, prefix: str) -> LoadRegister:
    """The register whose graph lies beside our others, which begin with `prefix`."""
    return LoadRegister(store, NamedNode(prefix + "sources"))
