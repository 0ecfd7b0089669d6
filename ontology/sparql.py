"""SPARQL text taken apart: its tokens, its clauses, and the servers that it would ask. Nothing is executed."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

TOKEN = re.compile(
    r"""(?P<iri> <[^<>"{}|^`\\\x00-\x20]*+>)
      | (?P<string> \"\"\"(?:[^"\\]|\\.|\"(?!\"\"))*+\"\"\" | '''(?:[^'\\]|\\.|'(?!''))*+'''
        | "(?!"")(?:[^"\\\n\r]|\\.)*+" | '(?!'')(?:[^'\\\n\r]|\\.)*+')
      | (?P<unended> ["'].*)
      | (?P<comment> \#[^\n\r]*)
      | (?P<variable> [?$]\w+)
      | (?P<name> [\w.-]{0,100}+:(?:[\w.:%-]|\\[_~.!$&'()*+,;=/?\#@%-])*)
      | (?P<language> @[A-Za-z]+(?:-[A-Za-z0-9]+)*)
      | (?P<number> (?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
      | (?P<word> [A-Za-z_]\w*)
      | (?P<brace> [{}])
      | (?P<other> .)""",
    re.VERBOSE | re.DOTALL,
)
"""SPARQL 1.1 §19.8, as far as it matters where a word stands. A string that does not end goes to the end of the text. No
token is sought twice over a long way (prefixes have at most 100 characters): the time grows with the text, not its square."""

UPDATES = frozenset(["INSERT", "DELETE", "LOAD", "CLEAR", "CREATE", "DROP", "COPY", "MOVE", "ADD", "WITH"])
"""The words that an update begins with."""
_FROM = re.compile(r"\bFROM\s+(?:NAMED\s+)?(?:<[^<>\s]*>|[\w.-]*:[\w.:%-]*)", re.IGNORECASE)
_WHERE = re.compile(r"\bWHERE\s*$", re.IGNORECASE)
_SERVICE = re.compile(r"(?<![:?$])service", re.IGNORECASE)
_SILENT = re.compile("silent", re.IGNORECASE)
_SPACE = "\x20\t\r\n"
_IRI = re.compile(r"""<(?P<iri>[^<>"{}|^`\\\x00-\x20]*+)>""")
_CODEPOINT = re.compile(r"\\u([0-9A-Fa-f]{4})|\\U([0-9A-Fa-f]{8})")


@dataclass(frozen=True, slots=True)
class Clauses:
    """A query cut into what stands before its WHERE, and from the brace of its WHERE to the end.

    `form` is SELECT, ASK, CONSTRUCT or DESCRIBE (or the first word of an update, or empty); `head` begins
    with it and holds neither comments, the template of a CONSTRUCT (`template`), nor FROM (`datasets`).
    """

    prologue: str
    form: str
    head: str
    template: str
    datasets: str
    where: str

    def text(self, head: str | None = None, datasets: str | None = None) -> str:
        """The query, with another head or other FROM clauses when they are given."""
        said = self.datasets if datasets is None else datasets
        first = f"{self.head} {self.template}" if head is None else head
        return f"{self.prologue} {first} {said} {'WHERE ' if self.where else ''}{self.where}"


def clauses(query: str) -> Clauses:
    """Take a query apart; never raises, also for what is no query."""
    text = without_comments(query)
    start, form = _form(text)
    first = _brace(text, start)
    template = ""
    if form == "CONSTRUCT" and text[start:first].strip().upper() == form:
        end = _closing(text, first)
        template, head, where = text[first:end], "CONSTRUCT", _brace(text, end)
        between = text[end:where]
    else:
        between, where = text[start:first], first
        head = ""
    datasets = " ".join(_FROM.findall(between))
    rest = _WHERE.sub("", _FROM.sub(" ", between).rstrip())
    return Clauses(text[:start], form, f"{head} {rest}".strip(), template, datasets, text[where:])


def words(query: str) -> set[str]:
    """The bare words of a query, its keywords among them, in capitals."""
    return {token[0].upper() for token in TOKEN.finditer(query) if token.lastgroup == "word"}


def without_comments(query: str) -> str:
    """The query without its comments; what looks like one inside an IRI or a string stays."""
    return "".join("" if token.lastgroup == "comment" else token[0] for token in TOKEN.finditer(query))


def services(query: str) -> Iterator[str | None]:
    """The addresses of the servers that a query would ask by SERVICE; None for one that is not a plain IRI.

    Looked for in the text itself, within strings and comments too, because lexers and parsers disagree on
    what these are: a query that asks is always found, one that only looks like it may be.
    """
    for text in dict.fromkeys((query, unescaped(query))):
        if found := [word.end() for word in _SERVICE.finditer(text)]:
            yield from _asked(text, found)


def _asked(text: str, found: list[int]) -> Iterator[str | None]:
    """The addresses that are followed by a brace, of those that stand at or, after spaces and comments, behind `found`."""
    behind, ends, named = _ahead(text)
    starts = {behind[place] for place in found}
    starts |= {behind[silent.end()] for place in starts if (silent := _SILENT.match(text, place))}
    for start in sorted(starts):
        iri = _IRI.match(text, start)
        if not iri and not named[start] and text[start : start + 1] not in ("?", "$"):
            continue
        end = behind[iri.end() if iri else ends[start]]
        if text[end : end + 1] == "{":
            yield iri["iri"] if iri else None


def _ahead(text: str) -> tuple[list[int], list[int], list[bool]]:
    """For each place in a text: where its spaces and comments end; where a name or variable ends that begins there, and
    whether it has a colon. Found in one pass, for a word can stand before a long way as often as the text is long."""
    last = len(text)
    behind, ends, named = list(range(last + 1)), list(range(last + 1)), [False] * (last + 1)
    line = last
    for place in reversed(range(last)):
        one = text[place]
        escaped = place and text[place - 1] == "\\"
        if one in "\r\n":
            line = place
        if one in _SPACE:
            behind[place] = behind[place + 1]
        elif one == "#":
            behind[place] = behind[min(line + 1, last)]
        if one not in _SPACE and one not in "<>{}" and (one != "#" or escaped):
            ends[place], named[place] = ends[place + 1], one == ":" or named[place + 1]
    return behind, ends, named


def unescaped(query: str) -> str:
    """The query with its codepoint escapes carried out (SPARQL 1.1 §19.2), once."""
    return _CODEPOINT.sub(lambda escape: _character(escape[1] or escape[2]), query)


def _character(digits: str) -> str:
    number = int(digits, 16)
    return chr(number) if number <= 0x10FFFF else ""


def _form(text: str) -> tuple[int, str]:
    """Where the first word after the prologue stands, and the word."""
    for token in TOKEN.finditer(text):
        if token.lastgroup == "word" and token[0].upper() not in ("PREFIX", "BASE"):
            return token.start(), token[0].upper()
    return len(text), ""


def _brace(text: str, start: int) -> int:
    """Where the first brace outside IRIs and strings stands."""
    braces = (t.start() for t in TOKEN.finditer(text, start) if t.lastgroup == "brace")
    return next(braces, len(text))


def _closing(text: str, start: int) -> int:
    """Behind the brace that closes the one at `start`."""
    depth = 0
    for token in TOKEN.finditer(text, start):
        if token.lastgroup == "brace":
            depth += 1 if token[0] == "{" else -1
            if not depth:
                return token.end()
    return len(text)
