from __future__ import annotations

import uuid
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.model.regimes import (
    REGIMES,
    Experience,
    Regime,
    local_contexts,
    models_of,
    unit_folds,
)

BASE = "https://museum.example.org/"
PLACE = Property("place", (f"{BASE}place/0", f"{BASE}place/1"))
FAST = MemberSpec("tabular", {"rounds": 10, "museum": "museum"}, fold_settings={"refit": False})


def record(museum: int, number: int, place: int | None = None, **context: str) -> Record:
    """An object with an accession number; `place` None is a gap, 2 a value that is no class."""
    known = {} if place is None else {"place": (f"{BASE}place/{place}",)}
    said = {"museum": (f"{BASE}museum/{museum}",), **{k: (v,) for k, v in context.items()}}
    return Record(f"{BASE}museum/{museum}/{number:05d}", known, said)


def museums(*, hidden: int = -1, count: int = 5, each: int = 120) -> list[Record]:
    """Museums in which the kind of object says the place; the museum `hidden` never recorded it."""
    made = []
    for museum in range(count):
        for number in range(each):
            kind = (number * 7 + museum) % 2
            made.append(record(museum, number, None if museum == hidden else kind, kind=f"{BASE}kind/{kind}"))
    return made


def test_a_gap_belongs_to_the_regime_that_its_group_and_number_say() -> None:
    taught = [record(0, n, n % 2 if n < 200 else None) for n in range(400)] + [
        record(1, n) for n in range(100)
    ]
    experience = Experience.learn(Dataset(taught, (PLACE,)), ("museum",))
    asked = [record(0, 100), record(0, 350), record(1, 50), record(7, 1), Record(f"{BASE}none")]
    assert [REGIMES[i] for i in experience.regimes("place", experience.places(asked))] == [
        "seen", "unseen block", "unseen group", "unseen group", "unseen group",
    ]  # fmt: skip
    assert Experience.read(experience.to_json()) == experience


def test_groups_may_be_made_of_several_contexts() -> None:
    taught = [record(0, n, n % 2, department=f"{BASE}d/{n % 2}") for n in range(100)]
    experience = Experience.learn(Dataset(taught, (PLACE,)), ("museum", "department"))
    asked = [record(0, 50, department=f"{BASE}d/1"), record(0, 50, department=f"{BASE}d/9")]
    assert [REGIMES[i] for i in experience.regimes("place", experience.places(asked))] == [
        "seen",
        "unseen group",
    ]


def test_without_numbers_or_groups_everything_is_seen() -> None:
    taught = [Record(f"urn:uuid:{uuid.UUID(int=i)}", {"place": (PLACE.classes[i % 2],)}) for i in range(50)]
    experience = Experience.learn(Dataset(taught, (PLACE,)), ())
    assert not experience.knots
    asked = [Record(f"urn:uuid:{uuid.UUID(int=99)}")]
    assert not experience.regimes("place", experience.places(asked)).any()


def test_folds_keep_units_together_and_are_even() -> None:
    units = np.repeat(np.arange(23), np.arange(1, 24))
    fold = unit_folds(units, 5, 0)
    assert all(len(set(fold[units == u])) == 1 for u in range(23))
    sizes = np.bincount(fold)
    assert len(sizes) == 5
    assert sizes.max() - sizes.min() <= 23


def test_contexts_that_do_not_recur_in_another_group_are_local() -> None:
    records = [
        record(m, n, department=f"{BASE}{m}/department/{n % 3}", kind=f"{BASE}kind/{n % 2}")
        for m in range(3)
        for n in range(30)
    ]
    assert local_contexts(Dataset(records, (PLACE,)), ("museum",)) == ("department", "museum")


@pytest.fixture(scope="module")
def model() -> Model:
    dataset = Dataset(museums(hidden=4), (PLACE,))
    return fit_model(dataset, ModelSpec((FAST,), folds=3, groups=("museum",)))


