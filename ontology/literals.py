"""When two literals are the same class: the rules of a property whose values are literals."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from unicodedata import normalize

from pyoxigraph import Literal, NamedNode


def class_text(value: object) -> Literal:
    """A class of a property of literals, as a profile names it. Raises ValueError for what is no text."""
    if not isinstance(value, str) or not value.strip():
        raise ValueError("must be a list of texts, for the values are literals")
    return Literal(value)


def keep_pattern(value: object) -> str:
    """The pattern of the part that is kept; empty for all of it. Raises ValueError for one without a group."""
    try:
        groups = re.compile(value if isinstance(value, str) else "").groups
    except re.error as error:
        raise ValueError(f"is no regular expression: {error}") from error
    if value != "" and not groups:
        raise ValueError(
            "must be a regular expression whose first group, in brackets, is the part that is kept"
        )
    return str(value)


@dataclass(frozen=True, slots=True)
class LiteralRules:
    """How a literal becomes a class: Unicode form NFC, ends trimmed, the part that `keep` finds, its case, its synonym.

    Literals that come out alike are one class, whatever their language and datatype. Those of another `language` or
    `datatype` than asked for are no values at all. Make one with `of`.
    """

    language: str | None = None
    datatype: NamedNode | None = None
    lower: bool = False
    keep: re.Pattern[str] | None = None
    synonyms: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    """How the profile writes what synonyms stand for."""
    unknown: frozenset[str] = frozenset()

    @classmethod
    def of(
        cls,
        language: str | None,
        datatype: NamedNode | None,
        lower: bool,
        keep: str,
        synonyms: Mapping[str, str],
        unknown: Iterable[str],
    ) -> LiteralRules:
        """The rules as a profile says them."""
        bare = cls(lower=lower)
        return cls(
            None if language is None else language.lower(),
            datatype,
            lower,
            re.compile(keep) if keep else None,
            {bare.cased(word): bare.cased(meant) for word, meant in synonyms.items()},
            {bare.cased(meant): meant for meant in synonyms.values()},
            frozenset(map(bare.cased, unknown)),
        )

    def fits(self, value: Literal) -> bool:
        """Whether a literal has the language and the datatype asked for."""
        if self.datatype is not None and value.datatype != self.datatype:
            return False
        tag, wanted = (value.language or "").lower(), self.language
        return wanted is None or tag == wanted or bool(wanted and tag.startswith(wanted + "-"))

    def cased(self, text: str) -> str:
        """A text as texts are compared, but for `keep`."""
        plain = normalize("NFC", text).strip()
        return normalize("NFC", plain.lower()) if self.lower else plain

    def part(self, text: str) -> str:
        """The part of a literal that is its value, in the museum's own case; all of it where `keep` finds none."""
        plain = normalize("NFC", text).strip()
        found = self.keep.search(plain) if self.keep else None
        return plain if found is None else (found[1] or "").strip()

    def says_nothing(self, text: str) -> bool:
        """Whether a text is empty, or says that the value is not known."""
        return self._nothing(text, self.cased(self.part(text)))

    def _nothing(self, text: str, part: str) -> bool:
        return not part or part in self.unknown or self.cased(text) in self.unknown

    def key(self, text: str) -> str | None:
        """The class of a literal, by its text; None where it says nothing."""
        part = self.cased(self.part(text))
        if self._nothing(text, part):
            return None
        found = self.synonyms.get(part, part)
        return None if found in self.unknown else found or None

    def written(self, text: str) -> str:
        """The part of a literal in the museum's own words; of a synonym what it stands for, in the profile's."""
        part = self.part(text)
        meant = self.synonyms.get(self.cased(part))
        return part if meant is None else self.words[meant]
