"""Fits a model: its members, their calibration, the fusion, the thresholds and the order of candidates.

Everything that must not see its own training data comes from out-of-fold predictions on the training
records; figures and thresholds are taken after cross-fitted calibration. All of it is done once for each regime
(see `classifiers.model.regimes`): with records, blocks or groups left out together, and without what says nothing
about a block or a group that was never seen.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np

from enrich.classifiers.base import Classifier, ClassifierError, Distribution, Progress, no_progress, renamed
from enrich.classifiers.data import MODALITIES, Dataset, Property
from enrich.classifiers.errors import NothingToLearn
from enrich.classifiers.folds import fold_count, fold_of, out_of_fold
from enrich.classifiers.fusion.base import Fuser, PassThrough
from enrich.classifiers.fusion.late import SHELF_CONTEXT
from enrich.classifiers.fusion.rows import take
from enrich.classifiers.kinds import FloatArray, Rows
from enrich.classifiers.model.calibration import fit_calibrator
from enrich.classifiers.model.calibrator import Calibrator, sane
from enrich.classifiers.model.config import FUSION, Threshold
from enrich.classifiers.model.conformal import ConformalSets
from enrich.classifiers.model.decision_rule import order_candidates, tune_offsets
from enrich.classifiers.model.metrics import score
from enrich.classifiers.model.model import Member, Model
from enrich.classifiers.model.out_of_fold import MemberSpec, Trained, train_member
from enrich.classifiers.model.promises import decide_by, promise_table
from enrich.classifiers.model.regimes import Experience, Regime, local_contexts, unit_folds
from enrich.classifiers.model.steps import Steps
from enrich.classifiers.model.thresholds import Promise, Unit
from enrich.classifiers.registry import classifier_class, fuser_class

By = dict[str, dict[str, Distribution]]


@dataclass(frozen=True)
class ModelSpec:
    """What a model is made of.

    `fusion` None takes the late fusion for several members and the pass-through for one. `order` says how
    candidates are ranked: by 'macro_f1' (offsets tuned out of fold) or by 'probability'. `coverage` is
    the promise of the conformal candidate sets, None for no sets. `groups` are the contexts that say which group
    a record belongs to; `regimes` those that are fitted beside "seen". `go_without` leaves out a member that finds
    nothing to learn from, which is refused otherwise.
    """

    members: tuple[MemberSpec, ...]
    fusion: str | None = None
    fusion_settings: Mapping[str, Any] = field(default_factory=dict)
    folds: int = 5
    target_precision: float = 0.9
    order: Literal["macro_f1", "probability"] = "macro_f1"
    coverage: float | None = 0.9
    groups: tuple[str, ...] = ()
    regimes: tuple[Regime, ...] = ("unseen block", "unseen group")
    go_without: bool = False


@dataclass(frozen=True)
class View:
    """What one regime learns from: records with what it does not see hidden, and what is left out together.

    `groups` (n,) are the records' groups, which the regime may not see; `blocks` (n,) the blocks of their accession
    numbers, where "unseen block" is fitted as well; `units` (n,) is None where each record is left out by itself.
    """

    regime: Regime
    dataset: Dataset
    spec: ModelSpec
    groups: Sequence[str]
    hides: tuple[str, ...] = ()
    units: Rows | None = None
    unit: Unit = "record"
    blocks: Rows | None = None

    def folds(self, folds: int, seed: int, *, costly: bool = False) -> Rows:
        """Which fold each record belongs to; of a costly member whole blocks where the regime is "seen" too."""
        units = self.blocks if costly and self.units is None else self.units
        return fold_of(len(self.dataset), folds, seed) if units is None else unit_folds(units, folds, seed)


def fit_model(
    dataset: Dataset,
    spec: ModelSpec,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
    resume: Path | None = None,
) -> Model:
    """Train every member and all that stands on them. Raises ClassifierError for a dataset that cannot teach."""
    _check(dataset, spec)
    experience = Experience.learn(dataset, spec.groups)
    seen, *others = found = views(dataset, spec, experience)
    progress = Steps(progress, sum(map(_steps, found)))
    fitted = fit_view(seen, seed=seed, progress=progress, resume=resume)
    model = fitted.model
    model.experience = experience
    for view in others:
        named = renamed(progress, f"{view.regime}: {{}}")
        part = fit_view(view, seed=seed, progress=named, resume=resume, seen=fitted)
        model.regimes[view.regime] = part.model
    model.metrics = {**model.metrics, "regimes": {r: m.metrics["promises"] for r, m in model.parts().items()}}
    return model


def views(dataset: Dataset, spec: ModelSpec, experience: Experience) -> list[View]:
    """The regimes that the records can teach, "seen" first: blocks need numbers, groups another group."""
    fusion = {k: v for k, v in spec.fusion_settings.items() if k != SHELF_CONTEXT}
    plain = replace(spec, members=tuple(map(_without_numerals, spec.members)), fusion_settings=fusion)
    places = experience.places(dataset.records)
    names, groups, blocks = list(places.groups), places.by_group(), places.by_block()
    with_blocks = "unseen block" in spec.regimes and bool(experience.knots)
    found = [View("seen", dataset, spec, names, blocks=blocks if with_blocks else None)]
    if with_blocks:
        found.append(View("unseen block", dataset, plain, names, (), blocks, "block"))
    if "unseen group" in spec.regimes and groups.any():
        hides = local_contexts(dataset, spec.groups)
        bare = Dataset([r.without_contexts(hides) for r in dataset.records], dataset.properties)
        found.append(View("unseen group", bare, plain, names, hides, groups, "group"))
    return found


def _steps(view: View) -> int:
    """About how many steps it is to fit a regime: each fold, what is fitted on all records, and each calibration."""
    steps = 1 if len(view.spec.members) == 1 else 4
    for member in view.spec.members:
        kind = classifier_class(member.classifier)
        folds = 0 if _taken_whole(kind, view) else member.folds or view.spec.folds
        steps += folds + (not _shared(kind, view)) + 1
    return steps


def _shared(kind: type[Classifier], view: View) -> bool:
    """Whether the regime takes the classifier of "seen": it looks at texts or pictures alone."""
    return view.regime != "seen" and kind.modality != "tabular" and kind.modality in MODALITIES


def _taken_whole(kind: type[Classifier], view: View) -> bool:
    """Whether it takes the predictions of "seen" as well, of which whole blocks were left out there too."""
    return _shared(kind, view) and kind.costly and view.unit == "block"


def _without_numerals(member: MemberSpec) -> MemberSpec:
    """The same without accession numbers, which are read only where the museum's context is named."""
    own = classifier_class(member.classifier).shared.get("museum")
    return member if own is None else replace(member, settings={**member.settings, own: None})


