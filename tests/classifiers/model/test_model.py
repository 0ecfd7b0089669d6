# ruff: noqa: ARG002, ARG003
"""A whole model: held-out calibration and thresholds, absence, fusion by a fuser of one's own, its folder."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.classifiers import registry
from enrich.classifiers.base import ClassifierError, Distribution
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.folds import fold_of
from enrich.classifiers.fusion.base import Fuser, PassThrough
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.manifest import ModelFolderError, write_manifest
from enrich.classifiers.model.metrics import NEVER
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec, train_member
from tests.classifiers.museum import BASE, PLACES, PROPERTIES, dataset, museum

FAST = MemberSpec(
    "tabular", {"rounds": 20, "patience": 5, "depth": 3, "eta": 0.3, "bins": 64, "refit": False}
)


class Sometimes(DummyClassifier):
    """A second modality that is absent for every third record and gives NaN for records called broken."""

    name = "sometimes"
    modality = "text"
    seen: list[list[str]] = []  # noqa: RUF012

    def fit(self, train: Dataset, held_out: Dataset, **rest: Any) -> Mapping[str, Any]:
        self.seen.append([r.id for r in (*train.records, *held_out.records)])
        return super().fit(train, held_out, **rest)

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        said = super().predict(records)
        there = np.array([sum(map(ord, r.id)) % 3 > 0 for r in records], dtype=bool)
        broken = np.array(["broken" in r.id for r in records], dtype=bool)
        return {
            n: Distribution(
                d.classes,
                np.where((there & ~broken)[:, None], d.probabilities, np.nan),
                there | broken,
                d.many,
            )
            for n, d in said.items()
        }


class Mean(Fuser):
    """The mean of whatever is present."""

    name = "mean"

    def fit(self, dataset: Dataset, by: Any, *, seed: int = 0, progress: Any = None) -> Mapping[str, Any]:
        self.properties = dataset.properties
        return {"note": "a mean"}

    def predict(self, records: Sequence[Record], by: Any) -> dict[str, Distribution]:
        fused = {}
        for prop in self.properties:
            said = [by[m][prop.name] for m in by]
            present = np.logical_or.reduce([d.present for d in said])
            stacked = np.stack([np.where(d.present[:, None], d.probabilities, 0.0) for d in said])
            count = np.maximum(sum(d.present.astype(float) for d in said), 1.0)
            p = np.where(present[:, None], stacked.sum(axis=0) / count[:, None], np.nan)
            fused[prop.name] = Distribution(prop.classes, p, present, prop.many)
        return fused

    def write(self, folder: Path) -> Mapping[str, Any]:
        return {}

    @classmethod
    def read(cls, folder: Path, config: Mapping[str, Any], properties: tuple[Property, ...]) -> Mean:
        made = cls()
        made.properties = properties
        return made


@pytest.fixture(autouse=True)
def _registered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(registry.CLASSIFIERS, "sometimes", f"{__name__}:Sometimes")
    monkeypatch.setitem(registry.FUSERS, "mean", f"{__name__}:Mean")


@pytest.fixture(scope="module")
def model() -> Model:
    return fit_model(dataset(900), ModelSpec((FAST,), folds=3, coverage=None))


@pytest.fixture(scope="module")
def saved(model: Model, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("models") / "m"
    model.save(
        folder,
        training={"seed": 0, "classes": {"place": {PLACES[0]: 9}}, "left_out": {"place": {"urn:few": 1}}},
    )
    return folder


def test_one_member_passes_through_calibrated(model: Model) -> None:
    records = museum(60, seed=1)
    answers = model.predict(records)
    assert set(answers) == {"place", "time", "material"}
    for name, answer in answers.items():
        assert np.array_equal(answer.fused.probabilities, answer.by["tabular"].probabilities, equal_nan=True)
        assert answer.order.shape == answer.fused.probabilities.shape
        assert (np.sort(answer.order, axis=1) == np.arange(len(answer.property.classes))).all()
        assert np.array_equal(answer.first(), answer.order[:, 0])
        assert not answer.sets.any()
        assert np.isnan(answer.coverage).all()
        assert name == answer.property.name
    raw = model.members["tabular"].classifier.predict(records)["place"].probabilities
    expected = model.members["tabular"].calibrators["place"].apply(raw)
    assert np.array_equal(expected, answers["place"].fused.probabilities, equal_nan=True)


def test_thresholds_are_one_number_or_one_per_class(model: Model) -> None:
    assert isinstance(model.thresholds["place"], float)
    assert isinstance(model.thresholds["material"], tuple)
    assert len(model.thresholds["material"]) == 3
    assert all(0 < t <= NEVER for t in (model.thresholds["place"], *model.thresholds["material"]))


def test_the_threshold_holds_its_promise_on_fresh_records() -> None:
    plain = MemberSpec("tabular", {**FAST.settings, "museum": None})
    fitted = fit_model(dataset(1500), ModelSpec((plain,), folds=3, target_precision=0.9, coverage=None))
    fresh = dataset(2000, seed=5)
    answer = fitted.predict(fresh.records)["place"]
    target, named = fresh.targets(PROPERTIES[0])
    first = answer.first()
    confidence = answer.fused.probabilities[np.arange(len(first)), first]
    covered = named & answer.fused.present & (confidence >= fitted.thresholds["place"])
    assert covered.sum() > 100
    assert target[covered, first[covered]].mean() == pytest.approx(0.9, abs=0.05)


def test_out_of_fold_means_that_no_one_answers_its_own_training_records() -> None:
    data, Sometimes.seen = dataset(60), []
    fold = fold_of(60, 3, 0)
    train_member(data, MemberSpec("sometimes"), fold, seed=0, progress=lambda *_: None)
    assert len(Sometimes.seen) == 4
    for k, seen in enumerate(Sometimes.seen[:3]):
        assert not {data.records[i].id for i in np.flatnonzero(fold == k)} & set(seen)
    assert len(Sometimes.seen[3]) == 60


def test_a_killed_training_goes_on_where_it_stopped(tmp_path: Path) -> None:
    data, fold, spec = dataset(60), fold_of(60, 3, 0), MemberSpec("sometimes")

    def killed(stage: str, _done: int, _total: int) -> None:
        if "fold 3" in stage:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train_member(data, spec, fold, seed=0, progress=killed, resume=tmp_path)
    Sometimes.seen = []
    again = train_member(data, spec, fold, seed=0, progress=lambda *_: None, resume=tmp_path)
    assert len(Sometimes.seen) == 2  # the third fold, and all records
    whole = train_member(data, spec, fold, seed=0, progress=lambda *_: None)
    for name, said in whole.predictions.items():
        assert np.array_equal(said.probabilities, again.predictions[name].probabilities, equal_nan=True)
    Sometimes.seen = []
    train_member(dataset(60, seed=9), spec, fold, seed=0, progress=lambda *_: None, resume=tmp_path)
    assert len(Sometimes.seen) == 4  # other records: nothing of it is used


@pytest.mark.parametrize("share", [0.0, 0.5, 0.98])
def test_a_kept_fold_that_was_cut_is_fitted_again(tmp_path: Path, share: float) -> None:
    data, fold, spec = dataset(60), fold_of(60, 3, 0), MemberSpec("sometimes")
    whole = train_member(data, spec, fold, seed=0, progress=lambda *_: None, resume=tmp_path)
    (kept,) = tmp_path.glob("*/fold-0.npz")
    said = kept.read_bytes()
    kept.write_bytes(said[: int(len(said) * share)])
    Sometimes.seen = []
    again = train_member(data, spec, fold, seed=0, progress=lambda *_: None, resume=tmp_path)
    assert len(Sometimes.seen) == 1
    for name, found in whole.predictions.items():
        assert np.array_equal(found.probabilities, again.predictions[name].probabilities, equal_nan=True)
    assert kept.read_bytes() == said


def test_several_members_are_fused_and_absence_is_told(tmp_path: Path) -> None:
    fitted = fit_model(
        dataset(300), ModelSpec((FAST, MemberSpec("sometimes")), fusion="mean", folds=3, coverage=None)
    )
    records = [
        *museum(30, seed=2),
        Record("urn:broken", {}, {"museum": (f"{BASE}museum/1",)}),
        Record("urn:nothing-0"),
    ]
    answers = fitted.predict(records)
    for answer in answers.values():
        assert answer.reasons == {"text": {30: "the text classifier gave values that are not numbers"}}
        assert not answer.by["text"].present[30]
        assert answer.fused.present[:31].all()
        assert np.isfinite(answer.fused.probabilities[answer.fused.present]).all()
    assert set(fitted.fusion_calibrators) == {"place", "time", "material"}
    fitted.save(tmp_path / "m")
    again = Model.load(tmp_path / "m").predict(records)
    for name, answer in answers.items():
        assert np.array_equal(again[name].fused.probabilities, answer.fused.probabilities, equal_nan=True)
        assert np.array_equal(again[name].order, answer.order)


def test_two_members_of_one_modality_and_other_nonsense_are_refused() -> None:
    data = dataset(60)
    for spec, sentence in (
        (ModelSpec(()), "at least one member"),
        (ModelSpec((MemberSpec("dummy"), MemberSpec("dummy"))), "two members"),
        (ModelSpec((MemberSpec("dummy", {"depth": 3}),)), "dummy has no setting 'depth'"),
        (
            ModelSpec((MemberSpec("dummy"), MemberSpec("sometimes")), fusion="pass-through"),
            "takes one member",
        ),
        (ModelSpec((MemberSpec("dummy"),), folds=50), "too few"),
        (ModelSpec((MemberSpec("dummy", folds=50),), folds=2), "records are too few for 50 folds"),
    ):
        with pytest.raises(ClassifierError, match=sentence):
            fit_model(data, spec)
    Sometimes.seen = []
    with pytest.raises(ClassifierError, match="two members of the modality text"):
        fit_model(data, ModelSpec((MemberSpec("sometimes"), MemberSpec("sometimes", folds=2))))
    with pytest.raises(ClassifierError, match="pass-through takes one member, this model has 2"):
        fit_model(data, ModelSpec((MemberSpec("sometimes"), MemberSpec("dummy")), fusion="pass-through"))
    assert Sometimes.seen == []  # none was trained before
    with pytest.raises(ClassifierError, match="no property has a class"):
        fit_model(Dataset(data.records, ()), ModelSpec((MemberSpec("dummy"),)))


def test_the_folder_holds_its_members_and_reads_back_the_same(model: Model, saved: Path) -> None:
    assert {p.name for p in saved.iterdir()} == {
        "config.json", "labels.json", "metrics.json", "README.md", "MANIFEST", "tabular", "fusion",
    }  # fmt: skip
    again = Model.load(saved)
    assert again.digest == model.digest
    assert again.members["tabular"].digest == model.members["tabular"].digest
    assert again.thresholds == model.thresholds
    records = museum(40, seed=3)
    for name, answer in model.predict(records).items():
        other = again.predict(records)[name]
        assert np.array_equal(other.fused.probabilities, answer.fused.probabilities, equal_nan=True)
        assert np.array_equal(other.order, answer.order)


def test_the_same_seed_gives_the_same_digest(model: Model, tmp_path: Path) -> None:
    twin = fit_model(dataset(900), ModelSpec((FAST,), folds=3, coverage=None))
    assert twin.save(tmp_path / "a", training={}) == model_digest(model, tmp_path / "b")


def model_digest(model: Model, folder: Path) -> str:
    loaded = json.loads(json.dumps(model.training)), model.digest
    digest = model.save(folder, training={})
    model.training, model.digest = loaded
    return digest


def test_the_card_says_what_was_measured_and_left_out(saved: Path) -> None:
    card = (saved / "README.md").read_text()
    for words in (
        "passes through",
        "Figures out of fold",
        "| place | tabular |",
        "urn:few | 1 | left out",
        "## Limits",
    ):
        assert words in card


def test_what_was_tampered_with_is_refused(saved: Path, tmp_path: Path) -> None:
    import shutil

    def tampered(name: str, file: str, change: Any) -> Path:
        folder = tmp_path / name
        shutil.copytree(saved, folder)
        value = json.loads((folder / file).read_text())
        change(value)
        (folder / file).write_text(json.dumps(value))
        if "/" in file:
            write_manifest(folder / file.split("/")[0])
        write_manifest(folder)
        return folder

    changes = {
        "threshold": ("config.json", lambda c: c["thresholds"].update(place=float("nan"))),
        "missing": ("config.json", lambda c: c["thresholds"].pop("place")),
        "short": ("config.json", lambda c: c["thresholds"].update(material=[0.5])),
        "offsets": ("config.json", lambda c: c["offsets"].update(place=[0.0])),
        "member": ("tabular/config.json", lambda c: c["training"].update(seed=9)),
        "no members": ("config.json", lambda c: c.update(members={})),
        "calibrator": ("config.json", lambda c: c["calibrators"]["tabular"]["place"].update(method="x")),
        "fusion": ("config.json", lambda c: c["fusion"].update(name="nuclear")),
        "kind": ("config.json", lambda c: c.pop("kind")),
        "labels": ("labels.json", lambda c: c["place"].append("urn:more")),
    }
    for name, (file, change) in changes.items():
        with pytest.raises(ModelFolderError):
            Model.load(tampered(name, file, change))


def test_an_unknown_property_is_a_sentence(model: Model) -> None:
    assert model.property("place").classes == PLACES
    with pytest.raises(ClassifierError, match="no property 'colour'; it has: place"):
        model.property("colour")


def test_the_digest_of_a_dataset_minds_content_and_not_order() -> None:
    data = dataset(30)
    assert data.digest == data.subset(list(range(29, -1, -1))).digest
    assert data.digest != data.subset(range(29)).digest


def test_the_pass_through_refuses_two() -> None:
    with pytest.raises(ClassifierError, match="takes one member"):
        PassThrough().fit(dataset(5), {"tabular": {}, "text": {}})


def test_a_thousand_records_are_answered_in_a_second(model: Model) -> None:
    import time

    records = museum(3000, seed=8)
    began = time.process_time()
    model.predict(records)
    assert time.process_time() - began < 6
