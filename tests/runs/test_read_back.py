"""What is predicted, written as plain statements, is read by the museum's own profile as a fact would be."""

from __future__ import annotations

from pathlib import Path

import pytest
from pyoxigraph import NamedNode, Quad, RdfFormat, parse

from enrich.answering import run as pipeline
from enrich.graph.stores import open_store
from enrich.learn.training import train
from enrich.runs.export.answers import Choice
from enrich.runs.export.plain import export_plain
from enrich.settings.loading import Settings
from enrich.workspace import Workspace

NS = "https://lamps.example/ns/"
HEAD = f"PREFIX : <{NS}> PREFIX time: <http://www.w3.org/2006/time#> PREFIX rdf: <http://www.w3.org/1999/02/22-rdf-syntax-ns#>\n"
PROFILE = f"""
record_class = "l:Lamp"
[prefixes]
l = "{NS}"
time = "http://www.w3.org/2006/time#"
[texts.name]
path = ["rdfs:label"]
[properties.it]
"""
SPANS = 'classes = { "l:old" = [1500, 1799], "l:new" = [1800, 1999] }'
CASES = {
    "a condition on the node": (
        'node = ["l:says", { where = { "l:field" = "burner" } }]\npredicate = "l:value"',
        ':says [ :field "burner" ; :value :@A ]',
        ':says [ :field "shade" ; :value :red ]',
    ),
    "a condition on a node between": (
        'node = ["l:made", { class = "l:Making" }, "l:part", { type = "l:base", not = { type = "l:lost" } }]\npredicate = "l:of"',
        ":made [ a :Making ; :part [ <http://www.cidoc-crm.org/cidoc-crm/P2_has_type> :base ; :of :@A ] ]",
        ':made [ :note "none" ]',
    ),
    "a condition on the node of the value": (
        'predicate = "l:has"\nvalue = [{ where = { "l:kind" = ["l:Weight", "l:Mass"] } }, "l:is"]\nvalue_class = "l:Measure"',
        ":has [ a :Measure ; :kind :Weight ; :is :@A ]",
        ":has [ a :Measure ; :kind :Height ; :is :tall ]",
    ),
    "a step that is optional, and one backwards": (
        'node = ["l:made", "l:sub*", "^l:within"]\npredicate = "l:of"',
        ":made :m{n} . :m{n} :sub :s{n} . :w{n} :within :s{n} ; :of :@A",
        ":made :m{n}",
    ),
    "a part of a making that is there": (
        'node = ["l:made", "l:part"]\npredicate = "l:of"',
        ":made [ :part [ :of :@A ] ]",
        ":made :m{n}",
    ),
    "a date with ways to its two ends": (
        'kind = "date"\nby = "century"\npredicate = "l:time"\n'
        'begin = ["time:hasBeginning", "time:inXSDDate"]\nend = ["time:hasEnd", "time:inXSDDate"]',
        ':time [ time:hasBeginning [ time:inXSDDate "@B20-01-01" ] ; time:hasEnd [ time:inXSDDate "@B30-01-01" ] ]',
        ':note "undated"',
    ),
    "a date with one way to both ends": (
        'kind = "date"\nby = "century"\npredicate = "l:time"\nbegin = ["l:span", "l:from"]\nend = ["l:span", "l:to"]',
        ':time [ :span [ :from "@B20" ; :to "@B30" ] ]',
        ':note "undated"',
    ),
    "years of a concept": (
        f'kind = "date"\n{SPANS}\npredicate = "l:time"\nbegin = ["l:from"]\nend = ["l:to"]',
        ':time [ :from "@B20" ; :to "@B30" ]',
        ':note "undated"',
    ),
    "a literal date": (
        'kind = "date"\nby = "decade"\npredicate = "l:when"',
        ':when "about @B24"',
        ':when "n.d."',
    ),
    "a named date": (
        'kind = "date"\nclasses = { "old" = [1500, 1799], "new" = [1800, 1999] }\npredicate = "l:when"',
        ':when "@B24"',
        ':note "undated"',
    ),
    "a date on a node": (
        'kind = "date"\nby = "century"\npredicate = "l:time"\nvalue = ["l:span", "l:says"]\nvalue_class = "l:Time"',
        ':time [ :span [ :says "@B24" ] ]',
        ':note "undated"',
    ),
}  # fmt: skip


def lamps(folder: Path, name: str, facts: list[Quad]) -> Workspace:
    (folder / "lamps.toml").write_text(PROFILE + CASES[name][0], encoding="utf-8")
    store = open_store()
    store.insert(facts)
    values = {"profile": str(folder / "lamps.toml"), "base": "https://lamps.example/enrich/"}
    return Workspace(Settings(**values, decision={"thresholds": {"it": 0.0}}), store)  # type: ignore[arg-type]


@pytest.mark.parametrize("name", CASES)
def test_the_own_profile_reads_what_is_written(tmp_path: Path, name: str) -> None:
    _, states, lacks = CASES[name]
    first, second = (states.replace("@A", a).replace("@B", b) for a, b in (("tin", "18"), ("brass", "17")))
    each = [lacks, *[first] * 6, *[second] * 3]
    said = [f":lamp{n} a :Lamp ; {text} .".replace("{n}", str(n)) for n, text in enumerate(each)]
    graph = NamedNode(f"{NS}facts")
    facts = [
        Quad(q.subject, q.predicate, q.object, graph) for q in parse(HEAD + "\n".join(said), RdfFormat.TURTLE)
    ]
    held = lamps(tmp_path, name, facts)
    train(held, None, tmp_path / "m", modalities=("dummy",))
    pipeline.run(held, tmp_path / "m")
    lamp = NamedNode(f"{NS}lamp0")
    assert held.reader.read([lamp])[0].missing == ("it",)

    export_plain(held, Choice(), tmp_path / "out.nt")

    out = parse((tmp_path / "out.nt").read_bytes(), RdfFormat.N_TRIPLES)
    written = [Quad(*q.triple, graph) for q in out]
    taken_in = lamps(tmp_path, name, [*facts, *written])
    subject, told = taken_in.reader.read([lamp, NamedNode(f"{NS}lamp1")])
    assert subject.record.known["it"] == told.record.known["it"]
    assert not subject.minted
    if "m{n}" in lacks:  # the making that is there is the one that leads on
        assert NamedNode(f"{NS}made") not in {q.predicate for q in written}
