"""IRIs of our own lead to what they name: by Accept, with a banner where it was taken back, 410 where it was dropped."""

from __future__ import annotations

from urllib.parse import quote, urljoin, urlsplit

import pyoxigraph as ox
import pytest
from pyoxigraph import Literal, NamedNode
from starlette.testclient import TestClient

from enrich.ontology.terms import DCT, ENR, RDFS
from enrich.runs.register import Register, retract
from enrich.web.rdf import FORMS
from enrich.web.site import Site
from tests.web.serving import PAGE, client, site


def own(shared: Site, predicate: NamedNode) -> list[NamedNode]:
    """What is ours and has a predicate, sorted."""
    with shared.workspace() as workspace:
        rows = workspace.store.select(f"SELECT DISTINCT ?s WHERE {{ GRAPH ?g {{ ?s {predicate} ?o }} }}")
        return sorted((s for (s,) in rows if isinstance(s, NamedNode) and workspace.names.owns(s)), key=str)


def path(shared: Site, iri: NamedNode) -> str:
    """Where an IRI of ours is served."""
    return "/" + iri.value.removeprefix(shared.settings.base)


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("text/html,application/xhtml+xml,*/*;q=0.8", "html"),
        ("text/turtle", "ttl"),
        ("application/ld+json;q=0.9, text/turtle;q=0.3", "jsonld"),
        ("application/n-triples", "nt"),
        ("*/*", "html"),
    ],
)
def test_an_iri_leads_to_what_the_client_would_rather_have(
    shared: Site, web: TestClient, accept: str, form: str
) -> None:
    """Given a prediction's IRI; when it is asked for; then 303 leads to a page or a file, and that is there. The same
    under the path that the IRI itself has."""
    prediction = own(shared, ENR.about)[0]
    for place in (path(shared, prediction), urlsplit(prediction.value).path):
        found = web.get(place, headers={"Accept": accept})
        location = urljoin(place, found.headers["location"])
        assert (found.status_code, location) == (303, f"{place}.{form}")
        assert "Accept" in found.headers["vary"]
        assert web.get(location).status_code == 200
        assert web.head(place, headers={"Accept": accept}).status_code == 303


@pytest.mark.parametrize("cut", ["", "/enrich", "/collections/enrich"])
def test_behind_a_proxy_that_cuts_the_path_an_iri_leads_on_within_it(
    shared: Site, web: TestClient, cut: str
) -> None:
    """Given a proxy that passes what is under a path on without that path, or with it; then what an IRI leads to is under
    that path too, and is there."""
    (run,) = own(shared, ENR.runState)
    run_id = run.value.rpartition("/")[2]
    for place in (path(shared, own(shared, ENR.about)[0]), f"/graph/run/{run_id}", f"/graph/run/{run_id}/0"):
        asked = place
        for _ in range(3):
            found = web.get(asked, headers={"Accept": "text/turtle"})
            if found.status_code != 303:
                break
            seen = urljoin(f"https://data.example.org{cut}{asked}", found.headers["location"])
            assert seen.startswith(f"https://data.example.org{cut}/"), seen
            asked = urlsplit(seen).path.removeprefix(cut)
        assert found.status_code == 200
        assert found.headers["content-type"].startswith("text/turtle")


@pytest.mark.parametrize("name", ["a:b", "a b", "a?b", "100%", "ä"])
def test_odd_names_lead_to_themselves(web: TestClient, name: str) -> None:
    place = f"/node/x/{quote(name, safe='')}"
    found = web.get(place, headers={"Accept": "text/turtle"})
    assert found.status_code == 303
    assert urljoin(f"http://127.0.0.1{place}", found.headers["location"]) == f"http://127.0.0.1{place}.ttl"


def test_what_nobody_can_read_is_not_sent(shared: Site, web: TestClient) -> None:
    found = web.get(path(shared, own(shared, ENR.about)[0]), headers={"Accept": "image/png"})
    assert found.status_code == 406


