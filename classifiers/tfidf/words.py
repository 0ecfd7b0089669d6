"""From the terms of a linear machine to the words of a record's texts."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from classifiers.data import Record
from classifiers.explain.explanation import Contribution

_WORD = re.compile(r"\w\w+")


def word_contributions(terms: Iterable[tuple[str, str, float]], record: Record) -> list[Contribution]:
    """What each word added to a score, the largest first, from what each term (field, term, weight) added.

    A pair of words, or a group of letters that several words share, counts in equal parts for each.
    """
    words, holders = _words_of(record)
    found: dict[str, float] = defaultdict(float)
    for name, term, weight in sorted(terms, key=lambda t: -abs(t[2])):
        shared = _with_letters(term, holders) if name == "letters" else term.split(" ")
        known = [w for w in shared if w in words]
        for word in known:
            found[word] += weight / len(known)
    by_word = [Contribution(words[word], weight) for word, weight in found.items()]
    return sorted(by_word, key=lambda c: (-abs(c.weight), c.name))


def _words_of(record: Record) -> tuple[dict[str, str], dict[str, list[str]]]:
    """Lower-case words as they are written first, and the words within each run of non-blanks."""
    words: dict[str, str] = {}
    holders: dict[str, list[str]] = {}
    for text in record.texts:
        for run in text.value.split():
            found = _WORD.findall(run)
            for word in found:
                words.setdefault(word.lower(), word)
            holders.setdefault(run.lower(), [word.lower() for word in found])
    return words, holders


def _with_letters(letters: str, holders: Mapping[str, Sequence[str]]) -> list[str]:
    """The words whose run of letters, with a blank on either side, holds this group."""
    runs = [words for run, words in holders.items() if letters in f" {run} "]
    inside = {w for words in runs for w in words if letters.strip() in w}
    return sorted(inside or {w for words in runs for w in words})