@dataclass(frozen=True)
class Fitted:
    """The model of one regime, what it was decided by (calibrated out-of-fold predictions by property), and its
    members as they were trained, by modality."""

    model: Model
    fused: Mapping[str, Distribution]
    trained: Mapping[str, Trained]


def fit_view(
    view: View,
    *,
    seed: int = 0,
    progress: Progress = no_progress,
    resume: Path | None = None,
    seen: Fitted | None = None,
) -> Fitted:
    """Fit one regime; a member that looks at nothing that the regime hides is the one of `seen`."""
    dataset, spec = view.dataset, view.spec
    members: dict[str, Member] = {}
    found: dict[str, Trained] = {}
    by: By = {}
    for member in spec.members:
        kind = classifier_class(member.classifier)
        fold = view.folds(member.folds or spec.folds, seed, costly=kind.costly)
        whole = seen.trained.get(kind.modality) if seen is not None and _shared(kind, view) else None
        try:
            trained = whole
            if trained is None or not _taken_whole(kind, view):
                trained = train_member(
                    dataset, member, fold, seed=seed, progress=progress, resume=resume, whole=whole
                )
        except NothingToLearn:
            if not spec.go_without or (member is spec.members[-1] and not members):
                raise
            continue
        modality = trained.classifier.modality
        found[modality] = trained
        calibrators, by[modality] = _calibrate(dataset, trained.predictions, fold, modality, seed, progress)
        decided = _decide(view, by[modality], seed)
        members[modality] = Member(trained.classifier, "", calibrators, trained.history, *decided[:2])
    fold = view.folds(spec.folds, seed)
    fuser, fused, fusion_calibrators, history = _fuse(dataset, spec, by, fold, seed, progress)
    if fuser.name != PassThrough.name:
        decided = _decide(view, fused, seed)
    thresholds, offsets, promises = decided
    progress("thresholds", 1, 1)
    model = Model(
        dataset.properties,
        members,
        fuser,
        fusion_calibrators,
        thresholds,
        offsets,
        spec.target_precision,
        _candidate_sets(view, fused),
        history,
        promises=promises,
        hides=view.hides,
        metrics={
            "out_of_fold": _all_figures(dataset, by, fused, members, thresholds, offsets),
            "promises": promise_table(
                dataset, view.groups, fused, thresholds, offsets, promises, view.units, view.unit
            ),
        },
    )
    return Fitted(model, fused, found)


