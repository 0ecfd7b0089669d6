"""What follows from the reviews: how each value stands, and the accepted statements as the facts would say them.

Both are graphs of their own, written in one update with the reviews themselves, and made anew by `rebuild`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence

from pyoxigraph import Literal, NamedNode

from enrich.classifiers.base import Progress, no_progress
from enrich.ontology.terms import CRM, ENR, PROV, RDF, Names, class_term, values_block
from enrich.runs.provenance import statement_of
from enrich.runs.reviews import Gap, Review, Verdict, read_reviews, verdicts
from enrich.runs.validation import Triple
from enrich.workspace import Workspace

AT_ONCE = 40
"""Records whose reviews are written in one update: some hundred lines, which every server takes."""


class VerdictGraphs:
    """Writes the three graphs of reviews."""

    def __init__(self, workspace: Workspace) -> None:
        self.workspace, self.store, self.names = workspace, workspace.store, workspace.names

    def append(self, reviews: Sequence[Review], triples: Sequence[Triple]) -> None:
        """Append reviews, of which `triples` say all, to the register, and bring what follows from it up to date."""
        said: dict[str, list[Triple]] = {}
        for triple in triples:
            said.setdefault(triple[0], []).append(triple)
        own = {str(NamedNode(review.iri)) for review in reviews}
        others = [triple for node, told in said.items() if node not in own for triple in told]
        by_record: dict[str, list[Review]] = {}
        for review in reviews:
            by_record.setdefault(review.record, []).append(review)
        records = list(by_record)
        for start in range(0, len(records), AT_ONCE):
            some = [NamedNode(record) for record in records[start : start + AT_ONCE]]
            made = [review for record in some for review in by_record[record.value]]
            appended = [t for review in made for t in said[str(NamedNode(review.iri))]]
            before = list(read_reviews(self.store, self.names, some))
            self._restate(before, [*before, *made], some, [*others, *appended])

    def rebuild(self, progress: Progress = no_progress) -> int:
        """Make `verdicts` and `accepted` anew from the register. Returns the number of reviews."""
        made = list(read_reviews(self.store, self.names))
        records = sorted({review.record for review in made})
        for graph in (self.names.verdicts, self.names.accepted):
            self.store.drop(graph)
        for start in range(0, len(records), AT_ONCE):
            progress("records", start, len(records))
            wanted = set(records[start : start + AT_ONCE])
            own = [review for review in made if review.record in wanted]
            self._restate([], own, [NamedNode(record) for record in wanted], [])
        return len(made)

    def _restate(
        self,
        before: Sequence[Review],
        after: Sequence[Review],
        records: Sequence[NamedNode],
        appended: Sequence[Triple],
    ) -> None:
        """One update: append to the register, and put what follows from it in the place of what did."""
        names, many = self.names, self.workspace.profile.many_valued
        now = verdicts(after, many)
        old, new = _accepting(verdicts(before, many)), _accepting(now)
        parts = [
            f"DELETE WHERE {{ GRAPH {names.verdicts} {{ ?v {ENR.about} {record} ; ?p ?o }} }}"
            for record in records
        ]
        parts += self._taken_out(old.keys() - new.keys())
        inserted = {names.reviews: list(appended), names.verdicts: [], names.accepted: []}
        inserted[names.verdicts] = list(verdict_triples(names, now))
        wanted = {iri: told for iri, told in new.items() if iri not in old}
        inserted[names.accepted] = self._put_in(wanted)
        groups = " ".join(
            f"GRAPH {graph} {{ {' '.join(f'{s} {p} {o} .' for s, p, o in dict.fromkeys(triples))} }}"
            for graph, triples in inserted.items()
            if triples
        )
        self.store.update(" ;\n".join([*parts, f"INSERT DATA {{ {groups} }}"]), idempotent=True)

    def _taken_out(self, reviews: Iterable[str]) -> list[str]:
        """What takes the statements of reviews that no longer stand out of `accepted`."""
        gone = [[NamedNode(iri)] for iri in sorted(reviews)]
        if not gone:
            return []
        query = (
            f"SELECT ?to ?predicate ?assigned WHERE {{ {values_block(['review'], gone)} GRAPH {self.names.reviews} {{ "
            f"?review {CRM.P140_assigned_attribute_to} ?to ; {CRM.P177_assigned_property_of_type} ?predicate ; "
            f"{CRM.P141_assigned} ?assigned }} }}"
        )
        graph, parts = self.names.accepted, []
        for to, predicate, assigned in self.store.select(query):
            parts.append(f"DELETE DATA {{ GRAPH {graph} {{ {to} {predicate} {assigned} }} }}")
            if isinstance(assigned, NamedNode) and self.names.owns(assigned):
                parts.append(f"DELETE WHERE {{ GRAPH {graph} {{ {assigned} ?p ?o }} }}")
        return parts

    def _put_in(self, accepted: Mapping[str, tuple[Gap, str]]) -> list[Triple]:
        """The statements that accepting reviews make, as the facts would say them."""
        records = list(dict.fromkeys(NamedNode(gap[0]) for gap, _ in accepted.values()))
        subjects = {s.iri.value: s for s in self.workspace.reader.read(records)} if records else {}
        found: list[Triple] = []
        for iri, ((record, name), value) in accepted.items():
            subject = subjects.get(record)
            prop = next((p for p in self.workspace.profile.properties if p.name == name), None)
            if subject is None or subject.problem is not None or prop is None:
                continue
            said = statement_of(self.names, str(NamedNode(iri)), subject, prop, str(class_term(value)))
            found += [(said.node, str(prop.predicate.predicate), str(said.assigned)), *said.around]
        return found


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


def _accepting(standing: Mapping[Gap, Mapping[str, Verdict]]) -> dict[str, tuple[Gap, str]]:
    """The reviews by which values are accepted, each with its gap and value."""
    return {
        verdict.review: (gap, value)
        for gap, values in standing.items()
        for value, verdict in values.items()
        if verdict.decision == "Accepted"
    }
