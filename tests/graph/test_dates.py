"""Dates as values: the spans of years they fall into, gaps, and the time-span that is predicted."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from pyoxigraph import Literal, NamedNode, Quad
from rich.console import Console

from enrich.answering import run as pipeline
from enrich.graph.dates import DateMap
from enrich.graph.gaps import scan
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.spans import EDTF
from enrich.ontology.terms import AAT, CRM, ENR, RDF, XSD, OntologyError
from enrich.runs.validation import validate
from enrich.settings.loading import Settings
from enrich.show.record import show_record
from enrich.show.tree import record_tree
from enrich.workspace import Workspace

THING = NamedNode("https://coins.example.org/ns/Coin")
GRAPH = NamedNode("https://coins.example.org/graph/coins")
HEAD = 'record_class = "https://coins.example.org/ns/Coin"\n[properties.time]\nkind = "date"\n'
PLAIN = HEAD + 'predicate = "crm:P82_at_some_time_within"\n'
PAIRS = (
    HEAD
    + """
predicate = "crm:P4_has_time-span"
begin = ["crm:P82a_begin_of_the_begin"]
end = ["crm:P82b_end_of_the_end"]
by = "century"
"""
)
OWN = PLAIN + 'classes = { "aat:300404512" = [1700, 1799], "old" = [-800, 1699] }\n'


def mapped(text: str) -> DateMap:
    return DateMap.of(parse_profile(text, "coins", "coins.toml").property("time"))


def years(text: str, *dates: str) -> list[str | None]:
    """The classes of some dates, without what all of them have."""
    classes = mapped(text)
    names = (classes.of_term(Literal(date)) for date in dates)
    return [None if name is None else name.removesuffix(f"^^{EDTF}").strip('"') for name in names]


def coins(
    store: Store, folder: Path, text: str, *said: list[tuple[NamedNode, NamedNode | Literal]]
) -> Workspace:
    """A workspace over coins of which each says something of its date, by way of a time-span where it has two ends."""
    quads = []
    for number, statements in enumerate(said, 1):
        coin, span = (NamedNode(f"https://coins.example.org/{kind}/{number}") for kind in ("coin", "span"))
        quads.append(Quad(coin, RDF.type, THING, GRAPH))
        for predicate, value in statements:
            two = predicate != CRM.P82_at_some_time_within
            quads += [Quad(coin, CRM["P4_has_time-span"], span, GRAPH)] if two else []
            quads.append(Quad(span if two else coin, predicate, value, GRAPH))
    store.insert(quads)
    (folder / "coins.toml").write_text(text, encoding="utf-8")
    values = {"profile": str(folder / "coins.toml"), "base": "https://coins.example.org/enrich/",
              "decision": {"thresholds": {"time": 0.0}}}  # fmt: skip
    return Workspace(Settings(**values), store)  # type: ignore[arg-type]


def ends(begin: str | None, end: str | None) -> list[tuple[NamedNode, NamedNode | Literal]]:
    sides = [(CRM.P82a_begin_of_the_begin, begin), (CRM.P82b_end_of_the_end, end)]
    return [(p, Literal(v, datatype=XSD.date)) for p, v in sides if v is not None]


def within(value: NamedNode | Literal) -> list[tuple[NamedNode, NamedNode | Literal]]:
    return [(CRM.P82_at_some_time_within, value)]


def missing(workspace: Workspace) -> set[str]:
    return {row.record.value.rpartition("/")[2] for row in scan(workspace.reader)}


def test_dates_fall_into_centuries_halves_and_decades() -> None:
    dates = ["1788", "um 1700", "1. Hälfte 19. Jh.", "1742-05-01", "5th century BC"]

    assert years(PLAIN + 'by = "century"', *dates) == [
        "1700/1799", "1700/1799", "1800/1899", "1700/1799", "-0500/-0401"
    ]  # fmt: skip
    assert years(PLAIN + 'by = "half-century"', *dates) == [
        "1750/1799", "1700/1749", "1800/1849", "1700/1749", None
    ]  # fmt: skip
    assert years(PLAIN + 'by = "decade"', *dates) == ["1780/1789", "1700/1709", None, "1740/1749", None]


def test_a_date_over_a_border_is_where_more_than_half_of_it_lies() -> None:
    """Given dates over the border of two classes, then the one with more than half of the years has it; where none
    has, and where an end is open, it lies outside."""
    dates = ["1698-1712", "1690-1703", "1690-1709", "1650-1849", "before 1700", "ca. 1600-1700"]

    assert years(PLAIN + 'by = "century"', *dates) == [
        "1700/1799",
        "1600/1699",
        None,
        None,
        None,
        "1600/1699",
    ]


def test_classes_are_given_by_their_bounds_and_concepts_are_themselves() -> None:
    classes = mapped(OWN)

    assert classes.of_term(Literal("1788", datatype=XSD.gYear)) == AAT["300404512"].value
    assert classes.of_term(AAT["300404512"]) == AAT["300404512"].value
    assert classes.of_term(Literal("3rd century AD")) == '"old"'
    assert classes.of_term(Literal("1900")) is None
    assert classes.of_term(AAT["300404513"]) is None


def test_a_word_may_be_given_a_meaning_and_a_part_kept() -> None:
    text = PLAIN + 'by = "century"\nsynonyms = { "Empire" = "1804/1815" }\nkeep = "^([^,]+)"\nunknown = ["?"]'

    assert years(text, "Empire", "1788, restored", "?") == ["1800/1899", "1700/1799", None]
    assert mapped(text).says_nothing(Literal("?"))
    assert mapped(text).says_nothing(Literal("o. J."))
    assert not mapped(text).says_nothing(Literal("Ming"))


def test_the_scan_and_the_records_agree_on_literal_dates(store: Store, tmp_path: Path) -> None:
    """Given dates that have a class, that say too little, that are not understood and that are not there, then the
    scan finds the same gaps as the records that are read, and those that state something lie outside."""
    said = [
        within(Literal("1788", datatype=XSD.gYear)), within(Literal('"c. 1788"')), within(Literal("before 1700")),
        within(Literal("Ming")), within(Literal("s.d.")), [], within(Literal("XVIIIe siècle", language="fr")),
    ]  # fmt: skip
    workspace = coins(store, tmp_path, PLAIN + 'by = "century"', *said)

    subjects = {s.iri.value[-1]: s for s in workspace.reader.read_all()}

    assert missing(workspace) == {n for n, s in subjects.items() if s.missing} == {"3", "4", "5", "6"}
    assert {n for n, s in subjects.items() if s.record.outside} == {"3", "4"}


def test_two_ends_are_one_date(store: Store, tmp_path: Path) -> None:
    """Given time-spans with begin and end, with one of them, with none, and the wrong way round, then those whose
    years are known have a class; the rest have a gap."""
    workspace = coins(
        store, tmp_path, PAIRS,
        ends("1701-01-01", "1799-12-31"), ends("1788-01-01", "1788-12-31"), ends("1788-01-01", None),
        ends(None, "1788-01-01"), [], ends("1800-01-01", "1700-01-01"),
    )  # fmt: skip

    known = {s.iri.value[-1]: s.record.known.get("time", ()) for s in workspace.reader.read_all()}

    assert missing(workspace) == {"3", "4", "5", "6"}
    assert known["1"] == known["2"] == (f'"1700/1799"^^{EDTF}',)
    report = check_profile(workspace.store, workspace.profile, workspace.names)
    counts = {p.kind: p.records for p in report.patterns if p.name == "time"}
    assert counts == {"predicate": 5, "begin": 5, "class": 2, "several": 0}
    assert report.outside_total == {"time": 3}


@pytest.mark.parametrize(
    ("how", "ways"),
    [
        ('by = "decade"', "use a longer by, give spans in classes instead of by, or"),
        ('by = "century"', "; give spans in classes instead of by, or"),
        ('classes = { "old" = [-800, 1699] }', "; add spans to classes, or"),
    ],
)
def test_the_advice_about_dates_in_no_class_can_be_followed(
    store: Store, tmp_path: Path, how: str, ways: str
) -> None:
    """Given a date that says too little for every way to class dates, then the advice is what that way allows."""
    workspace = coins(store, tmp_path, PLAIN + how, within(Literal("1650-1849")))

    (told,) = [a for a in check_profile(store, workspace.profile, workspace.names).advice if "no class" in a]

    assert f"{ways} say in synonyms or unknown what they mean." in told


def test_what_is_stated_in_no_class_is_shown(store: Store, tmp_path: Path) -> None:
    """Given a date that says too little and one beside it that has a class, then both are shown, and what says nothing
    is not."""
    coin = [*within(Literal("before 1700")), *within(Literal("1788")), *within(Literal("s.d."))]
    workspace = coins(store, tmp_path, PLAIN + 'by = "century"\nmany = true', coin, within(Literal("Ming")))

    one, other = (show_record(workspace, NamedNode(f"https://coins.example.org/coin/{n}")) for n in (1, 2))

    assert (one["outside"], one["missing"]) == ({"time": ["before 1700"]}, [])
    assert (other["outside"], other["missing"]) == ({"time": ["Ming"]}, ["time"])
    out = io.StringIO()
    Console(file=out, width=200).print(record_tree(other))
    assert "time, stated in no class: Ming" in out.getvalue()


def learnt(folder: Path, text: str, *said: list[tuple[NamedNode, NamedNode | Literal]]) -> set[str]:
    """What is said of the times predicted for a coin that says nothing, after a run over coins that do."""
    store = open_store()
    workspace = coins(store, folder, text, *(each for each in said for _ in range(6)), [])
    train(workspace, None, folder / "m", modalities=("dummy",))
    pipeline.run(workspace, folder / "m")
    query = (
        f"SELECT ?a ?p ?v WHERE {{ GRAPH ?g {{ ?x {CRM.P141_assigned} ?n ; {ENR.answers} ?a "
        f"OPTIONAL {{ ?n ?p ?v }} }} }}"
    )
    shards = [g for g in store.graphs() if "/run/" in g.value]
    for shard in shards:
        validate(
            Quad(t[0], t[1], t[2])
            for t in store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {shard} {{ ?s ?p ?o }} }}")
        )  # type: ignore[arg-type]
    return {" ".join(str(t) for t in row if t is not None) for row in store.select(query)}


def test_a_time_span_is_minted_with_its_begin_and_its_end(tmp_path: Path) -> None:
    said = learnt(
        tmp_path, PAIRS + "many = true", ends("1788-01-01", "1788-12-31"), ends("1850-01-01", "1860-12-31")
    )

    a, b = (f'"{span}"^^{EDTF}' for span in ("1700/1799", "1800/1899"))
    assert said == {
        f"{name} {predicate} {value}"
        for name, first, last in ((a, "1700", "1799"), (b, "1800", "1899"))
        for predicate, value in [
            (str(RDF.type), str(CRM["E52_Time-Span"])),
            (str(CRM.P82a_begin_of_the_begin), f'"{first}-01-01T00:00:00"^^{XSD.dateTime}'),
            (str(CRM.P82b_end_of_the_end), f'"{last}-12-31T23:59:59"^^{XSD.dateTime}'),
        ]
    }


def test_where_the_museum_has_literals_a_concept_and_a_named_span_are_predicted_as_they_are_called(
    tmp_path: Path,
) -> None:
    said = learnt(tmp_path, OWN + "many = true", within(Literal("1788")), within(Literal("1350")))

    assert said == {f"{AAT['300404512']}", '"old"'}


@pytest.mark.parametrize(
    ("rules", "told"),
    [
        (PLAIN, "dates need by"),
        (OWN + 'by = "decade"', "dates need by"),
        (PLAIN + 'by = "year"', "by: must be 'century', 'half-century' or 'decade'"),
        (PLAIN + 'classes = ["1700"]', "classes: must be a table of spans of years"),
        (PLAIN + "classes = { old = [1700] }", "a span is its first and its last year"),
        (PLAIN + "classes = { old = [1700, 1600] }", "a span is its first and its last year"),
        (PLAIN + 'by = "decade"\nbegin = ["crm:P82a"]', "begin and end go together"),
        (
            PLAIN + 'by = "decade"\nbegin = ["crm:P82a"]\nend = ["crm:P82b"]\nlanguage = "en"',
            "not for dates with begin and end",
        ),
        (
            PLAIN + 'by = "decade"\nbegin = ["crm:P82a"]\nend = ["crm:P82b"]\ndatatype = "xsd:date"',
            "not for dates with begin",
        ),
        (PLAIN + 'by = "decade"\nscheme = "aat:1"', 'scheme is for values of the kind "concept"'),
        (PLAIN.replace('kind = "date"', 'by = "decade"'), 'by is for values of the kind "date"'),
    ],
)
def test_what_is_wrong_is_a_sentence(rules: str, told: str) -> None:
    with pytest.raises(OntologyError, match=told):
        parse_profile(rules, "coins", "coins.toml")
