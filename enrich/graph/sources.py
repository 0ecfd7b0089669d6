"""What is loaded: a file, all RDF of a folder, the members of an archive, or standard input; and its format."""

import shutil
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from os.path import normpath, realpath
from pathlib import Path
from typing import IO, BinaryIO
from urllib.parse import quote

from pyoxigraph import NamedNode, RdfFormat

from enrich.errors import InputError
from enrich.graph.files import Bounded, open_bytes, plain, said

FORMATS = {
    ".nt": RdfFormat.N_TRIPLES,
    ".nq": RdfFormat.N_QUADS,
    ".ttl": RdfFormat.TURTLE,
    ".turtle": RdfFormat.TURTLE,
    ".n3": RdfFormat.TURTLE,
    ".trig": RdfFormat.TRIG,
    ".rdf": RdfFormat.RDF_XML,
    ".owl": RdfFormat.RDF_XML,
    ".xml": RdfFormat.RDF_XML,
    ".jsonld": RdfFormat.JSON_LD,
    ".json": RdfFormat.JSON_LD,
}
"""Formats by the end of a name. N3 is read as the Turtle that is published under that name."""
ARCHIVES = (".zip", ".tar", ".tar.gz", ".tgz")
STANDARD_INPUT = Path("-")
IN_MEMORY = 16 << 20
"""Bytes of a tar's member that are held in memory; a larger one is laid in a temporary file."""

_XML = (b"<?xml", b"<rdf:RDF", b"<!DOCTYPE rdf", b"<!--")
_TURTLE = (b"@prefix", b"@base", b"PREFIX", b"prefix", b"BASE", b"<http", b"<urn:", b"_:", b"#")
_RDF_NAMESPACE = b"http://www.w3.org/1999/02/22-rdf-syntax-ns#"
_HEAD = 1 << 16


@dataclass(frozen=True, slots=True)
class Document:
    """One document: how a person calls it, and its bytes, as often as they are asked for.

    It is readable until the next one is asked for.
    """

    name: str
    open: Callable[[], AbstractContextManager[BinaryIO]]

    def format(self, given: RdfFormat | None = None) -> RdfFormat:
        """By its name, unless its first bytes say otherwise; `given` goes before both. InputError for no RDF."""
        if given is not None:
            return given
        named = format_by_name(self.name)
        if named is None:
            raise InputError(
                f"{self.name} is no RDF file by its name; it ends in {', '.join(FORMATS)}, these with .gz, or "
                f"{', '.join(ARCHIVES)}; say what it is by --format"
            )
        with self.open() as stream:
            return _by_content(self.name, named, stream.read(_HEAD).lstrip())


def format_by_name(name: str) -> RdfFormat | None:
    """The RDF format that a file's name says, None when it says none."""
    return FORMATS.get(Path(name.lower().removesuffix(".gz")).suffix)


def format_given(name: str) -> RdfFormat:
    """The format of a name such as `ttl`. Raises InputError for another."""
    found = FORMATS.get(f".{name.lower().removeprefix('.')}")
    if found is None:
        raise InputError(f"--format {name} is not known; known are {', '.join(f[1:] for f in FORMATS)}")
    return found


def graph_of(path: Path, home: Path | None = None) -> NamedNode:
    """The graph for triples that name none: `urn:enrich:loaded:` and the path, without .gz.

    It is the path from `home` (the folder of enrich.toml) for what lies there, otherwise the whole one, so that
    two files of one name do not meet. All of a folder, or of an archive, goes into one graph. A way to that folder
    through a link is the same; links in it keep their names, for they may point elsewhere tomorrow.
    """
    if path == STANDARD_INPUT:
        return NamedNode("urn:enrich:loaded:standard-input")
    whole, within = Path(normpath(path.absolute())), (home or Path.cwd()).resolve()
    for outer in reversed([whole, *whole.parents]):
        if (real := Path(realpath(outer))).is_relative_to(within):
            whole = real.relative_to(within) / whole.relative_to(outer)
            break
    return NamedNode(f"urn:enrich:loaded:{quote(whole.as_posix().removesuffix('.gz'))}")


