"""Settings of what learns: read strictly, described in full, merged over the defaults of where they stand."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from pydantic import Field

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.registry import CLASSIFIERS, FUSERS, classifier_class, fuser_class
from enrich.classifiers.settings import ClassifierSettings, Count, Share, merged
from enrich.settings.loading import setting_rows


class Part(ClassifierSettings):
    """A part."""

    size: Count = 3
    """How large."""
    share: Share = 0.5
    """How much."""


class Whole(ClassifierSettings):
    """Holds a part with defaults of its own."""

    name: str = "x"
    """Its name."""
    lengths: tuple[int, ...] = (1, 2)
    """Some lengths."""
    limit: float | None = Field(default=None, gt=0)
    """None for no limit."""
    part: Part = Part(size=7, share=0.25)
    """Its part."""


def test_what_is_not_given_of_a_part_is_what_the_whole_gives_it() -> None:
    read = Whole.read({"part": {"share": 0.75}})
    assert (read.part.size, read.part.share) == (7, 0.75)
    assert Part.read({"share": 0.75}).size == 3


def test_json_brings_back_the_same() -> None:
    read = Whole.read({"lengths": [4, 5, 6], "limit": 2, "part": {"size": 1}})
    assert read.lengths == (4, 5, 6)
    assert isinstance(read.limit, float)
    assert Whole.read(read.to_json()) == read
    assert read.to_json()["lengths"] == [4, 5, 6]


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"nam": "y"}, r"here has no setting 'nam'; there are: name, lengths, limit, part"),
        ({"part": {"siez": 1}}, r"here\.part has no setting 'siez'; there are: size, share"),
        ({"part": {"size": 0}}, r"here\.part\.size: .*greater than or equal to 1 \(given: 0\)"),
        ({"part": {"share": 1.0}}, r"here\.part\.share: .*less than 1"),
        ({"part": 3}, r"here\.part: .*object"),
        ({"lengths": "12"}, r"here\.lengths: .*array"),
        ({"lengths": [1, "2"]}, r"here\.lengths\.1: .*integer"),
        ({"limit": float("inf")}, r"here\.limit: .*finite"),
        ({"name": 3}, r"here\.name: .*string \(given: 3\)"),
        ("text", "here: .*object"),
        ({"name": object()}, "no kind that JSON has"),
    ],
)
def test_the_first_wrong_key_is_named_with_its_place(values: object, sentence: str) -> None:
    with pytest.raises(ClassifierError, match=sentence):
        Whole.read(values, "here")


def test_settings_cannot_be_changed_but_replaced_and_checked() -> None:
    whole = Whole()
    assert whole.replace(name="y", part=Part(size=1)).part.size == 1
    assert whole.name == "x"
    with pytest.raises(ClassifierError, match="limit"):
        whole.replace(limit=-1.0)
    with pytest.raises(ValueError, match="frozen"):
        whole.name = "z"


def test_tables_are_merged_and_the_second_wins() -> None:
    first = {"a": {"x": 1, "y": 1}, "b": 1}
    assert merged(first, {"a": {"y": 2}, "b": {"z": 2}}) == {"a": {"x": 1, "y": 2}, "b": {"z": 2}}
    assert first == {"a": {"x": 1, "y": 1}, "b": 1}


def test_rows_of_the_reference_show_the_defaults_of_where_a_part_stands() -> None:
    rows = {key: (kind, default, meaning) for key, kind, default, meaning in setting_rows(Whole)}
    assert rows["part.size"] == ("whole number", "7", "How large.")
    assert rows["lengths"] == ("list", "[1, 2]", "Some lengths.")
    assert rows["limit"] == ("number", "", "None for no limit.")


def kinds() -> Iterator[type[ClassifierSettings]]:
    yield from (classifier_class(name).settings_class for name in CLASSIFIERS)
    yield from (fuser_class(name).settings_class for name in FUSERS)


def test_every_key_of_everything_that_learns_is_described() -> None:
    for kind in kinds():
        for key, _, _, meaning in setting_rows(kind):
            assert meaning.endswith("."), f"{kind.__name__}.{key} has no description"


def test_the_defaults_of_everything_that_learns_are_settings() -> None:
    for kind in kinds():
        assert kind.read(kind().to_json()) == kind.read({}) == kind()


def test_what_is_shared_by_a_training_has_a_key_of_its_own() -> None:
    for name in CLASSIFIERS:
        kind = classifier_class(name)
        keys = {key for key, *_ in setting_rows(kind.settings_class)}
        assert set(kind.shared.values()) <= keys
        assert set(kind.fold_settings) <= keys
        assert set(kind.option_names or ()) <= keys
