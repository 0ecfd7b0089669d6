"""The text classifier that needs no weights: TF-IDF columns and a linear machine per property.

Fits in seconds, answers thousands of records a second, and is hard to beat on catalogue texts. Its
scores become probabilities by the logistic function or softmax; the model that holds it calibrates them
on out-of-fold predictions (Platt 1999), which undoes the balancing of the classes.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import Field
from safetensors.numpy import save_file

from enrich.classifiers.arrays import read_arrays
from enrich.classifiers.base import Classifier, ClassifierError, Distribution, Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.explain.explanation import Contribution, MemberExplanation
from enrich.classifiers.kinds import FloatArray
from enrich.classifiers.settings import Positive
from enrich.classifiers.tfidf.features import MEANING, TextFeatures, TextFeatureSettings, TextField
from enrich.classifiers.tfidf.linear import Linear, fit_linear, linear_probabilities
from enrich.classifiers.tfidf.meaning import weights_digest

WEIGHTS = "linear.safetensors"
_BATCH = 4096
WHOLE = "(the text as a whole)"
"""What is said to have contributed where the meaning is read: no single word."""
_WORD = re.compile(r"\w\w+")


class TfidfSettings(TextFeatureSettings):
    """TF-IDF columns and a linear machine over a record's texts."""

    cost: Positive = 1.0
    """The machine's C; larger fits closer."""

    @classmethod
    def completed(cls, values: Any) -> Any:
        """Settings of the columns may stand in a table `features`, as they do in older model folders."""
        if isinstance(values, Mapping) and isinstance(values.get("features"), Mapping):
            return {**values["features"], **{k: v for k, v in values.items() if k != "features"}}
        return values


class TfidfClassifier(Classifier):
    """See the module."""

    name = "tfidf"
    modality = "text"
    settings_class = TfidfSettings
    fork_safe = True
    takes_refusals = True
    settings: TfidfSettings

    def prepare(self) -> None:
        self.features = TextFeatures(self.settings, {})
        self.linear: dict[str, Linear] = {}

    @classmethod
    def decided_by(cls, settings: Mapping[str, Any]) -> Mapping[str, str]:
        """The encoder, where the meaning is read."""
        fields = cls.settings_class.read(settings).fields
        return {MEANING: weights_digest()} if MEANING in fields else {}

    def fit(
        self,
        train: Dataset,
        held_out: Dataset,
        *,
        seed: int = 0,
        progress: Progress = no_progress,
        resume: Path | None = None,
    ) -> Mapping[str, Any]:
        """Fits both parts in seconds and stops by itself, so neither `held_out` nor `resume` is needed."""
        del resume
        self.properties = train.properties
        everyone = train.joined(held_out)
        self.features, columns = TextFeatures.learn(everyone.records, self.settings)
        progress("tfidf", 0, len(self.properties))
        learnable = np.asarray(columns.getnnz(axis=1) > 0)
        self.linear = {}
        for i, prop in enumerate(self.properties):
            target, known = everyone.judged(prop)
            rows = np.flatnonzero(known.any(axis=1) & learnable)
            part = None if known[rows].all() else known[rows]
            self.linear[prop.name] = fit_linear(
                columns[rows], target[rows], prop.many, known=part, cost=self.settings.cost, seed=seed
            )
            progress("tfidf", i + 1, len(self.properties))
        return {"texts": {"records": int(learnable.sum()), "columns": len(self.features)}}

    def predict(self, records: Sequence[Record]) -> dict[str, Distribution]:
        """Batched; a record whose texts hold no term that was learnt is absent."""
        found: dict[str, list[FloatArray]] = {
            p.name: [np.zeros((0, len(p.classes)))] for p in self.properties
        }
        present = np.zeros(len(records), dtype=bool)
        for start in range(0, len(records), _BATCH):
            columns = self.features.matrix(records[start : start + _BATCH])
            present[start : start + _BATCH] = columns.getnnz(axis=1) > 0
            for prop in self.properties:
                scores = self.linear[prop.name].scores(columns)
                found[prop.name].append(linear_probabilities(scores, prop.many))
        return {p.name: Distribution.of(p, np.concatenate(found[p.name]), present) for p in self.properties}

    def why_absent(self, record: Record) -> str:
        return "no text with a word that it knows" if record.texts else "the record has no text"

    def explain(self, record: Record, prop: str, value: str) -> MemberExplanation:
        """What each word added to the machine's score of the class, the largest first."""
        found = word_contributions(self.term_weights(record, prop, value), record)
        return MemberExplanation(self.modality, self.name, unit="score", contributions=tuple(found))

    def term_weights(self, record: Record, prop: str, value: str) -> list[tuple[str, str, float]]:
        """(field, term, what it added to the score of the class) of every term of the record."""
        columns, names = self.features.matrix([record]), self.features.names()
        weights = self.linear[prop].weights[columns.indices, self.index_of(prop, value)]
        added = columns.data.astype(np.float64) * weights.astype(np.float64)
        return [(*names[i], float(w)) for i, w in zip(columns.indices, added, strict=True) if w != 0.0]

    def write(self, folder: Path) -> Mapping[str, Any]:
        """vocabulary.json, idf.safetensors and linear.safetensors (float16 weights, float32 biases)."""
        self.features.write(folder)
        arrays: dict[str, Any] = {}
        for i, prop in enumerate(self.properties):
            arrays[f"{i}.weights"] = np.ascontiguousarray(self.linear[prop.name].weights)
            arrays[f"{i}.bias"] = self.linear[prop.name].bias
        save_file(arrays, folder / WEIGHTS)
        return {"settings": self.settings.to_json(), "columns": len(self.features)}

    def restore(self, folder: Path, config: Mapping[str, Any]) -> None:  # noqa: ARG002
        arrays = read_arrays(folder / WEIGHTS)
        self.features = TextFeatures.read(folder, self.settings)
        for i, prop in enumerate(self.properties):
            self.linear[prop.name] = read_linear(arrays, str(i), len(self.features), prop, folder)


