"""Load RDF into a store: checked first, then streamed in one write, with an account of what was left out."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import uuid4

from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat

from enrich.errors import InputError
from enrich.graph.json_ld import Contexts, UnknownContext
from enrich.graph.reading_rdf import REFUSALS, line_of_length, read_quads, why_of
from enrich.graph.sources import Source, graph_of, sources_of, spooled
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import named
from enrich.graph.xml_recovery import line_of_error

REMEMBERED = 2_000_000
"""Quads of one file among which repeats are counted, to keep memory bounded."""

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class LoadReport:
    """What came of one document: quads loaded, lines, statements or quads left out, and why, in sentences.

    `repeated` counts the quads that stand in it once more; they are loaded once. `refused` says why nothing of it
    was loaded, `cut` whether it ends in the middle of a statement; `given` is the path that it was found under.
    """

    path: str
    quads: int
    dropped: int
    graphs: tuple[str, ...]
    account: tuple[str, ...]
    repeated: int = 0
    refused: str = ""
    cut: bool = False
    given: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Manner:
    """How to load: `graph` for triples that name none (otherwise `graph_of` the path, seen from `home`), the format
    where names do not say it, contexts of JSON-LD by address, and what graphs begin with that are our own.

    With `replace` the graphs of what is loaded are emptied first.
    """

    graph: NamedNode | None = None
    rdf_format: RdfFormat | None = None
    contexts: Contexts = field(default_factory=Contexts)
    reserved: str | None = None
    replace: bool = False
    home: Path | None = None


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a first reading found: the format, the number of quads, whether parts are left out, and the graphs."""

    rdf_format: RdfFormat
    quads: int
    recovering: bool
    graphs: frozenset[NamedNode]


@dataclass(frozen=True, slots=True)
class _Given:
    """A path as it was given, where it lies, and the graph for its triples."""

    name: str
    path: Path
    target: NamedNode

    def sources(self) -> Iterator[Source]:
        return sources_of(self.path, self.name)


def load_file(
    store: Store, path: Path, graph: NamedNode | None = None, progress: Progress | None = None
) -> LoadReport:
    """Load one document (see `load_files`). Raises InputError when it is refused."""
    return load_files(store, [path], Manner(graph), progress)[0]


def load_files(
    store: Store, paths: Sequence[Path], manner: Manner | None = None, progress: Progress | None = None
) -> list[LoadReport]:
    """Load files, folders, archives and, for `-`, standard input, in one write. A report for each document.

    A document is read once before anything is written. It is refused, and leaves no trace, when it is missing, no
    RDF, packed and cut short, malformed in a format that has no smaller parts to leave out, when it loses a prefix
    or keeps nothing, or names a graph of our own. InputError when none is left, or one of those that replace.
    Of N-Triples and N-Quads the malformed lines are left out, of Turtle the malformed statements, of RDF/XML
    triples with an IRI that is none, and quads that the store cannot hold. Loading a file twice adds nothing where
    it has no blank nodes; blank nodes of different documents, and of two loads, are different.
    """
    manner = manner or Manner()
    with spooled(list(paths)) as placed:
        given = [
            _Given(name, at, manner.graph or graph_of(path, manner.home))
            for path, (name, at) in zip(paths, placed, strict=True)
        ]
        return _Load(store, manner, given, progress).run()


