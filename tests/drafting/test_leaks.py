"""A leak tells a property by itself; a good clue does not."""

from __future__ import annotations

import random

from pyoxigraph import Literal, NamedNode

from enrich.drafting.leaks import Leak, leak
from enrich.drafting.walking import Values, Walk, Way
from enrich.graph.stores import open_store
from enrich.ontology.profiles import Step

CODE: Way = (Step(NamedNode("urn:code")),)
WARE: Way = (Step(NamedNode("urn:ware")),)
RECORDS = [NamedNode(f"urn:r:{n}") for n in range(200)]


def found(code: dict[int, str], ware: dict[int, str], length: float = 8) -> Leak | None:
    """The leak, if any, of what stands as `code` about what stands as `ware`."""

    def values(said: dict[int, str]) -> Values:
        return {f"urn:r:{n}": {Literal(text): None} for n, text in said.items()}

    walk = Walk(open_store(), "", NamedNode("urn:c"), RECORDS, {CODE: values(code), WARE: values(ware)})
    return leak(walk, CODE, {"ware": WARE}, length)


def test_a_code_for_each_value_is_a_leak() -> None:
    given = found({n: f"k{n % 8}" for n in range(150)}, {n: f"ware {n % 4}" for n in range(150)})

    assert given is not None
    assert (given.share, given.word_for_word, given.at_gaps, given.gaps, given.usable) == (
        1.0,
        False,
        0,
        50,
        False,
    )


def test_a_good_clue_is_none() -> None:
    """Given a shelf that is right in nine of ten cases, then it may stay."""
    chance = random.Random(5)
    ware = {n: f"ware {n % 4}" for n in range(200)}
    shelf = {n: f"s{n % 4 if chance.random() < 0.85 else chance.randrange(4)}" for n in range(200)}

    assert found(shelf, ware) is None


def test_a_value_of_each_record_alone_tells_nothing() -> None:
    assert found({n: f"id {n}" for n in range(200)}, {n: f"ware {n % 4}" for n in range(200)}) is None


def test_any_value_tells_a_property_that_has_one_answer_nearly_always() -> None:
    """Given a property with one value but for two records, then a shelf that never tells those is no leak."""
    ware = {n: "stone" if n > 1 else "clay" for n in range(200)}

    assert found({n: f"s{n % 5}" for n in range(200)}, ware) is None


def test_a_short_text_with_the_value_in_it_is_a_leak_and_a_description_is_not() -> None:
    ware = {n: f"ware {'abcd'[n % 4]}" for n in range(200)}
    statement = {n: f"Ware {'abcd'[n % 4]}, {n} parts" for n in range(200)}

    given = found(statement, ware)
    assert given is not None
    assert given.word_for_word
    assert "holds it word for word in 100%" in given.reason
    assert found(statement, ware, length=200) is None


def test_a_leak_that_stands_at_the_gaps_too_is_usable() -> None:
    """Given that it stands with values that other records share, for otherwise it could not answer."""
    ware = {n: f"ware {n % 4}" for n in range(150)}

    there = found({n: f"k{n % 4}" for n in range(200)}, ware)
    elsewhere = found({n: f"k{n % 4}" if n < 150 else "not known" for n in range(200)}, ware)

    assert there is not None
    assert there.usable
    assert elsewhere is not None
    assert (elsewhere.at_gaps, elsewhere.usable) == (0, False)
