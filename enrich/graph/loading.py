"""Load RDF files into a store: checked first, then streamed, with an account of what was left out."""

import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import BinaryIO
from urllib.parse import quote
from uuid import uuid4

import pyoxigraph as ox
from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat

from enrich.errors import InputError
from enrich.graph.files import open_bytes
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import named, one_line
from enrich.graph.turtle_recovery import Salvage
from enrich.graph.xml_recovery import BoundedEntities, line_of_error, line_of_text, without_bad_iris

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

_REMOTE_CONTEXT = re.compile(rb'"@context"\s*:\s*(?:\[[^\]]*?)?"((?:https?:)[^"]*)"')

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
    lost_prefixes: Callable[[], int] = lambda: 0


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a first reading found: the number of quads, whether parts are to be left out, and the graphs."""

    quads: int
    recovering: bool
    graphs: frozenset[NamedNode]


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
    store: Store,
    path: Path,
    graph: NamedNode | None = None,
    progress: Progress | None = None,
    *,
    reserved: str | None = None,
    replace: bool = False,
    keep: Collection[str] = (),
) -> LoadReport:
    """Load a .nt, .nq, .ttl, .trig, .rdf or .jsonld file, or one of these with .gz.

    Triples that name no graph go into `graph`, or into one named for the file (`graph_of`). The file is
    read once before anything is written, so a file that is refused leaves no trace: InputError for one
    that is missing, no RDF, cut short, malformed in a format that has no smaller parts to leave out, that
    loses a prefix or keeps nothing, or that names a graph whose IRI begins with `reserved` (our own).
    Of N-Triples and N-Quads the malformed lines are left out, of Turtle the malformed statements
    (see `enrich.graph.turtle_recovery`), of RDF/XML triples with an IRI that is none, and quads that the store
    cannot hold. With `replace` the file's graphs but those in `keep` are emptied first. Loading a file twice
    adds nothing where it has no blank nodes; blank nodes of different files, and of two loads, are different.
    """
    rdf_format = format_of(path)
    target = graph or graph_of(path)
    checked = _checked(path, rdf_format, target)
    ours = next((g for g in checked.graphs if reserved and g.value.startswith(reserved)), None)
    if ours is not None:
        raise InputError(
            f"{path} has statements for the graph {ours}, and nothing of it was loaded: graphs that begin with "
            f"{reserved} are enrich's own; take them out, or choose another base in enrich.toml"
        )
    for old in sorted(checked.graphs, key=str) if replace else ():
        if old.value not in keep:
            store.drop(old)
    sieve = _Sieve(store, target)
    with open_bytes(path) as stream:
        reading = _reading(path, stream, rdf_format, checked.recovering)
        passed = sieve.passing(_apart(reading.quads))
        store.insert(_told(passed, path, checked.quads, progress), bulk=True)
    account = [*reading.account(), *sieve.sentences()]
    if not checked.quads:
        account.append("it holds no statement (JSON-LD without a context has none)")
    dropped = reading.dropped() + sieve.unfit.total()
    graphs = tuple(sorted(sieve.graphs))
    return LoadReport(
        str(path), sieve.written - sieve.repeated, dropped, graphs, tuple(account), sieve.repeated
    )


class _Sieve:
    """Lets the quads through that the store can hold, and counts them and the others."""

    def __init__(self, store: Store, target: NamedNode) -> None:
        self._store = store
        self._target = target
        self._seen: set[int] = set()
        self.unfit: Counter[str] = Counter()
        self.graphs: set[str] = set()
        self.written = 0
        self.repeated = 0

    def passing(self, quads: Iterable[Quad]) -> Iterator[Quad]:
        """The quads that fit, those without a graph in the target."""
        for quad in named(quads, self._target):
            if why := _unfit(self._store, quad):
                self.unfit[why.split(": ")[0]] += 1
                continue
            self.written += 1
            if len(self._seen) < REMEMBERED:
                before = len(self._seen)
                self._seen.add(hash(quad))
                self.repeated += len(self._seen) == before
            self.graphs.add(quad.graph_name.value)  # type: ignore[union-attr]  # never the default graph here
            yield quad

    def sentences(self) -> list[str]:
        """What was left out or loaded once only, in words."""
        said = [f"{count:,} quads were left out: {why}" for why, count in sorted(self.unfit.items())]
        if self.repeated:
            said.append(f"{self.repeated:,} triples stand in it more than once and were loaded once")
        return said


def _told(quads: Iterable[Quad], path: Path, total: int, progress: Progress | None) -> Iterator[Quad]:
    """The quads; every 10,000 of them progress is told."""
    for number, quad in enumerate(quads, 1):
        if progress is not None and number % 10_000 == 0:
            progress(f"load {path.name}", number, total)
        yield quad


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


def _checked(path: Path, rdf_format: RdfFormat, target: NamedNode) -> _Checked:
    """Read the file once. Raises InputError when it is refused."""
    try:
        return _first_reading(path, rdf_format, target, recovering=False)
    except (SyntaxError, ValueError) as error:
        if rdf_format == RdfFormat.RDF_XML and "IRI" not in str(error):
            with open_bytes(path) as stream:
                line = line_of_error(stream)
            raise _malformed(path, f"line {line}: {one_line(error)}" if line else one_line(error)) from error
        if rdf_format not in (RdfFormat.TURTLE, RdfFormat.RDF_XML):
            remote = _context_of(path) if "LoadDocumentCallback" in str(error) else None
            raise _malformed(path, remote or one_line(error)) from error
    try:
        return _first_reading(path, rdf_format, target, recovering=True)
    except (SyntaxError, ValueError) as error:
        raise _malformed(path, one_line(error)) from error


def _first_reading(path: Path, rdf_format: RdfFormat, target: NamedNode, *, recovering: bool) -> _Checked:
    graphs = set()
    number = 0
    with open_bytes(path) as stream:
        reading = _reading(path, stream, rdf_format, recovering)
        for quad in named(reading.quads, target):
            number += 1
            if isinstance(quad.graph_name, NamedNode):
                graphs.add(quad.graph_name)
        why = "; ".join(reading.account())
    if reading.lost_prefixes():
        raise _malformed(path, f"a prefix or base that others need does not parse: {why}")
    if reading.dropped() and not number:
        raise _malformed(path, f"none of it can be read: {why}")
    return _Checked(number, recovering, frozenset(graphs))


def _malformed(path: Path, why: str) -> InputError:
    return InputError(f"{path} is malformed, and nothing of it was loaded: {why}")


def _context_of(path: Path) -> str | None:
    """What to say of JSON-LD that names its context by an address; None when it does not."""
    with open_bytes(path) as stream:
        found = _REMOTE_CONTEXT.search(stream.read(1 << 20))
    if found is None:
        return None
    address = found[1].decode("utf-8", "replace")
    return f"it names the context {address}, which is not fetched; put the context itself into the file"


def _reading(path: Path, stream: BinaryIO, rdf_format: RdfFormat, recovering: bool) -> _Reading:
    if rdf_format in (RdfFormat.N_TRIPLES, RdfFormat.N_QUADS):
        bad = _BadLines()
        return _Reading(_by_lines(stream, rdf_format, bad), lambda: bad.count, bad.sentences)
    if rdf_format == RdfFormat.RDF_XML:
        dropped: Counter[str] = Counter()
        if recovering:
            quads = without_bad_iris(stream, path, dropped)
            return _Reading(quads, dropped.total, lambda: _bad_iris(path, dropped))
        return _Reading(iter(ox.parse(BoundedEntities(stream, path), rdf_format)))  # type: ignore[arg-type]
    if not recovering:
        return _Reading(iter(ox.parse(stream, rdf_format)))
    account = Salvage()
    return _Reading(
        account.quads(stream), account.dropped.total, account.sentences, lambda: account.lost_directives
    )


def _bad_iris(path: Path, dropped: Counter[str]) -> list[str]:
    if not dropped:
        return []
    first = next(iter(dropped))
    with open_bytes(path) as stream:
        line = line_of_text(stream, first)
    where = f" (line {line})" if line else ""
    return [f"{dropped.total():,} triples were left out; the first for an IRI that is none: <{first}>{where}"]


def _by_lines(stream: BinaryIO, rdf_format: RdfFormat, bad: _BadLines) -> Iterator[Quad]:
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
