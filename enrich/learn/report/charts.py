"""Small charts as SVG markup for the report: lines, points with intervals, and a confusion matrix.

Everything that is text is escaped here, so the result may go into a page as it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup, escape

COLOURS = ("#1f4e79", "#c1440e", "#1b7f5c", "#8a4fbf", "#b8860b")
_LEFT, _TOP, _WIDE, _HIGH = 44, 10, 260, 200


def colour(index: int) -> str:
    """The colour of the index-th series, the same in every chart."""
    return COLOURS[index % len(COLOURS)]


def line_chart(
    series: Mapping[str, Sequence[tuple[float, float]]], across: str, up: str, *, diagonal: bool = False
) -> Markup:
    """Lines over the unit square, one per series; with a `diagonal` to compare with."""
    parts = [_frame(across, up)]
    if diagonal:
        parts.append(_line([(0.0, 0.0), (1.0, 1.0)], 'stroke="#999" stroke-dasharray="4 3"'))
    for i, (name, points) in enumerate(series.items()):
        if not points:
            continue
        parts.append(_line(points, f'stroke="{colour(i)}" stroke-width="1.6"'))
        for x, y in points:
            cx, cy = _at(x, y)
            tip = escape(f"{name}: {across} {x:.3f}, {up} {y:.3f}")
            parts.append(
                f'<circle cx="{cx}" cy="{cy}" r="2.4" fill="{colour(i)}"><title>{tip}</title></circle>'
            )
    height = _TOP + _HIGH + 40
    label = escape(f"{up} against {across}")
    return _svg(_LEFT + _WIDE + 12, height, label, parts)


def _frame(across: str, up: str) -> str:
    parts = []
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x, y = _at(tick, tick)
        parts.append(f'<line x1="{_LEFT}" x2="{_LEFT + _WIDE}" y1="{y}" y2="{y}" class="grid"/>')
        parts.append(f'<text x="{_LEFT - 6}" y="{y + 4}" text-anchor="end">{tick:g}</text>')
        parts.append(f'<text x="{x}" y="{_TOP + _HIGH + 16}" text-anchor="middle">{tick:g}</text>')
    middle = _TOP + _HIGH // 2
    parts.append(
        f'<text x="{_LEFT + _WIDE // 2}" y="{_TOP + _HIGH + 34}" text-anchor="middle">{escape(across)}</text>'
        f'<text x="12" y="{middle}" text-anchor="middle" transform="rotate(-90 12 {middle})">{escape(up)}</text>'
    )
    return "".join(parts)


def _line(points: Sequence[tuple[float, float]], style: str) -> str:
    path = " ".join(f"{x},{y}" for x, y in (_at(*p) for p in points))
    return f'<polyline points="{path}" fill="none" {style}/>'


def _at(x: float, y: float) -> tuple[float, float]:
    return round(_LEFT + x * _WIDE, 1), round(_TOP + (1.0 - y) * _HIGH, 1)


def interval_chart(groups: Mapping[str, Mapping[str, tuple[float, float, float]]], across: str) -> Markup:
    """Points with intervals (value, low, high) on a scale from 0 to 1: a block of rows per group."""
    order = list(dict.fromkeys(name for rows in groups.values() for name in rows))
    left, wide, step = min(24 + round(6.2 * max(map(len, groups), default=0)), 220), 360, 15
    parts, y = [], 12.0
    for group, rows in groups.items():
        middle = y + step * (len(rows) - 1) / 2 + 4
        parts.append(f'<text x="{left - 10}" y="{middle}" text-anchor="end">{escape(group)}</text>')
        for name, (value, low, high) in rows.items():
            ink = colour(order.index(name))
            xs = [round(left + wide * v, 1) for v in (value, low, high)]
            parts.append(
                f'<line x1="{left}" x2="{left + wide}" y1="{y}" y2="{y}" class="grid"/>'
                f'<line x1="{xs[1]}" x2="{xs[2]}" y1="{y}" y2="{y}" stroke="{ink}" stroke-width="2"/>'
                f'<circle cx="{xs[0]}" cy="{y}" r="4" fill="{ink}">'
                f"<title>{escape(f'{group}, {name}: {value:.3f} [{low:.3f}, {high:.3f}]')}</title></circle>"
            )
            y += step
        y += 8
    for tick in (0.0, 0.25, 0.5, 0.75, 1.0):
        x = left + wide * tick
        parts.append(f'<text x="{x}" y="{y + 10}" text-anchor="middle">{tick:g}</text>')
    parts.append(f'<text x="{left + wide / 2}" y="{y + 26}" text-anchor="middle">{escape(across)}</text>')
    return _svg(left + wide + 16, int(y) + 34, escape(f"{across} by group"), parts)


def heatmap(matrix: Sequence[Sequence[int]], names: Sequence[str]) -> Markup:
    """A confusion matrix, rows true and columns answered, shaded by the share of the row."""
    count = len(names)
    cell = 30 if count <= 12 else 16 if count <= 40 else 10
    left = min(14 + round(6.6 * max(map(len, names), default=0)), 250)
    top = min(left, 170)
    parts = []
    for i, row in enumerate(matrix):
        y, total = top + i * cell, sum(row)
        parts.append(
            f'<text x="{left - 6}" y="{y + cell / 2 + 4}" text-anchor="end">{escape(names[i])}</text>'
        )
        for j, value in enumerate(row):
            share = value / total if total else 0.0
            parts.append(_cell(left + j * cell, y, cell, value, share, f"{names[i]} answered as {names[j]}"))
    for j, name in enumerate(names):
        x = left + j * cell + cell / 2 + 4
        parts.append(f'<text transform="translate({x} {top - 6}) rotate(-60)">{escape(name)}</text>')
    return _svg(
        left + count * cell + 90, top + count * cell + 6, Markup("confusion matrix"), parts, natural=True
    )


def _cell(x: float, y: float, size: int, value: int, share: float, what: str) -> str:
    ink = "#fff" if share > 0.55 else "#222"
    tip = escape(f"{what}: {value} ({share:.0%})")
    number = ""
    if value and size >= 30:
        number = (
            f'<text x="{x + size / 2}" y="{y + size / 2 + 3.5}" text-anchor="middle" class="cell" '
            f'style="fill:{ink}">{value}</text>'
        )
    return (
        f'<g><title>{tip}</title><rect x="{x}" y="{y}" width="{size - 1}" height="{size - 1}" '
        f'fill="#1f4e79" fill-opacity="{0.04 + 0.96 * share:.3f}"/>{number}</g>'
    )


def _svg(width: int, height: int, label: Any, parts: Sequence[str], natural: bool = False) -> Markup:
    size = f' width="{width}"' if natural else f' style="max-width:{round(width * 1.3)}px"'
    return Markup(
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{label}"{size}>{"".join(parts)}</svg>'
    )
