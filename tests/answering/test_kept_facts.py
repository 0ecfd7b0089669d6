"""The facts that were kept tell which records have changed: all of them, and few others."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable
from itertools import islice, product
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyoxigraph import BlankNode, Literal, NamedNode, Quad

from enrich.answering import run as pipeline
from enrich.answering.kept_facts import KEPT, KeptFacts
from enrich.graph.gaps import scan
from enrich.graph.reading import Reader
from enrich.graph.records import input_digest
from enrich.graph.stores import Store, open_store
from enrich.ontology.profile_files import load_profile
from enrich.ontology.terms import RDF, SKOS, Names
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.part import Part, part_of, take_back
from enrich.runs.register import retract
from enrich.workspace import Workspace
from tests.museums import THRESHOLDS, dummy_model, museum

PROFILE = """
record_class = "ex:Thing"
facts = ["https://facts.example/*"]
[prefixes]
ex = "https://x.example/"
[properties.place]
label = "place"
node = ["^ex:made|ex:shows"]
node_class = "ex:Making"
predicate = "ex:place"
value = ["ex:within"]
value_class = "ex:Place"
minimum = 1
[properties.kind]
label = "kind"
predicate = "ex:kind"
scheme = "https://x.example/scheme"
minimum = 1
[texts.about]
path = ["ex:about", "ex:says"]
[[images]]
path = ["ex:shows", "^ex:of*", "ex:address"]
[contexts.keeper]
path = ["^ex:keeps", { where = { "ex:of" = true } }]
[contexts.graph]
graph = true
"""
NAMES = Names("https://data.example.org/enrich/")
RECORDS = [NamedNode(f"https://x.example/r{n}") for n in range(3)]
OTHERS = [NamedNode(f"https://x.example/n{n}") for n in range(3)]
GRAPHS = [NamedNode(f"https://facts.example/{n}") for n in range(2)]
WORDS = [Literal("one"), Literal("two")]
KIND = NamedNode("https://x.example/k")
SCHEME = Quad(
    KIND, SKOS.inScheme, NamedNode("https://x.example/scheme"), NamedNode("https://v.example/kinds")
)


def x(name: str) -> NamedNode:
    return NamedNode(f"https://x.example/{name}")


def pool() -> list[Quad]:
    """Every triple that the museums of these tests may hold."""
    found = [Quad(r, RDF.type, x("Thing"), g) for r, g in product(RECORDS, GRAPHS)]
    for other, record in product(OTHERS, RECORDS):
        found += [Quad(other, x(name), record, GRAPHS[0]) for name in ("made", "keeps")]
        found += [Quad(record, x(name), other, GRAPHS[0]) for name in ("about", "shows")]
    for one, two in product(OTHERS, OTHERS):
        found += [Quad(one, x(name), two, GRAPHS[1]) for name in ("place", "within", "of")]
    for other, word in product(OTHERS, WORDS):
        found += [Quad(other, x(name), word, GRAPHS[1]) for name in ("says", "address", "unread")]
    return [*found, *(Quad(r, x("kind"), KIND, GRAPHS[0]) for r in RECORDS)]


@pytest.fixture(scope="module")
def profile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("profile") / "profile.toml"
    file.write_text(PROFILE, encoding="utf-8")
    return file


def reader_of(store: Store, profile: Path) -> Reader:
    return Reader(store, load_profile(profile), NAMES)


def inputs(reader: Reader) -> dict[str, object]:
    """All that is seen of each record."""
    return {
        s.iri.value: (
            s.absent,
            s.missing,
            [input_digest(s.record, p.name) for p in reader.profile.properties],
        )
        for s in reader.read(RECORDS)
    }


MUSEUM = st.sets(st.sampled_from(pool()), max_size=60)


@pytest.mark.slow
@settings(max_examples=50)
@given(before=MUSEUM, gone=MUSEUM, come=st.sets(st.sampled_from(pool()), max_size=4))
def test_every_record_that_reads_otherwise_is_among_those_that_may_have_changed(
    profile: Path, before: set[Quad], gone: set[Quad], come: set[Quad]
) -> None:
    ever = {Quad(RECORDS[0], x("kind"), KIND, graph) for graph in GRAPHS}
    gone = set(sorted(gone - ever, key=str)[:4])
    with tempfile.TemporaryDirectory() as folder, open_store() as store:
        kept = KeptFacts(Path(folder))
        store.insert([SCHEME, *ever, *before])
        old, first = inputs(reader_of(store, profile)), kept.take(reader_of(store, profile))
        for quad in gone:
            store.update(
                f"DELETE DATA {{ GRAPH {quad.graph_name} {{ {quad.subject} {quad.predicate} {quad.object} }} }}"
            )
        store.insert(come)
        reader = reader_of(store, profile)
        new, second = inputs(reader), kept.take(reader)
        assert first is not None
        assert second is not None

        changed = kept.changed(reader, first, second)

    assert changed is not None
    assert {record for record in old if old[record] != new[record]} <= changed


def filled(store: Store, more: Iterable[Quad] = ()) -> Store:
    """A museum of three records, each with a node that says something of it."""
    for record, other in zip(RECORDS, OTHERS, strict=True):
        store.insert(
            [
                Quad(record, RDF.type, x("Thing"), GRAPHS[0]),
                Quad(record, x("about"), other, GRAPHS[0]),
                Quad(other, x("says"), WORDS[0], GRAPHS[0]),
            ]
        )
    store.insert([SCHEME, *more])
    return store


def after(store: Store, kept: KeptFacts, profile: Path, come: Iterable[Quad]) -> set[str] | None:
    """The records that may have changed by a few triples more."""
    first = kept.take(reader_of(store, profile))
    store.insert(come)
    second = kept.take(reader_of(store, profile))
    if first is None or second is None:
        pytest.skip("this store gives no fingerprint")
    return kept.changed(reader_of(store, profile), first, second)


def test_only_the_record_that_is_reached_may_have_changed(
    store: Store, tmp_path: Path, profile: Path
) -> None:
    come = [
        Quad(OTHERS[1], x("says"), WORDS[1], GRAPHS[0]),
        Quad(OTHERS[0], x("unread"), WORDS[1], GRAPHS[0]),
    ]

    assert after(filled(store), KeptFacts(tmp_path), profile, come) == {RECORDS[1].value}


@pytest.mark.parametrize(
    "come",
    [
        Quad(x("k2"), SKOS.inScheme, x("scheme"), NamedNode("https://v.example/kinds")),
        Quad(BlankNode(), x("says"), WORDS[1], GRAPHS[0]),
        Quad(RECORDS[0], RDF.type, x("Thing"), NamedNode("https://facts.example/new")),
    ],
    ids=["a class", "a node without a name", "a graph of facts"],
)
def test_what_cannot_be_followed_may_have_changed_anything(tmp_path: Path, profile: Path, come: Quad) -> None:
    assert after(filled(open_store()), KeptFacts(tmp_path), profile, [come]) is None


def test_files_that_are_not_what_their_names_say_tell_nothing(tmp_path: Path, profile: Path) -> None:
    store, kept = filled(open_store()), KeptFacts(tmp_path)
    first = str(kept.take(reader_of(store, profile)))
    in_facts = store.fingerprint(GRAPHS[0])
    store.insert([Quad(OTHERS[1], x("says"), WORDS[1], GRAPHS[0])])
    second = str(kept.take(reader_of(store, profile)))
    for file in (tmp_path / first / "graphs", tmp_path / first / str(in_facts)):
        whole = file.read_bytes()
        file.write_bytes(whole[:-1])
        assert kept.changed(reader_of(store, profile), first, second) is None
        file.write_bytes(whole)
    assert kept.changed(reader_of(store, profile), first, second) == {RECORDS[1].value}


def test_a_folder_that_cannot_be_written_costs_only_what_it_would_save(tmp_path: Path, profile: Path) -> None:
    (tmp_path / "file").write_text("")
    store = filled(open_store())

    kept = KeptFacts(tmp_path / "file" / "folder")

    assert kept.take(reader_of(store, profile)) == KeptFacts(tmp_path / "other").take(
        reader_of(store, profile)
    )
    assert kept.kept() == []


def test_the_facts_used_last_are_kept(tmp_path: Path, profile: Path) -> None:
    store, kept = filled(open_store()), KeptFacts(tmp_path)
    first = str(kept.take(reader_of(store, profile)))
    for number in range(KEPT + 2):
        store.insert([Quad(OTHERS[0], x("says"), Literal(f"{number}"), GRAPHS[0])])
        last = str(kept.take(reader_of(store, profile)))
        assert kept.changed(reader_of(store, profile), first, last) == {RECORDS[0].value}
    assert len(kept.kept()) == KEPT
    assert kept.kept()[0] == last
    assert first in kept.kept()


@pytest.mark.parametrize("how", ["run", "part"])
def test_what_counts_again_once_an_answer_was_taken_back_is_compared_with_its_inputs(
    tmp_path: Path, how: str
) -> None:
    """Given a record that has changed since its first answer, and a run that answered it anew, when what that run said is
    taken back after a later one had looked at everything, then the next run answers it once more."""
    workspace = museum(60, run={"kept_facts": str(tmp_path / "kept")}, decision={"thresholds": dict.fromkeys(
        THRESHOLDS, 0.0)})  # fmt: skip
    model = dummy_model(workspace, tmp_path / "m")
    pipeline.run(workspace, model)
    first, second = (row.record for row in islice(scan(workspace.reader), 2))
    retitle(workspace, first)
    anew = pipeline.run(workspace, model)
    retitle(workspace, second)
    pipeline.run(workspace, model)
    assert anew.run is not None

    if how == "run":
        retract(workspace, anew.run)
    else:
        take_back(workspace, part_of(workspace, NamedNode(anew.run), Part(below=1.0)))

    subject = workspace.reader.read([first])[0]
    assert pipeline.run(workspace, model).predicted == anew.predicted > 0
    current = ExistingAnswers(workspace.store, workspace.names).current([first])
    told = {name: found[0].digest for (_, name), found in current.items()}
    assert told == {name: input_digest(subject.record, name, frozenset()) for name in told}
    assert pipeline.run(workspace, model).records == 0


def retitle(workspace: Workspace, record: NamedNode) -> None:
    """Every text of a record says a word more."""
    for text in {text.value for text in workspace.reader.read([record])[0].record.texts}:
        workspace.store.update(
            f"DELETE {{ GRAPH ?g {{ ?s ?p ?o }} }} INSERT {{ GRAPH ?g {{ ?s ?p ?n }} }} WHERE {{ GRAPH ?g {{ ?s ?p ?o "
            f"FILTER(STR(?o) = {Literal(text)}) }} BIND(STRLANG(CONCAT(STR(?o), ' restored'), LANG(?o)) AS ?n) }}"
        )
