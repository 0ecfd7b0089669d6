"""Maps the dates of a graph to the spans of years that a property's classes are."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import Self

from pyoxigraph import Literal, NamedNode

from enrich.graph.date_text import read_date, says_no_date
from enrich.graph.literals import LiteralMap
from enrich.graph.stores.base import Term
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.spans import SIZES, Span, most_of, regular, span_of
from enrich.ontology.terms import class_name


@dataclass(frozen=True)
class DateMap(LiteralMap):
    """A date is in the class in which more than half of its years lie. One of which no class holds more than half, one
    that is open, and one that is not understood, lie outside."""

    size: int | None = None
    spans: Mapping[str, Span] = field(default_factory=dict)
    """The classes that the profile gives by their bounds."""

    @classmethod
    def of(cls, prop: PropertyProfile) -> Self:
        """How the dates of a property map to its classes."""
        spans = {class_name(term): span for term, span in prop.spans.items()}
        return cls(prop.rules, frozenset(), prop.unknown_iris, SIZES[prop.by] if prop.by else None, spans)

    def of_term(self, value: Term) -> str | None:
        """The class of a date; a concept that is a class is its own."""
        if isinstance(value, Literal) and not self.rules.fits(value):
            return None
        return self.named(value)

    def named(self, value: Term) -> str | None:
        """The class of a date in whatever language and datatype it is named, or of a class as it is called."""
        if isinstance(value, NamedNode):
            return value.value if value.value in self.spans else None
        if not isinstance(value, Literal) or self.rules.says_nothing(value.value):
            return None
        if class_name(value) in self.spans:
            return class_name(value)
        if (spelt := span_of(value)) is not None:
            return self._class_of(spelt)
        span = read_date(self.rules.written(value.value) if self._ruled else value.value)
        return None if span is None else self._class_of(span)

    @property
    def _ruled(self) -> bool:
        return self.rules.keep is not None or bool(self.rules.synonyms)

    def _class_of(self, span: Span) -> str | None:
        if span.begin is None or span.end is None:
            return None
        if self.size is not None:
            found = most_of(span, regular(span, self.size))
            return None if found is None else class_name(found.literal())
        chosen = most_of(span, self.spans.values())
        return next((name for name, each in self.spans.items() if each == chosen), None)

    def says_nothing(self, value: Term) -> bool:
        """Whether a raw value states none, in the profile's words or those that museums use for an unknown date."""
        return super().says_nothing(value) or (isinstance(value, Literal) and says_no_date(value.value))

    def _test(self, variable: str, raw: Collection[Term] | None) -> str:
        """Dates are literals or concepts."""
        literals = super()._test(variable, raw)
        concepts = sorted(name for name in self.spans if not name.startswith('"'))
        if not concepts:
            return literals
        return f"({literals}) || {variable} IN ({', '.join(f'<{iri}>' for iri in concepts)})"
