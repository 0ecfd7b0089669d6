"""Values that are literals: which are one class, which are none, and how the museum writes them."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from pyoxigraph import Literal, NamedNode, Quad

from enrich.graph.gaps import count_gaps, scan
from enrich.graph.literals import LiteralMap
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import Store, open_store
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.profiles import Profile
from enrich.ontology.terms import DCT, RDF, RDFS, XSD, Names, OntologyError
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

NAMES = Names("https://library.example.org/enrich/")
BOOK = NamedNode("https://library.example.org/ns/Book")
GRAPH = NamedNode("https://library.example.org/graph/books")
PLACE = """
record_class = "https://library.example.org/ns/Book"
[prefixes]
dcterms = "http://purl.org/dc/terms/"
[properties.place]
kind = "literal"
predicate = "dcterms:spatial"
"""
RULES = """
unknown = ["[S.l.]", "https://library.example.org/nowhere"]
case = "lower"
keep = '^([^(,]+)'
synonyms = { "Venetia" = "Venezia" }
"""
Stated = Sequence[Literal | NamedNode]


def profile(text: str = PLACE) -> Profile:
    return parse_profile(text, "library", "library.toml")


def books(*said: Stated) -> list[Quad]:
    """A book for each group of places."""
    quads = []
    for number, places in enumerate(said, 1):
        book = NamedNode(f"https://library.example.org/book/{number}")
        quads += [Quad(book, RDF.type, BOOK, GRAPH), Quad(book, RDFS.label, Literal(f"no. {number}"), GRAPH)]
        quads += [Quad(book, DCT.spatial, place, GRAPH) for place in places]
    return quads


def library(text: str, *said: Stated, store: Store | None = None) -> Workspace:
    held = store if store is not None else open_store()
    held.insert(books(*said))
    workspace = Workspace(Settings(base=NAMES.base), held)
    workspace.__dict__["profile"] = profile(text)
    return workspace


def missing(workspace: Workspace) -> set[str]:
    return {row.record.value.rpartition("/")[2] for row in scan(workspace.reader)}


def known(workspace: Workspace) -> list[tuple[str, ...]]:
    return [s.record.known.get("place", ()) for s in workspace.reader.read_all()]


def test_a_literal_is_a_value_and_what_says_nothing_is_a_gap(store: Store) -> None:
    """Given books with a place, without one, with an empty one and with "[S.l.]", then the last three have a gap, in
    the scan as in the records that are read."""
    said = [[Literal("Venezia")], [], [Literal("  ")], [Literal("[S.l.]")], [Literal('Say "B\\C",\nno')]]
    workspace = library(PLACE + 'unknown = ["[S.l.]"]', *said, store=store)

    assert missing(workspace) == {"2", "3", "4"}
    assert count_gaps(workspace).properties["place"].missing == 3
    by_record = {s.iri.value[-1]: s for s in workspace.reader.read_all()}
    assert by_record["1"].record.known == {"place": ('"Venezia"',)}
    assert {n for n, s in by_record.items() if s.missing} == {"2", "3", "4"}
    assert not any(s.record.outside for s in by_record.values())


def test_the_rules_bring_spellings_together() -> None:
    """Given one town written in many ways, then it is one class; the record with two places has two."""
    town = ["Venezia", " VENEZIA ", "Venetia", "Venezia (Italia)", "venezia, 1488"]
    workspace = library(PLACE + RULES, *[[Literal(t)] for t in town], [Literal("Roma"), Literal("Lyon")])

    found = known(workspace)

    assert sorted(found) == sorted([('"venezia"',)] * 5 + [('"lyon"', '"roma"')])


def test_unicode_forms_are_one_class() -> None:
    workspace = library(PLACE, [Literal("N\u00fcrnberg")], [Literal("Nu\u0308rnberg")])

    assert set(known(workspace)) == {('"N\u00fcrnberg"',)}


def test_language_and_datatype_are_asked_for_or_do_not_matter() -> None:
    """Given the same text plain, tagged and typed, then a profile without rules takes all; one with a language takes
    that language and its regions, and one with a datatype that datatype; what is left is said to say nothing."""
    said: list[Stated] = [
        [Literal("Roma")], [Literal("Roma", language="it")], [Literal("Roma", language="it-CH")],
        [Literal("Roma", datatype=XSD.token)],
    ]  # fmt: skip

    for rule, gaps in [("", set()), ('language = "it"', {"1", "4"}), ('language = ""', {"2", "3"}),
                       ('datatype = "xsd:token"', {"1", "2", "3"})]:  # fmt: skip
        workspace = library(PLACE + rule, *said)
        assert missing(workspace) == gaps
        subjects = list(workspace.reader.read_all())
        assert {s.iri.value[-1] for s in subjects if s.missing} == gaps
        assert not any(s.record.outside for s in subjects)


def test_of_listed_classes_only_these_are_values_and_the_rest_lies_outside() -> None:
    workspace = library(PLACE + 'classes = [" Roma", "Paris"]', [Literal("Roma")], [Literal("Lyon")], [])

    subjects = {s.iri.value[-1]: s.record for s in workspace.reader.read_all()}

    assert missing(workspace) == {"2", "3"}
    assert (subjects["1"].known, subjects["2"].outside) == ({"place": ('"Roma"',)}, ("place",))
    assert subjects["3"].outside == ()
    assert workspace.profile.property("place").class_names == ('"Roma"', '"Paris"')


def test_a_class_is_written_as_the_museum_writes_it_most_often() -> None:
    """Given spellings of a class with their records, then the most frequent is written, with its language and
    datatype; a class that has only synonyms is written in the profile's words."""
    rules = LiteralMap.of(profile(PLACE + RULES + "\n").property("place"))
    counted = {
        Literal("ROMA"): 2, Literal("Roma", language="it"): 3, Literal("roma"): 1,
        Literal("Venetia", language="la"): 9, Literal("[S.l.]"): 40,
    }  # fmt: skip

    assert rules.spellings(counted) == {'"roma"': '"Roma"@it', '"venezia"': '"Venezia"@la'}
    assert LiteralMap.of(profile().property("place")).spellings({Literal(" x "): 1, Literal("y"): 1}) == {
        '"x"': '" x "'
    }


