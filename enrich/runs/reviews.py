"""What curators decided: an append-only register that outlives the runs it speaks of, and how values stand by it.

How a value stands hangs on the record, the property and the value, never on the prediction: another run that
says the same meets the same verdict. Of the reviews of a value the latest that was not withdrawn counts. A control, an
answer whose truth is known and that was given to one curator more, measures that curator and decides nothing.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import NamedTuple, Self

from pyoxigraph import BlankNode, Literal, NamedNode, RdfFormat, parse

from enrich.graph.stores.base import PAGE_TOKEN, Store
from enrich.ontology.terms import CRM, ENR, PROV, Names, Term, class_name, values_block

CONTROL = "Control"
"""How an answer was drawn whose truth is known."""
TURNED_DOWN = ("Rejected", "Corrected")
"""How a value stands that is not proposed any more."""
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


REVIEWERS_CLOCKS = timedelta(days=1)
"""How much earlier than the store's clock that of a curator's tool may be."""


@dataclass(frozen=True, slots=True)
class Review:
    """One decision. `value` is what it speaks of: what was accepted, rejected, or put in `instead` of a prediction's
    value; None of a review that `withdraws` another. Values are called as models call them. `states` is what the facts
    would say were the value true, as N-Triples. `drawn` is how the answer came before the curator, with which
    `probability` where that is known, and whether what was predicted was `shown`. `restored` is when it came from a
    backup, if it did."""

    iri: str
    record: str
    name: str
    decision: str
    at: datetime
    value: str | None = None
    instead: str | None = None
    withdraws: str | None = None
    curator: str = ""
    states: str = ""
    prediction: str = ""
    objection: str | None = None
    note: str | None = None
    drawn: str = "Chosen"
    probability: float | None = None
    shown: bool = True
    restored: datetime = _NEVER

    @property
    def time(self) -> str:
        """When it was made, as xsd:dateTime."""
        return self.at.isoformat()

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


def read_reviews(store: Store, names: Names, records: Collection[NamedNode] | None = None) -> list[Review]:
    """The reviews of some records, or all: they grow with what people do, not with the collection."""
    said = _said(store, names, records)
    return [_review(iri, properties) for iri, properties in said.items() if _is_sound(properties)]


def unsound_reviews(store: Store, names: Names) -> list[str]:
    """The reviews, of another tool, that count for nothing: they lack what a review says, or state what is no statement."""
    return sorted(iri for iri, properties in _said(store, names).items() if not _is_sound(properties))


def _said(
    store: Store, names: Names, records: Collection[NamedNode] | None = None
) -> dict[str, dict[object, Term]]:
    about = values_block(["record"], ([record] for record in records)) if records is not None else ""
    query = (
        f"SELECT ?review ?p ?o WHERE {{ {about} GRAPH {names.reviews} {{ ?review {ENR.about} ?record ; ?p ?o }} "
        f"{PAGE_TOKEN}\n }}"
    )
    said: dict[str, dict[object, Term]] = {}
    for review, predicate, value in store.select_by_key(query, "review"):
        if isinstance(review, NamedNode) and isinstance(value, NamedNode | Literal):
            said.setdefault(review.value, {})[predicate] = value
    return said


def _is_sound(properties: Mapping[object, Term]) -> bool:
    if (
        not isinstance(properties.get(ENR.about), NamedNode)
        or not {ENR.propertyName, ENR.decision} <= properties.keys()
    ):
        return False
    try:
        stated = list(parse(_statement(properties), RdfFormat.N_TRIPLES))
    except (SyntaxError, ValueError):
        return False
    return not any(isinstance(node, BlankNode) for quad in stated for node in (quad.subject, quad.object))


def _review(iri: str, properties: Mapping[object, Term]) -> Review:
    def called(predicate: NamedNode) -> str | None:
        return class_name(properties[predicate]) if predicate in properties else None

    time, curator = properties.get(PROV.endedAtTime), properties.get(CRM.P14_carried_out_by)
    return Review(
        iri,
        properties[ENR.about].value,
        properties[ENR.propertyName].value,
        properties[ENR.decision].value.removeprefix(str(ENR)),
        moment(time.value) if time is not None else _NEVER,
        called(ENR.answers) or called(CRM.P141_assigned),  # another tool may not know `answers`
        called(ENR.instead),
        called(ENR.withdraws),
        curator.value if curator is not None else "",
        _statement(properties),
        called(ENR.reviews) or "",
        properties[ENR.objection].value.removeprefix(str(ENR)) if ENR.objection in properties else None,
        properties[CRM.P3_has_note].value if CRM.P3_has_note in properties else None,
        properties[ENR.drawn].value.removeprefix(str(ENR)) if ENR.drawn in properties else "Chosen",
        _share(properties.get(ENR.drawnWith)),
        ENR.shown not in properties or properties[ENR.shown].value not in ("false", "0"),
        moment(properties[ENR.restoredAtTime].value) if ENR.restoredAtTime in properties else _NEVER,
    )


def _share(term: Term | None) -> float | None:
    """A probability above 0; None for what is none."""
    try:
        found = float(term.value) if term is not None else 0.0
    except ValueError:
        return None
    return found if 0.0 < found <= 1.0 else None


def _statement(properties: Mapping[object, Term]) -> str:
    """What a review states: as it says itself, else the node, the predicate and the value that it assigns."""
    if ENR.states in properties:
        return properties[ENR.states].value
    parts = (CRM.P140_assigned_attribute_to, CRM.P177_assigned_property_of_type, CRM.P141_assigned)
    return f"{' '.join(str(properties[p]) for p in parts)} .\n" if all(p in properties for p in parts) else ""


def batches_taken_back(store: Store, names: Names, batches: Collection[str]) -> list[str]:
    """Those of some batches of which no review stands any more."""
    query = (
        f"SELECT DISTINCT ?batch WHERE {{ GRAPH {names.reviews} {{ ?gone {ENR.withdraws} ?review . "
        f"?review {ENR.reviewedWith} ?batch {PAGE_TOKEN}\n }} }}"
    )
    some = {batch.value for (batch,) in store.select_by_key(query, "batch") if batch is not None}

    def stands(batch: str) -> bool:
        own = f"?review {ENR.reviewedWith} {NamedNode(batch)}"
        left = f"{own} FILTER NOT EXISTS {{ ?gone {ENR.withdraws} ?review }}"
        return store.ask(f"ASK {{ GRAPH {names.reviews} {{ {left} }} }}")

    return [batch for batch in sorted(some.intersection(batches)) if not stands(batch)]


def in_force(reviews: Iterable[Review]) -> list[Review]:
    """The reviews that decide something: neither taken back nor controls, in the order in which they were made."""
    return [review for review in _standing(reviews) if review.drawn != CONTROL]


def controls(reviews: Iterable[Review]) -> list[Review]:
    """The controls that were not taken back, in the order in which they were made."""
    return [review for review in _standing(reviews) if review.drawn == CONTROL]


def _standing(reviews: Iterable[Review]) -> list[Review]:
    made = sorted(reviews, key=lambda review: (review.at, review.iri))
    withdrawn = {review.withdraws for review in made}
    return [review for review in made if not review.withdraws and review.iri not in withdrawn]


def verdicts(reviews: Iterable[Review], many: Collection[str]) -> dict[Gap, dict[str, Verdict]]:
    """How each reviewed value stands, by gap. Properties in `many` have several values, each judged alone; of any
    other only the value accepted last stands, in the place of those accepted before."""
    found: dict[Gap, dict[str, Verdict]] = {}
    for review in in_force(reviews):
        if review.value is None:
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
    return {gap: {value: _settled(values, value) for value in values} for gap, values in found.items()}


def _settled(values: Mapping[str, Verdict], value: str) -> Verdict:
    """How a value stands, all being said: what was put in its place is what is accepted in the end, if anything is."""
    verdict, seen = values[value], {value}
    right = verdict.put_in
    while right is not None and right not in seen and values[right].decision == "Corrected":
        seen.add(right)
        right = values[right].put_in
    if verdict.decision != "Corrected" or (right is not None and values[right].decision == "Accepted"):
        return verdict._replace(put_in=right)
    return verdict._replace(decision="Rejected", put_in=None)


@dataclass(frozen=True)
class Reviews:
    """How reviewed values stand: what runs, gaps and queries go by."""

    of: Mapping[Gap, Mapping[str, Verdict]] = field(default_factory=dict)
    many: frozenset[str] = frozenset()
    """Properties with many values: accepting one of them closes no gap."""
    changed: Mapping[str, datetime] = field(default_factory=dict)
    """When a record was last reviewed, withdrawals and what came from a backup among it."""

    @classmethod
    def read(
        cls, store: Store, names: Names, many: Iterable[str], records: Collection[NamedNode] | None = None
    ) -> Self:
        """Read the register whole, or what it says of some records."""
        made = read_reviews(store, names, records)
        changed: dict[str, datetime] = {}
        aside = {review.iri for review in made if review.drawn == CONTROL}
        for review in made:
            if review.iri not in aside and review.withdraws not in aside:
                changed[review.record] = max(changed.get(review.record, _NEVER), review.at, review.restored)
        several = frozenset(many)
        return cls(verdicts(made, several), several, changed)

    def rejected(self, record: str, name: str) -> frozenset[str]:
        """The values that a curator turned down for this property of this record, as models call values."""
        found = self.of.get((record, name), {})
        return frozenset(v for v, verdict in found.items() if verdict.decision in TURNED_DOWN)

    def settled(self, record: str, name: str) -> bool:
        """Whether a curator accepted or put in the one value, so that the gap is closed."""
        found = self.of.get((record, name), {})
        return name not in self.many and any(v.decision == "Accepted" for v in found.values())

    def changed_since(self, moment: datetime) -> Sequence[str]:
        """The records that were reviewed after a moment."""
        return [record for record, at in self.changed.items() if at >= moment]