def _check(dataset: Dataset, spec: ModelSpec) -> None:
    if not spec.members:
        raise ClassifierError("a model needs at least one member: say which modalities to learn from")
    if spec.fusion == PassThrough.name:
        PassThrough.expect(len(spec.members))
    modalities = [classifier_class(member.classifier).modality for member in spec.members]
    for modality in modalities:
        if modalities.count(modality) > 1:
            raise ClassifierError(f"two members of the modality {modality}; a model has one of each")
    folds = max(spec.folds, *(member.folds or 0 for member in spec.members))
    if len(dataset) < 2 * folds:
        raise ClassifierError(f"{len(dataset)} training records are too few for {folds} folds")
    if not any(p.classes for p in dataset.properties):
        raise ClassifierError("no property has a class with enough training values")
    for prop in dataset.properties:
        if not prop.classes:
            raise ClassifierError(f"the property {prop.name} has no classes; leave it out of the dataset")


def _calibrate(
    dataset: Dataset,
    predictions: Mapping[str, Distribution],
    fold: Rows,
    modality: str,
    seed: int,
    progress: Progress,
) -> tuple[dict[str, Calibrator], dict[str, Distribution]]:
    """A calibrator per property, and the predictions calibrated by those of the other folds."""
    calibrators, found = {}, {}
    for i, prop in enumerate(dataset.properties):
        raw, _ = sane(predictions[prop.name], modality)
        target, _ = dataset.targets(prop)
        use = dataset.stated(prop) & raw.present
        chosen = fit_calibrator(raw.probabilities[use], target[use], prop.many, seed=seed)
        probabilities = chosen.apply(raw.probabilities)
        for k in range(fold_count(fold)):
            learn, apply = use & (fold != k), fold == k
            part = fit_calibrator(
                raw.probabilities[learn], target[learn], prop.many, methods=(chosen.method,), seed=seed
            )
            probabilities[apply] = part.apply(raw.probabilities[apply])
        calibrators[prop.name] = chosen
        found[prop.name] = replace(raw, probabilities=probabilities)
        progress(f"calibration of {modality}", i + 1, len(dataset.properties))
    return calibrators, found


def _fuse(
    dataset: Dataset, spec: ModelSpec, by: By, fold: Rows, seed: int, progress: Progress
) -> tuple[Fuser, dict[str, Distribution], dict[str, Calibrator], Mapping[str, Any]]:
    """The fuser of all records, and calibrated answers of fusers that did not see the record."""
    name = spec.fusion or ("late" if len(by) > 1 else PassThrough.name)
    settings = _fusion_settings(name, spec)
    fuser = fuser_class(name)(**settings)
    if name == PassThrough.name:
        history = fuser.fit(dataset, by, seed=seed, progress=progress)
        return fuser, fuser.predict(dataset.records, by), {}, history

    def predictor(k: int, inside: Rows, outside: Rows) -> dict[str, Distribution]:
        part = fuser_class(name)(**settings)
        part.fit(dataset.subset(outside), take(by, outside), seed=seed + k + 1)
        progress("fusion", k + 1, fold_count(fold))
        return part.predict(dataset.subset(inside).records, take(by, inside))

    predictions = fuser.cross_fit(dataset, by, fold, seed=seed, progress=progress)
    if predictions is None:
        predictions = out_of_fold(dataset, fold, predictor)
    calibrators, fused = _calibrate(dataset, predictions, fold, FUSION, seed, progress)
    history = fuser.fit(dataset, by, seed=seed, progress=progress)
    return fuser, fused, calibrators, history


