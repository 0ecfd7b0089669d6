"""What may pass: SPARQL 1.1 queries without updates, other servers, vendors' extensions and pragmas.

What is sent on is the text as it was read here, without comments and codepoint escapes, so that no parser behind reads
it in another way.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass

from enrich.errors import InputError
from enrich.ontology.sparql import TOKEN, UPDATES, services, unescaped
from enrich.ontology.terms import XSD

FORMS = ("SELECT", "ASK", "CONSTRUCT", "DESCRIBE")
MOST_CHARACTERS = 200_000
"""A query longer than this is refused."""
_KEYWORDS = """
BASE PREFIX SELECT CONSTRUCT DESCRIBE ASK DISTINCT REDUCED AS FROM NAMED WHERE GROUP BY HAVING ORDER ASC DESC LIMIT
OFFSET VALUES UNDEF OPTIONAL GRAPH SERVICE SILENT BIND MINUS UNION FILTER IN NOT EXISTS A TRUE FALSE COUNT SUM MIN
MAX AVG SAMPLE GROUP_CONCAT SEPARATOR STR LANG LANGMATCHES DATATYPE BOUND IRI URI BNODE RAND ABS CEIL FLOOR ROUND
CONCAT STRLEN UCASE LCASE ENCODE_FOR_URI CONTAINS STRSTARTS STRENDS STRBEFORE STRAFTER YEAR MONTH DAY HOURS MINUTES
SECONDS TIMEZONE TZ NOW UUID STRUUID MD5 SHA1 SHA256 SHA384 SHA512 COALESCE IF STRLANG STRDT SAMETERM ISIRI ISURI
ISBLANK ISLITERAL ISNUMERIC REGEX SUBSTR REPLACE
"""
_WORDS = frozenset(_KEYWORDS.split())
"""The words of SPARQL 1.1 queries; there are no others."""
_SPACE = ("\x20", "\t", "\r", "\n")
_PUNCTUATION = frozenset("()[]{};,.+-*/|^?!=<>&")
_TYPES = """
string boolean integer decimal float double dateTime date time duration dayTimeDuration yearMonthDuration
"""
_CASTS = frozenset(str(XSD) + name for name in _TYPES.split())
_VENDORS = (
    "bif:",
    "sql:",
    "java:",
    "javascript:",
    "http://www.openlinksw.com/schemas/",
    "http://jena.apache.org/arq/",
    "http://jena.hpl.hp.com/arq/",
    "http://www.bigdata.com/",
    "http://www.ontotext.com/",
    "tag:stardog:",
)
"""Beginnings of IRIs that make a server do more than look up a triple, in small letters."""


class QueryNotAllowed(InputError):
    """A query that does not pass, and where it does not: `line` and `column` count from 1, 0 when it is the whole."""

    def __init__(self, why: str, line: int = 0, column: int = 0) -> None:
        super().__init__(f"line {line}, column {column}: {why}" if line else why)
        self.why, self.line, self.column = why, line, column


@dataclass(frozen=True, slots=True)
class Passed:
    """A query that may be asked: its text as it is sent, its form, and the prefixes that it declares."""

    text: str
    form: str
    prefixes: Mapping[str, str]


def passed(query: str, allowed: Collection[str] = ()) -> Passed:
    """The query, when it may be asked. `allowed` are the servers that it may ask by SERVICE. Raises QueryNotAllowed."""
    if len(query) > MOST_CHARACTERS:
        raise QueryNotAllowed(f"the query has more than {MOST_CHARACTERS:,} characters")
    text = unescaped(query.removeprefix("\ufeff"))
    if unescaped(text) != text:
        raise QueryNotAllowed("the query hides escapes in escapes")
    found = list(TOKEN.finditer(text))
    told = [token for token in found if token.lastgroup != "comment" and token[0] not in _SPACE]
    prefixes = _prefixes(text, told)
    for place, token in enumerate(told):
        _check(text, told, place, token, prefixes)
    form = next((w for w in _words(told) if w not in ("PREFIX", "BASE")), "")
    if form not in FORMS:
        raise QueryNotAllowed(
            "a query begins with SELECT, ASK, CONSTRUCT or DESCRIBE" if text.strip() else "the query is empty"
        )
    sent = "".join(" " * len(t[0]) if t.lastgroup == "comment" else t[0] for t in found)
    for server in services(sent):
        if server is None or server not in allowed:
            asked = f"<{server}>" if server else "one that is not written as <IRI>"
            raise QueryNotAllowed(f"other servers are not asked from here (SERVICE): {asked}")
    return Passed(sent, form, prefixes)


def _check(
    text: str, told: Sequence[re.Match[str]], place: int, token: re.Match[str], prefixes: Mapping[str, str]
) -> None:
    """Raises QueryNotAllowed for a token that is none of SPARQL's, or does more than ask."""
    kind, said = token.lastgroup, token[0]
    if kind == "unended":
        raise _refused(text, token, "a string that does not end")
    if kind == "other" and said not in _PUNCTUATION:
        raise _refused(text, token, f"{said!r} has no meaning in SPARQL")
    if kind == "word":
        _check_word(text, told, place, token)
    if kind in ("iri", "name"):
        iri = _iri(said, prefixes)
        if iri.lower().startswith(_VENDORS):
            raise _refused(text, token, f"{said} is an extension of one vendor's server")
        if place + 1 < len(told) and told[place + 1][0] == "(" and iri not in _CASTS:
            raise _refused(
                text,
                token,
                f"{said} is no function that may be called here: those of SPARQL 1.1 and the casts of XML Schema may "
                "(an RDF collection is asked by rdf:first and rdf:rest)",
            )


