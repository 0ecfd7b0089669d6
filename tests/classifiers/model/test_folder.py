"""A classifier's folder: what it holds, and what is refused at load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.model.manifest import ModelFolderError, write_manifest
from tests.classifiers.museum import dataset


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    data = dataset(60)
    dummy = DummyClassifier()
    dummy.fit(data, data.subset([]))
    write_model(tmp_path / "m", dummy, metrics={"place": {"rounds": 3}}, training={"seed": 0})
    return tmp_path / "m"


def edit(folder: Path, name: str, change) -> None:
    """Change a JSON file and make the MANIFEST fit it, as an attacker would."""
    path = folder / name
    value = json.loads(path.read_text())
    change(value)
    path.write_text(json.dumps(value))
    write_manifest(folder)


def test_it_holds_what_the_layout_says_and_reads_back(folder: Path) -> None:
    assert {p.name for p in folder.iterdir()} == {
        "config.json", "labels.json", "metrics.json", "README.md", "MANIFEST",
    }  # fmt: skip
    loaded = read_model(folder)
    assert loaded.classifier.name == "dummy"
    assert loaded.config["training"] == {"seed": 0}
    assert loaded.metrics == {"place": {"rounds": 3}}
    assert [p.name for p in loaded.classifier.properties] == ["place", "time", "material"]
    assert loaded.classifier.properties[2].many
    records = dataset(5).records
    assert np.isfinite(loaded.classifier.predict(records)["place"].probabilities).all()


def test_writing_twice_gives_the_same_digest(folder: Path, tmp_path: Path) -> None:
    loaded = read_model(folder)
    digest = write_model(
        tmp_path / "again", loaded.classifier, metrics=loaded.metrics, training=loaded.config["training"]
    )
    assert digest == loaded.digest


def test_a_label_map_longer_than_the_head_is_refused(folder: Path) -> None:
    edit(folder, "labels.json", lambda labels: labels["place"].append("https://museum.example/place/xx"))
    with pytest.raises(ModelFolderError, match="names 4 classes of place, the head has 3"):
        read_model(folder)


def test_a_label_map_and_head_that_agree_against_the_weights_are_refused(folder: Path) -> None:
    edit(folder, "labels.json", lambda labels: labels["place"].append("https://museum.example/place/xx"))
    edit(folder, "config.json", lambda config: config["heads"]["place"].update(classes=4))
    with pytest.raises(ModelFolderError, match="4 classes of place, the model has 3"):
        read_model(folder)


@pytest.mark.parametrize("label", ["other_technique", "", "has space:x", "urn:<script>", 7, None, "../x"])
def test_labels_that_are_no_absolute_iris_are_refused(folder: Path, label: object) -> None:
    edit(folder, "labels.json", lambda labels: labels["place"].__setitem__(0, label))
    with pytest.raises(ModelFolderError, match="not a list of absolute IRIs"):
        read_model(folder)


def test_labels_named_twice_or_of_other_properties_are_refused(folder: Path) -> None:
    edit(folder, "labels.json", lambda labels: labels["place"].__setitem__(0, labels["place"][1]))
    with pytest.raises(ModelFolderError, match="twice"):
        read_model(folder)
    edit(folder, "labels.json", lambda labels: labels.pop("time"))
    with pytest.raises(ModelFolderError, match="other properties"):
        read_model(folder)


@pytest.mark.parametrize(
    "change",
    [
        lambda c: c.update(format=99),
        lambda c: c.update(classifier="oracle"),
        lambda c: c.pop("classifier"),
        lambda c: c.pop("classifier_config"),
        lambda c: c.update(heads=[]),
        lambda c: c["heads"].update(place=3),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused(folder: Path, change) -> None:
    edit(folder, "config.json", change)
    with pytest.raises(ModelFolderError):
        read_model(folder)


def test_json_that_is_none_is_refused(folder: Path) -> None:
    (folder / "config.json").write_bytes(b"\xff{")
    write_manifest(folder)
    with pytest.raises(ModelFolderError, match="cannot be read"):
        read_model(folder)


def test_the_card_is_made_from_the_training(folder: Path) -> None:
    card = (folder / "README.md").read_text()
    assert "# dummy classifier (tabular)" in card
    assert "| place | 3 | one |" in card
    assert "| seed | 0 |" in card
