"""What curators decided: an append-only register that outlives the runs it speaks of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import Store
from enrich.ontology.terms import CRM, ENR, PROV, Names, class_name

_NEVER = datetime.min.replace(tzinfo=UTC)


def moment(text: str) -> datetime:
    """An xsd:dateTime as a moment, which compares with others whatever their zones; a time without a zone is
    taken as UTC, and what is no time is before all others."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Reviews:
    """The reviews in force, by record and property name: the latest word on each value counts."""

    rejected_values: Mapping[tuple[str, str], frozenset[str]] = field(default_factory=dict)
    settled_gaps: frozenset[tuple[str, str]] = frozenset()

    def rejected(self, record: str, name: str) -> frozenset[str]:
        """The values that a curator rejected for this property of this record, as models call values."""
        return self.rejected_values.get((record, name), frozenset())

    def settled(self, record: str, name: str) -> bool:
        """Whether a curator accepted or put in a value, so that the gap is closed."""
        return (record, name) in self.settled_gaps

    @classmethod
    def read(cls, store: Store, names: Names) -> Reviews:
        """Read the register whole: it grows with what people do, not with the collection."""
        query = (
            f"SELECT ?record ?name ?value ?decision ?time ?review WHERE {{ GRAPH {names.reviews} {{ "
            f"?review {ENR.about} ?record ; {ENR.propertyName} ?name ; {CRM.P141_assigned} ?value ; "
            f"{ENR.decision} ?decision ; {PROV.endedAtTime} ?time #PAGE#\n }} }}"
        )
        latest: dict[tuple[str, str, str], tuple[datetime, str, str]] = {}
        for row in store.select_by_key(query, "review"):
            record, name, decision, time, review = (t.value if t else "" for t in (*row[:2], *row[3:]))
            value = class_name(row[2]) if isinstance(row[2], NamedNode | Literal) else ""
            key, said = (record, name, value), (moment(time), review, decision)
            latest[key] = max(latest.get(key, said), said)
        rejected: dict[tuple[str, str], set[str]] = {}
        settled: set[tuple[str, str]] = set()
        for (record, name, value), (_, _, decision) in latest.items():
            if decision == ENR.Rejected.value:
                rejected.setdefault((record, name), set()).add(value)
            else:
                settled.add((record, name))
        return cls({key: frozenset(values) for key, values in rejected.items()}, frozenset(settled))
