"""Literals that differ by brackets or case become one class where that brings something together."""

from __future__ import annotations

from collections import Counter

from pyoxigraph import Literal, NamedNode

from enrich.drafting.facts import facts_of
from enrich.drafting.spellings import EDGES, spelling_rules
from enrich.drafting.walking import Values, Walk, Way
from enrich.graph.stores import open_store
from enrich.ontology.literals import LiteralRules
from enrich.ontology.profiles import Step

PLACE: Way = (Step(NamedNode("urn:place")),)


def rules(*texts: str) -> tuple[str, str, tuple[str, ...]]:
    """The rules for a place that each of these records states."""
    values: Values = {f"urn:r:{n}": {Literal(text): None} for n, text in enumerate(texts)}
    records = [NamedNode(record) for record in values]
    walk = Walk(open_store(), "", NamedNode("urn:c"), records, {PLACE: values})
    return spelling_rules(facts_of(walk, PLACE, 2))


def test_brackets_are_taken_off_where_that_joins_values() -> None:
    assert rules(*["Roma"] * 9, "[Roma]", "[Roma") == (EDGES, "", ())
    assert rules(*["Roma"] * 9, "[Ostia]") == ("", "", ())


def test_case_is_levelled_where_that_joins_values() -> None:
    assert rules(*["Roma"] * 9, "ROMA") == ("", "lower", ())


def test_what_means_unknown_is_said_as_the_rules_leave_it() -> None:
    """Given "[S.l." for no place, and brackets that are taken off, then the profile's word for it finds it."""
    keep, _, unknown = rules(*["Roma"] * 9, "[Roma]", "[S.l.", "unknown", "Unknown Street")

    assert unknown == ("S.l", "unknown")
    found = LiteralRules.of(None, None, False, keep, {}, unknown)
    assert [found.key(text) for text in ("[S.l.", "[Roma]", "unknown", "Unknown Street")] == [
        None, "Roma", None, "Unknown Street",
    ]  # fmt: skip


def test_the_rule_for_edges_keeps_what_is_inside() -> None:
    cut = LiteralRules.of(None, None, False, EDGES, {}, ())

    said = Counter(cut.part(t) for t in ("[Roma :", "(Saint-Denis)", "Köln (Cologne)", "A/B", "中国]", "[?]"))
    assert said == Counter(["Roma", "Saint-Denis", "Köln (Cologne", "A/B", "中国", ""])
