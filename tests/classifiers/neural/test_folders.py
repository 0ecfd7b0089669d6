"""Model folders of the neural classifiers: verified, digested, and refused when altered."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.neural.classifier import NeuralClassifier
from enrich.classifiers.registry import classifier_class
from tests.classifiers.conftest import IMAGE, TEXT

RED, GREEN = "https://museum.example/red", "https://museum.example/green"
COLOUR = Property("colour", (RED, GREEN))


@pytest.fixture(scope="module")
def data(records: list[Record]) -> Dataset:
    named = {("red",): (RED,), ("green",): (GREEN,)}
    found = [replace(r, known={"colour": named.get(r.known.get("colour", ()), ())}) for r in records]
    return Dataset(found, (COLOUR,))


@pytest.mark.parametrize(("name", "settings"), [("image", IMAGE), ("text", TEXT)])
def test_a_folder_is_written_verified_and_read(
    name: str, settings: dict[str, object], data: Dataset, tmp_path: Path
) -> None:
    classifier = classifier_class(name)(**settings, device="cpu")
    history = classifier.fit(data, data.subset(range(8)))
    digest = write_model(tmp_path / "model", classifier, metrics=history, training={})
    loaded = read_model(tmp_path / "model")
    assert loaded.digest == digest
    assert isinstance(loaded.classifier, NeuralClassifier)
    assert loaded.classifier.runner.kind == "onnx"
    one, other = (c.predict(data.records)["colour"].probabilities for c in (classifier, loaded.classifier))
    assert np.allclose(one, other, atol=1e-4)

    weights = tmp_path / "model" / "model.onnx"
    weights.write_bytes(weights.read_bytes() + b"\0")
    with pytest.raises(ClassifierError, match=r"model\.onnx"):
        read_model(tmp_path / "model")