def _fusion_settings(name: str, spec: ModelSpec) -> Mapping[str, Any]:
    """Those that are given; the fusion looks at the accession numbers that a member reads, unless told otherwise."""
    if SHELF_CONTEXT not in fuser_class(name).settings_class.model_fields:
        return spec.fusion_settings
    return {SHELF_CONTEXT: _museum_read(spec.members), **spec.fusion_settings}


def _museum_read(members: Sequence[MemberSpec]) -> str | None:
    """The context that accession numbers belong to, where a member reads them."""
    for member in members:
        kind = classifier_class(member.classifier)
        own = kind.shared.get("museum")
        if own is not None:
            settings = kind.settings_class.read(member.settings, kind.name)
            museum: str | None = getattr(settings, own) if getattr(settings, "numerals", True) else None
            return museum
    return None


def _decide(
    view: View, predictions: Mapping[str, Distribution], seed: int
) -> tuple[dict[str, Threshold], dict[str, FloatArray], dict[str, Promise]]:
    """Thresholds, the offsets of the order, and the promises, from calibrated out-of-fold answers."""
    thresholds: dict[str, Threshold] = {}
    offsets: dict[str, FloatArray] = {}
    promises: dict[str, Promise] = {}
    for prop in view.dataset.properties:
        use, p, y = _usable(view.dataset, prop, predictions[prop.name])
        named = y.any(axis=1)
        offsets[prop.name] = np.zeros(len(prop.classes))
        if view.spec.order == "macro_f1":
            offsets[prop.name] = tune_offsets(p[named], y[named], seed=seed)
        units = None if view.units is None else view.units[use]
        first = order_candidates(p, offsets[prop.name])[:, 0]
        thresholds[prop.name], promises[prop.name] = decide_by(
            p, y, first, prop.many, view.spec.target_precision, units, view.unit
        )
    return thresholds, offsets, promises


def _candidate_sets(view: View, fused: Mapping[str, Distribution]) -> dict[str, ConformalSets]:
    """Conformal sets per property; none without a coverage to promise or records to learn it from.

    For a group that was never seen there are none: how well they cover differs from group to group.
    """
    sets: dict[str, ConformalSets] = {}
    if view.spec.coverage is None or view.unit == "group":
        return sets
    for prop in view.dataset.properties:
        _, p, y = _usable(view.dataset, prop, fused[prop.name])
        if len(p) and (found := ConformalSets.fit(p, y, coverage=view.spec.coverage)) is not None:
            sets[prop.name] = found
    return sets


def _usable(
    dataset: Dataset, prop: Property, prediction: Distribution
) -> tuple[Rows, FloatArray, FloatArray]:
    """The records that state a value and have a prediction: their rows, probabilities and targets."""
    target, _ = dataset.targets(prop)
    use = np.flatnonzero(dataset.stated(prop) & prediction.present)
    return use, prediction.probabilities[use], target[use]


def _all_figures(
    dataset: Dataset,
    by: By,
    fused: Mapping[str, Distribution],
    members: Mapping[str, Member],
    thresholds: Mapping[str, Threshold],
    offsets: Mapping[str, FloatArray],
) -> dict[str, Any]:
    """Out-of-fold figures of each property by modality, the fusion last."""

    def figures(prop: Property, found: Distribution, reach: Any, order: FloatArray) -> dict[str, Any]:
        _, p, y = _usable(dataset, prop, found)
        first = order_candidates(p, order)[:, 0]
        return score(y, p, first, np.asarray(reach), prop.many)

    return {
        prop.name: {
            m: figures(prop, by[m][prop.name], member.thresholds[prop.name], member.offsets[prop.name])
            for m, member in members.items()
        }
        | {FUSION: figures(prop, fused[prop.name], thresholds[prop.name], offsets[prop.name])}
        for prop in dataset.properties
    }
