"""A draft finds the records of a graph that it never saw, and what could be learnt of them."""

from __future__ import annotations

import json
import tomllib
from hashlib import md5

import pytest
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.drafting import writing
from enrich.drafting.draft import Draft
from enrich.errors import ProfileError
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import Store, open_store
from enrich.ontology.path_grammar import step_of
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import DCT, RDF
from tests.drafting.made import BASE, GRAPH, NAMES, drafted, pot, pots, term


def taken(draft: Draft, role: str) -> set[str]:
    """The last predicates of what the draft takes in a role."""
    return {
        f.path[-1].predicate.value.rpartition("#")[2] for f in draft.findings if f.role == role and f.taken
    }


def test_the_class_of_the_records_is_the_one_that_is_described_most() -> None:
    """Given as many pots as makings, when a profile is drafted, then it is about the pots."""
    made = drafted()

    assert made.record_class.iri == term("Pot")
    assert made.record_class.resources == 300
    assert {c.iri for c in made.classes} >= {term("Pot"), term("Making")}


def test_what_repeats_and_has_gaps_is_a_property() -> None:
    """Given wares on nine pots in ten and techniques on seven, then both are properties, and nothing else is."""
    assert taken(drafted(), "property") == {"ware", "technique"}


def test_what_repeats_and_is_there_for_all_is_a_context() -> None:
    assert "shelf" in taken(drafted(), "context")


def test_what_gives_a_property_away_is_a_leak_and_left_out() -> None:
    """Given a code that follows from the technique and stands where it stands, then it is a leak of technique."""
    (code,) = [f for f in drafted().findings if f.path[-1].predicate == term("code") and f.role == "leak"]

    assert not code.taken
    assert "gives technique away: tells it by itself in 100%" in code.reason
    assert "in 0 of the 90 sampled records that lack it" in code.reason


def test_what_tells_a_property_and_is_there_without_it_is_taken_with_a_warning() -> None:
    """Given a code that stands on every pot, then it would answer the gaps by itself: it is taken, and said to be a leak."""

    def everywhere() -> list[Quad]:
        missing = [n for n in range(300) if n % 10 >= 7]
        return [
            *pots(),
            *(Quad(pot(n), term("code"), Literal(f"T-{'abcdefgh'[n % 5]}"), GRAPH) for n in missing),
        ]

    (code,) = [f for f in drafted(quads=iter(everywhere())).findings if f.path[-1].predicate == term("code")]

    assert (code.role, code.taken) == ("leak", True)
    assert "stands in 90 of the 90 sampled records that lack it" in code.reason


def test_texts_are_long_or_varied_and_identifiers_are_none() -> None:
    made = drafted()

    texts = {f.path[-1].predicate for f in made.findings if f.role == "text" and f.taken}
    assert {DCT.description} <= texts
    assert not any(f.path[-1].predicate == term("inventoryNumber") for f in made.findings if f.taken)


def test_pictures_are_known_by_what_their_addresses_end_in() -> None:
    (picture,) = [f for f in drafted().findings if f.role == "picture" and f.taken]

    assert [s.predicate.value.rpartition("/")[2].rpartition("#")[2] for s in picture.path] == [
        "photo",
        "contentUrl",
    ]


def test_blank_nodes_on_the_way_hide_nothing() -> None:
    """Given makings that are blank nodes, then the same is found as through nodes with IRIs."""
    blank, named = drafted(quads=pots(blank=True)), drafted()

    for role in ("property", "context", "text", "picture"):
        assert taken(blank, role) == taken(named, role), role


def test_the_draft_fits_the_graph_that_it_was_made_from() -> None:
    """Given the file of a draft, when it is checked against the graph, then it fits, and the counts are the graph's."""
    with open_store() as store:
        text = drafted(store).toml()
        report = check_profile(store, parse_profile(text, "draft", "draft.toml"), NAMES)

    assert report.fits
    counted = {p.name: p.records for p in report.patterns if p.kind == "class"}
    assert counted == {"ware": 270, "technique": 210}


def test_the_file_says_where_its_lines_come_from() -> None:
    text = drafted().toml()

    said = tomllib.loads(text)
    assert said["record_class"] == "ontology:Pot"
    assert said["properties"]["technique"]["node_class"] == "ontology:Making"
    assert "# 70% of the sampled records state it" in text
    assert "# [contexts.code]" in text
    assert "# gives technique away" in text
    assert '# scheme = "pots:techniques"   # the values are in it' in text


def test_hostile_values_stay_within_comments_and_strings() -> None:
    """Given values with line ends, quotes and marks of TOML, then the file still says what it said."""

    def hostile() -> list[Quad]:
        bad = 'x"""\n[properties.injected]\npredicate = "a:b"\r\x85\u2028#'
        return [*pots(), *(Quad(pot(n), term("mark"), Literal(f"{bad}{n % 3}"), GRAPH) for n in range(300))]

    said = tomllib.loads(drafted(quads=iter(hostile())).toml())

    assert set(said["properties"]) == set(tomllib.loads(drafted().toml())["properties"])


