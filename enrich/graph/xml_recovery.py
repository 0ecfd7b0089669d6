"""For RDF/XML that is not quite right: entities that would fill the memory are refused, lines are found, and a triple
with an IRI or a language tag that is none costs that triple only, in JSON-LD too."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import BinaryIO
from xml.parsers import expat

from pyoxigraph import Literal, NamedNode, Quad

from enrich.errors import InputError
from enrich.ontology.terms import is_iri

NOWHERE = "x-relative://nowhere/"
"""The base of documents that have none: an IRI that begins so was relative, and means nothing."""
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


def without_flaws(quads: Iterable[Quad], dropped: Counter[str]) -> Iterator[Quad]:
    """The quads that were read leniently and are valid; `dropped` counts the others by the text that is wrong."""
    for quad in quads:
        flaw = _flaw(quad)
        if flaw is None:
            yield _as_usual(quad)
        else:
            dropped[flaw.removeprefix(NOWHERE)] += 1


def line_of_error(source: BinaryIO) -> int | None:
    """The line in which an XML document stops being well-formed; None when it is well-formed."""
    parser = expat.ParserCreate()
    try:
        parser.ParseFile(source)
    except expat.ExpatError as error:
        return error.lineno
    return None


def line_of_text(source: BinaryIO, text: str) -> int | None:
    """The first line that holds a text, as an XML document may write it, in small letters or capitals."""
    wanted = {form.encode("utf-8", "replace").lower() for form in (text, text.replace("&", "&amp;"))}
    for number, line in enumerate(source, 1):
        if any(form in line.lower() for form in wanted):
            return number
    return None


def _flaw(quad: Quad) -> str | None:
    """The first IRI or language tag of a quad that is none."""
    terms = [quad.predicate, quad.subject, quad.object, quad.graph_name]
    iris = [term.value for term in terms if isinstance(term, NamedNode)]
    if isinstance(quad.object, Literal):
        iris.append(quad.object.datatype.value)
        if quad.object.language is not None and not _is_tag(quad.object.language):
            return quad.object.language
    return next((iri for iri in iris if iri.startswith(NOWHERE) or not is_iri(iri)), None)


def _as_usual(quad: Quad) -> Quad:
    """The quad with its language in small letters, as the parser writes it when it is not lenient."""
    text = quad.object
    if not isinstance(text, Literal) or text.language is None or text.language.islower():
        return quad
    small = Literal(text.value, language=text.language, direction=text.direction)
    return Quad(quad.subject, quad.predicate, small, quad.graph_name)


def _is_tag(language: str) -> bool:
    try:
        Literal("", language=language)
    except ValueError:
        return False
    return True
