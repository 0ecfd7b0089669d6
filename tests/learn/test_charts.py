"""Charts: well-formed SVG, everything drawn, text escaped."""

from __future__ import annotations

from xml.etree import ElementTree

from hypothesis import given
from hypothesis import strategies as st

from enrich.learn.report.charts import heatmap, interval_chart, line_chart

NAMES = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="\ufffe\uffff"))


def tags(markup: str, tag: str) -> list[ElementTree.Element]:
    return list(ElementTree.fromstring(markup).iter(tag))


def test_every_point_of_every_series_is_drawn_inside_the_frame() -> None:
    chart = line_chart({"a": [(0.0, 0.0), (1.0, 1.0)], "b": [(0.5, 0.5)]}, "x", "y", diagonal=True)
    dots = tags(chart, "circle")
    assert len(dots) == 3
    assert len(tags(chart, "polyline")) == 3
    width, height = map(float, ElementTree.fromstring(chart).attrib["viewBox"].split()[2:])
    assert all(0 < float(d.attrib["cx"]) < width and 0 < float(d.attrib["cy"]) < height for d in dots)


def test_a_series_keeps_its_colour_where_another_is_empty() -> None:
    both = tags(line_chart({"a": [(0, 0)], "b": [(1, 1)]}, "x", "y"), "circle")[1]
    alone = tags(line_chart({"a": [], "b": [(1, 1)]}, "x", "y"), "circle")[0]
    assert both.attrib["fill"] == alone.attrib["fill"]


def test_a_confusion_matrix_says_each_number_and_shades_by_row() -> None:
    chart = heatmap([[3, 1], [0, 0]], ["silk", "wool"])
    assert [r.attrib["fill-opacity"] for r in tags(chart, "rect")] == ["0.760", "0.280", "0.040", "0.040"]
    assert "silk answered as wool: 1 (25%)" in chart
    large = heatmap([[1] * 50 for _ in range(50)], [f"class {i}" for i in range(50)])
    assert len(tags(large, "rect")) == 2500


@given(NAMES)
def test_names_are_escaped(name: str) -> None:
    for chart in (
        line_chart({name: [(0.1, 0.2)]}, name, name),
        heatmap([[1]], [name]),
        interval_chart({name: {name: (0.5, 0.4, 0.6)}}, name),
    ):
        ElementTree.fromstring(chart)
    assert "<script" not in heatmap([[1]], ["<script>alert(1)</script>"])


def test_nothing_to_draw_is_an_empty_chart() -> None:
    for chart in (line_chart({}, "x", "y"), heatmap([], []), interval_chart({}, "x")):
        ElementTree.fromstring(chart)
