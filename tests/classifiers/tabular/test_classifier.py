"""The tabular classifier: what it may see, what it learns, and what it refuses to load."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.model.metrics import accuracy
from enrich.classifiers.tabular.classifier import TabularClassifier
from tests.classifiers.museum import BASE, MATERIALS, PLACES, PROPERTIES, dataset, museum

FAST = {"rounds": 30, "patience": 5, "depth": 4, "eta": 0.3, "bins": 64}


@pytest.fixture(scope="module")
def fitted() -> TabularClassifier:
    data = dataset(600)
    classifier = TabularClassifier(**FAST)
    classifier.fit(data.subset(range(500)), data.subset(range(500, 600)))
    return classifier


def test_it_learns_what_hangs_together(fitted: TabularClassifier) -> None:
    fresh = dataset(400, seed=1)
    said = fitted.predict(fresh.records)
    for name, floor in (("place", 0.7), ("time", 0.6), ("material", 0.5)):
        prop = next(p for p in PROPERTIES if p.name == name)
        target, named = fresh.targets(prop)
        p = said[name].probabilities[named]
        assert accuracy(target[named], p.argmax(axis=1)) > floor
        if not prop.many:
            assert np.allclose(p.sum(axis=1), 1.0)
    assert said["material"].probabilities.sum(axis=1).max() > 1.05  # gold goes with another


def test_the_value_asked_for_is_never_looked_at(fitted: TabularClassifier) -> None:
    records = museum(50, seed=2, missing=0.0)
    for prop in PROPERTIES:
        shown = fitted.predict(records)[prop.name].probabilities
        hidden = fitted.predict([r.without(prop.name) for r in records])[prop.name].probabilities
        assert np.array_equal(shown, hidden)
    others = fitted.predict([r.without("place") for r in records])["time"].probabilities
    assert not np.array_equal(others, fitted.predict(records)["time"].probabilities)


def test_a_record_is_answered_alike_alone_and_in_a_batch(fitted: TabularClassifier) -> None:
    records = museum(20, seed=3)
    together = fitted.predict(records)["place"].probabilities
    alone = np.vstack([fitted.predict([r])["place"].probabilities for r in records])
    assert np.array_equal(together, alone)
    assert fitted.predict([])["place"].probabilities.shape == (0, 3)


def test_a_record_with_nothing_to_go_by_is_absent(fitted: TabularClassifier) -> None:
    strange = Record("urn:x", {"time": ("urn:never-seen",)}, {"museum": ("urn:elsewhere",)})
    said = fitted.predict([strange, Record("urn:y"), museum(1)[0]])["place"]
    assert said.present.tolist() == [False, False, True]
    assert np.isnan(said.probabilities[:2]).all()


def test_several_values_of_a_property_with_one_teach_each_its_share() -> None:
    both = [Record(f"urn:{i}", {"place": PLACES[:2]}, {"museum": ("urn:a",)}) for i in range(60)]
    one = [Record(f"urn:b{i}", {"place": (PLACES[2],)}, {"museum": ("urn:b",)}) for i in range(60)]
    data = Dataset(both + one, (Property("place", PLACES),))
    classifier = TabularClassifier(**FAST, hide_known=0.0)
    classifier.fit(data, data.subset([]))
    p = classifier.predict(both[:1])["place"].probabilities[0]
    assert p[0] == pytest.approx(p[1], abs=0.12)
    assert p[0] > 0.4


def test_every_value_of_a_many_valued_property_teaches() -> None:
    records = [Record(f"urn:{i}", {"material": MATERIALS[:2]}, {"museum": ("urn:a",)}) for i in range(60)]
    records += [Record(f"urn:b{i}", {"material": MATERIALS[2:]}, {"museum": ("urn:b",)}) for i in range(60)]
    data = Dataset(records, (Property("material", MATERIALS, True),))
    classifier = TabularClassifier(**FAST)
    classifier.fit(data, data.subset([]))
    p = classifier.predict(records[:1])["material"].probabilities[0]
    assert (p[:2] > 0.8).all()
    assert p[2] < 0.2


def test_known_values_hidden_in_training_make_it_bear_their_absence() -> None:
    """The time says the place exactly and the museum nearly; without hiding, the museum is not learnt."""
    rng = np.random.default_rng(0)
    records = []
    for i in range(800):
        k = int(rng.integers(0, 2))
        house = k if rng.uniform() < 0.9 else 1 - k
        known = {"place": (PLACES[k],), "time": (f"urn:time{k}",)}
        records.append(Record(f"urn:x{'ab'[i % 2]}", known, {"museum": (f"urn:m{house}",)}))
    data = Dataset(records, (Property("place", PLACES[:2]),))
    bare = [Record(r.id, {}, r.context) for r in records]
    target, _ = data.targets(data.properties[0])
    scores = {}
    for hide in (0.0, 0.5):
        classifier = TabularClassifier(**{**FAST, "columns": 1.0}, hide_known=hide)
        classifier.fit(data.subset(range(700)), data.subset(range(700, 800)))
        p = classifier.predict(bare)["place"].probabilities
        scores[hide] = float(np.log(p[target > 0]).mean())
    assert scores[0.5] > scores[0.0] + 0.05


def test_numerals_are_used_only_where_the_museum_is_known() -> None:
    data = dataset(800)
    place = Dataset(data.records, PROPERTIES[:1])
    with_them = TabularClassifier(**FAST)
    with_them.fit(place.subset(range(700)), place.subset(range(700, 800)))
    record = next(r for r in museum(50, seed=5, missing=0.0) if r.pictures)
    numbered = record.pictures[0].url
    moved = Record(
        record.id,
        record.known,
        record.context,
        pictures=(type(record.pictures[0])(numbered.replace("T00", "T99")),),
    )
    assert not np.array_equal(*(with_them.predict([r])["place"].probabilities for r in (record, moved)))
    nowhere = [Record(r.id, r.known, {}, pictures=r.pictures) for r in (record, moved)]
    assert np.array_equal(*(with_them.predict([r])["place"].probabilities for r in nowhere))


def test_numerals_can_be_switched_off() -> None:
    data = dataset(100)
    without = TabularClassifier(**FAST, numerals=False)
    without.fit(data, data.subset([]))
    assert without.features.numeric == ("number of pictures", "number of texts")


def test_the_same_seed_gives_the_same_model(tmp_path: Path) -> None:
    data = dataset(200)
    written = []
    for name in ("a", "b"):
        classifier = TabularClassifier(**FAST)
        classifier.fit(data, data.subset([]), seed=7)
        (tmp_path / name).mkdir()
        classifier.write(tmp_path / name)
        written.append({p.name: p.read_bytes() for p in (tmp_path / name).iterdir()})
    assert written[0] == written[1]


def test_focal_loss_and_class_weights_train_both_kinds_of_property() -> None:
    data = dataset(300)
    for settings in ({"gamma": 2.0}, {"weight_power": 1.0}, {"gamma": 1.0, "weight_power": 0.5}):
        classifier = TabularClassifier(**FAST, **settings)
        classifier.fit(data.subset(range(250)), data.subset(range(250, 300)))
        for said in classifier.predict(data.records).values():
            assert np.isfinite(said.probabilities[said.present]).all()


def test_a_property_with_one_class_is_answered_by_its_prior() -> None:
    records = [Record(f"urn:{i}", {"place": PLACES[:1]}, {"museum": ("urn:a",)}) for i in range(20)]
    data = Dataset(records, (Property("place", PLACES[:1]),))
    classifier = TabularClassifier(**FAST)
    history = classifier.fit(data, data.subset([]))
    assert "prior" in history["place"]["note"]
    assert classifier.predict(records[:1])["place"].probabilities[0, 0] == pytest.approx(1.0, abs=0.1)


def test_early_stopping_looks_at_the_held_out_records() -> None:
    data = dataset(300)
    classifier = TabularClassifier(**{**FAST, "rounds": 300})
    history = classifier.fit(data.subset(range(200)), data.subset(range(200, 300)))
    assert all(said["rounds"] < 300 for said in history.values())
    assert all(np.isfinite(said["held_out_log_loss"]) for said in history.values())


def test_contributions_name_what_spoke_for_a_class(fitted: TabularClassifier) -> None:
    record = Record("urn:x", {}, {"museum": (f"{BASE}museum/2",)})
    told = fitted.explain(record, "place", PLACES[2])
    names = [c.name for c in told.contributions]
    assert told.unit == "log-odds"
    assert "museum" in names[:3]
    assert "place" not in names


def test_what_is_read_back_answers_the_same(fitted: TabularClassifier, tmp_path: Path) -> None:
    config = json.loads(json.dumps(fitted.write(tmp_path)))
    again = TabularClassifier.read(tmp_path, config, PROPERTIES)
    records = museum(30, seed=4)
    for name, said in fitted.predict(records).items():
        assert np.array_equal(again.predict(records)[name].probabilities, said.probabilities, equal_nan=True)


def test_what_does_not_fit_is_not_loaded(fitted: TabularClassifier, tmp_path: Path) -> None:
    config = json.loads(json.dumps(fitted.write(tmp_path)))
    longer = (Property("place", (*PLACES, "urn:more")), *PROPERTIES[1:])
    with pytest.raises(ClassifierError, match="names 4 classes of place, the model has 3"):
        TabularClassifier.read(tmp_path, config, longer)
    stretched = {**config, "priors": {**config["priors"], "place": [0.25] * 4}}
    with pytest.raises(ClassifierError, match="has 3 outputs"):
        TabularClassifier.read(tmp_path, stretched, longer)
    with pytest.raises(ClassifierError, match="no setting"):
        TabularClassifier.read(tmp_path, {**config, "settings": {"magic": 1}}, PROPERTIES)
    features = json.loads((tmp_path / "features.json").read_text())
    (tmp_path / "features.json").write_text(json.dumps({**features, "columns": features["columns"][1:]}))
    with pytest.raises(ClassifierError, match="columns"):
        TabularClassifier.read(tmp_path, config, PROPERTIES)
    (tmp_path / "features.json").write_text("{}")
    with pytest.raises(ClassifierError, match="features"):
        TabularClassifier.read(tmp_path, config, PROPERTIES)


def test_a_damaged_booster_is_not_loaded(fitted: TabularClassifier, tmp_path: Path) -> None:
    config = json.loads(json.dumps(fitted.write(tmp_path)))
    file = sorted(tmp_path.glob("*.ubj"))[0]
    file.write_bytes(file.read_bytes()[:200])
    with pytest.raises(ClassifierError, match="damaged"):
        TabularClassifier.read(tmp_path, config, PROPERTIES)


def test_weights_that_are_not_numbers_are_not_loaded(fitted: TabularClassifier, tmp_path: Path) -> None:
    config = json.loads(json.dumps(fitted.write(tmp_path)))
    file = sorted(tmp_path.glob("*.ubj"))[0]
    data = bytearray(file.read_bytes())
    at = data.index(b"base_weights")
    start = data.index(b"#L", at) + 10  # the count of the array is eight bytes after '#L'
    data[start : start + 4] = b"\x7f\xc0\x00\x00"
    file.write_bytes(bytes(data))
    with pytest.raises(ClassifierError, match=r"not numbers|damaged"):
        TabularClassifier.read(tmp_path, config, PROPERTIES)


def test_settings_are_checked() -> None:
    with pytest.raises(ClassifierError, match="no setting 'deepness'"):
        TabularClassifier(deepness=3)
    with pytest.raises(ClassifierError, match="hide_known"):
        TabularClassifier(hide_known=1.0)
