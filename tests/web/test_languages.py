"""The words of the pages: no language lacks a key, no template asks for one that is not there."""

from __future__ import annotations

import re
import string
from importlib.resources import files
from pathlib import Path

import pytest
from pydantic import ValidationError

from enrich.settings.models import WebSettings
from enrich.web.languages import LANGUAGES, chosen, words
from enrich.web.rendering import Words

PUT_TOGETHER = ("faults.4", "faults.5", "promise.by_", "promise.out_", "promise.verdict_", "site.name_")
"""How keys begin whose end is no word of the pages by itself: a status, a language, several words."""
WEB = Path(str(files("enrich.web")))


def fields(text: str) -> set[str]:
    """What a text has filled in."""
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_no_language_lacks_a_key() -> None:
    """Given every key of every area; then it says something in each language, and all fill in the same."""
    assert len(words()) > 80
    for key, texts in words().items():
        assert set(texts) == set(LANGUAGES), f"{key} is not in {set(LANGUAGES) ^ set(texts)}"
        assert all(text.strip() for text in texts.values()), f"{key} is empty in a language"
        assert len({frozenset(fields(text)) for text in texts.values()}) == 1, f"{key} fills in other things"


def test_every_key_that_a_page_asks_for_is_there() -> None:
    """Given the templates and modules; when they name a key as a whole text, then some area has it."""
    asked = {
        (file.name, key)
        for pattern in ("**/*.html", "**/*.py")
        for file in WEB.glob(pattern)
        for key in re.findall(r"""\bt\(["'](\w+\.\w+)["']\s*[,)]""", file.read_text(encoding="utf-8"))
    }
    assert asked
    assert [(file, key) for file, key in sorted(asked) if key not in words()] == []


def test_every_key_is_asked_for() -> None:
    """Given every key of every area; then a page, module or script names it whole, or its area and how keys begin there."""
    files = [file for ending in ("html", "py", "js") for file in WEB.glob(f"**/*.{ending}")]
    text = "".join(file.read_text(encoding="utf-8") for file in files)
    begun = tuple(re.findall(r"""\bt\(f?["'](\w+\.\w*)(?:["'] ~|\{)""", text))
    named = set(re.findall(r"""["'](-?\w+)["']""", text))
    unused = []
    for key in words():
        area, _, rest = key.partition(".")
        whole = re.search(rf"""["']{re.escape(key)}["']""", text)
        if (
            area != "terms"
            and not whole
            and not (key.startswith(begun) and (rest in named or key.startswith(PUT_TOGETHER)))
        ):
            unused.append(key)
    assert unused == []


@pytest.mark.parametrize(
    ("header", "language"),
    [
        ("", "en"),
        ("fr", "fr"),
        ("de-DE,de;q=0.9,it-IT;q=0.8,en;q=0.7", "it"),
        ("es;q=0.2, fr;q=0.9", "fr"),
        ("en;q=0, fr;q=broken, *", "en"),
    ],
)
def test_the_browser_s_language_is_spoken(header: str, language: str) -> None:
    assert chosen(header, LANGUAGES) == language


@pytest.mark.parametrize("languages", [["de"], ["en", "eng"], []])
def test_a_language_that_no_page_speaks_is_a_wrong_setting(languages: list[str]) -> None:
    with pytest.raises(ValidationError, match="languages"):
        WebSettings.model_validate({"languages": languages})


def test_numbers_are_written_as_each_language_does() -> None:
    """Given a large number and a share; then their separators follow the language, and .999 is not called 1."""
    assert [Words(code).number(1234567) for code in LANGUAGES] == [
        "1,234,567",
        "1.234.567",
        "1\u202f234\u202f567",
        "1.234.567",
    ]
    assert [Words(code).decimal(0.999) for code in LANGUAGES] == ["0.99", "0,99", "0,99", "0,99"]
    assert Words("en").decimal(None) == "–"
    assert Words("en").decimal(1.0) == "1.00"
