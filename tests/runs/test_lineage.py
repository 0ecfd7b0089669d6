"""What a model learned from: recorded by training, told by the register and by the query `lineage`."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest
from pyoxigraph import Literal, Quad

from enrich.answering import run as pipeline
from enrich.classifiers.data import Dataset, Picture, Property, Record, Text
from enrich.classifiers.model.description import ModelDescription
from enrich.ontology.queries import named_query
from enrich.ontology.terms import DCAT, DCT, ENR, RDFS
from enrich.runs.lineage import snapshots
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum

RECORD = Record(
    "https://o.example/1",
    {"place": ("https://c.example/lyon",)},
    {"museum": ("lyon",)},
    (Text("a woven piece", "en"),),
    (Picture("https://o.example/1.jpg", sha256="a" * 64),),
)


def made(workspace: Workspace, folder: Path) -> tuple[str, set[tuple[str, ...]]]:
    """A run by a model trained on the museum: the model's digest, and the lineage of one of its answers."""
    model = dummy_model(workspace, folder)
    pipeline.run(workspace, model)
    ((prediction,), *_) = workspace.store.select(f"SELECT ?p {{ GRAPH ?g {{ ?p a {ENR.Prediction} }} }}")
    asked = named_query("lineage").bind(runs=workspace.names.runs, prediction=prediction)
    rows = {tuple("" if t is None else t.value for t in row) for row in workspace.store.select(asked)}
    return ModelDescription.read(model).digest, rows


def test_training_records_the_data_and_the_register_and_the_lineage_tell_it(tmp_path: Path) -> None:
    workspace = museum(40)
    digest, rows = made(workspace, tmp_path / "m")
    (data,) = snapshots(ModelDescription.read(tmp_path / "m"))

    assert (data.role, data.issued) == ("TrainingData", datetime.now(UTC).date().isoformat())
    iri = workspace.names.model(data.digest)
    assert {(row[1], row[2], row[4]) for row in rows if row[2] == DCAT.Dataset.value} == {
        (iri.value, DCAT.Dataset.value, data.digest)
    }
    assert {row[0] for row in rows} == {workspace.names.model(digest).value}
    query = f"SELECT ?role ?day {{ GRAPH {workspace.names.runs} {{ {iri} {ENR.role} ?role ; {DCT.issued} ?day }} }}"
    assert [tuple(t.value for t in row if t) for row in workspace.store.select(query)] == [
        (ENR.TrainingData.value, data.issued)
    ]


def test_other_data_is_another_snapshot_and_the_same_data_the_same(tmp_path: Path) -> None:
    workspace = museum(30)
    before = snapshots(ModelDescription.read(dummy_model(workspace, tmp_path / "a")))
    assert snapshots(ModelDescription.read(dummy_model(workspace, tmp_path / "b", seed=1))) == before
    subject = next(iter(workspace.reader.read_all()))
    workspace.store.insert([Quad(subject.iri, RDFS.label, Literal("new"), workspace.reader.graphs[0])])
    assert snapshots(ModelDescription.read(dummy_model(workspace, tmp_path / "c"))) != before


@pytest.mark.parametrize(
    "changed",
    [
        replace(RECORD, id="https://o.example/2"),
        replace(RECORD, known={"place": ("https://c.example/como",)}),
        replace(RECORD, context={}),
        replace(RECORD, texts=(Text("a woven piece", "fr"),)),
        replace(RECORD, pictures=(replace(RECORD.pictures[0], sha256="b" * 64),)),
    ],
)
def test_the_digest_is_of_everything_that_was_read(changed: Record) -> None:
    properties = (Property("place", ("https://c.example/lyon", "https://c.example/como")),)
    assert Dataset([RECORD], properties).digest != Dataset([changed], properties).digest


def test_training_again_on_the_same_data_keeps_the_day_and_so_the_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace = museum(30)
    first = ModelDescription.read(dummy_model(workspace, tmp_path / "m"))

    monkeypatch.setattr("enrich.learn.unfinished.today", lambda: "2036-01-31")
    assert ModelDescription.read(dummy_model(workspace, tmp_path / "m")).digest == first.digest
    (elsewhere,) = snapshots(ModelDescription.read(dummy_model(workspace, tmp_path / "other")))
    assert elsewhere.issued == "2036-01-31"
