"""The page of a record: facts and suggestions apart, complete without scripts, at a price that is known."""

from __future__ import annotations

import io
from pathlib import Path
from urllib.parse import quote

import pyoxigraph as ox
import pytest
from PIL import Image
from pyoxigraph import Literal, NamedNode, Quad
from starlette.testclient import TestClient

from enrich.demo.museum import graph_iri
from enrich.graph.records import Subject
from enrich.ontology.terms import CRM, ENR, LA, RDFS
from enrich.show.record import show_record
from enrich.web.site import Site
from tests.museums import PROFILE
from tests.web.serving import PAGE, client, counted, site


def subjects(shared: Site) -> list[Subject]:
    with shared.workspace() as workspace:
        return list(workspace.reader.read_all())


def with_picture(shared: Site) -> Subject:
    """A record that lacks something and has a picture."""
    return next(s for s in subjects(shared) if s.missing and s.record.pictures)


def test_facts_and_suggestions_stand_apart(shared: Site, web: TestClient) -> None:
    """Given records; then each page says every fact before the suggestions, and every value suggested after them."""
    for subject in subjects(shared):
        found = web.get("/record", params={"iri": subject.iri.value}, headers=PAGE)
        assert found.status_code == 200
        facts, _, suggestions = found.text.partition('id="suggests"')
        for values in subject.record.known.values():
            assert all(quote(value, safe="") in facts for value in values)
        with shared.workspace() as workspace:
            answers = show_record(workspace, subject.iri)["predictions"]
        for answer in answers:
            assert f'/prediction/{answer["prediction"].rpartition("/")[2]}"' in suggestions
            assert f"{answer['confidence']:.2f}" in suggestions
            assert all(quote(c["value"], safe="") in suggestions for c in answer["candidates"])
        assert facts.count('class="badge"') == 0
        assert suggestions.count(">suggestion<") == sum(a["value"] is not None for a in answers)


def test_what_is_stated_in_no_class_stands_among_the_facts(tmp_path: Path) -> None:
    """Given a date that says too little for a century, then the record's page says it before the suggestions."""
    worn = NamedNode("https://museum.example.org/worn")
    profile = tmp_path / "worn.toml"
    profile.write_text(
        f'{PROFILE.read_text()}\n[properties.worn]\npredicate = "{worn.value}"\nkind = "date"\nby = "century"\n'
    )
    with site(tmp_path, 20, profile=str(profile)) as own, client(own) as web:
        subject = subjects(own)[0]
        with own.workspace() as workspace:
            ((where,),) = workspace.store.select(f"SELECT ?g WHERE {{ GRAPH ?g {{ {subject.iri} a ?t }} }}")
            assert isinstance(where, NamedNode)
            workspace.store.insert([Quad(subject.iri, worn, Literal("before 1700"), where)])
        found = web.get("/record", params={"iri": subject.iri.value}, headers=PAGE)
    facts, _, _ = found.text.partition('id="suggests"')
    assert "<dt>worn, stated in no class</dt><dd><span>before 1700</span></dd>" in facts


def test_a_page_asks_the_store_at_most_eight_questions(shared: Site, web: TestClient) -> None:
    with counted(shared) as counting:
        for subject in subjects(shared)[:5]:
            counting.asked = 0
            assert web.get("/record", params={"iri": subject.iri.value}).status_code == 200
            assert 0 < counting.asked <= 8


def test_a_page_speaks_the_reader_s_language(shared: Site) -> None:
    """Given a record; when it is asked for in Spanish; then the words and the values' labels are Spanish, and so is the
    next page without asking again."""
    iri = with_picture(shared).iri.value
    with client(shared) as alone:
        found = alone.get("/record", params={"iri": iri, "lang": "es"}, headers=PAGE)
        assert "Lo que sugiere un modelo" in found.text
        assert '<html lang="es">' in found.text
        assert "Lo que sugiere un modelo" in alone.get("/record", params={"iri": iri}, headers=PAGE).text


