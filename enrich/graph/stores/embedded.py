"""The embedded store: Oxigraph in this process, on disk or in memory, through pyoxigraph."""

import gc
import re
import threading
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import IO, TypeVar, cast

import pyoxigraph as ox
from pyoxigraph import DefaultGraph, NamedNode, Quad

from enrich.errors import QueryRefused, StoreError, StoreHeld, StoreUnavailable
from enrich.graph.stores.base import DEFAULT_GRAPH, PAGE_TOKEN, Health, Row, Rows, Store
from enrich.ontology.sparql import clauses

T = TypeVar("T")
BULK_BYTES = 1_000_000
"""N-Triples from which `bulk_load` costs less than `load` (some 8,000 triples)."""
TRIES, PAUSE_SECONDS = 5, 0.2
"""How often a store that is being written is opened to read."""
_FROM = re.compile(r"FROM\s+<([^>]*)>", re.IGNORECASE)
_FROM_NAMED = re.compile(r"FROM\s+NAMED\s+<([^>]*)>", re.IGNORECASE)
_DISK_FULL = ("No space left", "File too large", "quota exceeded")


class EmbeddedStore(Store):
    """Oxigraph on disk at `path`, or in memory when `path` is None.

    One process at a time holds a store on disk. With `read_only` the store is opened beside the process
    that holds it and shows what had been written to disk when it was opened; nothing can be written. Where that
    process tidies its files at this very moment, opening or reading fails, and another try succeeds.
    With `shared` other processes read and write through this one (see `hosting`).

    Writes take turns, for Oxigraph carries out two updates that overlap as if the other were not there: what an update
    finds in its WHERE is so until it is written. A bulk `insert` alone has no turn, for facts take minutes, and nobody
    who loads them asks first what is there.
    """

    def __init__(self, path: Path | None = None, *, read_only: bool = False, shared: bool = False) -> None:
        self.path = path
        self.read_only = read_only
        self.shared = shared
        self.writes = 0
        """How often something was written through this object."""
        self._where = f"the store at {path}" if path else "the store in memory"
        self._store: ox.Store | None = _open(path, read_only)
        self._turn = threading.Lock()

    @property
    def exclusive(self) -> bool:
        return not (self.read_only or self.shared)

    @property
    def paged(self) -> bool:
        return False

    @property
    def store(self) -> ox.Store:
        """The pyoxigraph store. Raises StoreError after `close`."""
        if self._store is None:
            raise StoreError(f"{self._where} was closed; open it again")
        return self._store

    def select(self, query: str) -> Rows:
        solutions = self._asked(query, ox.QuerySolutions, "a SELECT")
        return Rows(tuple(variable.value for variable in solutions.variables), self._rows(solutions))

    def query(self, query: str) -> ox.QuerySolutions | ox.QueryBoolean | ox.QueryTriples:
        """Run a query; one that names DEFAULT_GRAPH in a FROM means the default graph itself."""
        if f"FROM {DEFAULT_GRAPH}" not in query:
            return self.store.query(query)
        cut = clauses(query)
        names = [NamedNode(iri) for iri in _FROM.findall(cut.datasets)]
        return self.store.query(
            cut.text(datasets=""),
            default_graph=[DefaultGraph() if name == DEFAULT_GRAPH else name for name in names],
            named_graphs=[NamedNode(iri) for iri in _FROM_NAMED.findall(cut.datasets)],
        )

    def _asked(self, query: str, kind: type[T], what: str) -> T:
        with self.errors():
            found = self.query(query)
        if not isinstance(found, kind):
            raise QueryRefused(f"{self._where}: the query is not {what}")
        return found

    def _rows(self, solutions: ox.QuerySolutions) -> Iterator[Row]:
        with self.errors():
            for solution in solutions:
                yield tuple(solution)

    def select_by_key(self, query: str, key: str, page: int | None = None) -> Rows:  # noqa: ARG002
        return self.select(query.replace(PAGE_TOKEN, ""))

    def ask(self, query: str) -> bool:
        return bool(self._asked(query, ox.QueryBoolean, "an ASK"))

    def construct(self, query: str) -> Iterator[Quad]:
        return self._quads(self._asked(query, ox.QueryTriples, "a CONSTRUCT or DESCRIBE"))

    def _quads(self, triples: ox.QueryTriples) -> Iterator[Quad]:
        with self.errors():
            for triple in triples:
                yield Quad(triple.subject, triple.predicate, triple.object)

    def update(self, update: str, *, idempotent: bool = False) -> None:  # noqa: ARG002
        with self._turn, self.errors(writing=True):
            self.store.update(update)

    def insert(self, quads: Iterable[Quad], *, bulk: bool = False) -> None:
        with self.errors(writing=True):
            if bulk:
                self.store.bulk_extend(quads)
                return
            made = list(quads)  # before its turn: whoever makes them may write as well
            with self._turn:
                self.store.extend(made)

    def objection(self, quad: Quad) -> str | None:  # noqa: ARG002
        return None

    def write_graph(self, graph: NamedNode | DefaultGraph, triples: bytes) -> None:
        """In bulk when it is large: that costs less of the processor, but every call makes files of its own."""
        with self._turn, self.errors(writing=True):
            write = self.store.bulk_load if len(triples) >= BULK_BYTES else self.store.load
            write(triples, ox.RdfFormat.N_TRIPLES, to_graph=graph)

    def fingerprint(self, graph: NamedNode | DefaultGraph, copy: IO[bytes] | None = None) -> str | None:
        digest = Digest(copy)
        with self.errors():
            self.store.dump(cast(IO[bytes], digest), ox.RdfFormat.N_TRIPLES, from_graph=graph)
        return digest.sha256.hexdigest()

    def drop(self, graph: NamedNode) -> None:
        with self._turn, self.errors(writing=True):
            self.store.remove_graph(graph)

    def dump(self, target: IO[bytes], graph: NamedNode | None = None) -> None:
        with self.errors():
            form = ox.RdfFormat.N_QUADS if graph is None else ox.RdfFormat.N_TRIPLES
            self.store.dump(target, form, from_graph=graph)

    def count(self, graph: NamedNode | None = None) -> int:
        with self.errors():
            if graph is None:
                return len(self.store)
            return sum(1 for _ in self.store.quads_for_pattern(None, None, None, graph))

    def graphs(self, *, beside: str | None = None) -> list[NamedNode]:
        with self.errors():
            names = [n for n in self.store.named_graphs() if isinstance(n, NamedNode)]
            names = [n for n in names if beside is None or not n.value.startswith(beside)]
            full = [n for n in names if next(self.store.quads_for_pattern(None, None, None, n), None)]
        return sorted(full, key=lambda name: name.value)

    def health(self) -> Health:
        description = f"Oxigraph {ox.__version__}, embedded, {self.path or 'in memory'}"
        try:
            self.ask("ASK {}")
        except StoreError as error:
            return Health(False, False, description, str(error))
        return Health(True, not self.read_only, description, "opened read only" if self.read_only else None)

    def close(self) -> None:
        """Let the store go, and its lock with it, once no unfinished stream of rows holds it."""
        try:
            if self._store is not None and self.path is not None and not self.read_only:
                with self.errors(writing=True):
                    self._store.flush()
        finally:
            self._store = None
            if self.path is not None:
                gc.collect()

    @contextmanager
    def errors(self, *, writing: bool = False) -> Iterator[None]:
        """Turn what pyoxigraph raises into a StoreError with one sentence."""
        if writing and self.read_only:
            raise StoreError(f"{self._where} was opened read only; open it for writing to change it")
        try:
            yield
            self.writes += writing
        except SyntaxError as error:
            raise QueryRefused(f"the query does not parse: {one_line(error)}") from error
        except (RuntimeError, ValueError) as error:
            raise QueryRefused(f"{self._where} refused: {one_line(error)}") from error
        except OSError as error:
            if any(words in str(error) for words in _DISK_FULL):
                raise StoreUnavailable(
                    f"{self._where} could not be written, and nothing of this was ({one_line(error)}): "
                    "make room, then open the store anew"
                ) from error
            again = "; another process is writing it: ask again" if self.read_only else ""
            raise StoreError(f"{self._where} failed: {one_line(error)}{again}") from error


