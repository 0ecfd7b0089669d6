"""A record's texts as sparse TF-IDF columns: words, letters within words, and the words of the heading.

The heading is the record's first text, which a profile lists first (a title, say): it often names the
kind of object, so its words count as columns of their own. Sublinear term frequencies and unit rows
within each field (Salton and Buckley 1988).
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from classifiers.base import ClassifierError
from classifiers.data import Record
from classifiers.settings import require

FIELDS = ("words", "letters", "heading")
VOCABULARY, WEIGHTS = "vocabulary.json", "idf.safetensors"


@dataclass(frozen=True)
class TextFeatureSettings:
    """What can be set.

    `words` and `letters` are the shortest and longest n-gram; a column must occur in `min_words` or
    `min_letters` training records, and each field keeps its `columns` most frequent. Of a record at most
    `characters` are read, so that a text of a megabyte costs no more than a long one.
    """

    words: tuple[int, ...] = (1, 2)
    letters: tuple[int, ...] = (3, 5)
    min_words: int = 2
    min_letters: int = 3
    columns: int = 200_000
    heading_weight: float = 0.5
    characters: int = 20_000

    def __post_init__(self) -> None:
        for pair in (self.words, self.letters):
            require(len(pair) == 2 and 1 <= pair[0] <= pair[1] <= 8, "n-grams are two lengths from 1 to 8")
        require(
            min(self.min_words, self.min_letters, self.columns, self.characters) >= 1, "counts are at least 1"
        )
        require(self.heading_weight >= 0.0, "heading_weight is not negative")


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
        found, parts = {}, {}
        for name in FIELDS:
            vectorizer = _vectorizer(name, settings)
            minimum = settings.min_letters if name == "letters" else settings.min_words
            vectorizer.set_params(min_df=min(minimum, max(len(records), 1)), max_features=settings.columns)
            try:
                parts[name] = vectorizer.fit_transform(_texts(name, records, settings))
            except ValueError:  # no text has a word, or none is frequent enough: the field says nothing
                continue
            found[name] = vectorizer
        made = cls(settings, found)
        return made, made._joined(parts, len(records))

    def __len__(self) -> int:
        return sum(len(v.vocabulary_) for v in self._vectorizers.values())

    def names(self) -> list[tuple[str, str]]:
        """(field, term) of each column."""
        return [(f, t) for f, v in self._vectorizers.items() for t in _terms(v)]

    def matrix(self, records: Sequence[Record]) -> Any:
        """CSR float32 (n, columns). A record without a known term has an empty row."""
        used = self._vectorizers if len(records) else {}
        parts = {name: v.transform(_texts(name, records, self.settings)) for name, v in used.items()}
        return self._joined(parts, len(records))

    def _joined(self, parts: Mapping[str, Any], n: int) -> Any:
        """The fields side by side, the heading's columns times its weight."""
        from scipy.sparse import csr_matrix, hstack

        if not parts:
            empty: Any = (n, len(self))
            return csr_matrix(empty, dtype=np.float32)
        weight = np.float32(self.settings.heading_weight)
        weighted = [p * weight if name == "heading" and weight != 1.0 else p for name, p in parts.items()]
        return hstack(weighted, format="csr", dtype=np.float32)

    def write(self, folder: Path) -> None:
        """vocabulary.json (terms in column order, by field) and idf.safetensors."""
        from safetensors.numpy import save_file

        terms = {name: _terms(v) for name, v in self._vectorizers.items()}
        (folder / VOCABULARY).write_text(json.dumps(terms), encoding="utf-8")
        weights = {name: np.asarray(v.idf_, dtype=np.float32) for name, v in self._vectorizers.items()}
        save_file(weights or {"none": np.zeros(1, np.float32)}, folder / WEIGHTS)

    @classmethod
    def read(cls, folder: Path, settings: TextFeatureSettings) -> Self:
        """Raises ClassifierError when terms and weights do not fit each other."""
        from safetensors import SafetensorError
        from safetensors.numpy import load_file

        try:
            terms = json.loads((folder / VOCABULARY).read_text(encoding="utf-8"))
            weights = load_file(folder / WEIGHTS)
        except (OSError, ValueError, SafetensorError) as error:
            raise ClassifierError(f"{folder}: the vocabulary cannot be read: {error}") from error
        if not isinstance(terms, dict) or not set(terms) <= set(FIELDS):
            raise ClassifierError(f"{folder}: {VOCABULARY} has other fields than {', '.join(FIELDS)}")
        found = {}
        for name in FIELDS:
            if name in terms:
                found[name] = _restored(name, terms[name], weights.get(name), settings, folder)
        return cls(settings, found)


def _vectorizer(name: str, settings: TextFeatureSettings, vocabulary: dict[str, int] | None = None) -> Any:
    from sklearn.feature_extraction.text import TfidfVectorizer

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
    if not np.isfinite(idf).all():
        raise ClassifierError(f"{folder}: {name} has weights that are not numbers")
    vectorizer = _vectorizer(name, settings, vocabulary)
    vectorizer.idf_ = idf
    return vectorizer
