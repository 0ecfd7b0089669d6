"""What a training with reviews says of them: how many taught, what could not use them, and how the model does with and
without them on the museum's own test set."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

from enrich.classifiers.base import Progress, renamed
from enrich.classifiers.data import Dataset
from enrich.classifiers.model.model import Model
from enrich.learn.review_figures import measure_reviews
from enrich.learn.review_labels import ReviewLabels, counted, read_held_out
from enrich.workspace import Workspace

WITH, WITHOUT = "with", "without"


@dataclass(frozen=True)
class ReviewOutcome:
    """The account for the model folder, the figures, and how long the model without reviews took."""

    account: Mapping[str, Any]
    figures: Mapping[str, Any]
    seconds: float


def with_reviews(
    workspace: Workspace,
    reviewed: ReviewLabels,
    fitted: Model,
    dataset: Dataset,
    fit: Callable[..., Model] | None,
    progress: Progress,
) -> ReviewOutcome:
    """The account of a model fitted on a dataset with reviews; `fit` trains the one to compare it with, None for none."""
    held_out = read_held_out(workspace, reviewed, progress, pictures="image" in fitted.members)
    made = [member.classifier for member in fitted.members.values()]
    deaf = sorted(classifier.name for classifier in made if not classifier.takes_refusals)
    account = {
        **counted(dataset),
        "records held out for reviews": len(held_out),
        **({"learns nothing from values turned down": ", ".join(deaf)} if deaf else {}),
    }
    models, began = {WITH: fitted}, time.monotonic()
    if fit is not None and held_out:
        plain = [replace(record, taught={}, refused={}) for record in dataset.records]
        models[WITHOUT] = fit(
            Dataset(plain, dataset.properties),
            progress=renamed(progress, "without reviews: {}"),
        )
    seconds = round(time.monotonic() - began, 1)
    return ReviewOutcome(account, measure_reviews(models, held_out, reviewed.drawn), seconds)
