"""Distances between models by what they answer, and maps of them in two dimensions."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.spatial.distance import cdist
from scipy.special import entr
from sklearn.manifold import ClassicalMDS
from sklearn.manifold import smacof as majorise

from enrich.classifiers.kinds import FloatArray

TINY = 1e-12


def symmetric_cross_entropy(p: FloatArray) -> FloatArray:
    """(m, m) of the mean over records of H(p, q) + H(q, p), in nats: the distance of Tran et al. 2026.

    `p` (m, n, K). It is no metric: a model's distance to itself is twice its own entropy, so unsure models
    lie far from everyone. Kept because the paper uses it; the diagonal is what it is.
    """
    flat = p.reshape(len(p), -1)
    cross = -flat @ np.log(np.maximum(flat, TINY)).T / p.shape[1]
    found: FloatArray = cross + cross.T
    return found


def jensen_shannon(p: FloatArray) -> FloatArray:
    """(m, m) of the root of the mean Jensen–Shannon divergence (base 2) over records; from 0 to 1, a metric.

    Lin 1991; Endres and Schindelin 2003 for the root.
    """
    m = len(p)
    entropy = entr(p).sum(axis=2).mean(axis=1)
    found = np.zeros((m, m))
    for i in range(m):
        for j in range(i):
            between = entr((p[i] + p[j]) / 2).sum(axis=1).mean() - (entropy[i] + entropy[j]) / 2
            found[i, j] = found[j, i] = np.sqrt(max(float(between), 0.0) / np.log(2.0))
    return found


def disagreement(p: FloatArray) -> FloatArray:
    """(m, m) of the share of records whose first candidates differ."""
    first = p.argmax(axis=2)
    found: FloatArray = cdist(first, first, "hamming")
    return found


DISTANCES: dict[str, Callable[[FloatArray], FloatArray]] = {
    "symmetric cross-entropy": symmetric_cross_entropy,
    "Jensen–Shannon": jensen_shannon,
    "disagreement": disagreement,
}


@dataclass(frozen=True)
class Map:
    """Points (m, 2), and how well they keep the distances.

    `stress` is Kruskal's stress-1; `share` the share of the positive eigenvalues that two dimensions hold
    (classical only).
    """

    method: str
    points: FloatArray
    stress: float
    share: float | None = None


def classical_mds(distances: FloatArray) -> Map:
    """Torgerson 1952: the leading eigenvectors of the doubly centred squared distances (m, m).

    The diagonal is taken as 0. Exact when the distances are those of points in two dimensions.
    """
    d = _hollow(distances)
    scaling = ClassicalMDS(n_components=len(d), metric="precomputed")
    with np.errstate(invalid="ignore"):  # distances that are none of a plane's points have negative ones
        points = np.nan_to_num(scaling.fit_transform(d)[:, :2])
    held = np.maximum(scaling.eigenvalues_, 0.0)
    share = float(held[:2].sum() / held.sum()) if held.any() else 1.0
    return Map("classical", points, stress(d, points), share)


def smacof(distances: FloatArray) -> Map:
    """Two dimensions by majorisation (de Leeuw 1977; Borg and Groenen 2005, chapter 8), from the classical map.

    Its stress is never above that of the classical map.
    """
    d = _hollow(distances)
    if not d.any():  # everything on one point, where stress is none over none
        return Map("SMACOF", np.zeros((len(d), 2)), 0.0)
    points, _ = majorise(
        d, init=classical_mds(d).points, n_init=1, max_iter=500, eps=1e-9, normalized_stress=False
    )
    return Map("SMACOF", points, stress(d, points))


def stress(distances: FloatArray, points: FloatArray) -> float:
    """Kruskal's stress-1: √(Σ (d − d̂)² / Σ d̂²), d̂ the distances between the points."""
    now = cdist(points, points)
    size = float((now**2).sum())
    return float(np.sqrt(((distances - now) ** 2).sum() / size)) if size > TINY else 0.0


def _hollow(distances: FloatArray) -> FloatArray:
    d: FloatArray = (distances + distances.T) / 2
    np.fill_diagonal(d, 0.0)
    return d
