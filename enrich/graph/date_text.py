"""Reads dates as museums write them into the years they lie between.

EDTF and what XML Schema spells alike are read by `edtf`, which knows the whole of ISO 8601-2. Of the libraries that
there are, `undate` refuses sets, seasons and times of day, and `dateparser` finds single days of our own years; neither
reads "1. Hälfte 19. Jh.", so the words of six languages are read here. A text that is not understood whole is none.
"""

import re
from functools import lru_cache
from unicodedata import normalize

from enrich.classifiers import libraries
from enrich.graph import date_words as words
from enrich.ontology.spans import Span

_REMEMBERED = 50_000
_LONGEST = 120
_ISO = re.compile(r"([+-]?\d{4})(?:-(?:0[1-9]|1[0-2])(?:-\d\d)?)?(?:T[\d:.]+)?(?:Z|[+-]\d\d:\d\d)?")
_EDTF = re.compile(r"[\dXuYESTZ?~%:.,/\[\]{}+-]+")
_BLANKS = re.compile(r"(\d{1,2})(?:\s{2}|--|\.\.|__|\?\?|xx|uu)|(\d{3})(?:\s|-|\.|_|\?|x|u)", re.IGNORECASE)
_ROMAN = {"i": 1, "v": 5, "x": 10, "l": 50, "c": 100, "d": 500, "m": 1000}
_ORDINAL_END = r"(?:\.|st|nd|rd|th|e|è|er|ère|re|ème|eme|ième|de|ste|o|a|°|º|ª)?"
_NUMBER = r"(?:\d{1,2}|[ivx]{1,5})"
_SIDE = re.compile(
    r"(?:(?P<part>[HQT]\d) )?(?:C(?P<century>\d+)|D(?P<decade>\d+)|(?P<year>\d{1,4}))(?: (?P<behind>[HQT]\d))?"
)
_RANGE = re.compile(
    rf"(?:(?:{words.BETWEEN})\s)?(?!(?:{words.BEFORE}|{words.AFTER})\s)"
    rf"(?P<a>.*?(?:[CDHQT]\d+|\d)(?: BC| AD|~)?)\s*(?:-|/|(?<!\w)(?P<to>{words.TO})(?!\w)|(?<=\d\s)(?P<or>{words.OR})(?!\w))"
    rf"\s*(?P<b>.*\d.*)"
)
_OPEN = {"BEFORE": (None, -1), "UNTIL": (None, 0), "AFTER": (1, None), "SINCE": (0, None)}


@lru_cache(_REMEMBERED)
def read_date(text: str) -> Span | None:
    """The years that a date lies between, `None` where it is open or where the text is not understood.

    A date said to be about a year is that year. Early, mid and late are the thirds of a century.
    """
    if blank := _BLANKS.fullmatch(text):
        return Span.of_digits(blank[1] or blank[2])
    plain = text.strip()
    if len(plain) > _LONGEST:
        return None
    if iso := _ISO.fullmatch(plain):
        return Span(int(iso[1]), int(iso[1]))
    if "/" in plain and all(p == ".." or _ISO.fullmatch(p) for p in plain.split("/", 1)):
        return _pair(*plain.split("/", 1))
    return _read_words(plain) or _read_edtf(plain)


def says_no_date(text: str) -> bool:
    """Whether a text says that the date is not known, as "s.d." and "o. J." do."""
    return re.fullmatch(words.UNDATED, text.strip(" []()?.").lower()) is not None


def _pair(begin: str, end: str) -> Span | None:
    first, last = (None if side == ".." else int(_ISO.fullmatch(side)[1]) for side in (begin, end))  # type: ignore[index]
    return Span.between(first, last)


def _read_edtf(text: str) -> Span | None:
    """What EDTF says beyond plain years: unspecified digits, sets, seasons, open intervals."""
    if not _EDTF.fullmatch(text):
        return None
    edtf = libraries.edtf()
    try:
        found = edtf.parse_edtf(text)
        sides = [found.lower_strict(), found.upper_strict()]
    except (
        edtf.EDTFParseException,
        AttributeError,
        NotImplementedError,
        OverflowError,
        TypeError,
        ValueError,
    ):
        return None
    begin, end = (side[0] if not isinstance(side, float) and side is not None else None for side in sides)
    return Span.between(begin, end)


def _read_words(text: str) -> Span | None:
    """The interval of a date in words: one side, or two with a word between them."""
    said = _canonical(text)
    if opened := re.fullmatch(r"(BEFORE|AFTER|UNTIL|SINCE) (.+)", said):
        inner = _side(*_era(opened[2]))
        return inner and _opened(opened[1], inner)
    sides = re.split(r" (?:TO|OR) ", said)
    if len(sides) > 2:
        return None
    if len(sides) == 1:
        return _side(*_era(said))
    return _two(*(_era(side) for side in sides))


