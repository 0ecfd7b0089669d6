"""A predicted literal is the museum's own, to the byte, from the file that it was loaded from to the exported one."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pyoxigraph import Literal, NamedNode, Quad, RdfFormat, parse, serialize

from enrich.answering import run as pipeline
from enrich.answering.batch import Batcher
from enrich.classifiers.model.model import Model
from enrich.graph.literals import LiteralMap
from enrich.graph.loading import load_file
from enrich.graph.stores import Store, open_store
from enrich.learn.training import train
from enrich.ontology.profile_files import parse_profile
from enrich.ontology.terms import CRM, DCT, ENR, RDF, RDFS, XSD, class_name, class_term
from enrich.runs.existing_answers import ExistingAnswers
from enrich.runs.export.run_file import export_run
from enrich.runs.reviewing import Judgement
from enrich.runs.reviews import Reviews, Verdict
from enrich.settings.loading import Settings
from enrich.show.explaining import explain_shown
from enrich.show.named import run_named
from enrich.show.record import show_record
from enrich.web.values import Values
from enrich.workspace import Workspace
from tests.graph.test_literals import BOOK, PLACE
from tests.runs.judging import accepted, judged, predictions

PROFILE = f"""{PLACE}
many = true
[texts.title]
path = ["rdfs:label"]
"""
EACH = 6
"""Books of each place."""


def library(store: Store, folder: Path, profile: str = PROFILE) -> Workspace:
    (folder / "library.toml").write_text(profile, encoding="utf-8")
    values = {
        "profile": str(folder / "library.toml"),
        "base": "https://library.example.org/enrich/",
        "decision": {"thresholds": {"place": 0.0}},
    }
    return Workspace(Settings(**values), store)  # type: ignore[arg-type]


def book_lines(places: Sequence[Literal]) -> bytes:
    """N-Triples of some books of each place, and of one without a place."""
    quads = []
    for number in range(len(places) * EACH + 1):
        book = NamedNode(f"https://library.example.org/book/{number}")
        quads += [Quad(book, RDF.type, BOOK), Quad(book, RDFS.label, Literal(f"Book no. {number}"))]
        if number < len(places) * EACH:
            quads.append(Quad(book, DCT.spatial, places[number % len(places)]))
    return serialize(quads, format=RdfFormat.N_TRIPLES) or b""


def answered(store: Store, folder: Path, places: Sequence[Literal], profile: str = PROFILE) -> Workspace:
    """The library loaded from a file, learnt from and answered."""
    (folder / "books.nt").write_bytes(book_lines(places))
    load_file(store, folder / "books.nt")
    workspace = library(store, folder, profile)
    train(workspace, None, folder / "m", modalities=("dummy",))
    pipeline.run(workspace, folder / "m")
    return workspace


def exported(workspace: Workspace, folder: Path) -> set[Literal]:
    """The values that a run's file assigns, once it is loaded into another store."""
    run = next(iter(workspace.store.select(f"SELECT ?r WHERE {{ GRAPH ?g {{ ?r {ENR.runState} ?s }} }}")))[0]
    assert isinstance(run, NamedNode)
    export_run(workspace.store, workspace.names, run, "nq", folder / "run.nq")
    other = open_store()
    other.insert(parse(path=str(folder / "run.nq"), format=RdfFormat.N_QUADS))
    query = f"SELECT DISTINCT ?v WHERE {{ GRAPH ?g {{ ?p {CRM.P141_assigned} ?v ; {ENR.answers} ?v }} }}"
    return {value for (value,) in other.select(query) if isinstance(value, Literal)}


TEXTS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=12),
    st.sampled_from(['"', "\\", "a\nb", "\\u0041", "'", "<x>", '"x"@en', "N\u00fcrnberg", "Nu\u0308rnberg", "a\tb\r", "日本"]),
)  # fmt: skip
LITERALS = st.one_of(
    st.builds(Literal, TEXTS),
    st.builds(lambda t, tag: Literal(t, language=tag), TEXTS, st.sampled_from(["en", "pt-br", "zh-hant"])),
    st.builds(lambda t: Literal(t, datatype=NamedNode("https://library.example.org/ns/Code")), TEXTS),
    st.builds(lambda y: Literal(str(y), datatype=XSD.gYear), st.integers(1000, 2100)),
)


