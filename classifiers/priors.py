"""The share of each class among the training values: what answers where nothing else can."""

from pathlib import Path
from typing import Any

import numpy as np

from enrich.classifiers.base import ClassifierError
from enrich.classifiers.data import Property
from enrich.classifiers.kinds import Flags, FloatArray


def class_priors(target: FloatArray, named: Flags, many: bool) -> FloatArray:
    """Shares (K,) from a target (n, K) and the records that name a class (n,).

    One half is added to each count so that no class is impossible. Shares of independent classes are of
    the records, others of the values.
    """
    counts = target.sum(axis=0) + 0.5
    total = named.sum() + 1.0 if many else counts.sum()
    return np.asarray(counts / max(float(total), 1.0))


def read_priors(data: Any, prop: Property, folder: Path) -> FloatArray:
    """The shares of one property from JSON values by property. Raises ClassifierError."""
    try:
        prior = np.asarray(data[prop.name], dtype=np.float64)
    except (KeyError, TypeError, ValueError) as error:
        raise ClassifierError(f"{folder}: the priors of {prop.name} cannot be read") from error
    if prior.shape != (len(prop.classes),) or not np.isfinite(prior).all():
        raise ClassifierError(
            f"{folder}: labels.json names {len(prop.classes)} classes of {prop.name}, "
            f"the model has {prior.size} priors"
        )
    return prior
