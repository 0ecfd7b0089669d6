"""Load RDF into a store: checked first, then streamed in one write, with an account of what was left out."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import NoReturn

from pyoxigraph import NamedNode, Quad, RdfFormat

from enrich.errors import InputError
from enrich.graph.json_ld import Contexts, UnknownContext
from enrich.graph.load_register import Origins, register_of
from enrich.graph.reading_rdf import REFUSALS, line_of_length, read_quads, why_of
from enrich.graph.replacing import Difference, replace
from enrich.graph.sieve import Sieve, apart
from enrich.graph.sources import STANDARD_INPUT, Document, buffered_to_disk, graph_of, sources_of
from enrich.graph.stores.base import Store
from enrich.graph.stores.embedded import named
from enrich.graph.xml_recovery import line_of_error

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
    where names do not say it, contexts of JSON-LD by address, and what begins the IRIs of graphs that we make
    (`reserved`), and all IRIs that are our own (`own`). With
    `dry_run` all is read and reported, and nothing is written.
    """

    graph: NamedNode | None = None
    rdf_format: RdfFormat | None = None
    contexts: Contexts = field(default_factory=Contexts)
    reserved: str | None = None
    own: str | None = None
    home: Path | None = None
    dry_run: bool = False


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a first reading found: the format, the number of quads, whether parts are left out or the end is
    missing, and the graphs."""

    rdf_format: RdfFormat
    quads: int
    recovering: bool
    cut: bool
    graphs: frozenset[NamedNode]


@dataclass(frozen=True, slots=True)
class _Given:
    """A path as it was given, where it lies, the graph for its triples, and the name that it is noted under."""

    name: str
    path: Path
    target: NamedNode
    source: NamedNode

    def sources(self) -> Iterator[Document]:
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
    or keeps nothing, or names a graph of our own. InputError when none is left.
    Of N-Triples and N-Quads the malformed lines are left out, of Turtle the malformed statements, of RDF/XML
    triples with an IRI that is none, and quads that the store cannot hold. Loading a file twice adds nothing where
    it has no blank nodes; blank nodes of different documents, and of two loads, are different.
    """
    with _opened(store, paths, manner or Manner(), progress) as load:
        return load.add()


def replace_files(
    store: Store, paths: Sequence[Path], manner: Manner | None = None, progress: Progress | None = None
) -> tuple[list[LoadReport], Difference]:
    """Put what these hold in the place of what they held before (see `load_files`), in one step for readers.

    That are the graphs that they name now, and, without `manner.graph`, all graphs that came from the same paths.
    InputError, and nothing is changed, when a document is refused, is cut, or holds no statement.
    """
    with _opened(store, paths, manner or Manner(), progress) as load:
        return load.replace()


@contextmanager
def _opened(
    store: Store, paths: Sequence[Path], manner: Manner, progress: Progress | None
) -> Iterator["_Load"]:
    with buffered_to_disk(list(paths)) as placed:
        sources = [graph_of(path, manner.home) for path in paths]
        given = [
            _Given(name, at, manner.graph or source, source)
            for source, (name, at) in zip(sources, placed, strict=True)
        ]
        yield _Load(store, manner, given, progress)


