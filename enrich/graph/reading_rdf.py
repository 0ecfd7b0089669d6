"""The quads of an RDF document as a stream; what cannot be read is left out where the format allows it, and counted."""

import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from typing import Any, BinaryIO

import pyoxigraph as ox
from pyoxigraph import Quad, RdfFormat

from enrich.graph.json_ld import Contexts
from enrich.graph.sources import Document
from enrich.graph.stores.embedded import one_line
from enrich.graph.turtle_recovery import Recovery
from enrich.graph.xml_recovery import NOWHERE, BoundedEntities, line_of_text, without_flaws

CHUNK = 2_000
"""Lines of N-Triples or N-Quads that are parsed together; only a chunk with a bad one is read by line."""
LONGEST = 16 << 20
"""Bytes that a literal may have: what the parser takes."""
SHOWN = 5
"""Bad lines whose numbers are given."""
TOO_LONG = f"a literal of more than {LONGEST >> 20} MB, which the parser does not take"
REFUSALS = (SyntaxError, ValueError, MemoryError)
"""What the parser raises for a document that it cannot read; MemoryError for a literal beyond its limit."""


@dataclass(slots=True)
class Reading:
    """The quads of a document as they are read, and what is left out on the way.

    `cut` says whether the document ends in the middle of a statement, so that only its beginning was read.
    """

    quads: Iterator[Quad]
    dropped: Callable[[], int] = lambda: 0
    account: Callable[[], list[str]] = list
    lost_prefixes: Callable[[], int] = lambda: 0
    cut: Callable[[], bool] = lambda: False


def why_of(error: BaseException) -> str:
    """What the parser said, in a sentence."""
    return TOO_LONG if isinstance(error, MemoryError) else one_line(error)


def read_quads(
    source: Document, stream: BinaryIO, rdf_format: RdfFormat, contexts: Contexts, *, recovering: bool
) -> Reading:
    """Read a document: as it should be or, when `recovering`, leaving out what is wrong in it.

    For JSON-LD recovering means to put the contexts that it names by an address into it.
    """
    if rdf_format in (RdfFormat.N_TRIPLES, RdfFormat.N_QUADS):
        bad = _BadLines()
        return Reading(
            _by_lines(stream, rdf_format, bad), lambda: bad.count, bad.sentences, cut=lambda: bad.cut
        )
    if rdf_format == RdfFormat.RDF_XML and not recovering:
        return Reading(iter(ox.parse(BoundedEntities(stream, source.name), rdf_format)))  # type: ignore[arg-type]
    if rdf_format in (RdfFormat.RDF_XML, RdfFormat.JSON_LD):
        return _leniently(source, stream, rdf_format, contexts if recovering else None)
    if not recovering:
        return Reading(iter(ox.parse(stream, rdf_format)))
    found = Recovery()
    return Reading(
        found.quads(stream),
        found.dropped.total,
        found.sentences,
        lambda: found.lost_directives,
        lambda: found.cut,
    )


def line_of_length(stream: BinaryIO) -> int | None:
    """The first line that is longer than a literal may be; None when none is."""
    number = 1
    for piece in iter(lambda: stream.readline(LONGEST), b""):
        if len(piece) == LONGEST:
            return number
        number += 1
    return None


@dataclass(slots=True)
class _BadLines:
    count: int = 0
    first: list[int] = field(default_factory=list)
    why: str = ""
    last: int = 0
    cut: bool = False

    def add(self, number: int, line: bytes, error: BaseException) -> None:
        """Count a line once, though its pieces come one by one."""
        self.cut = not line.endswith(b"\n")
        if number == self.last:
            return
        self.last = number
        self.count += 1
        self.why = self.why or re.sub(r"^Parser error[^:]*: ", "", why_of(error))
        if len(self.first) < SHOWN:
            self.first.append(number)

    def sentences(self) -> list[str]:
        """What was left out, in words."""
        if not self.count:
            return []
        lines = ", ".join(map(str, self.first)) + (" …" if self.count > len(self.first) else "")
        return [f"{self.count:,} malformed lines were left out (lines {lines}); the first: {self.why}"]


def _by_lines(stream: BinaryIO, rdf_format: RdfFormat, bad: _BadLines) -> Iterator[Quad]:
    number = 1
    pieces = iter(lambda: stream.readline(2 * LONGEST), b"")
    while lines := list(islice(pieces, CHUNK)):
        try:
            yield from list(ox.parse(b"".join(lines), rdf_format))
            number += len(lines)
        except REFUSALS:
            for line in lines:
                try:
                    yield from list(ox.parse(line, rdf_format))
                except REFUSALS as error:
                    bad.add(number, line, error)
                number += line.endswith(b"\n")


def _leniently(
    source: Document, stream: BinaryIO, rdf_format: RdfFormat, contexts: Contexts | None
) -> Reading:
    """RDF/XML or JSON-LD without the triples that are none; the parser would leave out those of JSON-LD silently."""
    document: Any = stream
    if rdf_format == RdfFormat.RDF_XML:
        document = BoundedEntities(stream, source.name)
    elif contexts is not None:
        document = contexts.inlined(stream.read())
    dropped: Counter[str] = Counter()
    base = NOWHERE if rdf_format == RdfFormat.JSON_LD else None
    quads = without_flaws(ox.parse(document, rdf_format, base_iri=base, lenient=True), dropped)
    return Reading(quads, dropped.total, lambda: _flaws(source, rdf_format, dropped))


def _flaws(source: Document, rdf_format: RdfFormat, dropped: Counter[str]) -> list[str]:
    if not dropped:
        return []
    first = next(iter(dropped))
    with source.open() as stream:
        line = line_of_text(stream, first)
    where = f" (line {line})" if line else ""
    what = "an IRI or language tag that is none"
    if rdf_format == RdfFormat.JSON_LD:
        what += ", or a key that no context explains"
    return [f"{dropped.total():,} triples were left out; the first for {what}: <{first}>{where}"]
