"""Predictions by classifiers that did not see the records: where folds teach nothing, and where they are taken up."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.folds import fold_of
from enrich.classifiers.model import out_of_fold
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.out_of_fold import MemberSpec, held_out_predictions, train_member
from enrich.classifiers.neural.checkpoints import plain
from enrich.classifiers.neural.networks import build_backbone
from enrich.classifiers.registry import classifier_class
from tests.classifiers.conftest import IMAGE, TEXT

COLOUR = Property("colour", ("urn:red", "urn:green"))
QUICK: dict[str, Any] = {"runtime": "torch", "device": "cpu", "training": {"epochs": 1, "batch": 8}}
VALUES = MemberSpec("tabular", {"rounds": 3}, fold_settings={"refit": False})
PICTURES = MemberSpec("image", {**IMAGE, **QUICK})
TEXTS = MemberSpec("text", {**TEXT, **QUICK})


@pytest.fixture(scope="module")
def pieces(records: list[Record]) -> list[Record]:
    """The coloured squares, their colours by IRI."""
    return [replace(r, known={"colour": tuple(f"urn:{v}" for v in r.labels("colour"))}) for r in records]


def abbeys(records: list[Record], *, looked_at: str = "") -> list[Record]:
    """Three abbeys, of which only the one that is named has pictures and texts."""
    found = []
    for i, record in enumerate(records):
        abbey = ("Cluny", "Fulda", "Melk")[i % 3]
        shown = record if abbey == looked_at else replace(record, pictures=(), texts=())
        found.append(replace(shown, context={"museum": (f"urn:{abbey}",)}))
    return found


@pytest.mark.parametrize("member", [PICTURES, TEXTS])
def test_what_only_one_museum_has_says_nothing_of_it_as_an_unseen_group(
    pieces: list[Record], member: MemberSpec
) -> None:
    """Given three museums of which one has pictures and texts, when whole museums are left out, then the network is
    absent for the fold that has them all, and the model is trained."""
    data = Dataset(abbeys(pieces, looked_at="Fulda"), (COLOUR,))
    model = fit_model(data, ModelSpec((VALUES, member), groups=("museum",), folds=2))
    assert set(model.regimes) >= {"unseen group"}
    there = [bool(r.pictures) for r in data.records]
    assert model.predict(data.records)["colour"].fused.present[there].all()
    alone = fit_model(data, ModelSpec((member,), groups=("museum",), folds=2))
    answer = alone.regimes["unseen group"].answer(data.records)["colour"]
    assert np.array_equal(answer.fused.present, there)
    assert (answer.thresholds > 1).all()  # nothing was seen of how well it does in another museum


@pytest.mark.parametrize("member", [PICTURES, TEXTS])
def test_a_network_that_nothing_teaches_is_refused_or_gone_without(
    pieces: list[Record], member: MemberSpec
) -> None:
    data = Dataset(abbeys(pieces), (COLOUR,))
    spec = ModelSpec((VALUES, member), groups=("museum",), folds=2)
    with pytest.raises(NothingToLearn, match="no record of the training data has"):
        fit_model(data, spec)
    assert set(fit_model(data, replace(spec, go_without=True)).members) == {"tabular"}
    with pytest.raises(NothingToLearn):
        fit_model(data, replace(spec, members=(member,), go_without=True))


def drawn(seed: int, file: Path) -> None:
    """Weights of a backbone, drawn at random, in this file."""
    torch.manual_seed(seed)
    save_file(plain(build_backbone("test_resnet", 32)[0].state_dict()), file)


def test_folds_that_began_with_other_weights_in_the_same_place_are_fitted_again(
    pieces: list[Record], tmp_path: Path
) -> None:
    """Given a training that was stopped, when its weights are pretrained anew, then it is as if it began with them."""
    file = tmp_path / "loom.safetensors"
    spec = MemberSpec("image", {**PICTURES.settings, "weights": str(file)})
    data, fold = Dataset(pieces, (COLOUR,)), fold_of(len(pieces), 2, 0)

    def trained(resume: Path | None) -> np.ndarray:
        made = train_member(data, spec, fold, seed=0, progress=lambda *_: None, resume=resume)
        return made.predictions["colour"].probabilities

    drawn(1, file)
    before = trained(tmp_path / "kept")
    drawn(2, file)
    after = trained(tmp_path / "kept")
    assert np.array_equal(after, trained(None), equal_nan=True)
    assert not np.array_equal(after, before, equal_nan=True)


@pytest.mark.parametrize(("name", "setting"), [("image", "weights"), ("text", "encoder")])
def test_what_settings_name_by_its_place_is_told_by_its_content(
    tmp_path: Path, name: str, setting: str
) -> None:
    """Files of a folder, whichever changes; nothing of what is not local."""
    said = classifier_class(name).decided_by
    assert said({}) == {}
    for file in ("config.json", "model.safetensors"):
        (tmp_path / file).write_text("first")
    before = said({setting: str(tmp_path)})
    assert set(before) == {"config.json", "model.safetensors"}
    (tmp_path / "config.json").write_text("second")
    assert said({setting: str(tmp_path)}) != before


def test_folds_of_another_version_are_fitted_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaned = Dataset([Record(f"urn:{i}", {"colour": (COLOUR.classes[i % 2],)}) for i in range(20)], (COLOUR,))
    for version in ("1", "1", "2"):
        monkeypatch.setattr(out_of_fold, "versions", lambda found=version: {"museum-enrich": found})
        held_out_predictions(
            loaned, MemberSpec("dummy"), fold_of(20, 2, 0), seed=0, progress=lambda *_: None, resume=tmp_path
        )
    assert len(list(tmp_path.glob("dummy-*"))) == 2


def test_a_training_stopped_before_its_end_answers_as_one_that_was_not(
    pieces: list[Record], tmp_path: Path
) -> None:
    """Given a network that answers by ONNX Runtime, when its training is taken up after it was fitted, then its answers
    are the same bytes."""
    pytest.importorskip("onnxruntime")
    spec = MemberSpec("image", {**PICTURES.settings, "runtime": "auto"})
    data, fold = Dataset(pieces, (COLOUR,)), fold_of(len(pieces), 2, 0)
    answers = [
        train_member(data, spec, fold, seed=0, progress=lambda *_: None, resume=tmp_path)
        .classifier.predict(pieces)["colour"]
        .probabilities.tobytes()
        for _ in range(2)
    ]
    assert answers[0] == answers[1]
