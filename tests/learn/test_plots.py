"""Plots: everything drawn, nothing read as mathematics or markup, the same colour for the same series."""

from __future__ import annotations

import base64
import re
from pathlib import Path
from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from matplotlib.colors import to_hex

from enrich.learn.plots import Panel, confusion_figure, embedded, panels_figure, save

NAMES = st.text(st.characters(exclude_categories=["Cs"]), max_size=60)


def drawn(markup: str) -> str:
    """The SVG within an embedded image."""
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', markup)
    return base64.b64decode(data).decode()


def test_lines_and_their_intervals_are_drawn_and_an_empty_series_keeps_its_colour() -> None:
    points = [(0.0, 0.5, 0.4, 0.6), (1.0, 0.7, 0.6, 0.8)]
    both = panels_figure([Panel("t", "x", "y", {"a": points, "b": points}, unit=True)]).axes[0]
    alone = panels_figure([Panel("t", "x", "y", {"a": [], "b": points})]).axes[0]
    assert [list(line.get_ydata()) for line in both.lines] == [[0.5, 0.7], [0.5, 0.7], [0, 1]]
    assert both.lines[1].get_color() == alone.lines[1].get_color() != both.lines[0].get_color()
    assert len(both.collections) == 2


def test_bars_stand_at_their_names_and_errors_are_never_negative() -> None:
    bars = [("one", 0.5, 0.4, 0.6), ("two", 0.3, 0.31, 0.2)]
    axes = panels_figure([Panel("t", "x", "", {"a": bars, "b": bars[:1]})]).axes[0]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["one", "two"]
    assert [bar.get_width() for bar in axes.patches] == [0.5, 0.3, 0.5]


def test_a_confusion_matrix_says_each_number_and_shades_by_row() -> None:
    axes = confusion_figure([[3, 1], [0, 0]], ["silk", "wool"]).axes[0]
    assert [t.get_text() for t in axes.texts] == ["3", "1"]
    assert axes.images[0].get_array().tolist() == [[0.75, 0.25], [0.0, 0.0]]
    assert [t.get_text() for t in axes.get_yticklabels()] == ["silk", "wool"]
    large = confusion_figure([[1] * 50 for _ in range(50)], [f"class {i}" for i in range(50)]).axes[0]
    assert large.images[0].get_array().shape == (50, 50)
    assert len(large.texts) == 0


@settings(max_examples=25)
@given(NAMES)
@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.filterwarnings("ignore:.*missing from font")
def test_any_name_is_drawn_as_it_is(name: str) -> None:
    for figure in (
        panels_figure([Panel(name, name, name, {name: [(name, 0.5, 0.4, 0.6)]})], legend=False),
        confusion_figure([[1]], [name]),
    ):
        ElementTree.fromstring(drawn(embedded(figure, name)))


def test_names_are_text_and_no_markup_or_mathematics() -> None:
    svg = drawn(embedded(confusion_figure([[1]], ["$x^2$ <script>alert(1)</script>"]), '"<b>'))
    assert "$x^2$ &lt;script&gt;" in svg
    assert '"' not in re.findall(r'alt="(.*?)" width', embedded(confusion_figure([], []), '"<b>'))[0]


def test_the_same_figure_is_the_same_bytes(tmp_path: Path) -> None:
    panel = Panel("t", "x", "y", {"a": [(0.0, 0.5, 0.4, 0.6)]})
    assert embedded(panels_figure([panel]), "what") == embedded(panels_figure([panel]), "what")
    save(panels_figure([panel, panel]), tmp_path / "a.png")
    save(panels_figure([panel, panel]), tmp_path / "b.png")
    assert (tmp_path / "a.png").read_bytes() == (tmp_path / "b.png").read_bytes()
    assert (tmp_path / "a.png").stat().st_size < 100_000


def test_nothing_to_draw_is_an_empty_plot() -> None:
    for figure in (panels_figure([]), panels_figure([Panel("", "", "", {})]), confusion_figure([], [])):
        ElementTree.fromstring(drawn(embedded(figure, "nothing")))
    assert to_hex(panels_figure([]).get_facecolor()) == "#ffffff"
