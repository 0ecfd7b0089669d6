"""A profile that fits is counted; one that does not is told what to change."""

from __future__ import annotations

import gzip
import json
import re

import pyoxigraph as ox
import pytest
from pyoxigraph import NamedNode

from enrich.graph.profile_check import ProfileReport, check_profile
from enrich.graph.stores.embedded import EmbeddedStore
from enrich.ontology.profile_files import load_profile, parse_profile
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import Names
from tests.ontology.pattern import museum_data

NAMES = Names("https://museum.example.org/enrich/")
HEAD = """
@prefix crm: <http://www.cidoc-crm.org/cidoc-crm/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix m: <https://museum.example.org/> .
@prefix v: <https://museum.example.org/vocab/> .
"""
FACTS = """
m:graph1 {
  m:o1 a crm:E22_Human-Made_Object ; rdfs:label "Velvet"@en ; crm:P108i_was_produced_by m:p1 ;
    crm:P50_has_current_keeper m:met ; crm:P45_consists_of v:silk, v:gold .
  m:p1 a crm:E12_Production ; crm:P32_used_general_technique v:cut-velvet ; crm:P4_has_time-span m:t1 .
  m:t1 a crm:E52_Time-Span ; crm:P86_falls_within v:c18 .
  m:o2 a crm:E22_Human-Made_Object ; crm:P108i_was_produced_by m:p2 .
  m:p2 a crm:E12_Production ; crm:P32_used_general_technique v:unheard-of ; crm:P4_has_time-span m:t2 .
  m:t2 a crm:E52_Time-Span .
}
m:graph2 { m:o3 a crm:E22_Human-Made_Object ; crm:P108i_was_produced_by m:p3 .
  m:p3 a crm:E12_Production ; crm:P32_used_general_technique v:damask . }
m:vocabulary { v:cut-velvet skos:broader v:pile . v:velvets skos:member v:pile . v:circle skos:broader v:circle . }
<https://museum.example.org/enrich/graph/accepted> { m:p2 crm:P32_used_general_technique v:damask .
  v:unheard-of skos:broader v:damask . m:o9 a crm:E22_Human-Made_Object . }
"""
PROFILE = """
record_class = "crm:E22_Human-Made_Object"
facts = ["https://museum.example.org/graph*"]
museum = "museum"
labels = [["rdfs:label"]]
[prefixes]
v = "https://museum.example.org/vocab/"
[properties.technique]
node = ["crm:P108i_was_produced_by"]
node_class = "crm:E12_Production"
predicate = "crm:P32_used_general_technique"
classes = ["v:velvet", "v:damask", "v:lampas"]
narrower = [["skos:broader"], ["^skos:member"]]
groups = { "v:velvets" = "v:velvet" }
[properties.time]
node = ["crm:P108i_was_produced_by"]
predicate = "crm:P4_has_time-span"
value = ["crm:P86_falls_within"]
value_class = "crm:E52_Time-Span"
minimum = 5
[properties.material]
predicate = "crm:P45_consists_of"
[texts.title]
path = ["rdfs:label"]
[contexts.museum]
path = ["crm:P50_has_current_keeper"]
[contexts.graph]
graph = true
"""


def profile(text: str = PROFILE) -> Profile:
    return parse_profile(text, "small", "small.toml")


def store(text: str = FACTS) -> EmbeddedStore:
    made = EmbeddedStore()
    made.insert(ox.parse((HEAD + text).encode(), ox.RdfFormat.TRIG))
    return made


def check(text: str = PROFILE, facts: str = FACTS) -> ProfileReport:
    with store(facts) as opened:
        return check_profile(opened, profile(text), NAMES)


def counts(report: ProfileReport, name: str) -> dict[str, int]:
    return {p.kind: p.records for p in report.patterns if p.name == name}