def test_an_unseen_group_is_answered_by_what_travels(model: Model) -> None:
    """The kind of object tells the place in every museum, so the promise can be made to one more."""
    asked = [replace(r, known={}) for r in museums() if "museum/4/" in r.id]
    answer = model.predict(asked)["place"]
    assert {REGIMES[i] for i in answer.regimes} == {"unseen group"}
    assert model.regimes["unseen group"].hides == ("museum",)
    sure = answer.fused.probabilities.max(axis=1) >= answer.thresholds.max(axis=1)
    assert sure.all()
    assert (answer.promised == 0.9).all()
    right = [
        PLACE.classes[k] == f"{BASE}place/{int(r.id[-5:]) * 7 % 2}"
        for k, r in zip(answer.first(), asked, strict=True)
    ]
    assert np.mean(right) > 0.95
    assert not answer.sets.any()
    assert np.isnan(answer.coverage).all()


def test_where_groups_disagree_nothing_is_promised() -> None:
    """Each museum has its own rule, so none speaks for the fifth."""
    taught = [record(m, n, (n + m) % 2, kind=f"{BASE}kind/{n % 2}") for m in range(4) for n in range(120)]
    model = fit_model(Dataset(taught, (PLACE,)), ModelSpec((FAST,), folds=3, groups=("museum",)))
    assert model.promises["place"].kept
    answer = model.predict([record(9, n, kind=f"{BASE}kind/{n % 2}") for n in range(10)])["place"]
    assert (answer.thresholds > 1).all()
    assert np.isnan(answer.promised).all()


