"""Profiles say how a graph says things; what is wrong in one is told in a sentence."""

from __future__ import annotations

import contextlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pyoxigraph import NamedNode

from enrich.ontology.checked import fields_at
from enrich.ontology.path_grammar import CONDITIONS
from enrich.ontology.paths import Step
from enrich.ontology.profile_files import load_profile, parse_profile, profile_names
from enrich.ontology.profiles import ContextProfile, Profile
from enrich.ontology.terms import AAT, CRM, ECRM, SKOS, OntologyError

DOCS = Path(__file__).parents[2] / "docs" / "profiles.md"
SMALL = """
record_class = "crm:E22_Human-Made_Object"
[properties.place]
predicate = "crm:P7_took_place_at"
"""


def profile(text: str):  # type: ignore[no-untyped-def]
    return parse_profile(text, "small", "small.toml")


def test_the_profiles_of_the_package() -> None:
    assert profile_names() == ("dublin-core", "edm", "linked-art", "schema-org", "silknow", "wikidata")
    for name in ("linked-art", "silknow"):
        assert [p.name for p in load_profile(name).properties] == ["place", "time", "technique", "material"]


def test_silknow_has_the_classes_of_its_data() -> None:
    silknow = load_profile("silknow")

    assert {p.name: len(p.classes) for p in silknow.properties} == {
        "place": 9, "time": 5, "technique": 4, "material": 3,
    }  # fmt: skip
    technique = silknow.property("technique")
    thesaurus = "http://data.silknow.org/vocabulary/"
    assert technique.node == (Step(ECRM.P108_has_produced, inverse=True),)
    assert technique.groups[NamedNode(thesaurus + "facet/velvet")] == NamedNode(thesaurus + "379")
    assert technique.narrower == ((Step(SKOS.broader),), (Step(SKOS.member, inverse=True),))
    assert silknow.property("time").classes[0] == AAT["300404510"]
    assert silknow.museum == "museum"
    assert silknow.contexts == (ContextProfile("museum", (), graph=True),)
    assert not any(p.many for p in silknow.properties)


def test_linked_art_has_a_node_between_and_many_values() -> None:
    linked_art = load_profile("linked-art")

    time, material = linked_art.property("time"), linked_art.property("material")
    assert (time.value, time.value_class) == ((Step(CRM.P86_falls_within),), CRM["E52_Time-Span"])
    assert (material.node, material.predicate, material.many) == ((), Step(CRM.P45_consists_of), True)
    assert not any(p.classes for p in linked_art.properties)


@pytest.mark.parametrize(
    ("name", "graph", "facts"),
    [
        ("silknow", "http://data.silknow.org/graph/met", True),
        ("silknow", "http://data.silknow.org/predictions", False),
        ("linked-art", "https://data.example.org/graph/cooperhewitt", True),
        ("linked-art", "https://data.example.org/graph/vocabulary", False),
    ],
)
def test_which_graphs_are_facts(name: str, graph: str, facts: bool) -> None:
    assert load_profile(name).holds_facts(graph) is facts


def test_an_excluded_graph_is_no_fact_even_when_it_is_included() -> None:
    chosen = profile('facts = ["https://a.org/*", "!*/draft"]\n' + SMALL)

    assert chosen.holds_facts("https://a.org/1")
    assert not chosen.holds_facts("https://a.org/draft")
    assert not chosen.holds_facts("https://b.org/1")
    assert profile(SMALL).holds_facts("https://b.org/1")


def test_what_is_left_out_has_a_default() -> None:
    place = profile(SMALL).property("place")

    assert (place.label, place.node, place.value, place.classes, place.minimum, place.many) == (
        "place", (), (), (), 1, False,
    )  # fmt: skip


def test_a_property_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(OntologyError, match="has no property 'maker'; it has: place"):
        profile(SMALL).property("maker")


