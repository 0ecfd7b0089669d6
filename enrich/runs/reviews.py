"""What curators decided: an append-only register that outlives the runs it speaks of, and how values stand by it.

How a value stands hangs on the record, the property and the value, never on the prediction: another run that
says the same meets the same verdict. Of the reviews of a value the latest that was not withdrawn counts.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import NamedTuple

from pyoxigraph import Literal, NamedNode

from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.ontology.terms import CRM, ENR, PROV, Names, class_name, values_block

_NEVER = datetime.min.replace(tzinfo=UTC)

Gap = tuple[str, str]
"""A record and the name of a property."""


def moment(text: str) -> datetime:
    """An xsd:dateTime as a moment, which compares with others whatever their zones; a time without a zone is
    taken as UTC, and what is no time is before all others."""
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return _NEVER
    return found if found.tzinfo else found.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Review:
    """One decision. `value` is what it speaks of: what was accepted, rejected, or put in `instead` of a prediction's
    value; None of a review that `withdraws` another. Values are called as models call them."""

    iri: str
    record: str
    name: str
    decision: str
    at: datetime
    value: str | None = None
    instead: str | None = None
    withdraws: str | None = None

    @property
    def gap(self) -> Gap:
        """What it is about."""
        return self.record, self.name


class Verdict(NamedTuple):
    """How a value stands: Accepted, Rejected, Corrected (turned down, and `put_in` in its place) or Undecided; and the
    review that says so."""

    decision: str
    review: str
    at: datetime
    put_in: str | None = None


def read_reviews(
    store: Store, names: Names, records: Collection[NamedNode] | None = None
) -> Iterator[Review]:
    """The reviews of some records, or all: they grow with what people do, not with the collection."""
    about = values_block(["record"], ([record] for record in records)) if records is not None else ""
    query = (
        f"SELECT ?review ?record ?name ?decision ?time ?answers ?assigned ?instead ?withdraws WHERE {{ {about} "
        f"GRAPH {names.reviews} {{ ?review {ENR.about} ?record ; {ENR.propertyName} ?name ; {ENR.decision} ?decision ; "
        f"{PROV.endedAtTime} ?time . OPTIONAL {{ ?review {ENR.answers} ?answers }} "
        f"OPTIONAL {{ ?review {CRM.P141_assigned} ?assigned }} OPTIONAL {{ ?review {ENR.instead} ?instead }} "
        f"OPTIONAL {{ ?review {ENR.withdraws} ?withdraws }} {PAGE_TOKEN}\n }} }}"
    )
    for review, record, name, decision, time, *values in store.select_by_key(query, "review"):
        if review is not None and record is not None and name is not None and decision is not None:
            answers, assigned, instead, withdraws = map(_called, values)
            said = decision.value.removeprefix(str(ENR))
            at = moment(time.value) if time is not None else _NEVER
            value = answers or assigned  # a review of an earlier version has no `answers`
            yield Review(review.value, record.value, name.value, said, at, value, instead, withdraws)


def _called(term: object) -> str | None:
    return class_name(term) if isinstance(term, NamedNode | Literal) else None


def verdicts(reviews: Iterable[Review], many: Collection[str] = ()) -> dict[Gap, dict[str, Verdict]]:
    """How each reviewed value stands, by gap. Properties in `many` have several values, each judged alone; of any
    other only the value accepted last stands, in the place of those accepted before."""
    made = sorted(reviews, key=lambda review: (review.at, review.iri))
    withdrawn = {review.withdraws for review in made if review.withdraws}
    found: dict[Gap, dict[str, Verdict]] = {}
    for review in made:
        if review.withdraws or review.value is None or review.iri in withdrawn:
            continue
        values = found.setdefault(review.gap, {})
        decision = "Accepted" if review.decision == "Corrected" else review.decision
        if decision == "Accepted" and review.name not in many:
            for value, verdict in values.items():
                if verdict.decision == "Accepted" and value != review.value:
                    values[value] = Verdict("Corrected", review.iri, review.at, review.value)
        if review.instead is not None and review.instead != review.value:
            values[review.instead] = Verdict("Corrected", review.iri, review.at, review.value)
        values[review.value] = Verdict(decision, review.iri, review.at)
    return found


@dataclass(frozen=True)
class Reviews:
    """How reviewed values stand: what runs, gaps and queries go by."""

    of: Mapping[Gap, Mapping[str, Verdict]] = field(default_factory=dict)
    many: frozenset[str] = frozenset()
    """Properties with many values: accepting one of them closes no gap."""
    changed: Mapping[str, datetime] = field(default_factory=dict)
    """When a record was last reviewed, withdrawals among it."""

    @classmethod
    def read(
        cls,
        store: Store,
        names: Names,
        many: Iterable[str] = (),
        records: Collection[NamedNode] | None = None,
    ) -> Reviews:
        """Read the register whole, or what it says of some records."""
        made = list(read_reviews(store, names, records))
        changed: dict[str, datetime] = {}
        for review in made:
            changed[review.record] = max(changed.get(review.record, review.at), review.at)
        several = frozenset(many)
        return cls(verdicts(made, several), several, changed)

    def rejected(self, record: str, name: str) -> frozenset[str]:
        """The values that a curator turned down for this property of this record, as models call values."""
        found = self.of.get((record, name), {})
        return frozenset(v for v, verdict in found.items() if verdict.decision in ("Rejected", "Corrected"))

    def settled(self, record: str, name: str) -> bool:
        """Whether a curator accepted or put in the one value, so that the gap is closed."""
        found = self.of.get((record, name), {})
        return name not in self.many and any(v.decision == "Accepted" for v in found.values())

    def changed_since(self, moment: datetime) -> Sequence[str]:
        """The records that were reviewed after a moment."""
        return [record for record, at in self.changed.items() if at >= moment]
