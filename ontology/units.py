"""Units of length and of weight, by the words that museums use for them."""

LENGTHS = {
    "mm": 0.001, "millimetre": 0.001, "millimeter": 0.001, "cm": 0.01, "centimetre": 0.01, "centimeter": 0.01,
    "centimètre": 0.01, "centimetro": 0.01, "centímetro": 0.01, "dm": 0.1, "m": 1.0, "metre": 1.0, "meter": 1.0,
    "mètre": 1.0, "metro": 1.0, "in": 0.0254, "inch": 0.0254, "inche": 0.0254, '"': 0.0254, "″": 0.0254, "ft": 0.3048,
    "foot": 0.3048, "feet": 0.3048,
}  # fmt: skip
"""In metres; a plural's `s` is taken off."""
WEIGHTS = {
    "mg": 0.001, "g": 1.0, "gr": 1.0, "gram": 1.0, "gramm": 1.0, "gramme": 1.0, "grammo": 1.0, "grammi": 1.0, "gramo": 1.0,
    "kg": 1000.0, "kilo": 1000.0, "kilogram": 1000.0, "kilogramm": 1000.0, "kilogramme": 1000.0, "chilogrammo": 1000.0,
    "kilogramo": 1000.0, "oz": 28.349523125, "ounce": 28.349523125, "lb": 453.59237, "pound": 453.59237, "t": 1e6,
}  # fmt: skip
"""In grams; `gr` is the gram of catalogues, not the grain."""


def factor(unit: str, wanted: str) -> float | None:
    """What a number in one unit is multiplied by to be in another; None where they do not measure the same."""
    one, other = _bare(unit), _bare(wanted)
    if one == other:
        return 1.0
    for kind in (LENGTHS, WEIGHTS):
        if one in kind and other in kind:
            return kind[one] / kind[other]
    return None


def _bare(unit: str) -> str:
    word = unit.strip().lower().removesuffix(".")
    return word if word in LENGTHS or word in WEIGHTS else word.removesuffix("s")