def test_each_pattern_is_counted_in_records() -> None:
    report = check()

    assert report.records == 3
    assert report.graphs == ("https://museum.example.org/graph1", "https://museum.example.org/graph2")
    assert counts(report, "technique") == {"node": 3, "predicate": 3, "value": 3, "class": 2, "several": 0}
    assert counts(report, "time") == {"node": 2 + 1, "predicate": 2, "value": 1, "class": 1, "several": 0}
    assert counts(report, "material") == {"predicate": 1, "value": 1, "class": 1, "several": 1}
    assert counts(report, "title") == {"text": 1}
    assert counts(report, "museum") == {"context": 1}
    assert counts(report, "graph") == {"context": 3}
    assert report.fits


def test_raw_values_are_followed_to_their_classes_but_not_through_our_own_graphs() -> None:
    report = check()

    assert report.classes["technique"] == {
        "https://museum.example.org/vocab/velvet": 1,
        "https://museum.example.org/vocab/damask": 1,
    }
    assert report.outside["technique"] == {"https://museum.example.org/vocab/unheard-of": 1}
    assert report.outside_total == {"technique": 1}


def test_the_advice_says_what_to_change() -> None:
    told = " ".join(check().advice)

    assert "[properties.technique]: 1 values of 1 records reach no class, first <https://museum" in told
    assert "classes: no record has <https://museum.example.org/vocab/lampas>; nothing can learn it." in told
    assert "[properties.time] minimum: 1 of 1 classes have fewer than 5 records" in told
    assert "[properties.material] many: 1 records have more than one class; set many = true" in told


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ('node = ["crm:P108i_was', 'node = ["crm:P109i_was', "there are .*crm:P108i_was_produced_by \\(3\\)"),
        (
            "crm:P32_used_general_technique",
            "crm:P33_used",
            "crm:P33_used matches nothing; .*crm:P32_used_general",
        ),
        (
            "crm:P86_falls_within",
            "crm:P82_at",
            "value: crm:P82_at matches nothing; .*crm:P86_falls_within \\(1\\)",
        ),
        ('node_class = "crm:E12', 'node_class = "crm:E13', "node_class: no node is a crm:E13_Production"),
        ('path = ["rdfs:label"]', 'path = ["rdfs:comment"]', "\\[texts.title\\]: rdfs:comment leads nowhere"),
        ('"crm:E22_Human-Made_Object"', '"crm:E22_Man-Made"', "there are crm:E12_Production \\(3\\)"),
        ("org/graph*", "org/graph2", "never"),
        ("org/graph*", "org/other*", "<https://museum.example.org/graph1> holds 2 records"),
    ],
)
def test_a_pattern_that_finds_nothing_is_told_with_what_is_there(old: str, new: str, said: str) -> None:
    told = " ".join(check(PROFILE.replace(old, new)).advice)

    if said == "never":
        assert "holds" not in told
    else:
        assert re.search(said, told), told


OWN = PROFILE.replace(
    "[prefixes]", '[prefixes]\nm = "https://museum.example.org/"\nvv = "https://museum.example.org/vocab/v/"'
)


def told(text: str, facts: str) -> str:
    return " ".join(check(text, FACTS + facts).advice)


def test_a_condition_that_no_prediction_can_say_is_named_where_a_node_has_to_be_made() -> None:
    """Given a condition that asks for any value, and records without a node that meets it, then it is named; one with a
    value, and one that every record meets, is not."""
    node = 'node = ["crm:P108i_was_produced_by"]\nnode_class'
    some = 'node = ["crm:P108i_was_produced_by", { where = { "crm:P4_has_time-span" = true } }]\nnode_class'
    one = some.replace("= true", '= "m:t1"').replace("m:t1", "https://museum.example.org/t1")
    every = some.replace("crm:P4_has_time-span", "rdf:type")
    told = [[line for line in check(PROFILE.replace(node, each)).advice if "cannot be said" in line]
            for each in (some, one, every)]  # fmt: skip

    assert [len(lines) for lines in told] == [1, 0, 0]
    assert told[0][0].startswith("[properties.technique] node: crm:P4_has_time-span cannot be said of a node")