def test_a_profile_may_extend_another(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_text(
        'extends = "linked-art"\ntitle = "Mine"\n[properties.place]\nminimum = 3\n', encoding="utf-8"
    )

    mine, linked_art = load_profile(file), load_profile("linked-art")

    assert (mine.name, mine.title) == ("mine", "Mine")
    assert mine.property("place").minimum == 3
    assert mine.property("place").node == linked_art.property("place").node
    assert mine.properties[1:] == linked_art.properties[1:]
    assert mine.texts == linked_art.texts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("record_class = ", "not valid TOML"),
        ('record_class = "crm:E22"', r"no property to predict; add a table such as \[properties.place\]"),
        (SMALL.replace('record_class = "crm', 'record_clas = "crm'), "'record_clas' is not a setting; did you mean 'record_class'"),
        (SMALL.replace("record_class", "museum"), "museum names the context|record_class is missing; give it, such as|must be text"),
        (SMALL.replace("predicate", "predicates"), "'properties.place.predicates' is not a setting; did you mean 'predicate'"),
        (SMALL.replace("predicate", "label"), r"properties.place.predicate is missing; give it, such as .crm:P45_consists_of."),
        (SMALL.replace("crm:P7", "nope:P7"), "'nope:P7_took_place_at' has no known prefix"),
        (SMALL.replace("crm:P7_took_place_at", "crm:P7 took"), "not an absolute IRI"),
        (SMALL + 'many = "yes"', "properties.place.many: must be true or false \\(given: 'yes'"),
        (SMALL + "minimum = 0", "minimum: must be greater than or equal to 1 .given: 0"),
        (SMALL + "minimum = true", "minimum: must be a whole number .given: True"),
        (SMALL + 'node = "crm:P108i"', "node: must be a list of steps, such as .*rdfs:label.*given: 'crm:P108i'"),
        (SMALL + "node = [1]", "node: must be a step such as"),
        (SMALL + 'narrower = ["skos:broader"]', "narrower: must be a list of paths, such as"),
        (SMALL + 'value_class = "crm:E52"', "no value path leads on"),
        (SMALL + 'value = ["crm:P86"]', "value must be one forward step"),
        (SMALL + 'classes = ["aat:1"]\n[properties.place.groups]\n"aat:2" = "aat:3"', "not among the classes"),
        (SMALL + '[texts.title]\npath = []', "texts.title.path: must be a path of at least one step, such as"),
        (SMALL + "[texts]\ntitle = 1", "texts.title: must be a table"),
        (SMALL + "[[images]]\nurl = []", "'images.1.url' is not a setting; did you mean|there are: path"),
        (SMALL + "[contexts.museum]", "either a path or graph = true"),
        (SMALL + '[contexts.museum]\ngraph = true\npath = ["crm:P50"]', "either a path or graph = true"),
        (SMALL + 'name = "other"', "place: 'name' is not a setting; a table's key"),
        ('name = "other"\n' + SMALL, "'name' is not a setting; .* a profile's file, is its name"),
        (SMALL.replace('_at"', '_at*"'), r"predicate: must lead on to the object: \? and \* may stand in node"),
        (SMALL + 'node_class = "^crm:E12"', r"node_class: is one IRI: a step that goes backwards"),
        (SMALL + 'node_class = "crm:E12|crm:E7"', r"node_class: is one IRI: \*, \+, \? and \| stand in a path"),
        (SMALL + '[record]\nvalue = "crm:E22"', "record: value is given, but no predicate"),
        (SMALL + '[record]', "record: must say how a record is known: by predicate and value, scheme or graph"),
        (SMALL + '[prefixes]\nmy = 1', "prefixes.my: must be text .given: 1"),
        (SMALL + '[prefixes]\nmy = "words/"', "prefixes: my: .*; write all of it, such as"),
        (SMALL + '[prefixes]\nmy = ""', "prefixes: my: .*; write all of it"),
        (SMALL + '[prefixes]\nmy = "https://a.org/my words/"', "prefixes: my: .*; write all of it"),
        (SMALL + '[prefixes]\n"my own" = "https://a.org/"', "prefixes: 'my own' is no prefix"),
        ('extends = "nonesuch"', "extends 'nonesuch', which is not a profile"),
        ("properties = 1\n" + 'record_class = "crm:E22"', "properties: must be a table"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_told_with_its_place(text: str, said: str) -> None:
    with pytest.raises(OntologyError, match=said) as told:
        profile(text)
    assert "\n" not in str(told.value) or "TOML" in str(told.value)


def test_no_such_profile(tmp_path: Path) -> None:
    with pytest.raises(
        OntologyError,
        match="no profile and no file is called 'nonesuch'; profiles: dublin-core, edm, linked-art",
    ):
        load_profile("nonesuch")
    latin = tmp_path / "latin.toml"
    latin.write_bytes(b'title = "caf\xe9"')
    with pytest.raises(OntologyError, match="not UTF-8"):
        load_profile(latin)


@given(st.text(max_size=60))
def test_any_text_is_a_profile_or_refused_as_one(text: str) -> None:
    for source in (text, f"{SMALL}label = {text!r}", f'record_class = "{text}"'):
        with contextlib.suppress(OntologyError):
            assert profile(source).properties


def test_every_condition_of_a_path_is_documented() -> None:
    section = DOCS.read_text(encoding="utf-8").split("<!-- condition -->")[1].split("<!--")[0]

    assert {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")} == set(CONDITIONS)


@pytest.mark.parametrize(
    ("table", "loc"),
    [("profile", []), *((name, [key]) for name, key in (("record", "record"), ("property", "properties"),
                                                        ("text", "texts"), ("image", "images"),
                                                        ("context", "contexts")))],
)  # fmt: skip
def test_every_key_is_documented(table: str, loc: list[str]) -> None:
    section = DOCS.read_text(encoding="utf-8").split(f"<!-- {table} -->")[1].split("<!--")[0]

    documented = {line.split("`")[1] for line in section.splitlines() if line.startswith("| `")}

    assert documented == set(fields_at(Profile, loc))