def test_an_odd_predicate_and_a_few_blank_nodes_cost_no_property() -> None:
    """Given wares under a predicate with brackets, and a dozen pots that state a blank node there, then the draft has it."""
    odd = NamedNode(f"{BASE}ontology/ware_(main)")
    quads = [Quad(q.subject, odd, q.object, GRAPH) if q.predicate == term("ware") else q for q in pots(100)]
    quads += [Quad(pot(n), odd, BlankNode(), GRAPH) for n in range(1, 13)]

    draft = drafted(quads=iter(quads))

    assert odd in {
        f.path[-1].predicate
        for f in draft.findings
        if f.role == "property" and f.taken and f.kind == "concept"
    }
    properties = parse_profile(draft.toml(), "draft", "draft.toml").properties
    assert odd in {prop.predicate.predicate for prop in properties}


def test_what_a_profile_cannot_say_stays_in_a_comment(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(text: str, prefixes: object) -> object:
        if "ware" in text:
            raise ValueError("no step")
        return step_of(text, prefixes)  # type: ignore[arg-type]

    monkeypatch.setattr(writing, "step_of", refuse)
    text = drafted().toml()

    assert set(tomllib.loads(text)["properties"]) == {"technique"}
    assert "# [properties.ware]" in text
    assert "a step of its path cannot be written" in text


def test_records_in_several_graphs_are_of_several_museums() -> None:
    def two() -> list[Quad]:
        other = NamedNode(BASE + "graph/other")
        return [
            Quad(q.subject, q.predicate, q.object, other) if "pot/1" in str(q.subject) else q for q in pots()
        ]

    said = tomllib.loads(drafted(quads=iter(two())).toml())

    assert said["museum"] == "graph"
    assert said["contexts"]["graph"] == {"graph": True}


@pytest.mark.parametrize("share", [2, 10])
def test_a_field_may_be_called_as_the_graphs_are(share: int) -> None:
    """Given records of several graphs and a field `graph` of their own, which is a property where half of them state it and
    a context where nearly all do, then the draft has both."""
    kinds = ("bar", "line", "pie")

    def with_graphs() -> list[Quad]:
        other = NamedNode(BASE + "graph/other")
        moved = [
            Quad(q.subject, q.predicate, q.object, other) if "pot/1" in str(q.subject) else q for q in pots()
        ]
        drawn = [
            Quad(pot(n), term("graph"), Literal(kinds[n // 7 % 3]), GRAPH) for n in range(300) if n % share
        ]
        return [*moved, *drawn]

    said = tomllib.loads(drafted(quads=iter(with_graphs())).toml())

    assert said["contexts"]["graph"] == {"graph": True}
    assert "graph_2" in {**said["contexts"], **said["properties"]}


def test_a_sample_finds_the_same_every_time_and_in_every_store(store: Store) -> None:
    """Given any kind of store, when a third of the pots is looked at, then the findings are those of any other."""
    made = drafted(store, size=100)
    other = drafted(size=100)

    assert 60 <= len(made.walk.records) <= 100
    assert made.walk.records == other.walk.records
    assert json.dumps(made.to_json()["findings"]) == json.dumps(other.to_json()["findings"])
    assert made.toml() == other.toml()


def test_a_sample_is_of_those_that_the_md5_puts_first() -> None:
    """Given more pots below the bound that is asked for than are wanted, then no order of a store decides."""
    by_md5 = sorted(map(pot, range(300)), key=lambda p: md5(p.value.encode()).hexdigest())

    assert set(drafted(size=200).walk.records) == set(by_md5[:200])


def test_our_own_graphs_are_not_looked_at() -> None:
    def ours() -> list[Quad]:
        graph = NamedNode(NAMES.base + "graph/accepted")
        return [
            *pots(),
            *(Quad(pot(n), term("guess"), NamedNode(f"{BASE}g/{n % 3}"), graph) for n in range(300)),
        ]

    assert not any(f.path[-1].predicate == term("guess") for f in drafted(quads=iter(ours())).findings)


def test_a_class_can_be_named() -> None:
    assert drafted(record_class=term("Making")).record_class.iri == term("Making")
    with pytest.raises(
        ProfileError, match=r"no resource with an IRI is of the class <.*#Jug>; there are: <.*#Pot>"
    ):
        drafted(record_class=term("Jug"))


def test_an_empty_store_says_what_to_do() -> None:
    with pytest.raises(ProfileError, match="load a graph first"):
        drafted(quads=iter([]))


def test_a_graph_with_nothing_to_predict_says_so() -> None:
    quads = (Quad(pot(n), RDF.type, term("Pot"), GRAPH) for n in range(100))

    with pytest.raises(ProfileError, match="nothing that repeats and could be predicted"):
        drafted(quads=quads).toml()


def test_when_time_is_up_the_draft_says_so() -> None:
    made = drafted(seconds=0.0)

    assert not made.walk.complete
    assert "Time was up" in made.toml()
