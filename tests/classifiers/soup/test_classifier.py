"""The soup as a classifier: an ordinary model folder, used by a model, silent on what it has learned from."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Picture, Property, Record
from enrich.classifiers.model.description import ModelDescription
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.folder import read_model
from enrich.classifiers.model.manifest import write_manifest
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.neural.decoding import decode
from enrich.classifiers.neural.image import square
from enrich.classifiers.soup.classifier import SoupClassifier, write_soup
from enrich.classifiers.soup.evaluation import Evaluator
from enrich.classifiers.soup.pictures import PictureSet, PictureSplit
from enrich.classifiers.soup.reading import from_records
from enrich.classifiers.soup.scores import probabilities
from enrich.classifiers.soup.selection import make_soup
from enrich.classifiers.soup.trajectory import TrajectorySettings
from enrich.runs.lineage import model_entities
from tests.classifiers.soup.conftest import COLOURS, SIDE, picture

LABEL = Property("label", tuple(f"urn:label:{c}" for c in COLOURS))


@pytest.fixture(scope="session")
def soup_folder(evaluator: Evaluator, split: PictureSplit, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A uniform soup as a model folder."""
    folder = tmp_path_factory.mktemp("soup") / "soup"
    write_soup(folder, evaluator, make_soup(evaluator, split.selection, "uniform"))
    return folder