class SentenceSettings(TfidfSettings):
    """What texts mean, in 16 languages, and a linear machine."""

    fields: tuple[TextField, ...] = Field(default=(MEANING,), min_length=1)
    """What is read: the meaning alone, or words, letters and heading beside it."""
    meaning_weight: Positive = 3.0
    """Weight of the meaning: beside nothing else the machine wants longer rows."""


class SentenceClassifier(TfidfClassifier):
    """The same on the meaning of the texts alone: what it learns in one language holds in another."""

    name = "sentences"
    settings_class = SentenceSettings
    settings: SentenceSettings

    @classmethod
    def affordable(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """The same; ClassifierError where the encoder is not installed."""
        weights_digest()
        return settings


def read_linear(arrays: Mapping[str, Any], key: str, columns: int, prop: Property, folder: Path) -> Linear:
    """A machine from the arrays of a folder. Raises ClassifierError when it has another size."""
    weights, bias = arrays.get(f"{key}.weights"), arrays.get(f"{key}.bias")
    size = len(prop.classes)
    if weights is None or bias is None or weights.shape != (columns, size) or bias.shape != (size,):
        raise ClassifierError(
            f"{folder}: the weights of {prop.name} are not {columns} columns by {size} classes"
        )
    return Linear(weights.astype(np.float16), bias.astype(np.float32))


def word_contributions(terms: Iterable[tuple[str, str, float]], record: Record) -> list[Contribution]:
    """What each word added to a score, the largest first, from what each term (field, term, weight) added.

    A pair of words, or a group of letters that several words share, counts in equal parts for each; the meaning is the
    text's as a whole.
    """
    words, holders = _words_of(record)
    found: dict[str, float] = defaultdict(float)
    meaning = 0.0
    for name, term, weight in sorted(terms, key=lambda t: -abs(t[2])):
        if name == MEANING:
            meaning += weight
            continue
        shared = _with_letters(term, holders) if name == "letters" else term.split(" ")
        known = [w for w in shared if w in words]
        for word in known:
            found[word] += weight / len(known)
    by_word = [Contribution(words[word], weight) for word, weight in found.items()]
    if meaning:
        by_word.append(Contribution(WHOLE, meaning))
    return sorted(by_word, key=lambda c: (-abs(c.weight), c.name))


def _words_of(record: Record) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Lower-case words as they are written first, and the words within each run of non-blanks."""
    words: dict[str, str] = {}
    holders: dict[str, list[str]] = {}
    for text in record.texts:
        for run in text.value.split():
            found = _WORD.findall(run)
            for word in found:
                words.setdefault(word.lower(), word)
            holders.setdefault(run.lower(), [word.lower() for word in found])
    return words, holders


def _with_letters(letters: str, holders: Mapping[str, Sequence[str]]) -> list[str]:
    """The words whose run of letters, with a blank on either side, holds this group."""
    runs = [words for run, words in holders.items() if letters in f" {run} "]
    inside = {w for words in runs for w in words if letters.strip() in w}
    return sorted(inside or {w for words in runs for w in words})
