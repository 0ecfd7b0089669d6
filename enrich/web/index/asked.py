"""What is asked of the index: which answers, in which order."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Literal

from enrich.errors import InputError
from enrich.runs import observed

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
"""What answers are told apart by. A facet's values are IRIs, literals as N-Triples spell them (see `class_name`), or
words: those of our vocabulary without its namespace (`Predicted`, `Pending`, `BelowThreshold`, `Seen`). `UNKNOWN` is one, too."""
UNKNOWN = ""
"""The value of a facet where there is none: a record without a museum, an answer that names no value."""
BANDS = tuple(map(str, observed.BANDS))
"""Bands of confidence, each by its lower end: "0.9" holds what is from .9 to below .95."""
ALL_AGREE, SOME_DIFFER, ONE_MODALITY = "all agree", "some differ", "one modality"
"""The values of `agreement`: whether the modalities, each alone, held the same value likeliest."""
RECORD = "record"
"""The kind of what is a record; the kind of a value is the property that it is a value of."""
PENDING = "Pending"
"""The state of a value that nobody has judged."""
STANDING = (PENDING, "Accepted", "Undecided")
"""The states of a value that a curator has not turned down."""
OF_IRI = "-"
"""The language of words that a term is found by, and not called."""
LONGEST_TEXT = 500
"""Characters of what names are looked through for."""

Order = Literal["-confidence", "confidence", "record", "-time", "margin"]
ORDERS: tuple[Order, ...] = ("-confidence", "confidence", "record", "-time", "margin")


@dataclass(frozen=True, slots=True)
class Filters:
    """Which current answers: those that have, of each facet named, one of the values chosen.

    `chosen` has the values by facet; a value of the facet `value` stands for its narrower concepts as well, unless
    `exact`. `text` is looked for in the names of records and values, without regard to accents and case: each word must
    begin a word of one of them.
    """

    chosen: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    text: str = ""
    exact: bool = False

    @classmethod
    def of(cls, parameters: Iterable[tuple[str, str]]) -> Filters:
        """Those that the parameters of an address say, among others that it has. Raises InputError for too long a text."""
        given = list(parameters)
        chosen = {name: tuple(dict.fromkeys(v for n, v in given if n == name)) for name in FACETS}
        text = next((value for name, value in reversed(given) if name == "q"), "")
        if len(text) > LONGEST_TEXT:
            raise InputError(f"q has at most {LONGEST_TEXT} characters")
        return cls({name: values for name, values in chosen.items() if values}, text)

    @property
    def key(self) -> Hashable:
        """The same for filters that say the same."""
        return (
            tuple(sorted((name, *sorted(values)) for name, values in self.chosen.items())),
            self.text,
            self.exact,
        )

    def without(self, facet: str) -> Filters:
        """All but what was chosen of one facet: what its own counts go by."""
        chosen = {name: values for name, values in self.chosen.items() if name != facet}
        return Filters(chosen, self.text, self.exact)

    @property
    def standing(self) -> Filters:
        """The same without what a curator turned down, which is a suggestion no more, unless states were chosen."""
        return self if "state" in self.chosen else replace(self, chosen={**self.chosen, "state": STANDING})


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
    """How far the first candidate is ahead of the second; of a property with many values, how far yes is from no."""
    outcome: str
    reason: str | None
    regime: str | None
    promised: float | None
    state: str
    museum: str
    run: str
    model: str
    picture: str | None
    band: str = ""
    threshold: float | None = None
    agreement: str = UNKNOWN
    museum_name: str = ""


@dataclass(frozen=True, slots=True)
class FacetValue:
    """A value of a facet with the number of answers that have it, and its name for a reader. `broader` is the value above
    it in the vocabulary's hierarchy; what is counted under a value is counted under those above it as well."""

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


@dataclass(frozen=True, slots=True)
class Group:
    """Pending predictions that are alike in these four: judged together, after a look at a few (see `Index.sample`)."""

    property: str
    value: str
    value_name: str
    band: str
    museum: str
    museum_name: str
    count: int

    def members(self) -> Filters:
        """What finds its members."""
        chosen = {"property": self.property, "value": self.value, "band": self.band, "museum": self.museum}
        chosen |= {"state": PENDING, "outcome": "Predicted"}
        return Filters({name: (value,) for name, value in chosen.items()}, exact=True)


@dataclass(frozen=True, slots=True)
class Cross:
    """How many answers have two values together."""

    a: str
    b: str
    count: int


@dataclass(frozen=True, slots=True)
class Together:
    """How many records have two values together, of two properties, of which at least one is a suggestion. The other may
    be one, too, or stand in the facts."""

    a: str
    a_name: str
    b: str
    b_name: str
    count: int


@dataclass(frozen=True, slots=True)
class Held:
    """What the index holds. `complete` is False while it is being built: `read` of `shards` have been read then.
    `checked` is when it was last found to be what the store says, in seconds since 1970; 0 for never."""

    complete: bool
    read: int
    shards: int
    checked: float
    answers: int


@dataclass(frozen=True, slots=True)
class Named:
    """A record, or a value of a property, found by its name; `likeness` is how near that is to what was asked, from 0 to 1."""

    value: str
    name: str
    kind: str
    likeness: float
