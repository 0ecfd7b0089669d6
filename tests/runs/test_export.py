"""An export is valid RDF, the same bytes each time, whole in our pattern and sparing in SILKNOW's."""

from __future__ import annotations

import gzip
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyoxigraph as ox
import pytest
import rdflib
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat

from enrich.errors import InputError, RunError
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.terms import CRM, ECRM, ENR, MLS, PROV, RDF, SILK, XSD
from enrich.runs.export.run_file import export_run
from enrich.runs.export.run_graphs import ExportReport
from enrich.runs.export.silknow import PREDICTIONS
from tests.ontology.pattern import FILE, MUSEUM, NAMES, object_, prediction


@pytest.fixture
def store() -> Iterator[EmbeddedStore]:
    with EmbeddedStore() as opened, FILE.open("rb") as file:
        opened.insert(ox.parse(file, ox.RdfFormat.TRIG))
        yield opened


def export(store: EmbeddedStore, run: str, form: Any, target: Path) -> tuple[ExportReport, set[Quad]]:
    report = export_run(store, NAMES, NAMES.run(run), form, target)
    data = gzip.decompress(target.read_bytes()) if target.suffix == ".gz" else target.read_bytes()
    name = target.with_suffix("").suffix if target.suffix == ".gz" else target.suffix
    return report, set(ox.parse(data, format=RdfFormat.from_extension(name[1:])))


def of_graph(store: EmbeddedStore, graph: NamedNode) -> set[Quad]:
    return set(store.store.quads_for_pattern(None, None, None, graph))


def said(quads: set[Quad], subject: NamedNode | None, predicate: NamedNode) -> list[Any]:
    return sorted(
        (q.object for q in quads if q.predicate == predicate and (subject is None or q.subject == subject)),
        key=str,
    )


@pytest.mark.parametrize(("form", "name"), [("trig", "run.trig"), ("nq", "run.nq"), ("trig", "run.trig.gz")])
def test_a_run_is_exported_whole(store: EmbeddedStore, tmp_path: Path, form: str, name: str) -> None:
    report, quads = export(store, "r1", form, tmp_path / name)

    for number in (0, 1):
        graph = NAMES.shard("r1", number)
        assert {q for q in quads if q.graph_name == graph} == of_graph(store, graph)
    assert (report.graphs, report.predictions, report.written) == (2, 6, len(quads))
    assert {q.graph_name for q in quads} == {NAMES.runs, NAMES.shard("r1", 0), NAMES.shard("r1", 1)}


