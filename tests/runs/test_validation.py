"""What is written conforms to the shapes: the compiled checks and pyshacl come to the same verdict."""

from __future__ import annotations

from pathlib import Path

import pyshacl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyoxigraph import DefaultGraph, Literal, NamedNode, Quad, RdfFormat, serialize
from rdflib import Graph

from enrich.classifiers.model.model import Model
from enrich.errors import ValidationError
from enrich.ontology.terms import ENR, PROV, RDF, XSD
from enrich.runs.validation import compile_shapes, shapes, texts, validate
from tests.museums import dummy_model, museum, written_quads

SHAPES = Path(__file__).parents[2] / "ontology" / "shapes.ttl"


def answers(folder: Path) -> list[Quad]:
    """The quads of a few predictions and abstentions, as a run would write them."""
    workspace = museum(12)
    return written_quads(workspace, Model.load(dummy_model(workspace, folder)))[0]


@pytest.fixture(scope="module")
def conforming(tmp_path_factory: pytest.TempPathFactory) -> list[Quad]:
    return answers(tmp_path_factory.mktemp("model") / "m")


@pytest.fixture(scope="module")
def shacl() -> Graph:
    return Graph().parse(SHAPES)


def pyshacl_says(quads: list[Quad], shacl: Graph) -> bool:
    triples = [Quad(q.subject, q.predicate, q.object, DefaultGraph()) for q in quads]
    text = serialize(triples, format=RdfFormat.N_QUADS)
    data = Graph().parse(data=text, format="nt")
    return bool(pyshacl.validate(data, shacl_graph=shacl, advanced=False)[0])


def test_what_a_run_writes_conforms_to_both(conforming: list[Quad], shacl: Graph) -> None:
    assert shapes().problems(texts(conforming)) == []
    assert pyshacl_says(conforming, shacl)


_REPLACEMENTS = st.sampled_from(
    [
        None,
        Literal("x"),
        Literal("1.5", datatype=XSD.decimal),
        Literal("0.5", datatype=XSD.decimal),
        Literal("0", datatype=XSD.integer),
        Literal("not a number", datatype=XSD.decimal),
        NamedNode("urn:x:y"),
        NamedNode("https://c.example/1"),
        ENR.Failed,
        ENR.BelowThreshold,
        ENR.Prediction,
    ]
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_a_damaged_answer_gets_the_same_verdict_from_both(
    conforming: list[Quad], shacl: Graph, data: st.DataObject
) -> None:
    prediction = next(q.subject for q in conforming if q.predicate == ENR.outcome)
    near = {prediction} | {q.subject for q in conforming if q.object == prediction}
    near |= {q.object for q in conforming if q.subject == prediction}
    part = [q for q in conforming if q.subject in near]
    number = data.draw(st.integers(0, len(part) - 1))
    other = data.draw(_REPLACEMENTS)
    damaged = part[:number] + part[number + 1 :]
    if other is not None:
        damaged.append(Quad(part[number].subject, part[number].predicate, other))
    if data.draw(st.booleans()):
        damaged.append(part[number])

    assert (shapes().problems(texts(damaged)) == []) == pyshacl_says(damaged, shacl)


def test_a_problem_names_its_node_and_what_is_wrong() -> None:
    node = NamedNode("https://p.example/1")

    with pytest.raises(ValidationError, match=r"https://p\.example/1.*a prediction is about one record"):
        validate([Quad(node, RDF.type, ENR.Prediction)])


def test_an_empty_batch_conforms() -> None:
    assert shapes().problems([]) == []


def test_a_shape_that_is_not_understood_is_refused_at_once() -> None:
    text = b"""@prefix sh: <http://www.w3.org/ns/shacl#> . @prefix e: <https://e.example/> .
    e:S a sh:NodeShape ; sh:targetClass e:C ; sh:closed true ."""

    with pytest.raises(ValidationError, match="not understood"):
        compile_shapes(text)


def test_a_target_by_what_points_to_it_is_checked() -> None:
    usage, evidence = NamedNode("https://u.example/1"), NamedNode("https://e.example/1")

    found = shapes().problems(texts([Quad(usage, PROV.entity, evidence)]))

    assert [p.focus for p in found] == [str(evidence)]
    assert any("digest" in message for message in found[0].messages)
