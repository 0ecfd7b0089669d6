"""No text of the graph can steer the terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from enrich.show.terminal import printable


@pytest.mark.parametrize("text", ["Gebäude 7", "حرير", "絹\n綿", "a\tb", "👗", ""])
def test_honest_text_stays(text: str) -> None:
    assert printable(text) == text


@pytest.mark.parametrize("text", ["\x1b[2J", "a\x00b", "\x9b31m", "\u202egpj.exe", "a\rb", "\x07"])
def test_what_steers_a_terminal_is_replaced(text: str) -> None:
    assert "\ufffd" in printable(text)


@given(st.text())
def test_any_text_keeps_its_length_and_loses_its_controls(text: str) -> None:
    safe = printable(text)
    assert len(safe) == len(text)
    assert not set(safe) & {chr(c) for c in (*range(9), *range(11, 32), *range(127, 160))}
