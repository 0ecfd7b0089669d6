"""The facts as the last runs found them, kept in files: what differs tonight tells which records have changed.

    FOLDER/<fingerprint>/graphs     the text that the fingerprint is the digest of: a digest and its graph a line
    FOLDER/<fingerprint>/<digest>   a graph's N-Triples

They only save work: where they are gone, or are not what their names say, all answers are compared.
"""

import os
import shutil
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path as FilePath

from pyoxigraph import DefaultGraph, NamedNode, RdfFormat, parse

from enrich.classifiers.digest import file_digest, text_digest
from enrich.graph.reading import Reader
from enrich.graph.stores.base import DEFAULT_GRAPH, Term
from enrich.ontology.paths import Path, path_pattern, single_steps
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import SKOS, values_block

KEPT = 3
"""Fingerprints whose facts are kept: those used last."""
MOST = 100_000
"""Triples that differ; where there are more, all records are read."""
_BLOCK = 1 << 20
_STARTS = 500


def fingerprint(reader: Reader, folder: FilePath | None = None) -> str | None:
    """The digest of all facts and vocabularies as they are now, which are written into `folder` when it is given;
    None when the store cannot tell."""
    lines = []
    graphs: list[NamedNode | DefaultGraph] = [*reader.store.graphs(beside=reader.names.base), DefaultGraph()]
    for graph in graphs:
        digest = _of_graph(reader, graph, folder)
        if digest is None:
            return None
        fact = (DEFAULT_GRAPH if isinstance(graph, DefaultGraph) else graph) in reader.graphs
        lines.append(f"{digest} {'facts' if fact else 'other'} {graph}")
    text = "\n".join(lines)
    if folder is not None:
        (folder / "graphs").write_text(text, encoding="utf-8")
    return text_digest(text)


def _of_graph(reader: Reader, graph: NamedNode | DefaultGraph, folder: FilePath | None) -> str | None:
    if folder is None:
        return reader.store.fingerprint(graph)
    with (folder / "part").open("wb") as copy:
        digest = reader.store.fingerprint(graph, copy)
    if digest is not None:
        (folder / "part").rename(folder / digest)
    return digest


class KeptFacts:
    """The folder of facts that were kept. Several processes may use it."""

    def __init__(self, folder: FilePath) -> None:
        self.folder = folder

    def take(self, reader: Reader) -> str | None:
        """The fingerprint of the facts as they are now, which are kept under it where the disk allows."""
        part = None
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            part = FilePath(tempfile.mkdtemp(prefix="part-", dir=self.folder))
            digest = fingerprint(reader, part)
            if digest is not None:
                with suppress(OSError):  # kept already
                    part.rename(self.folder / digest)
        except OSError:
            return fingerprint(reader)
        finally:
            for old in [*([part] if part else []), *self._by("st_atime")[KEPT:]]:
                shutil.rmtree(old, ignore_errors=True)
        return digest

    def kept(self) -> list[str]:
        """The fingerprints whose facts are kept, the newest first."""
        return [folder.name for folder in self._by("st_mtime")]

    def _by(self, which: str) -> list[FilePath]:
        """The folders, by when they were made (their mtime) or used (their atime), the last first."""
        with suppress(OSError):
            return sorted(self.folder.iterdir(), key=lambda f: float(getattr(f.stat(), which)), reverse=True)
        return []

    def changed(self, reader: Reader, before: str, now: str) -> set[str] | None:
        """The records that may read otherwise now than under an earlier fingerprint; None when it cannot be told.

        Others may be among them, and nodes that are no records.
        """
        try:
            lines = self._different(before, now)
            os.utime(self.folder / before, (time.time(), (self.folder / before).stat().st_mtime))
        except (OSError, ValueError):
            return None
        return None if lines is None else _reaching(reader, lines)

    def _different(self, before: str, now: str) -> set[bytes] | None:
        """The triples that only one of two fingerprints has. Raises ValueError for files that are not whole."""
        old, new = self._graphs(before), self._graphs(now)
        if {g for g in old if g.startswith("facts")} != {g for g in new if g.startswith("facts")}:
            return None
        found: set[bytes] = set()
        for graph in old.keys() | new.keys():
            if old.get(graph) != new.get(graph):
                lines = _only_in_one(self._file(before, old.get(graph)), self._file(now, new.get(graph)))
                if lines is None:
                    return None
                found |= lines
        return found

    def _graphs(self, digest: str) -> dict[str, str]:
        text = (self.folder / digest / "graphs").read_text(encoding="utf-8")
        if text_digest(text) != digest:
            raise ValueError(digest)
        return {graph: name for name, _, graph in (line.partition(" ") for line in text.split("\n"))}

    def _file(self, digest: str, name: str | None) -> FilePath:
        file = self.folder / digest / name if name else FilePath(os.devnull)
        if name and file_digest(file) != name:
            raise ValueError(name)
        return file


