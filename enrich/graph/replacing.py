"""Put new content in the place of old by what differs, in one update: a reader sees the one or the other."""

import tempfile
import time
from array import array
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO
from uuid import uuid4

import numpy as np
from numpy.typing import NDArray
from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat, parse

from enrich.classifiers.digest import short_digest
from enrich.errors import StoreError
from enrich.graph.blank_nodes import shapes
from enrich.graph.load_register import LoadRegister, Mark
from enrich.graph.stores.base import Store
from enrich.graph.stores.pieces import line_of

DIRECT_LINES, DIRECT_BYTES = 1_000, 500_000
"""What one update says outright to a server, without blank nodes; of more it is told first what comes and goes."""
LEFT_OVER = 86_400
"""Seconds after which what a killed replacement left on a server is taken away by the next."""
_CHUNK = 20_000


@dataclass(frozen=True, slots=True)
class Difference:
    """The graphs that were replaced, how many statements came and went, and what else is to be said.

    Those with blank nodes come and go all together, graph by graph, unless they are the same as before.
    """

    graphs: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0
    account: tuple[str, ...] = ()


@dataclass(slots=True)
class _Part:
    """One graph: its old content, what is added and what is removed, in files of N-Triples."""

    graph: NamedNode
    old: Path
    added: Path
    removed: Path
    blank: int = 0
    blank_new: int = 0
    """How many of the old and of the new statements have blank nodes."""

    @property
    def blanks_go(self) -> str:
        """The update that takes the statements with blank nodes out."""
        every = f"GRAPH {self.graph} {{ ?s ?p ?o }}"
        return f"DELETE {{ {every} }} WHERE {{ {every} FILTER(isBlank(?s) || isBlank(?o)) }}"


def replace(
    store: Store,
    graphs: Collection[NamedNode],
    quads: Iterable[Quad],
    note: str,
    register: LoadRegister,
    *,
    staging: str,
    dry_run: bool = False,
) -> Difference:
    """Make these quads all that the graphs hold; `note` is an update that is carried out with it.

    A store that was killed on the way holds the old content or the new. On a server much that differs is laid in
    graphs that begin with `staging` first. With `dry_run` what differs is counted, and nothing is written.
    Raises StoreError where another replaced one of them meanwhile (see `Mark`).
    """
    ordered = sorted(graphs, key=str)
    mark = Mark(register, ordered)
    marked = " ;\n".join(filter(None, (note, mark.update)))
    if not dry_run and store.exclusive and not set(store.graphs()) & set(ordered):
        counted = _Counted(quads)
        _carry_out(store, marked, mark)
        store.insert(counted, bulk=True)
        return Difference(tuple(graph.value for graph in ordered), counted.number)
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder)
        parts = [
            _Part(graph, place / f"{n}.old", place / f"{n}.added", place / f"{n}.removed")
            for n, graph in enumerate(ordered)
        ]
        added, removed = _compared(store, parts, quads)
        size = sum(file.stat().st_size for part in parts for file in (part.added, part.removed))
        ground = not any(part.blank or part.blank_new for part in parts)
        little = ground and added + removed <= DIRECT_LINES and size <= DIRECT_BYTES
        gone = removed + sum(part.blank for part in parts)
        if dry_run:
            pass
        elif not (added or gone):
            if note:
                store.update(note, idempotent=True)
        elif store.exclusive or little:
            _carry_out(store, "".join(_direct(parts, marked)), mark)
        else:
            _staged(store, parts, marked, mark, staging)
        return Difference(tuple(graph.value for graph in ordered), added, gone)


class _Counted:
    def __init__(self, quads: Iterable[Quad]) -> None:
        self._quads = quads
        self.number = 0

    def __iter__(self) -> Iterator[Quad]:
        for quad in self._quads:
            self.number += 1
            yield quad


def _compared(store: Store, parts: list[_Part], quads: Iterable[Quad]) -> tuple[int, int]:
    """Write what is added and what is removed into the files of the parts; how many lines each are.

    Eight bytes are kept of a statement: of 10⁷ and 10⁵ that differ two being taken for one is 5 in 10⁸ likely.
    """
    for part in parts:
        with part.old.open("wb") as file:
            store.dump(file, part.graph)
    before = _sorted(digest for _, digest in _old(parts))
    fresh: set[int] = set()
    with ExitStack() as stack:
        files = [stack.enter_context(part.added.open("w", encoding="utf-8")) for part in parts]
        after = _sorted(_new(quads, parts, before, fresh, files))
    with ExitStack() as stack:
        files = [stack.enter_context(part.removed.open("w", encoding="utf-8")) for part in parts]
        removed = 0
        for (number, line), _ in _unknown(_old(parts, count=True), after):
            files[number].write(line + "\n")
            removed += 1
    return len(fresh) - sum(map(_left_alone, parts)), removed


def _left_alone(part: _Part) -> int:
    """Leave the statements with blank nodes where the new say the same as the old; how many there are."""
    if part.blank != part.blank_new or not part.blank:
        return 0
    old = shapes(quad for quad in _quads(part.old, part.graph) if _is_blank(quad))
    if old is None or old != shapes(quad for quad in _quads(part.added, part.graph) if _is_blank(quad)):
        return 0
    ground = part.added.with_suffix(".ground")
    with ground.open("w", encoding="utf-8") as file:
        file.writelines(
            f"{line_of(quad)}\n" for quad in _quads(part.added, part.graph) if not _is_blank(quad)
        )
    ground.replace(part.added)
    left, part.blank, part.blank_new = part.blank, 0, 0
    return left


