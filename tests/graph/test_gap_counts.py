"""Gaps are what a query written by hand counts: on graphs drawn at random, and on real dumps.

The queries here share nothing with ours: they are run by the library itself on the files, in one default graph.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import pyoxigraph as ox
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.cli import main
from enrich.graph.gaps import count_gaps
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import open_store
from enrich.ontology.terms import RDF, SKOS
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.ontology.pattern import museum_data

EX = "https://looms.example.org/"
PROFILE = f"""
record_class = "x:Cloth"
facts = ["{EX}graph/*"]
[prefixes]
x = "{EX}"
[properties.fibre]
predicate = "x:fibre"
many = true
[properties.weave]
node = ["x:wovenIn"]
predicate = "x:weave"
classes = ["x:twill", "x:satin"]
narrower = [["x:broader"]]
[properties.dye]
node = ["^x:dyed"]
predicate = "x:dye"
scheme = "x:dyes"
[properties.era]
node = ["x:wovenIn"]
predicate = "x:span"
value = ["x:within"]
value_class = "x:Span"
"""
BY_HAND = {
    "fibre": "?r x:fibre ?v FILTER(isIRI(?v))",
    "weave": "?r x:wovenIn ?n . ?n x:weave ?w . { ?w x:broader* x:twill } UNION { ?w x:broader* x:satin }",
    "dye": "?n x:dyed ?r . ?n x:dye ?v . GRAPH x:vocabulary { ?v skos:inScheme x:dyes }",
    "era": "?r x:wovenIn ?n . ?n x:span ?s . ?s x:within ?v FILTER(isIRI(?v))",
}


def x(local: str) -> NamedNode:
    return NamedNode(EX + local)


@dataclass(frozen=True)
class Cloth:
    """One cloth as drawn: which values it states, in which graph, and whether its nodes are blank."""

    graph: int
    elsewhere: bool
    blank: bool
    fibres: tuple[int, ...]
    weave: int | None
    dye: int | None
    era: int | None
    span: bool


CLOTHS = st.lists(
    st.builds(
        Cloth,
        st.integers(0, 1),
        st.booleans(),
        st.booleans(),
        st.tuples() | st.tuples(st.integers(0, 3)) | st.tuples(st.integers(0, 3), st.integers(0, 3)),
        st.none() | st.integers(0, 4),
        st.none() | st.integers(0, 2),
        st.none() | st.integers(0, 1),
        st.booleans(),
    ),
    max_size=25,
)
FIBRES = (x("silk"), x("wool"), Literal("flax"), BlankNode("unnamed"))
WEAVES = (x("twill"), x("satin"), x("broken-twill"), x("tabby"), Literal("twill"))
DYES = (x("madder"), x("indigo"), x("unlisted"))
VOCABULARY = (
    (x("broken-twill"), x("broader"), x("twill")),
    (x("tabby"), x("broader"), x("tabby")),
    (x("madder"), SKOS.inScheme, x("dyes")),
    (x("indigo"), SKOS.inScheme, x("dyes")),
)


def quads(cloths: list[Cloth]) -> list[Quad]:
    """The graph of some cloths; a value may stand in another graph than the type of its record."""
    made = [Quad(*triple, x("vocabulary")) for triple in VOCABULARY]
    for number, cloth in enumerate(cloths):
        here = x(f"cloth/{number}")
        types, values = x(f"graph/{cloth.graph}"), x(f"graph/{cloth.graph ^ cloth.elsewhere}")
        weaving, dyeing, span = (
            BlankNode(f"{kind}{number}") if cloth.blank else x(f"{kind}/{number}") for kind in ("w", "d", "s")
        )
        made.append(Quad(here, RDF.type, x("Cloth"), types))
        said: list[tuple[object, NamedNode, object]] = [(here, x("fibre"), FIBRES[n]) for n in cloth.fibres]
        said.append((here, x("wovenIn"), weaving))
        said += [(weaving, x("weave"), WEAVES[cloth.weave])] if cloth.weave is not None else []
        said += (
            [(dyeing, x("dyed"), here), (dyeing, x("dye"), DYES[cloth.dye])] if cloth.dye is not None else []
        )
        said += [(weaving, x("span"), span)] if cloth.span or cloth.era is not None else []
        said += [(span, x("within"), x(f"era/{cloth.era}"))] if cloth.era is not None else []
        made += [Quad(s, p, o, values) for s, p, o in said]  # type: ignore[arg-type]
    return made


def by_hand(made: list[Quad], pattern: str) -> int:
    """Cloths for which a pattern finds something, counted by the library alone."""
    held = ox.Store()
    held.extend(made)
    query = (
        f"PREFIX x: <{EX}> PREFIX skos: <{SKOS}> SELECT (COUNT(DISTINCT ?r) AS ?n) "
        f"WHERE {{ ?r a x:Cloth . {pattern} }}"
    )
    return count(held, query)


def count(held: ox.Store, query: str) -> int:
    """The one number that a query of the whole store gives."""
    ((number,),) = [tuple(row) for row in held.query(query, use_default_graph_as_union=True)]  # type: ignore[union-attr]
    return int(number.value)  # type: ignore[union-attr]


@settings(max_examples=60)
@given(CLOTHS)
def test_gaps_are_those_that_a_query_written_by_hand_counts(
    tmp_path_factory: pytest.TempPathFactory, cloths: list[Cloth]
) -> None:
    """Given any graph of cloths, then `gaps` and `profile check` count what the query does."""
    profile = tmp_path_factory.mktemp("gaps") / "cloths.toml"
    profile.write_text(PROFILE)
    made = quads(cloths)
    store = open_store()
    store.insert(made)

    with Workspace(Settings(profile=str(profile)), store) as workspace:
        if not cloths:
            return
        report = count_gaps(workspace)
        checked = check_profile(store, workspace.profile, workspace.names)

    expected = {name: len(cloths) - by_hand(made, pattern) for name, pattern in BY_HAND.items()}
    assert report.records == len(cloths)
    assert {name: found.missing for name, found in report.properties.items()} == expected
    within = {p.name: p.records for p in checked.patterns if p.kind == "class"}
    assert {name: len(cloths) - number for name, number in within.items()} == expected


CRM = "PREFIX c: <http://www.cidoc-crm.org/cidoc-crm/> "
ECRM = "PREFIX c: <http://erlangen-crm.org/current/> "
DUMPS = {
    "foreign/dma/consolidated_data.n3.zip": (
        CRM, "c:E22_Man-Made_Object",
        {
            "material": "?r c:P45_consists_of ?v FILTER(isIRI(?v))",
            "maker": "?r c:P108i_was_produced_by/c:P14_carried_out_by ?v FILTER(!STRENDS(STR(?v), '/unknown'))",
            "time": "?r c:P108i_was_produced_by/c:P4_has_time-span ?s . ?s c:P82a_begin_of_the_begin|c:P82b_end_of_the_end ?v",
        },
    ),
    "foreign/bnp/uris-NLP.nt.gz": (
        "PREFIX c: <http://purl.org/dc/terms/> ", "<http://www.europeana.eu/schemas/edm/ProvidedCHO>",
        {
            "place": "?r c:spatial ?v FILTER(!REGEX(?v, '^\\\\W*(s\\\\.l)?\\\\W*$', 'i'))",
            "department": "?r c:isPartOf ?v",
        },
    ),
    "foreign/vangogh/ttl": (
        CRM, "c:E22_Human-Made_Object",
        {
            "material": "?r c:P45_consists_of ?v FILTER(isIRI(?v))",
            "technique": "?r c:P108i_was_produced_by/c:P32_used_general_technique ?v FILTER(isIRI(?v))",
        },
    ),
    "silknow/records.nq.gz": (
        ECRM, "c:E22_Man-Made_Object",
        {
            "material": "?n c:P108_has_produced ?r ; c:P126_employed ?v FILTER(isIRI(?v))",
            "place": "?n c:P108_has_produced ?r ; c:P8_took_place_on_or_within ?v FILTER(isIRI(?v))",
        },
    ),
}  # fmt: skip
"""Real dumps by their file: the prefix, the class of the records, and patterns for some of the drafted properties."""


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("dump", DUMPS)
def test_gaps_of_a_draft_on_a_real_dump_are_those_of_a_query(
    dump: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Given a dump loaded and a profile drafted from it, then its gaps are what a query by hand counts in the store."""
    prefix, cls, patterns = DUMPS[dump]
    source = museum_data(dump)
    assert main(["init", str(tmp_path)]) == 0
    monkeypatch.chdir(tmp_path)
    assert main(["load", str(source)]) == 0
    assert main(["profile", "draft", "mine.toml", "--yes"]) == 0
    assert main(["init", ".", "--profile", "mine.toml", "--force"]) == 0
    capsys.readouterr()
    assert main(["gaps", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["properties"]

    held = ox.Store.read_only(str(tmp_path / "store"))
    records = records_of(held, f"{prefix} SELECT ?r WHERE {{ ?r a {cls} FILTER(isIRI(?r)) }}")
    for name, pattern in patterns.items():
        stated = records_of(held, f"{prefix} SELECT ?r WHERE {{ {pattern} }}")
        assert found[name]["missing"] == len(records - stated), name


def records_of(held: ox.Store, query: str) -> set[object]:
    """The records that a query of the whole store finds."""
    return {row[0] for row in held.query(query, use_default_graph_as_union=True)}  # type: ignore[union-attr,index,misc]
