"""Saliency over pictures and the words that mattered."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from classifiers.base import ClassifierError
from classifiers.data import Dataset, Record, Text
from classifiers.explain import saliency as explain
from classifiers.neural.image import ImageClassifier
from classifiers.neural.text import TextClassifier
from tests.classifiers.conftest import IMAGE, TEXT


@pytest.fixture(scope="module")
def image(split: tuple[Dataset, Dataset]) -> ImageClassifier:
    torch.set_num_threads(1)
    classifier = ImageClassifier(**IMAGE | {"size": 64})
    classifier.fit(*split, seed=1)
    return classifier


@pytest.fixture(scope="module")
def text(split: tuple[Dataset, Dataset]) -> TextClassifier:
    torch.set_num_threads(1)
    classifier = TextClassifier(**TEXT)
    classifier.fit(*split, seed=1)
    return classifier


def test_a_saliency_map_covers_what_the_network_saw(image: ImageClassifier, records: list[Record]) -> None:
    path = records[0].pictures[0].path
    assert path is not None
    found = explain.saliency(image, path, "colour", "red")
    assert found.method == "grad-cam"
    assert found.map.shape == (64, 64)
    assert found.map.min() == 0
    assert found.map.max() in (0.0, pytest.approx(1.0))
    picture = Image.open(BytesIO(found.overlay()))
    assert (picture.format, picture.size) == ("PNG", (64, 64))


@pytest.mark.parametrize("backbone", ["test_vit", "test_coatnet", "test_convnext"])
def test_every_backbone_family_can_be_explained(
    backbone: str, records: list[Record], split: tuple[Dataset, Dataset]
) -> None:
    classifier = ImageClassifier(**IMAGE | {"backbone": backbone, "size": 64, "training": {"epochs": 1}})
    classifier.fit(*split)
    path = records[0].pictures[0].path
    assert path is not None
    found = explain.saliency(classifier, path, "extra", "warm")
    assert np.isfinite(found.map).all()
    assert found.map.shape == (64, 64)


def test_gradient_times_input_takes_over_where_features_have_no_places(
    image: ImageClassifier, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = records[0].pictures[0].path
    assert path is not None
    monkeypatch.setattr(explain, "_grad_cam", lambda *_: None)
    found = explain.saliency(image, path, "colour", "red")
    assert found.method == "gradient x input"
    middle, whole = found.map[12:46, 4:40].mean(), found.map.mean()
    assert middle > whole


@pytest.mark.parametrize("method", ["gradient x input", "leave one out"])
def test_the_words_that_mattered_are_those_that_name_the_colour(text: TextClassifier, method: str) -> None:
    record = Record("r", texts=(Text("objet", "fr"), Text("crimson velvet with gold thread 4", "en")))
    found = explain.words(text, record, "colour", "red", method=method)  # type: ignore[arg-type]
    assert sum(abs(w.weight) for w in found.words) <= 1 + 1e-9
    best = max(found.words, key=lambda w: w.weight)
    assert best.weight > 0
    assert best.word in {"crimson", "velvet", "gold", "thread", "with", "4"}
    assert "crimson velvet with gold thread 4"[best.start :].startswith(best.word)


def test_words_are_found_when_texts_are_read_one_by_one(split: tuple[Dataset, Dataset]) -> None:
    classifier = TextClassifier(**TEXT | {"join": False})
    classifier.fit(*split, seed=1)
    record = Record("r", texts=(Text("objet"), Text("emerald wool")))
    found = explain.words(classifier, record, "colour", "green")
    assert {(w.word, w.text) for w in found.words} == {("objet", 0), ("emerald", 1), ("wool", 1)}


def test_a_record_without_texts_has_no_words(text: TextClassifier) -> None:
    assert explain.words(text, Record("r"), "colour", "red").words == ()


def test_an_unknown_property_or_value_is_named(text: TextClassifier) -> None:
    with pytest.raises(ClassifierError, match="no property 'size'"):
        explain.words(text, Record("r"), "size", "red")
    with pytest.raises(ClassifierError, match="no class 'blue'"):
        explain.words(text, Record("r"), "colour", "blue")