@contextmanager
def buffered_to_disk(paths: list[Path]) -> Iterator[list[tuple[str, Path]]]:
    """How each path is called and where it lies: standard input is laid in a temporary file, for it is read twice."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "input"
        if STANDARD_INPUT in paths:
            with path.open("wb") as file:
                shutil.copyfileobj(sys.stdin.buffer, file, 1 << 20)
        yield [("standard input", path) if p == STANDARD_INPUT else (str(p), p) for p in paths]


def sources_of(path: Path, name: str) -> Iterator[Document]:
    """The documents of a path, in an order that stays the same.

    Of a folder (with the folders in it) and of an archive those that their names say are RDF, but no hidden ones.
    """
    if path.is_dir():
        for child in sorted(path.rglob("*")):
            if child.is_file() and _wanted(child.relative_to(path).as_posix(), archives=True):
                yield from sources_of(child, str(Path(name) / child.relative_to(path)))
    elif name.lower().endswith(ARCHIVES) or _is_archive(path, name):
        with said(name):
            yield from (_members_of_zip if zipfile.is_zipfile(path) else _members_of_tar)(path, name)
    else:
        yield Document(name, partial(open_bytes, path))


def _wanted(name: str, *, archives: bool = False) -> bool:
    parts = name.split("/")
    hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
    rdf = format_by_name(name) is not None or (archives and name.lower().endswith(ARCHIVES))
    return rdf and not hidden


def _is_archive(path: Path, name: str) -> bool:
    """Whether the content is an archive although the name does not say so; a name that says RDF is believed."""
    return (
        format_by_name(name) is None
        and path.is_file()
        and (zipfile.is_zipfile(path) or tarfile.is_tarfile(path))
    )


def _members_of_zip(path: Path, name: str) -> Iterator[Document]:
    with zipfile.ZipFile(path) as archive:
        for member in archive.infolist():
            if not member.is_dir() and _wanted(member.filename):
                yield Document(f"{name}/{member.filename}", partial(_zip_member, archive, member, name))


@contextmanager
def _zip_member(archive: zipfile.ZipFile, member: zipfile.ZipInfo, name: str) -> Iterator[BinaryIO]:
    where = f"{name}/{member.filename}"
    if member.flag_bits & 1:
        raise InputError(f"{where} is encrypted; unpack it yourself")
    size = member.compress_size
    with said(where), archive.open(member) as packed, plain(packed, size, where, member.filename) as data:
        yield data


def _members_of_tar(path: Path, name: str) -> Iterator[Document]:
    """Each in turn: a packed tar can only be read from its beginning, so a member is held while it is read."""
    size = path.stat().st_size
    with tarfile.open(path) as archive:
        for member in archive:
            content = archive.extractfile(member) if member.isfile() and _wanted(member.name) else None
            if content is None:
                continue
            where = f"{name}/{member.name}"
            with tempfile.SpooledTemporaryFile(IN_MEMORY) as held:
                shutil.copyfileobj(Bounded(content, size, where), held, 1 << 20)
                yield Document(where, partial(_held, held, where))


@contextmanager
def _held(held: IO[bytes], where: str) -> Iterator[BinaryIO]:
    size = held.seek(0, 2)
    held.seek(0)
    with said(where), plain(held, size, where, where) as data:
        yield data


def _by_content(name: str, named: RdfFormat, head: bytes) -> RdfFormat:
    start = head[:200]
    bare = start.translate(None, b" \t\r\n")
    if start[:15].lower().startswith((b"<!doctype html", b"<html")):
        raise InputError(f"{name} is a web page (HTML), no RDF")
    if start.startswith(_XML):
        if _RDF_NAMESPACE not in head and b"<rdf:RDF" not in head:
            raise InputError(
                f"{name} is XML, but no RDF/XML: its beginning does not name {_RDF_NAMESPACE.decode()}"
            )
        return RdfFormat.RDF_XML
    if named == RdfFormat.RDF_XML and start.startswith(_TURTLE):
        return RdfFormat.TURTLE
    if named in (RdfFormat.RDF_XML, RdfFormat.TURTLE) and bare.startswith((b'{"', b"[{")):
        return RdfFormat.JSON_LD
    if named == RdfFormat.JSON_LD and start.startswith(_TURTLE):
        return RdfFormat.TURTLE
    return named