_Told = tuple[tuple[int, str], int]
"""The number of a graph and a line, and the digest of both."""


def _old(parts: list[_Part], *, count: bool = False) -> Iterator[_Told]:
    """The old statements without blank nodes; the others are counted when told to."""
    for number, part in enumerate(parts):
        with part.old.open("rb") as file:
            for quad in parse(file, RdfFormat.N_TRIPLES):
                if _is_blank(quad):
                    part.blank += count
                else:
                    yield _told(number, quad)


def _new(
    quads: Iterable[Quad],
    parts: Sequence[_Part],
    before: NDArray[np.uint64],
    fresh: set[int],
    files: Sequence[IO[str]],
) -> Iterator[int]:
    """The digests of the new statements; those that are not among the old go into the files, once each."""
    numbers = {part.graph: number for number, part in enumerate(parts)}
    told = ((_told(numbers[q.graph_name], q), _is_blank(q)) for q in quads)  # type: ignore[index]
    while chunk := list(islice(told, _CHUNK)):
        known = np.isin(np.array([digest for (_, digest), _ in chunk], np.uint64), before)
        for (((number, line), digest), blank), there in zip(chunk, known, strict=True):
            if (blank or not there) and digest not in fresh:
                fresh.add(digest)
                files[number].write(line + "\n")
                parts[number].blank_new += blank
            yield digest


def _unknown(told: Iterator[_Told], known: NDArray[np.uint64]) -> Iterator[_Told]:
    """Those whose digest is not known."""
    while chunk := list(islice(told, _CHUNK)):
        there = np.isin(np.array([digest for _, digest in chunk], np.uint64), known)
        yield from (one for one, found in zip(chunk, there, strict=True) if not found)


def _told(number: int, quad: Quad) -> _Told:
    line = line_of(quad)
    return (number, line), short_digest(f"{number} {line}")


def _sorted(digests: Iterable[int]) -> NDArray[np.uint64]:
    found: NDArray[np.uint64] = np.frombuffer(array("Q", digests), np.uint64)
    return np.sort(found)


def _is_blank(quad: Quad) -> bool:
    return isinstance(quad.subject, BlankNode) or isinstance(quad.object, BlankNode)


def _carry_out(store: Store, update: str, mark: Mark) -> None:
    """The one step in which the new takes the place of the old; a second time it changes nothing."""
    mark.look()
    store.update(update, idempotent=True)
    mark.look_again()


def _direct(parts: list[_Part], note: str) -> Iterator[str]:
    """The update that names every statement that differs."""
    yield from _said("DELETE DATA {", [(part.graph, part.removed) for part in parts], "} ;\n")
    for part in parts:
        if part.blank:
            yield f"{part.blanks_go} ;\n"
    yield from _said("INSERT DATA {", [(part.graph, part.added) for part in parts], "} ;\n")
    yield note


def _said(begin: str, files: list[tuple[NamedNode, Path]], end: str) -> Iterator[str]:
    full = [(graph, file) for graph, file in files if file.stat().st_size]
    if full:
        yield begin
        for graph, file in full:
            yield f" GRAPH {graph} {{\n{file.read_text(encoding='utf-8')}}}\n"
        yield end


def _staged(store: Store, parts: list[_Part], note: str, mark: Mark, staging: str) -> None:
    """Tell the server what comes and what goes in graphs of their own, then let one update do it."""
    for old in store.graphs():
        if old.value.startswith(staging) and _age(old.value.removeprefix(staging)) > LEFT_OVER:
            store.drop(old)
    token = f"{staging}{int(time.time())}-{uuid4().hex[:8]}"
    laid: list[NamedNode] = []
    text = []
    try:
        for number, part in enumerate(parts):
            every = f"GRAPH {part.graph} {{ ?s ?p ?o }}"
            for verb, file in (("DELETE", part.removed), ("INSERT", part.added)):
                if verb == "INSERT" and part.blank:
                    text.append(part.blanks_go)
                if file.stat().st_size:
                    laid.append(NamedNode(f"{token}/{number}/{verb.lower()}"))
                    store.insert(_quads(file, laid[-1]), bulk=True)
                    text.append(f"{verb} {{ {every} }} WHERE {{ GRAPH {laid[-1]} {{ ?s ?p ?o }} }}")
        _carry_out(store, " ;\n".join([*text, note]), mark)
    finally:
        for graph in laid:
            with suppress(StoreError):
                store.drop(graph)


def _quads(file: Path, graph: NamedNode) -> Iterator[Quad]:
    with file.open("rb") as stream:
        for quad in parse(stream, RdfFormat.N_TRIPLES):
            yield Quad(quad.subject, quad.predicate, quad.object, graph)


def _age(rest: str) -> float:
    """Seconds since what is called `TIME-…` was laid."""
    began = rest.partition("-")[0]
    return time.time() - int(began) if began.isdigit() else 0
