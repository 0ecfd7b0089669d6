"""JSON-LD whose context has an address: known ones need no network, others a copy, and nothing is ever fetched."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pyoxigraph import CanonicalizationAlgorithm, Dataset, NamedNode, Quad, RdfFormat, parse
from rdflib import Graph

from enrich.errors import InputError
from enrich.graph.json_ld import KNOWN, Contexts
from enrich.graph.loading import Manner, load_file, load_files
from enrich.graph.stores import open_store

CRM = "http://www.cidoc-crm.org/cidoc-crm/"
RDF_TYPE = "http://www.w3.org/1999/02/22-rdf-syntax-ns#type"
LINKED_ART = "https://linked.art/ns/v1/linked-art.json"

CUP: dict[str, Any] = {
    "@context": LINKED_ART,
    "id": "https://m.example/cup",
    "type": "HumanMadeObject",
    "_label": "Cup",
    "identified_by": [{"type": "Name", "content": "Kelch", "part": [{"type": "Name", "content": "Kel"}]}],
    "made_of": [{"id": "https://m.example/gold", "type": "Material"}],
    "part": [{"id": "https://m.example/foot", "type": "HumanMadeObject"}],
    "produced_by": {
        "type": "Production",
        "part": [
            {"type": "Production", "timespan": {"type": "TimeSpan", "begin_of_the_begin": "1650-01-01"}}
        ],
    },
    "digitally_shown_by": [{"type": "DigitalObject", "access_point": [{"id": "https://m.example/cup.jpg"}]}],
}
DOCUMENTS: dict[str, tuple[dict[str, Any], list[str]]] = {
    "linked-art": (
        CUP,
        [
            f"<https://m.example/cup> <{CRM}P45_consists_of> <https://m.example/gold>",
            f"<https://m.example/cup> <{CRM}P46_is_composed_of> <https://m.example/foot>",
            f"<{CRM}P9_consists_of>",
            f'<{CRM}P82a_begin_of_the_begin> "1650-01-01"^^<http://www.w3.org/2001/XMLSchema#dateTime>',
        ],
    ),
    "schema-org": (
        {
            "@context": "http://schema.org/",
            "@id": "https://m.example/p",
            "@type": "Painting",
            "name": "View: of a bridge",
            "image": "https://m.example/p.jpg",
            "dateCreated": "1650",
            "artform": "Painting",
        },
        [
            f"<https://m.example/p> <{RDF_TYPE}> <http://schema.org/Painting>",
            '<http://schema.org/name> "View: of a bridge"',
            "<http://schema.org/image> <https://m.example/p.jpg>",
            '<http://schema.org/dateCreated> "1650"^^<http://schema.org/Date>',
            '<http://schema.org/artform> "Painting"',
        ],
    ),
    "edm": (
        {
            "@context": "https://www.europeana.eu/schemas/context/edm.jsonld",
            "id": "https://m.example/item/1",
            "type": "ProvidedCHO",
            "title": {"nl": "Kom", "en": "Bowl"},
            "spatial": "Delft",
            "isPartOf": "https://m.example/set",
        },
        [
            f"<{RDF_TYPE}> <http://www.europeana.eu/schemas/edm/ProvidedCHO>",
            '<http://purl.org/dc/elements/1.1/title> "Kom"@nl',
            '<http://purl.org/dc/terms/spatial> "Delft"',
            "<http://purl.org/dc/terms/isPartOf> <https://m.example/set>",
        ],
    ),
    "iiif": (
        {
            "@context": "http://iiif.io/api/presentation/3/context.json",
            "id": "https://m.example/manifest",
            "type": "Manifest",
            "label": {"en": ["A vase"]},
            "items": [
                {
                    "id": "https://m.example/canvas",
                    "type": "Canvas",
                    "width": 100,
                    "items": [
                        {
                            "id": "https://m.example/page",
                            "type": "AnnotationPage",
                            "items": [
                                {
                                    "id": "https://m.example/a",
                                    "type": "Annotation",
                                    "motivation": "painting",
                                    "body": {"id": "https://m.example/vase.jpg", "type": "Image"},
                                    "target": "https://m.example/canvas",
                                }
                            ],
                        }
                    ],
                }
            ],
        },
        [
            f"<{RDF_TYPE}> <http://iiif.io/api/presentation/3#Manifest>",
            '<http://www.w3.org/2000/01/rdf-schema#label> "A vase"@en',
            "<http://www.w3.org/ns/oa#hasBody> <https://m.example/vase.jpg>",
            "<http://www.w3.org/ns/oa#motivatedBy> <http://iiif.io/api/presentation/3#painting>",
            "<http://www.w3.org/ns/oa#hasTarget> <https://m.example/canvas>",
        ],
    ),
}


def canonical(quads: Any) -> set[str]:
    """The quads with blank nodes named alike in equal graphs."""
    dataset = Dataset(Quad(q.subject, q.predicate, q.object) for q in quads)
    dataset.canonicalize(CanonicalizationAlgorithm.UNSTABLE)
    return {str(quad) for quad in dataset}


def read(document: Any, contexts: Contexts | None = None) -> set[str]:
    data = (contexts or Contexts()).inlined(json.dumps(document).encode())
    return canonical(parse(data, RdfFormat.JSON_LD))


@pytest.mark.parametrize(("document", "expected"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_known_contexts_need_no_network(document: dict[str, Any], expected: list[str]) -> None:
    found = read(document)
    for piece in expected:
        assert any(piece in quad for quad in found), piece


@pytest.mark.parametrize("name", ["linked-art", "schema-org", "edm"])
def test_the_terms_left_out_of_a_context_change_nothing(name: str) -> None:
    contexts, (document, _) = Contexts(), DOCUMENTS[name]
    whole = json.loads(json.dumps(document))
    whole["@context"] = contexts.get(document["@context"])
    assert read(document) == canonical(parse(json.dumps(whole).encode(), RdfFormat.JSON_LD))


def test_another_reader_finds_the_same() -> None:
    """rdflib, which has its own JSON-LD."""
    theirs = Graph().parse(data=Contexts().inlined(json.dumps(CUP).encode()), format="json-ld")
    assert len(theirs) == len(read(CUP))
    made_of = {str(o) for s, p, o in theirs if str(p) == f"{CRM}P45_consists_of"}
    assert made_of == {"https://m.example/gold"}


@pytest.mark.parametrize("address", KNOWN)
@pytest.mark.parametrize("form", ["https://{}", "http://www.{}/", "http://{}#"])
def test_an_address_is_known_in_each_of_its_forms(address: str, form: str) -> None:
    assert Contexts().get(form.format(address))


ADDRESS = "https://c.example/a?x=1"
PLACES: dict[str, Callable[[str], Any]] = {
    "alone": lambda url: {"@context": url, "@id": "urn:a", "name": "b"},
    "in a list": lambda url: {"@context": [{"x": "urn:x"}, url], "@id": "urn:a", "name": "b"},
    "in several documents": lambda url: [{"@context": url, "@id": "urn:a", "name": "b"}],
    "further in": lambda url: {"@id": "urn:z", "urn:p": {"@context": url, "@id": "urn:a", "name": "b"}},
    "of a term": lambda url: {
        "@context": {"t": {"@id": "urn:t", "@context": url}},
        "@id": "urn:z",
        "t": {"@id": "urn:a", "name": "b"},
    },
    "imported": lambda url: {
        "@context": {"@version": 1.1, "@import": url, "x": "urn:x"},
        "@id": "urn:a",
        "name": "b",
    },
}


@pytest.mark.parametrize("place", PLACES.values(), ids=PLACES)
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_copy_of_a_context_is_used_wherever_it_is_named(
    tmp_path: Path, place: Callable[[str], Any], wrapped: bool
) -> None:
    terms = {"pre": "urn:pre:", "name": "pre:name", "unused": "pre:unused"}
    file = tmp_path / "c.json"
    file.write_text("\ufeff" + json.dumps({"@context": terms} if wrapped else terms), encoding="utf-8")
    document = tmp_path / "a.json"
    document.write_text(json.dumps(place(ADDRESS)))
    store = open_store()
    load_files(store, [document], Manner(contexts=Contexts.of([f"{ADDRESS}={file}"])))
    rows = list(store.select('SELECT ?s WHERE { GRAPH ?g { ?s <urn:pre:name> "b" } }'))
    assert [str(row[0]) for row in rows] == ["<urn:a>"]


BASIC = {
    "v": "https://voc.example/",
    "shape": "v:shape",
    "Vessel": {"@id": "v:Vessel", "@context": {"lid": "v:lid"}},
}
LISTS: dict[str, Any] = {
    "a prefix": {"height": "v:height"},
    "a term": {"height": "shape"},
    "a datatype": {"height": {"@id": "urn:height", "@type": "v:cm"}},
    "a term of a term": {"kiln": {"@id": "urn:kiln", "@context": {"height": "v:height"}}},
    "by way of another address": ["https://c.example/units"],
}


@pytest.mark.parametrize("later", LISTS.values(), ids=LISTS)
def test_a_context_may_build_on_one_before_it(tmp_path: Path, later: Any) -> None:
    files = {"basic": BASIC, "later": later, "units": {"height": "v:height"}}
    for name, terms in files.items():
        (tmp_path / name).write_text(json.dumps({"@context": terms}))
    contexts = Contexts.of([f"https://c.example/{name}={tmp_path / name}" for name in files])
    said: dict[str, Any] = {"@id": "urn:pot", "height": "12", "kiln": {"height": "9"}}
    given = {**said, "@context": ["https://c.example/basic", "https://c.example/later"]}
    written = {**said, "@context": [BASIC, files["units"] if isinstance(later, list) else later]}
    found = read(given, contexts)
    assert found == canonical(parse(json.dumps(written).encode(), RdfFormat.JSON_LD))
    assert any("https://voc.example/" in quad for quad in found)


def test_a_copy_goes_before_what_comes_with_us(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text('{"_label": "urn:mine"}')
    contexts = Contexts.of([f"{LINKED_ART}={tmp_path / 'c.json'}"])
    found = read({"@context": LINKED_ART, "@id": "urn:a", "_label": "x"}, contexts)
    assert found == {'<urn:a> <urn:mine> "x"'}


def test_a_context_that_is_not_known_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonld"
    path.write_text(json.dumps(PLACES["in a list"](ADDRESS)))
    with pytest.raises(InputError) as raised:
        load_files(open_store(), [path])
    assert str(raised.value) == (
        f"{path} was not understood, and nothing of it was loaded: it names the context {ADDRESS}, which is not "
        f"known here and is not fetched; give a copy of it: --context {ADDRESS}=FILE"
    )


@pytest.mark.parametrize(
    ("content", "why"), [(None, "No such file"), ("{", "is no JSON"), ('{"a": "b"', "is no JSON")]
)
def test_a_copy_that_cannot_be_read_is_said(tmp_path: Path, content: str | None, why: str) -> None:
    if content is not None:
        (tmp_path / "c.json").write_text(content)
    contexts = Contexts.of([f"{ADDRESS}={tmp_path / 'c.json'}"])
    with pytest.raises(InputError, match=why):
        contexts.inlined(json.dumps({"@context": ADDRESS}).encode())


def test_contexts_that_name_each_other_are_refused(tmp_path: Path) -> None:
    (tmp_path / "c.json").write_text(json.dumps({"@context": [ADDRESS]}))
    (tmp_path / "a.json").write_text(json.dumps({"@context": ADDRESS, "@id": "urn:a", "urn:p": "b"}))
    manner = Manner(contexts=Contexts.of([f"{ADDRESS}={tmp_path / 'c.json'}"]))
    with pytest.raises(InputError, match="name each other"):
        load_files(open_store(), [tmp_path / "a.json"], manner)


def test_an_assignment_without_a_file_is_refused() -> None:
    with pytest.raises(InputError, match="write it as URL=FILE"):
        Contexts.of(["https://c.example/"])


FLAWS = {
    "a relative IRI": ({"urn:p": {"@id": "who"}}, "who"),
    "a relative class": ({"@type": "Cup"}, "Cup"),
    "no IRI": ({"urn:p": {"@id": "https://m.example/{PICTURE}"}}, "https://m.example/{PICTURE}"),
    "a key that means nothing": ({"colour": "red"}, "colour"),
    "no language": ({"urn:p": {"@value": "rood", "@language": "in Dutch"}}, "in Dutch"),
}


@pytest.mark.parametrize(("said", "wrong"), FLAWS.values(), ids=FLAWS)
def test_what_says_nothing_is_left_out_and_named(tmp_path: Path, said: dict[str, Any], wrong: str) -> None:
    path = tmp_path / "a.json"
    path.write_text(json.dumps({"@id": "urn:a", "urn:q": "kept", **said}, indent=1))
    report = load_file(open_store(), path)
    assert (report.quads, report.dropped) == (1, 1)
    assert report.account[0].startswith(
        "1 triples were left out; the first for an IRI or language tag that is none, or a key that no context explains: "
        f"<{wrong}> (line "
    )


def test_a_language_reads_as_in_other_formats(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text(
        '{"@id": "urn:a", "urn:p": {"@value": "Jänner", "@language": "de-AT"}}', "utf-8"
    )
    (tmp_path / "a.ttl").write_text('<urn:a> <urn:p> "Jänner"@de-AT .', encoding="utf-8")
    store = open_store()
    load_files(store, [tmp_path / "a.json", tmp_path / "a.ttl"], Manner(NamedNode("urn:g")))
    assert store.count() == 1


def test_json_without_a_context_is_refused_in_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text('{"id": "urn:a", "type": "Thing"}')
    with pytest.raises(InputError, match=r"none of it can be read: 2 triples .* no context explains: <id>"):
        load_file(open_store(), tmp_path / "a.json")


@pytest.mark.data
def test_linked_art_as_it_is_published_loads(museum_data: Path) -> None:
    folder = museum_data / "foreign" / "vangogh"
    store = open_store()
    reports = load_files(store, [folder / "jsonld"])
    assert (len(reports), sum(bool(report.quads) for report in reports)) == (30, 30)
    same = [
        file.stem
        for file in sorted((folder / "jsonld").glob("*.jsonld"))
        if (turtle := folder / "ttl" / f"{file.stem}.ttl").exists()
        and turtle.stem != "dimensions"  # its Turtle is not valid
        and canonical(parse(Contexts().inlined(file.read_bytes()), RdfFormat.JSON_LD))
        == canonical(parse(path=turtle, format=RdfFormat.TURTLE))
    ]
    # In the others the publisher's own two files differ: labels, IRIs, times of day, parts that one leaves out.
    assert same == [
        "artwork", "classification", "inscription", "literature_article", "literature_reference", "material",
        "subject_type",
    ]  # fmt: skip