def test_everything_of_ours_that_is_said_something_of_leads_somewhere(shared: Site, web: TestClient) -> None:
    """Given every IRI of ours that the graphs say something of; then there is a page of it and a file in each form."""
    for predicate in (ENR.about, ENR.rank, ENR.sha256, ENR.modality, ENR.runState, DCT.hasVersion):
        for iri in own(shared, predicate)[:3]:
            for form in ("html", *FORMS):
                assert web.get(f"{path(shared, iri)}.{form}").status_code == 200, (iri, form)


def test_a_prediction_has_a_label_made_for_the_reader(shared: Site, web: TestClient) -> None:
    """Given a prediction; then its page and its data call it by property, record, value and confidence, and the data
    hold its candidates and its run, and no other prediction."""
    prediction = next(p for p in own(shared, ENR.answers) if "prediction" in p.value)
    page = web.get(path(shared, prediction) + ".html", headers=PAGE).text
    data = ox.parse(web.get(path(shared, prediction) + ".ttl").content, ox.RdfFormat.TURTLE)
    triples = [q.triple for q in data]
    (label,) = [t.object for t in triples if t.subject == prediction and t.predicate == RDFS.label]
    assert isinstance(label, Literal)
    assert f"<h1>{label.value}</h1>" in page
    assert " of " in label.value
    assert [t.subject for t in triples if t.predicate == ENR.about] == [prediction]
    assert any(t.predicate == ENR.rank for t in triples)
    assert any(t.predicate == ENR.runState for t in triples)


def test_a_run_says_how_it_is_cited_and_a_model_what_used_it(shared: Site, web: TestClient) -> None:
    (run,) = own(shared, ENR.runState)
    page = web.get(path(shared, run) + ".html").text
    assert "[Data set]" in page
    assert "Gaps answered" in page
    with shared.workspace() as workspace:
        model = Register(workspace.store, workspace.names).get(run).model
    assert model is not None
    told = web.get("/model", params={"iri": model}).text
    assert run.value.rpartition("/")[2] in told


@pytest.mark.parametrize(
    "place", ["/prediction/none", "/run/none", "/model/none", "/review/%3Cx%3E", "/graph/run/none/0"]
)
def test_what_never_was_is_not_found(web: TestClient, place: str) -> None:
    assert web.get(f"{place}.html" if "graph" not in place else place, headers=PAGE).status_code == 404


def test_what_was_taken_back_has_a_banner_and_what_was_dropped_is_gone(
    tmp_path_factory: pytest.TempPathFactory,
) -> None:
    """Given a reviewed prediction of a run; when the run is taken back; then its pages say so; when it is dropped; then
    its graph and the prediction are gone, the run's entry stays, and a page of it says what is known."""
    with (
        site(tmp_path_factory.mktemp("own"), 12) as museum,
        client(museum) as web,
        museum.workspace() as workspace,
    ):
        (run,) = own(museum, ENR.runState)
        prediction, other = own(museum, ENR.about)[:2]
        names = workspace.names
        workspace.store.update(
            f"INSERT DATA {{ GRAPH {names.reviews} {{ <{names.base}review/1> {ENR.reviews} {prediction} ; "
            f'{ENR.about} <https://museum.example.org/object/1> ; {ENR.propertyName} "place" }} }}'
        )
        retract(workspace, run.value, purge=False)
        banner = web.get(path(museum, prediction) + ".html").text
        assert "taken back" in banner
        assert "taken back" in web.get(path(museum, run) + ".html").text
        assert web.get(f"/graph/run/{run.value.rpartition('/')[2]}/0").status_code == 303
        retract(workspace, run.value)
        lost = web.get(path(museum, prediction) + ".html", headers=PAGE)
        assert lost.status_code == 410
        assert "object/1" in lost.text
        assert web.get(path(museum, other) + ".html").status_code == 404
        graph = web.get(f"/graph/run/{run.value.rpartition('/')[2]}/0", headers=PAGE)
        assert graph.status_code == 410
        assert path(museum, run) in graph.text
        problem = web.get(
            f"/graph/run/{run.value.rpartition('/')[2]}/0", headers={"Accept": "application/json"}
        )
        assert (problem.status_code, problem.json()["status"]) == (410, 410)
        assert "were dropped" in web.get(path(museum, run) + ".html").text
