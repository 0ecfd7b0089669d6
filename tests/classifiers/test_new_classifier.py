"""A new classifier is one file and one line: it is trained, saved, loaded, asked and explained like any other."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.classifiers import registry
from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Record, Text
from enrich.classifiers.explain.model_explanation import explain
from enrich.classifiers.model.description import survives_fork
from enrich.classifiers.model.model import Model
from enrich.errors import SettingsError
from enrich.learn.training import train
from tests.classifiers.museum import PLACES, museum
from tests.learn.test_training import FakeWorkspace

FILE = '''
from enrich.classifiers.base import Classifier, Distribution
from enrich.classifiers.explain.explanation import Contribution, MemberExplanation
from enrich.classifiers.settings import ClassifierSettings, Positive
import numpy as np


class LengthSettings(ClassifierSettings):
    """The length of a record's texts."""

    scale: Positive = 10.0
    """Characters that count as one."""


class LengthClassifier(Classifier):
    name = "length"
    modality = "text"
    settings_class = LengthSettings
    fork_safe = True
    shared = {"gamma": "scale"}

    def fit(self, train, held_out, *, seed=0, progress=None, resume=None):
        self.properties = train.properties
        self.mean = float(np.mean([self.length(r) for r in train.records]))
        return {"lengths": {"mean": self.mean}}

    def length(self, record):
        return sum(len(t.value) for t in record.texts) / self.settings.scale

    def predict(self, records):
        lengths = np.array([self.length(r) for r in records])
        found = {}
        for p in self.properties:
            rows = np.full((len(records), len(p.classes)), 0.5 / len(p.classes))
            rows[:, 0] += 0.5 / (1.0 + np.exp(self.mean - lengths))
            found[p.name] = Distribution.of(p, rows / rows.sum(axis=1, keepdims=True), lengths > 0)
        return found

    def explain(self, record, prop, value):
        found = (Contribution("length", self.length(record) - self.mean),)
        return MemberExplanation(self.modality, self.name, unit="score", contributions=found)

    def write(self, folder):
        return {"settings": self.settings.to_json(), "mean": self.mean}

    @classmethod
    def read(cls, folder, config, properties):
        made = cls(**config["settings"])
        made.properties, made.mean = properties, config["mean"]
        return made
'''
LINE = {"length": "length_classifier:LengthClassifier"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """One file, in a folder that Python looks in."""
    (tmp_path / "length_classifier.py").write_text(FILE)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    sys.modules.pop("length_classifier", None)


def records() -> list[Record]:
    """The made museum, with texts of different lengths."""
    return [
        Record(r.id, r.known, r.context, (Text("x" * (5 + 7 * i % 60)),)) for i, r in enumerate(museum(80))
    ]


def workspace(**options: Any) -> Any:
    return FakeWorkspace(records(), modalities=("text",), folds=2, options={"text": options})


def test_one_line_of_the_registry_is_enough(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CLASSIFIERS, *next(iter(LINE.items())))
    train(workspace(back_end="length", scale=5.0), None, folder / "model")
    model = Model.load(folder / "model")
    assert model.members["text"].classifier.settings.scale == 5.0
    assert survives_fork(folder / "model")
    prediction = model.predict(records()[:3])["place"]
    assert np.isfinite(prediction.fused.probabilities).all()
    (found,) = explain(model, records()[0], [("place", PLACES[0])])
    (member,) = found.members
    assert [c.name for c in member.contributions] == ["length"]
    (absent,) = explain(model, Record("urn:bare"), [("place", PLACES[0])])[0].members
    assert absent.absent


def test_or_one_line_of_another_package(folder: Path) -> None:
    info = folder / "length-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: length\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[enrich.classifiers]\nlength = {LINE['length']}\n")
    assert "length" in registry.classifier_names()
    train(workspace(back_end="length"), None, folder / "model")
    assert Model.load(folder / "model").members["text"].classifier.name == "length"


def test_its_settings_are_checked_and_shared_ones_reach_it(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(registry.CLASSIFIERS, *next(iter(LINE.items())))
    with pytest.raises(SettingsError, match=r"train.options.text has no setting 'scael'; there are: scale"):
        train(workspace(back_end="length", scael=5.0), None, folder / "model")
    train(FakeWorkspace(records(), modalities=("length",), gamma=3.0, folds=2), None, folder / "model")
    assert Model.load(folder / "model").members["text"].classifier.settings.scale == 3.0


def test_without_the_line_its_models_say_what_is_missing(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setitem(registry.CLASSIFIERS, *next(iter(LINE.items())))
        train(workspace(back_end="length"), None, folder / "model")
    with pytest.raises(ClassifierError, match="no classifier called 'length'"):
        Model.load(folder / "model")