def test_the_answers_are_to_be_had_as_rdf(shared: Site, web: TestClient) -> None:
    """Given a record with answers; then the three files hold the same statements, each answer and its run among them."""
    subject = with_picture(shared)
    kinds = {"ttl": ox.RdfFormat.TURTLE, "jsonld": ox.RdfFormat.JSON_LD, "nt": ox.RdfFormat.N_TRIPLES}
    found = [
        {
            q.triple
            for q in ox.parse(web.get(f"/record.{end}", params={"iri": subject.iri.value}).content, kind)
        }
        for end, kind in kinds.items()
    ]
    assert found[0] == found[1] == found[2]
    about = {t.subject for t in found[0] if t.predicate == ENR.about and t.object == subject.iri}
    assert len(about) >= len(subject.missing)
    assert any(t.predicate == ENR.runState for t in found[0])
    assert not any(t.predicate == ENR.request for t in found[0])  # it names folders of this machine
    assert web.get("/record.ttl", params={"iri": "https://museum.example.org/nothing"}).status_code == 404
    assert web.get("/record.doc", params={"iri": subject.iri.value}).status_code == 404


@pytest.mark.parametrize("iri", ["https://museum.example.org/nothing", "javascript:alert(1)"])
def test_a_record_that_nobody_knows_is_a_page_that_says_so(web: TestClient, iri: str) -> None:
    assert web.get("/record", params={"iri": iri}, headers=PAGE).status_code == 404


def test_what_is_no_iri_is_refused(web: TestClient) -> None:
    assert web.get("/record", params={"iri": "<script>"}, headers=PAGE).status_code == 400
    assert web.get("/record", headers=PAGE).status_code == 400


def test_pictures_are_nothing_but_pixels(shared: Site, web: TestClient) -> None:
    """Given a record with a picture; then it comes as JPEG of a bounded size, and not again when the browser has it."""
    iri = with_picture(shared).iri.value
    found = web.get("/picture", params={"record": iri, "n": 1, "size": "small"})
    assert (found.status_code, found.headers["content-type"]) == (200, "image/jpeg")
    assert min(Image.open(io.BytesIO(found.content)).size) <= 160
    again = web.get(
        "/picture",
        params={"record": iri, "n": 1, "size": "small"},
        headers={"If-None-Match": found.headers["etag"]},
    )
    assert (again.status_code, again.content) == (304, b"")


def test_a_picture_that_is_not_to_be_had_says_why(shared: Site, web: TestClient) -> None:
    """Given records whose pictures are inside the network, or no addresses; then nothing is fetched, and both the drawing
    and the page of the link say why."""
    fetched = []
    for number, url in enumerate(
        ("http://127.0.0.1:9/secret.jpg", "file:///etc/passwd", "no <b>address</b>")
    ):
        subject = subjects(shared)[number]
        image = NamedNode(f"https://museum.example.org/extra/{number}")
        graph = graph_iri("extra")
        shared._store.insert(  # type: ignore[union-attr]
            [
                Quad(subject.iri, CRM.P138i_has_representation, image, graph),
                Quad(image, LA.digitally_shown_by, image, graph),
                Quad(image, LA.access_point, Literal(url), graph),
                Quad(graph, RDFS.label, Literal("extra"), graph),
            ]
        )
        shared.forget()
        addresses = [p.url for p in next(s for s in subjects(shared) if s.iri == subject.iri).record.pictures]
        params = {"record": subject.iri.value, "n": addresses.index(url) + 1}
        drawing = web.get("/picture", params=params, headers={"Accept": "image/*"})
        page = web.get("/picture", params=params, headers=PAGE)
        assert (drawing.status_code, page.status_code) == (404, 404)
        assert drawing.headers["content-type"] == "image/svg+xml"
        assert "No picture:" in drawing.text
        assert "<b>" not in drawing.text + page.text
        fetched.append(page.text)
    assert "not an http(s) address" in fetched[1]
    missing = {"record": subjects(shared)[0].iri.value, "n": 99}
    assert web.get("/picture", params=missing, headers={"Accept": "image/*"}).status_code == 404


def test_why_an_answer_was_given_is_asked_of_its_model(shared: Site, web: TestClient) -> None:
    subject = with_picture(shared)
    with shared.workspace() as workspace:
        answers = show_record(workspace, subject.iri)["predictions"]
    for answer in answers:
        params = {"iri": subject.iri.value, "prediction": answer["prediction"]}
        found = web.get("/why", params=params, headers=PAGE)
        assert found.status_code == 200
        assert "by itself" in found.text
        assert "cannot be explained" not in found.text
    params = {"iri": subject.iri.value, "prediction": "https://data.example.org/enrich/prediction/none"}
    assert web.get("/why", params=params, headers=PAGE).status_code == 404
    for name in ("../index.sqlite", "..%2Findex.sqlite", "none.png"):
        assert web.get(f"/saliency/{name}").status_code == 404
