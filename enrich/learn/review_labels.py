"""The labels that reviews give a training set, and the reviews that are kept to measure by.

Records of which a review was drawn at random are the museum's own test set: they are left out of training whole, with
their facts and whatever else was said of them, so that nothing of them is learnt by any way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pyoxigraph import NamedNode

from enrich.classifiers.base import Progress
from enrich.classifiers.data import Dataset, Record
from enrich.errors import InputError
from enrich.learn.split_records import read_records_of
from enrich.runs.reviews import Gap, Review, in_force, read_reviews, verdicts
from enrich.workspace import Workspace

RANDOM = "Random"
Values = Mapping[str, Mapping[str, tuple[str, ...]]]
"""Values by record and property."""


@dataclass(frozen=True)
class ReviewLabels:
    """What stands of the reviews: `accepted` values, and `rejected` ones, by record and property; and the gaps that were
    `drawn` at random, with the weight of each: how many it stands for."""

    accepted: Values
    rejected: Values
    drawn: Mapping[Gap, float]

    @classmethod
    def of(cls, reviews: Iterable[Review], many: Iterable[str]) -> ReviewLabels:
        """From the register."""
        made = in_force(reviews)
        accepted: dict[str, dict[str, tuple[str, ...]]] = {}
        rejected: dict[str, dict[str, tuple[str, ...]]] = {}
        for (record, name), values in verdicts(made, frozenset(many)).items():
            for value, verdict in sorted(values.items()):
                if verdict.decision != "Undecided":
                    side = accepted if verdict.decision == "Accepted" else rejected
                    own = side.setdefault(record, {})
                    own[name] = (*own.get(name, ()), value)
        return cls(accepted, rejected, _weights([review for review in made if review.drawn == RANDOM]))

    @property
    def held_out(self) -> list[str]:
        """The records that nothing is learnt of."""
        return sorted({record for record, _ in self.drawn})

    def training_records(self, records: Sequence[Record]) -> list[Record]:
        """The records to learn from, without those held out, each with what curators said of it."""
        aside = frozenset(self.held_out)
        return [self.labelled(record) for record in records if record.id not in aside]

    def labelled(self, record: Record) -> Record:
        """The record with what curators said of it where the facts state nothing."""

        def gaps(values: Values) -> dict[str, tuple[str, ...]]:
            found = values.get(record.id, {})
            return {n: v for n, v in found.items() if not record.known.get(n) and n not in record.outside}

        if record.id not in self.accepted and record.id not in self.rejected:
            return record
        return replace(record, taught=gaps(self.accepted), refused=gaps(self.rejected))


def _weights(drawn: Sequence[Review]) -> dict[Gap, float]:
    """One over the probability with which each gap was first drawn; one where any is not known."""
    first: dict[Gap, float | None] = {}
    for review in drawn:
        first.setdefault(review.gap, review.probability)
    known = all(probability is not None for probability in first.values())
    return {gap: 1.0 / p if known and p is not None else 1.0 for gap, p in first.items()}


def read_review_labels(workspace: Workspace) -> ReviewLabels:
    """What the register of reviews teaches. Raises InputError where it teaches nothing."""
    many = workspace.profile.many_valued
    reviewed = ReviewLabels.of(read_reviews(workspace.store, workspace.names), many)
    if not (reviewed.accepted or reviewed.rejected):
        raise InputError(
            "no review says that a value is right or wrong: judge some with enrich review or enrich web, "
            "or train without --reviews"
        )
    return reviewed


def read_held_out(
    workspace: Workspace, reviewed: ReviewLabels, progress: Progress, *, pictures: bool
) -> list[Record]:
    """The records held out that the graph still has, with what curators said of them."""
    if not reviewed.drawn:
        return []
    try:
        found, _ = read_records_of(workspace, [NamedNode(r) for r in reviewed.held_out], progress, pictures)
    except InputError:
        return []
    return [reviewed.labelled(record) for record in found]


def counted(dataset: Dataset) -> dict[str, int]:
    """How many gaps a value put in teaches, and how many values turned down."""
    labels = refused = 0
    for prop in dataset.properties:
        index, classes = prop.index(), frozenset(prop.classes)
        labels += sum(any(v in index for v in r.taught.get(prop.name, ())) for r in dataset.records)
        refused += sum(v in classes for r in dataset.records for v in r.refused.get(prop.name, ()))
    return {"labels from reviews": labels, "values turned down in reviews": refused}
