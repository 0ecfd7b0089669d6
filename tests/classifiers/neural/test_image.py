"""The image classifier: training, many pictures, broken ones, model folders."""

from __future__ import annotations

import json
import socket
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Picture, Record
from enrich.classifiers.neural import decoding
from enrich.classifiers.neural.decoding import DecodedPictures
from enrich.classifiers.neural.image import ImageClassifier
from tests.classifiers.conftest import COLOUR, IMAGE, expect_resumed


@pytest.fixture(scope="module")
def trained(split: tuple[Dataset, Dataset]) -> ImageClassifier:
    torch.set_num_threads(1)
    classifier = ImageClassifier(**IMAGE)
    classifier.fit(*split, seed=1)
    return classifier


def saved(classifier: ImageClassifier, folder: Path) -> dict[str, Any]:
    folder.mkdir()
    found: dict[str, Any] = json.loads(json.dumps(classifier.write(folder)))
    return found


def test_it_learns_to_tell_colours(trained: ImageClassifier, split: tuple[Dataset, Dataset]) -> None:
    answer = trained.predict(split[1].records)["colour"]
    target, named = split[1].targets(COLOUR)
    first = answer.probabilities.argmax(axis=1)
    assert answer.present.all()
    assert (first[named] == target[named].argmax(axis=1)).mean() > 0.9
    assert np.allclose(answer.probabilities.sum(axis=1), 1.0)


def test_every_backbone_family_trains(split: tuple[Dataset, Dataset]) -> None:
    for backbone in ("test_vit", "test_coatnet"):
        classifier = ImageClassifier(**IMAGE | {"backbone": backbone, "training": {"epochs": 1, "batch": 12}})
        history = classifier.fit(*split, seed=1)
        assert set(history["epochs"][0]["held_out"]) == {"colour", "extra", "score", "accuracy", "loss"}


def test_a_record_without_a_usable_picture_is_absent(
    trained: ImageClassifier, picture: Callable[..., Path]
) -> None:
    broken = picture("broken.jpg", b"<html>not found</html>")
    gone = Picture("https://museum.example/gone", failure="404")
    records = [
        Record("none"),
        Record("gone", pictures=(gone,)),
        Record("broken", pictures=(Picture("u", broken),)),
    ]
    answer = trained.predict(records)["colour"]
    assert answer.present.tolist() == [False] * 3
    assert np.isnan(answer.probabilities).all()
    assert "HTML" in trained.failed[str(broken)]


def test_a_picture_that_fails_to_decode_costs_only_itself(
    trained: ImageClassifier, records: list[Record], picture: Callable[..., Path]
) -> None:
    broken = Picture("u", picture("cut.png", b"\x89PNG\r\n\x1a\n"))
    with_broken = replace(records[0], pictures=(broken, *records[0].pictures))
    whole, other = trained.predict([records[0], with_broken])["colour"].probabilities
    assert np.allclose(whole, other, atol=1e-6)


def test_training_goes_on_without_the_pictures_that_are_broken(
    split: tuple[Dataset, Dataset], picture: Callable[..., Path]
) -> None:
    broken = Picture("u", picture("bad.png", b"nothing"))
    bad = [Record(f"b{i}", {"colour": ("red",)}, pictures=(broken,)) for i in range(3)]
    train = Dataset([*split[0].records[:9], *bad], split[0].properties)
    history = ImageClassifier(**IMAGE | {"training": {"epochs": 1, "batch": 4}}).fit(train, split[1])
    assert history["pictures_failed"] == 1


def test_training_without_any_picture_is_refused(split: tuple[Dataset, Dataset]) -> None:
    empty = Dataset([Record("r", {"colour": ("red",)})], split[0].properties)
    with pytest.raises(ClassifierError, match="no record of the training data has a picture"):
        ImageClassifier(**IMAGE).fit(empty, split[1])


def test_a_record_of_200_pictures_takes_no_more_memory_than_a_batch(
    trained: ImageClassifier, records: list[Record]
) -> None:
    pictures = tuple(r.pictures[0] for r in records[:40:2]) * 10
    many = Record("many", pictures=pictures)
    trained.pictures = DecodedPictures(0)
    trained.predict([many])
    tracemalloc.start()
    answer = trained.predict([many])["colour"]
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert answer.probabilities[0].argmax() == 0
    assert peak < 8_000_000


