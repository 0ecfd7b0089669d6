"""What is said of an IRI of our own: a prediction, a run, a model, a review, a piece of evidence."""

from dataclasses import dataclass, field

from pyoxigraph import NamedNode, Triple

from enrich.graph.stores.base import Store, Term
from enrich.ontology.terms import DCT, ENR, MLS, PROV, RDF, Names
from enrich.runs.export.run_graphs import KEPT_HERE

Values = dict[NamedNode, list[Term]]
"""What is said of one thing, by predicate."""


@dataclass
class Thing:
    """What our graphs say of an IRI."""

    iri: NamedNode
    said: Values = field(default_factory=dict)

    def first(self, predicate: NamedNode) -> str | None:
        """The first value of a predicate as a text; None for none."""
        return next((term.value for term in self.said.get(predicate, [])), None)

    def is_a(self, kind: NamedNode) -> bool:
        """Whether it is said to be of a class."""
        return kind in self.said.get(RDF.type, [])

    def triples(self) -> list[Triple]:
        """All of it as statements."""
        return [Triple(self.iri, p, value) for p, values in self.said.items() for value in values]


def thing(store: Store, names: Names, iri: NamedNode) -> Thing:
    """What our graphs say of an IRI: the register, the reviews, and the shards that the register names."""
    found = Thing(iri)
    query = (
        f"SELECT DISTINCT ?p ?o WHERE {{ GRAPH ?g {{ {iri} ?p ?o }} "
        f"FILTER(?g IN ({names.runs}, {names.reviews}) || EXISTS {{ GRAPH {names.runs} {{ ?run {ENR.graph} ?g }} }}) }}"
    )
    for predicate, value in store.select(query):
        if isinstance(predicate, NamedNode) and value is not None and predicate not in KEPT_HERE:
            found.said.setdefault(predicate, []).append(value)
    return found


def reviews_of_prediction(store: Store, names: Names, prediction: NamedNode) -> list[tuple[str, str, str]]:
    """The reviews that were made of a prediction, whether it is there or not: each with its record and property."""
    query = (
        f"SELECT ?review ?record ?name WHERE {{ GRAPH {names.reviews} {{ ?review {ENR.reviews} {prediction} ; "
        f"{ENR.about} ?record ; {ENR.propertyName} ?name }} }}"
    )
    return sorted(
        (review.value, record.value, name.value)
        for review, record, name in store.select(query)
        if review is not None and record is not None and name is not None
    )


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """What the register says of a model: what it was made from, what it was made into, and the runs that used it."""

    thing: Thing
    parts: tuple[Thing, ...]
    runs: tuple[tuple[str, str, str], ...]
    """IRI, state and start of each, the latest first."""
    wholes: tuple[str, ...]

    @property
    def models(self) -> list[Thing]:
        """The models that it was made from."""
        return [part for part in self.parts if part.is_a(MLS.Model)]

    @property
    def data(self) -> list[Thing]:
        """The data that it learned from, or was judged on."""
        return [part for part in self.parts if not part.is_a(MLS.Model)]


def model_entry(store: Store, names: Names, model: Thing) -> ModelEntry:
    """All of it, in two questions."""
    parts: dict[NamedNode, Thing] = {}
    query = f"SELECT ?s ?p ?o WHERE {{ GRAPH {names.runs} {{ {model.iri} {PROV.wasDerivedFrom} ?s . ?s ?p ?o }} }}"
    for subject, predicate, value in store.select(query):
        if isinstance(subject, NamedNode) and isinstance(predicate, NamedNode) and value is not None:
            part = parts.setdefault(subject, Thing(subject))
            part.said.setdefault(predicate, []).append(value)
    query = (
        f"SELECT ?by ?state ?started WHERE {{ GRAPH {names.runs} {{ "
        f"{{ ?by {PROV.used} {model.iri} ; {ENR.runState} ?state ; {PROV.startedAtTime} ?started }} UNION "
        f"{{ ?by {PROV.wasDerivedFrom} {model.iri} }} }} }}"
    )
    runs, wholes = set(), set()
    for by, state, started in store.select(query):
        if isinstance(by, NamedNode) and state is not None and started is not None:
            runs.add((by.value, local(state.value), started.value))
        elif isinstance(by, NamedNode):
            wholes.add(by.value)
    return ModelEntry(
        model,
        tuple(sorted(parts.values(), key=lambda part: (part.first(DCT.title) or "", part.iri.value))),
        tuple(sorted(runs, key=lambda run: run[2], reverse=True)),
        tuple(sorted(wholes)),
    )


def local(iri: str) -> str:
    """The end of an IRI: the name of a term without its namespace."""
    return iri.rsplit("#", 1)[-1].rsplit("/", 1)[-1]