def _only_in_one(old: FilePath, new: FilePath) -> set[bytes] | None:
    """The lines that only one of two files has; None for more than MOST. Both have much the same order, so few
    lines wait in memory for their like."""
    gone: set[bytes] = set()
    come: set[bytes] = set()
    with old.open("rb") as before, new.open("rb") as after:
        while len(gone) + len(come) <= MOST:
            left, right = before.readlines(_BLOCK), after.readlines(_BLOCK)
            if not left and not right:
                return gone | come
            gone.update(left)
            come.update(right)
            both = gone & come
            gone -= both
            come -= both
    return None


def _reaching(reader: Reader, lines: Iterable[bytes]) -> set[str] | None:
    """The nodes whose paths in the profile hold one of these triples, now or before; None when a class of values
    may have changed, or a path passes a node that has no name.

    Of the triples of a path that have changed the first is reached by triples that have not.
    """
    by_predicate = defaultdict(list)
    for quad in parse(b"".join(lines), RdfFormat.N_TRIPLES):
        by_predicate[quad.predicate].append(quad)
    if by_predicate.keys() & _of_classes(reader.profile) or not reader.profile.known_by.facts:
        return None
    starts: dict[Path, set[Term]] = defaultdict(set)
    for path in _paths(reader.profile):
        for before, step in single_steps(path):
            for quad in by_predicate.get(step.predicate, ()):
                starts[before].add(quad.object if step.inverse else quad.subject)
    found = {node.value for node in starts.pop((), ()) if isinstance(node, NamedNode)}
    for path, nodes in starts.items():
        named = [node for node in nodes if isinstance(node, NamedNode)]
        if len(named) < len(nodes):
            return None
        found.update(_before(reader, path, named))
    return found


def _before(reader: Reader, path: Path, nodes: list[NamedNode]) -> Iterator[str]:
    """The nodes that a path leads from to one of these."""
    for start in range(0, len(nodes), _STARTS):
        values = values_block(["end"], ([node] for node in nodes[start : start + _STARTS]))
        query = (
            f"SELECT ?record {reader.dataset} WHERE {{ {values} {path_pattern('?record', path, '?end')} }}"
        )
        for (record,) in reader.store.select(query):
            if isinstance(record, NamedNode):
                yield record.value


def _paths(profile: Profile) -> Iterator[Path]:
    """What is read of a record."""
    yield (profile.known_by,)
    yield from (path for prop in profile.properties for path in (*prop.paths, *prop.stated))
    yield from (text.path for text in profile.texts)
    yield from (image.path for image in profile.images)
    yield from (context.path for context in profile.contexts)


def _of_classes(profile: Profile) -> set[NamedNode]:
    """The predicates that say which class a value is in."""
    paths = (path for prop in profile.properties for path in prop.narrower)
    steps = {step.predicate for path in paths for _, step in single_steps(path)}
    return steps | ({SKOS.inScheme} if any(prop.scheme for prop in profile.properties) else set())
