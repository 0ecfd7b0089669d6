"""Reads numbers as museums write them: weights, dimensions and years, in the unit that a profile asks for."""

import re
from collections.abc import Iterable
from statistics import fmean

from pyoxigraph import Literal

from enrich.graph.stores.base import Term
from enrich.ontology.terms import XSD
from enrich.ontology.units import factor

_NUMBER = re.compile(
    r"(?P<number>[-−+]?(?:\d+(?:[ '\u00a0\u202f]\d{3})*(?:[.,]\d+)*|(?<![\w.,])[.,]\d+))\s*(?P<unit>[^\W\d_]+\.?|\"|″|')?"
)
_DATES = {XSD.date, XSD.dateTime, XSD.gYear, XSD.gYearMonth}
_THOUSANDS = re.compile(r"[-+]?[1-9]\d{0,2}(?:(?:,\d{3})+(?:\.\d+)?|(?:\.\d{3}){2,})")
_SCIENTIFIC = re.compile(r"[-+]?(?:\d+\.?\d*|\.\d+)[eE][-+]?\d{1,3}")
_LARGEST = 1e15


def mean_number(values: Iterable[Term | None], unit: str | None) -> float | None:
    """The mean of the values that are numbers; None where none is."""
    found = [n for v in values if isinstance(v, Literal) and (n := read_number(v, unit)) is not None]
    return fmean(found) if found else None


def read_number(value: Literal, unit: str | None = None) -> float | None:
    """The first number of a literal, in `unit` where one is asked for; of a date its year.

    A number without a unit is taken to be in the unit asked for; one with another unit of its kind is converted, and
    one with a unit of no such kind is none. "1,5" is one and a half, "1,500" is fifteen hundred, "0,500" a half.
    """
    if value.datatype in _DATES:
        year = re.match(r"-?\d{4}", value.value)
        return float(year[0]) if year else None
    if _SCIENTIFIC.fullmatch(value.value):
        return exact if abs(exact := float(value.value)) <= _LARGEST else None
    found = _NUMBER.search(value.value)
    if found is None:
        return None
    number = _float(found["number"])
    if number is None or abs(number) > _LARGEST:
        return None
    if unit is None or found["unit"] is None:
        return number
    times = factor(found["unit"], unit)
    if times is None:  # "12 x 15 cm": the unit of the last number is that of all
        last = [m["unit"] for m in _NUMBER.finditer(value.value) if m["unit"] is not None][-1]
        times = factor(last, unit) if found["unit"] in ("x", "X") else None
    return None if times is None else number * times


def _float(text: str) -> float | None:
    plain = re.sub(r"[ '\u00a0\u202f]", "", text).replace("−", "-")
    if _THOUSANDS.fullmatch(plain):
        plain = plain.replace("," if "," in plain else ".", "")
    try:
        return float(plain.replace(",", "."))
    except ValueError:
        return None