def _check_word(text: str, told: Sequence[re.Match[str]], place: int, token: re.Match[str]) -> None:
    word = token[0].upper()
    if word in UPDATES | {"USING", "INTO", "DATA"}:
        raise _refused(text, token, f"{word} belongs to an update, and this address only answers queries")
    if word not in _WORDS:
        raise _refused(text, token, f"{token[0]} is no word of SPARQL 1.1 queries")
    if word == "SERVICE":
        after = [t for t in told[place + 1 : place + 3] if t[0].upper() != "SILENT"]
        if not after or after[0].lastgroup != "iri":
            raise _refused(text, token, "other servers are not asked from here (SERVICE)")


def _words(told: Sequence[re.Match[str]]) -> Iterator[str]:
    return (token[0].upper() for token in told if token.lastgroup == "word")


def _prefixes(text: str, told: Sequence[re.Match[str]]) -> dict[str, str]:
    """The prefixes that the query declares. One that is declared twice would be read in two ways."""
    found: dict[str, str] = {}
    for word, name, iri in zip(told, told[1:], told[2:], strict=False):
        if word.lastgroup == "word" and word[0].upper() == "PREFIX":
            if name.lastgroup != "name" or iri.lastgroup != "iri" or not name[0].endswith(":"):
                raise _refused(text, word, "a prefix is declared as PREFIX name: <IRI>")
            if found.setdefault(name[0][:-1], iri[0][1:-1]) != iri[0][1:-1]:
                raise _refused(text, word, f"the prefix {name[0]} is declared twice")
    return found


def _iri(said: str, prefixes: Mapping[str, str]) -> str:
    """The IRI of a token; a name whose prefix is not declared stays as it is."""
    if said.startswith("<"):
        return said[1:-1]
    prefix, _, local = said.partition(":")
    return prefixes[prefix] + local if prefix in prefixes else said


def _refused(text: str, token: re.Match[str], why: str) -> QueryNotAllowed:
    before = text[: token.start()]
    return QueryNotAllowed(why, before.count("\n") + 1, token.start() - (before.rfind("\n") + 1) + 1)
