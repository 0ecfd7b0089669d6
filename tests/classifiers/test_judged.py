"""What curators judged teaches where the facts have nothing: values put in, and values turned down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from scipy.sparse import csr_matrix

from enrich.classifiers.base import Classifier
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.tabular.classifier import TabularClassifier
from enrich.classifiers.tfidf import linear
from enrich.classifiers.tfidf.classifier import TfidfClassifier

PLACE = Property("place", ("urn:FR", "urn:IT", "urn:JP"), broader={"urn:Kyoto": "urn:JP"})
MATERIAL = Property("material", ("urn:silk", "urn:wool", "urn:gold"), many=True)
BOTH = (PLACE, MATERIAL)


def tabular() -> Classifier:
    return TabularClassifier(rounds=20, patience=5, depth=3, eta=0.3, bins=16, min_child_weight=0.1)


LEARNERS = pytest.mark.parametrize("made", [tabular, TfidfClassifier], ids=["tabular", "tfidf"])


def shown(i: int, *words: str, **known: tuple[str, ...]) -> Record:
    """A record that says these words, as text and as context."""
    return Record(f"r{i}", known, {"words": words}, (Text(" ".join(words)),))


def labelled() -> list[Record]:
    """Pieces of Lyon and of Genoa, of silk and of wool, and some of Kyoto."""
    made = []
    for i in range(90):
        place, word = (("urn:FR", "lyon"), ("urn:IT", "genoa"), ("urn:JP", "kyoto"))[i % 3]
        made.append(shown(i, word, "piece", place=(place,), material=("urn:silk", "urn:wool")[i % 2 :]))
    return made


def said(made: Callable[[], Classifier], records: list[Record], ask: Record) -> dict[str, np.ndarray]:
    classifier = made()
    classifier.fit(Dataset(records, BOTH), Dataset([], BOTH))
    return {name: d.probabilities[0] for name, d in classifier.predict([ask]).items()}


@LEARNERS
def test_a_value_that_a_curator_put_in_is_learnt_like_a_fact(made: Callable[[], Classifier]) -> None:
    taught = [replace(shown(100 + i, "mantua", "piece"), taught={"place": ("urn:IT",)}) for i in range(30)]
    facts = [replace(r, known=r.taught, taught={}) for r in taught]
    ask = shown(0, "mantua", "piece")
    found, like = said(made, [*labelled(), *taught], ask), said(made, [*labelled(), *facts], ask)
    assert found["place"].argmax() == PLACE.classes.index("urn:IT")
    if made is TfidfClassifier:  # to the other the facts are features of the material too
        assert np.array_equal(found["place"], like["place"])


@LEARNERS
def test_a_value_turned_down_gets_less_and_the_others_may_get_more(made: Callable[[], Classifier]) -> None:
    """Given looks that are said to be French, when curators turn French down there, then it falls, and no other
    class is rewarded above the rest for it."""
    look = [shown(200 + i, "lyon", "mantua", "piece") for i in range(60)]
    refused = [replace(r, refused={"place": ("urn:FR",)}) for r in look]
    before, after = said(made, [*labelled(), *look], look[0]), said(made, [*labelled(), *refused], look[0])
    assert before["place"].argmax() == 0
    assert after["place"][0] < before["place"][0] / 2
    assert after["place"][1:].min() > before["place"][1:].min()


@LEARNERS
def test_of_many_values_only_those_judged_teach(made: Callable[[], Classifier]) -> None:
    look = [
        replace(shown(300 + i, "shawl", "piece"), taught={"material": ("urn:wool",)}, refused={"material": ("urn:silk",)})
        for i in range(40)
    ]  # fmt: skip
    gold = [shown(400 + i, "shawl" if i < 10 else "altar", material=("urn:gold",)) for i in range(20)]
    found = said(made, [*labelled(), *look, *gold], look[0])["material"]
    assert found[1] > 0.5
    assert found[0] < 0.2
    closed = [replace(r, known={"material": ("urn:wool",)}, taught={}, refused={}) for r in look]
    without = said(made, [*labelled(), *closed, *gold], look[0])["material"]
    assert found[2] > without[2], "nobody said that there is no gold on them"


@LEARNERS
def test_what_nobody_judged_changes_nothing(made: Callable[[], Classifier]) -> None:
    outside = [replace(shown(500 + i, "lyon"), refused={"place": ("urn:ES",)}) for i in range(20)]
    plain = [replace(r, refused={}) for r in outside]
    ask = shown(0, "lyon", "piece")
    for name, found in said(made, [*labelled(), *outside], ask).items():
        assert np.array_equal(found, said(made, [*labelled(), *plain], ask)[name])


def test_what_is_known_of_a_record_is_told_by_facts_first_and_then_by_curators() -> None:
    data = Dataset(
        [
            shown(0, place=("urn:FR",)),
            replace(shown(1), taught={"place": ("urn:Kyoto",)}, refused={"place": ("urn:FR",)}),
            replace(shown(2), refused={"place": ("urn:FR", "urn:Kyoto")}),
            replace(shown(3), taught={"material": ("urn:silk",)}, refused={"material": ("urn:gold",)}),
            shown(4),
        ],
        BOTH,
    )
    target, named = data.targets(PLACE)
    assert target.tolist() == [[1, 0, 0], [0, 0, 1], [0, 0, 0], [0, 0, 0], [0, 0, 0]]
    assert named.tolist() == [True, True, False, False, False]
    _, known = data.judged(PLACE)
    assert known.tolist() == [[True] * 3, [True] * 3, [True, False, False], [False] * 3, [False] * 3], (
        "what was turned down is a class, not the narrower value that it stands for"
    )
    target, known = data.judged(MATERIAL)
    assert known[3].tolist() == [True, False, True]
    assert target[3].tolist() == [1, 0, 0]
    assert not data.targets(MATERIAL)[1].any(), (
        "one of many values accepted does not say that there are no more"
    )
    assert data.stated(PLACE).tolist() == [True, False, False, False, False], "a promise is measured on facts"


def test_reviews_tell_in_the_digest_of_the_data_and_only_they() -> None:
    plain = Dataset([shown(0)], BOTH).digest
    other = [
        Dataset([replace(shown(0), **{kind: {"place": (value,)}})], BOTH).digest
        for kind in ("taught", "refused")
        for value in ("urn:FR", "urn:IT")
    ]
    assert len({plain, *other}) == 5
    assert Dataset([replace(shown(0), taught={"place": ()})], BOTH).digest == plain


def test_the_machine_of_a_class_that_was_turned_down_is_weighted_like_the_others() -> None:
    """Fitted again without a refusal it says what that of all classes together says."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 3, 300)
    columns = csr_matrix(np.eye(3)[truth] + rng.normal(0, 0.3, (300, 3)))
    for classes in (3, 2):
        use = np.flatnonzero(truth < classes)
        every = linear._fitted(1.0, 0, columns[use], truth[use], np.ones(len(use)))
        again = linear._again(
            columns[use], np.arange(len(use)), truth[use], np.ones(len(use)), np.array([], dtype=int), 1, 1.0, 0
        )  # fmt: skip
        assert np.allclose(again.coef_[0], every.coef_[1 if classes == 3 else 0], atol=0.02)