@pytest.fixture(scope="session")
def records(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> list[Record]:
    """60 records with fresh pictures, and 6 with pictures that the soup has learned from."""
    place = tmp_path_factory.mktemp("fresh")
    random = np.random.default_rng(7)
    found = []
    for i in range(66):
        colour = i % 3
        path = place / f"{i}.png"
        path.write_bytes(picture(random, colour))
        if i >= 60:
            number = 2 * (i - 60)  # even ones lie in the folder, odd ones in the archive
            colour = number % 3
            path = folder / COLOURS[colour] / f"{number}.png"
        known = {"label": (LABEL.classes[colour],)}
        found.append(
            Record(f"https://m.example/{i}", known, pictures=(Picture(f"https://m.example/{i}.png", path),))
        )
    return found


def test_it_answers_as_its_weights_do(
    evaluator: Evaluator, split: PictureSplit, soup_folder: Path, records: list[Record]
) -> None:
    loaded = read_model(soup_folder)
    assert isinstance(loaded.classifier, SoupClassifier)
    said = loaded.classifier.predict(records[:60])["label"]
    assert said.present.all()
    assert said.probabilities.shape == (60, 3)
    soup = make_soup(evaluator, split.selection, "uniform")
    pictures = from_records(Dataset(records[:60], (LABEL,)), SIDE)
    np.testing.assert_allclose(
        said.probabilities, probabilities(evaluator.run(soup.weights, pictures), pictures), atol=1e-3
    )


def photograph(width: int, height: int) -> Image.Image:
    noise = np.random.default_rng(0).integers(0, 255, (height, width, 3), dtype=np.uint8)
    return Image.fromarray(noise)


def turned_by_exif() -> dict[str, Any]:
    exif = Image.Exif()
    exif[0x0112] = 6
    return {"format": "JPEG", "exif": exif}


@pytest.mark.parametrize(
    ("shown", "options"),
    [
        (photograph(301, 200), turned_by_exif()),
        (Image.new("RGBA", (90, 70), (200, 30, 30, 40)), {"format": "PNG"}),
        (photograph(71, 64), {"format": "PNG"}),
        (photograph(70, 65), {"format": "PNG"}),
        (photograph(20, 31), {"format": "PNG"}),
        (photograph(900, 90), {"format": "JPEG"}),
    ],
    ids=["turned", "transparent", "odd", "even", "small", "wide"],
)
@pytest.mark.parametrize(("size", "crop"), [(57, 0.9), (58, 0.9), (64, 1.0)])
def test_it_predicts_on_the_very_pixels_that_it_was_chosen_on(
    shown: Image.Image, options: dict[str, Any], size: int, crop: float, tmp_path: Path
) -> None:
    path = tmp_path / "picture"
    shown.save(path, **options)
    classifier = SoupClassifier(size=size, crop=crop)
    side = TrajectorySettings(size=size, crop=crop).side(size)
    chosen_on = PictureSet(
        (LABEL,), ("",), ("",), square(path.read_bytes(), side)[None], torch.zeros(1, 3), torch.ones(1, 1) > 0
    ).middle(slice(None), size)
    decoded = torch.from_numpy(decode(path, classifier.decode_size)).permute(2, 0, 1)
    assert torch.equal(classifier.look(decoded).float() / 255.0, chosen_on[0])


def test_its_metrics_name_the_ingredients(soup_folder: Path, evaluator: Evaluator) -> None:
    metrics = read_model(soup_folder).metrics
    assert {i["sha256"] for i in metrics["ingredients"]} == {m.sha256 for m in evaluator.pool.members}
    assert {i["name"] for i in metrics["ingredients"]} == {m.name for m in evaluator.pool.members}
    assert metrics["method"] == "uniform"


def test_it_is_silent_on_what_it_has_learned_from(soup_folder: Path, records: list[Record]) -> None:
    said = read_model(soup_folder).classifier.predict(records)["label"]
    assert said.present[:60].all()
    assert not said.present[60:].any()
    assert np.isnan(said.probabilities[60:]).all()


def test_a_model_takes_it_as_its_image_member_and_the_register_names_the_ingredients(
    soup_folder: Path, records: list[Record], evaluator: Evaluator, tmp_path: Path
) -> None:
    spec = ModelSpec((MemberSpec("soup", {"folder": str(soup_folder)}),), folds=2)
    model = fit_model(Dataset(records, (LABEL,)), spec)
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    assert isinstance(again.members["image"].classifier, SoupClassifier)
    answer = again.predict(records)["label"]
    assert answer.fused.present[:60].all()
    assert again.members["image"].history["records_not_learned_from"] == 60
    entities = {e.digest: e for e in model_entities(ModelDescription.read(tmp_path / "model"))}
    ingredients = {m.sha256 for m in evaluator.pool.members}
    assert ingredients <= set(entities)
    assert ingredients <= set(entities[again.members["image"].digest].derived_from)
    assert str(tmp_path.parent) not in (tmp_path / "model" / "image" / "config.json").read_text()


def test_classes_are_matched_by_name(soup_folder: Path, records: list[Record]) -> None:
    turned = Property("label", ("urn:label:violet", *LABEL.classes[::-1]))
    other = Property("shape", ("urn:shape:round",))
    classifier = SoupClassifier(folder=str(soup_folder))
    history = classifier.fit(Dataset(records, (turned, other)), Dataset([], (turned, other)))
    said = classifier.predict(records[:10])
    plain = read_model(soup_folder).classifier.predict(records[:10])["label"].probabilities
    np.testing.assert_allclose(said["label"].probabilities[:, 1:], plain[:, ::-1], atol=1e-9)
    assert (said["label"].probabilities[:, 0] == 0).all()
    assert not said["shape"].present.any()
    assert len(history["ingredients"]) == 3


def test_what_is_no_soup_or_another_one_is_refused(
    soup_folder: Path, records: list[Record], tmp_path: Path
) -> None:
    data = Dataset(records, (LABEL,))
    for settings, sentence in (
        ({}, "needs a folder"),
        ({"folder": str(tmp_path / "gone")}, "no model folder"),
        ({"folder": str(soup_folder), "digest": "0" * 64}, "is not the soup that training began with"),
    ):
        with pytest.raises(ClassifierError, match=sentence):
            SoupClassifier(**settings).fit(data, data)
    with pytest.raises(ClassifierError, match="answers label; none is asked for"):
        SoupClassifier(folder=str(soup_folder)).fit(
            Dataset(records, (Property("shape", ("urn:a",)),)), Dataset([], ())
        )


def test_a_folder_that_does_not_say_what_was_learned_is_refused(soup_folder: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(soup_folder, tmp_path / "copy"))
    config = json.loads((copy / "config.json").read_text())
    del config["classifier_config"]["learned"]
    (copy / "config.json").write_text(json.dumps(config))
    write_manifest(copy)
    with pytest.raises(ClassifierError, match="does not say what the soup has learned"):
        read_model(copy)