def test_a_concept_may_say_that_it_is_unknown() -> None:
    """Given a property of IRIs with one that means "unknown", then its records have a gap and state nothing."""
    text = PLACE.replace('kind = "literal"', 'unknown = ["https://library.example.org/nowhere", "[S.l.]"]')
    nowhere, rome = (
        NamedNode("https://library.example.org/nowhere"),
        NamedNode("https://library.example.org/rome"),
    )
    workspace = library(text, [nowhere], [rome, nowhere], [Literal("[S.l.]")], [Literal("Roma")])

    subjects = {s.iri.value[-1]: s.record for s in workspace.reader.read_all()}

    assert missing(workspace) == {"1", "3", "4"}
    assert subjects["2"].known == {"place": (rome.value,)}
    assert [n for n in "1234" if subjects[n].outside] == ["4"]


def test_the_check_says_which_kind_the_values_are() -> None:
    """Given literals where the profile expects IRIs, and the other way round, then the check says what to set."""
    wrong = library(PLACE.replace('kind = "literal"\n', ""), [Literal("Venezia")], [])
    other = library(PLACE, [NamedNode("https://library.example.org/rome")])

    told = check_profile(wrong.store, wrong.profile, NAMES).advice
    back = check_profile(other.store, other.profile, NAMES).advice

    assert told == [
        '[properties.place] kind: these are literals, such as "Venezia"; set kind = "literal", or "date" where they '
        "are dates."
    ]
    assert 'these are IRIs, such as <https://library.example.org/rome>; set kind = "concept"' in back[0]


def test_the_check_counts_classes_of_literals_and_what_lies_outside() -> None:
    workspace = library(
        PLACE + 'classes = ["Roma", "Paris"]\nunknown = ["?"]',
        [Literal("Roma"), Literal("Roma", language="it")], [Literal("Lyon")], [Literal("?")],
    )  # fmt: skip

    report = check_profile(workspace.store, workspace.profile, NAMES)

    counts = {p.kind: p.records for p in report.patterns if p.name == "place"}
    assert counts == {"predicate": 3, "value": 3, "class": 1, "several": 0}
    assert report.classes["place"] == {'"Roma"': 1}  # one record, whatever it states of it
    assert report.outside["place"] == {'"Lyon"': 1}
    assert any('no record has "Paris"' in said for said in report.advice)


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ("keep = 'x('", "keep: is no regular expression"),
        ("keep = 'x'", "keep: must be a regular expression whose first group"),
        ("classes = ['']", "classes: must be a list of texts"),
        ("classes = 'Roma'", "classes: must be a list"),
        ("unknown = [1]", "unknown: must be a list of texts and IRIs"),
        ('scheme = "aat:1"', 'scheme is for values of the kind "concept"'),
        ("case = 'upper'", "case: must be 'keep' or 'lower'"),
    ],
)
def test_what_is_wrong_in_the_rules_is_a_sentence(rule: str, told: str) -> None:
    with pytest.raises(OntologyError, match=told):
        profile(PLACE + rule)


def test_rules_of_literals_are_refused_for_concepts() -> None:
    with pytest.raises(
        OntologyError, match='language is for values of the kind "literal"; set kind = "literal"'
    ):
        profile(PLACE.replace('kind = "literal"', 'language = "it"'))
