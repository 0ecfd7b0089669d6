"""Late fusion: better than its parts, deaf to what is absent, never looking at the answer."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.folds import fold_of
from enrich.classifiers.fusion.columns import RecordColumns, pairs, tokens
from enrich.classifiers.fusion.late import LateFusion
from enrich.classifiers.fusion.table import MetaFeatures, gap
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.metrics import macro_f1
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.probability import log_odds, softmax

PLACE = Property("place", ("urn:FR", "urn:IT", "urn:JP"))
MATERIAL = Property("material", ("urn:silk", "urn:wood", "urn:gold"), many=True)
QUICK = {"rounds": 30, "folds": 3, "hide_known": 0.3}


def museum(n: int = 240, seed: int = 0) -> Dataset:
    """Text tells France from the rest, the material tells Italy from Japan."""
    rng = np.random.default_rng(seed)
    records = []
    for i in range(n):
        place = PLACE.classes[i % 3]
        word = "lyon" if place == "urn:FR" else "elsewhere"
        material = "wood" if place == "urn:JP" else "silk"
        if rng.random() < 0.1:
            material = "gold"
        both = (material, "gold") if i % 4 == 0 and material != "gold" else (material,)
        text = Text(f"a {word} piece of {material} {rng.integers(50)}")
        records.append(
            Record(
                f"r{i}",
                {"place": (place,), "material": tuple(f"urn:{m}" for m in both)},
                {"museum": (f"m{i % 2}",)},
                (text,),
            )
        )
    return Dataset(records, (PLACE, MATERIAL))


def said_by(dataset: Dataset, skill: Mapping[str, float], absent: float = 0.0, seed: int = 1):  # type: ignore[no-untyped-def]
    """Members that know the truth more or less well, absent now and then."""
    rng = np.random.default_rng(seed)
    by: dict[str, dict[str, Distribution]] = {}
    for modality, strength in skill.items():
        by[modality] = {}
        present = rng.random(len(dataset)) >= absent
        for prop in dataset.properties:
            target, _ = dataset.targets(prop)
            scores = target * strength + rng.normal(size=target.shape)
            p = 1 / (1 + np.exp(-scores + 1)) if prop.many else softmax(scores)
            p = np.where(present[:, None], p, np.nan)
            by[modality][prop.name] = Distribution(prop.classes, p, present, prop.many)
    return by


def f1(dataset: Dataset, said: Distribution, prop: Property) -> float:
    target, _ = dataset.targets(prop)
    use = said.present
    return macro_f1(target[use], said.probabilities[use].argmax(axis=1))


@pytest.fixture(scope="module")
def fitted() -> LateFusion:
    train = museum()
    fuser = LateFusion(**QUICK)
    fuser.fit(train, said_by(train, {"image": 1.5, "text": 1.5, "tabular": 1.0}))
    return fuser


def test_it_is_better_than_each_of_its_parts(fitted: LateFusion) -> None:
    new = museum(seed=5)
    by = said_by(new, {"image": 1.5, "text": 1.5, "tabular": 1.0}, seed=6)
    fused = fitted.predict(new.records, by)
    for prop in new.properties:
        assert f1(new, fused[prop.name], prop) > max(f1(new, said[prop.name], prop) for said in by.values())
        assert np.isfinite(fused[prop.name].probabilities).all()
    assert fused["place"].probabilities.sum(axis=1) == pytest.approx(1.0)


def test_the_known_value_does_not_decide_its_own_answer(fitted: LateFusion) -> None:
    new = museum(seed=5)
    by = said_by(new, {"image": 1.5, "text": 1.5, "tabular": 1.0}, seed=6)
    for prop in ("place", "material"):
        hidden = [r.without(prop) for r in new.records]
        shown, blind = fitted.predict(new.records, by)[prop], fitted.predict(hidden, by)[prop]
        np.testing.assert_array_equal(shown.probabilities, blind.probabilities)


def test_a_modality_may_be_absent_or_missing_altogether(fitted: LateFusion) -> None:
    new = museum(60, seed=5)
    by = said_by(new, {"image": 1.5, "text": 1.5, "tabular": 1.0}, absent=0.5, seed=6)
    used = np.stack([said["place"].present for said in by.values()]).any(axis=0)
    fused = fitted.predict(new.records, by)["place"]
    assert fused.present.tolist() == used.tolist()
    assert np.isnan(fused.probabilities[~used]).all()
    alone = fitted.predict(new.records, {"text": by["text"]})["place"]
    assert alone.present.tolist() == by["text"]["place"].present.tolist()
    assert np.isfinite(alone.probabilities[alone.present]).all()


def test_texts_are_not_heard_where_the_text_member_is_absent(fitted: LateFusion) -> None:
    """Otherwise leaving a modality out would leave it in."""
    new = museum(30, seed=5)
    by = said_by(new, {"image": 1.5, "tabular": 1.0}, seed=6)
    mute = [Record(r.id, r.known, r.context) for r in new.records]
    one, other = fitted.predict(new.records, by)["place"], fitted.predict(mute, by)["place"]
    np.testing.assert_array_equal(one.probabilities, other.probabilities)


@pytest.mark.parametrize("skill", [{"text": 1.5}, {"image": 1.5, "tabular": 1.0}, {"image": 1.5}])
def test_fewer_modalities_are_fused_and_the_note_says_so(skill: dict[str, float]) -> None:
    train = museum(120)
    fuser = LateFusion(**QUICK)
    note = str(fuser.fit(train, said_by(train, skill))["note"])
    assert all(m in note for m in skill)
    assert "one modality only" in note if len(skill) == 1 else "not trained with text" in note
    said = fuser.predict(train.records, said_by(train, skill))
    assert said["place"].present.all()


def test_without_the_joint_model_the_trees_see_the_modalities_alone() -> None:
    train = museum(150)
    by = said_by(train, {"image": 1.5, "text": 1.5})
    fuser = LateFusion(**QUICK, whole_record=False)
    fuser.fit(train, by)
    new = museum(seed=5)
    used = said_by(new, {"image": 1.5, "text": 1.5}, seed=6)
    fused = fuser.predict(new.records, used)
    assert f1(new, fused["place"], PLACE) > f1(new, used["text"]["place"], PLACE)
    assert fuser.layout is None


def test_cross_fitting_answers_every_record_and_leaves_fit_the_evidence() -> None:
    train = museum(150)
    by = said_by(train, {"text": 1.5, "tabular": 1.0})
    fuser, plain = LateFusion(**QUICK), LateFusion(**QUICK)
    fold = fold_of(len(train), 3, 0)
    said = fuser.cross_fit(train, by, fold, seed=0)
    assert said["place"].present.all()
    assert np.isfinite(said["material"].probabilities).all()
    fuser.fit(train, by, seed=0)
    plain.fit(train, by, seed=0)
    new = museum(20, seed=3)
    used = said_by(new, {"text": 1.5, "tabular": 1.0})
    np.testing.assert_allclose(
        fuser.predict(new.records, used)["place"].probabilities,
        plain.predict(new.records, used)["place"].probabilities,
    )


def test_what_cross_fitting_says_is_not_learnt_from_the_record_itself() -> None:
    """With labels drawn at random nothing can be known: a leak would show as skill."""
    rng = np.random.default_rng(0)
    records = [
        Record(
            f"r{i}", {"place": (PLACE.classes[rng.integers(3)],)}, {"museum": ("m",)}, (Text(f"word{i} x"),)
        )
        for i in range(300)
    ]
    train = Dataset(records, (PLACE,))
    noise = said_by(train, {"text": 0.0, "tabular": 0.0})
    said = LateFusion(**QUICK).cross_fit(train, noise, fold_of(300, 3, 0))
    target, _ = train.targets(PLACE)
    assert (said["place"].probabilities.argmax(axis=1) == target.argmax(axis=1)).mean() < 0.45


def test_the_shares_of_the_modalities_add_up(fitted: LateFusion) -> None:
    new = museum(3, seed=5)
    by = said_by(new, {"image": 1.5, "text": 1.5, "tabular": 1.0}, seed=6)
    one = {m: {p: d.take([0]) for p, d in said.items()} for m, said in by.items()}
    found = {c.name for c in fitted.explain(new.records[0], one, "place", 0)}
    assert {"image", "text", "tabular", "joint model", "neighbours"} <= found
    p = fitted.predict(new.records[:1], one)["place"].probabilities[0]
    others = [sum(c.weight for c in fitted.explain(new.records[0], one, "place", k)) for k in range(3)]
    np.testing.assert_allclose(softmax(np.array([others]))[0], p, atol=1e-4)


def test_a_folder_gives_back_the_very_same_answers(fitted: LateFusion, tmp_path: Path) -> None:
    config = fitted.write(tmp_path)
    again = LateFusion.read(tmp_path, config, fitted.properties)
    new = museum(30, seed=5)
    by = said_by(new, {"image": 1.5, "text": 1.5, "tabular": 1.0}, absent=0.3, seed=6)
    for name, said in fitted.predict(new.records, by).items():
        np.testing.assert_allclose(
            said.probabilities, again.predict(new.records, by)[name].probabilities, atol=1e-6
        )


def test_damaged_folders_are_refused(fitted: LateFusion, tmp_path: Path) -> None:
    config = dict(fitted.write(tmp_path))
    longer = (Property("place", ("urn:FR", "urn:IT", "urn:JP", "urn:US")), MATERIAL)
    with pytest.raises(ClassifierError, match="priors"):
        LateFusion.read(tmp_path, config, longer)
    with pytest.raises(ClassifierError, match="cannot be read"):
        LateFusion.read(tmp_path, {}, fitted.properties)
    weights = load_file(tmp_path / "whole.safetensors")
    weights["0.bias"] = np.array([np.nan, 0, 0], dtype=np.float32)
    save_file(weights, tmp_path / "whole.safetensors")
    with pytest.raises(ClassifierError, match="not numbers"):
        LateFusion.read(tmp_path, config, fitted.properties)
    (tmp_path / "0.ubj").write_bytes(b"not a booster")
    with pytest.raises(ClassifierError):
        LateFusion.read(tmp_path, config, fitted.properties)


def test_a_property_of_one_class_has_no_trees_and_still_an_answer(tmp_path: Path) -> None:
    one = (Property("place", ("urn:FR",)),)
    train = Dataset(museum(60).records, one)
    by = said_by(train, {"text": 1.0, "tabular": 1.0})
    fuser = LateFusion(**QUICK)
    fuser.fit(train, by)
    again = LateFusion.read(tmp_path, fuser.write(tmp_path), one)
    assert again.predict(train.records, by)["place"].probabilities == pytest.approx(1.0)


def test_unknown_settings_are_named() -> None:
    with pytest.raises(ClassifierError, match="depht"):
        LateFusion(depht=3)
    with pytest.raises(ClassifierError, match="folds"):
        LateFusion(folds=1)


def test_a_whole_model_of_text_and_tabular_with_conformal_sets(tmp_path: Path) -> None:
    train = museum(180)
    members = (MemberSpec("tfidf"), MemberSpec("tabular", {"rounds": 20, "patience": 5}))
    model = fit_model(train, ModelSpec(members, "late", QUICK, folds=3))
    model.save(tmp_path / "model")
    again = Model.load(tmp_path / "model")
    new = museum(90, seed=9)
    answer = again.predict(new.records)["place"]
    assert answer.sets is not None
    assert answer.sets.any(axis=1).all()
    assert f1(new, answer.fused, PLACE) > 0.9
    np.testing.assert_allclose(
        answer.fused.probabilities, model.predict(new.records)["place"].fused.probabilities, atol=1e-6
    )


def test_gap_and_log_odds() -> None:
    found = gap(np.array([[1.0, 3.0, 2.0], [np.nan] * 3]))
    assert found[0].tolist() == [-2.0, 1.0, -1.0]
    assert np.isnan(found[1]).all()
    assert log_odds(np.array([[0.5]]), True)[0, 0] == 0.0
    assert log_odds(np.array([[0.0, 1.0]]), False).max() == 0.0


def test_the_table_has_a_mask_for_every_modality() -> None:
    said = {"text": Distribution(PLACE.classes, np.full((2, 3), 1 / 3), np.array([True, False]))}
    table = MetaFeatures.build(("image", "text"), said, {}, np.zeros((2, 3)), np.full(3, 1 / 3), False)
    column = {name: table.values[:, 0, i] for i, name in enumerate(table.names)}
    assert column["text present"].tolist() == [1.0, 0.0]
    assert column["image present"].tolist() == [0.0, 0.0]
    assert np.isnan(column["image"]).all()


def test_tokens_pairs_and_what_is_visible() -> None:
    shown = museum(1).records[0]
    assert ("known", "place", "urn:FR") in tokens(shown)
    assert all(a[:2] != b[:2] and "known" in (a[0], b[0]) for a, b in pairs(tokens(shown)))
    layout, _ = RecordColumns.learn(museum(60).records)
    seen = layout.visible("place")
    assert not any(seen[i] for i, c in enumerate(layout.vocabulary) if any(t[1] == "place" for t in c))
    assert seen.any()
    assert layout.token_matrix([Record("x")]).nnz == 0
