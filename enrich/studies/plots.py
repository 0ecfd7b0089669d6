"""Draws the panels of a study into one PNG below 100 KB."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from enrich.studies.study import Panel

COLOURS = ("#1f4e79", "#c1440e", "#1b7f5c", "#8a4fbf", "#b8860b", "#555555")
DPI = 80
WIDTH, HEIGHT = 4.6, 3.4
"""Inches of one panel."""


def save_panels(panels: Sequence[Panel], path: Path) -> None:
    """Write the figure, panels side by side; lines where x is a number, bars where it is a name."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(WIDTH * max(len(panels), 1), HEIGHT), layout="constrained")
    for axes, panel in zip(figure.subplots(1, max(len(panels), 1), squeeze=False)[0], panels, strict=False):
        names = [x for points in panel.series.values() for x, *_ in points if isinstance(x, str)]
        if names:
            _bars(axes, panel, list(dict.fromkeys(names)))
        else:
            _lines(axes, panel)
        axes.set(title=panel.title, xlabel=panel.across, ylabel=panel.up)
        axes.title.set_fontsize(10)
        axes.grid(axis="x" if names else "y", alpha=0.3)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
        if len(panel.series) > 1:  # beside the bars and lines, never over them
            axes.legend(fontsize=8, frameon=False, loc="upper center", bbox_to_anchor=(0.45, -0.2), ncol=2)
    figure.savefig(path, dpi=DPI, bbox_inches="tight", metadata={"Software": None})


def _lines(axes: Any, panel: Panel) -> None:
    for colour, (name, points) in zip(_colours(panel), panel.series.items(), strict=True):
        xs, ys, low, high = zip(*points, strict=True) if points else ((), (), (), ())
        axes.plot(xs, ys, marker="o", markersize=4, color=colour, label=name)
        axes.fill_between(xs, low, high, color=colour, alpha=0.12, linewidth=0)


def _bars(axes: Any, panel: Panel, names: Sequence[str]) -> None:
    height = 0.8 / len(panel.series)
    for i, (colour, (name, points)) in enumerate(zip(_colours(panel), panel.series.items(), strict=True)):
        at = [names.index(str(x)) + (i - (len(panel.series) - 1) / 2) * height for x, *_ in points]
        values = [y for _, y, _, _ in points]
        error = [
            [max(y - low, 0.0) for _, y, low, _ in points],
            [max(high - y, 0.0) for _, y, _, high in points],
        ]
        axes.barh(at, values, height, xerr=error, color=colour, label=name, error_kw={"linewidth": 0.8})
    axes.set_yticks(range(len(names)), names, fontsize=8)
    axes.invert_yaxis()


def _colours(panel: Panel) -> list[str]:
    return [COLOURS[i % len(COLOURS)] for i in range(len(panel.series))]
