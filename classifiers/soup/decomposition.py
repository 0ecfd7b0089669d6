"""Bias–variance decomposition of 0–1 loss and of cross-entropy over predictions of several models.

The models are draws of one way of training: the members of a trajectory, the seeds, or bootstrap replicates
of the training data. Labels are taken as noise-free, so noise stands within the bias.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from classifiers.base import FloatArray

TINY = 1e-12


@dataclass(frozen=True)
class ZeroOne:
    """Means over the records. `loss` = `bias` + `variance_unbiased` − `variance_biased`.

    `variance` is how often a model differs from the main prediction; the part on records where the main
    prediction is right adds to the loss, the part where it is wrong and the model hits the truth takes off.
    """

    loss: float
    bias: float
    variance: float
    variance_unbiased: float
    variance_biased: float

    @property
    def net_variance(self) -> float:
        """What variance does to the loss."""
        return self.variance_unbiased - self.variance_biased


@dataclass(frozen=True)
class CrossEntropy:
    """Means over the records, in nats. `loss` = `bias` + `variance`."""

    loss: float
    bias: float
    variance: float


def zero_one(answers: NDArray[np.intp], truth: NDArray[np.intp], classes: int) -> ZeroOne:
    """Domingos 2000, *A Unified Bias-Variance Decomposition*, theorem 2, with no noise.

    `answers` (m, n) are the classes that m models give n records, `truth` (n,). The main prediction of a
    record is the mode of its answers (the lowest class of a tie). E[L] = B + c·V, where c = 1 on records
    whose main prediction is right and c = −P(right | not the main prediction) on the others.
    """
    per_record = zero_one_records(answers, truth, classes)
    loss, bias, variance, added, taken = (float(v.mean()) for v in per_record)
    return ZeroOne(loss, bias, variance, added, taken)


def zero_one_records(
    answers: NDArray[np.intp], truth: NDArray[np.intp], classes: int
) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray, FloatArray]:
    """Loss, bias, variance, variance that adds and variance that takes off, for each record (n,)."""
    votes = np.stack([(answers == k).sum(axis=0) for k in range(classes)])
    main = votes.argmax(axis=0)
    wrong = (main != truth).astype(np.float64)
    loss = (answers != truth).mean(axis=0)
    variance = (answers != main).mean(axis=0)
    hit_off_main = ((answers == truth) & (answers != main)).mean(axis=0)
    return loss, wrong, variance, variance * (1.0 - wrong), hit_off_main * wrong


def cross_entropy(p: FloatArray, truth: NDArray[np.intp]) -> CrossEntropy:
    """Heskes 1998, *Bias/Variance Decompositions for Likelihood-Based Estimators*, section 3.

    `p` (m, n, K) are m models' probabilities, `truth` (n,). The main prediction is the normalised geometric
    mean p̄ ∝ exp(mean log p); bias = −log p̄(truth), variance = mean over models of KL(p̄ ‖ p). Probabilities
    are kept above 1e-12.
    """
    loss, bias, variance = (float(v.mean()) for v in cross_entropy_records(p, truth))
    return CrossEntropy(loss, bias, variance)


def cross_entropy_records(
    p: FloatArray, truth: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Loss, bias and variance for each record (n,), nats."""
    log_p = np.log(np.maximum(p, TINY))
    mean_log = log_p.mean(axis=0)
    shift = mean_log.max(axis=1, keepdims=True)
    log_z = shift[:, 0] + np.log(np.exp(mean_log - shift).sum(axis=1))
    log_main = mean_log - log_z[:, None]
    rows = np.arange(len(truth))
    loss = -log_p[:, rows, truth].mean(axis=0)
    bias = -log_main[rows, truth]
    variance = (np.exp(log_main) * (log_main - mean_log)).sum(axis=1)
    return loss, bias, variance


def decompose(
    p: FloatArray, truth: NDArray[np.intp], *, draws: int = 200, seed: int = 0
) -> dict[str, dict[str, list[float]]]:
    """Both decompositions of m models' probabilities (m, n, K): {loss: {term: [value, low, high]}}.

    The interval is the middle 95 % over bootstrap draws of the records.
    """
    answers = p.argmax(axis=2)
    hard = dict(
        zip(
            ("loss", "bias", "variance", "variance_unbiased", "variance_biased"),
            zero_one_records(answers, truth, p.shape[2]),
            strict=True,
        )
    )
    soft = dict(zip(("loss", "bias", "variance"), cross_entropy_records(p, truth), strict=True))
    picks = np.random.default_rng(seed).integers(0, len(truth), (draws, len(truth)))
    return {"zero_one": _intervals(hard, picks), "cross_entropy": _intervals(soft, picks)}


def _intervals(terms: Mapping[str, FloatArray], picks: NDArray[np.int64]) -> dict[str, list[float]]:
    found = {}
    for name, values in terms.items():
        means = values[picks].mean(axis=1)
        low, high = np.quantile(means, [0.025, 0.975])
        found[name] = [float(values.mean()), float(low), float(high)]
    return found
