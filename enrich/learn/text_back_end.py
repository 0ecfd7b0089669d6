"""Which text back end `auto` takes: the better one of those that can be had, on the training records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from enrich.classifiers.base import ClassifierError, Distribution, Progress
from enrich.classifiers.data import Dataset
from enrich.classifiers.model.fitting import View
from enrich.classifiers.model.metrics import macro_f1
from enrich.classifiers.model.out_of_fold import MemberSpec, held_out_predictions
from enrich.classifiers.registry import classifier_class

OTHERS = ("sentences", "transformer")
"""What is tried beside TF-IDF."""


def choose_back_end(
    member_of: Callable[[str], MemberSpec],
    seen: View,
    *,
    seed: int,
    progress: Progress,
    resume: Path | None = None,
) -> tuple[MemberSpec, dict[str, Any]]:
    """The back end with the best mean macro-F1 out of fold on the training records, and an account of it.

    `member_of` gives the member of a back end. Of equals TF-IDF wins, which is the cheapest; alone it
    needs no comparison. One that cannot be had is left out, with the reason in the account. All are compared
    on the same folds of the regime `seen`, those of the costly ones, which are found again in `resume` when the model
    is trained.
    """
    candidates = {"tfidf": member_of("tfidf")}
    account: dict[str, Any] = {"chosen": "tfidf", "mean_macro_f1": {}}
    for name in OTHERS:
        try:
            member = member_of(name)
            settings = classifier_class(member.classifier).affordable(member.settings)
            candidates[name] = replace(member, settings=settings)
        except ClassifierError as error:
            account[f"without {name}"] = str(error)
    if len(candidates) == 1:
        return candidates["tfidf"], account
    dataset = seen.dataset
    costly = any(classifier_class(candidate.classifier).costly for candidate in candidates.values())
    for name, candidate in candidates.items():
        fold = seen.folds(candidate.folds or seen.spec.folds, seed, costly=costly)
        found = held_out_predictions(dataset, candidate, fold, seed=seed, progress=progress, resume=resume)
        account["mean_macro_f1"][name] = round(mean_macro_f1(dataset, found), 6)
    scores: dict[str, float] = account["mean_macro_f1"]
    best = max(scores, key=lambda name: scores[name])
    return candidates[best], {**account, "chosen": best}


def mean_macro_f1(dataset: Dataset, predictions: Mapping[str, Distribution]) -> float:
    """Mean over the properties of the first candidate's macro-F1, on records that name a class.

    Where there is no prediction the most frequent class is taken, so that silence gains nothing.
    """
    scores = []
    for prop in dataset.properties:
        target, named = dataset.targets(prop)
        if not named.any():
            continue
        probabilities = predictions[prop.name].probabilities
        first = np.where(np.isnan(probabilities), -1.0, probabilities).argmax(axis=1)
        first[~predictions[prop.name].present] = int(target.sum(axis=0).argmax())
        scores.append(macro_f1(target[named], first[named]))
    return float(np.mean(scores)) if scores else 0.0
