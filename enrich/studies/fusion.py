"""Late, early and hybrid fusion on the same members, folds and records: the paper's open question."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from enrich.classifiers.base import Progress, no_progress
from enrich.classifiers.kinds import FloatArray, Indices
from enrich.classifiers.model.config import FUSION
from enrich.classifiers.model.decision_rule import order_candidates
from enrich.classifiers.model.fitting import ModelSpec, fit_model
from enrich.classifiers.model.model import Model
from enrich.errors import SettingsError
from enrich.learn.intervals import Interval
from enrich.learn.plots import Panel
from enrich.studies.study import Cell, Material, Study, line, most_frequent

STRATEGIES = ("late", "early", "hybrid")
COLUMNS = ("answers by", "macro-F1", "accuracy", "ECE", "against late fusion", "seconds to fit")


@dataclass(frozen=True)
class _Result:
    macro: FloatArray
    accuracy: FloatArray
    ece: float
    seconds: float | None
    by_property: Mapping[str, float]


def fusion_study(
    material: Material,
    spec: ModelSpec,
    *,
    strategies: Sequence[str] = STRATEGIES,
    progress: Progress = no_progress,
) -> Study:
    """Fit each strategy on the same out-of-fold answers of the members, which are fitted once.

    All are measured on all held-out records that name a class; a record that a single member cannot look
    at counts as answered with the most frequent class. Raises SettingsError with fewer than two members.
    """
    if len(spec.members) < 2:
        raise SettingsError(
            "the study of fusion needs two modalities: add to train.modalities, or --modality"
        )
    results: dict[str, _Result] = {}
    with TemporaryDirectory(prefix="enrich-study-") as kept:
        for i, name in enumerate(strategies):
            progress("fusion strategies", i, len(strategies))
            settings = spec.fusion_settings if spec.fusion == name else {}
            own = replace(spec, fusion=name, fusion_settings=settings)
            if not i:  # fits the members, which the others then find
                fit_model(material.train, own, seed=material.seed, progress=progress, resume=Path(kept))
            began = time.monotonic()
            model = fit_model(material.train, own, seed=material.seed, progress=progress, resume=Path(kept))
            seconds = time.monotonic() - began
            if not i:
                for modality in model.members:
                    results[f"{modality} alone"] = _measure(material, model, modality, None)
            results[f"{name} fusion"] = _measure(material, model, FUSION, seconds)
    progress("fusion strategies", len(strategies), len(strategies))
    return _study(material, results, spec, strategies)


def _measure(material: Material, model: Model, modality: str, seconds: float | None) -> _Result:
    first: dict[str, Indices] = {}
    probabilities: dict[str, FloatArray] = {}
    usual = most_frequent(material.train)
    for name, answer in model.predict(material.held_out).items():
        said = answer.fused if modality == FUSION else answer.by[modality]
        offsets = (model if modality == FUSION else model.members[modality]).offsets[name]
        chosen = order_candidates(said.probabilities, offsets)[:, 0]
        first[name] = np.where(said.present, chosen, usual[name])
        probabilities[name] = said.probabilities
    drawn = material.drawn()
    by_property = {name: float(s.macro_f1(drawn)[0]) for name, s in material.scored(first).items()}
    return _Result(*material.means(first), material.ece(first, probabilities), seconds, by_property)


def _study(
    material: Material, results: Mapping[str, _Result], spec: ModelSpec, strategies: Sequence[str]
) -> Study:
    late = results[f"{strategies[0]} fusion"]
    gains = {name: Interval.of(r.macro - late.macro) for name, r in results.items()}
    rows: list[tuple[Cell, ...]] = [
        (
            name,
            float(r.macro[0]),
            float(r.accuracy[0]),
            r.ece,
            None if r is late else str(gains[name]),
            None if r.seconds is None else round(r.seconds),
        )
        for name, r in results.items()
    ]
    bars = line((name, r.macro) for name, r in results.items())
    return Study(
        "fusion",
        "Which fusion is best: late, early or hybrid?",
        COLUMNS,
        rows,
        _conclusion(results, gains, strategies),
        material.setting(members=[m.classifier for m in spec.members], folds=spec.folds),
        [Panel("Fusion strategies", "mean macro-F1", "", {"macro-F1": bars})],
        {
            "by property": {name: r.by_property for name, r in results.items()},
            "against late": {name: i.to_json() for name, i in gains.items()},
        },
    )


def _conclusion(
    results: Mapping[str, _Result], gains: Mapping[str, Interval], strategies: Sequence[str]
) -> str:
    """What the intervals allow to be said."""
    fused = [f"{s} fusion" for s in strategies]
    best = max(fused, key=lambda name: float(results[name].macro[0]))
    alone = [name for name in results if name not in fused]
    single = max(alone, key=lambda name: float(results[name].macro[0]))
    over = Interval.of(results[best].macro - results[single].macro)
    verdicts = [
        f"{name} {'clearly differs from' if gains[name].clear else 'is not clearly different from'}"
        f" {fused[0]} ({gains[name]})"
        for name in fused[1:]
    ]
    steady = min(fused, key=lambda name: results[name].ece)
    return (
        f"The best is {best} with a mean macro-F1 of {results[best].macro[0]:.3f}; {'; '.join(verdicts)}."
        f" Over the best single modality ({single}) it is {over}"
        f"{'' if over.clear else ', which is not clear'}. The smallest calibration error is that of {steady}"
        f" ({results[steady].ece:.3f})."
    )
