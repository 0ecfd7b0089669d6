"""What the endpoint says of itself, without a query: SPARQL 1.1 Service Description."""

from __future__ import annotations

from collections.abc import Iterator

import pyoxigraph as ox
from pyoxigraph import BlankNode, Literal, NamedNode, Triple

from enrich.ontology.terms import DCT, ENR, PREFIXES, RDF, RDFS, SH, XSD, Namespace
from enrich.runs.citation import VOID
from enrich.settings.loading import Settings

SD = Namespace("http://www.w3.org/ns/sparql-service-description#")
_FORMATS = Namespace("http://www.w3.org/ns/formats/")
_RESULTS = (
    "SPARQL_Results_JSON",
    "SPARQL_Results_XML",
    "SPARQL_Results_CSV",
    "SPARQL_Results_TSV",
    "Turtle",
    "N-Triples",
    "RDF_XML",
    "JSON-LD",
)


def limits(settings: Settings) -> str:
    """What an answer may cost, in a sentence."""
    web = settings.web
    return (
        f"A query may take {web.query_seconds:g} seconds, and an answer have {web.query_rows:,} rows and "
        f"{web.query_bytes:,} bytes; X-Enrich-Cut says where one was cut. {web.queries} queries are answered at once."
    )


def description(settings: Settings, endpoint: str, answers: int | None) -> str:
    """The description in Turtle. `answers` is how many current answers there are, None where that is not known."""
    return _written(_triples(settings, endpoint, answers), ox.RdfFormat.TURTLE)


def as_json_ld(turtle: str) -> str:
    """The same in JSON-LD."""
    quads = ox.parse(turtle, ox.RdfFormat.TURTLE)
    return _written((Triple(q.subject, q.predicate, q.object) for q in quads), ox.RdfFormat.JSON_LD)


def _written(triples: Iterator[Triple], form: ox.RdfFormat) -> str:
    used = {"sd": str(SD), "void": str(VOID), **{n: PREFIXES[n] for n in ("dct", "enr", "rdfs", "sh", "xsd")}}
    written = ox.serialize(triples, format=form, prefixes=used)
    assert written is not None
    return written.decode()


def _triples(settings: Settings, endpoint: str, answers: int | None) -> Iterator[Triple]:
    service, dataset, facts = NamedNode(endpoint), BlankNode("dataset"), BlankNode("facts")
    title = f"SPARQL of {settings.creator}" if settings.creator else "SPARQL"
    yield Triple(service, RDF.type, SD.Service)
    yield Triple(service, DCT.title, Literal(title, language="en"))
    yield Triple(service, RDFS.comment, Literal(limits(settings), language="en"))
    yield Triple(service, SD.endpoint, service)
    yield Triple(service, SD.supportedLanguage, SD.SPARQL11Query)
    for name in _RESULTS:
        yield Triple(service, SD.resultFormat, _FORMATS[name])
    for name in settings.store.services:
        yield Triple(service, SD.feature, SD.BasicFederatedQuery)
        yield Triple(service, RDFS.seeAlso, NamedNode(name))
    yield Triple(service, SD.defaultDataset, dataset)
    yield Triple(dataset, RDF.type, SD.Dataset)
    yield Triple(dataset, SD.defaultGraph, facts)
    yield Triple(facts, RDF.type, SD.Graph)
    yield Triple(
        facts, RDFS.comment, Literal("The museum's facts, in whatever graphs they are", language="en")
    )
    if answers is not None:
        part = BlankNode("answers")
        yield Triple(dataset, RDF.type, VOID.Dataset)
        yield Triple(dataset, VOID.classPartition, part)
        yield Triple(part, VOID["class"], ENR.Prediction)
        yield Triple(part, VOID.entities, Literal(str(answers), datatype=XSD.integer))
    for number, (name, space) in enumerate(sorted(PREFIXES.items())):
        declared = BlankNode(f"prefix{number}")
        yield Triple(service, SH.declare, declared)
        yield Triple(declared, SH.prefix, Literal(name))
        yield Triple(declared, SH.namespace, Literal(space, datatype=XSD.anyURI))
