"""enrich.ttl defines every term that the queries, the shapes and the fixture use, and no other; the
fixture conforms to the shapes, and what breaks the pattern does not."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cache
from pathlib import Path

import pyshacl
import pytest
import rdflib
from rdflib import OWL, RDF, RDFS, SH

from enrich.ontology.queries import named_query, query_names
from tests.ontology.pattern import FILE, NAMES

ROOT = Path(__file__).parents[2]
ENR = "https://w3id.org/enrich/ns#"
PATTERN = rdflib.Namespace(NAMES.base)
TERM = rdflib.Namespace(ENR)
PROV = rdflib.Namespace("http://www.w3.org/ns/prov#")
CRM = rdflib.Namespace("http://www.cidoc-crm.org/cidoc-crm/")
ALIGNED = ("http://www.w3.org/ns/prov#", "http://www.cidoc-crm.org/", "http://www.ics.forth.gr/isl/CRMdig/")


@cache
def vocabulary() -> rdflib.Graph:
    return rdflib.Graph().parse(ROOT / "ontology" / "enrich.ttl")


@cache
def shapes() -> rdflib.Graph:
    return rdflib.Graph().parse(ROOT / "ontology" / "shapes.ttl")


def fixture() -> rdflib.Graph:
    merged = rdflib.Graph()
    for subject, predicate, obj, _ in rdflib.Dataset().parse(FILE).quads():
        merged.add((subject, predicate, obj))
    return merged


def ours(terms: Iterable[object]) -> set[str]:
    return {str(term).removeprefix(ENR) for term in terms if str(term).startswith(ENR)}


def defined() -> set[str]:
    return ours(vocabulary().subjects(RDFS.isDefinedBy))


def in_queries() -> set[str]:
    return {term for name in query_names() for term in re.findall(r"\benr:(\w+)", named_query(name).text)}


def in_shapes() -> set[str]:
    return ours(term for triple in shapes() for term in triple)


def test_every_term_that_is_used_is_defined() -> None:
    used = in_queries() | in_shapes() | ours(term for triple in fixture() for term in triple)

    assert used - defined() == set()


def in_code() -> set[str]:
    sources = [p.read_text() for folder in ("enrich", "workers") for p in (ROOT / folder).rglob("*.py")]
    return {term for text in sources for term in re.findall(r"\bENR\.(\w+)", text)}


def test_every_term_of_the_code_is_defined() -> None:
    assert in_code() - defined() == set()


def test_every_term_that_is_defined_is_used() -> None:
    classes = {
        "Candidate",
        "Objection",
        "Draw",
        "Outcome",
        "Reason",
        "RunState",
        "Decision",
        "Modality",
        "DataRole",
        "Regime",
    }

    assert defined() - in_queries() - in_shapes() - in_code() == classes


def test_every_term_has_a_label_a_comment_and_an_alignment() -> None:
    graph = vocabulary()
    for name in defined():
        term = TERM[name]
        assert graph.value(term, RDFS.label), name
        assert str(graph.value(term, RDFS.comment)).endswith("."), name
        if (term, RDF.type, OWL.Class) in graph:
            parents = {str(parent) for parent in graph.objects(term, RDFS.subClassOf)}
            assert any(parent.startswith(ALIGNED) for parent in parents), name


def test_every_property_has_a_domain_and_a_range() -> None:
    graph = vocabulary()
    properties = set(graph.subjects(RDF.type, RDF.Property))
    assert len(properties) > 20
    for term in properties:
        assert graph.value(term, RDFS.domain) is not None, term
        assert graph.value(term, RDFS.range) is not None, term


def test_every_term_is_documented() -> None:
    text = (ROOT / "docs" / "ontology.md").read_text(encoding="utf-8")

    assert {name for name in defined() if f"`enr:{name}`" not in text} == set()
    assert set(re.findall(r"`enr:(\w+)`", text)) - defined() == set()
    reference = (ROOT / "docs" / "reference.md").read_text(encoding="utf-8")
    assert {name for name in query_names() if f"\n| `{name}` |" not in reference} == set()


def conforms(graph: rdflib.Graph) -> tuple[bool, str]:
    ok, _, text = pyshacl.validate(graph, shacl_graph=shapes())
    return ok, text


def test_the_fixture_conforms() -> None:
    ok, text = conforms(fixture())

    assert ok, text


def test_the_shapes_are_valid_shacl_with_a_message_for_what_a_person_can_put_right() -> None:
    ok, _, text = pyshacl.validate(shapes(), shacl_graph=rdflib.Graph(), meta_shacl=True)
    assert ok, text
    targeted = {
        s for p in (SH.targetClass, SH.targetSubjectsOf, SH.targetObjectsOf) for s in shapes().subjects(p)
    }
    for shape in targeted:
        for constraint in shapes().objects(shape, SH.property):
            assert shapes().value(constraint, SH.message), shape


P1, P2, P5 = (PATTERN[f"prediction/{name}"] for name in ("p1", "p2", "p5"))
DECIMAL = rdflib.XSD.decimal


@pytest.mark.parametrize(
    ("subject", "predicate", "value"),
    [
        (P1, TERM.confidence, rdflib.Literal("1.5", datatype=DECIMAL)),
        (P1, TERM.confidence, rdflib.Literal(0.5)),
        (P1, TERM.confidence, None),
        (P1, TERM.about, None),
        (P1, TERM.propertyName, None),
        (P1, TERM.inputDigest, rdflib.Literal("77e0")),
        (P1, TERM.outcome, TERM.Maybe),
        (P1, TERM.answers, None),
        (P1, CRM.P141_assigned, None),
        (P1, CRM.P141_assigned, rdflib.Literal("")),
        (P1, CRM.P141_assigned, rdflib.URIRef("other_technique")),
        (PATTERN["run/r1"], CRM.P2_has_type, None),
        (P1, CRM.P9i_forms_part_of, None),
        (PATTERN["run/r1"], CRM.P14_carried_out_by, None),
        (P1, PROV.qualifiedUsage, None),
        (P2, TERM.reason, None),
        (P2, TERM.reason, TERM.UnreadableRecord),
        (P2, CRM.P141_assigned, rdflib.URIRef("https://a.org/x")),
        (P5, TERM.reason, TERM.BelowThreshold),
        (PATTERN["candidate/p1-1"], TERM["rank"], rdflib.Literal(0)),
        (PATTERN["candidate/p1-1"], TERM.value, rdflib.BNode("nobody")),
        (PATTERN["candidate/p1-1"], TERM.probability, rdflib.Literal("NaN", datatype=rdflib.XSD.double)),
        (PATTERN["candidate/p1-1"], PROV.wasGeneratedBy, None),
        (PATTERN["usage/p1"], PROV.hadRole, TERM.Smell),
        (PATTERN["usage/p1"], TERM.byModel, None),
        (PATTERN["evidence/p6"], TERM.modality, None),
        (PATTERN["evidence/p6"], TERM.modality, TERM.Smell),
        (PATTERN["model/image-1"], TERM.modality, TERM.Smell),
        (PATTERN["evidence/p1"], TERM.sha256, rdflib.Literal("12")),
        (PATTERN["evidence/p1"], PROV.wasDerivedFrom, None),
        (PATTERN["run/r1"], TERM.runState, TERM.Done),
        (PATTERN["run/r1"], PROV.startedAtTime, None),
        (PATTERN["run/r1"], PROV.used, None),
        (PATTERN["model/fusion-1"], TERM.sha256, None),
        (PATTERN["agent/enrich-0.1.0"], rdflib.DCTERMS.hasVersion, None),
        (PATTERN["snapshot/facts"], TERM.role, TERM.Decoration),
        (PATTERN["review/1"], TERM.decision, TERM.Pending),
        (PATTERN["review/1"], CRM.P14_carried_out_by, None),
        (PATTERN["review/1"], PROV.endedAtTime, rdflib.Literal("yesterday")),
    ],
)
def test_what_breaks_the_pattern_does_not_conform(
    subject: rdflib.URIRef, predicate: rdflib.URIRef, value: rdflib.term.Node | None
) -> None:
    graph = fixture()
    if subject == P2 and predicate == CRM.P141_assigned:
        assert not list(graph.objects(subject, predicate))
    else:
        assert list(graph.objects(subject, predicate))
    graph.remove((subject, predicate, None))
    if value is not None:
        graph.add((subject, predicate, value))

    ok, _ = conforms(graph)

    assert not ok


def test_a_second_value_does_not_conform() -> None:
    graph = fixture()
    graph.add((P1, CRM.P141_assigned, rdflib.URIRef("https://a.org/x")))

    assert not conforms(graph)[0]
