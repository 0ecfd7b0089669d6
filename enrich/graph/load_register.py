"""Which graphs came from which path, noted in a graph of our own: `GRAPH prov:wasDerivedFrom <urn:enrich:loaded:PATH>`,
and which load wrote them last, or is writing: `GRAPH prov:wasGeneratedBy <urn:uuid:…>`, `<urn:enrich:loading:…>`."""

from collections import defaultdict
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from uuid import uuid4

from pyoxigraph import NamedNode, Quad

from enrich.errors import StoreError
from enrich.graph.stores.base import Store
from enrich.ontology.terms import PROV

LOADING = "urn:enrich:loading:"
"""What begins the mark of a load that adds, while it writes."""
Origins = dict[NamedNode, set[NamedNode]]
"""The sources of each graph."""


class LoadRegister:
    """The register of loads in the graph `graph`. A graph that has the name of its source is not noted."""

    def __init__(self, store: Store, graph: NamedNode) -> None:
        self._store = store
        self.graph = graph

    def origins(self) -> Origins:
        """The sources of every graph that has some."""
        return self._said(PROV.wasDerivedFrom)

    def marks(self) -> Origins:
        """The marks of every graph that has some (see `Mark` and `adding`)."""
        return self._said(PROV.wasGeneratedBy)

    def _said(self, predicate: NamedNode) -> Origins:
        query = f"SELECT ?g ?o WHERE {{ GRAPH {self.graph} {{ ?g {predicate} ?o }} }}"
        found: Origins = defaultdict(set)
        for graph, said in self._store.select(query):
            if isinstance(graph, NamedNode) and isinstance(said, NamedNode):
                found[graph].add(said)
        return found

    def quads(self, origins: Origins) -> list[Quad]:
        """The notes for these."""
        return [
            Quad(graph, PROV.wasDerivedFrom, source, self.graph)
            for graph, sources in origins.items()
            for source in sources
            if graph != source
        ]

    def forgetting(self, graph: NamedNode) -> str:
        """The update that takes out all that is noted of this graph."""
        return f"DELETE WHERE {{ GRAPH {self.graph} {{ {graph} ?p ?o }} }}"

    def noting(self, origins: Origins) -> str:
        """The update that puts the sources of these in the place of those that are noted of their graphs."""
        gone = (
            f"DELETE WHERE {{ GRAPH {self.graph} {{ {graph} {PROV.wasDerivedFrom} ?source }} }}"
            for graph in origins
        )
        return " ;\n".join([*gone, *self._data("INSERT", self.quads(origins))])

    def marking(self, before: Origins, mark: NamedNode) -> str:
        """The update that puts a mark in the place of those that these graphs had before, and of no others."""
        old, new = self._marked(before), self._marked({graph: {mark} for graph in before})
        return " ;\n".join([*self._data("DELETE", old), *self._data("INSERT", new)])

    @contextmanager
    def adding(self, graphs: Collection[NamedNode]) -> Iterator[None]:
        """While statements are added to these graphs: a replacement that compares meanwhile finds other marks than before,
        and writes nothing. One that has replaced them before the end took this mark out: then StoreError is raised."""
        number = uuid4()
        begun, ended = NamedNode(f"{LOADING}{number}"), NamedNode(f"urn:uuid:{number}")
        found = self.marks()
        old = {g: {m for m in found.get(g, ()) if not m.value.startswith(LOADING)} for g in graphs}
        self._store.update(self.marking({g: set() for g in graphs}, begun), idempotent=True)
        yield
        gone = self._data("DELETE", self._marked(old))
        one, other = (f"GRAPH {self.graph} {{ ?g {PROV.wasGeneratedBy} {mark} }}" for mark in (begun, ended))
        passed = f"DELETE {{ {one} }} INSERT {{ {other} }} WHERE {{ {one} }}"
        self._store.update(" ;\n".join([*gone, passed]), idempotent=True)
        left = self.marks()
        for graph in graphs:
            if ended not in left.get(graph, ()):
                raise StoreError(
                    f"another load replaced {graph.value} while this one wrote to it, and it may hold a part of this: load again"
                )

    def _marked(self, marks: Origins) -> list[Quad]:
        return [
            Quad(graph, PROV.wasGeneratedBy, one, self.graph) for graph, ones in marks.items() for one in ones
        ]

    def _data(self, verb: str, quads: list[Quad]) -> list[str]:
        lines = "\n".join(f"{q.subject} {q.predicate} {q.object} ." for q in quads)
        return [f"{verb} DATA {{ GRAPH {self.graph} {{\n{lines}\n}} }}"] if lines else []


class Mark:
    """What a replacement leaves at its graphs, in the place of the marks that were there before it compared.

    No server need refuse one of two updates at once: each takes out the marks that it knew, and leaves its own. Who
    finds other marks than before, or others than its own, was not alone.
    """

    def __init__(self, register: LoadRegister, graphs: Collection[NamedNode]) -> None:
        self._register = register
        self._graphs = graphs
        self._before = self._found()
        self._own = NamedNode(f"urn:uuid:{uuid4()}")
        self.update = register.marking(self._before, self._own)
        """The update that leaves it, for the end of the one that replaces."""

    def _found(self) -> Origins:
        marks = self._register.marks()
        return {graph: marks.get(graph, set()) for graph in self._graphs}

    def look(self) -> None:
        """Raise StoreError where another has written since this one began to compare. Before the update."""
        found = self._found()
        for graph in self._graphs:
            if found[graph] != self._before[graph]:
                raise StoreError(
                    f"another load wrote to {graph.value} while this one compared, and this one wrote nothing: load again"
                )

    def look_again(self) -> None:
        """Raise StoreError where another wrote at the same moment. After the update."""
        for graph, marks in self._found().items():
            if marks != {self._own}:
                raise StoreError(
                    f"another load wrote to {graph.value} at the same moment, and it may hold what both said: load again"
                )


def register_of(store: Store, prefix: str) -> LoadRegister:
    """The register whose graph lies beside our others, which begin with `prefix`."""
    return LoadRegister(store, NamedNode(prefix + "sources"))