class _Load:
    def __init__(
        self, store: Store, manner: Manner, given: Sequence[_Given], progress: Progress | None
    ) -> None:
        self._store = store
        self._manner = manner
        self._given = given
        self._progress = progress or (lambda *_: None)
        self._reports: list[LoadReport] = []
        self._register = register_of(store, manner.reserved) if manner.reserved else None

    def add(self) -> list[LoadReport]:
        """Check all, then write all."""
        checked = self._checked()
        if not checked:
            self._give_up()
        if self._manner.dry_run:
            deque(self._quads(checked), maxlen=0)
            return self._reports
        origins = _origins(checked)
        register = self._register
        notes = register.quads(origins) if register else []
        beside = origins and not self._store.exclusive
        with register.adding(origins) if register and beside else nullcontext():
            self._store.insert(chain(self._quads(checked), notes), bulk=True)
        return self._reports

    def replace(self) -> tuple[list[LoadReport], Difference]:
        """Check all, then put all of it in the place of what was there."""
        checked = self._checked()
        for given, found in checked:
            for name, one in found.items():
                if one.cut:
                    why = "it ends in the middle of a statement, and nothing was replaced: fetch it anew"
                    self._refuse(name, given, InputError(f"{name} is cut short: {why}"))
                elif not one.quads:
                    why = "nothing was replaced: fetch it anew, or leave it out where that is right"
                    self._refuse(name, given, InputError(f"there is no statement in {name}, and {why}"))
        if self._reports:
            self._give_up()
        origins = _origins(checked)
        graphs, others = self._replaced(origins)
        prefix = self._manner.reserved or "urn:enrich:"
        register = register_of(self._store, prefix)
        note = (
            register.noting({graph: origins.get(graph, set()) for graph in graphs}) if self._register else ""
        )
        difference = replace(
            self._store,
            graphs,
            self._quads(checked),
            note,
            register,
            staging=f"{prefix}replacing/",
            dry_run=self._manner.dry_run,
        )
        return self._reports, Difference(difference.graphs, difference.added, difference.removed, others)

    def _replaced(self, origins: Origins) -> tuple[set[NamedNode], tuple[str, ...]]:
        """The graphs that are replaced, and a sentence for each source that is not given but filled one of them."""
        sources = {given.source for given in self._given} - {graph_of(STANDARD_INPUT)}
        noted = self._register.origins() if self._register else {}
        graphs = set(origins)
        if self._manner.graph is None:
            graphs |= {graph for graph, found in noted.items() if found & sources}
            graphs |= sources & set(self._store.graphs(beside=self._manner.reserved))
        lost = sorted(
            (graph.value, source.value) for graph in graphs for source in noted.get(graph, set()) - sources
        )
        return graphs, tuple(f"{graph}: what came from {source} was replaced too" for graph, source in lost)

    def _checked(self) -> list[tuple[_Given, dict[str, _Checked]]]:
        return [(given, found) for given in self._given if (found := self._check(given))]

    def _give_up(self) -> NoReturn:
        more = f" (and {len(self._reports) - 1:,} others)" if len(self._reports) > 1 else ""
        raise InputError(self._reports[0].refused + more)

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

    def _document(self, source: Document, given: _Given, found: _Checked) -> Iterator[Quad]:
        sieve = Sieve(self._store, given.target)
        with source.open() as stream:
            reading = read_quads(
                source, stream, found.rdf_format, self._manner.contexts, recovering=found.recovering
            )
            yield from sieve.passing(apart(reading.quads))
        account = [*reading.account(), *sieve.sentences()]
        if not found.quads:
            account.append("it holds no statement")
        if reading.cut():
            account.append("it ends in the middle of a statement: only its beginning was loaded")
        self._reports.append(
            LoadReport(
                source.name,
                sieve.written - sieve.repeated,
                reading.dropped() + sieve.left_out.total(),
                tuple(sorted(sieve.graphs)),
                tuple(account),
                sieve.repeated,
                cut=reading.cut(),
                given=given.name,
            )
        )


def _origins(checked: Sequence[tuple[_Given, dict[str, _Checked]]]) -> Origins:
    """The graphs that documents name, and the sources of each; nobody finds standard input again."""
    origins: Origins = {}
    for given, found in checked:
        for one in found.values():
            for graph in one.graphs:
                origins.setdefault(graph, set()).update({given.source} - {graph_of(STANDARD_INPUT)})
    return origins


def _checked(source: Document, manner: Manner, target: NamedNode) -> _Checked:
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
    own = manner.own or manner.reserved
    ours = next((g for g in found.graphs if own and g.value.startswith(own)), None)
    if ours is not None:
        raise InputError(
            f"{source.name} has statements for the graph {ours}, and nothing of it was loaded: graphs that begin "
            f"with {own} are enrich's own; take them out, or choose another base in enrich.toml"
        )
    return found


def _recoverable(rdf_format: RdfFormat, error: BaseException) -> bool:
    """Whether a second reading that leaves something out, or puts contexts in, may help."""
    if rdf_format == RdfFormat.JSON_LD:
        return "LoadDocumentCallback" in str(error)
    flawed = any(word in str(error) for word in ("IRI", "language tag"))
    return rdf_format == RdfFormat.TURTLE or (rdf_format == RdfFormat.RDF_XML and flawed)


def _where(source: Document, rdf_format: RdfFormat, error: BaseException) -> str:
    """What is wrong, with the line where the parser does not say it."""
    line = None
    with source.open() as stream:
        if isinstance(error, MemoryError):
            line = line_of_length(stream)
        elif rdf_format == RdfFormat.RDF_XML:
            line = line_of_error(stream)
    return f"line {line}: {why_of(error)}" if line else why_of(error)


def _first_reading(
    source: Document, rdf_format: RdfFormat, manner: Manner, target: NamedNode, *, recovering: bool
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
        why = "; ".join(sentence.removesuffix(".") for sentence in reading.account())
    if reading.lost_prefixes():
        raise _malformed(source, f"a prefix or base that others need does not parse: {why}")
    if reading.dropped() and not number:
        raise _malformed(source, f"none of it can be read: {why}")
    return _Checked(rdf_format, number, recovering, reading.cut(), frozenset(graphs))


def _malformed(source: Document, why: str) -> InputError:
    return InputError(f"{source.name} is malformed, and nothing of it was loaded: {why}")
