"""The made museum as RDF in the linked-art profile, as a stream: two thousand objects or a million."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox
from pyoxigraph import Literal, NamedNode, Quad

from enrich.demo.objects import KEEPERS, PROPERTIES, MadeObject, made_objects
from enrich.demo.texts import descriptions, title
from enrich.demo.words import CLASSES, DEPARTMENT_LABELS, LANGUAGES, TYPES
from enrich.ontology.terms import CRM, LA, RDF, RDFS, SKOS

BASE = "https://museum.example.org/"
IMAGES = "https://images.museum.example.org/"
"""Where the pictures would be served; `[media] mirrors` maps it to a local folder."""
VOCABULARY = NamedNode(BASE + "graph/vocabulary")

_OBJECT = CRM["E22_Human-Made_Object"]
_PRODUCTION = CRM.E12_Production
_TIME_SPAN = CRM["E52_Time-Span"]


def record_iri(made: MadeObject) -> NamedNode:
    """The object's IRI."""
    return NamedNode(f"{BASE}object/{made.id}")


def class_iri(name: str, value: str) -> NamedNode:
    """A class of a property."""
    return NamedNode(f"{BASE}vocabulary/{name}/{value}")


def graph_iri(keeper: str) -> NamedNode:
    """The graph that holds a museum's facts."""
    return NamedNode(f"{BASE}graph/{keeper}")


def picture_url(made: MadeObject, index: int) -> str:
    """The address of one of the object's pictures."""
    return f"{IMAGES}{made.id}-{index + 1}.jpg"


def museum_quads(
    count: int = 2000, seed: int = 0, *, start: int = 0, texts: bool = True, pictures: bool = True
) -> Iterator[Quad]:
    """The facts about `count` objects, without the values that are missing; the same seed, the same quads."""
    for made in made_objects(count, seed, start):
        yield from object_quads(made, texts=texts, pictures=pictures)


def object_quads(made: MadeObject, *, texts: bool = True, pictures: bool = True) -> Iterator[Quad]:
    """The facts about one object."""
    graph = graph_iri(made.keeper.name)
    record = record_iri(made)
    production = NamedNode(record.value + "/production")
    known = {name: made.values[name] for name in PROPERTIES if name not in made.missing}
    yield Quad(record, RDF.type, _OBJECT, graph)
    yield Quad(record, CRM.P50_has_current_keeper, NamedNode(BASE + made.keeper.name), graph)
    yield Quad(record, CRM.P2_has_type, class_iri("type", made.type), graph)
    yield Quad(
        record, CRM.P46i_forms_part_of, NamedNode(f"{BASE}{made.keeper.name}/{made.department}"), graph
    )
    yield Quad(record, CRM.P108i_was_produced_by, production, graph)
    yield Quad(production, RDF.type, _PRODUCTION, graph)
    for value in known.get("place", ()):
        yield Quad(production, CRM.P7_took_place_at, class_iri("place", value), graph)
    for value in known.get("time", ()):
        span = NamedNode(production.value + "/time")
        yield Quad(production, CRM["P4_has_time-span"], span, graph)
        yield Quad(span, RDF.type, _TIME_SPAN, graph)
        yield Quad(span, CRM.P86_falls_within, class_iri("time", value), graph)
    for value in known.get("technique", ()):
        yield Quad(production, CRM.P32_used_general_technique, class_iri("technique", value), graph)
    for value in known.get("material", ()):
        yield Quad(record, CRM.P45_consists_of, class_iri("material", value), graph)
    if texts:
        yield from _text_quads(made, record, graph)
    if pictures:
        for index in range(made.pictures):
            picture = NamedNode(f"{record.value}/image/{index + 1}")
            yield Quad(record, CRM.P138i_has_representation, picture, graph)
            yield Quad(picture, LA.access_point, NamedNode(picture_url(made, index)), graph)


def _text_quads(made: MadeObject, record: NamedNode, graph: NamedNode) -> Iterator[Quad]:
    name, language = title(made)
    yield Quad(record, RDFS.label, Literal(name, language=language), graph)
    for text, language in descriptions(made):
        note = NamedNode(f"{record.value}/description/{language}")
        yield Quad(record, CRM.P67i_is_referred_to_by, note, graph)
        yield Quad(note, RDF.type, CRM.E33_Linguistic_Object, graph)
        yield Quad(note, CRM.P190_has_symbolic_content, Literal(text, language=language), graph)


def vocabulary_quads() -> Iterator[Quad]:
    """The thesaurus: every class with its labels in four languages, and the museums' names."""
    for name, classes in {**CLASSES, "type": TYPES}.items():
        scheme = NamedNode(f"{BASE}vocabulary/{name}")
        for value, labels in classes.items():
            concept = class_iri(name, value)
            yield Quad(concept, RDF.type, SKOS.Concept, VOCABULARY)
            yield Quad(concept, SKOS.inScheme, scheme, VOCABULARY)
            for language, label in zip(LANGUAGES, labels, strict=True):
                yield Quad(concept, SKOS.prefLabel, Literal(label, language=language), VOCABULARY)
    for keeper in KEEPERS:
        title_of_museum = Literal(keeper.title, language=keeper.language)
        yield Quad(NamedNode(BASE + keeper.name), RDFS.label, title_of_museum, VOCABULARY)
        for department, label in DEPARTMENT_LABELS.items():
            iri = NamedNode(f"{BASE}{keeper.name}/{department}")
            yield Quad(iri, RDFS.label, Literal(label, language="en"), VOCABULARY)


@dataclass(frozen=True)
class Truth:
    """The values of the gaps: by record IRI and property, the IRIs of the true classes."""

    values: dict[tuple[str, str], tuple[str, ...]]

    @classmethod
    def of(cls, objects: Iterable[MadeObject]) -> Truth:
        """What is missing of these objects, and true."""
        return cls(
            {
                (record_iri(made).value, name): tuple(class_iri(name, v).value for v in made.values[name])
                for made in objects
                for name in made.missing
            }
        )


def write_museum(folder: Path, count: int = 2000, seed: int = 0) -> Truth:
    """Write records.nq, vocabulary.nq, splits.tsv and truth.tsv into a folder; returns the truth.

    The truth is for comparison alone: nothing of it is in the two graphs' files.
    """
    folder.mkdir(parents=True, exist_ok=True)
    ox.serialize(museum_quads(count, seed), folder / "records.nq", ox.RdfFormat.N_QUADS)
    ox.serialize(vocabulary_quads(), folder / "vocabulary.nq", ox.RdfFormat.N_QUADS)
    with (folder / "splits.tsv").open("w", encoding="utf-8") as file:
        file.write("record\tsplit\n")
        file.writelines(f"{record_iri(made).value}\t{made.split}\n" for made in made_objects(count, seed))
    truth = Truth.of(made_objects(count, seed))
    with (folder / "truth.tsv").open("w", encoding="utf-8") as file:
        file.write("record\tproperty\tvalue\n")
        for (record, name), values in truth.values.items():
            file.writelines(f"{record}\t{name}\t{value}\n" for value in values)
    return truth
