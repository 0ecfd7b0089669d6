"""Every plot of reports and studies: lines or bars with intervals, side by side, and confusion matrices.

Names come from the graph: they are drawn as they are, and never read as mathematics.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from markupsafe import Markup, escape

from enrich.classifiers import libraries
from enrich.classifiers.plots import new_figure

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLOURS = ("#1f4e79", "#c1440e", "#1b7f5c", "#8a4fbf", "#b8860b", "#555555")
DPI = 80
WIDTH, HEIGHT = 4.6, 3.4
"""Inches of one panel, at least."""
BAR = 0.2
"""Inches of a name and its bars."""
MOST_NAMES = 40
"""Classes of a confusion matrix whose names and counts are still written."""
LONGEST = 40
"""Characters of a name."""

Point = tuple[float | str, float, float, float]
"""x, y and the interval of y; x is a number, or a name for bars."""


@dataclass(frozen=True)
class Panel:
    """One plot: to each series its points; with `unit`, both axes go from 0 to 1 and show their diagonal.

    `promised` is a share that a dashed line shows beside bars.
    """

    title: str
    across: str
    up: str
    series: Mapping[str, Sequence[Point]]
    unit: bool = False
    promised: float | None = None

    def names(self) -> list[str]:
        """The names that have bars, in the order of the series."""
        return list(dict.fromkeys(x for s in self.series.values() for x, *_ in s if isinstance(x, str)))


def colour(index: int) -> str:
    """The colour of the index-th series, the same in every plot."""
    return COLOURS[index % len(COLOURS)]


def panels_figure(panels: Sequence[Panel], *, legend: bool = True) -> Figure:
    """The panels side by side: lines where x is a number, bars where it is a name."""
    most = max((len(panel.names()) for panel in panels), default=0)
    height = max(HEIGHT, 1.2 + BAR * most)
    figure = new_figure(WIDTH * max(len(panels), 1), height)
    for axes, panel in zip(figure.subplots(1, max(len(panels), 1), squeeze=False)[0], panels, strict=False):
        names = panel.names()
        for i, (name, points) in enumerate(panel.series.items()):
            if names:
                _bars(axes, name, points, names, (i, len(panel.series)))
            else:
                _line(axes, name, points, i)
        if names:
            axes.set_yticks(range(len(names)), [_plain(name) for name in names], fontsize=8, parse_math=False)
            axes.invert_yaxis()
        if panel.promised is not None:
            axes.axvline(panel.promised, color="#555555", linestyle="--", linewidth=1, label="promised")
        if panel.unit:
            axes.plot(
                (0, 1), (0, 1), color="#999999", linestyle="--", linewidth=1, label="_diagonal", zorder=0
            )
            axes.set(xlim=(-0.02, 1.02), ylim=(-0.02, 1.02))
        _finish(axes, panel, across=bool(names))
        if (
            legend and len(panel.series) + (panel.promised is not None) > 1
        ):  # beside the bars, never over them
            below = (0.45, -0.2 * HEIGHT / height)
            axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=below, ncol=3)
    return figure


def _finish(axes: Axes, panel: Panel, *, across: bool) -> None:
    axes.set_title(_plain(panel.title), fontsize=10, parse_math=False)
    axes.set_xlabel(_plain(panel.across), parse_math=False)
    axes.set_ylabel(_plain(panel.up), parse_math=False)
    axes.grid(axis="x" if across else "y", alpha=0.3)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def _line(axes: Axes, name: str, points: Sequence[Point], index: int) -> None:
    xs, ys, low, high = (
        (np.array(part, dtype=float) for part in zip(*points, strict=True)) if points else [()] * 4
    )
    axes.plot(xs, ys, marker="o", markersize=4, color=colour(index), label=name)
    axes.fill_between(xs, low, high, color=colour(index), alpha=0.12, linewidth=0)


def _bars(
    axes: Axes, name: str, points: Sequence[Point], names: Sequence[str], place: tuple[int, int]
) -> None:
    index, count = place
    if not points:  # the legend has it all the same
        axes.plot([], [], "s", color=colour(index), label=name)
        return
    height = 0.8 / count
    at = [names.index(str(x)) + (index - (count - 1) / 2) * height for x, *_ in points]
    values, low, high = (np.array([p[k] for p in points], dtype=float) for k in (1, 2, 3))
    error = np.maximum([values - low, high - values], 0.0)
    axes.barh(at, values, height, xerr=error, color=colour(index), label=name, error_kw={"linewidth": 0.8})


def confusion_figure(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Figure:
    """A confusion matrix, rows true and columns answered, shaded by the share of the row."""
    counts = np.array(matrix, dtype=float).reshape(len(names), len(names))
    totals = counts.sum(axis=1, keepdims=True)
    shares = np.divide(counts, totals, out=np.zeros_like(counts), where=totals > 0)
    labels = [_plain(name) for name in names] if len(names) <= MOST_NAMES else []
    side = (0.3 if labels else 0.08) * len(names) + 0.07 * max(map(len, labels), default=0) + 0.8
    figure = new_figure(side, side)
    axes = figure.subplots()
    if names:
        axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks([])
    axes.set_yticks([])
    if labels:
        at = range(len(labels))
        style: dict[str, Any] = {"fontsize": 8, "parse_math": False}
        axes.set_yticks(at, labels, **style)
        axes.set_xticks(at, labels, rotation=60, ha="left", rotation_mode="anchor", **style)
        axes.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
        for (i, j), count in np.ndenumerate(counts):
            if count:
                ink = "white" if shares[i, j] > 0.55 else "#222222"
                axes.text(j, i, f"{count:.0f}", ha="center", va="center", fontsize=6, color=ink)
    return figure


def _plain(text: str) -> str:
    """A text on one line, without what no font draws and no SVG may hold, and not too long."""
    drawn = "".join(c if c.isprintable() else " " for c in text)
    return drawn if len(drawn) <= LONGEST else f"{drawn[: LONGEST - 1]}…"


def embedded(figure: Figure, what: str) -> Markup:
    """The figure as an image within a page, SVG with text as text; `what` is said where it is not seen."""
    drawn = io.BytesIO()
    with libraries.matplotlib().rc_context({"svg.fonttype": "none", "svg.hashsalt": what}):
        figure.savefig(drawn, format="svg", metadata={"Date": None, "Creator": None})
    data = base64.b64encode(drawn.getvalue()).decode("ascii")
    wide = round(figure.get_figwidth() * DPI)
    return Markup(f'<img alt="{escape(what)}" width="{wide}" src="data:image/svg+xml;base64,{data}">')


def save(figure: Figure, path: Path) -> None:
    """Write a PNG."""
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})
