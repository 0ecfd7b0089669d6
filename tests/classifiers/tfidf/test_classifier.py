"""TF-IDF text classifier: learns, says when it has nothing to read, is bounded, and comes back the same."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load_file, save_file

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.registry import classifier_class
from enrich.classifiers.tfidf.classifier import TfidfClassifier
from enrich.classifiers.tfidf.features import TextFeatures, TextFeatureSettings, heading, whole
from enrich.classifiers.tfidf.linear import fit_linear

PLACE = Property("place", ("urn:FR", "urn:IT", "urn:JP"))
MATERIAL = Property("material", ("urn:silk", "urn:wood"), many=True)
WORDS = {"urn:FR": "Lyon brocade", "urn:IT": "Genoa velvet", "urn:JP": "Kyoto kimono"}


def record(i: int, place: str, *texts: str) -> Record:
    materials = ("urn:silk",) if i % 2 else ("urn:silk", "urn:wood")
    said = texts or ("Textile", f"{WORDS[place]} with flowers{' and a wooden frame' if i % 2 == 0 else ''}")
    return Record(f"r{i}", {"place": (place,), "material": materials}, {}, tuple(Text(t) for t in said))


def museum(n: int = 60) -> Dataset:
    return Dataset([record(i, PLACE.classes[i % 3]) for i in range(n)], (PLACE, MATERIAL))


@pytest.fixture(scope="module")
def fitted() -> TfidfClassifier:
    classifier = TfidfClassifier()
    classifier.fit(museum(), Dataset([], (PLACE, MATERIAL)))
    return classifier


def test_it_learns_what_the_words_say(fitted: TfidfClassifier) -> None:
    said = fitted.predict([record(0, "urn:FR", "A brocade from Lyon"), record(1, "urn:JP", "Kimono, Kyoto")])
    assert said["place"].probabilities.argmax(axis=1).tolist() == [0, 2]
    assert said["place"].probabilities.sum(axis=1) == pytest.approx(1.0)
    framed = fitted.predict([record(1, "urn:FR", "Lyon brocade and a wooden frame"), record(1, "urn:FR")])[
        "material"
    ]
    assert framed.many
    assert framed.probabilities[0, 1] > 0.5 > framed.probabilities[1, 1]


def test_the_known_value_is_not_looked_at(fitted: TfidfClassifier) -> None:
    shown = record(0, "urn:FR", "Genoa velvet")
    one, other = fitted.predict([shown])["place"], fitted.predict([shown.without("place")])["place"]
    assert (one.probabilities == other.probabilities).all()


@pytest.mark.parametrize("texts", [(), ("",), (" \n",), ("qqqq zzzz",), ("\x00",)])
def test_a_record_without_a_known_word_is_absent(fitted: TfidfClassifier, texts: tuple[str, ...]) -> None:
    shown = Record("x", texts=tuple(Text(t) for t in texts))
    said = fitted.predict([shown, record(0, "urn:FR")])["place"]
    assert said.present.tolist() == [False, True]
    assert np.isnan(said.probabilities[0]).all()


def test_no_records_give_no_rows(fitted: TfidfClassifier) -> None:
    assert fitted.predict([])["place"].probabilities.shape == (0, 3)


def test_a_text_of_megabytes_costs_no_more_than_a_long_one(fitted: TfidfClassifier) -> None:
    began = time.process_time()
    said = fitted.predict(
        [record(0, "urn:FR", "Lyon brocade " * 400_000), record(1, "urn:FR", "x" * 5_000_000)]
    )
    assert time.process_time() - began < 2.0
    assert said["place"].probabilities[0].argmax() == 0


@settings(max_examples=40)
@given(st.lists(st.text(max_size=60), max_size=4))
def test_any_text_gives_a_distribution_or_is_absent(fitted: TfidfClassifier, texts: list[str]) -> None:
    said = fitted.predict([Record("x", texts=tuple(Text(t) for t in texts))])["place"]
    assert said.present[0] == bool(np.isfinite(said.probabilities).all())


def test_a_folder_gives_back_the_very_same_answers(fitted: TfidfClassifier, tmp_path: Path) -> None:
    write_model(tmp_path / "m", fitted, metrics={}, training={})
    again = read_model(tmp_path / "m").classifier
    records = museum(9).records
    for name, said in fitted.predict(records).items():
        np.testing.assert_array_equal(said.probabilities, again.predict(records)[name].probabilities)
    assert not [p for p in (tmp_path / "m").rglob("*") if p.suffix in (".pkl", ".joblib")]


def _broken(fitted: TfidfClassifier, folder: Path) -> dict[str, object]:
    folder.mkdir()
    return dict(fitted.write(folder))


def test_weights_that_do_not_fit_are_refused(fitted: TfidfClassifier, tmp_path: Path) -> None:
    config = _broken(fitted, tmp_path / "m")
    longer = (Property("place", ("urn:FR", "urn:IT", "urn:JP", "urn:US")), MATERIAL)
    with pytest.raises(ClassifierError, match="place are not"):
        TfidfClassifier.read(tmp_path / "m", config, longer)
    weights = load_file(tmp_path / "m" / "linear.safetensors")
    weights["0.bias"] = np.array([0.0, np.nan, 0.0], dtype=np.float32)
    save_file(weights, tmp_path / "m" / "linear.safetensors")
    with pytest.raises(ClassifierError, match="not numbers"):
        TfidfClassifier.read(tmp_path / "m", config, (PLACE, MATERIAL))


@pytest.mark.parametrize("words", [None, ["a", "a"], [1, 2], ["short"], {"a": 1}])
def test_a_vocabulary_that_does_not_fit_is_refused(
    fitted: TfidfClassifier, tmp_path: Path, words: object
) -> None:
    config = _broken(fitted, tmp_path / "m")
    said = json.loads((tmp_path / "m" / "vocabulary.json").read_text())
    said["words"] = words
    (tmp_path / "m" / "vocabulary.json").write_text(json.dumps(said))
    with pytest.raises(ClassifierError):
        TfidfClassifier.read(tmp_path / "m", config, (PLACE, MATERIAL))


def test_the_same_seed_gives_the_same_weights(fitted: TfidfClassifier) -> None:
    again = TfidfClassifier()
    again.fit(museum(), Dataset([], (PLACE, MATERIAL)))
    np.testing.assert_array_equal(again.linear["place"].weights, fitted.linear["place"].weights)


def test_the_words_that_mattered_come_first(fitted: TfidfClassifier) -> None:
    told = fitted.explain(record(0, "urn:FR", "Lyon brocade with flowers"), "place", "urn:FR")
    assert {"Lyon", "brocade"} & {c.name for c in told.contributions[:2]}
    assert all(abs(a.weight) >= abs(b.weight) for a, b in pairwise(told.contributions))


def test_training_without_any_text_answers_absent() -> None:
    bare = Dataset([Record(f"r{i}", {"place": ("urn:FR",)}) for i in range(12)], (PLACE,))
    classifier = TfidfClassifier()
    classifier.fit(bare, Dataset([], (PLACE,)))
    assert not classifier.predict([record(0, "urn:FR")])["place"].present.any()


def test_a_single_class_and_a_class_without_values_are_borne() -> None:
    only = Dataset([record(i, "urn:FR") for i in range(12)], (PLACE, MATERIAL))
    classifier = TfidfClassifier()
    classifier.fit(only, Dataset([], only.properties))
    said = classifier.predict([record(0, "urn:FR")])["place"].probabilities[0]
    assert said.argmax() == 0
    assert np.isfinite(said).all()


def test_two_classes_are_told_apart_both_ways() -> None:
    from scipy.sparse import csr_matrix

    columns = csr_matrix(np.eye(2, dtype=np.float32)[[0, 1] * 10])
    target = np.eye(3)[[0, 2] * 10]
    scores = fit_linear(columns, target, many=False).scores(csr_matrix(np.eye(2, dtype=np.float32)))
    assert scores.argmax(axis=1).tolist() == [0, 2]


def test_settings_are_checked_and_may_stand_in_a_table_of_their_own() -> None:
    made = classifier_class("tfidf")(cost=3.0, letters=[2, 4])
    assert isinstance(made, TfidfClassifier)
    assert made.settings.letters == (2, 4)
    older = classifier_class("tfidf")(cost=3.0, features={"letters": [2, 4]})
    assert older.settings == made.settings
    for wrong in ({"cots": 1.0}, {"cost": -1.0}, {"words": [3, 1]}, {"characters": 0}):
        with pytest.raises(ClassifierError):
            classifier_class("tfidf")(**wrong)


def test_the_heading_is_the_first_text_and_the_whole_is_bounded() -> None:
    shown = record(0, "urn:FR", " ", "Panel", "A long description")
    assert heading(shown, 100) == "Panel"
    assert "description" in whole(shown, 100)
    assert len(whole(record(0, "urn:FR", "a" * 50, "b" * 50, "c" * 50), 60)) <= 60


def test_columns_are_named_by_field() -> None:
    features, _ = TextFeatures.learn(museum(12).records, TextFeatureSettings(min_letters=1, min_words=1))
    names = features.names()
    assert len(names) == len(features) == features.matrix(museum(2).records).shape[1]
    assert ("words", "lyon") in names
    assert ("heading", "textile") in names


def test_what_is_learnt_from_is_the_matrix_of_those_records() -> None:
    records = [*museum(12).records, Record("no texts")]
    features, columns = TextFeatures.learn(records)
    again = features.matrix(records)
    assert columns.shape == again.shape
    assert np.allclose(columns.toarray(), again.toarray(), rtol=1e-6)
    assert columns.getnnz(axis=1)[-1] == 0
    nothing, empty = TextFeatures.learn([Record("no texts")])
    assert (len(nothing), empty.shape) == (0, (1, 0))
