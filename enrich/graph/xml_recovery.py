"""Reads RDF/XML that is not quite right: entities that would fill the memory are refused, and a triple with an
IRI that is none costs that triple only."""

import re
from collections import Counter
from collections.abc import Iterator
from typing import BinaryIO
from xml.parsers import expat

import pyoxigraph as ox
from pyoxigraph import NamedNode, Quad

from enrich.errors import InputError
from ontology.terms import is_iri

HEAD = 1 << 18
"""Bytes in which all entities are declared."""
LONGEST = 10_000
"""Characters that one entity may stand for; a namespace's IRI is what they are for."""
GROWTH = 20
"""How many times a document may grow by its entities, beside the first million characters."""

_DECLARED = re.compile(rb"<!ENTITY\s+([^\s%]+)\s+(?:\"([^\"]*)\"|'([^']*)')")
_USED = re.compile(rb"&([A-Za-z_:][^\s;&<>]{0,99});")
_PART = re.compile(rb"&[^\s;&<>]{0,99}$")


class BoundedEntities:
    """The bytes of an RDF/XML document; InputError when its entities would make it grow out of bounds."""

    def __init__(self, source: BinaryIO, where: object) -> None:
        self._source = source
        self._where = where
        self._head = source.read(HEAD)
        self._sizes = self._declared(self._head)
        self._read = self._grown = 0
        self._part = b""

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, all that is left when negative."""
        data = self._head if size < 0 else self._head[:size]
        self._head = self._head[len(data) :]
        if size < 0 or not data:
            data += self._source.read(size)
        if self._sizes:
            self._count(data)
        return data

    def _count(self, data: bytes) -> None:
        text = self._part + data
        part = _PART.search(text)
        self._part = part[0] if part else b""
        self._read += len(data)
        self._grown += sum(self._sizes.get(name, 0) for name in _USED.findall(text))
        if self._grown > GROWTH * self._read + 1_000_000:
            raise self._refused()

    def _declared(self, head: bytes) -> dict[bytes, int]:
        """How long each entity is, those within it expanded."""
        texts = {name: one or two for name, one, two in _DECLARED.findall(head)}
        sizes: dict[bytes, int] = {}

        def size(name: bytes, depth: int = 0) -> int:
            if name not in texts:
                return 0
            if depth > 16:
                raise self._refused()
            if name not in sizes:
                within = _USED.findall(texts[name])
                sizes[name] = len(texts[name]) + sum(size(other, depth + 1) for other in within)
            if sizes[name] > LONGEST:
                raise self._refused()
            return sizes[name]

        return {name: size(name) for name in texts}

    def _refused(self) -> InputError:
        return InputError(
            f"{self._where} is refused, and nothing of it was loaded: its entities make it grow out of bounds "
            f"(more than {LONGEST:,} characters for one, or {GROWTH} times the document for all)"
        )


def without_bad_iris(source: BinaryIO, where: object, dropped: Counter[str]) -> Iterator[Quad]:
    """The quads whose IRIs are all valid; `dropped` counts the others by the IRI that is none."""
    read = BoundedEntities(source, where)
    for quad in ox.parse(read, ox.RdfFormat.RDF_XML, lenient=True):  # type: ignore[arg-type]
        bad = next((term.value for term in _iris(quad) if not is_iri(term.value)), None)
        if bad is None:
            yield quad
        else:
            dropped[bad] += 1


def line_of_error(source: BinaryIO) -> int | None:
    """The line in which an XML document stops being well-formed; None when it is well-formed."""
    parser = expat.ParserCreate()
    try:
        parser.ParseFile(source)
    except expat.ExpatError as error:
        return error.lineno
    return None


def line_of_text(source: BinaryIO, text: str) -> int | None:
    """The first line that holds a text, as an XML document may write it."""
    wanted = {form.encode("utf-8", "replace") for form in (text, text.replace("&", "&amp;"))}
    for number, line in enumerate(source, 1):
        if any(form in line for form in wanted):
            return number
    return None


def _iris(quad: Quad) -> Iterator[NamedNode]:
    yield quad.predicate
    for term in (quad.subject, quad.object):
        if isinstance(term, NamedNode):
            yield term
        elif isinstance(term, ox.Literal):
            yield term.datatype
