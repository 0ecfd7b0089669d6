"""Settings come from JSON with every key, type and range checked."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from classifiers.base import ClassifierError
from classifiers.neural.image import ImageSettings
from classifiers.neural.text import TextSettings
from classifiers.settings import from_json, to_json


@pytest.mark.parametrize("kind", [ImageSettings, TextSettings])
def test_the_defaults_survive_json(kind: type) -> None:
    assert from_json(kind, json.loads(json.dumps(to_json(kind())))) == kind()


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"backbon": "x"}, "settings has no setting 'backbon'"),
        ({"size": "64"}, "settings.size is '64', expected int"),
        ({"size": True}, "settings.size is True, expected int"),
        ({"size": 3}, "size is 0 or from 16"),
        ({"aggregate": "median"}, "expected one of mean, max, attention"),
        ({"training": {"epochs": 0}}, "settings.training: epochs is from 1"),
        ({"training": 3}, "settings.training is int, expected an object"),
        ({"loss": {"gamma": float("nan")}}, "settings.loss.gamma is not a number"),
    ],
)
def test_a_wrong_setting_is_named(values: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ClassifierError, match=sentence):
        from_json(ImageSettings, values)


def test_what_is_not_said_of_a_part_stays_as_that_classifier_has_it() -> None:
    settings = from_json(TextSettings, {"training": {"epochs": 3}})
    assert settings.training.epochs == 3
    assert settings.training.learning_rate == TextSettings().training.learning_rate


def test_whole_numbers_are_taken_for_floats_and_lists_for_tuples() -> None:
    settings = from_json(TextSettings, {"languages": ["en", "fr"], "loss": {"gamma": 1}})
    assert settings.languages == ("en", "fr")
    assert isinstance(settings.loss.gamma, float)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
keys = st.sampled_from([*to_json(TextSettings()), "other"])


@given(st.dictionaries(keys, json_values, max_size=4))
def test_any_json_gives_settings_or_a_sentence(values: dict[str, Any]) -> None:
    try:
        settings = from_json(TextSettings, values)
    except ClassifierError as error:
        sentence = str(error)
    else:
        sentence = "a settings object"
        assert from_json(TextSettings, to_json(settings)) == settings
    assert "\n" not in sentence
