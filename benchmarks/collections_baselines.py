"""What a user would do instead on catalogue texts: TF-IDF and linear machines of scikit-learn.

One function per baseline: train and dev records, one property, and back come the first candidates.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import hstack
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.multiclass import OneVsRestClassifier
from sklearn.svm import LinearSVC

from enrich.classifiers.data import Property, Record
from enrich.classifiers.model.metrics import macro_f1

GRID = tuple((cost, weight) for cost in (0.3, 1.0, 3.0) for weight in (0.5, 1.0))
Arrays = NDArray[Any]
Tokens = Callable[[Record], Iterable[str]]
UNKNOWN = -10.0
"""The score of a class that no training record names."""


def _no_more(_record: Record) -> Iterable[str]:
    return ()


def words(train: Sequence[Record], dev: Sequence[Record], _prop: Property, target: Arrays) -> Arrays:
    """Words and pairs of words, the first value of each record, LinearSVC as it comes."""
    learn, ask = _texts(train, dev, letters=False)
    return np.asarray(_machine(1.0, False).fit(learn, target.argmax(axis=1)).predict(ask))


def letters(train: Sequence[Record], dev: Sequence[Record], prop: Property, target: Arrays) -> Arrays:
    """Words and letters, every named value, balanced."""
    learn, ask = _texts(train, dev, letters=True)
    return _answer(1.0, prop, learn, target, ask)


PLAIN: dict[str, Callable[..., Arrays]] = {"words": words, "letters": letters}


@dataclass(frozen=True)
class Joint:
    """Scores of the tuned linear machine: for the fifth of train that it was tuned on, by a machine of the rest, and for
    dev (n, K), by one of all train; and what was chosen."""

    held: Arrays
    asked: Arrays
    chosen: dict[str, float]


def joint(
    train: Sequence[Record], dev: Sequence[Record], prop: Property, target: Arrays, more: Tokens = _no_more
) -> Joint:
    """The same with one-hot context and known values, tuned on a fifth of train; `more` are other tokens of a record."""
    rows = np.random.default_rng(0).permutation(len(train))
    check, learn = rows[: len(rows) // 5], rows[len(rows) // 5 :]
    some, others = [train[i] for i in learn], [train[i] for i in check]
    texts, values = _texts(some, others, letters=True), _values(some, others, prop.name, more)
    best, chosen, held = -1.0, GRID[0], np.zeros(0)
    for cost, weight in GRID:
        parts = [hstack([t, v * weight], format="csr") for t, v in zip(texts, values, strict=True)]
        scores = _scores(cost, prop, parts[0], target[learn], parts[1])
        score = macro_f1(target[check], scores.argmax(axis=1), target.sum(axis=0))
        if score > best:
            best, chosen, held = score, (cost, weight), scores
    texts, values = _texts(train, dev, letters=True), _values(train, dev, prop.name, more)
    parts = [hstack([t, v * chosen[1]], format="csr") for t, v in zip(texts, values, strict=True)]
    asked = _scores(chosen[0], prop, parts[0], target, parts[1])
    return Joint(held, asked, {"C": chosen[0], "one-hot": chosen[1]})


def _machine(cost: float, balanced: bool) -> Any:
    return LinearSVC(C=cost, class_weight="balanced" if balanced else None, tol=0.01, random_state=0)


def _answer(cost: float, prop: Property, learn: Any, target: Arrays, ask: Any) -> Arrays:
    """First candidates."""
    return np.asarray(_scores(cost, prop, learn, target, ask).argmax(axis=1))


def _scores(cost: float, prop: Property, learn: Any, target: Arrays, ask: Any) -> Arrays:
    """Scores (n, K): one against the rest; with many values each class over all records."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        if prop.many:
            several = OneVsRestClassifier(_machine(cost, True)).fit(learn, target)
            return np.asarray(several.decision_function(ask))
        rows, labels = np.nonzero(target)
        machine = _machine(cost, True).fit(learn[rows], labels)
    said = np.asarray(machine.decision_function(ask))
    found = np.full((len(said), len(prop.classes)), UNKNOWN)
    found[:, machine.classes_] = said if said.ndim == 2 else np.column_stack([-said, said])
    return found


def _texts(train: Sequence[Record], dev: Sequence[Record], letters: bool) -> tuple[Any, Any]:
    shown = [[" . ".join(t.value for t in r.texts) for r in records] for records in (train, dev)]
    kinds = [TfidfVectorizer(ngram_range=(1, 2), min_df=2, sublinear_tf=True)]
    if letters:
        kinds.append(TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), min_df=3, sublinear_tf=True))
    fitted = [(k.fit_transform(shown[0]), k.transform(shown[1])) for k in kinds]
    learn, ask = (hstack(parts, format="csr") for parts in zip(*fitted, strict=True))
    return learn, ask


def _values(train: Sequence[Record], dev: Sequence[Record], hidden: str, more: Tokens) -> tuple[Any, Any]:
    def tokens(record: Record) -> Iterator[str]:
        for kind, said in (("known", record.known), ("context", record.context)):
            for name, values in said.items():
                if (kind, name) != ("known", hidden):
                    yield from (f"{kind} {name} {value}" for value in values)
        yield from more(record)

    columns = CountVectorizer(analyzer=lambda record: list(tokens(record)), binary=True)
    learn, ask = columns.fit_transform(train), columns.transform(dev)
    return learn, ask
