"""Paths: what a profile may write, and the SPARQL that comes of it."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import NamedNode, Quad, Store

from enrich.ontology.path_grammar import path_of
from enrich.ontology.paths import (
    Condition,
    Path,
    Step,
    condition_pattern,
    path_pattern,
    path_text,
    path_triples,
    single_steps,
    ways_along,
)
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import CRM, PREFIXES, RDF, SKOS, OntologyError

EX = {"ex": "https://x.example/"}


def read(*parts: object) -> Path:
    return path_of(list(parts), PREFIXES | EX)


def x(name: str) -> NamedNode:
    return NamedNode(EX["ex"] + name)


def test_a_path_is_a_property_path_or_a_triple_pattern_for_each_step() -> None:
    path = (Step(CRM.a, inverse=True), Step(CRM.b))

    assert path_text(path) == f"^{CRM.a}/{CRM.b}"
    assert path_pattern("?record", path, "?end") == f"?record ^{CRM.a}/{CRM.b} ?end ."
    assert path_triples("record", path, "end") == f"?end_1 {CRM.a} ?record . ?end_1 {CRM.b} ?end ."
    assert (path_text(()), path_pattern("?a", (), "?a"), path_triples("record", (), "end")) == ("", "", "")


@pytest.mark.parametrize(
    ("written", "step"),
    [
        ("ex:a", Step(x("a"))),
        ("^ex:a", Step(x("a"), inverse=True)),
        ("ex:a?", Step(x("a"), repeat="?")),
        ("^skos:broader*", Step(SKOS.broader, inverse=True, repeat="*")),
        ("<https://x.example/a?>+", Step(x("a?"), repeat="+")),
        ("https://x.example/a", Step(x("a"))),
        ("ex:deep/down", Step(x("deep/down"))),
        ("ex:a | ^ex:b*", Step(x("a"), others=(Step(x("b"), inverse=True, repeat="*"),))),
    ],
)
def test_a_step_is_one_text(written: str, step: Step) -> None:
    assert read(written) == (step,)


def test_a_condition_cuts_a_property_path() -> None:
    path = read("ex:named", {"class": "ex:Name"}, "ex:part*", "ex:text|ex:content")

    assert path_pattern("?record", path, "?v") == (
        f"?record {x('named')} ?v_2 . ?v_2 {RDF.type} {x('Name')} . ?v_2 {x('part')}*/({x('text')}|{x('content')}) ?v ."
    )
    assert path_triples("record", path, "v") == (
        f"?record {x('named')} ?v_2 . ?v_2 {RDF.type} {x('Name')} . ?v_2 {x('part')}*/({x('text')}|{x('content')}) ?v ."
    )
    assert path_pattern("?record", read("ex:made|^ex:produced", "ex:part*"), "?v") == (
        f"?record ({x('made')}/{x('part')}*|^{x('produced')}/{x('part')}*) ?v ."
    )
    assert path_triples("record", read("ex:made|^ex:produced", "ex:at"), "v") == (
        f"?record ({x('made')}|^{x('produced')}) ?v_1 . ?v_1 {x('at')} ?v ."
    )
    assert path_text(path, lambda iri: iri.value.rpartition("/")[2]) == (
        "named[22-rdf-syntax-ns#type Name]/part*/(text|content)"
    )


GRAPH = """
PREFIX ex: <https://x.example/> PREFIX crm: <http://www.cidoc-crm.org/cidoc-crm/>
PREFIX skos: <http://www.w3.org/2004/02/skos/core#>
INSERT DATA {
  ex:r ex:to ex:a, ex:b, "le nom"@fr, "the name"@en-GB, "1234", ex:c .
  ex:a a ex:Name ; crm:P2_has_type ex:Title ; skos:inScheme ex:Scheme ; ex:unit ex:cm ; ex:note "in centimetres"@en .
  ex:b a ex:Other ; ex:unit ex:inch ; ex:part ex:c .
  ex:c a ex:Thing .
}
"""


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"class": "ex:Name"}, ["a"]),
        ({"class": ["ex:Name", "ex:Other"]}, ["a", "b"]),
        ({"type": "ex:Title"}, ["a"]),
        ({"scheme": "ex:Scheme"}, ["a"]),
        ({"language": "en"}, ["the name"]),
        ({"language": ["fr", ""]}, ["1234", "le nom"]),
        ({"pattern": "^[0-9]+$"}, ["1234"]),
        ({"pattern": "/[ab]$"}, ["a", "b"]),
        ({"where": {"ex:unit": "ex:inch"}}, ["b"]),
        ({"where": {"ex:unit": True}}, ["a", "b"]),
        ({"not": {"class": "ex:Name", "where": {"^ex:part": True}}, "pattern": "x.example"}, ["b"]),
        ({"where": {"ex:note": "in centimetres"}}, ["a"]),
        ({"where": {"^ex:part": True}}, ["c"]),
        ({"where": {"ex:unit": ["ex:cm", "ex:inch"]}, "class": "ex:Other"}, ["b"]),
    ],
    ids=str,
)
def test_a_condition_keeps_the_nodes_of_which_it_holds(
    condition: dict[str, object], found: list[str]
) -> None:
    store = Store()
    store.update(GRAPH)
    path = read("ex:to", condition)

    for pattern in (path_pattern("?record", path, "?v"), path_triples("record", path, "v")):
        rows = store.query(f"SELECT ?v WHERE {{ {pattern} }}")
        assert sorted({row[0].value.removeprefix(EX["ex"]) for row in rows}) == found  # type: ignore[union-attr]


def test_a_path_may_end_in_a_term_that_a_condition_holds_of() -> None:
    store = Store()
    store.update(GRAPH)
    path = read("ex:to", {"language": "fr"})

    assert store.query(f"ASK {{ {path_pattern('?r', path, chr(34) + 'le nom' + chr(34) + '@fr')} }}")
    assert not store.query(f"ASK {{ {path_pattern('?r', path, chr(34) + '1234' + chr(34))} }}")


def test_every_predicate_that_a_path_may_pass_is_told_with_the_way_there() -> None:
    path = read("ex:a|^ex:b", {"where": {"ex:unit": "ex:cm"}}, "ex:c*", "ex:d")

    first = (Step(x("a"), others=(Step(x("b"), inverse=True),)),)
    again = Step(x("c"), repeat="*")
    assert list(single_steps(path)) == [
        ((), Step(x("a"))),
        ((), Step(x("b"), inverse=True)),
        (first, Step(x("unit"))),
        ((*first, again), Step(x("c"))),
        ((*first, again), Step(x("d"))),
    ]


@pytest.mark.parametrize(
    "written",
    [
        "<https://x.example/wood_(main)>",
        "https://x.example/wood_(main)",
        "ex:wood_(main)",
        "ex:(main)_wood",
        "<https://x.example/(a)/b>",
    ],
)
def test_an_iri_may_have_brackets(written: str) -> None:
    text = f'record_class = "ex:T"\n[prefixes]\nex = "https://x.example/"\n[properties.p]\npredicate = "^{written}|ex:b"'

    step = parse_profile(text, "mine", "mine.toml").property("p").predicate

    assert step.predicate.value == written.strip("<>").replace("ex:", "https://x.example/")
    assert step.inverse
    assert len(step.others) == 1


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ('["ex:a**"]', r"'ex:a\*\*' is no step: write one such as \"crm:P45"),
        ('["ex:a|"]', "'' is no step"),
        ('["^^ex:a"]', "is no step"),
        ('["(ex:a|ex:b)"]', "has brackets: a step is one predicate or several, such as"),
        ('["^(ex:a)*"]', "has brackets"),
        ('["ex:a/(ex:b)"]', "has brackets"),
        ('["ex:a|(ex:b)"]', "has brackets"),
        ('["(<https://x.example/a>)"]', "has brackets"),
        ('["ex:a/ex:b"]', r"is several steps: write them apart, \[\"ex:a\", \"ex:b\"\]"),
        ('["exx:a"]', "'exx:a' has no known prefix; did you mean 'ex'"),
        ('["ex:a b"]', "not an absolute IRI"),
        ('["ex:a", { clas = "ex:B" }]', "'clas' is no condition; did you mean 'class'"),
        ('["ex:a", {}]', "must be a condition such as"),
        ('["ex:a", { class = 1 }]', "must be an IRI or a prefixed name"),
        ('["ex:a", { language = 1 }]', "language must be a tag"),
        ('["ex:a", { pattern = "(" }]', "pattern is no regular expression"),
        ('["ex:a", { not = { language = "en" } }]', "not takes class, type, scheme and where"),
        ('["ex:a", { where = "ex:b" }]', "where must be a table such as"),
        ('["ex:a", { where = { "ex:b" = false } }]', "must be a value, a list of values, or true for any"),
        ('["ex:a", { where = { "ex:b" = "exx:c" } }]', "'exx:c' has no known prefix"),
        ('[{ class = "ex:B" }]', "must be a path of at least one step"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_path_is_told_with_its_key(path: str, said: str) -> None:
    text = (
        'record_class = "ex:Thing"\n[prefixes]\nex = "https://x.example/"\n'
        f'[properties.place]\npredicate = "ex:place"\n[texts.title]\npath = {path}\n'
    )
    with pytest.raises(OntologyError, match=rf"mine.toml: texts.title.path: .*{said}"):
        parse_profile(text, "mine", "mine.toml")


@pytest.mark.parametrize(
    ("value", "path"),
    [
        ('[{ scheme = "ex:Styles" }]', f"{x('is')} ?v ."),
        ('["skos:exactMatch?"]', f"{x('is')}/{SKOS.exactMatch}? ?v ."),
    ],
)
def test_the_object_is_the_value_where_no_step_must_lead_on(value: str, path: str) -> None:
    text = f'record_class = "ex:T"\n[prefixes]\nex = "https://x.example/"\n[properties.p]\npredicate = "ex:is"\nvalue = {value}'
    prop = parse_profile(text, "mine", "mine.toml").property("p")

    assert ways_along(prop.value) == ()
    assert path in path_pattern("?record", prop.path, "?v")


def test_conditions_of_one_node_use_variables_of_their_own() -> None:
    (condition,) = read({"where": {"ex:a": "one", "ex:b": "two"}})
    assert isinstance(condition, Condition)

    assert condition_pattern(condition, "?v", "?v") == (
        f'?v {x("a")} ?v_is1 . FILTER(STR(?v_is1) IN ("one")) ?v {x("b")} ?v_is2 . FILTER(STR(?v_is2) IN ("two"))'
    )


Triples = frozenset[tuple[str, str, str]]
NODES = st.sampled_from("klmn")
STEPS = st.sampled_from(["ex:a", "^ex:a", "ex:b"])
FACTS = st.dictionaries(STEPS, st.lists(NODES.map("ex:{}".format), min_size=1, max_size=2), max_size=2)
CONDITIONS = st.builds(lambda held, none: {"where": held, "not": {"where": none}}, FACTS, FACTS)
PATHS = st.lists(st.one_of(STEPS, CONDITIONS), min_size=1, max_size=4).filter(
    lambda path: any(isinstance(part, str) for part in path)
)


def reached(graph: Triples, nodes: set[str], path: Path) -> set[str]:
    """Where a path leads from some nodes."""
    for part in path:
        if isinstance(part, Step):
            name = part.predicate.value.removeprefix(EX["ex"])
            ways = {(o, s) if part.inverse else (s, o) for s, p, o in graph if p == name}
            nodes = {there for here, there in ways if here in nodes}
        else:
            nodes = {node for node in nodes if holds(graph, node, part)}
    return nodes


def holds(graph: Triples, node: str, condition: Condition) -> bool:
    def has(fact: tuple[Step, tuple[NamedNode | str, ...]]) -> bool:
        step, values = fact
        return any(x(there) in values for there in reached(graph, {node}, (step,)))

    none = condition.excluded.facts if condition.excluded else ()
    return all(map(has, condition.facts)) and not any(map(has, none))


@settings(max_examples=300, deadline=None)
@given(
    st.frozensets(st.tuples(NODES, st.sampled_from("ab"), NODES), max_size=12),
    CONDITIONS,
    PATHS,
    PATHS,
    NODES,
)
def test_a_query_finds_what_reading_finds(
    graph: Triples, known: dict[str, object], written: list[object], other: list[object], end: str
) -> None:
    """A record by a condition, one path from it to anywhere, another to a term: none sees what the others bind."""
    store = Store()
    store.extend(Quad(x(s), x(p), x(o)) for s, p, o in graph)
    (condition,), path, second = read(known), read(*written), read(*other)
    assert isinstance(condition, Condition)
    head = f"?record ?any ?thing . {condition_pattern(condition, '?record', '?said')}"
    onward = path_pattern("?record", second, str(x(end)), "?context")

    expected = {
        (s, there)
        for s in {s for s, _, _ in graph}
        if holds(graph, s, condition) and end in reached(graph, {s}, second)
        for there in reached(graph, {s}, path)
    }
    for pattern in (path_pattern("?record", path, "?v"), path_triples("record", path, "v")):
        rows = store.query(f"SELECT ?record ?v WHERE {{ {head} {onward} {pattern} }}")
        found = {tuple(term.value.removeprefix(EX["ex"]) for term in row) for row in rows}  # type: ignore[union-attr]
        assert found == expected, pattern
