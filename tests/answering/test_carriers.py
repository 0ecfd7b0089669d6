"""What is predicted of a node without an IRI joins with its record; a predicate may be followed backwards."""

from __future__ import annotations

from pathlib import Path

from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse

from enrich.answering import run as pipeline
from enrich.graph.gaps import count_gaps
from enrich.graph.profile_check import check_profile
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.terms import CRM, ENR
from enrich.runs.part import Part, part_of, take_back
from enrich.runs.shards import narrowed
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

PROFILE = """
record_class = "m:Chair"
[prefixes]
m = "https://chairs.example/ns/"
[properties.way]
node = ["m:making", "m:part*"]
node_class = "m:Making"
predicate = "m:way"
[properties.wood]
predicate = "^m:of"
[texts.title]
path = ["rdfs:label"]
"""
TWO_STEPS = PROFILE.replace("m:part*", "m:part")
"""The way is said of a part of the making: where there is neither, a node of ours leads to another."""
GRAPH = NamedNode("https://chairs.example/graph")
NS = "https://chairs.example/ns/"


def lines() -> str:
    """Chairs whose making is a blank node, with a way or without; some of a wood; two that are blank themselves."""
    said = []
    for n in range(14):
        way = f"m:way m:{('bent', 'carved')[n % 2]}" if n < 12 else 'm:note "by hand"'
        said.append(
            f'm:c{n} a m:Chair ; rdfs:label "chair {n}" ; m:making [ a m:Making ; m:part [ a m:Making ; {way} ] ] .'
        )
        if n < 12:
            said.append(f"m:{('oak', 'beech')[n % 2]} m:of m:c{n} .")
    said += ['[] a m:Chair ; rdfs:label "unnamed" ; m:making [ m:way m:bent ] .'] * 2
    return f"PREFIX m: <{NS}>\nPREFIX rdfs: <http://www.w3.org/2000/01/rdf-schema#>\n" + "\n".join(said)


def workshop(store: Store, folder: Path, profile: str = PROFILE) -> Workspace:
    (folder / "chairs.toml").write_text(profile, encoding="utf-8")
    store.insert(Quad(q.subject, q.predicate, q.object, GRAPH) for q in parse(lines(), RdfFormat.TURTLE))
    values = {
        "profile": str(folder / "chairs.toml"),
        "base": "https://chairs.example/enrich/",
        "decision": {"thresholds": {"way": 0.0, "wood": 0.0}},
    }
    return Workspace(Settings(**values), store)  # type: ignore[arg-type]


def test_blank_nodes_are_counted_alike(store: Store, tmp_path: Path) -> None:
    workspace = workshop(store, tmp_path)

    report = check_profile(store, workspace.profile, workspace.names)
    counted = count_gaps(workspace)
    read = [s for s in workspace.reader.read_all() if "way" in s.record.known]

    assert (report.records, counted.records, len(list(workspace.reader.iris()))) == (14, 14, 14)
    assert report.classes["way"] == {f"{NS}bent": 6, f"{NS}carved": 6}
    assert (len(read), counted.properties["way"].missing, counted.properties["wood"].missing) == (12, 2, 2)
    assert report.advice[0].startswith("2 records are blank nodes and are left out")


def test_values_without_a_name_are_said_to_have_none(store: Store, tmp_path: Path) -> None:
    workspace = workshop(store, tmp_path)
    (tmp_path / "making.toml").write_text(
        PROFILE.replace(
            'node = ["m:making", "m:part*"]\nnode_class = "m:Making"\npredicate = "m:way"',
            'predicate = "m:making"',
        ),
        encoding="utf-8",
    )
    other = Workspace(Settings(profile=str(tmp_path / "making.toml")), store)

    report = check_profile(store, other.profile, workspace.names)

    told = next(line for line in report.advice if line.startswith("[properties.way]"))
    assert "these are blank nodes" in told
    assert "no prediction can name them: lead on from them with node or value" in told
    assert "m:part (14)" in told
    assert count_gaps(other).properties["way"].missing == 14


def test_an_answer_joins_with_its_record(tmp_path: Path) -> None:
    """Given a making that is a blank node and a wood that says of which chair it is, when both are predicted, then
    the record leads to the way by the profile's own path, and the statement about the wood is the museum's."""
    workspace = workshop(open_store(), tmp_path)
    train(workspace, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(workspace, tmp_path / "m")

    joined = workspace.store.select(
        f"SELECT ?record ?way WHERE {{ GRAPH ?g {{ ?record <{NS}making> ?node . ?node a <{NS}Making> . "
        f"?p {CRM.P140_assigned_attribute_to} ?node ; {CRM.P177_assigned_property_of_type} <{NS}way> ; "
        f"{CRM.P141_assigned} ?way ; {ENR.about} ?record }} }}"
    )
    assert {r.value for r, way in joined if way is not None} == {f"{NS}c12", f"{NS}c13"}  # type: ignore[union-attr]
    woods = workspace.store.select(
        f"SELECT ?wood ?record WHERE {{ GRAPH ?g {{ ?p {CRM.P140_assigned_attribute_to} ?wood ; "
        f"{CRM.P177_assigned_property_of_type} <{NS}of> ; {CRM.P141_assigned} ?record ; {ENR.answers} ?wood }} }}"
    )
    assert {r.value for _, r in woods} == {f"{NS}c12", f"{NS}c13"}  # type: ignore[union-attr]


def test_the_way_to_a_minted_node_is_kept_and_dropped_with_its_prediction(tmp_path: Path) -> None:
    workspace = workshop(open_store(), tmp_path)
    train(workspace, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(workspace, tmp_path / "m")
    rows = workspace.store.select(
        f"SELECT ?g ?p ?record WHERE {{ GRAPH ?g {{ ?p {ENR.about} ?record ; {ENR.propertyName} {Literal('way')} }} }}"
    )
    (shard, kept, record), _ = sorted(rows, key=str)
    assert isinstance(shard, NamedNode)
    assert isinstance(kept, NamedNode)

    left = narrowed(list(workspace.store.construct(f"CONSTRUCT {{ ?s ?p ?o }} WHERE {{ GRAPH {shard} {{ ?s ?p ?o }} }}")), [kept], workspace.names)  # fmt: skip

    assert [q.subject for q in left if q.predicate == NamedNode(NS + "making")] == [record]


def test_a_way_of_two_steps_stays_whole_when_another_answer_is_taken_back(tmp_path: Path) -> None:
    workspace = workshop(open_store(), tmp_path, TWO_STEPS)
    train(workspace, None, tmp_path / "m", modalities=("dummy",))
    run = pipeline.run(workspace, tmp_path / "m").run
    assert run is not None
    query = (
        f"SELECT ?record ?between ?node WHERE {{ GRAPH ?g {{ ?record <{NS}making> ?between . ?between <{NS}part> ?node . "
        f"?p {CRM.P140_assigned_attribute_to} ?node ; {ENR.about} ?record }} }}"
    )
    ways = {tuple(map(str, row)) for row in workspace.store.select(query)}

    assert take_back(workspace, part_of(workspace, NamedNode(run), Part("wood"))) == len(ways) == 2

    assert {tuple(map(str, row)) for row in workspace.store.select(query)} == ways