def test_a_record_that_is_a_blank_node_is_none() -> None:
    """Given a blank node of the records' class, then it is not counted, as `gaps` and `run` do not."""
    report = check(facts=FACTS + "m:graph1 { [] a crm:E22_Human-Made_Object ; crm:P45_consists_of v:silk . }")

    assert report.records == 3
    assert counts(report, "material")["class"] == 1
    assert report.classes["material"]["https://museum.example.org/vocab/silk"] == 1


def test_prefixes_are_those_of_the_profile_the_closest_first() -> None:
    """Given predicates that only the profile has a prefix for, then a hint writes them so that it can be copied."""
    facts = "m:graph1 { m:o1 <https://museum.example.org/vocab/v/dye> v:red ; v:hue v:red ; m:shade v:red . }"

    said = told(OWN.replace("crm:P45_consists_of", "crm:P46_is_composed_of"), facts)

    assert "vv:dye (1)" in said
    assert "v:hue (1)" in said
    assert "m:shade (1)" in said
    assert (
        "<https://museum.example.org/"
        not in said.partition("nothing; ")[2].partition(".  ")[0].partition("[")[0]
    )


def test_a_step_that_the_profile_refuses_is_not_suggested() -> None:
    """Given a value that leads nowhere, then only steps forwards are named: `value` takes no others."""
    said = told(PROFILE.replace("crm:P86_falls_within", "crm:P82_at"), "m:graph1 { m:x v:about m:t1 . }")

    assert "[properties.time] value: crm:P82_at matches nothing; there are " in said
    assert "^" not in said.partition("[properties.time] value")[2].partition(". [")[0]


def test_literals_where_iris_are_expected_are_named_as_such() -> None:
    """Given a property of IRIs whose values are literals, then that is what is said, and no path."""
    said = told(PROFILE.replace("crm:P45_consists_of", "rdfs:label"), "")

    assert '[properties.material] kind: these are literals, such as "Velvet"@en; set kind = "literal"' in said
    assert "[properties.material] value" not in said


def test_blank_nodes_as_values_are_named_as_such() -> None:
    said = told(
        PROFILE.replace("crm:P45_consists_of", "v:made"), "m:graph1 { m:o1 v:made [ v:of v:silk ] . }"
    )

    assert "[properties.material] kind: these are blank nodes; no prediction can name them" in said
    assert "there are v:of (1)" in said


def test_a_text_that_leads_to_iris_says_so() -> None:
    said = told(PROFILE.replace('path = ["rdfs:label"]', 'path = ["crm:P45_consists_of"]'), "")

    assert (
        "[texts.title]: crm:P45_consists_of leads to IRIs, such as <https://museum.example.org/vocab/" in said
    )
    assert "not to literals" in said


def test_a_path_says_where_it_stops() -> None:
    """Given a path of two steps whose second leads nowhere, then what leads on from behind the first is named."""
    path = 'path = ["crm:P108i_was_produced_by", "rdfs:comment"]'
    said = told(PROFILE.replace('path = ["rdfs:label"]', path), "")

    assert "leads nowhere: it stops behind crm:P108i_was_produced_by, where there are " in said
    assert "crm:P4_has_time-span (2)" in said


def test_a_profile_that_finds_no_value_does_not_fit() -> None:
    report = check(PROFILE.replace("crm:P45_consists_of", "crm:P46_is_composed_of"))

    assert not report.fits
    assert [p.name for p in report.patterns if p.kind == "predicate" and not p.records] == ["material"]


def test_an_empty_store_is_told_to_be_loaded() -> None:
    report = check(facts="")

    assert (report.records, report.fits) == (0, False)
    assert "load a graph" in report.advice[0]


def test_a_scheme_without_concepts_is_told() -> None:
    text = PROFILE.replace(
        'predicate = "crm:P45_consists_of"', 'predicate = "crm:P45_consists_of"\nscheme = "v:materials"'
    )

    report = check(text)

    assert "[properties.material] scheme: the graph holds no concept of" in " ".join(report.advice)
    assert not report.fits
    concepts = FACTS + "m:vocabulary { v:silk skos:inScheme v:materials . }"
    assert check(text, concepts).classes["material"] == {"https://museum.example.org/vocab/silk": 1}


