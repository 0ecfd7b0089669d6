"""What the joint model predicts of the training records without having seen them, pooled for the late fusion."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from enrich.classifiers.base import Progress
from enrich.classifiers.data import Dataset, Property, Record
from enrich.classifiers.folds import each_fold, fold_count
from enrich.classifiers.fusion.base import ByModality
from enrich.classifiers.fusion.columns import Columns, RecordColumns, gated
from enrich.classifiers.fusion.joint import JointModel
from enrich.classifiers.fusion.rows import present_in
from enrich.classifiers.fusion.shelf import NOWHERE
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.tfidf.features import TextFeatureSettings

JointModels = dict[str, JointModel]
"""One per property, by its name."""
ByProperty = dict[str, dict[str, FloatArray]]
"""Property → kind of evidence → (n, K)."""
_OFF_SHELF = 1 / 3
"""Share of the copies that lose their place on the shelf: some records have no number."""


@dataclass(frozen=True)
class Evidence:
    """Out-of-fold evidence `seen` of the training records, and `ablated` of copies of `rows` of them with known
    values hidden; both are empty, and `columns` None, without a joint model."""

    seen: ByProperty
    ablated: ByProperty
    rows: Rows
    columns: Columns | None

    def of(self, prop: Property, rows: Rows) -> dict[str, FloatArray]:
        """What was seen of some of the records."""
        return {name: values[rows] for name, values in self.seen[prop.name].items()}


def pool_evidence(
    dataset: Dataset,
    by: ByModality,
    fold: Rows,
    features: TextFeatureSettings | None,
    museum: str | None,
    hide_known: float,
    cost: float,
    seed: int,
    progress: Progress,
) -> tuple[RecordColumns | None, Evidence]:
    """Learn the columns, and the evidence on every record by joint models that did not see it.

    Without `features` there is no joint model and no evidence, without `museum` no votes from the shelf.
    """
    rng = np.random.default_rng(seed)
    rows = np.flatnonzero(rng.random(len(dataset)) < hide_known)
    seen: ByProperty = {p.name: {} for p in dataset.properties}
    ablated: ByProperty = {p.name: {} for p in dataset.properties}
    if features is None:
        return None, Evidence(seen, ablated, rows, None)
    layout, columns = RecordColumns.learn(dataset.records, features, museum)
    ablated_tokens = layout.token_matrix([_ablated(dataset.records[int(i)], rng) for i in rows])
    off_shelf = rng.random((len(rows), 1)) < _OFF_SHELF
    copies = Columns(columns.text[rows], ablated_tokens, np.where(off_shelf, NOWHERE, columns.shelf[rows]))
    folds = fold_count(fold)
    for k, _, outside in each_fold(fold):
        models = fit_joint_models(dataset, layout, columns, outside, cost, seed + k + 1)
        _fill(seen, models, by, columns, np.arange(len(dataset)), fold == k)
        _fill(ablated, models, by, copies, rows, fold[rows] == k)
        progress("fusion: joint model", k + 1, folds)
    return layout, Evidence(seen, ablated, rows, columns)


def fit_joint_models(
    dataset: Dataset, layout: RecordColumns, columns: Columns, use: Rows, cost: float, seed: int
) -> JointModels:
    """A joint model per property, from the rows `use` that name a class."""
    found = {}
    for prop in dataset.properties:
        target, named = dataset.targets(prop)
        rows = use[named[use]]
        found[prop.name] = JointModel.fit(
            prop, layout, columns.take(rows), target[rows], cost=cost, seed=seed
        )
    return found


def joint_evidence(model: JointModel, by: ByModality, columns: Columns, rows: Rows) -> dict[str, FloatArray]:
    """What a joint model predicts from what the members may use: no texts where the text member is absent."""
    text, tabular = (present_in(by, m, model.property, rows) for m in ("text", "tabular"))
    return model.evidence(gated(columns, text, tabular))


def _fill(
    into: ByProperty,
    models: Mapping[str, JointModel],
    by: ByModality,
    columns: Columns,
    rows: Rows,
    use: Flags,
) -> None:
    """Evidence of the columns where `use`; `rows` are their records' places in `by`."""
    places = np.flatnonzero(use)
    for name, model in models.items():
        for kind, values in joint_evidence(model, by, columns.take(places), rows[places]).items():
            empty = np.full((len(rows), len(model.property.classes)), np.nan)
            into[name].setdefault(kind, empty)[places] = values


def _ablated(record: Record, rng: np.random.Generator) -> Record:
    """The record with each property's known values hidden half of the time."""
    return record.without(*[name for name in sorted(record.known) if rng.random() < 0.5])
