"""Thresholds that keep a promise of precision: by a lower confidence bound, not by a point.

The threshold is the lowest at which a lower bound on the precision of all answers at and above it reaches the
target, going down from the hundred surest answers and stopping at the first place where it does not (fixed-sequence
testing: Angelopoulos et al. 2021, Learn then Test, section 3): so the bound's confidence is that of the whole search. Of
blocks and groups, places before the first that holds are passed over: the surest answers are of too few for a narrow
bound, and the confidence is that of one place. A value outside the classes is an error like any other.

What is drawn is the unit of the bound. Records drawn at random: Clopper and Pearson (1934). Blocks of accession
numbers: also a bound that lets the records of a block depend on one another (linearised ratio of clusters, Cochran
1977, chapter 6). Groups: a prediction bound for one more group (the mean over groups, less Student's t times their
spread), for the promise is made to a group that was never seen.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from enrich.classifiers import libraries
from enrich.classifiers.kinds import Flags, FloatArray, Rows
from enrich.classifiers.model.metrics import NEVER
from enrich.classifiers.stored import Stored

CONFIDENCE = 0.9
"""One-sided confidence of the bounds."""
FLOOR = 0.5
"""No answer that is likelier wrong than right, whatever the bound says."""
_CUTS = 200
_FEWEST = 100
"""Answers without which no threshold is believed: among many, one is always lucky on a few."""
_PER_GROUP = 10
"""Answers with which a group's precision counts."""
_GROUPS = 4
"""Groups without which nothing is promised to another one."""

Unit = Literal["record", "block", "group"]


class Promise(Stored):
    """What held-out answers above the threshold say: how many there were, the share that was right, and bounds.

    `coverage` is the share of the records that state a value which were answered; `low` and `high` the bounds (80 %
    between them) on precision; `units` what was drawn: records, blocks or groups.
    """

    threshold: float
    target: float
    answered: int = 0
    coverage: float = 0.0
    precision: float | None = None
    low: float | None = None
    high: float | None = None
    units: int = 0

    @property
    def kept(self) -> bool:
        """Whether there is a threshold at which the target is promised."""
        return self.threshold <= 1.0


def share_bounds(right: float, of: float) -> tuple[float, float]:
    """Lower and upper bound of a share by Clopper and Pearson, each at CONFIDENCE.

    >>> [round(v, 3) for v in share_bounds(22, 22)]
    [0.901, 1.0]
    """
    betaincinv = libraries.scipy_special().betaincinv
    low = float(betaincinv(right, of - right + 1, 1 - CONFIDENCE)) if right > 0 else 0.0
    high = float(betaincinv(right + 1, of - right, CONFIDENCE)) if right < of else 1.0
    return low, high


def precision_bounds(right: FloatArray, answered: FloatArray, unit: Unit) -> tuple[float, float]:
    """Lower and upper bound on precision from what each unit (U,) had right and answered."""
    total = float(answered.sum())
    if total == 0:
        return 0.0, 1.0
    low, high = share_bounds(float(right.sum()), total)
    if unit == "record":
        return low, high
    spread_low, spread_high = (
        _group_bounds(right, answered) if unit == "group" else _block_bounds(right, answered)
    )
    return min(low, spread_low), max(high, spread_high)


def _block_bounds(right: FloatArray, answered: FloatArray) -> tuple[float, float]:
    used = answered > 0
    count, mean = int(used.sum()), float(right.sum() / answered.sum())
    if count < 2:
        return 0.0, 1.0
    residuals = right[used] - mean * answered[used]
    error = np.sqrt(count / (count - 1) * float((residuals**2).sum())) / float(answered.sum())
    half = float(libraries.scipy_special().stdtrit(count - 1, CONFIDENCE)) * error
    return mean - half, mean + half


def _group_bounds(right: FloatArray, answered: FloatArray) -> tuple[float, float]:
    used = answered >= _PER_GROUP
    count = int(used.sum())
    if count < _GROUPS:
        return 0.0, 1.0
    shares = right[used] / answered[used]
    half = (
        float(libraries.scipy_special().stdtrit(count - 1, CONFIDENCE))
        * float(shares.std(ddof=1))
        * np.sqrt(1 + 1 / count)
    )
    return float(shares.mean() - half), float(shares.mean() + half)


def bounded_threshold(
    confidence: FloatArray, correct: Flags, target: float, units: Rows | None = None, unit: Unit = "record"
) -> float:
    """The threshold for answers with these confidences (n,); NEVER when none keeps the promise, FLOOR when all do.

    `units` (n,) numbers what was left out together; None for records by themselves.
    """
    order = np.argsort(-confidence, kind="stable")
    ordered, hit = confidence[order], correct[order].astype(float)
    ends = (
        np.flatnonzero(np.append(ordered[1:] != ordered[:-1], True)) if len(order) else np.zeros(0, np.intp)
    )
    ends = ends[(ordered[ends] >= FLOOR) & (ends >= _FEWEST - 1)]
    if len(ends) > _CUTS:
        ends = ends[np.unique(np.linspace(0, len(ends) - 1, _CUTS).astype(int))]
    unit_of = np.zeros(len(order), dtype=np.intp) if units is None else units[order]
    best = NEVER
    for end in ends:
        reached = slice(0, end + 1)
        right, answered = _per_unit(unit_of[reached], hit[reached])
        if precision_bounds(right, answered, unit)[0] >= target:
            best = float(ordered[end])
        elif best != NEVER or unit == "record":
            return best
    return FLOOR if best != NEVER else NEVER


def _per_unit(units: Rows, hit: FloatArray) -> tuple[FloatArray, FloatArray]:
    right: FloatArray = np.bincount(units, weights=hit).astype(np.float64)
    return right, np.bincount(units).astype(np.float64)


def promise_of(
    answered: Flags,
    correct: Flags,
    threshold: float,
    target: float,
    units: Rows | None = None,
    unit: Unit = "record",
    records: int | None = None,
) -> Promise:
    """What answers (n,) say of a threshold; `records` is what coverage is a share of, all of them by default."""
    count, of = int(answered.sum()), len(answered) if records is None else records
    if not count:
        return Promise(threshold=threshold, target=target)
    unit_of = np.arange(count) if units is None else units[answered]
    right, given = _per_unit(unit_of, correct[answered].astype(float))
    low, high = precision_bounds(right, given, unit)
    return Promise(
        threshold=threshold,
        target=target,
        answered=count,
        coverage=min(1.0, count / max(of, 1)),
        precision=float(right.sum() / count),
        low=max(0.0, low),
        high=min(1.0, high),
        units=int((given > 0).sum()),
    )
