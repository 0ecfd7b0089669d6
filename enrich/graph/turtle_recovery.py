"""Reads Turtle that is not valid: what is well-formed is kept, and what was lost is accounted for.

A document is cut into statements (from a subject to its full stop). A statement that does not parse, or
that holds a relative IRI with no base to resolve it, costs that statement only. A statement that was read
before word for word is merged with it. Only a batch of statements is in memory at a time, beside a digest
of each statement.
"""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import IO

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from enrich.graph.xml_recovery import NOWHERE

BATCH = 256
"""Statements that are parsed together; only a batch that holds a bad one is parsed one by one."""
REMEMBERED = 1_000_000
"""Digests kept to recognise repeated statements, about 85 bytes each; then the memory starts afresh."""
LONGEST = 17_000_000
"""Characters after which a statement without an end is given up."""

RELATIVE = "relative IRI"
SYNTAX = "not valid Turtle"
ENCODING = "not UTF-8"
ENDLESS = "no full stop"
TOO_LONG = "a literal of more than 16 MB"

_DIRECTIVE = re.compile(
    r"\s*(?:@(?:prefix\s+[^\s:]*:|base)\s*<[^<>]*>\s*\.|(?:PREFIX\s+[^\s:]*:|BASE)\s*<[^<>]*>)", re.I
)
_NOTHING = re.compile(r"(?:\s|#[^\n]*(?:\n|\Z))*")
_BROKEN = re.compile(r"\s*@(?:prefix|base)\b.*\.\s*(?:#.*)?", re.I)
_DIRECTIVE_KEY = re.compile(r"\s*@?(prefix\s+[^\s:]*:|base)", re.I)
_END = re.compile(r"\.\s*(?:#[^\"'<>]*)?$")
_FRESH_START = re.compile(r"(?:<|_:|[A-Za-z][\w.-]*:|\[|@)")


@dataclass(frozen=True, slots=True)
class _Statement:
    line: int
    text: str
    ended: bool = True

    @property
    def lines(self) -> int:
        return self.text.count("\n") + (not self.text.endswith("\n"))


@dataclass
class Recovery:
    """What was read, kept and dropped; it fills while the quads are streamed.

    `statements` counts Turtle statements, directives aside; `duplicates` are those read before word for
    word; `dropped` and `dropped_lines` count lost statements and their lines by reason, `first` tells where
    the first of each was and what was wrong; `lost_directives` counts prefixes and bases that do not parse.
    """

    lines: int = 0
    statements: int = 0
    kept: int = 0
    triples: int = 0
    duplicates: int = 0
    dropped: Counter[str] = field(default_factory=Counter)
    dropped_lines: Counter[str] = field(default_factory=Counter)
    first: dict[str, str] = field(default_factory=dict)
    lost_directives: int = 0
    remembered_all: bool = True
    _unended: int = 0
    _last_dropped: int = 0
    _header: dict[str, str] = field(default_factory=dict)
    _header_text: str = ""
    _seen: set[bytes] = field(default_factory=set)

    @property
    def cut(self) -> bool:
        """Whether the document ends in the middle of a statement, which is lost then."""
        return 0 < self._unended <= self._last_dropped

    def sentences(self) -> list[str]:
        """The account in words, a sentence for each thing that a person should know."""
        said = [
            f"{self.lines:,} lines hold {self.statements:,} statements; "
            f"{self.kept:,} different ones were kept as {self.triples:,} triples."
        ]
        if self.duplicates:
            partly = "" if self.remembered_all else "At least "
            said.append(
                f"{partly}{self.duplicates:,} statements repeat an earlier one and were merged with it."
            )
        for reason, count in sorted(self.dropped.items()):
            said.append(
                f"{count:,} statements ({self.dropped_lines[reason]:,} lines) were dropped: {reason}; "
                f"the first at {self.first[reason]}"
            )
        return said

    def _drop(self, statement: _Statement, reason: str, message: str) -> None:
        self.dropped[reason] += 1
        self.dropped_lines[reason] += statement.lines
        self._last_dropped = max(self._last_dropped, statement.line)
        self.first.setdefault(reason, f"line {statement.line}: {message}")

    def quads(self, stream: IO[bytes]) -> Iterator[Quad]:
        """The quads of a Turtle document that can be read. Never raises for what the document holds."""
        batch: list[_Statement] = []
        for statement in _statements(self._lines(stream)):
            self._unended = 0 if statement.ended else statement.line
            if _DIRECTIVE.fullmatch(statement.text) or _BROKEN.fullmatch(statement.text):
                if self._header.get(_directive_key(statement.text)) != statement.text:
                    yield from self._flush(batch)
                    self._direct(statement)
            elif self._is_new(statement):
                batch.append(statement)
                if len(batch) == BATCH:
                    yield from self._flush(batch)
        yield from self._flush(batch)

    def _lines(self, stream: IO[bytes]) -> Iterator[str]:
        for raw in stream:
            self.lines += 1
            yield raw.decode("utf-8", "surrogateescape")

    def _direct(self, directive: _Statement) -> None:
        """Take a directive into the header of all that follows, if it is a valid one."""
        header = {**self._header, _directive_key(directive.text): directive.text}
        text = "".join(line.rstrip() + "\n" for line in header.values())
        try:
            list(_parsed(text, ""))
        except (SyntaxError, ValueError) as error:
            self.lost_directives += 1
            self._drop(directive, SYNTAX, _message(error))
            return
        self._header, self._header_text = header, text

    def _is_new(self, statement: _Statement) -> bool:
        self.statements += 1
        source = self._header_text + statement.text
        digest = blake2b(source.encode("utf-8", "surrogateescape"), digest_size=16).digest()
        if digest in self._seen:
            self.duplicates += 1
            return False
        if len(self._seen) >= REMEMBERED:
            self._seen.clear()
            self.remembered_all = False
        self._seen.add(digest)
        return True

    def _flush(self, batch: list[_Statement]) -> Iterator[Quad]:
        """Parse a batch at once; when something in it is wrong, each statement by itself."""
        if not batch:
            return
        quads = self._whole(batch)
        if quads is None:
            for statement in batch:
                yield from self._one(statement)
        else:
            yield from self._keep(quads, len(batch))
        batch.clear()

    def _whole(self, batch: list[_Statement]) -> list[Quad] | None:
        try:
            quads = list(_parsed(self._header_text, "\n".join(s.text for s in batch)))
        except (SyntaxError, ValueError, MemoryError):
            return None
        return None if any(_relative(quad) for quad in quads) else quads

    def _one(self, statement: _Statement) -> Iterator[Quad]:
        """One statement: kept or, when its parts cannot be told apart better, dropped."""
        try:
            quads = list(_parsed(self._header_text, statement.text))
        except (SyntaxError, ValueError, MemoryError) as error:
            pieces = list(_pieces(statement))
            if len(pieces) > 1:
                self.statements += len(pieces) - 1
                for piece in pieces:
                    yield from self._one(piece)
                return
            self._drop(statement, *_why(error, statement.text))
            return
        relative = [iri for quad in quads for iri in _relative(quad)]
        if relative:
            message = f"<{relative[0]}> is relative, and the document has no base"
            self._drop(statement, RELATIVE, message)
            return
        yield from self._keep(quads, 1)

    def _keep(self, quads: list[Quad], statements: int) -> list[Quad]:
        self.kept += statements
        self.triples += len(quads)
        return quads


