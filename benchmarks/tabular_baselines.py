"""What the tabular classifier is measured against: the published method and tuned linear models.

Everything is tuned by cross-validated macro-F1 on the training records, and fitted again on all of them.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import csr_matrix
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import f1_score
from sklearn.model_selection import StratifiedKFold
from sklearn.preprocessing import OrdinalEncoder
from sklearn.svm import LinearSVC
from xgboost import XGBClassifier

from enrich.classifiers.data import Record
from enrich.classifiers.tabular.features import FeatureMap

PAPER_GRID: Mapping[str, Sequence[Any]] = {
    "learning_rate": (0.1, 0.2, 0.3),
    "max_depth": (2, 4, 6, 8),
    "n_estimators": (100, 200, 500),
    "gamma": (0.0, 0.2, 0.4),
    "min_child_weight": (1, 2, 4),
    "subsample": (0.6, 0.8, 1.0),
    "colsample_bytree": (0.6, 0.8),
}
"""Rei et al. 2022, the grid of the tabular classifier."""
LINEAR_GRID: Mapping[str, Sequence[Any]] = {
    "degree": (1, 2, 3),
    "C": (0.03, 0.1, 0.3, 1.0, 3.0),
    "power": (0.0, 0.5, 0.75, 1.0),
}
"""`degree` is the highest order of interactions; `power` 1 is scikit-learn's class_weight='balanced'."""
FOLDS = 3
POSITION_BINS = (16, 64, 256)


def single(record: Record, name: str) -> str:
    """The first known value, empty for none."""
    return next(iter(record.known.get(name, ())), "")


def fields(record: Record, hidden: str, names: Sequence[str], counts: bool = True) -> dict[str, str]:
    """Museum, the other properties' values and the number of pictures, as nominal values."""
    values = {"museum": next(iter(record.context.get("museum", ())), "")}
    values |= {name: single(record, name) for name in names if name != hidden}
    return values | ({"pictures": str(min(len(record.pictures), 6))} if counts else {})


def draw(grid: Mapping[str, Sequence[Any]], tries: int, seed: int) -> list[dict[str, Any]]:
    """Distinct settings of a grid, at random."""
    every = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    chosen = np.random.default_rng(seed).permutation(len(every))[:tries]
    return [every[i] for i in chosen]


def best_of(
    settings: Sequence[dict[str, Any]],
    truth: np.ndarray,
    fit_predict: Callable[[dict[str, Any], np.ndarray, np.ndarray], np.ndarray],
) -> dict[str, Any]:
    """The settings with the highest cross-validated macro-F1."""
    folds = list(StratifiedKFold(FOLDS, shuffle=True, random_state=0).split(truth, truth))

    def value(setting: dict[str, Any]) -> float:
        return float(
            np.mean([f1_score(truth[b], fit_predict(setting, a, b), average="macro") for a, b in folds])
        )

    return max(settings, key=value)


@dataclass(frozen=True)
class Tuned:
    """A method with the settings that cross-validation chose: what it makes, its tables of train and dev, the truth (n,)."""

    settings: dict[str, Any]
    made: Callable[[np.ndarray], Any]
    table: Any
    asked: Any
    truth: np.ndarray

    def fit(self, rows: np.ndarray) -> tuple[Any, np.ndarray]:
        """The machine that learnt from these rows of train, and the classes that it knows."""
        classes, codes = np.unique(self.truth[rows], return_inverse=True)
        return self.made(codes).fit(self.table[rows], codes), classes

    def first(self) -> np.ndarray:
        """The first candidates for dev of a machine that learnt from all of train."""
        machine, classes = self.fit(np.arange(len(self.truth)))
        return np.asarray(classes[np.asarray(machine.predict(self.asked), dtype=int)])


def tuned(
    grid: Mapping[str, Sequence[Any]],
    tries: int,
    seed: int,
    truth: np.ndarray,
    with_setting: Callable[[dict[str, Any]], Tuned],
) -> Tuned:
    """The best of some settings of a grid."""

    def fit_predict(setting: dict[str, Any], a: np.ndarray, b: np.ndarray) -> np.ndarray:
        some = with_setting(setting)
        machine, classes = some.fit(a)
        return np.asarray(classes[np.asarray(machine.predict(some.table[b]), dtype=int)])

    return with_setting(best_of(draw(grid, tries, seed), truth, fit_predict))


