"""Explaining answers that are in the store: the right model is found, and what it went by is told."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.classifiers.data import Picture
from enrich.classifiers.explain.explanation import PictureExplanation, Saliency
from enrich.classifiers.tabular.classifier import TabularClassifier
from enrich.cli import main
from enrich.errors import InputError, ModelError
from enrich.learn.training import train
from enrich.settings.loading import Settings
from enrich.show import explaining
from enrich.show.explaining import explain_shown
from enrich.show.record import show_record
from enrich.show.tree import record_tree
from enrich.workspace import Workspace
from tests.museums import dummy_model, museum
from tests.show.test_record import drawn

TRAIN = {
    "modalities": ("tabular", "text"),
    "folds": 2,
    "options": {
        "tabular": {"rounds": 10, "patience": 5, "depth": 3, "bins": 32},
        "fusion": {"rounds": 10, "folds": 2},
    },
}
PROPERTIES = ("place", "time", "technique", "material")


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Workspace, Path, str]]:
    """A museum with a model, and one record with answers by it."""
    folder = tmp_path_factory.mktemp("explaining")
    workspace = museum(260, train=TRAIN, decision={"thresholds": dict.fromkeys(PROPERTIES, 0.3)})
    train(workspace, None, folder / "model")
    summary = pipeline.run(workspace, folder / "model", limit=12)
    assert summary.predicted
    shown = next(
        s.iri.value
        for s in workspace.reader.read_all()
        if s.missing and s.record.texts and show_record(workspace, s.iri)["predictions"]
    )
    yield workspace, folder, shown
    workspace.store.close()


def explained(made: tuple[Workspace, Path, str], **given: Any) -> dict[str, Any]:
    workspace, folder, record = made
    shown = show_record(workspace, NamedNode(record))
    found = explain_shown(workspace, shown, folder / "model", **given)
    return json.loads(json.dumps(found))  # type: ignore[no-any-return]


def test_every_current_answer_is_explained(made: tuple[Workspace, Path, str]) -> None:
    data = explained(made)
    for answer in data["predictions"]:
        told = answer["explanation"]
        assert told["value"] == (answer["value"] or answer["candidates"][0]["value"])
        assert not told["input_changed"]
        assert [m["modality"] for m in told["modalities"]] == ["tabular", "text"]
        said = {c["value"]: c["probability"] for c in answer["candidates"]}
        assert told["probability"] == pytest.approx(said[told["value"]], abs=1e-5)
        assert told["fusion"]


def test_the_tree_tells_it_with_names(made: tuple[Workspace, Path, str]) -> None:
    data = explained(made)
    text = drawn(data)
    assert text.count("each member's part in the fusion") == len(data["predictions"])
    assert "text gives it" in text
    assert "type is" in text
    assert "has changed" not in text


def test_a_record_that_changed_says_so(made: tuple[Workspace, Path, str]) -> None:
    workspace, _, record = made
    label = NamedNode("http://www.w3.org/2000/01/rdf-schema#label")
    graph = workspace.reader.graphs[0]
    added = Quad(NamedNode(record), label, Literal("Another title", language="en"), graph)
    workspace.store.insert([added])
    try:
        data = explained(made)
    finally:
        workspace.store.update(
            f"DELETE DATA {{ GRAPH {graph} {{ {added.subject} {label} {added.object} }} }}"
        )
    assert all(a["explanation"]["input_changed"] for a in data["predictions"])
    assert "has changed since" in drawn(data)


def test_the_model_is_found_by_its_digest(
    made: tuple[Workspace, Path, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    workspace, folder, record = made
    shown = show_record(workspace, NamedNode(record))
    monkeypatch.setattr(Settings, "folder", folder)
    assert explain_shown(workspace, shown)["predictions"][0]["explanation"]
    monkeypatch.setattr(Settings, "folder", folder / "model")
    with pytest.raises(InputError, match="name it with --model DIR"):
        explain_shown(workspace, show_record(workspace, NamedNode(record)))


def test_another_model_is_refused(made: tuple[Workspace, Path, str], tmp_path: Path) -> None:
    workspace, _, record = made
    other = dummy_model(workspace, tmp_path / "other")
    with pytest.raises(InputError, match="no current answer about"):
        explain_shown(workspace, show_record(workspace, NamedNode(record)), other)
    with pytest.raises(ModelError):
        explain_shown(workspace, show_record(workspace, NamedNode(record)), tmp_path)


def test_without_an_answer_there_is_nothing_to_explain(made: tuple[Workspace, Path, str]) -> None:
    workspace, folder, _ = made
    silent = next(
        s.iri for s in workspace.reader.read_all() if not show_record(workspace, s.iri)["predictions"]
    )
    with pytest.raises(InputError, match="no current answer"):
        explain_shown(workspace, show_record(workspace, silent), folder / "model")


def test_a_saliency_picture_is_written(
    made: tuple[Workspace, Path, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    grey = np.full((8, 8, 3), 90, dtype=np.uint8)
    seen = Saliency("place", "urn:v", Path("x.jpg"), "grad-cam", np.zeros((8, 8)), grey)
    looked = (
        PictureExplanation(Picture("https://o.example/a.jpg"), seen),
        PictureExplanation(Picture("https://o.example/b.jpg"), None, "does not decode"),
    )
    whole = TabularClassifier.explain

    def with_pictures(*arguments: Any, **options: Any) -> Any:
        return replace(whole(*arguments, **options), pictures=looked)

    monkeypatch.setattr(TabularClassifier, "explain", with_pictures)
    data = explained(made, out=tmp_path / "why")
    pictures = data["predictions"][0]["explanation"]["modalities"][0]["pictures"]
    assert Path(pictures[0]["file"]).read_bytes().startswith(b"\x89PNG")
    assert Path(pictures[0]["file"]).parent == tmp_path / "why"
    assert (pictures[1]["file"], pictures[1]["reason"]) == (None, "does not decode")
    assert "picture https://o.example/b.jpg: does not decode" in drawn(data)
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="--out"):
        explained(made, out=tmp_path / "file")


@pytest.mark.parametrize(
    "iri",
    [
        "https://o.example/../../etc/passwd",
        "https://o.example/a%2F..%2F",
        "https://o.example/" + "ü" * 300,
        "x/",
    ],
)
def test_file_names_stay_in_their_folder(iri: str) -> None:
    name = explaining._file_name(iri)
    assert "/" not in name
    assert "." not in name
    assert 0 < len(name) < 80
    assert name != explaining._file_name(iri + "2")


def test_the_options_belong_together(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["show", "https://o.example/1", "--out", "x"]) != 0
    assert "--explain" in capsys.readouterr().err


def test_a_tree_without_explanations_is_as_before(made: tuple[Workspace, Path, str]) -> None:
    workspace, _, record = made
    data = show_record(workspace, NamedNode(record))
    assert "why" not in drawn(data)
    assert record_tree(data).children