@settings(max_examples=300)
@given(LITERALS)
def test_a_literal_is_called_as_n_triples_spell_it(literal: Literal) -> None:
    assert class_term(class_name(literal)) == literal
    assert class_name(NamedNode("https://a.example/b")) == "https://a.example/b"


@settings(max_examples=12, suppress_health_check=list(HealthCheck), phases=[Phase.generate])
@given(places=st.lists(LITERALS, min_size=2, max_size=6, unique=True))
def test_any_literal_survives_load_learn_predict_write_export_and_load(places: list[Literal]) -> None:
    """Given books of any places, when they are loaded, learnt, predicted for the book without one, exported and
    loaded again, then the values assigned are literals of the museum, one for each class, to the byte."""
    with tempfile.TemporaryDirectory() as folder:
        classes = LiteralMap.of(parse_profile(PROFILE, "library", "").property("place"))
        keys = {key for place in places if (key := classes.of_term(place)) is not None}
        if len(keys) < 2:
            return
        workspace = answered(open_store(), Path(folder), places)

        found = exported(workspace, Path(folder))

        assert found <= set(places)
        assert len(found) == len(keys)
        model = Model.load(Path(folder) / "m")
        assert set(model.properties[0].classes) == keys


PLACES = [Literal("Venezia", language="it"), Literal("Roma"), Literal("Roma "), Literal('Say "Lyon"')]


@pytest.fixture
def workspace(store: Store, tmp_path: Path) -> Workspace:
    return answered(store, tmp_path, PLACES)


def test_show_queries_and_reviews_know_literals(workspace: Workspace, tmp_path: Path) -> None:
    """Given a run over literals, then what is shown, asked, explained and turned down is the literal as it is
    written; the store may be any."""
    record = NamedNode(f"https://library.example.org/book/{len(PLACES) * EACH}")

    shown = show_record(workspace, record)
    rows = [row[4] for row in run_named(workspace, "predictions").rows]

    assert {a["value"] for a in shown["predictions"]} == {"Venezia", "Roma", 'Say "Lyon"'}
    assert set(rows) == {Literal("Venezia", language="it"), Literal("Roma"), Literal('Say "Lyon"')}
    neighbour = show_record(workspace, NamedNode("https://library.example.org/book/0"))
    assert neighbour["facts"] == {"place": ["Venezia"]}
    explained = explain_shown(workspace, shown, tmp_path / "m")
    assert all(a["explanation"] is not None for a in explained["predictions"])


def test_a_literal_is_found_by_its_name_as_an_answer_says_it(tmp_path: Path) -> None:
    """Given places in Italian, compared in lower case, when a curator looks for one, then it is found as the museum writes
    it, and put in so."""
    towns = [Literal(name, language="it") for name in ("Siena", "Siena", "Lucca")]
    rules = PROFILE.replace("many = true", 'language = "it"\ncase = "lower"')
    workspace = answered(open_store(), tmp_path, towns, rules)
    (siena,) = predictions(workspace)

    found = Values().find(workspace, "place", "luc", "it")

    assert found == [('"Lucca"@it', "Lucca")]
    judged(workspace, Judgement(NamedNode(siena["prediction"]), "Corrected", class_term(found[0][0])))
    assert any(line.endswith('"Lucca"@it') for line in accepted(workspace))


def test_a_literal_that_was_turned_down_is_not_proposed_again(tmp_path: Path) -> None:
    """Given a curator's rejection of "Venezia"@it, when the model is asked anew, then its class is left out."""
    workspace = answered(open_store(), tmp_path, PLACES)
    record = f"https://library.example.org/book/{len(PLACES) * EACH}"
    model = Model.load(tmp_path / "m")
    again = Batcher(
        workspace,
        model,
        ["place"],
        ExistingAnswers(workspace.store, workspace.names, "0" * 64),
        Reviews(
            {
                (record, "place"): {
                    '"Venezia"@it': Verdict("Rejected", "https://r.example/1", datetime.now(UTC))
                }
            }
        ),
    )

    ((said,),) = again.answer(again.questions([NamedNode(record)]))

    assert {c.value for c in said.decision.candidates} == {'"Roma"', class_name(Literal('Say "Lyon"'))}
