"""Distances between models by what they answer, and maps of them in two dimensions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from classifiers.base import FloatArray

TINY = 1e-12


def symmetric_cross_entropy(p: FloatArray) -> FloatArray:
    """(m, m) of the mean over records of H(p, q) + H(q, p), in nats: the distance of Tran et al. 2026.

    `p` (m, n, K). It is no metric: a model's distance to itself is twice its own entropy, so unsure models
    lie far from everyone. Kept because the paper uses it; the diagonal is what it is.
    """
    flat, log = _flat(p)
    cross = -flat @ log.T / p.shape[1]
    found: FloatArray = cross + cross.T
    return found


def jensen_shannon(p: FloatArray) -> FloatArray:
    """(m, m) of the root of the mean Jensen–Shannon divergence (base 2) over records; from 0 to 1, a metric.

    Lin 1991; Endres and Schindelin 2003 for the root.
    """
    m = len(p)
    entropy = _entropy(p)
    found = np.zeros((m, m))
    for i in range(m):
        for j in range(i):
            between = _entropy((p[i] + p[j])[None] / 2)[0] - (entropy[i] + entropy[j]) / 2
            found[i, j] = found[j, i] = np.sqrt(max(float(between), 0.0) / np.log(2.0))
    return found


def disagreement(p: FloatArray) -> FloatArray:
    """(m, m) of the share of records whose first candidates differ."""
    first = p.argmax(axis=2)
    found: FloatArray = (first[:, None, :] != first[None, :, :]).mean(axis=2)
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


def classical_mds(distances: FloatArray, dimensions: int = 2) -> Map:
    """Torgerson 1952: the leading eigenvectors of the doubly centred squared distances (m, m).

    The diagonal is taken as 0. Exact when the distances are those of points in so many dimensions.
    """
    d = _hollow(distances)
    m = len(d)
    centre = np.eye(m) - 1.0 / m
    values, vectors = np.linalg.eigh(-0.5 * centre @ (d**2) @ centre)
    order = np.argsort(-values)[:dimensions]
    kept = np.maximum(values[order], 0.0)
    points = np.zeros((m, dimensions))
    points[:, : len(kept)] = vectors[:, order] * np.sqrt(kept)
    positive = float(values[values > 0].sum())
    share = float(kept.sum() / positive) if positive else 1.0
    return Map("classical", _upright(points), stress(d, points), share)


def smacof(distances: FloatArray, *, rounds: int = 500, tolerance: float = 1e-9) -> Map:
    """Two dimensions by majorisation (de Leeuw 1977; Borg and Groenen 2005, chapter 8), from the classical map.

    Each round is a Guttman transform, which never raises the stress; it ends when that falls by less than
    `tolerance` of itself.
    """
    d = _hollow(distances)
    points = classical_mds(d).points
    m = len(d)
    before = stress(d, points)
    for _ in range(rounds):
        now = _between(points)
        ratio = np.divide(d, now, out=np.zeros_like(d), where=now > TINY)
        transform = -ratio
        transform[np.arange(m), np.arange(m)] = ratio.sum(axis=1)
        points = transform @ points / m
        after = stress(d, points)
        if before - after <= tolerance * max(before, TINY):
            break
        before = after
    return Map("SMACOF", _upright(points), stress(d, points))


def stress(distances: FloatArray, points: FloatArray) -> float:
    """Kruskal's stress-1: √(Σ (d − d̂)² / Σ d̂²), d̂ the distances between the points."""
    now = _between(points)
    size = float((now**2).sum())
    return float(np.sqrt(((distances - now) ** 2).sum() / size)) if size > TINY else 0.0


def _between(points: FloatArray) -> FloatArray:
    found: FloatArray = np.sqrt(((points[:, None] - points[None]) ** 2).sum(axis=2))
    return found


def _hollow(distances: FloatArray) -> FloatArray:
    d = (distances + distances.T) / 2
    np.fill_diagonal(d, 0.0)
    return d


def _upright(points: FloatArray) -> FloatArray:
    """The same map turned so that no run differs by a mirror: the point furthest out on each axis is positive."""
    if not len(points):
        return points
    signs = np.sign(points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])])
    found: FloatArray = points * np.where(signs == 0, 1.0, signs)
    return found


def _flat(p: FloatArray) -> tuple[FloatArray, FloatArray]:
    flat = p.reshape(len(p), -1)
    return flat, np.log(np.maximum(flat, TINY))


def _entropy(p: FloatArray) -> FloatArray:
    """Mean entropy over records of each model (m,), nats."""
    found: FloatArray = -(p * np.log(np.maximum(p, TINY))).sum(axis=2).mean(axis=1)
    return found
