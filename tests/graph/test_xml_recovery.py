"""RDF/XML: entities in bounds, one bad IRI costs one triple, and what is malformed is named with its line."""

from __future__ import annotations

import io
from collections import deque
from pathlib import Path

import pytest
from pyoxigraph import NamedNode

from enrich.errors import InputError
from enrich.graph.loading import load_file
from enrich.graph.stores import open_store
from enrich.graph.xml_recovery import GROWTH, HEAD, LONGEST, BoundedEntities, line_of_error, line_of_text

G = NamedNode("http://example.org/graph")
E = "http://example.org/"


def document(body: str, entities: str = "") -> str:
    """RDF/XML with a document type that declares entities."""
    declared = f"<!DOCTYPE rdf:RDF [\n{entities}\n]>\n" if entities else ""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?>\n{declared}'
        f'<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:e="{E}">\n{body}\n</rdf:RDF>'
    )


def described(value: str, number: int = 1) -> str:
    return f'<rdf:Description rdf:about="{E}s{number}"><e:p>{value}</e:p></rdf:Description>'


def loaded(tmp_path: Path, text: str) -> tuple[int, int, tuple[str, ...]]:
    """Quads, triples left out and the account of loading this document."""
    path = tmp_path / "a.rdf"
    path.write_text(text, encoding="utf-8")
    report = load_file(open_store(), path, G)
    return report.quads, report.dropped, report.account


def test_entities_that_abbreviate_namespaces_are_read(tmp_path: Path) -> None:
    entities = f'<!ENTITY e "{E}">\n<!ENTITY deep "&e;deep/">'
    body = "\n".join(
        f'<rdf:Description rdf:about="&deep;{n}"><e:p rdf:resource="&e;o"/></rdf:Description>'
        for n in range(500)
    )
    assert loaded(tmp_path, document(body, entities)) == (500, 0, ())


def laughs(levels: int) -> str:
    """A billion laughs: each entity is ten of the one before."""
    return '<!ENTITY l0 "lol">' + "".join(
        f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, levels + 1)
    )


BOMBS = {
    "a billion laughs": document(described("&l9;"), laughs(9)),
    "an entity of itself": document(described("&a;"), '<!ENTITY a "&b;"><!ENTITY b "&a;">'),
    "quadratic": document(described("&a;" * 30_000), f'<!ENTITY a "{"x" * (LONGEST - 1)}">'),
    "quadratic over many elements": document(
        "".join(described("&a;" * 50, n) for n in range(600)), f'<!ENTITY a "{"x" * 9_000}">'
    ),
    "one long entity": document(described("&a;"), f'<!ENTITY a "{"x" * (LONGEST + 1)}">'),
}


@pytest.mark.parametrize("text", BOMBS.values(), ids=BOMBS)
def test_entities_that_would_fill_the_memory_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(InputError, match="its entities make it grow out of bounds"):
        loaded(tmp_path, text)


def test_a_reference_cut_by_the_end_of_a_piece_is_counted() -> None:
    entities = '<!ENTITY a "%s">' % ("x" * 9_000)
    source = document(described("&a;" * (300 + GROWTH)), entities).encode()
    reader = BoundedEntities(io.BytesIO(source), "a.rdf")
    with pytest.raises(InputError, match="grow out of bounds"):
        deque(iter(lambda: reader.read(1), b""), maxlen=0)


def test_the_bytes_come_through_as_they_are() -> None:
    source = document(described("é &amp; &lt;" * 40_000)).encode()
    assert len(source) > HEAD
    for size in (7_000, -1):
        reader = BoundedEntities(io.BytesIO(source), "a.rdf")
        assert b"".join(iter(lambda r=reader, n=size: r.read(n), b"")) == source  # type: ignore[misc]


@pytest.mark.parametrize(
    "iri", ["http://example.org/a b", "http://example.org/\ufffd", "relative", "http://[x/"]
)
def test_an_iri_that_is_none_costs_its_triple_only(tmp_path: Path, iri: str) -> None:
    body = f'{described("one")}\n<rdf:Description rdf:about="{E}t"><e:q rdf:resource="{iri}"/><e:p>two</e:p></rdf:Description>'
    quads, dropped, account = loaded(tmp_path, document(body))
    assert (quads, dropped) == (2, 1)
    assert account == (
        f"1 triples were left out; the first for an IRI or language tag that is none: <{iri}> (line 4)",
    )


def test_a_language_tag_that_is_none_costs_its_triple_only(tmp_path: Path) -> None:
    body = f'{described("one")}\n<rdf:Description rdf:about="{E}t"><e:p xml:lang="in Dutch">een</e:p></rdf:Description>'
    quads, dropped, account = loaded(tmp_path, document(body))
    assert (quads, dropped) == (1, 1)
    assert account == (
        "1 triples were left out; the first for an IRI or language tag that is none: <in dutch> (line 4)",
    )


def test_a_document_of_which_nothing_can_be_kept_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="none of it can be read"):
        loaded(tmp_path, document('<rdf:Description rdf:about="relative"><e:p>1</e:p></rdf:Description>'))


def test_what_is_not_well_formed_is_refused_with_its_line(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="nothing of it was loaded: line 6: "):
        loaded(tmp_path, document(described("one") + "\n<e:open>\n"))


def test_lines_are_found_or_not() -> None:
    assert line_of_error(io.BytesIO(document(described("1")).encode())) is None
    assert line_of_text(io.BytesIO(b"a\n<b>http://x/?a=1&amp;b=2</b>"), "http://x/?a=1&b=2") == 2
    assert line_of_text(io.BytesIO(b"a"), "b") is None
