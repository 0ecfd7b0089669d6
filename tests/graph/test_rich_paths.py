"""A profile that says more than one way to a value: reading, gaps and the check find the same, on every store."""

from __future__ import annotations

from pathlib import Path

from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from enrich.graph.gaps import count_gaps, scan
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import Store
from enrich.graph.where import records_where
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

GRAPH = NamedNode("https://m.example/graph/facts")
OTHER = NamedNode("https://m.example/graph/drafts")
PREFIXES = """
[prefixes]
m = "https://m.example/"
"""
MUSEUM = """
@prefix m: <https://m.example/> .
@prefix crm: <http://www.cidoc-crm.org/cidoc-crm/> .
@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
m:o1 a m:Painting ; m:made m:mk1 ; m:kind m:oil, m:portrait ; m:named m:n1, m:n2 ; m:note "blue"@en, "bleu"@fr .
m:mk1 m:part m:mk1a . m:mk1a m:part m:mk1b . m:mk1b m:at m:rome .
m:n1 crm:P2_has_type m:title ; m:text "The first" . m:n2 crm:P2_has_type m:number ; m:text "inv. 1" .
m:o2 a m:Sculpture ; m:made m:mk2 ; m:kind m:bronze . m:mk2 m:at m:paris . m:wood m:of m:o2 .
m:o3 a m:Painting, m:Sculpture ; m:kind m:landscape ; m:material m:clay ; m:note "grey"@en .
m:mk3 m:produced m:o3 ; m:seat m:rome .
m:o4 a m:Drawing ; m:made m:mk4 . m:mk4 m:at m:rome .
m:oil skos:inScheme m:media . m:bronze skos:inScheme m:media .
m:portrait skos:inScheme m:subjects . m:landscape skos:inScheme m:subjects .
"""
RICH = (
    'record_class = ["m:Painting", "m:Sculpture"]\nfacts = ["https://m.example/graph/facts"]\n'
    + PREFIXES
    + """
[properties.place]
node = ["m:made|^m:produced", "m:part*"]
predicate = "m:at|m:seat"
[properties.material]
predicate = "^m:of|m:material"
[properties.medium]
predicate = "m:kind"
value = [{ scheme = "m:media" }]
[texts.title]
path = ["m:named", { type = "m:title" }, "m:text"]
[texts.note]
path = ["m:note", { language = "en" }]
[texts.other]
path = ["m:named", { not = { type = "m:title" } }, "m:text"]
"""
)


def filled(store: Store, rich: str, folder: Path) -> Workspace:
    """A store with the museum, looked at through a profile."""
    file = folder / "mine.toml"
    file.write_text(rich, encoding="utf-8")
    quads = parse(MUSEUM, RdfFormat.TURTLE)
    store.insert(Quad(q.subject, q.predicate, q.object, GRAPH) for q in quads)
    store.insert([Quad(NamedNode("https://m.example/o9"), NamedNode("https://m.example/at"), GRAPH, OTHER)])
    return Workspace(Settings(profile=str(file)), store)


def known(workspace: Workspace) -> dict[str, dict[str, list[str]]]:
    """What is known of each record, by short names."""
    subjects = sorted(workspace.reader.read_all(), key=lambda s: s.iri.value)
    return {
        s.iri.value.rpartition("/")[2]: {
            name: [v.rpartition("/")[2] for v in values] for name, values in s.record.known.items()
        }
        for s in subjects
    }


def test_values_are_found_along_every_way_that_a_profile_names(store: Store, tmp_path: Path) -> None:
    """Given places at any depth of a making and by two predicates, materials forwards and backwards, and kinds in
    two schemes, when records are read, then each value is found, and only those of the scheme are media."""
    workspace = filled(store, RICH, tmp_path)

    assert known(workspace) == {
        "o1": {"place": ["rome"], "medium": ["oil"]},
        "o2": {"place": ["paris"], "material": ["wood"], "medium": ["bronze"]},
        "o3": {"place": ["rome"], "material": ["clay"]},
    }
    texts = {s.iri.value[-1]: [t.value for t in s.record.texts] for s in workspace.reader.read_all()}
    assert texts == {"1": ["The first", "blue", "inv. 1"], "2": [], "3": ["grey"]}


def test_gaps_and_the_check_count_what_is_read(store: Store, tmp_path: Path) -> None:
    workspace = filled(store, RICH, tmp_path)

    counted = count_gaps(workspace)
    report = check_profile(store, workspace.profile, workspace.names)

    missing = {name: found.missing for name, found in counted.properties.items()}
    assert (counted.records, missing) == (3, {"place": 0, "material": 1, "medium": 1})
    with_class = {p.name: p.records for p in report.patterns if p.kind == "class"}
    assert (report.records, with_class) == (3, {"place": 3, "material": 2, "medium": 2})
    assert {p.name: p.records for p in report.patterns if p.kind == "text"} == {
        "title": 1,
        "note": 2,
        "other": 1,
    }
    assert report.fits


WAYS = {
    "by another predicate": '[record]\npredicate = "m:kind"\nvalue = ["m:portrait", "m:landscape"]',
    "by any value": '[record]\npredicate = "m:kind"',
    "by a scheme": '[record]\nscheme = "m:media"',
    "by a graph": '[record]\ngraph = "https://m.example/graph/drafts"',
    "by a graph and a class": '[record]\ngraph = "https://m.example/graph/facts"',
}
PLACE = '[properties.place]\npredicate = "m:at"\n'


