"""Why a model answered: each member's prediction, the words and values it went by, and what was not used."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Picture, Record, Text
from enrich.classifiers.dummy import DummyClassifier
from enrich.classifiers.explain.explanation import Explanation, MemberExplanation
from enrich.classifiers.explain.model_explanation import explain
from enrich.classifiers.fusion.base import Fuser, PassThrough
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.classifiers.model.out_of_fold import MemberSpec
from enrich.classifiers.neural.image import ImageClassifier
from enrich.classifiers.tfidf.classifier import TfidfClassifier
from tests.classifiers.museum import MATERIALS, PLACES, PROPERTIES, museum

WORDS = dict(zip(PLACES, ("Lyon brocade", "Genoa velvet", "Kyoto kimono"), strict=True))
FAST = {"rounds": 15, "patience": 5, "depth": 3, "bins": 32, "numerals": False}
LATE = {"rounds": 20, "folds": 2}


def described(record: Record) -> Record:
    """The record with a text that names where it may come from."""
    said = WORDS[record.known["place"][0]] if "place" in record.known else "Textile"
    return replace(record, texts=(Text(f"{said}, with flowers.", "en"),))


DATA = Dataset([described(r) for r in museum(200)], PROPERTIES)


def fitted(*members: MemberSpec, **spec: Any) -> Model:
    return fit_model(DATA, ModelSpec(members, folds=2, **spec))


@pytest.fixture(scope="module")
def model() -> Model:
    return fitted(MemberSpec("tabular", FAST), MemberSpec("tfidf"), fusion_settings=LATE)


RECORD = Record(
    "urn:asked",
    context=DATA.records[0].context,
    texts=(Text("Genoa velvet, bought in Genoa", "en"),),
)


def member(found: Explanation, modality: str) -> MemberExplanation:
    return next(m for m in found.members if m.modality == modality)


def test_every_member_and_what_it_went_by_is_named(model: Model) -> None:
    (found,) = explain(model, RECORD, [("place", PLACES[1])])
    answer = model.predict([RECORD])["place"]
    assert found.probability == pytest.approx(answer.fused.probabilities[0, 1])
    assert "joint model" in {c.name for c in found.fusion}
    sizes = [abs(c.weight) for c in found.fusion]
    assert sizes == sorted(sizes, reverse=True)
    assert member(found, "text").probability == pytest.approx(answer.by["text"].probabilities[0, 1])
    assert member(found, "tabular").classifier == "tabular"


def test_the_words_that_name_the_class_come_first(model: Model) -> None:
    for_it, against = explain(model, RECORD, [("place", PLACES[1]), ("place", PLACES[0])])
    words = [c.name for c in member(for_it, "text").contributions]
    assert set(words[:2]) == {"Genoa", "velvet"}
    assert all(c.weight > 0 for c in member(for_it, "text").contributions[:2])
    assert member(against, "text").contributions[0].weight < 0
    assert member(for_it, "text").unit == "score"


def test_values_are_told_with_whether_the_record_has_them(model: Model) -> None:
    (found,) = explain(model, RECORD, [("place", PLACES[1])])
    told = member(found, "tabular").contributions
    houses = [c for c in told if c.name == "museum"]
    assert houses
    assert {c.value for c in houses if c.there} <= set(RECORD.context["museum"])
    assert all(c.value not in RECORD.context["museum"] for c in houses if not c.there)


def test_a_property_with_many_values_is_explained_class_by_class(model: Model) -> None:
    found = explain(model, RECORD, [("material", m) for m in MATERIALS])
    assert [f.value for f in found] == list(MATERIALS)
    assert len({f.probability for f in found}) == len(MATERIALS)


def test_what_was_not_heard_says_why(model: Model) -> None:
    (found,) = explain(model, replace(RECORD, texts=()), [("place", PLACES[1])])
    assert member(found, "text").absent == "the record has no text"
    (found,) = explain(model, replace(RECORD, texts=(Text("Ωμέγα"),)), [("place", PLACES[1])])
    assert member(found, "text").absent == "no text with a word that it knows"
    (found,) = explain(model, replace(RECORD, context={}), [("place", PLACES[1])])
    assert member(found, "tabular").absent == "no value that it knows"
    (found,) = explain(model, Record("urn:bare"), [("place", PLACES[1])])
    assert (found.probability, found.fusion) == (None, ())


def test_a_picture_that_could_not_be_had_says_why() -> None:
    refused = tuple(
        Picture(f"https://o.example/{i}", failure=why) for i, why in enumerate(("404", "404", "no"))
    )
    image = ImageClassifier(backbone="test_resnet", weights="none", size=32)
    assert image.why_absent(Record("r", pictures=refused)) == "404; no"
    assert "no picture" in image.why_absent(Record("r"))


def test_what_the_model_does_not_know_is_refused(model: Model) -> None:
    with pytest.raises(ClassifierError, match="no class 'urn:moon'"):
        explain(model, RECORD, [("place", "urn:moon")])
    with pytest.raises(ClassifierError, match="no property 'smell'"):
        explain(model, RECORD, [("smell", PLACES[0])])


def test_a_single_modality_needs_no_fusion() -> None:
    alone = fitted(MemberSpec("tfidf"))
    assert alone.fuser.name == PassThrough.name
    (found,) = explain(alone, RECORD, [("place", PLACES[1])])
    assert found.fusion == ()
    assert member(found, "text").contributions


def test_a_fusion_without_shares_is_asked_without_each_modality(model: Model) -> None:
    class Silent(type(model.fuser)):  # type: ignore[misc]
        """The late fusion, but for its shares."""

        explain = Fuser.explain

    silent = Silent.__new__(Silent)
    silent.__dict__ = model.fuser.__dict__
    (found,) = explain(replace(model, fuser=silent), RECORD, [("place", PLACES[1])])
    assert {c.name for c in found.fusion} == {"text", "tabular"}
    assert next(c for c in found.fusion if c.name == "text").weight > 0


def test_a_classifier_that_does_not_explain_has_nothing_to_tell() -> None:
    told = DummyClassifier().explain(RECORD, "place", PLACES[0])
    assert told == MemberExplanation("tabular", "dummy")


def test_a_picture_that_does_not_decode_costs_itself(tmp_path: Path) -> None:
    broken = tmp_path / "a.jpg"
    broken.write_bytes(b"no picture")
    classifier = ImageClassifier(backbone="test_resnet", weights="none", size=32, runtime="torch")
    classifier.properties = PROPERTIES
    classifier._network = classifier.build(DATA, None).eval()
    record = Record(
        "r", pictures=(Picture("https://o.example/a.jpg", path=broken), Picture("https://o.example/b"))
    )
    (looked,) = classifier.explain(record, "place", PLACES[0]).pictures
    assert looked.saliency is None
    assert looked.reason


@pytest.fixture(scope="module")
def tfidf() -> TfidfClassifier:
    classifier = TfidfClassifier()
    classifier.fit(DATA, DATA.subset([]))
    return classifier


@settings(max_examples=60)
@given(st.lists(st.text(max_size=60), max_size=3))
def test_any_text_can_be_explained_and_nothing_is_invented(tfidf: TfidfClassifier, texts: list[str]) -> None:
    record = Record("r", texts=tuple(Text(f"Lyon {t} brocade") for t in texts))
    found = tfidf.explain(record, "place", PLACES[0]).contributions
    written = " ".join(t.value for t in record.texts)
    assert all(c.name in written for c in found)
    assert len({c.name.lower() for c in found}) == len(found)
    assert all(np.isfinite(c.weight) for c in found)
    terms = sum(abs(weight) for _, _, weight in tfidf.term_weights(record, "place", PLACES[0]))
    assert sum(abs(c.weight) for c in found) <= terms + 1e-9
