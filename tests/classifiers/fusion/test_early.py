"""Early and hybrid fusion stand behind the same interface as the late one."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property, Record
from enrich.classifiers.folds import fold_of
from enrich.classifiers.fusion.base import Fuser
from enrich.classifiers.fusion.early import EarlyFusion
from enrich.classifiers.fusion.hybrid import HybridFusion
from enrich.classifiers.registry import fuser_class
from tests.classifiers.fusion.test_late import PLACE, f1, museum, said_by

SKILL = {"image": 1.5, "text": 1.0, "tabular": 1.0}
EARLY = {"epochs": 40, "width": 16}


def make(name: str) -> Fuser:
    settings = {"early": EARLY, "rounds": 20, "folds": 2} if name == "hybrid" else dict(EARLY)
    return fuser_class(name)(**settings)


@pytest.fixture(scope="module", params=["early", "hybrid"])
def fitted(request: pytest.FixtureRequest) -> Fuser:
    train = museum()
    fuser = make(request.param)
    fuser.fit(train, said_by(train, SKILL))
    return fuser


def test_it_is_better_than_each_of_its_parts(fitted: Fuser) -> None:
    new = museum(seed=5)
    by = said_by(new, SKILL, seed=6)
    fused = fitted.predict(new.records, by)["place"]
    assert f1(new, fused, PLACE) > max(f1(new, said["place"], PLACE) for said in by.values())
    assert fused.probabilities.sum(axis=1) == pytest.approx(1.0)


def test_the_known_value_does_not_decide_its_own_answer(fitted: Fuser) -> None:
    new = museum(40, seed=5)
    by = said_by(new, SKILL, seed=6)
    hidden = [r.without("place") for r in new.records]
    shown, blind = fitted.predict(new.records, by)["place"], fitted.predict(hidden, by)["place"]
    np.testing.assert_array_equal(shown.probabilities, blind.probabilities)


def test_absent_modalities_are_borne_and_all_absent_is_absent(fitted: Fuser) -> None:
    new = museum(60, seed=5)
    by = said_by(new, SKILL, absent=0.6, seed=6)
    fused = fitted.predict(new.records, by)["material"]
    used = np.stack([said["material"].present for said in by.values()]).any(axis=0)
    assert fused.present.tolist() == used.tolist()
    assert np.isfinite(fused.probabilities[used]).all()
    assert np.isnan(fused.probabilities[~used]).all()
    assert fitted.predict(new.records, {"text": by["text"]})["place"].present.any()
    assert (
        len(
            fitted.predict([], {m: {p: d.take(np.arange(0)) for p, d in s.items()} for m, s in by.items()})[
                "place"
            ]
        )
        == 0
    )


def test_a_folder_gives_back_the_very_same_answers(fitted: Fuser, tmp_path: Path) -> None:
    config = fitted.write(tmp_path)
    again = fuser_class(fitted.name).read(tmp_path, config, fitted.properties)
    new = museum(30, seed=5)
    by = said_by(new, SKILL, absent=0.3, seed=6)
    one, other = fitted.predict(new.records, by)["place"], again.predict(new.records, by)["place"]
    np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-6)


def test_damaged_folders_are_refused(fitted: Fuser, tmp_path: Path) -> None:
    config = fitted.write(tmp_path)
    kind = fuser_class(fitted.name)
    with pytest.raises(ClassifierError):
        kind.read(tmp_path, {}, fitted.properties)
    with pytest.raises(ClassifierError):
        kind.read(tmp_path, config, (Property("place", ("urn:FR",)), fitted.properties[1]))
    path = next(tmp_path.rglob("early.safetensors"))
    arrays = load_file(path)
    arrays["0.bias"] = arrays["0.bias"] * np.nan
    save_file(arrays, path)
    with pytest.raises(ClassifierError, match="not numbers"):
        kind.read(tmp_path, config, fitted.properties)


def test_the_same_seed_gives_the_same_network() -> None:
    train = museum(60)
    by = said_by(train, SKILL)
    one, other = EarlyFusion(**EARLY), EarlyFusion(**EARLY)
    one.fit(train, by, seed=3)
    other.fit(train, by, seed=3)
    for name, array in one.arrays.items():
        np.testing.assert_allclose(array, other.arrays[name], atol=1e-6)


def test_the_hybrid_cross_fits_once_for_all() -> None:
    train = museum(90)
    by = said_by(train, SKILL)
    fuser = make("hybrid")
    assert isinstance(fuser, HybridFusion)
    said = fuser.cross_fit(train, by, fold_of(90, 2, 0))
    assert said is not None
    assert said["place"].present.all()
    note = str(fuser.fit(train, by)["note"])
    assert "early" in note
    assert "early" in fuser.late.modalities


def test_settings_are_checked() -> None:
    with pytest.raises(ClassifierError, match="epochs"):
        fuser_class("early")(epochs=0)
    with pytest.raises(ClassifierError, match="widht"):
        fuser_class("hybrid")(early={"widht": 3})


def test_a_record_of_nothing_but_a_picture_is_answered(fitted: Fuser) -> None:
    bare = [Record("x"), Record("y")]
    by = said_by(museum(2, seed=5), {"image": 1.5}, seed=6)
    said = fitted.predict(bare, by)["place"]
    assert said.present.all()
    assert np.isfinite(said.probabilities).all()
