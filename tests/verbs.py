"""Which verb a line of words is of."""

from __future__ import annotations

from enrich.cli.reference import verb_names


def verb_of(line: list[str]) -> list[str]:
    """The verb that a line of words begins with, the longest of those that there are; nothing for none."""
    return max((words for words in verb_names() if line[: len(words)] == words), key=len, default=[])