def _opened(word: str, inner: Span) -> Span | None:
    first, last = _OPEN[word]
    if first is None:
        edge = inner.begin if last else inner.end
        return None if edge is None else Span(None, edge + (last or 0))
    edge = inner.end if first else inner.begin
    return None if edge is None else Span(edge + first, None)


def _two(left: tuple[str, bool | None], right: tuple[str, bool | None]) -> Span | None:
    """Two sides; the first takes from the second what it does not say itself: its century, its era."""
    (first, era), (second, era_too) = left, right
    base = re.search(r"[CD]?\d+$|[CD]\d+", second)
    if re.fullmatch(r"[HQT]\d", first) and base:
        first = f"{first} {base[0]}"
    if re.fullmatch(r"[HQT]\d", second) and (base := re.search(r"[CD]\d+", first)):
        second = f"{second} {base[0]}"
    if re.fullmatch(r"\d{4}", first) and re.fullmatch(r"\d{1,2}", second) and not era_too:
        second = first[: -len(second)] + second
    before = era_too if era is None else era
    begin, end = _side(first, before), _side(second, era_too)
    return begin and end and Span.between(begin.begin, end.end)


def _era(said: str) -> tuple[str, bool | None]:
    """What is said without its era, and whether that was before Christ; None where nothing is said of it."""
    rest = re.sub(r"\b(?:BC|AD)\b", "", said)
    return " ".join(rest.split()), True if "BC" in said else False if "AD" in said else None


def _side(said: str, before: bool | None) -> Span | None:
    found = _SIDE.fullmatch(said)
    if found is None or (found["part"] and found["behind"]):
        return None
    part = found["part"] or found["behind"]
    if found["year"]:
        year = -int(found["year"]) if before else int(found["year"])
        return None if part or len(found["year"]) < (1 if before is not None else 3) else Span(year, year)
    if found["century"]:
        number = int(found["century"])
        start = -100 * number if before else 100 * (number - 1)
        whole = Span(start, start + 99) if 0 < number <= 40 else None
    else:
        start = -int(found["decade"]) - 9 if before else int(found["decade"])
        whole = Span(start, start + 9)
    return whole if whole is None or part is None else whole.part("HTQ".index(part[0]) + 2, int(part[1]))


def _canonical(text: str) -> str:
    """The date in tokens: C18 a century, D1650 a decade, H1 Q3 T2 a half, a quarter, a third, TO, OR, BEFORE, BC …"""
    said = normalize("NFKC", text).lower()
    said = re.sub(r"[‐‑‒–—−]", "-", said).replace("’", "'").replace("ʼ", "'")
    said = re.sub(r"(?<=\d)[\[\]](?=\d)", "", said)
    said = re.sub(r"[\[\](){}<>?~\"„“”«»]", " ", said)
    said = " ".join(said.split())
    said = re.sub(r"(?<=[\d.])\s*\.?$", "", said) if re.fullmatch(r".*\d{3,4}\s*\.", said) else said
    for step in (_eras, _centuries, _decades, _parts, _days, _ranges):
        said = step(said)
    said = re.sub(rf"(?<![\w'])(?:{words.SMALL})(?![\w'])|[,;:]|(?<![\d\w])\.|'", " ", said)
    return " ".join(said.split())


def _word(stems: str) -> str:
    return rf"(?<![\w'])(?:{stems})(?![\w])"


def _eras(said: str) -> str:
    said = re.sub(rf"{_word(words.BC)}", " BC ", said)
    return re.sub(
        rf"(?<=[\w.])\s+(?:{words.AD})(?!\w)|(?<=\d)(?:{words.AD})(?!\w)|^a\.? ?d\.?(?= ?\d)", " AD ", said
    )


def _number(text: str) -> int:
    """A number in figures, or a Roman one."""
    if text.isdigit():
        return int(text)
    values = [_ROMAN[letter] for letter in text]
    return sum(-v if v < max(values[i:], default=0) else v for i, v in enumerate(values))


