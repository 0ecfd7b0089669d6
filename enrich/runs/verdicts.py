"""What follows from the reviews: how each value stands, and the accepted statements as the facts would say them.

Both are graphs of their own, written in one update with the reviews themselves, and made anew by `rebuild`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence

from pyoxigraph import Literal, NamedNode

from enrich.classifiers.base import Progress, no_progress
from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.ontology.terms import CRM, ENR, PROV, RDF, Names, class_term, values_block
from enrich.runs.reviews import Gap, Review, Verdict, read_reviews, verdicts
from enrich.runs.validation import Triple

AT_ONCE, AT_ONCE_PAGED = 500, 40
"""Records whose reviews are written in one update; a server that caps its answers takes some hundred lines at a time."""


def at_once(store: Store) -> int:
    """How many records' reviews a store is given in one update."""
    return AT_ONCE_PAGED if store.paged else AT_ONCE


class VerdictGraphs:
    """Writes the three graphs of reviews."""

    def __init__(self, store: Store, names: Names, many: Collection[str]) -> None:
        """`many` are the properties that have many values."""
        self.store, self.names, self.many = store, names, many

    def append(self, reviews: Sequence[Review], triples: Sequence[Triple]) -> None:
        """Append reviews of at most `at_once` records, of which `triples` say all, to the register, and bring what follows
        from it up to date. It is looked at again: of two who write at once the later one sees both."""
        if records := [NamedNode(record) for record in dict.fromkeys(review.record for review in reviews)]:
            self._follow(records, reviews, triples)

    def rebuild(self, progress: Progress = no_progress) -> int:
        """Make `verdicts` and `accepted` anew from the register. Returns the number of reviews. Whoever writes one
        meanwhile is heeded: the graphs are dropped before the register is read, and each record is looked at again."""
        for graph in (self.names.verdicts, self.names.accepted):
            self.store.drop(graph)
        made = read_reviews(self.store, self.names)
        records = [NamedNode(record) for record in sorted({review.record for review in made})]
        step = at_once(self.store)
        for start in range(0, len(records), step):
            progress("records", start, len(records))
            self._follow(records[start : start + step], [], [])
        return len(made)

    def _follow(
        self, records: Sequence[NamedNode], reviews: Sequence[Review], appended: Sequence[Triple]
    ) -> None:
        """Append to the register, and restate some records until nothing came in between."""
        records = self._with_rivals(records)
        known = [*read_reviews(self.store, self.names, records), *reviews]
        self._restate(known, records, appended)
        while len(now := read_reviews(self.store, self.names, records)) > len(known):
            known = now
            self._restate(known, records, [])

    def _with_rivals(self, records: Sequence[NamedNode]) -> list[NamedNode]:
        """The records, and those with a review that states what one of theirs states: two objects of one production."""
        values = values_block(["record"], ([record] for record in records))
        same = f"{CRM.P140_assigned_attribute_to} ?node ; {CRM.P141_assigned} ?value"
        query = (
            f"SELECT DISTINCT ?other WHERE {{ {values} GRAPH {self.names.reviews} {{ "
            f"?one {ENR.about} ?record ; {same} . ?two {same} ; {ENR.about} ?other {PAGE_TOKEN}\n }} }}"
        )
        others = (other for (other,) in self.store.select_by_key(query, "other"))
        return list(dict.fromkeys([*records, *(o for o in others if isinstance(o, NamedNode))]))

    def _restate(
        self, reviews: Sequence[Review], records: Sequence[NamedNode], appended: Sequence[Triple]
    ) -> None:
        """One update: append to the register, and put what all reviews of some records say in the place of what they
        said before."""
        names = self.names
        now = verdicts(reviews, self.many)
        accepting = {v.review for values in now.values() for v in values.values() if v.decision == "Accepted"}
        stated = {review.iri: review.states for review in reviews}
        standing = "".join(stated[iri] for iri in accepting)
        inserted = {
            names.reviews: _lines(appended),
            names.verdicts: _lines(verdict_triples(names, now)),
            names.accepted: standing,
        }
        parts = [
            f"DELETE WHERE {{ GRAPH {names.verdicts} {{ ?v {ENR.about} {record} ; ?p ?o }} }}"
            for record in records
        ]
        if gone := "".join(stated.values()):
            parts.append(f"DELETE DATA {{ GRAPH {names.accepted} {{ {gone} }} }}")
        groups = " ".join(f"GRAPH {graph} {{ {text} }}" for graph, text in inserted.items() if text)
        self.store.update(" ;\n".join([*parts, f"INSERT DATA {{ {groups} }}"]), idempotent=True)


def _lines(triples: Iterable[Triple]) -> str:
    return "".join(dict.fromkeys(f"{s} {p} {o} .\n" for s, p, o in triples))


def verdict_triples(names: Names, standing: Mapping[Gap, Mapping[str, Verdict]]) -> Iterator[Triple]:
    """How values stand, in RDF."""
    for (record, name), values in standing.items():
        for value, verdict in values.items():
            iri = str(names.mint("verdict", record, name, value))
            yield iri, str(RDF.type), str(ENR.Verdict)
            yield iri, str(ENR.about), str(NamedNode(record))
            yield iri, str(ENR.propertyName), str(Literal(name))
            yield iri, str(ENR.answers), str(class_term(value))
            yield iri, str(ENR.decision), str(ENR[verdict.decision])
            yield iri, str(PROV.wasDerivedFrom), str(NamedNode(verdict.review))
            if verdict.put_in is not None:
                yield iri, str(ENR.putIn), str(class_term(verdict.put_in))
