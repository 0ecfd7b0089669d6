"""The joint model of a record: one linear machine over all columns, its nearest neighbours, and gains.

These are early fusion's part in the late fusion. The linear machine sees words, context and known values
together. Catalogues repeat themselves, so the training records most alike in words and values vote
(Cover and Hart 1967), which finds the rare places that a linear machine misses. A gain is how much more
frequent a class is among the records that share a value.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix
from sklearn.preprocessing import normalize

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.fusion.columns import Columns, RecordColumns
from enrich.classifiers.fusion.shelf import NOWHERE
from enrich.classifiers.fusion.shelf import votes as shelf_votes
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.one_hot import KNOWN
from enrich.classifiers.tfidf.linear import Linear, fit_linear

LINEAR, NEIGHBOURS, SHELF = "linear", "neighbours", "shelf"
TOKEN_WEIGHT, NEIGHBOUR_TOKEN_WEIGHT = 0.5, 0.35
_NEAREST, _SHARPNESS, _SMOOTHING = 15, 4, 3.0
_MOST_NEIGHBOURS = 40_000
_ROWS_AT_ONCE = 2_000


@dataclass(frozen=True)
class JointModel:
    """Fitted on one property. `gain` (T, K) has rows of zero for pairs and hidden tokens.

    `near` (m, words + T) are the training records that vote, rows of length one; `shelf` (m, 2) are their positions,
    `votes` (m, K) their targets.
    """

    property: Property
    layout: RecordColumns
    linear: Linear
    gain: NDArray[np.float32]
    near: Any
    shelf: FloatArray
    votes: NDArray[np.float32]

    @cached_property
    def visible(self) -> Flags:
        """The token columns (T,) that may be looked at."""
        return self.layout.visible(self.property.name)

    @cached_property
    def compared(self) -> tuple[Flags, Flags]:
        """The text and the token columns by which records are compared."""
        return self.layout.words(), self.visible & self.layout.singles()

    @cached_property
    def sources(self) -> dict[tuple[str, str], Rows]:
        """The columns of single tokens, by the property or context they belong to; the own property's are hidden."""
        return {s: rows for s, rows in self.layout.sources().items() if s != (KNOWN, self.property.name)}

    @classmethod
    def fit(
        cls,
        prop: Property,
        layout: RecordColumns,
        columns: Columns,
        target: FloatArray,
        *,
        cost: float = 1.0,
        seed: int = 0,
    ) -> Self:
        """`columns` and `target` (n, K) of records that name at least one class."""
        visible = layout.visible(prop.name)
        shown = visible & layout.singles()
        linear = fit_linear(columns.both(visible, TOKEN_WEIGHT), target, prop.many, cost=cost, seed=seed)
        gain = np.where(shown[:, None], _gain(columns.token, target), 0.0)
        gain = gain.astype(np.float16).astype(np.float32)  # as it is stored
        kept = np.arange(len(target))
        if len(kept) > _MOST_NEIGHBOURS:
            kept = np.sort(np.random.default_rng(seed).choice(kept, _MOST_NEIGHBOURS, replace=False))
        near = _for_comparison(columns.take(kept), layout.words(), shown)
        return cls(prop, layout, linear, gain, near, columns.shelf[kept], target[kept].astype(np.float32))

    def evidence(self, columns: Columns) -> dict[str, FloatArray]:
        """(n, K) of each kind: `linear` scores, votes (0 to 1) of `neighbours` and of the `shelf`, and a gain per source.

        NaN rows where there was nothing to compare by.
        """
        found = {
            LINEAR: self.linear.scores(columns.both(self.visible, TOKEN_WEIGHT)),
            NEIGHBOURS: self._vote(_for_comparison(columns, *self.compared)),
        }
        if self.layout.museum is not None:
            found[SHELF] = shelf_votes(columns.shelf, self.shelf, self.votes)
        for (kind, name), rows in self.sources.items():
            has = columns.token[:, rows]
            count = np.asarray(has.sum(axis=1)).ravel()
            mean = (has @ self.gain[rows]) / np.maximum(count, 1.0)[:, None]
            mean[count == 0] = np.nan
            found[f"{kind}: {name}"] = mean.astype(np.float64)
        return found

    def _vote(self, query: Any) -> FloatArray:
        found = np.full((query.shape[0], self.votes.shape[1]), np.nan)
        across = self.near.T.tocsr()
        for start in range(0, query.shape[0], _ROWS_AT_ONCE):
            alike = (query[start : start + _ROWS_AT_ONCE] @ across).tocsr()
            for i in range(alike.shape[0]):
                first, last = alike.indptr[i], alike.indptr[i + 1]
                who, how = alike.indices[first:last], alike.data[first:last]
                if len(who) > _NEAREST:
                    best = np.argpartition(-how, _NEAREST)[:_NEAREST]
                    who, how = who[best], how[best]
                weight = how.astype(np.float64) ** _SHARPNESS
                if weight.sum() > 0:
                    found[start + i] = weight @ self.votes[who] / weight.sum()
        return found

    def arrays(self) -> dict[str, NDArray[Any]]:
        """What `restore` needs besides the layout."""
        return {
            "weights": np.ascontiguousarray(self.linear.weights),
            "bias": self.linear.bias,
            "lift": self.gain.astype(np.float16),
            "near_data": self.near.data.astype(np.float16),
            "near_indices": self.near.indices.astype(np.int32),
            "near_indptr": self.near.indptr.astype(np.int64),
            "votes": self.votes.astype(np.float16),
            **({} if self.layout.museum is None else {"shelf": self.shelf}),
        }

    @classmethod
    def restore(
        cls, prop: Property, layout: RecordColumns, arrays: Mapping[str, NDArray[Any]], folder: Path
    ) -> Self:
        """Raises ClassifierError when the arrays do not fit the columns or the labels."""
        classes, tokens = len(prop.classes), len(layout.vocabulary)
        width = int(layout.words().sum()) + tokens
        try:
            linear = Linear(arrays["weights"], arrays["bias"])
            gain = arrays["lift"].astype(np.float32)
            votes = arrays["votes"].astype(np.float32)
            shelf = arrays.get("shelf", np.full((len(votes), 2), NOWHERE))
            near = csr_matrix(
                (arrays["near_data"].astype(np.float32), arrays["near_indices"], arrays["near_indptr"]),
                shape=(len(votes), width),
            )
            near.check_format(full_check=True)
        except (KeyError, ValueError, IndexError) as error:
            raise ClassifierError(f"{folder}: the fusion of {prop.name} cannot be read: {error}") from error
        shapes = (linear.weights.shape, linear.bias.shape, gain.shape, votes.shape[1:])
        wanted = ((len(layout), classes), (classes,), (tokens, classes), (classes,))
        if shapes != wanted or shelf.shape != (len(votes), 2):
            raise ClassifierError(f"{folder}: the fusion of {prop.name} is of another size than its labels")
        return cls(prop, layout, linear, gain, near, shelf, votes)


def _gain(token: Any, target: FloatArray) -> FloatArray:
    """log P(class | token) − log P(class), smoothed towards zero as if by three more records."""
    has = token.copy()
    has.data[:] = 1.0
    prior = np.maximum(target.sum(axis=0) / max(len(target), 1), 1e-6)
    count = np.asarray(has.sum(axis=0)).ravel()[:, None]
    together = np.asarray(has.T @ target)
    gain: FloatArray = np.log((together + _SMOOTHING * prior + 1e-9) / (count + _SMOOTHING) / prior)
    return np.clip(gain, -8.0, 8.0)


def _for_comparison(columns: Columns, words: Flags, tokens: Flags) -> Any:
    """CSR (n, words + T) with rows of length one; rounded to half precision, as it is stored."""
    chosen = Columns(columns.text[:, np.flatnonzero(words)], columns.token, columns.shelf)
    rows = chosen.both(tokens, NEIGHBOUR_TOKEN_WEIGHT)
    if rows.shape[0]:
        rows = normalize(rows)
    rows.eliminate_zeros()
    rows.data = rows.data.astype(np.float16).astype(np.float32)
    return rows
