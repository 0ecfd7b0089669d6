"""config.json of a whole model: what it holds, what a description tells of it, and what does not fit."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.model.card import classifier_card, model_card
from enrich.classifiers.model.config import FUSION, ModelConfig, read_config
from enrich.classifiers.model.description import ModelDescription, survives_fork
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.manifest import ModelFolderError, write_manifest
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.model.verified import open_folder
from tests.classifiers.museum import PLACES, PROPERTIES, dataset

FAST = {"rounds": 4, "patience": 5, "depth": 2, "bins": 16}


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "m"
    model = fit_model(dataset(120), ModelSpec((MemberSpec("tabular", FAST),), folds=2))
    model.save(folder, training={"seed": 3, "members": [{"classifier": "tabular", "settings": FAST}]})
    return folder


def altered(saved: Path, folder: Path, change: Callable[[dict[str, Any]], Any]) -> Path:
    """The model with its config.json changed, and a MANIFEST that fits."""
    shutil.copytree(saved, folder)
    config = json.loads((folder / "config.json").read_text())
    change(config)
    (folder / "config.json").write_text(json.dumps(config))
    write_manifest(folder)
    return folder


def test_it_reads_back_as_it_was_written(saved: Path) -> None:
    config, properties = read_config(open_folder(saved))
    assert properties == PROPERTIES
    assert config.to_json() == json.loads((saved / "config.json").read_text())
    assert config.training["members"] == [{"classifier": "tabular", "settings": FAST}]
    assert isinstance(config.thresholds["material"], tuple)


def test_a_description_is_that_of_the_loaded_model(saved: Path) -> None:
    described, model = ModelDescription.read(saved), Model.load(saved)
    assert (described.digest, described.properties) == (model.digest, model.properties)
    assert (described.training, described.experience) == (model.training, model.experience)
    assert {m: (d.classifier, d.digest, d.history) for m, d in described.members.items()} == {
        m: (member.classifier.name, member.digest, member.history) for m, member in model.members.items()
    }
    assert described.members["tabular"].history["place"]["rounds"] >= 1
    assert set(described.calibration) == {"place", "time", "material"}


def test_calibration_is_that_of_the_fusion_or_of_the_only_member(saved: Path) -> None:
    config, _ = read_config(open_folder(saved))
    alone = {name: c.method for name, c in config.calibrators["tabular"].items()}
    assert config.calibration() == alone
    fused = {**config.calibrators, FUSION: {"place": config.calibrators["tabular"]["time"]}}
    assert list(config.model_copy(update={"calibrators": fused}).calibration()) == ["place"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda c: c.update(kind="part"), "holds no whole model"),
        (lambda c: c.update(format=2), "holds no whole model"),
        (lambda c: c.update(members={}), "no members"),
        (lambda c: c["thresholds"].pop("place"), "the thresholds of place are not 3 numbers"),
        (lambda c: c["thresholds"].update(material=[0.5]), "the thresholds of material are not 3 numbers"),
        (lambda c: c["thresholds"].update(place="high"), "config.json.thresholds.place"),
        (lambda c: c["offsets"].update(time=[0.0]), "the offsets of time are not 2 numbers"),
        (lambda c: c["members"]["tabular"]["offsets"].update(time=[0.0]), "tabular: the offsets of time"),
        (lambda c: c["members"]["tabular"]["thresholds"].pop("time"), "tabular: the thresholds of time"),
        (lambda c: c.pop("target_precision"), "config.json.target_precision"),
        (
            lambda c: c["calibrators"]["tabular"].update(place={"method": "vector", "slopes": [1.0], "biases": [0.0]}),
            "the calibration of place is not of 3 classes",
        ),
        (lambda c: c["candidate_sets"]["place"].update(coverage=1.5), "coverage"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(saved: Path, tmp_path: Path, change: Any, sentence: str) -> None:
    folder = altered(saved, tmp_path / "m", change)
    for read in (Model.load, ModelDescription.read):
        with pytest.raises(ModelFolderError, match=sentence):
            read(folder)


def test_whether_a_model_survives_a_fork_is_said_by_its_classes(saved: Path, tmp_path: Path) -> None:
    assert survives_fork(saved)
    early = altered(saved, tmp_path / "early", lambda c: c["fusion"].update(name="early"))
    assert not survives_fork(early)
    image = altered(saved, tmp_path / "image", lambda c: c["members"]["tabular"].update(classifier="image"))
    assert not survives_fork(image)
    with pytest.raises(ClassifierError):
        survives_fork(tmp_path)


def test_a_key_of_a_later_version_is_no_mistake(saved: Path, tmp_path: Path) -> None:
    assert Model.load(altered(saved, tmp_path / "m", lambda c: c.update(later=1))).properties == PROPERTIES


def test_the_card_has_a_row_for_everything_measured(saved: Path) -> None:
    config = json.loads((saved / "config.json").read_text())
    figures = {"accuracy": 0.5, "macro_f1": None, "records": 7}
    point = {"coverage": 0.25, "precision": 1.0, "threshold": 0.75}
    config["training"] = {
        "seed": 3,
        "classes": {"place": {"urn:a|b": 9}},
        "left_out": {"place": {PLACES[0]: 1}},
    }
    promise = {"threshold": 0.7, "target": 0.9, "coverage": 0.8, "precision": 0.93, "low": 0.91, "high": 0.95}
    group = {"labelled": 30, "gaps": 4, "first_right": 0.75, "answered": 20, "asserted": 20, "right": 19}
    kept = {"promise": promise, "groups": {"urn:museum": group}}
    none = {"promise": {**promise, "threshold": 2.0, "low": None}, "groups": {}}
    metrics: dict[str, Any] = {"regimes": {"seen": {"place": kept}, "unseen group": {"place": none}}}
    metrics |= {"dev": {"place": {"tabular": figures, "fusion": {**figures, "curve": [point]}}}}
    card = model_card(config, metrics)
    for line in (
        "| place | tabular | 7 | – | 0.500 | – | – | – | – | – |",
        "| place | 0.250 | 1.000 | 0.750 |",
        r"| place | urn:a\|b | 9 | learnt |",
        f"| place | {PLACES[0]} | 1 | left out: too few |",
        "| seed | 3 |",
        "Target precision 0.900.",
        "| seen | place | 0.700 | 0.800 | 0.930 | 0.910 to 0.950 | 0.900 |",
        "| unseen group | place | – | 0.800 | 0.930 | – | nothing |",
        "| place | urn:museum | 30 | 4 | 0.750 | 20 | 0.950 |",
    ):
        assert line in card.splitlines() or line in card, line
    assert "## Figures on dev" not in model_card(config, {})


def test_the_card_of_a_classifier_tells_its_history_and_nothing_where_none_is() -> None:
    config = {"classifier": "dummy", "modality": "tabular", "training": {}, "heads": {"p": {"classes": 2, "many": True}}}  # fmt: skip
    card = classifier_card(config, {"place": {"rounds": 3, "losses": [1, 2]}, "note": "x"})
    assert "| p | 2 | many |" in card
    assert "| place | rounds: 3 |" in card
    assert "Nothing was recorded of the training." in card
    assert "## History" not in classifier_card(config, {})


def test_a_configuration_is_made_of_plain_values() -> None:
    made = ModelConfig(
        heads={}, order=(), members={}, fusion={"name": "late", "settings": {}}, calibrators={},
        thresholds={}, offsets={}, target_precision=0.9,
    )  # fmt: skip
    assert ModelConfig.read(made.to_json()) == made