def test_records_are_known_by_what_the_profile_says(store: Store, tmp_path: Path) -> None:
    """Given patterns other than rdf:type, when records are counted, listed and read, then all agree."""
    found = {}
    for way, table in WAYS.items():
        typed = 'record_class = "m:Drawing"\n' if way == "by a graph and a class" else ""
        workspace = filled(
            store, f'{typed}facts = ["https://m.example/graph/*"]\n{PREFIXES}{PLACE}{table}', tmp_path
        )
        found[way] = sorted(known(workspace))
        assert workspace.reader.count() == len(found[way])
        assert count_gaps(workspace).properties["place"].missing == len(found[way]) - (way == "by a graph")

    assert found == {
        "by another predicate": ["o1", "o3"],
        "by any value": ["o1", "o2", "o3"],
        "by a scheme": ["bronze", "oil"],
        "by a graph": ["o9"],
        "by a graph and a class": ["o4"],
    }


def test_a_class_that_nothing_has_is_told_with_those_there_are(store: Store, tmp_path: Path) -> None:
    workspace = filled(store, RICH.replace('"m:Painting", "m:Sculpture"', '"m:Print", "m:Photo"'), tmp_path)

    report = check_profile(store, workspace.profile, workspace.names)

    assert report.records == 0
    assert (
        "record_class: nothing is a m:Print|m:Photo; there are m:Painting (2), m:Sculpture (2)"
        in report.advice[0]
    )


def test_what_is_stated_in_another_way_is_no_gap(store: Store, tmp_path: Path) -> None:
    """Given paintings and sculptures with a medium, or with a note or a named thing instead, when the medium is
    looked for, then those with another statement have no gap, in reading as in counting, and no class."""
    text = RICH.replace(
        '[{ scheme = "m:media" }]', '[{ scheme = "m:media" }]\nstated = [["m:note"], ["m:named", "m:text"]]'
    )
    text = text.replace('"m:Painting", ', '"m:Painting", "m:Drawing", ')
    workspace = filled(store, text, tmp_path)

    counted = count_gaps(workspace).properties
    report = check_profile(store, workspace.profile, workspace.names)
    read = {s.iri.value[-1]: s for s in workspace.reader.read_all()}

    assert (counted["medium"].missing, counted["material"].missing, counted["place"].missing) == (1, 2, 0)
    assert [n for n, s in read.items() if "medium" in s.missing] == ["4"]
    assert "medium" not in read["3"].record.known
    assert [p.records for p in report.patterns if p.kind == "stated"] == [2, 1]


def test_conditions_that_stand_in_one_query_do_not_meet(store: Store, tmp_path: Path) -> None:
    """Given conditions of two values on the record, in its class, on the way to a property and in contexts, when gaps
    are looked for and records are asked for by two contexts, then each condition holds by itself."""
    text = (
        RICH
        + """
[properties.seat]
node = [{ where = { "m:kind" = ["m:portrait", "m:bronze"] } }, "m:made"]
predicate = "m:part|m:at"
[contexts.called]
path = ["m:named", { type = "m:title" }, "m:text"]
[contexts.numbered]
path = ["m:named", { type = "m:number" }, "m:text"]
[contexts.plain]
path = ["m:named", { type = ["m:title", "m:old"], not = { type = ["m:number", "m:secret"] } }, "m:text"]
"""
    )
    workspace = filled(store, text, tmp_path)
    workspace.reader.store.update(
        "INSERT DATA { GRAPH <https://m.example/graph/facts> { "
        "<https://m.example/n1> <http://www.cidoc-crm.org/cidoc-crm/P2_has_type> <https://m.example/secret> } }"
    )
    subjects = {s.iri.value[-1]: s for s in workspace.reader.read_all()}

    assert known(workspace)["o1"]["seat"] == ["mk1a"]
    assert known(workspace)["o2"]["seat"] == ["paris"]
    assert {row.record.value[-1]: set(row.missing) for row in scan(workspace.reader)} == {
        number: set(subject.missing) for number, subject in subjects.items() if subject.missing
    }
    where = ['called="The first"', 'numbered="inv. 1"']
    assert [r.value[-1] for r in records_where(workspace.reader, where)] == ["1"]
    assert "plain" not in subjects["1"].record.context


def test_records_of_two_graphs_at_once(store: Store, tmp_path: Path) -> None:
    """Each graph may say in its own way that it is a record."""
    graphs = 'facts = ["https://m.example/graph/*"]\n'
    text = (
        RICH.replace('facts = ["https://m.example/graph/facts"]\n', graphs)
        + "[contexts.source]\ngraph = true\n"
    )
    workspace = filled(store, text, tmp_path)
    kind = NamedNode("http://www.w3.org/1999/02/22-rdf-syntax-ns#type")
    store.insert(
        [Quad(NamedNode("https://m.example/o1"), kind, NamedNode("https://m.example/Sculpture"), OTHER)]
    )

    where = [f"source={GRAPH.value}", f"source={OTHER.value}"]
    assert [r.value[-1] for r in records_where(workspace.reader, where)] == ["1"]
