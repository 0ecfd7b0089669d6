"""Bias–variance decomposition of 0–1 loss and of cross-entropy over predictions of several models.

The models are draws of one way of training: the members of a trajectory, the seeds, or bootstrap replicates
of the training data. Labels are taken as noise-free, so noise stands within the bias.
"""

import numpy as np
from scipy.special import logsumexp

from enrich.classifiers.kinds import FloatArray, Indices
from enrich.classifiers.soup.statistics import Interval, over_pictures

TINY = 1e-12
Terms = dict[str, FloatArray]
"""The terms of a decomposition by name, each for every record (n,)."""


def zero_one(answers: Indices, truth: Indices, classes: int) -> Terms:
    """Domingos 2000, *A Unified Bias-Variance Decomposition*, theorem 2, with no noise.

    `answers` (m, n) are the classes that m models give n records, `truth` (n,). The main prediction of a
    record is the mode of its answers (the lowest class of a tie), `variance` how often a model differs from
    it. `loss` = `bias` + `variance_unbiased` − `variance_biased`: where the main prediction is right,
    variance adds to the loss; where it is wrong, the models that hit the truth take off.
    """
    votes = np.stack([(answers == k).sum(axis=0) for k in range(classes)])
    main = votes.argmax(axis=0)
    bias = (main != truth).astype(np.float64)
    variance = (answers != main).mean(axis=0)
    hits_off_main = ((answers == truth) & (answers != main)).mean(axis=0)
    return {
        "loss": (answers != truth).mean(axis=0),
        "bias": bias,
        "variance": variance,
        "variance_unbiased": variance * (1.0 - bias),
        "variance_biased": hits_off_main * bias,
    }


def cross_entropy(p: FloatArray, truth: Indices) -> Terms:
    """Heskes 1998, *Bias/Variance Decompositions for Likelihood-Based Estimators*, section 3; in nats.

    `p` (m, n, K) are m models' probabilities, `truth` (n,). The main prediction is the normalised geometric
    mean p̄ ∝ exp(mean log p); `loss` = `bias` + `variance`, bias = −log p̄(truth), variance = mean over
    models of KL(p̄ ‖ p). Probabilities are kept above 1e-12.
    """
    log_p = np.log(np.maximum(p, TINY))
    mean_log = log_p.mean(axis=0)
    log_main = mean_log - logsumexp(mean_log, axis=1, keepdims=True)
    rows = np.arange(len(truth))
    return {
        "loss": -log_p[:, rows, truth].mean(axis=0),
        "bias": -log_main[rows, truth],
        "variance": (np.exp(log_main) * (log_main - mean_log)).sum(axis=1),
    }


def decompose(p: FloatArray, truth: Indices) -> dict[str, dict[str, Interval]]:
    """Both decompositions of m models' probabilities (m, n, K): {loss: {term: [value, low, high]}}.

    The interval is the middle 95 % over bootstrap draws of the records.
    """
    both = {
        "zero_one": zero_one(p.argmax(axis=2), truth, p.shape[2]),
        "cross_entropy": cross_entropy(p, truth),
    }
    return {
        loss: {name: over_pictures(values, draws=200) for name, values in terms.items()}
        for loss, terms in both.items()
    }