def published(
    train: Sequence[Record],
    dev: Sequence[Record],
    truth: np.ndarray,
    hidden: str,
    names: Sequence[str],
    tries: int,
) -> Tuned:
    """Rei et al. 2022: ordinal codes of museum and values, plain softmax XGBoost."""
    encoder = OrdinalEncoder(handle_unknown="use_encoded_value", unknown_value=-1)
    x = encoder.fit_transform([list(fields(r, hidden, names, False).values()) for r in train])
    x_dev = encoder.transform([list(fields(r, hidden, names, False).values()) for r in dev])

    def with_setting(setting: dict[str, Any]) -> Tuned:
        def made(_codes: np.ndarray) -> Any:
            return XGBClassifier(objective="multi:softprob", n_jobs=1, tree_method="hist", **setting)

        return Tuned(setting, made, x, x_dev, truth)

    return tuned(PAPER_GRID, tries, 0, truth, with_setting)


def interactions(
    rows: Sequence[Mapping[str, str]], degree: int, index: dict[str, int], learn: bool
) -> csr_matrix:
    """One-hot columns of the values and of their combinations up to `degree`."""
    where: list[tuple[int, int]] = []
    for i, row in enumerate(rows):
        tokens = [f"{k}={v}" for k, v in row.items() if not k.startswith("position")]
        alone = [f"{k}={v}" for k, v in row.items() if k.startswith("position")]
        for size in range(1, degree + 1):
            alone += ["&".join(part) for part in itertools.combinations(tokens, size)]
        for token in alone:
            if learn:
                index.setdefault(token, len(index))
            if token in index:
                where.append((i, index[token]))
    at = np.array(where).T
    return csr_matrix((np.ones(len(where)), (at[0], at[1])), shape=(len(rows), len(index)))


def positions(records: Sequence[Record], features: FeatureMap) -> list[dict[str, str]]:
    """Where each record's accession number lies within its museum, binned at three widths."""
    found: list[dict[str, str]] = [{} for _ in records]
    table = features.matrix(records)
    dense = np.asarray(table[:, len(features.columns) :].todense())
    for name, column in zip(features.numeric, dense.T, strict=True):
        if name.endswith("position"):
            for row, value in zip(found, column, strict=True):
                for bins in POSITION_BINS if value else ():
                    row[f"position {name} {bins}"] = str(int((value - 1.0) * bins / 1.2))
    return found


def linear(
    kind: str,
    train: Sequence[Record],
    dev: Sequence[Record],
    truth: np.ndarray,
    hidden: str,
    names: Sequence[str],
    tries: int,
    numerals: bool = False,
) -> Tuned:
    """Logistic regression ('logistic') or a linear SVM ('svm') on one-hot columns with interactions."""
    rows = [fields(r, hidden, names) for r in train]
    rows_dev = [fields(r, hidden, names) for r in dev]
    if numerals:
        features = FeatureMap.learn(train, "museum")
        rows = [r | p for r, p in zip(rows, positions(train, features), strict=True)]
        rows_dev = [r | p for r, p in zip(rows_dev, positions(dev, features), strict=True)]
    tables: dict[int, tuple[csr_matrix, csr_matrix]] = {}
    for degree in LINEAR_GRID["degree"]:
        index: dict[str, int] = {}
        learnt = interactions(rows, degree, index, True)
        tables[degree] = (learnt, interactions(rows_dev, degree, index, False))

    def with_setting(setting: dict[str, Any]) -> Tuned:
        def made(codes: np.ndarray) -> Any:
            counts = np.bincount(codes).astype(float)
            weight = dict(enumerate((counts.sum() / len(counts) / counts) ** setting["power"]))
            if kind == "logistic":
                return LogisticRegression(C=setting["C"], class_weight=weight, max_iter=150)
            return LinearSVC(C=setting["C"] / 3, class_weight=weight, max_iter=2000)

        return Tuned(setting, made, *tables[setting["degree"]], truth)

    return tuned(LINEAR_GRID, tries, 1, truth, with_setting)
