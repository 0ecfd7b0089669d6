"""The one table, as Markdown."""

from __future__ import annotations

import pytest

from enrich.classifiers.tables import Table, cell_text


def test_a_table_is_markdown_and_no_cell_breaks_it() -> None:
    rows = [("a|b", 1, 0.12345), ("two\nlines", None, float("nan"))]
    assert Table(("what", "records", "figure"), rows, numbers=(1, 2)).markdown().splitlines() == [
        "| what | records | figure |",
        "| --- | ---: | ---: |",
        "| a\\|b | 1 | 0.123 |",
        "| two lines | – | – |",
    ]


@pytest.mark.parametrize(
    ("cell", "text"),
    [(12345, "12,345"), (0.5, "0.500"), (True, "True"), (None, "–"), (float("nan"), "–"), ("x", "x")],
)
def test_a_cell_is_text(cell: object, text: str) -> None:
    assert cell_text(cell) == text
