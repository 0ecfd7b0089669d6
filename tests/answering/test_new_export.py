"""A corrected export after a run: runs and reviews stay, and exactly the gaps reopen that should."""

from __future__ import annotations

import io
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

from pyoxigraph import BlankNode, NamedNode, Quad, RdfFormat, serialize

from enrich.answering import run as pipeline
from enrich.demo.museum import museum_quads
from enrich.graph.content import Changes, Content, Counts
from enrich.graph.gaps import count_gaps
from enrich.graph.loading import Manner, load_files, replace_files
from enrich.graph.stores import Store
from enrich.ontology.terms import CRM, Names
from enrich.settings.loading import Settings
from enrich.workspace import Workspace
from tests.museums import PROFILE, THRESHOLDS, dummy_model
from tests.runs.made_reviews import Review, add_review


def museum_of(store: Store) -> Workspace:
    """The museum as a command finds it: nothing is remembered of what was there before."""
    settings = Settings(profile=str(PROFILE), decision={"thresholds": THRESHOLDS})  # type: ignore[arg-type]
    return Workspace(settings, store)


def with_blank_notes(quads: Iterable[Quad]) -> list[Quad]:
    """The quads; what refers to an object is a node without a name, as museums often write it."""
    found = []
    for quad in quads:
        if quad.predicate == CRM.P67i_is_referred_to_by:
            quad = Quad(quad.subject, quad.predicate, _blank(quad.object), quad.graph_name)
        elif quad.predicate == CRM.P190_has_symbolic_content:
            quad = Quad(_blank(quad.subject), quad.predicate, quad.object, quad.graph_name)
        found.append(quad)
    return found


def _blank(term: object) -> BlankNode:
    return BlankNode(Names.key(str(term)))


def save(path: Path, quads: Iterable[Quad]) -> Path:
    out = io.BytesIO()
    serialize(quads, out, format=RdfFormat.N_QUADS)
    path.write_bytes(out.getvalue())
    return path


def everything_of_ours(store: Store, names: Names) -> set[str]:
    """What runs and reviews said, but not which graphs came from where."""
    ours = [g for g in store.graphs() if names.owns(g) and not g.value.endswith("/sources")]
    found = set()
    for graph in ours:
        for row in store.select(f"SELECT ?s ?p ?o WHERE {{ GRAPH {graph} {{ ?s ?p ?o }} }}"):
            found.add(f"{graph} {row}")
    return found


def test_exactly_the_gaps_reopen_that_should(store: Store, tmp_path: Path) -> None:
    """Given a run over all gaps and one answer accepted: of one object a material is withdrawn, of another a
    material is put in where it was missing, and all else is the same."""
    quads = with_blank_notes(museum_quads(30, seed=3))
    export = save(tmp_path / "export.nq", quads)
    workspace = museum_of(store)
    manner = Manner(reserved=workspace.names.graph_prefix, home=tmp_path)
    load_files(store, [export], manner)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    subjects = list(workspace.reader.read_all())
    lacking = next(s for s in subjects if "material" in s.missing)
    accepted = next(s for s in subjects if "technique" in s.missing and s is not lacking)
    known = next(s for s in subjects if "material" in s.record.known and s is not accepted)
    accept(workspace, accepted.iri)
    before, ours = Content.of(workspace.reader), everything_of_ours(store, workspace.names)

    gone = {
        q for q in quads if q.subject == known.iri and q.predicate == CRM.P45_consists_of
    }  # fmt: skip
    graph = next(q.graph_name for q in quads if q.subject == lacking.iri)
    come = Quad(lacking.iri, CRM.P45_consists_of, next(iter(gone)).object, graph)
    save(export, [*(q for q in quads if q not in gone), come])
    replace_files(store, [export], manner)

    workspace = museum_of(store)
    changes = Changes.between(before, Content.of(workspace.reader))
    missing = len(before.gaps["material"])
    assert changes.gaps["material"] == Counts(missing, missing, 1, 1)
    assert (changes.values["material"].come, changes.values["material"].gone) == (1, len(gone))
    others = [c for n, c in (*changes.values.items(), *changes.gaps.items()) if n != "material"]
    assert all((c.come, c.gone) == (0, 0) for c in [changes.records, *others])
    assert everything_of_ours(store, workspace.names) == ours

    counts = count_gaps(workspace).properties
    assert {name: found.open for name, found in counts.items() if found.open} == {"material": 1}
    again = pipeline.run(workspace, tmp_path / "m")
    others_of = len([n for s in subjects if s.iri in (known.iri, lacking.iri) for n in s.missing])
    assert again.records <= 2
    assert 1 <= again.predicted + again.abstained <= 1 + others_of
    assert pipeline.run(museum_of(store), tmp_path / "m").run is None


def test_the_same_export_again_opens_nothing(store: Store, tmp_path: Path) -> None:
    """Its nodes without a name are new ones, and say the same."""
    export = save(tmp_path / "export.nq", with_blank_notes(museum_quads(20, seed=3)))
    workspace = museum_of(store)
    manner = Manner(reserved=workspace.names.graph_prefix, home=tmp_path)
    load_files(store, [export], manner)
    pipeline.run(workspace, dummy_model(workspace, tmp_path / "m"))
    before = Content.of(workspace.reader)
    replace_files(store, [export], manner)
    workspace = museum_of(store)
    assert Changes.between(before, Content.of(workspace.reader)).rows() == [
        (what, count, count, 0, 0) for what, count, *_ in Changes.between(before, before).rows()
    ]
    assert pipeline.run(workspace, tmp_path / "m").run is None


def accept(workspace: Workspace, record: NamedNode) -> None:
    """A curator says that the technique predicted of a record is right."""
    names = workspace.names
    query = (
        f"SELECT ?g ?p WHERE {{ GRAPH ?g {{ ?p <https://w3id.org/enrich/ns#about> {record} ; "
        '<https://w3id.org/enrich/ns#propertyName> "technique" } }'
    )
    prediction = next(p for _, p in workspace.store.select(query) if isinstance(p, NamedNode))
    actor = NamedNode("https://m.example/curator")
    review = Review(prediction, record, "technique", NamedNode(record.value + "/production"),
                    CRM.P32_used_general_technique, NamedNode("https://m.example/weaving"), "Accepted", actor,
                    datetime(2026, 5, 1, tzinfo=UTC))  # fmt: skip
    add_review(workspace.store, names, review)
