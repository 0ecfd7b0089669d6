"""The values that a property can have, found by words of their names: what a curator corrects with."""

from __future__ import annotations

import threading
import unicodedata
from dataclasses import dataclass, field

from pyoxigraph import Literal, NamedNode

from enrich.graph.classes import ClassMap
from enrich.graph.labels import labels, short_iri
from enrich.graph.literals import LiteralMap
from enrich.ontology.kinds import LITERAL
from enrich.ontology.profiles import PropertyProfile
from enrich.ontology.terms import is_iri
from enrich.workspace import Workspace

MOST = 20
_PER_QUERY = 200

Value = tuple[str, str]
"""As an answer says it, and its name."""


@dataclass
class Values:
    """Remembers what values there are, by property and language, until it is told to forget."""

    _known: dict[tuple[str, str], list[tuple[str, Value]]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def find(self, workspace: Workspace, name: str, words: str, language: str) -> list[Value]:
        """The values whose names have all the words, those that begin so first. An IRI finds itself."""
        wanted = folded(words).split()
        if is_iri(words.strip()) and words.strip().startswith(("http://", "https://")):
            iri = words.strip()
            return [(iri, labels(workspace.store, [iri], language).get(iri, iri))]
        if not wanted:
            return []
        found = [
            (text, value)
            for text, value in self._all(workspace, name, language)
            if all(w in text for w in wanted)
        ]
        found.sort(key=lambda each: (not each[0].startswith(wanted[0]), len(each[0]), each))
        return [value for _, value in found[:MOST]]

    def _all(self, workspace: Workspace, name: str, language: str) -> list[tuple[str, Value]]:
        with self._lock:
            known = self._known
            if not known.get((name, language)):
                known[name, language] = [(folded(v[1]), v) for v in _values(workspace, name, language)]
            return known[name, language]

    def forget(self) -> None:
        """Ask anew: the facts have changed."""
        self._known = {}


def folded(text: str) -> str:
    """A text without accents and case."""
    apart = unicodedata.normalize("NFKD", text.casefold())
    return "".join(c for c in apart if not unicodedata.combining(c))


def _values(workspace: Workspace, name: str, language: str) -> list[Value]:
    prop = workspace.profile.property(name)
    values = sorted(_said(workspace, prop))
    names: dict[str, str] = {}
    iris = [value for value in values if is_iri(value)]
    for start in range(0, len(iris), _PER_QUERY):
        names |= labels(workspace.store, iris[start : start + _PER_QUERY], language)
    return [(value, names.get(value) or short_iri(value, workspace.profile.prefixes)) for value in values]


def _said(workspace: Workspace, prop: PropertyProfile) -> set[str]:
    """The classes that a vocabulary has of a property; where it may be anything, those that records have. As answers say
    them: literals as the museum spells them."""
    reader = workspace.reader
    known = reader.classes[prop.name]
    if isinstance(known, ClassMap) and known.classes is not None:
        return set(known.classes.values())
    raw = reader.raw_values(prop)
    spelt = known.spellings(raw) if isinstance(known, LiteralMap) and prop.kind == LITERAL else {}
    classes = {c for v in raw if isinstance(v, NamedNode | Literal) and (c := known.of_term(v)) is not None}
    return {spelt.get(c, c) for c in classes}
