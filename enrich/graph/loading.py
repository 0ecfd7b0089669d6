"""Load RDF files into a store: checked first, then streamed, with an account of what was left out."""

from __future__ import annotations

import gzip
import io
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import IO
from urllib.parse import quote
from uuid import uuid4

import pyoxigraph as ox
from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat

from enrich.errors import InputError
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import named, one_line

FORMATS = {
    ".nt": RdfFormat.N_TRIPLES,
    ".nq": RdfFormat.N_QUADS,
    ".ttl": RdfFormat.TURTLE,
    ".trig": RdfFormat.TRIG,
    ".rdf": RdfFormat.RDF_XML,
    ".jsonld": RdfFormat.JSON_LD,
}
CHUNK = 2_000
"""Lines of N-Triples or N-Quads that are parsed together; only a chunk with a bad one is read by line."""
REMEMBERED = 2_000_000
"""Quads of one file among which repeats are counted, to keep memory bounded."""
SHOWN = 5
"""Bad lines whose numbers are given."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What came of one file: quads loaded, lines, statements or quads left out, and why, in sentences.

    `repeated` counts the quads that stand in the file once more; they are loaded once.
    """

    path: str
    quads: int
    dropped: int
    graphs: tuple[str, ...]
    account: tuple[str, ...]
    repeated: int = 0


@dataclass(slots=True)
class _Reading:
    """The quads of a file as they are read, and what is left out on the way."""

    quads: Iterator[Quad]
    dropped: Callable[[], int] = lambda: 0
    account: Callable[[], list[str]] = list


@dataclass(slots=True)
class _BadLines:
    count: int = 0
    first: list[int] = field(default_factory=list)
    why: str = ""

    def add(self, number: int, error: SyntaxError) -> None:
        self.count += 1
        self.why = self.why or one_line(error).split(": ", 1)[-1]
        if len(self.first) < SHOWN:
            self.first.append(number)

    def sentences(self) -> list[str]:
        if not self.count:
            return []
        lines = ", ".join(map(str, self.first)) + (" …" if self.count > len(self.first) else "")
        return [f"{self.count:,} malformed lines were left out (lines {lines}); the first: {self.why}"]


def load_file(
    store: Store, path: Path, graph: NamedNode | None = None, progress: Progress | None = None
) -> LoadReport:
    """Load a .nt, .nq, .ttl, .trig, .rdf or .jsonld file, or one of these with .gz.

    Triples that name no graph go into `graph`, or into one named for the file (`graph_of`). The file is
    read once before anything is written, so a file that is refused leaves no trace: InputError for one
    that is missing, no RDF, cut short or, in a format that has no smaller parts to leave out, malformed.
    Of N-Triples and N-Quads the malformed lines are left out, of Turtle the malformed statements
    (see `enrich.graph.turtle_recovery`), and quads that the store cannot hold. Loading a file twice adds nothing where
    it has no blank nodes; blank nodes of different files, and of two loads, are different.
    """
    rdf_format = format_of(path)
    target = graph or graph_of(path)
    total, salvaging = _checked(path, rdf_format)
    unfit: Counter[str] = Counter()
    graphs: set[str] = set()
    written = repeated = 0
    seen: set[int] = set()

    def fitting(quads: Iterable[Quad]) -> Iterator[Quad]:
        nonlocal written, repeated
        for quad in named(quads, target):
            if why := _unfit(store, quad):
                unfit[why.split(": ")[0]] += 1
                continue
            written += 1
            if len(seen) < REMEMBERED:
                before = len(seen)
                seen.add(hash(quad))
                repeated += len(seen) == before
            graphs.add(quad.graph_name.value)  # type: ignore[union-attr]  # never the default graph here
            if progress is not None and written % 10_000 == 0:
                progress(f"load {path.name}", written, total)
            yield quad

    with _opened(path) as stream:
        reading = _reading(stream, rdf_format, salvaging)
        store.insert(fitting(_apart(reading.quads)), bulk=True)
    account = reading.account()
    account += [f"{count:,} quads were left out: {why}" for why, count in sorted(unfit.items())]
    if repeated:
        account.append(f"{repeated:,} triples stand in it more than once and were loaded once")
    dropped = reading.dropped() + unfit.total()
    return LoadReport(str(path), written - repeated, dropped, tuple(sorted(graphs)), tuple(account), repeated)


