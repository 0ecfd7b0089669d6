"""Settings come from JSON with every key, type and range checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.neural.image import ImageSettings
from enrich.classifiers.neural.text import TextSettings
from enrich.classifiers.settings import ClassifierSettings


@pytest.mark.parametrize("kind", [ImageSettings, TextSettings])
def test_the_defaults_survive_json(kind: type[ClassifierSettings]) -> None:
    assert kind.read(json.loads(json.dumps(kind().to_json()))) == kind()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"backbon": "x"}, "settings has no setting 'backbon'"),
        ({"size": "64"}, r"settings.size: .*valid integer \(given: '64'\)"),
        ({"size": True}, "settings.size: .*valid integer"),
        ({"size": 3}, "size is 0 or from 16"),
        ({"aggregate": "median"}, "'mean', 'max' or 'attention'"),
        ({"training": {"epochs": 0}}, r"settings.training.epochs: .*greater than or equal to 1 \(given: 0\)"),
        ({"training": 3}, "settings.training: Input should be an object"),
        ({"loss": {"gamma": float("nan")}}, "settings.loss.gamma: .*finite"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClassifierError, match=sentence):
        ImageSettings.read(values)


def test_what_is_not_said_of_a_part_stays_as_that_classifier_has_it() -> None:
    settings = TextSettings.read({"training": {"epochs": 3}})
    assert settings.training.epochs == 3
    assert settings.training.learning_rate == TextSettings().training.learning_rate


def test_whole_numbers_are_taken_for_floats_and_lists_for_tuples() -> None:
    settings = TextSettings.read({"languages": ["en", "fr"], "loss": {"gamma": 1}})
    assert settings.languages == ("en", "fr")
    assert isinstance(settings.loss.gamma, float)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([*TextSettings().to_json(), "other"])


@given(st.dictionaries(keys, json_values, max_size=4))
def test_any_json_gives_settings_or_a_sentence(values: dict[str, Any]) -> None:
    try:
        settings = TextSettings.read(values)
    except ClassifierError as error:
        sentence = str(error)
    else:
        sentence = "a settings object"
        assert TextSettings.read(settings.to_json()) == settings
    assert "\n" not in sentence