def test_a_group_that_taught_a_little_is_known_to_the_model_that_sees_it() -> None:
    """Given museums with rules of their own, and one of which ten records alone say its rule, then its gaps are of an
    unseen group and nothing is promised, but their candidates follow its rule; those of a new museum are as before."""
    rule = {f"{BASE}museum/{m}": (m // 2) % 2 for m in range(5)}
    kinds = [{"kind": f"{BASE}kind/{k}"} for k in (0, 1)]
    taught = [record(m, n, (n + m // 2) % 2, **kinds[n % 2]) for m in range(4) for n in range(120)]
    taught += [record(4, n, rule[f"{BASE}museum/4"] if n < 10 else None, **kinds[0]) for n in range(120)]
    model = fit_model(Dataset(taught, (PLACE,)), ModelSpec((FAST,), folds=3, groups=("museum",)))
    asked = [replace(r, known={}) for r in taught[-50:]] + [record(9, n, **kinds[0]) for n in range(50)]

    answer = model.predict(asked)["place"]

    assert {REGIMES[i] for i in answer.regimes} == {"unseen group"}
    assert [REGIMES[i] for i in answer.models] == ["seen"] * 50 + ["unseen group"] * 50
    assert np.isnan(answer.promised).all()
    assert (answer.thresholds > 1).all()
    assert not answer.sets.any()
    seen = model.answer(asked)["place"]
    assert np.allclose(answer.fused.probabilities[:50], seen.fused.probabilities[:50])
    assert (answer.first()[:50] == rule[f"{BASE}museum/4"]).all()


def test_whose_model_is_asked() -> None:
    """The regime's own, where it has one; an unseen group's where it promises, or the group taught nothing."""
    regimes = np.array([0, 1, 2, 2], dtype=np.int8)
    taught = np.array([True, True, True, False])

    promising: dict[Regime, bool] = {"seen": True}
    assert models_of(regimes, taught, promising).tolist() == [0, 0, 0, 0]
    promising |= {"unseen block": False, "unseen group": True}
    assert models_of(regimes, taught, promising).tolist() == [0, 1, 2, 2]
    promising["unseen group"] = False
    assert models_of(regimes, taught, promising).tolist() == [0, 1, 0, 2]


def test_rows_come_back_in_order_whatever_their_regime(model: Model) -> None:
    mixed = museums()[::37]
    together = model.predict(mixed)["place"]
    for i, one in enumerate(mixed):
        alone = model.predict([one])["place"]
        assert alone.regimes[0] == together.regimes[i]
        assert np.allclose(alone.fused.probabilities[0], together.fused.probabilities[i], equal_nan=True)
        assert np.array_equal(alone.thresholds[0], together.thresholds[i])
    assert model.predict([])["place"].order.shape == (0, 2)


def test_a_folder_holds_every_regime(model: Model, tmp_path: Path) -> None:
    model.save(tmp_path / "model", training={})
    again = Model.load(tmp_path / "model")
    assert set(again.regimes) == {"unseen block", "unseen group"}
    assert again.experience == model.experience
    mixed = museums()[::37]
    assert np.allclose(
        again.predict(mixed)["place"].fused.probabilities,
        model.predict(mixed)["place"].fused.probabilities,
        equal_nan=True,
    )
    card = (tmp_path / "model" / "README.md").read_text()
    assert "## What is promised" in card
    assert "### By group, unseen group" in card


def test_a_value_outside_the_classes_lowers_confidence_and_precision() -> None:
    """Half of the records have a value that is no class, at random: nothing reaches .9, and the confidence says half."""
    taught = [record(0, n, n % 2 if n % 4 < 2 else 2, kind=f"{BASE}kind/{n % 2}") for n in range(600)]
    model = fit_model(Dataset(taught, (PLACE,)), ModelSpec((FAST,), folds=3, groups=("museum",)))
    answer = model.predict(taught)["place"]
    assert abs(float(answer.fused.probabilities.max(axis=1).mean()) - 0.5) < 0.05
    assert not model.promises["place"].kept
    figures = model.metrics["out_of_fold"]["place"]["fusion"]
    assert figures["outside"] == 300
    assert figures["accuracy"] == pytest.approx(0.5, abs=0.05)
    assert "place" not in model.candidate_sets


def test_a_costly_member_shares_its_folds_between_seen_and_unseen_block(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Fitted once on everything, once per fold for the first two regimes together, and once per fold for groups."""
    fits: list[int] = []
    fit = DummyClassifier.fit

    def counted(self: DummyClassifier, train: Dataset, held_out: Dataset, **rest: Any) -> Any:
        fits.append(len(train) + len(held_out))
        return fit(self, train, held_out, **rest)

    monkeypatch.setattr(DummyClassifier, "fit", counted)
    monkeypatch.setattr(DummyClassifier, "modality", "text")
    spec = ModelSpec((MemberSpec("dummy"),), folds=3, groups=("museum",))
    for costly, expected in ((False, 3 * 3 + 1), (True, 2 * 3 + 1)):
        fits.clear()
        monkeypatch.setattr(DummyClassifier, "costly", costly)
        model = fit_model(Dataset(museums(), (PLACE,)), spec)
        assert len(fits) == expected
        assert {id(part.members["text"].classifier) for part in model.parts().values()} == {
            id(model.members["text"].classifier)
        }


def test_a_classifier_that_regimes_share_looks_at_each_record_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a museum without a place the place is asked of one regime and the colour of another; both read the texts by
    one classifier, and what they answer is what each says of its own."""
    colour = Property("colour", (f"{BASE}red", f"{BASE}blue"))
    words = ("crimson samite", "indigo twill")
    told = [
        replace(r, known={**r.known, "colour": (colour.classes[n % 2],)}, texts=(Text(words[n % 2], "en"),))
        for n, r in enumerate(museums(hidden=4))
    ]
    spec = ModelSpec((FAST, MemberSpec("tfidf")), folds=3, groups=("museum",))
    model = fit_model(Dataset(told, (PLACE, colour)), spec)
    asked = [replace(r, known={}) for r in told[-40:]]
    reader, looked = model.members["text"].classifier, []
    says = type(reader).predict
    monkeypatch.setattr(
        type(reader), "predict", lambda self, records: looked.append(len(records)) or says(self, records)
    )

    answers = model.predict(asked)

    assert looked == [40]
    assert {REGIMES[i] for i in answers["place"].models} == {"unseen group"}
    assert {REGIMES[i] for i in answers["colour"].models} == {"seen"}
    for name, regime in (("place", "unseen group"), ("colour", "seen")):
        alone = model.parts()[regime].answer(asked)[name]  # type: ignore[index]
        assert np.allclose(answers[name].fused.probabilities, alone.fused.probabilities)