def test_the_register_tells_what_the_run_was_made_with_and_of_no_other_run(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    _, quads = export(store, "r2", "trig", tmp_path / "run.trig")

    models = {q.subject.value.rsplit("/", 1)[-1] for q in quads if q.object == MLS.Model}
    runs = {q.subject for q in quads if q.predicate == ENR.runState}
    assert models == {"fusion-2", "image-1", "text-1", "epoch-7", "epoch-9"}
    assert runs == {NAMES.run("r2")}
    assert said(quads, None, PROV.actedOnBehalfOf) == [NamedNode(MUSEUM + "actor/museum")]


@pytest.mark.parametrize("form", ["trig", "nq", "silknow"])
def test_the_same_run_gives_the_same_bytes(store: EmbeddedStore, tmp_path: Path, form: Any) -> None:
    shuffled = EmbeddedStore()
    shuffled.insert(sorted(store.store, key=str, reverse=True))
    for made, name in ((store, "a"), (shuffled, "b")):
        export_run(made, NAMES, NAMES.run("r1"), form, tmp_path / f"{name}.gz")

    assert (tmp_path / "a.gz").read_bytes() == (tmp_path / "b.gz").read_bytes()


@pytest.mark.parametrize(
    ("form", "name"), [("trig", "r.trig"), ("nq", "r.nq"), ("silknow", "r.trig"), ("silknow", "r.ttl")]
)
def test_rdflib_reads_it_alike(store: EmbeddedStore, tmp_path: Path, form: Any, name: str) -> None:
    _, quads = export(store, "r1", form, tmp_path / name)

    read = rdflib.Dataset()
    read.parse(
        tmp_path / name, format={".nq": "nquads", ".ttl": "turtle"}.get((tmp_path / name).suffix, "trig")
    )

    assert len(read) == len(quads)


def test_silknow_statements_are_reified_with_their_activity_and_agent(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    report, quads = export(store, "r2", "silknow", tmp_path / "run.trig")

    (statement,) = {q.subject for q in quads if q.object == RDF.Statement}
    assert {q.graph_name for q in quads} == {PREDICTIONS}
    assert said(quads, statement, RDF.subject) == [NamedNode(MUSEUM + "production/1")]
    assert said(quads, statement, RDF.predicate) == [CRM.P32_used_general_technique]
    assert said(quads, statement, RDF.object) == [NamedNode(MUSEUM + "vocab/lampas")]
    assert said(quads, statement, SILK.L18) == [Literal("0.91", datatype=XSD.float)]
    assert said(quads, statement, PROV.wasGeneratedBy) == [prediction("p6")]
    assert said(quads, prediction("p6"), PROV.atTime) == [
        Literal("2026-11-21T03:12:41Z", datatype=XSD.dateTime)
    ]
    assert said(quads, prediction("p6"), PROV.used) == [
        NamedNode("https://iiif.example.org/1/full/!448,448/0/default.jpg")
    ]
    (agent,) = said(quads, prediction("p6"), PROV.wasAssociatedWith)
    (text,) = said(quads, agent, ECRM.P70_documents)
    assert said(quads, agent, RDF.type) == [PROV.SoftwareAgent]
    assert "enrich 0.1.0" in text.value
    assert f"{NAMES.base}model/fusion-2" in text.value
    assert (report.written, report.left_out) == (1, {})


def test_silknow_leaves_out_what_is_not_to_be_shown(store: EmbeddedStore, tmp_path: Path) -> None:
    report, quads = export(store, "r1", "silknow", tmp_path / "run.trig")

    # p1 is superseded by p6, p2 abstained, p5 failed, p4a was rejected: p3 and p4b are left.
    assert said(quads, None, RDF.object) == [
        NamedNode(MUSEUM + "vocab/eighteenth-century"),
        NamedNode(MUSEUM + "vocab/embroidery"),
    ]
    assert report.left_out == {"abstained or failed": 2, "superseded": 1, "turned down by a curator": 1}
    assert report.predictions == report.written + sum(report.left_out.values()) == 6
    assert report.to_json()["left_out"] == report.left_out


def test_silknow_gives_a_property_of_a_node_one_value_the_surest(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    store.drop(NAMES.verdicts)

    report, quads = export(store, "r1", "silknow", tmp_path / "run.trig")

    statements = {q.subject for q in quads if q.object == RDF.Statement}
    slots = Counter((said(quads, s, RDF.subject)[0], said(quads, s, RDF.predicate)[0]) for s in statements)
    assert set(slots.values()) == {1}
    assert NamedNode(MUSEUM + "vocab/velvet") in said(quads, None, RDF.object)
    assert report.left_out["another value is surer"] == 1


def test_silknow_gives_each_property_of_each_node_its_own_value(store: EmbeddedStore, tmp_path: Path) -> None:
    """Given a property that shares its node and predicate with another, and one that is followed backwards from the
    same value to two nodes, then none of them costs another its value."""
    graph = NAMES.shard("r2", 0)
    ((given, *_),) = [q for q in of_graph(store, graph) if q.predicate == ENR.about]
    assert given == prediction("p6")
    silk, object_2, object_3 = NamedNode(MUSEUM + "vocab/silk"), object_(2), object_(3)
    changed: list[dict[NamedNode, Any]] = [
        {ENR.propertyName: Literal("finish"), ENR.answers: silk, CRM.P141_assigned: silk},
        *(
            {ENR.about: record, ENR.propertyName: Literal("material"), ENR.answers: silk, CRM.P141_assigned: record,
             CRM.P140_assigned_attribute_to: silk, CRM.P177_assigned_property_of_type: CRM.P45i_is_incorporated_in}
            for record in (object_2, object_3)
        ),
    ]  # fmt: skip
    for number, terms in enumerate(changed):
        rows = [q for q in of_graph(store, graph) if q.subject == given]
        store.insert(
            Quad(prediction(f"q{number}"), q.predicate, terms.get(q.predicate, q.object), graph) for q in rows
        )

    report, quads = export(store, "r2", "silknow", tmp_path / "run.trig")

    assert (report.written, report.left_out) == (4, {})
    assert set(said(quads, None, RDF.object)) == {
        NamedNode(MUSEUM + "vocab/lampas"),
        silk,
        object_2,
        object_3,
    }


def test_silknow_asserts_no_plain_fact_and_every_iri_is_absolute(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    _, quads = export(store, "r1", "silknow", tmp_path / "run.trig")

    assert not [q for q in quads if str(q.predicate.value).startswith((str(CRM), "http://erlangen-crm.org/current/P1", "http://erlangen-crm.org/current/P3"))]  # fmt: skip
    text = (tmp_path / "run.trig").read_text()
    assert all(re.match(r"https?://", iri) for iri in re.findall(r"<([^<>\s]*)>", text))


def test_each_statement_has_one_of_each_part_and_the_picture_or_record_it_used(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    _, quads = export(store, "r1", "silknow", tmp_path / "run.ttl")

    statements = {q.subject for q in quads if q.object == RDF.Statement}
    parts = Counter((q.subject, q.predicate) for q in quads if q.subject in statements)
    assert (len(statements), set(parts.values())) == (2, {1})
    assert set(said(quads, None, PROV.used)) == {
        object_(2),
        NamedNode("https://iiif.example.org/2/full/!448,448/0/default.jpg"),
    }


@pytest.mark.parametrize("run", ["r3", "r4"])
def test_only_an_active_run_is_exported_as_silknow(store: EmbeddedStore, tmp_path: Path, run: str) -> None:
    with pytest.raises(RunError, match="only an active run is shown"):
        export_run(store, NAMES, NAMES.run(run), "silknow", tmp_path / "run.trig")
    assert export(store, run, "trig", tmp_path / "run.trig")[0].predictions == 1


def test_what_cannot_be_exported_is_refused_and_leaves_no_file(store: EmbeddedStore, tmp_path: Path) -> None:
    run = NAMES.run("r1")
    with pytest.raises(RunError, match=r"no run .*enrich runs"):
        export_run(store, NAMES, NAMES.run("r9"), "trig", tmp_path / "run.trig")
    for form, name in (
        ("trig", "run.csv"),
        ("nq", "run.trig.gz"),
        ("silknow", "run.jsonld"),
        ("silknow", "run.csv.gz"),
    ):
        with pytest.raises(InputError, match=rf"{form} is not written as \.\w+; end its name in \."):
            export_run(store, NAMES, run, form, tmp_path / name)  # type: ignore[arg-type]
    with pytest.raises(InputError, match="holds no named graphs"):
        export_run(store, NAMES, run, "trig", tmp_path / "run.ttl")
    with pytest.raises(InputError, match="cannot write"):
        export_run(store, NAMES, run, "trig", tmp_path / "nonesuch" / "run.trig")
    assert list(tmp_path.iterdir()) == []


def test_a_file_takes_its_name_only_when_it_is_whole(tmp_path: Path) -> None:
    target = tmp_path / "run.trig"
    target.write_text("before")

    class Broken(EmbeddedStore):
        def dump(self, target: Any, graph: NamedNode | None = None) -> None:  # noqa: ARG002
            raise RunError("the store went away")

    broken = Broken()
    broken.insert(ox.parse(FILE.read_bytes(), ox.RdfFormat.TRIG))
    with pytest.raises(RunError, match="went away"):
        export_run(broken, NAMES, NAMES.run("r1"), "trig", target)

    assert target.read_text() == "before"
    assert [p.name for p in tmp_path.iterdir()] == ["run.trig"]


def test_a_dash_is_standard_output(store: EmbeddedStore, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    report = export_run(store, NAMES, NAMES.run("r2"), "nq", Path("-"))

    assert len(capfdbinary.readouterr().out.splitlines()) == report.written > 0