@pytest.mark.parametrize("how", ["mean", "max", "attention"])
def test_several_pictures_are_sampled_and_aggregated(how: str, records: list[Record]) -> None:
    joined = [
        replace(a, pictures=(*a.pictures[:1], *b.pictures[:1]))
        for a, b in zip(records, records[2:], strict=False)
    ]
    data = Dataset(joined, (COLOUR,))
    training = {"epochs": 2, "batch": 8, "learning_rate": 0.001}
    classifier = ImageClassifier(**IMAGE | {"aggregate": how, "pictures": 2, "training": training})
    classifier.fit(data, Dataset([], (COLOUR,)))
    target, named = data.targets(COLOUR)
    first = classifier.predict(joined)["colour"].probabilities.argmax(axis=1)
    assert (first[named] == target[named].argmax(axis=1)).mean() > 0.8


def test_a_folder_gives_the_same_answers_by_onnx_and_by_torch(
    trained: ImageClassifier, records: list[Record], tmp_path: Path
) -> None:
    config = saved(trained, tmp_path / "model")
    wanted = trained.predict(records)
    for runtime in ("auto", "torch"):
        config["settings"] |= {"runtime": runtime, "device": "cpu"}
        loaded = ImageClassifier.read(tmp_path / "model", config, trained.properties)
        assert loaded.runner.kind == ("onnx" if runtime == "auto" else "torch")
        for name, answer in loaded.predict(records).items():
            assert np.allclose(answer.probabilities, wanted[name].probabilities, atol=1e-4)


def test_a_folder_holds_no_pickle_and_needs_no_network(
    trained: ImageClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = saved(trained, tmp_path / "model")
    assert {p.name for p in (tmp_path / "model").iterdir()} == {"model.safetensors", "model.onnx"}

    def refuse(*_args: object, **_kwargs: object) -> None:
        raise AssertionError("no network at load")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    config["settings"]["weights"] = "hub"
    ImageClassifier.read(tmp_path / "model", config, trained.properties)


def test_a_folder_that_does_not_fit_its_labels_is_refused(trained: ImageClassifier, tmp_path: Path) -> None:
    config = saved(trained, tmp_path / "model")
    longer = (replace(COLOUR, classes=("red", "green", "blue")), trained.properties[1])
    with pytest.raises(ClassifierError, match="does not fit the settings and labels"):
        ImageClassifier.read(tmp_path / "model", config, longer)
    with pytest.raises(ClassifierError, match="size is None"):
        ImageClassifier.read(tmp_path / "model", config | {"size": None}, trained.properties)


@pytest.mark.parametrize("killed_after", [1, 2])
def test_a_killed_training_resumes_to_the_same_weights(
    killed_after: int, split: tuple[Dataset, Dataset], trained: ImageClassifier, tmp_path: Path
) -> None:
    expect_resumed(ImageClassifier, IMAGE, split, trained, tmp_path, killed_after)


def test_models_of_one_size_share_the_decoding(
    trained: ImageClassifier, records: list[Record], monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = []
    decode = decoding.decode
    monkeypatch.setattr(decoding, "decode", lambda *a, **k: calls.append(a) or decode(*a, **k))
    shared = DecodedPictures()
    trained.pictures = shared
    trained.predict(records[:5])
    trained.predict(records[:5])
    assert len(calls) == 5


def test_a_network_whose_output_is_not_a_number_makes_the_record_absent(
    split: tuple[Dataset, Dataset], records: list[Record]
) -> None:
    classifier = ImageClassifier(**IMAGE | {"training": {"epochs": 1}})
    classifier.fit(*split)
    with torch.no_grad():
        classifier.network.heads.heads[0].bias[0] = float("nan")  # type: ignore[index]
    answer = classifier.predict(records[:2])
    assert not answer["colour"].present.any()
    assert "not a number" in classifier.failed["r0"]


def test_a_classifier_that_was_not_trained_says_so() -> None:
    with pytest.raises(ClassifierError, match="has not been trained"):
        ImageClassifier(**IMAGE).predict([])