def _centuries(said: str) -> str:
    for name, number in words.NAMED_CENTURIES.items():
        said = re.sub(_word(name), f" C{number} ", said)
    for number, stems in reversed(words.ORDINALS.items()):
        said = re.sub(rf"{_word(stems)}(?=\s+(?:{words.CENTURY})(?:$|\W))", f"{number}.", said)
    between = rf"\s*(?:-|/|(?<!\w)(?:{words.TO}|{words.OR})(?!\w))\s*"
    one = rf"(?<![\w.'])(?P<n>{_NUMBER})(?:{_ORDINAL_END})\s*(?:{words.CENTURY})(?!\w)\.?"
    said = re.sub(one, lambda m: f" C{_number(m['n'])} ", said)
    said = re.sub(
        rf"(?<![\w'])(?:{words.CENTURY_BEFORE})\s*(?P<n>{_NUMBER})(?![\w])\.?",
        lambda m: f" C{_number(m['n'])} ",
        said,
    )
    modifier = rf"(?:(?:{words.EARLY}|{words.MIDDLE}|{words.LATE})[\s-]*)?"
    ahead = rf"(?<![\w.'])(?P<n>{_NUMBER})(?:{_ORDINAL_END})(?={between}(?:{words.SMALL})?\s*{modifier}(?:{words.SMALL})?\s*C\d)"
    said = re.sub(ahead, lambda m: f" C{_number(m['n'])} ", said)
    behind = rf"(?P<c>C\d+)(?P<b>{between})(?P<n>{_NUMBER})(?:{_ORDINAL_END})(?![\w\d])"
    return re.sub(behind, lambda m: f" {m['c']} {m['b']} C{_number(m['n'])} ", said)


def _decades(said: str) -> str:
    """Decades; "1800s" and its like are the century, unless another decade stands beside them."""
    said = re.sub(rf"(?<!\w)(?:{words.DECADE})\s+(\d{{3}}0)(?!\d)", r" D\1 ", said)
    said = re.sub(rf"(?<!\w)(?:{words.YEARS_OF})\s+(\d{{3}}0)(?!\d)", r"\1s", said)
    said = re.sub(rf"(?<!\d)(\d{{3}}0)\s?'?(?:{words.YEARS_BEHIND})(?!\w)", r"\1s", said)
    if not re.search(r"(?<!\d)\d\d[1-9]0s|D\d", said):
        said = re.sub(r"(?<!\d)(\d\d)00s", lambda m: f" C{int(m[1]) + 1} ", said)
    return re.sub(r"(?<!\d)(\d{3}0)s", r" D\1 ", said)


def _parts(said: str) -> str:
    letters = {2: "H", 4: "Q", 3: "T"}
    for size, unit in words.UNITS.items():
        for number, stems in list(words.ORDINALS.items())[:size]:
            said = re.sub(
                rf"(?:{_word(stems)}|(?<!\w){number}{_ORDINAL_END})[\s-]+(?:{unit})(?!\w)",
                f" {letters[size]}{number} ",
                said,
            )
        said = re.sub(rf"{_word(words.LAST)}[\s-]+(?:{unit})(?!\w)", f" {letters[size]}{size} ", said)
    for number, stems in ((1, words.EARLY), (2, words.MIDDLE), (3, words.LATE)):
        said = re.sub(
            rf"{_word(stems)}\.?-?(?=\s|\d|C|$)(?!\s*-?\s*C?\d+\s*{_word(words.TO)}$)", f" T{number} ", said
        )
    return said


def _days(said: str) -> str:
    """Days, months and seasons are taken away: the year is what counts."""
    said = re.sub(r"(?<!\d)\d{1,2}([./-])\d{1,2}\1(\d{4})(?!\d)", r"\2", said)
    said = re.sub(r"(?<!\d)(\d{4})([./-])\d{1,2}\2\d{1,2}(?!\d)", r"\1", said)
    day = rf"(?:(?<!\d)\d{{1,2}}(?:{_ORDINAL_END})\s*(?:of|de|d')?\s*)?"
    said = re.sub(
        rf"{day}{_word(words.MONTHS)}\.?(?:\s*\d{{1,2}}(?:st|nd|rd|th|\.)?(?=,|\s+\d{{3,4}}))?(?=[\s,]|$)",
        " ",
        said,
    )
    return re.sub(_word(words.SEASONS), " ", said)


def _ranges(said: str) -> str:
    """Words about what lies between, before and after."""
    said = re.sub(r"(?<=[HQT]\d)\s+of(?!\w)", " ", said)
    said = re.sub(rf"(?<![\w'])(?:{words.ABOUT})(?![\w'])|(?<!\w)c(?:a|irca)?\.?(?=\d)", " ", said)
    said = re.sub(r"(?<!\d)(\d{3,4})\s*/\s*(\d{1,4})(?!\d)", r"\1 TO \2", said)
    said = re.sub(r"\b([mdclxvi]{4,})\b", lambda m: str(_number(m[1])), said)
    said = " ".join(said.split())
    if found := _RANGE.fullmatch(said):
        return f"{found['a']} {'OR' if found['or'] else 'TO'} {found['b']}"
    for token in ("UNTIL", "SINCE", "BEFORE", "AFTER"):
        said = re.sub(rf"^(?:{getattr(words, token)})(?![\w'])(?=.*\d)", f"{token} ", said)
    return said