class _Load:
    def __init__(
        self, store: Store, manner: Manner, given: Sequence[_Given], progress: Progress | None
    ) -> None:
        self._store = store
        self._manner = manner
        self._given = given
        self._progress = progress or (lambda *_: None)
        self._reports: list[LoadReport] = []

    def run(self) -> list[LoadReport]:
        """Check all, empty what is replaced, write all."""
        checked = [(given, found) for given in self._given if (found := self._check(given))]
        if self._reports and (self._manner.replace or not checked):
            more = f" (and {len(self._reports) - 1:,} others)" if len(self._reports) > 1 else ""
            raise InputError(self._reports[0].refused + more)
        if self._manner.replace:
            graphs = {graph for _, found in checked for one in found.values() for graph in one.graphs}
            for old in sorted(graphs, key=str):
                self._store.drop(old)
        self._store.insert(self._quads(checked), bulk=True)
        return self._reports

    def _check(self, given: _Given) -> dict[str, _Checked]:
        """What a first reading finds in each document of a path, reporting those that are refused.

        An archive that breaks off is refused as a whole, and so is the folder that it lies in.
        """
        checked: dict[str, _Checked] = {}
        number = 0
        try:
            for number, source in enumerate(given.sources(), 1):
                if number % 1_000 == 0:
                    self._progress(f"read {given.name}", number, 0)
                try:
                    checked[source.name] = _checked(source, self._manner, given.target)
                except InputError as error:
                    self._refuse(source.name, given, error)
            if not number:
                raise InputError(f"{given.name} holds no file that is RDF by its name")
        except InputError as error:
            self._refuse(given.name, given, error)
            return {}
        return checked

    def _refuse(self, name: str, given: _Given, error: InputError) -> None:
        self._reports.append(LoadReport(name, 0, 0, (), (), refused=str(error), given=given.name))

    def _quads(self, checked: Sequence[tuple[_Given, dict[str, _Checked]]]) -> Iterator[Quad]:
        """The quads of all documents; a report for each as it ends."""
        total = sum(one.quads for _, found in checked for one in found.values())
        stage = f"load {Path(self._given[0].name).name}" if len(self._given) == 1 else "load"
        done = 0
        for given, found in checked:
            for source in given.sources():
                if source.name not in found:
                    continue
                for quad in self._document(source, given, found[source.name]):
                    done += 1
                    if done % 10_000 == 0:
                        self._progress(stage, done, total)
                    yield quad

    def _document(self, source: Source, given: _Given, found: _Checked) -> Iterator[Quad]:
        sieve = _Sieve(self._store, given.target)
        with source.open() as stream:
            reading = read_quads(
                source, stream, found.rdf_format, self._manner.contexts, recovering=found.recovering
            )
            yield from sieve.passing(_apart(reading.quads))
        account = [*reading.account(), *sieve.sentences()]
        if not found.quads:
            account.append("it holds no statement")
        if reading.cut():
            account.append("it ends in the middle of a statement: only its beginning was loaded")
        self._reports.append(
            LoadReport(
                source.name,
                sieve.written - sieve.repeated,
                reading.dropped() + sieve.unfit.total(),
                tuple(sorted(sieve.graphs)),
                tuple(account),
                sieve.repeated,
                cut=reading.cut(),
                given=given.name,
            )
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


def _checked(source: Source, manner: Manner, target: NamedNode) -> _Checked:
    """Read a document once. Raises InputError when it is refused."""
    rdf_format = source.format(manner.rdf_format)
    try:
        found = _first_reading(source, rdf_format, manner, target, recovering=False)
    except REFUSALS as error:
        if not _recoverable(rdf_format, error):
            raise _malformed(source, _where(source, rdf_format, error)) from error
        try:
            found = _first_reading(source, rdf_format, manner, target, recovering=True)
        except REFUSALS as second:
            raise _malformed(source, _where(source, rdf_format, second)) from second
    ours = next((g for g in found.graphs if manner.reserved and g.value.startswith(manner.reserved)), None)
    if ours is not None:
        raise InputError(
            f"{source.name} has statements for the graph {ours}, and nothing of it was loaded: graphs that begin "
            f"with {manner.reserved} are enrich's own; take them out, or choose another base in enrich.toml"
        )
    return found


def _recoverable(rdf_format: RdfFormat, error: BaseException) -> bool:
    """Whether a second reading that leaves something out, or puts contexts in, may help."""
    if rdf_format == RdfFormat.JSON_LD:
        return "LoadDocumentCallback" in str(error)
    flawed = any(word in str(error) for word in ("IRI", "language tag"))
    return rdf_format == RdfFormat.TURTLE or (rdf_format == RdfFormat.RDF_XML and flawed)


def _where(source: Source, rdf_format: RdfFormat, error: BaseException) -> str:
    """What is wrong, with the line where the parser does not say it."""
    line = None
    with source.open() as stream:
        if isinstance(error, MemoryError):
            line = line_of_length(stream)
        elif rdf_format == RdfFormat.RDF_XML:
            line = line_of_error(stream)
    return f"line {line}: {why_of(error)}" if line else why_of(error)


def _first_reading(
    source: Source, rdf_format: RdfFormat, manner: Manner, target: NamedNode, *, recovering: bool
) -> _Checked:
    graphs = set()
    number = 0
    with source.open() as stream:
        try:
            reading = read_quads(source, stream, rdf_format, manner.contexts, recovering=recovering)
        except UnknownContext as error:
            raise InputError(
                f"{source.name} was not understood, and nothing of it was loaded: {error}"
            ) from error
        for quad in named(reading.quads, target):
            number += 1
            if isinstance(quad.graph_name, NamedNode):
                graphs.add(quad.graph_name)
        why = "; ".join(reading.account())
    if reading.lost_prefixes():
        raise _malformed(source, f"a prefix or base that others need does not parse: {why}")
    if reading.dropped() and not number:
        raise _malformed(source, f"none of it can be read: {why}")
    return _Checked(rdf_format, number, recovering, frozenset(graphs))


def _malformed(source: Source, why: str) -> InputError:
    return InputError(f"{source.name} is malformed, and nothing of it was loaded: {why}")


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
