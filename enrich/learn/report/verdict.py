"""What a curator wants to know first: of a hundred gaps, how many are answered, and how many of the answers are right."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Figures = Mapping[str, Any]


def verdict(result: Figures) -> str:
    """It in one sentence, over all properties."""
    found = result["properties"].values()
    asked = sum(said["records"] for said in found)
    if not asked:
        return "There was nothing to ask it: no record of the split states a value."
    if not any(said["regimes"] for said in found):
        return f"It answers none of {asked:,} gaps: no record has what it looks at."
    if not sum(_sum(said, "answered") for said in found):
        return f"It answers none of {asked:,} gaps: it is not sure enough of any."
    return f"Of 100 gaps it answers {answers(*found)}; of 100 answers {right(*found)} are right."


def answers(*found: Figures) -> str:
    """Of a hundred gaps of these properties, how many it answers; records that it cannot look at are among them."""
    return _of_100(sum(_sum(s, "answered") for s in found), sum(s["records"] for s in found))


def right(*found: Figures) -> str:
    """Of a hundred values that it gives, how many are right; – where it gives none."""
    return _of_100(sum(_sum(s, "right") for s in found), sum(_sum(s, "asserted") for s in found))


def _sum(said: Figures, key: str) -> int:
    return sum(regime[key] for regime in said["regimes"].values())


def _of_100(part: int, whole: int) -> str:
    """None and all are said only where it is none and all."""
    if not whole:
        return "–"
    return str(min(max(round(100 * part / whole), int(part > 0)), 100 - int(part < whole)))
