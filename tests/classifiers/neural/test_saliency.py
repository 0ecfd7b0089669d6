"""Saliency over pictures and the words that mattered."""

from __future__ import annotations

from io import BytesIO

import numpy as np
import pytest
import torch
from PIL import Image

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Record, Text
from enrich.classifiers.explain.explanation import Saliency
from enrich.classifiers.explain.overlay import overlay
from enrich.classifiers.neural import saliency
from enrich.classifiers.neural.image import ImageClassifier
from enrich.classifiers.neural.text import TextClassifier
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


def explained(classifier: ImageClassifier, record: Record, prop: str, value: str) -> Saliency:
    """The saliency of the record's only picture that has a file."""
    (found,) = classifier.explain(record, prop, value).pictures
    assert found.saliency is not None
    return found.saliency


def test_a_saliency_map_covers_what_the_network_saw(image: ImageClassifier, records: list[Record]) -> None:
    found = explained(image, records[0], "colour", "red")
    assert found.method == "grad-cam"
    assert found.map.shape == (64, 64)
    assert found.map.min() == 0
    assert found.map.max() in (0.0, pytest.approx(1.0))
    picture = Image.open(BytesIO(overlay(found)))
    assert (picture.format, picture.size) == ("PNG", (64, 64))


@pytest.mark.parametrize("backbone", ["test_vit", "test_coatnet", "test_convnext"])
def test_every_backbone_family_can_be_explained(
    backbone: str, records: list[Record], split: tuple[Dataset, Dataset]
) -> None:
    classifier = ImageClassifier(**IMAGE | {"backbone": backbone, "size": 64, "training": {"epochs": 1}})
    classifier.fit(*split)
    found = explained(classifier, records[0], "extra", "warm")
    assert np.isfinite(found.map).all()
    assert found.map.shape == (64, 64)


def test_gradient_times_input_takes_over_where_features_have_no_places(
    image: ImageClassifier, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(saliency, "_grad_cam", lambda *_: None)
    found = explained(image, records[0], "colour", "red")
    assert found.method == "gradient x input"
    middle, whole = found.map[12:46, 4:40].mean(), found.map.mean()
    assert middle > whole


def test_the_words_that_mattered_are_those_that_name_the_colour(text: TextClassifier) -> None:
    record = Record("r", texts=(Text("objet", "fr"), Text("crimson velvet with gold thread 4", "en")))
    found = text.explain(record, "colour", "red").contributions
    assert sum(abs(w.weight) for w in found) <= 1 + 1e-9
    best = max(found, key=lambda w: w.weight)
    assert best.weight > 0
    assert best.name in {"crimson", "velvet", "gold", "thread", "with", "4"}


def test_words_are_found_when_texts_are_read_one_by_one(split: tuple[Dataset, Dataset]) -> None:
    classifier = TextClassifier(**TEXT | {"join": False})
    classifier.fit(*split, seed=1)
    record = Record("r", texts=(Text("objet"), Text("emerald wool")))
    found = classifier.explain(record, "colour", "green").contributions
    assert {w.name for w in found} == {"objet", "emerald", "wool"}


def test_a_record_without_texts_has_no_words(text: TextClassifier) -> None:
    assert text.explain(Record("r"), "colour", "red").contributions == ()


def test_an_unknown_property_or_value_is_named(text: TextClassifier) -> None:
    with pytest.raises(ClassifierError, match="no class 'red' of 'size'"):
        text.explain(Record("r"), "size", "red")
    with pytest.raises(ClassifierError, match="no class 'blue' of 'colour'"):
        text.explain(Record("r"), "colour", "blue")
