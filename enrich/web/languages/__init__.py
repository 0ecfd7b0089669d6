"""The words of the pages: one file an area, one table a key, one text a language."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import get_args

from enrich.settings.models import Language

LANGUAGES: tuple[str, ...] = get_args(Language)
"""The languages that every key has."""


@cache
def words() -> Mapping[str, Mapping[str, str]]:
    """Every text by `area.key`, and by language."""
    found: dict[str, Mapping[str, str]] = {}
    for file in files(__name__).iterdir():
        area, dot, kind = file.name.rpartition(".")
        if dot and kind == "toml":
            for key, texts in tomllib.loads(file.read_text(encoding="utf-8")).items():
                found[f"{area}.{key}"] = texts
    return found


def chosen(accepted: str, offered: tuple[str, ...]) -> str:
    """Of the languages offered the one that an Accept-Language header likes best; the first where it likes none."""
    best, liked = offered[0], 0.0
    for part in accepted.split(","):
        tag, _, quality = part.partition(";q=")
        name = tag.strip().lower().partition("-")[0]
        try:
            wish = float(quality or 1)
        except ValueError:
            continue
        if name in offered and wish > liked:
            best, liked = name, wish
    return best