def test_values_in_a_circle_end() -> None:
    assert check(facts=FACTS.replace("v:unheard-of ;", "v:circle ;")).outside["technique"] == {
        "https://museum.example.org/vocab/circle": 1
    }


def test_records_are_counted_once_whatever_they_state_of_a_class() -> None:
    """Given records that state a class by several values, a concept beside what lies below it, a word in two languages, or a
    date beside one that says nothing, then each counts once for the class, and none has more than one."""
    facts = """
m:graph1 {
  m:a a crm:E22_Human-Made_Object ; m:wood v:ash, v:hardwood ; m:town "Linz"@de, "Linz"@en, "[s.l.]" ; m:year "1720", "1730s", "n.d." .
  m:b a crm:E22_Human-Made_Object ; m:wood v:ash, v:pine, v:lead, v:tin, "some wood" ; m:town "Graz", "?", "??" ; m:year "1840", "later", "long ago" .
  v:ash skos:broader v:hardwood .
}
m:graph2 { m:a a crm:E22_Human-Made_Object ; m:wood v:ash . }"""
    head = PROFILE[: PROFILE.index("[properties.technique]")].replace('museum = "museum"', "")
    text = (
        head
        + """m = "https://museum.example.org/"
[properties.wood]
predicate = "m:wood"
classes = ["v:hardwood", "v:pine"]
narrower = [["skos:broader"]]
[properties.town]
kind = "literal"
predicate = "m:town"
classes = ["Linz", "Graz"]
unknown = ["[s.l.]"]
[properties.year]
kind = "date"
by = "century"
predicate = "m:year"
"""
    )

    report = check(text, facts)

    found = {name: (sorted(c.values()), counts(report, name)["class"], counts(report, name)["several"])
             for name, c in report.classes.items()}  # fmt: skip
    assert found == {"wood": ([1, 2], 2, 1), "town": ([1, 1], 2, 0), "year": ([1, 1], 2, 0)}
    assert report.outside_total == {"wood": 1, "town": 1, "year": 1}
    assert report.outside["wood"].keys() == {
        *(f"https://museum.example.org/vocab/{name}" for name in ("lead", "tin")), '"some wood"'
    }  # fmt: skip
    advice = " ".join(report.advice)
    assert "[properties.wood]: 3 values of 1 records reach no class" in advice
    assert "texts, which are no concepts, to unknown" in advice
    assert "[properties.wood] many: 1 records have more than one class" in advice
    assert "[properties.town] many" not in advice
    assert "[properties.year] many" not in advice


def test_the_report_is_json() -> None:
    said = json.loads(json.dumps(check().to_json()))

    assert said["records"] == 3
    assert said["patterns"][0] == {
        "kind": "records", "name": "", "pattern": "a crm:E22_Human-Made_Object", "records": 3,
    }  # fmt: skip


def test_a_hostile_iri_in_the_graph_stays_in_its_place() -> None:
    hostile = NamedNode("https://a.org/?q='%22;DROP%20ALL--")
    facts = FACTS.replace("v:unheard-of ;", f"{hostile} ;")

    assert check(facts=facts).outside["technique"] == {hostile.value: 1}


@pytest.mark.data
@pytest.mark.slow
def test_silknow_has_the_values_that_are_known_to_be_there() -> None:
    with EmbeddedStore() as opened, gzip.open(museum_data("silknow/records.nq.gz")) as file:
        opened.insert(ox.parse(file, ox.RdfFormat.N_QUADS), bulk=True)
        report = check_profile(opened, load_profile("silknow"), NAMES)

    assert report.records == 17655
    found = {p.name: p.records for p in report.patterns if p.kind == "class"}
    assert {name: 17655 - number for name, number in found.items()} == {
        "place": 7296, "time": 9292, "technique": 11982, "material": 3328,
    }  # fmt: skip
    assert not report.outside
