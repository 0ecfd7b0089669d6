"""The profiles of the package read records as each data model is published; what is stated in any way is no gap."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from enrich.cli import main
from enrich.graph.gaps import count_gaps
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import open_store
from enrich.ontology.profile_files import load_profile
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

PREFIXES = """
@prefix x: <https://m.example/> .
@prefix aat: <http://vocab.getty.edu/aat/> .
@prefix crm: <http://www.cidoc-crm.org/cidoc-crm/> .
@prefix la: <https://linked.art/ns/terms/> .
@prefix dc: <http://purl.org/dc/elements/1.1/> .
@prefix dct: <http://purl.org/dc/terms/> .
@prefix edm: <http://www.europeana.eu/schemas/edm/> .
@prefix ore: <http://www.openarchives.org/ore/terms/> .
@prefix rdfs: <http://www.w3.org/2000/01/rdf-schema#> .
@prefix schema: <http://schema.org/> .
@prefix sdo: <https://schema.org/> .
@prefix wd: <http://www.wikidata.org/entity/> .
@prefix wdt: <http://www.wikidata.org/prop/direct/> .
@prefix xsd: <http://www.w3.org/2001/XMLSchema#> .
"""
LINKED_ART = """
x:1 a crm:E22_Human-Made_Object ; rdfs:label "Jug" ;
  crm:P1_is_identified_by [ a crm:E33_E41_Linguistic_Appellation ; crm:P190_has_symbolic_content "Water jug" ],
    [ a crm:E42_Identifier ; crm:P190_has_symbolic_content "1951.3" ] ;
  crm:P67i_is_referred_to_by [ crm:P2_has_type aat:300435416 ; crm:P190_has_symbolic_content "A jug with a lip." ],
    [ crm:P2_has_type aat:300026687 ; crm:P190_has_symbolic_content "Gift of a friend" ] ;
  crm:P108i_was_produced_by [ a crm:E12_Production ; crm:P9_consists_of [ a crm:E12_Production ;
    crm:P32_used_general_technique x:throwing ; crm:P7_took_place_at x:delft ;
    crm:P4_has_time-span [ a crm:E52_Time-Span ; crm:P82a_begin_of_the_begin "1650-01-01T00:00:00Z"^^xsd:dateTime ;
      crm:P82b_end_of_the_end "1660-12-31T23:59:59Z"^^xsd:dateTime ] ] ] ;
  crm:P46_is_composed_of [ a crm:E22_Human-Made_Object ; crm:P45_consists_of x:clay ] ;
  crm:P138i_has_representation [ la:digitally_shown_by [ la:access_point <https://i.example/1.jpg> ] ] .
x:2 a crm:E22_Human-Made_Object ; crm:P108i_was_produced_by x:p2 ; crm:P45_consists_of x:tin ;
  crm:P138i_has_representation <https://i.example/2.jpg> .
x:p2 a crm:E12_Production ; crm:P4_has_time-span [ a crm:E52_Time-Span ; crm:P86_falls_within x:c18 ] .
<https://i.example/2.jpg> crm:P2_has_type aat:300215302 .
"""
EDM = """
x:1 a edm:ProvidedCHO ; dc:title "A map" ; dct:spatial "[Porto" ; dc:type "map" ; dct:issued "1654" .
x:2 a edm:ProvidedCHO . x:proxy2 ore:proxyFor x:2 ; dc:title "A chart" ; dct:spatial <https://g.example/porto> ;
  dc:type "map" ; dct:issued "ca. 1700" .
x:3 a edm:ProvidedCHO ; dc:title "A letter" ; dct:spatial "[S.l." ; dc:type "letter" .
x:a1 edm:aggregatedCHO x:1 ; edm:dataProvider "A library" ; edm:isShownBy <https://i.example/1.jpg> .
"""
SCHEMA = """
x:1 a schema:Painting ; schema:name "Dunes" ; schema:artMedium "Oil on canvas" ; schema:dateCreated "1888" ;
  schema:locationCreated [ a schema:Place ; schema:name "Arles" ] ; schema:image <https://i.example/1.jpg> .
x:2 a sdo:VisualArtwork ; sdo:name "Reeds" ; sdo:artMedium <https://v.example/ink> ; sdo:artform "Drawing" ;
  sdo:locationCreated <https://g.example/paris> ; sdo:image [ sdo:contentUrl <https://i.example/2.jpg> ] .
x:3 a sdo:Sculpture ; sdo:name "Bust" .
"""
DUBLIN_CORE = """
x:1 dc:title "A view" ; dc:type "Print" ; dc:coverage "Lyon" ; dc:format "etching" ; dc:date "1720-1730" .
x:2 dct:title "Another view" ; dct:type <http://purl.org/dc/dcmitype/StillImage> ; dct:spatial "unknown" ;
  dct:medium "Etching" ; dct:relation <https://i.example/2.png> .
x:creator rdfs:label "no record" .
"""
WIKIDATA = """
wd:Q1 wdt:P31 wd:Q3305213 ; rdfs:label "A still life"@en ; wdt:P186 wd:Q296955, wd:Q12321255 ; wdt:P136 wd:Q170571 ;
  wdt:P571 "1635-01-01T00:00:00Z"^^xsd:dateTime ; wdt:P18 <http://commons.wikimedia.org/wiki/Special:FilePath/A.jpg> .
wd:Q2 wdt:P31 wd:Q11060274 ; rdfs:label "A print"@en ; wdt:P291 wd:Q90 ; wdt:P186 <http://www.wikidata.org/.well-known/genid/1> .
wd:Q3 wdt:P31 wd:Q5 ; rdfs:label "A person"@en .
"""
EXPECTED: dict[str, tuple[str, int, dict[str, int], dict[str, int], int]] = {
    # the records, how many there are, those with a class, those with a gap, pictures
    "linked-art": (
        LINKED_ART, 2, {"place": 1, "time": 1, "technique": 1, "material": 1},
        {"place": 1, "time": 0, "technique": 1, "material": 0}, 2,
    ),
    "edm": (EDM, 3, {"place": 1, "time": 2, "type": 3}, {"place": 1, "time": 1, "type": 0}, 1),
    "schema-org": (
        SCHEMA, 3, {"medium": 1, "form": 1, "place": 1, "time": 1},
        {"medium": 1, "form": 2, "place": 1, "time": 2}, 2,
    ),
    "dublin-core": (
        DUBLIN_CORE, 2, {"type": 1, "place": 1, "medium": 2, "time": 1},
        {"type": 0, "place": 1, "medium": 0, "time": 1}, 1,
    ),
    "wikidata": (
        WIKIDATA, 2, {"place": 0, "material": 1, "genre": 1, "movement": 0, "time": 1},
        {"place": 1, "material": 1, "genre": 1, "movement": 2, "time": 1}, 1,
    ),
}  # fmt: skip


def museum(name: str) -> Workspace:
    store = open_store()
    graph = NamedNode("https://m.example/graph/objects")
    quads = parse(PREFIXES + EXPECTED[name][0], RdfFormat.TURTLE)
    store.insert(Quad(q.subject, q.predicate, q.object, graph) for q in quads)
    return Workspace(Settings(profile=name), store)


@pytest.mark.parametrize("name", EXPECTED)
def test_a_profile_finds_what_its_data_model_states(name: str) -> None:
    """Given records that state values in each of the ways of a data model, when they are counted and read, then
    classes, gaps and pictures are those that a reader of the records would name, and no way is a gap."""
    _, records, classes, gaps, pictures = EXPECTED[name]
    workspace = museum(name)

    report = check_profile(workspace.store, workspace.profile, workspace.names)
    counted = count_gaps(workspace)
    read = list(workspace.reader.read_all())

    assert (report.records, counted.records, len(read)) == (records,) * 3
    assert {p.name: p.records for p in report.patterns if p.kind == "class"} == classes
    assert {name: gap.missing for name, gap in counted.properties.items()} == gaps
    assert {p.name: sum(p.name in s.missing for s in read) for p in workspace.profile.properties} == gaps
    assert sum(len(s.record.pictures) for s in read) == pictures


def test_texts_of_linked_art_are_chosen_by_their_classification() -> None:
    (jug, _) = sorted(museum("linked-art").reader.read_all(), key=lambda s: s.iri.value)

    assert [t.value for t in jug.record.texts] == ["Jug", "Water jug", "A jug with a lip."]


def test_dates_of_linked_art_are_classes_where_a_profile_says_so(tmp_path: Path) -> None:
    """The profile that docs/profiles.md gives for begins and ends."""
    docs = (Path(__file__).parents[2] / "docs" / "profiles.md").read_text(encoding="utf-8")
    written = next(block for block in docs.split("```toml")[1:] if "begin = [" in block)
    (tmp_path / "mine.toml").write_text(written.split("```")[0], encoding="utf-8")
    workspace = Workspace(Settings(profile=str(tmp_path / "mine.toml")), museum("linked-art").store)

    known = {s.iri.value[-1]: s.record.known.get("date") for s in workspace.reader.read_all()}

    assert known["2"] is None
    assert known["1"] is not None
    assert len(known["1"]) == 1


def test_a_profile_is_shown_as_its_file_writes_it(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["profile", "show", "edm"]) == 0
    shown = capsys.readouterr().out
    (tmp_path / "edm.toml").write_text(shown, encoding="utf-8")

    assert load_profile(tmp_path / "edm.toml") == load_profile("edm")
    assert main(["profile", "show", "nonesuch"]) != 0
    assert "profiles: dublin-core, edm" in capsys.readouterr().err
