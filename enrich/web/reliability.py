"""The figure of promises: what was claimed across, what is observed up, each with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from enrich.runs.promise_table import Row

SIDE, EDGE = 320, 44
"""The length of an axis, and the space for its words, in the figure's own units."""
STEP = 0.1


@dataclass(frozen=True, slots=True)
class Point:
    """A row in the figure: where it stands, between which heights, and how large it is drawn."""

    row: Row
    x: float
    y: float
    low: float
    high: float
    size: float


@dataclass(frozen=True, slots=True)
class Figure:
    """The points, and the ticks of both axes with their places."""

    points: Sequence[Point]
    ticks: Sequence[tuple[float, float, float]]
    """A value, its place across, and its place up."""
    width: int = SIDE + 2 * EDGE
    height: int = SIDE + 2 * EDGE

    @classmethod
    def of(cls, rows: Sequence[Row]) -> Figure:
        """The rows of which anything is observed and claimed."""
        shown = [row for row in rows if row.observed.right is not None and row.claimed is not None]
        lowest = min((min(row.observed.low, row.claimed or 1.0) for row in shown), default=0.5)
        least = min(0.8, int(lowest / STEP) * STEP)
        points = [
            Point(
                row,
                _across(row.claimed or 0.0, least),
                _up(row.observed.right or 0.0, least),
                _up(row.observed.low, least),
                _up(row.observed.high, least),
                2.5 + min(4.0, row.observed.effective**0.5 / 4),
            )
            for row in shown
        ]
        steps = round((1 - least) / STEP)
        ticks = [
            (value, _across(value, least), _up(value, least))
            for value in (1 - n * STEP for n in range(steps, -1, -1))
        ]
        return cls(points, ticks)


def _across(value: float, least: float) -> float:
    return round(EDGE + SIDE * (value - least) / (1 - least), 1)


def _up(value: float, least: float) -> float:
    return round(EDGE + SIDE * (1 - (value - least) / (1 - least)), 1)
