"""What `[train]` asks for becomes the members of a model, and a key that does nothing is named."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.errors import SettingsError
from enrich.learn.members import AUTO, back_end_member, member_specs
from tests.learn.test_training import FakeWorkspace


def workspace(*modalities: str, **settings: Any) -> Any:
    """Settings of `[train]` for these modalities, without records."""
    return FakeWorkspace([], **({"modalities": modalities, "options": {}} | settings))


def members(*modalities: str, **settings: Any) -> tuple[MemberSpec, ...]:
    return member_specs(workspace(*modalities, **settings), modalities)


def test_shared_settings_reach_the_classifiers_that_take_them() -> None:
    tabular, text, image = members(
        "tabular", "text", "image", gamma=1.5, hide_known=0.2, options={"text": {"back_end": "transformer"}}
    )
    assert tabular.settings == {"hide_known": 0.2, "museum": "museum"}
    assert tabular.fold_settings == {"refit": False}
    assert (text.classifier, text.settings) == ("text", {"loss": {"gamma": 1.5}})
    assert (image.classifier, image.settings) == ("image", {"loss": {"gamma": 1.5}})


def test_options_of_a_classifier_win_over_shared_settings() -> None:
    (image,) = members("image", gamma=1.5, options={"image": {"loss": {"gamma": 0.5, "balance": 1.0}}})
    assert image.settings == {"loss": {"gamma": 0.5, "balance": 1.0}}


def test_changing_one_line_changes_the_back_end() -> None:
    tables = {"tfidf": {"cost": 2.0}, "transformer": {"encoder": "minilm"}}
    for back_end, name, own in (
        ("tfidf", "tfidf", {"cost": 2.0}),
        ("transformer", "text", {"loss": {"gamma": 2.0}, "encoder": "minilm"}),
    ):
        (found,) = members("text", options={"text": {"back_end": back_end, **tables}})
        assert (found.classifier, found.settings) == (name, own)
    assert members("text") == (MemberSpec("tfidf"),)
    assert members("text", options={"text": {"cost": 3.0, "folds": 2}}) == (
        MemberSpec("tfidf", {"cost": 3.0}, 2),
    )


def test_a_classifier_is_asked_for_by_its_own_name_as_well() -> None:
    assert [m.classifier for m in members("dummy", "tfidf", options={"tfidf": {"cost": 2.0}})] == [
        "dummy",
        "tfidf",
    ]


def test_auto_is_left_for_the_records_to_decide() -> None:
    options = {"text": {"back_end": AUTO, "folds": 2, "transformer": {"encoder": "scratch"}}}
    asked = workspace("text", options=options)
    assert member_specs(asked, ("text",)) == (MemberSpec(AUTO, {}, 2),)
    made = back_end_member(asked, "text", "transformer")
    assert made == MemberSpec("text", {"loss": {"gamma": 2.0}, "encoder": "scratch"}, 2)


@pytest.mark.parametrize(
    ("asked", "settings", "sentence"),
    [
        ("smell", {}, "train.modalities names 'smell'; there are: tabular, text, image, dummy"),
        ("tabular", {"options": {"tabluar": {}}}, "train.options.tabluar belongs to nothing that learns"),
        (
            "tabular",
            {"options": {"tabular": {"deepness": 2}}},
            "train.options.tabular has no setting 'deepness'; there are: rounds, ",
        ),
        ("tabular", {"options": {"tabular": {"depth": "2"}}}, r"train.options.tabular.depth: .*given: '2'"),
        ("image", {"options": {"image": {"loss": {"gama": 1.0}}}}, "train.options.image.loss has no setting"),
        ("text", {"options": {"text": {"back_end": "gpt"}}}, "train.options.text.back_end: .* 'gpt'"),
        ("text", {"options": {"text": {"back_end": "tabular"}}}, "classifier of the modality tabular"),
        ("text", {"options": {"text": {"back_end": AUTO, "cost": 1.0}}}, r"\[train.options.text.tfidf\]"),
        ("tabular", {"gamma": 1.0}, "train.gamma has no effect: tabular takes hide_known, museum"),
        ("image", {"hide_known": 0.1}, "train.hide_known has no effect: image takes gamma"),
        (
            "dummy",
            {"options": {"dummy": {"x": 1}}},
            "train.options.dummy has no setting 'x'; there are: none",
        ),
        ("image", {"options": {"image": {"soup": "gone"}}}, "train.options.image.soup: .* is no soup"),
        (
            "image",
            {"options": {"image": {"soup": "gone", "size": 64}}},
            "train.options.image.size has no effect beside soup",
        ),
        *(
            (
                "text",
                {"options": {"text": {"folds": folds} | more}},
                r"train.options.text.folds is .* from 2 on",
            )
            for folds in (1, 0, -3, 2.5, "3", True)
            for more in ({}, {"back_end": AUTO})
        ),
    ],
)
def test_a_key_that_is_wrong_or_does_nothing_is_named(
    asked: str, settings: dict[str, Any], sentence: str
) -> None:
    with pytest.raises(SettingsError, match=sentence):
        members(asked, **settings)


def test_a_setting_that_serves_another_modality_of_the_settings_is_no_mistake() -> None:
    asked = workspace("tabular", "image", gamma=1.0)
    assert [m.classifier for m in member_specs(asked, ("tabular",))] == ["tabular"]


def test_a_soup_is_found_beside_enrich_toml_with_its_digest(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "MANIFEST").write_text("")
    monkeypatch.chdir(tmp_path)
    (found,) = members("image", options={"image": {"soup": "mine", "folds": 2}})
    assert (found.classifier, found.folds) == ("soup", 2)
    assert found.settings["folder"] == str(tmp_path / "mine")
    assert len(found.settings["digest"]) == 64


@pytest.mark.parametrize(
    ("first", "back_end"), [("text", AUTO), ("text", "transformer"), ("sentences", "tfidf")]
)
def test_two_classifiers_of_one_modality_are_refused_before_anything_is_learnt(
    first: str, back_end: str
) -> None:
    with pytest.raises(SettingsError, match=f"names {first} and tfidf, both of the modality text"):
        members(first, "tfidf", options={"text": {"back_end": back_end}})
