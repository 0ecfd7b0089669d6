"""What a path is about, by its predicates: the name of a property, and whether it is worth predicting."""

import re

from enrich.drafting.record_classes import words_of
from enrich.drafting.walking import Way

_ABOUT = (
    ("material", r"consists of|\bemployed\b|material|medium|substrate|artMedium"),
    ("technique", r"technique|method|process\b"),
    ("place", r"took place|spatial|\bplace\b|location created|mint\b|findspot|origin|country|coverage"),
    ("time", r"time ?span|\bdate\b|issued|temporal|period|century|date ?created|\byear\b|inception|falls within|"
             r"(begin|end) of the|chronology"),
    ("maker", r"carried out by|creator|\bmaker|artist|author|painter|issuer|\bagent\b"),
    ("keeper", r"current keeper|current or former keeper|data ?provider|current owner|holding|repository|keeper"),
    ("department", r"forms part of|is ?part ?of|department|collection|^part of"),
    ("depicts", r"depict|represents|^about|^subjects?$|has subject|shows visual"),
    ("type", r"has type|\btype\b|classif|genre|object type|category|denomination|^assigned$|kind"),
    ("style", r"style|culture|movement|school"),
    ("language", r"language"),
    ("title", r"title|\blabel\b|\bname\b|pref label|headline"),
    ("description", r"description|note\b|comment|abstract|symbolic content|referred to|has content|definition"),
)  # fmt: skip
_WORTH = {"material", "technique", "place", "time", "maker", "type", "style", "depicts", "language"}
_IDENTIFIER = re.compile(
    r"identifier|accession|\bid\b|number|call ?number|shelf ?mark|same as|see also|match|page|homepage|url",
    re.I,
)
_ADMIN = re.compile(
    r"rights?\b|licen[cs]e|provider|modified|updated|harvest|record|status|version|is shown at|format$|credit|"
    r"provenance|in scheme|visibility|access|extent|owner|keeper|subject to|acquisition|custody|transferred",
    re.I,
)
_EMPTY = re.compile(
    r"^(value|label|pref label|has symbolic content|has note|symbolic content|is identified by|has content|content)$",
    re.I,
)


def about(path: Way) -> str | None:
    """The kind of thing that a path says of a record, by its last telling predicate; None for one unknown."""
    for step in reversed(path):
        said = words_of(step.predicate).lower()
        for name, pattern in _ABOUT:
            if re.search(pattern, said, re.IGNORECASE) and not (_EMPTY.match(said) and len(path) > 1):
                return name
    return None


def name_of(path: Way, taken: set[str]) -> str:
    """A name for what stands at the end of a path, as a key of TOML, that is not taken yet."""
    telling = [s for s in path if not _EMPTY.match(words_of(s.predicate).lower())] or list(path)
    local = re.sub(r"^(has|is|was|had)\s+|\s+(of|by|at|in)$", "", words_of(telling[-1].predicate).lower())
    name = about(path) or re.sub(r"[^a-z0-9]+", "_", local).strip("_") or "value"
    longer = [name, *(f"{name}_{n}" for n in range(2, 1000))]
    return next(n for n in longer if n not in taken)


def worth(path: Way) -> float:
    """How much a museum wants to know this, by its predicates alone: 1.2 for what is commonly asked, down to 0.2."""
    said = [words_of(s.predicate).lower() for s in path]
    if len(path) > 1 and re.search(r"\btype$", said[-1]):
        return 0.2  # the kind of a node on the way, not of the record
    if is_administrative(path):
        return 0.3
    if about(path) in ("title", "description"):
        return 0.4
    return 1.2 if about(path) in _WORTH else 1.0


def is_administrative(path: Way) -> bool:
    """Whether a path leads to what a museum says of its record or its rights, and not of the object."""
    return any(_ADMIN.search(words_of(s.predicate).lower()) for s in path)


def is_identifier(path: Way) -> bool:
    """Whether a path leads to identifiers or to other pages about the record."""
    said = [words_of(s.predicate).lower() for s in path]
    return any(_IDENTIFIER.search(s) for s in said if "identified" not in s)
