"""What a graph has instead, where a pattern of a profile finds nothing."""

from collections.abc import Iterator, Mapping

from pyoxigraph import Literal, NamedNode

from enrich.graph.fact_graphs import MOST_GRAPHS, from_clause
from enrich.graph.reading import Reader
from enrich.ontology.paths import Path, path_text, path_triples
from enrich.ontology.terms import SKOS

_HINTS = 8


def short(iri: NamedNode, prefixes: Mapping[str, str]) -> str:
    """An IRI as a prefixed name, with the prefix whose namespace fits most of it; whole where none fits."""
    fitting = [(len(base), prefix) for prefix, base in prefixes.items() if iri.value.startswith(base)]
    if not fitting:
        return str(iri)
    prefix = max(fitting)[1]
    return f"{prefix}:{iri.value.removeprefix(prefixes[prefix])}"


class Hints:
    """Asks the facts of one profile what leads on from where a pattern stops."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._store = reader.store
        self._profile = reader.profile

    def short(self, iri: NamedNode) -> str:
        """An IRI as the profile would write it."""
        return short(iri, self._profile.prefixes)

    def shown(self, path: Path) -> str:
        """A path as the profile would write it."""
        return path_text(path, self.short) or "(the node itself)"

    def around(self, pattern: str, start: str, *, backwards: bool = True) -> str:
        """The predicates that lead on from a variable of a pattern, with how many records have them; without
        `backwards` only those from subject to object, where the profile takes no others."""
        marks = ("", "^") if backwards else ("",)
        found = [hint for mark in marks for hint in self._leading(pattern, start, mark)]
        return f"there are {', '.join(found)}" if found else "nothing leads on from there"

    def _leading(self, pattern: str, start: str, mark: str) -> Iterator[str]:
        triple = f"?o ?p ?{start}" if mark else f"?{start} ?p ?o"
        query = (
            f"SELECT ?p (COUNT(DISTINCT ?record) AS ?n) {self._reader.dataset} WHERE {{ {self._reader.is_record} "
            f"{pattern} {triple} }} GROUP BY ?p ORDER BY DESC(?n) ?p LIMIT {_HINTS}"
        )
        for predicate, number in self._store.select(query):
            if isinstance(predicate, NamedNode) and isinstance(number, Literal):
                yield f"{mark}{self.short(predicate)} ({int(number.value):,})"

    def ends(self, pattern: str, variable: str) -> str | None:
        """What a pattern ends in, by kind with an example: `IRIs, such as …`; None when it finds nothing."""
        for kind, test in (("literals", "isLiteral"), ("IRIs", "isIRI"), ("blank nodes", "isBlank")):
            query = (
                f"SELECT ?{variable} {self._reader.dataset} WHERE {{ {self._reader.is_record} {pattern} "
                f"FILTER({test}(?{variable})) }} LIMIT 1"
            )
            for (term,) in self._store.select(query):
                text = str(term) if len(str(term)) <= 80 else str(term)[:79] + "…"
                return kind if kind == "blank nodes" else f"{kind}, such as {text}"
        return None

    def stops(self, path: Path) -> str:
        """Where a path from the record comes to an end, and what leads on from there."""
        for length in range(len(path) - 1, 0, -1):
            triples = path_triples("record", path[:length], "reached")
            if self._store.ask(f"ASK {self._reader.dataset} WHERE {{ {self._reader.is_record} {triples} }}"):
                hint = self.around(triples, "reached")
                return f"it stops behind {self.shown(path[:length])}, where {hint}"
        return self.around("", "record")

    def no_records(self) -> Iterator[str]:
        """Where records are when no graph of facts holds any."""
        is_record = self._profile.is_record("?r", anywhere=True)
        elsewhere = f"SELECT ?g (COUNT(DISTINCT ?r) AS ?n) WHERE {{ GRAPH ?g {{ {is_record} }} }} GROUP BY ?g ORDER BY ?g LIMIT 8"
        names, graphs = self._reader.names, self._reader.graphs
        found = [(g, n) for g, n in self._store.select(elsewhere) if isinstance(g, NamedNode)]
        found = [(g, n) for g, n in found if not names.owns(g) and g not in graphs]
        for graph, number in found:
            shown = number.value if isinstance(number, Literal) else "?"
            yield f"facts: {graph} holds {shown} records, but the profile leaves it out; add it."
        if not found and self._store.ask(f"ASK {{ {is_record} }}"):
            yield "the records are in no named graph; load them again with --graph IRI."
        elif not found:
            key = "record_class" if self._profile.record_class else "record"
            yield f"{key}: nothing is {self._profile.record_text(self.short)}; {self._classes()}."

    def _classes(self) -> str:
        """The classes of every graph that is not ours, the largest first."""
        others = self._reader.others[:MOST_GRAPHS]
        query = (
            f"SELECT ?c (COUNT(DISTINCT ?r) AS ?n) {from_clause(others)} WHERE {{ ?r a ?c }} "
            f"GROUP BY ?c ORDER BY DESC(?n) ?c LIMIT {_HINTS}"
        )
        classes = [
            f"{self.short(c)} ({n.value})"
            for c, n in (self._store.select(query) if others else ())
            if isinstance(c, NamedNode) and isinstance(n, Literal) and c not in SKOS
        ]
        none = "the store holds no typed resource: load a graph"
        return f"there are {', '.join(classes)}" if classes else none