def _parsed(header: str, text: str) -> Iterable[Quad]:
    source = (header + text).encode("utf-8")
    return parse(source, format=RdfFormat.TURTLE, base_iri=NOWHERE)


def _relative(quad: Quad) -> list[str]:
    """What its relative IRIs read before they were resolved against nowhere."""
    terms = (quad.subject, quad.predicate, quad.object)
    return [
        term.value.removeprefix(NOWHERE)
        for term in terms
        if isinstance(term, NamedNode) and term.value.startswith("x-relative:")
    ]


def _why(error: Exception, text: str) -> tuple[str, str]:
    if isinstance(error, UnicodeEncodeError):
        return ENCODING, "bytes that are not UTF-8 text"
    if isinstance(error, MemoryError):
        return TOO_LONG, "a literal beyond what the parser takes"
    if not _END.search(text.rstrip()):
        return ENDLESS, "the statement does not end in a full stop"
    return SYNTAX, _message(error)


def _message(error: Exception) -> str:
    """The parser's message without its position, which is that within a batch."""
    message = error.msg if isinstance(error, SyntaxError) else str(error)
    return re.sub(r"^Parser error[^:]*:\s*", "", re.sub(r"\s+", " ", str(message)))


def _directive_key(text: str) -> str:
    match = _DIRECTIVE_KEY.match(text)
    return " ".join(match.group(1).lower().split()) if match else text


def _statements(lines: Iterator[str]) -> Iterator[_Statement]:
    """Cut lines where one ends in a full stop outside a long string; comments between are left out."""
    buffer: list[str] = []
    size, start, quote = 0, 1, None
    for number, line in enumerate(lines, 1):
        stripped = line.strip()
        if not buffer:
            if not stripped or stripped.startswith("#"):
                continue
            size, start, quote = 0, number, None
        buffer.append(line)
        size += len(line)
        quote = _long_quote(line, quote)
        ended = quote is None and (_END.search(stripped) is not None or (len(buffer) == 1 and _directs(line)))
        if ended or size > LONGEST:
            yield from _apart(_Statement(start, "".join(buffer)))
            buffer = []
    if buffer:
        yield from _apart(_Statement(start, "".join(buffer), ended=False))


def _directs(line: str) -> bool:
    """Whether a line is a directive and no more than a comment behind it."""
    found = _DIRECTIVE.match(line)
    return found is not None and _NOTHING.fullmatch(line, found.end()) is not None


def _apart(statement: _Statement) -> Iterator[_Statement]:
    """The directives that a statement begins with, each by itself, and what stands behind them."""
    text, line = statement.text, statement.line
    while found := _DIRECTIVE.match(text):
        yield _Statement(line, found[0])
        behind = _NOTHING.match(text, found.end())
        end = behind.end() if behind else found.end()
        line += text.count("\n", 0, end)
        text = text[end:]
    if text:
        yield _Statement(line, text, statement.ended)


def _long_quote(line: str, quote: str | None) -> str | None:
    """The kind of long string that is open at the end of a line, given the one open before it."""
    position = 0
    while True:
        found = [(line.find(q, position), q) for q in ((quote,) if quote else ('"""', "'''"))]
        found = [(at, q) for at, q in found if at >= 0]
        if not found:
            return quote
        at, mark = min(found)
        if not (quote and line[at - 1 : at] == "\\"):
            quote = None if quote else mark
        position = at + 3


def _pieces(statement: _Statement) -> Iterator[_Statement]:
    """Cut a statement that does not parse where another could begin: after a line's full stop, or at a
    line that starts at the margin with a term; so a missing full stop or quote costs one statement."""
    piece: list[str] = []
    start = statement.line
    for number, line in enumerate(statement.text.splitlines(keepends=True), statement.line):
        if piece and (_FRESH_START.match(line) or _END.search(piece[-1].rstrip())):
            yield _Statement(start, "".join(piece))
            piece, start = [], number
        piece.append(line)
    if piece:
        yield _Statement(start, "".join(piece))
