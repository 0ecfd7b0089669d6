"""The progress of a fit as one: how many of its steps are done, and which is under way."""

from __future__ import annotations

import re

from enrich.classifiers.base import Progress

_PROPERTY = re.compile(r"((?:unseen \w+: )?\w+).*? · ")
"""`unseen block: tabular place · fold 2/5`: the properties of a fold are one step."""


class Steps:
    """Tells of a fit of about `total` steps what each reports of itself."""

    def __init__(self, told: Progress, total: int) -> None:
        self._told = told
        self._total = total
        self._begun: set[str] = set()

    def __call__(self, stage: str, done: int, total: int) -> None:
        """A stage has come so far; it belongs to the step that is under way, or begins another."""
        self._begun.add(_PROPERTY.sub(r"\1 · ", stage, count=1))
        self._total = max(self._total, len(self._begun))
        whole = f", {done:,} of {total:,}" if total > 1 else ""
        self._told(f"learning {stage}{whole}", len(self._begun) - 1, self._total)
