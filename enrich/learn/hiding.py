"""The promise put to the test on a museum's own values: a property hidden from a group, as if never recorded.

One property is taken out of a group wholly (or out of every other tenth of its accession numbers), a model is
trained on the rest as `enrich train` does, and its answers are compared with what was hidden.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.kinds import Flags, FloatArray
from enrich.classifiers.model.conformal import covered
from enrich.classifiers.model.fitting import Fitted, ModelSpec, View, fit_view, views
from enrich.classifiers.model.metrics import ece, hits, macro_f1
from enrich.classifiers.model.regimes import REGIMES, Experience, Regime, models_of

LEAST = 100
"""Values of a property that a group needs to be hidden."""
TENTHS = 10

Learn = Callable[[Sequence[Record]], Dataset]
"""The dataset that a training makes of some records: its classes, by the profile."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """One property of the records (n,) of one group, hidden wholly or in blocks of accession numbers."""

    kind: Literal["group", "block"]
    context: str
    group: str
    property: str
    rows: Flags


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of hidden values: `asked` records, and the share of their first candidates that is right
    (`first_right`); the records that were answered, the values asserted and those of them that are right, and the mean
    confidence of these.

    `macro_f1` and `ece` are those of the first candidates. `covered` is the share of the `with_sets` records with a
    promise on their candidate set whose set holds the truth. `promised` is None where the regime promises nothing;
    `regimes` counts the records by regime.
    """

    kind: str
    group: str
    property: str
    asked: int
    first_right: float
    macro_f1: float
    ece: float
    answered: int
    asserted: int
    right: int
    confidence: float | None
    promised: float | None
    with_sets: int
    covered: float | None
    regimes: dict[str, int]


def hidden_groups(
    records: Sequence[Record], properties: Sequence[str], contexts: Sequence[str], least: int = LEAST
) -> Iterator[Hidden]:
    """Each property of each value of each context that at least `least` records state."""
    for context in contexts:
        values = [frozenset(r.context.get(context, ())) for r in records]
        for name in properties:
            stated = Dataset(records, ()).stated(Property(name, ()))
            counts = Counter(v for own, s in zip(values, stated, strict=True) if s for v in own)
            for value, number in sorted(counts.items()):
                inside = np.array([value in own for own in values], dtype=bool)
                if number >= least and number < stated.sum():
                    yield Hidden("group", context, value, name, inside & stated)


def hidden_blocks(
    records: Sequence[Record], properties: Sequence[str], groups: Sequence[str], least: int = LEAST
) -> Iterator[Hidden]:
    """Each property in every other tenth of the accession numbers of all groups."""
    data = Dataset(records, ())
    positions = Experience.learn(data, groups).places(records).positions
    inside = np.isfinite(positions) & (np.floor(np.nan_to_num(positions) * TENTHS) % 2 == 0)
    for name in properties:
        rows = inside & data.stated(Property(name, ()))
        if rows.sum() >= least:
            yield Hidden("block", " ".join(groups), "", name, rows)


def without(records: Sequence[Record], hidden: Hidden) -> list[Record]:
    """The records with the property hidden where it is to be."""
    return [
        replace(r.without(hidden.property), outside=tuple(n for n in r.outside if n != hidden.property))
        if gone
        else r
        for r, gone in zip(records, hidden.rows, strict=True)
    ]


@dataclass(frozen=True)
class Trained:
    """A training without the hidden values: the property as it was learnt, the records asked (n,), the regime of each
    and whether its group still taught the property, and a maker of each regime's model. `truth` (n, K) holds the
    values that were hidden."""

    property: Property
    asked: Sequence[Record]
    truth: FloatArray
    regimes: NDArray[np.int8]
    taught: Flags
    views: Mapping[Regime, View]
    seed: int
    progress: Progress

    def fit(self, regime: Regime) -> Fitted | None:
        """The regime's model; None where the records cannot teach it."""
        view = self.views.get(regime)
        return None if view is None else fit_view(view, seed=self.seed, progress=self.progress)


def train_without(
    records: Sequence[Record],
    hidden: Hidden,
    learn: Learn,
    spec: ModelSpec,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
) -> Trained | None:
    """What a training would see; None when what is left of the property cannot be learnt."""
    shown = without(records, hidden)
    whole = learn(shown)
    prop = next((p for p in whole.properties if p.name == hidden.property), None)
    if prop is None:
        return None
    dataset = Dataset(shown, (prop,))
    experience = Experience.learn(dataset, spec.groups)
    rows = np.flatnonzero(hidden.rows)
    asked = [shown[int(i)] for i in rows]
    truth, _ = Dataset([records[int(i)] for i in rows], (prop,)).targets(prop)
    found = {view.regime: view for view in views(dataset, spec, experience)}
    places = experience.places(asked)
    regimes, taught = experience.regimes(prop.name, places), experience.taught(prop.name, places)
    return Trained(prop, asked, truth, regimes, taught, found, seed, progress)


def check(trained: Trained, hidden: Hidden, fit: Callable[[Regime], Fitted | None] | None = None) -> Kept:
    """Answer what was hidden by the thresholds learnt, as a run does without any of its own, and compare; `fit` gives a
    regime's model instead of `trained.fit`."""
    prop, truth, n = trained.property, trained.truth, len(trained.asked)
    p, first, with_sets = np.zeros(truth.shape), np.zeros(n, dtype=np.intp), np.zeros(n, dtype=bool)
    asserted, inside = np.zeros_like(p, dtype=bool), np.zeros_like(p, dtype=bool)
    made: dict[Regime, Fitted] = {}
    for number in np.unique(trained.regimes):
        if (fitted := (fit or trained.fit)(regime := REGIMES[number])) is not None:
            made[regime] = fitted
    promising = {regime: fitted.model.promises_anything(prop.name) for regime, fitted in made.items()}
    models = models_of(trained.regimes, trained.taught, promising)
    for number in np.unique(models):
        rows = np.flatnonzero(models == number)
        fitted = made.get(regime := REGIMES[number]) or (fit or trained.fit)(regime)
        if fitted is None:
            continue
        said = fitted.model.answer([trained.asked[int(i)] for i in rows])[prop.name]
        answer = said.of(trained.regimes[rows], int(number))
        p[rows], first[rows] = np.nan_to_num(answer.fused.probabilities), answer.first()
        asserted[rows], inside[rows] = answer.asserted(), answer.sets
        with_sets[rows] = np.isfinite(answer.coverage)
    correct = hits(truth, first) & p.any(axis=1)
    return Kept(
        hidden.kind,
        hidden.group,
        hidden.property,
        asked=n,
        first_right=float(correct.mean()),
        macro_f1=macro_f1(truth, first),
        ece=ece(p[np.arange(n), first], correct),
        answered=int(asserted.any(axis=1).sum()),
        asserted=int(asserted.sum()),
        right=int((asserted & (truth > 0)).sum()),
        confidence=float(p[asserted].mean()) if asserted.any() else None,
        promised=next((m.model.target_precision for r, m in made.items() if promising[r]), None),
        with_sets=int(with_sets.sum()),
        covered=covered(inside[with_sets], truth[with_sets]) if with_sets.any() else None,
        regimes={r: int((trained.regimes == i).sum()) for i, r in enumerate(REGIMES)},
    )
