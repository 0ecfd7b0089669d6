"""What is asked of the index: which answers, in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

FACETS = (
    "property",
    "value",
    "band",
    "state",
    "outcome",
    "reason",
    "regime",
    "museum",
    "run",
    "model",
    "agreement",
)
"""What answers are told apart by. A facet's values are IRIs or words as the index has them; `UNKNOWN` is one, too."""
UNKNOWN = ""
"""The value of a facet where there is none: a record without a museum, say."""
BANDS = ("1.0", "0.95", "0.9", "0.8", "0.7", "0.5", "0.0")
"""Bands of confidence, each by its lower end: "0.9" holds what is from .9 to below .95."""

Order = Literal["-confidence", "confidence", "record", "-time", "margin"]


@dataclass(frozen=True, slots=True)
class Filters:
    """Which current answers: those that have, of each facet named, one of the values chosen.

    `chosen` has the values by facet; a value of the facet `value` stands for its narrower concepts as well. `text` is
    looked for in the names of records and values, without regard to accents and case.
    """

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""

    def without(self, facet: str) -> Filters:
        """All but what was chosen of one facet: what its own counts go by."""
        return Filters({name: values for name, values in self.chosen.items() if name != facet}, self.text)


@dataclass(frozen=True, slots=True)
class Row:
    """One current answer as a list shows it; `value` is None where it abstained or failed."""

    prediction: str
    record: str
    record_name: str
    property: str
    value: str | None
    value_name: str | None
    confidence: float
    margin: float
    """How far the first candidate is ahead of the second."""
    outcome: str
    reason: str | None
    regime: str | None
    promised: float | None
    state: str
    museum: str
    run: str
    model: str
    picture: str | None


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet with the number of answers that have it, and its name for a reader. `broader` is the value above
    it in the vocabulary's hierarchy."""

    value: str
    name: str
    count: int
    broader: str | None = None


@dataclass(frozen=True, slots=True)
class Page:
    """Some rows of many: `total` is how many there are in all; `after` asks for the next ones, None for none."""

    rows: Sequence[Row]
    total: int
    after: str | None