def format_of(path: Path) -> RdfFormat:
    """The RDF format that the file's name says. Raises InputError for a name that says none."""
    suffixes = [s.lower() for s in path.suffixes]
    suffix = next(iter(suffixes[-2:-1] if suffixes[-1:] == [".gz"] else suffixes[-1:]), "")
    if suffix not in FORMATS:
        raise InputError(
            f"{path} is no RDF file by its name; it ends in {', '.join(FORMATS)}, or these with .gz"
        )
    return FORMATS[suffix]


def graph_of(path: Path) -> NamedNode:
    """The graph for triples that name none: `urn:enrich:loaded:` and the file's name, without .gz."""
    name = path.name.removesuffix(".gz")
    return NamedNode(f"urn:enrich:loaded:{quote(name)}")


def _checked(path: Path, rdf_format: RdfFormat) -> tuple[int, bool]:
    """The number of quads, and whether the file is to be salvaged. Raises InputError when it is refused."""
    try:
        with _opened(path) as stream:
            return sum(1 for _ in _reading(stream, rdf_format, salvaging=False).quads), False
    except (SyntaxError, ValueError) as error:
        if rdf_format != RdfFormat.TURTLE:
            raise InputError(
                f"{path} is malformed, and nothing of it was loaded: {one_line(error)}"
            ) from error
    with _opened(path) as stream:
        return sum(1 for _ in _reading(stream, rdf_format, salvaging=True).quads), True


def _reading(stream: IO[bytes], rdf_format: RdfFormat, salvaging: bool) -> _Reading:
    if rdf_format in (RdfFormat.N_TRIPLES, RdfFormat.N_QUADS):
        bad = _BadLines()
        return _Reading(_by_lines(stream, rdf_format, bad), lambda: bad.count, bad.sentences)
    if not salvaging:
        return _Reading(iter(ox.parse(stream, rdf_format)))
    from enrich.graph.turtle_recovery import salvage

    quads, account = salvage(stream, None)
    return _Reading(quads, lambda: account.dropped.total(), account.sentences)


def _by_lines(stream: IO[bytes], rdf_format: RdfFormat, bad: _BadLines) -> Iterator[Quad]:
    number = 1
    while lines := list(islice(stream, CHUNK)):
        try:
            yield from list(ox.parse(b"".join(lines), rdf_format))
        except SyntaxError:
            for offset, line in enumerate(lines):
                try:
                    yield from list(ox.parse(line, rdf_format))
                except SyntaxError as error:
                    bad.add(number + offset, error)
        number += len(lines)


def _apart(quads: Iterable[Quad]) -> Iterator[Quad]:
    """The quads with their blank nodes renamed, so that no other file has the same."""
    token = uuid4().hex[:16]

    for quad in quads:
        subject, value, graph = quad.subject, quad.object, quad.graph_name
        if isinstance(subject, BlankNode) or isinstance(value, BlankNode):
            if isinstance(subject, BlankNode):
                subject = BlankNode(f"{token}{subject.value}")
            if isinstance(value, BlankNode):
                value = BlankNode(f"{token}{value.value}")
            yield Quad(subject, quad.predicate, value, graph)
        else:
            yield quad


def _unfit(store: Store, quad: Quad) -> str | None:
    if isinstance(quad.graph_name, BlankNode):
        return "the graph is named by a blank node"
    return store.objection(quad)


@contextmanager
def _opened(path: Path) -> Iterator[IO[bytes]]:
    """The file's bytes, unpacked. A file that cannot be read raises InputError."""
    try:
        with path.open("rb") as raw:
            if path.suffix.lower() == ".gz":
                with gzip.GzipFile(fileobj=raw) as packed:
                    yield io.BufferedReader(packed, 1 << 20)
            else:
                yield raw
    except (EOFError, gzip.BadGzipFile, zlib.error) as error:
        raise InputError(
            f"{path} is cut short or damaged, and nothing of it was loaded: {one_line(error)}"
        ) from error
    except OSError as error:
        raise InputError(f"{path} cannot be read: {error.strerror or one_line(error)}") from error
