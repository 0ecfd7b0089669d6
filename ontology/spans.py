"""Spans of years, and the classes that they fall into: centuries, half centuries, decades, or spans of one's own.

Years are counted as they are written: 1700 to 1799 is the eighteenth century (as in Getty's Categories for the
Description of Works of Art), -500 to -401 the fifth before Christ.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from pyoxigraph import Literal, NamedNode

SIZES = {"century": 100, "half-century": 50, "decade": 10}
EDTF = NamedNode("http://id.loc.gov/datatypes/edtf/EDTF")


@dataclass(frozen=True, slots=True)
class Span:
    """The first and the last year of a time; None where it is open."""

    begin: int | None
    end: int | None

    @classmethod
    def between(cls, begin: int | None, end: int | None) -> Span | None:
        """The span of two years, None where they are the wrong way round or both are missing."""
        if (begin is None and end is None) or (begin is not None and end is not None and begin > end):
            return None
        return cls(begin, end)

    @classmethod
    def of_digits(cls, digits: str) -> Span:
        """The span of a year of which the last digits are not known: 18 is 1800 to 1899, 189 is 1890 to 1899."""
        size = 10 ** (4 - len(digits.zfill(2)))
        return cls(int(digits) * size, int(digits) * size + size - 1)

    def part(self, parts: int, number: int) -> Span:
        """One of so many parts of a closed span: of a century the first half is 00 to 49, the second third 33 to 66."""
        assert self.begin is not None
        assert self.end is not None
        years = self.end - self.begin + 1
        return Span(self.begin + years * (number - 1) // parts, self.begin + years * number // parts - 1)

    def literal(self) -> Literal:
        """The span as EDTF spells it."""
        sides = (".." if year is None else edtf_year(year) for year in (self.begin, self.end))
        return Literal("/".join(sides), datatype=EDTF)


def span_of(value: Literal) -> Span | None:
    """The span that `literal` spelled; None for another literal."""
    found = re.fullmatch(r"(-?\d{4,}|\.\.)/(-?\d{4,}|\.\.)", value.value) if value.datatype == EDTF else None
    return None if found is None else Span(*(None if side == ".." else int(side) for side in found.groups()))


def edtf_year(year: int) -> str:
    """A year with four digits at least."""
    return f"{'-' if year < 0 else ''}{abs(year):04}"


def most_of(span: Span, classes: Iterable[Span]) -> Span | None:
    """The class in which more than half of the years of a span lie; None where there is none, and for an open span."""
    if span.begin is None or span.end is None:
        return None
    years = span.end - span.begin + 1
    for each in classes:
        begin, end = each.begin, each.end
        first = span.begin if begin is None else max(span.begin, begin)
        last = span.end if end is None else min(span.end, end)
        if 2 * (last - first + 1) > years:
            return each
    return None


def regular(span: Span, size: int) -> Iterable[Span]:
    """The centuries, half centuries or decades in which most of a closed span may lie."""
    assert span.begin is not None
    assert span.end is not None
    starts = {year // size * size for year in (span.begin, (span.begin + span.end) // 2, span.end)}
    return [Span(start, start + size - 1) for start in sorted(starts)]


def spans(value: object) -> list[tuple[str, object]]:
    """A table of spans by their names. Raises ValueError for what is none."""
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError('must be a table of spans of years, such as "aat:300404512" = [1700, 1799]')
    return list(value.items())


def span_of_years(value: object) -> Span:
    """A span from its first and its last year. Raises ValueError for anything else."""
    if isinstance(value, Span):
        return value
    years = list(value) if isinstance(value, list | tuple) else []
    if len(years) != 2 or not all(type(year) is int for year in years) or years[0] > years[1]:
        raise ValueError(f"a span is its first and its last year, such as [1700, 1799], not {value!r}")
    return Span(*years)