class Digest:
    """A file to write to that keeps the SHA-256 and the number of lines of what was written, and hands it on."""

    def __init__(self, copy: IO[bytes] | None = None) -> None:
        self.sha256 = sha256()
        self.lines = 0
        self._copy = copy

    def write(self, data: bytes) -> int:
        self.sha256.update(data)
        self.lines += data.count(b"\n")
        if self._copy is not None:
            with suppress(OSError):
                self._copy.write(data)
        return len(data)

    def flush(self) -> None:
        """Nothing is kept back."""


def named(quads: Iterable[Quad], graph: NamedNode | None) -> Iterator[Quad]:
    """The quads, with those of the default graph put into `graph` when it is given."""
    for quad in quads:
        if graph is not None and isinstance(quad.graph_name, DefaultGraph):
            yield Quad(quad.subject, quad.predicate, quad.object, graph)
        else:
            yield quad


def one_line(error: BaseException) -> str:
    """The message of an error without line breaks, cut to 300 characters."""
    return " ".join(str(error).split())[:300]


def _open(path: Path | None, read_only: bool) -> ox.Store:
    if path is None:
        return ox.Store()
    try:
        if read_only:
            return _beside(path)
        path.mkdir(parents=True, exist_ok=True)
        return ox.Store(str(path))
    except OSError as error:
        if "lock" in str(error).lower():
            raise StoreHeld(
                f"the store at {path} is already open, and an embedded store serves one process at a time: "
                "wait for the other to end, or let several work with it at once through: enrich web"
            ) from error
        raise StoreError(f"the store at {path} cannot be opened: {one_line(error)}") from error


def _beside(path: Path) -> ox.Store:
    """Open a store that another process may be writing; a file that it has just replaced costs another try."""
    for _ in range(TRIES - 1):
        try:
            return ox.Store.read_only(str(path))
        except OSError:
            time.sleep(PAUSE_SECONDS)
    return ox.Store.read_only(str(path))
