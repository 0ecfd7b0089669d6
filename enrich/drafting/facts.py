"""What the values at the end of a path look like: how many, how often, of what kind."""

import re
from collections import Counter
from collections.abc import Callable, Collection
from dataclasses import dataclass

from pyoxigraph import BlankNode, Literal, NamedNode

from enrich.drafting.walking import Values, Walk, Way
from enrich.graph.stores.base import Term
from enrich.media import iiif
from enrich.ontology.terms import SKOS, XSD

_PICTURE = re.compile(r"\.(jpe?g|png|tiff?|gif|webp|jp2|bmp)(\?.*)?$", re.IGNORECASE)
_PICTURE_PREDICATE = re.compile(
    r"isShownBy|hasView|contentUrl|access_?point|thumbnail|depiction|/object$|image|picture|photo|"
    r"representation|digitally_shown_by",
    re.IGNORECASE,
)
_NO_PICTURE = re.compile(
    r"/manifest(\.json)?$|/presentation/|[./](pdf|html?|xml|json|mp[34])([?#/].*)?$", re.IGNORECASE
)
_DATES = {t.value for t in (XSD.date, XSD.dateTime, XSD.gYear, XSD.gYearMonth, XSD["dateTimeStamp"])}
_EDTF = "http://id.loc.gov/datatypes/edtf"
_YEAR = re.compile(r"(?<!\d)(1[0-9]|20)\d\d(?!\d)|(?<!\d)-?0\d{3}(?!\d)")
_CENTURY = re.compile(
    r"\b([IVX]+|\d{1,2})(st|nd|rd|th|\.|e|ème|º)?\s*(century|cent\.|jh\.?|jahrhundert|siècle|secolo|siglo|século|sec\.|eeuw)"
    r"|\b(century|siècle|secolo|siglo|século|sec\.?|s\.)\s+[IVX]+\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\s*[-+]?\d+([.,]\d+)?\s*")
_UNKNOWN = re.compile(
    r"(unknown|unidentified|anonymous|not[_ -]?known|unbekannt|ohne[_ ]?angabe|inconnue?|anonyme|desconocid[oa]|"
    r"an[óo]nimo|desconhecid[oa]|sconosciut[oa]|ignot[oa]|onbekend|n/?a|none|null)[.,;:\s]*|\[?\s*s\.\s?[ln]\.?\s*[\]:,;]*|[?\-–\s]+",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class PathFacts:
    """The values of one path among the sampled records.

    `records` state it, `several` of them more than once; `counts` holds the records of each value; `frequent`
    records have a value that at least `floor` records share. `iris`, `blanks` and the shares are of all values, each
    as often as records state it.
    """

    path: Way
    sampled: int
    records: int
    several: int
    counts: Counter[Term]
    floor: int
    frequent: int
    length: float
    iris: float
    blanks: float
    dates: float
    numbers: float
    pictures: float
    languages: tuple[str, ...]
    unknown: tuple[Term, ...]
    scheme: NamedNode | None

    @property
    def share(self) -> float:
        """Of the sampled records those that state it."""
        return self.records / self.sampled if self.sampled else 0.0

    @property
    def values(self) -> int:
        """Different values."""
        return len(self.counts)

    @property
    def classes(self) -> int:
        """Values that are frequent enough to be learnt."""
        return sum(n >= self.floor for n in self.counts.values())

    @property
    def head(self) -> float:
        """Of the records that state it those with a frequent value."""
        return self.frequent / self.records if self.records else 0.0

    @property
    def first(self) -> float:
        """Of the records that state it those with the commonest value."""
        return max(self.counts.values(), default=0) / self.records if self.records else 0.0

    @property
    def literal(self) -> bool:
        """Whether most values are literals."""
        return self.iris + self.blanks < 0.5


def facts_of(walk: Walk, path: Way, floor: int) -> PathFacts:
    """Describe what a path of a walk found."""
    values = walk.found[path]
    counts = Counter(term for terms in values.values() for term in terms)
    literals = [t for t in counts if isinstance(t, Literal)]
    total = counts.total() or 1

    def share(test: Callable[[Term], bool]) -> float:
        return sum(number for term, number in counts.items() if test(term)) / total

    return PathFacts(
        path=path,
        sampled=len(walk.records),
        records=len(values),
        several=sum(len(terms) > 1 for terms in values.values()),
        counts=counts,
        floor=floor,
        frequent=_frequent(values, counts, floor),
        length=sum(len(t.value) for t in literals) / (len(literals) or 1),
        iris=share(lambda t: isinstance(t, NamedNode)),
        blanks=share(lambda t: isinstance(t, BlankNode)),
        dates=share(lambda t: isinstance(t, Literal) and _is_date(t)),
        numbers=share(lambda t: isinstance(t, Literal) and bool(_NUMBER.fullmatch(t.value))),
        pictures=share(lambda t: not isinstance(t, BlankNode) and _is_picture(t.value, path)),
        languages=tuple(sorted({t.language for t in literals if t.language})),
        unknown=tuple(t for t in counts if _means_unknown(walk, t)),
        scheme=_scheme(walk, counts),
    )


def _frequent(values: Values, counts: Counter[Term], floor: int) -> int:
    return sum(any(counts[term] >= floor for term in terms) for terms in values.values())


def _is_date(literal: Literal) -> bool:
    if literal.datatype.value in _DATES or literal.datatype.value.startswith(_EDTF):
        return True
    text = literal.value.strip()
    return len(text) <= 60 and bool(_YEAR.search(text) or _CENTURY.search(text))


def _is_picture(text: str, path: Way) -> bool:
    """By what the URL ends in, by IIIF, or by a predicate that leads to pictures; a manifest or a page is none."""
    if not text.startswith(("http://", "https://")) or (
        _NO_PICTURE.search(text) and not iiif.recognise(text)
    ):
        return False
    if _PICTURE.search(text) or iiif.recognise(text):
        return True
    return bool(_PICTURE_PREDICATE.search(path[-1].predicate.value)) and not path[-1].inverse


def _means_unknown(walk: Walk, term: Term) -> bool:
    """By the words of several languages for it: all of a literal, or the end of an IRI or its name."""
    if isinstance(term, BlankNode):
        return False
    said = [term.value.strip(), walk.label(term).strip()]
    said += [re.split(r"[/#]", term.value.rstrip("/#"))[-1]] if isinstance(term, NamedNode) else []
    return any(map(_UNKNOWN.fullmatch, said))


def _scheme(walk: Walk, terms: Collection[Term]) -> NamedNode | None:
    """The SKOS scheme that nine in ten of the values are in."""
    schemes = Counter(s for t in terms for s in walk.all_of(t, SKOS.inScheme))
    for scheme, number in schemes.most_common(1):
        if isinstance(scheme, NamedNode) and number >= 0.9 * len(terms):
            return scheme
    return None
