"""Rules under which the literals of a property that are the same but for brackets or case become one class."""

from collections import Counter

from pyoxigraph import Literal

from enrich.drafting.facts import PathFacts
from enrich.ontology.literals import LiteralRules

EDGES = r"^[\W_]*(.*?)[\W_]*$"
"""Keeps what stands between the first letter or digit and the last: "[Roma]" and "Roma :" are Roma."""
_WORTH = 0.02
"""Of the records those that a rule must bring to a value that others state already."""


def spelling_rules(facts: PathFacts) -> tuple[str, str, tuple[str, ...]]:
    """`keep`, `case` and the texts that mean unknown; empty where no rule is worth it."""
    literals = [(t.value, n) for t, n in facts.counts.items() if isinstance(t, Literal)]
    keep = EDGES if _joined(literals, False, EDGES) >= _WORTH * facts.records else ""
    lower = _joined(literals, True, keep) - _joined(literals, False, keep) >= _WORTH * facts.records
    rules = LiteralRules.of(None, None, lower, keep, {}, ())
    unknown = dict.fromkeys(rules.part(t.value) for t in facts.unknown if isinstance(t, Literal))
    return keep, "lower" if lower else "", tuple(text for text in unknown if text)


def _joined(literals: list[tuple[str, int]], lower: bool, keep: str) -> int:
    """Records whose value becomes a more frequent one's under these rules."""
    plain = LiteralRules.of(None, None, False, "", {}, ())
    rules = LiteralRules.of(None, None, lower, keep, {}, ())
    groups: dict[str, Counter[str]] = {}
    for text, number in literals:
        if (key := rules.key(text)) is not None and (own := plain.key(text)) is not None:
            groups.setdefault(key, Counter())[own] += number
    return sum(spelt.total() - max(spelt.values()) for spelt in groups.values())
